//! A changed list of servers: the table's list is the pool, and a client that finds another one than its own
//! at the start of a call goes on with that one.
//!
//! What belongs to a server, by its address, goes with it: its connection, and what the program chose for it.

use std::sync::Arc;

use super::connection::Connection;
use super::exchange::Exchange;
use super::{Client, terms};
use crate::rules::health::Settings;
use crate::rules::pool::{Options, Pool, ServerId};
use crate::rules::time::Instant;

impl Client {
    /// Grows with every change of the list of servers that this client goes by. [`Client::pool`] is
    /// the list then; the ids of before mean nothing in it.
    ///
    /// A list changes at the start of a call, when the pool's table has another one; and when a client is
    /// opened whose pool is not the table's. A new server that is named by a host's name, not by its
    /// number, is looked up then: that call can take as long as the system's resolver does.
    pub fn lineup(&self) -> u64 {
        self.lineup
    }

    /// Goes on with the table's list, if it is another one.
    pub(super) fn follow_list(&mut self, now: Instant) {
        let Some(pool) = self.views.other_list().map(Arc::new) else { return };
        self.trials.leave(&self.views);
        let before = std::mem::replace(&mut self.pool, Arc::clone(&pool));
        self.lineup += 1;
        self.options = match self.own_terms {
            true => Options {
                timeout: self.options.timeout,
                connect_timeout: self.options.connect_timeout,
                ..pool.options.clone()
            },
            false => pool.options.clone(),
        };
        self.views.relist(Arc::clone(&pool), Settings::new(&self.options), now);
        let from = |id: ServerId| position(&before, &pool, id);
        let old = |id: ServerId| from(id).map(|index| (self.own_timeouts[index], self.nodelay[index]));
        let chosen: Vec<_> = pool.ids().map(|id| old(id).unwrap_or((None, true))).collect();
        let unresolved = pool.ids().map(|id| self.unresolved[from(id)?].take()).collect();
        (self.own_timeouts, self.nodelay) = chosen.into_iter().unzip();
        self.unresolved = unresolved;
        self.terms = vec![terms(&self.options, None, true); pool.servers().len()];
        self.take_over_connections(&before);
        self.set_terms();
        self.resolve_new(&before);
    }

    /// Connections to servers of both lists are kept.
    fn take_over_connections(&mut self, before: &Pool) {
        let old = std::mem::replace(&mut self.exchange, Exchange::new(Vec::new()));
        let mut old: Vec<Option<Connection>> = old.into_connections().map(Some).collect();
        let taken = self.pool.ids().map(|id| {
            let kept = position(before, &self.pool, id).and_then(|index| old[index].take());
            let known = self.views.known(id);
            match kept.filter(|connection| connection.is_to(known)) {
                Some(mut connection) => {
                    connection.renumber(id);
                    connection
                }
                None => Connection::new(id, Arc::clone(known), self.terms[id.index()]),
            }
        });
        self.exchange = Exchange::new(taken.collect());
    }

    fn resolve_new(&mut self, before: &Pool) {
        for id in self.pool.ids().filter(|&id| position(before, &self.pool, id).is_none()) {
            if self.views.known(id).sites().is_empty() {
                self.unresolved[id.index()] = self.views.known(id).look_up().err();
            }
        }
    }
}

/// Where a server of the new list stands in the old one.
pub(super) fn position(old: &Pool, new: &Pool, id: ServerId) -> Option<usize> {
    let address = &new.server(id).address;
    old.servers().iter().position(|server| server.address == *address)
}
