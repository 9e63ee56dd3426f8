//! A changed list of servers under a crowd. A job goes by one list from its beginning to its end, and so does the proof of a
//! turn that was taken over: no new one goes to work, or takes its turn, until those that are at work under the old list are
//! over, which takes no longer than a call may. Reads that hold back a
//! miss under the old list go on under the new one.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::{Crowd, Exchange};
use super::{Member, Traffic, terms_of};
use crate::client::clock;
use crate::client::connection::Connection;
use crate::client::exchange::Witness;
use crate::client::lineup::position;
use crate::client::resolve::is_name;
use crate::rules::health::Settings;
use crate::rules::operation::Operation;
use crate::rules::pool::Pool;
use crate::rules::time::Instant;

/// So long a loop waits for the names of a new list: a resolver that is well has answered by then, and no job finds a server without
/// an address.
const RESOLVES: Duration = Duration::from_millis(20);

impl<O: Member> Crowd<O> {
    /// Goes on with another list, and other options, as soon as nothing is at work under this one. Only where no table was
    /// ever read, which names the list otherwise.
    pub(crate) fn change_list(&mut self, pool: Arc<Pool>) {
        let now = self.now();
        let same = pool.servers() == self.pool.servers()
            && pool.slots() == self.pool.slots()
            && pool.options == self.pool.options;
        if self.views.attendance(now).is_none() && !same {
            self.other_list = Some(pool);
        }
    }

    /// Whether another list is to be gone on with.
    pub(super) fn is_outdated(&self) -> bool {
        self.views.relisted() || self.other_list.is_some()
    }

    /// Goes on with the table's list, if it is another one and nothing is at work under this one. `mutates`: of those that are
    /// about to go to work, one changes something.
    pub(super) fn follow_list(&mut self, mutates: bool, now: Instant) {
        if self.jobs.running > self.jobs.idle.len() || self.jobs.lines.proving > 0 {
            return;
        }
        let told = self.views.other_list().map(Arc::new);
        let Some(pool) = told.or_else(|| self.other_list.take()) else { return };
        self.trials.leave(&self.views);
        let before = std::mem::replace(&mut self.pool, Arc::clone(&pool));
        self.views.relist(Arc::clone(&pool), Settings::new(&pool.options), now);
        self.terms = terms_of(&pool);
        let traffic = pool.ids().map(|id| {
            let old = position(&before, &pool, id);
            old.and_then(|old| self.jobs.traffic.get(old)).copied().unwrap_or_default()
        });
        self.jobs.traffic = traffic.collect::<Vec<Traffic>>();
        self.take_over_connections(&before);
        self.look_up_new(&before);
        for slot in std::mem::take(&mut self.jobs.idle) {
            self.jobs.wake(slot);
        }
        let at_work = self.jobs.changing > 0;
        self.views.begin_beside(mutates || at_work, at_work, now);
    }

    /// Looks up the servers that are new to this process. What takes longer than [`RESOLVES`] goes on beside: there are others to serve.
    fn look_up_new(&mut self, before: &Pool) {
        for id in self.pool.ids().filter(|&id| position(before, &self.pool, id).is_none()) {
            let known = self.views.known(id);
            if !known.sites().is_empty() {
                continue;
            }
            if is_name(&self.pool.server(id).address) {
                // Without a thread it is looked up when it is dialled.
                self.lookups.extend(known.look_up_beside());
            } else {
                self.messages.extend(known.look_up().err());
            }
        }
        self.hear_lookups(RESOLVES);
    }

    /// Hears what came of the names of a new list; waits for them so long at most.
    pub(super) fn hear_lookups(&mut self, within: Duration) {
        if self.lookups.is_empty() {
            return;
        }
        let until = clock::now() + within;
        let messages = &mut self.messages;
        self.lookups.retain(|lookup| match lookup.recv_timeout(until.since(clock::now())) {
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
            Ok(found) => {
                messages.extend(found.err());
                false
            }
        });
    }

    /// Connections to servers of both lists are kept. What a server that is gone still owes is nobody's any more.
    fn take_over_connections(&mut self, before: &Pool) {
        let old = std::mem::replace(&mut self.exchange, Exchange::new(Vec::new()));
        let mut old: Vec<Option<Connection>> = old.into_connections().map(Some).collect();
        let mut lost = Vec::new();
        let taken = self.pool.ids().map(|id| {
            let (known, terms) = (self.views.known(id), self.terms[id.index()]);
            let slot = position(before, &self.pool, id).and_then(|index| old.get_mut(index));
            let kept = slot.and_then(|slot| slot.take_if(|old| old.is_to(known) && !old.owes()));
            match kept {
                Some(mut connection) => {
                    connection.renumber(id);
                    connection.set_terms(terms);
                    connection
                }
                None => Connection::new(id, Arc::clone(known), terms),
            }
        });
        let taken = taken.collect();
        for connection in old.iter_mut().flatten() {
            connection.lose(&mut lost);
            connection.surrender(&mut lost);
        }
        self.exchange = Exchange::new(taken);
        let view = self.views.view();
        lost.into_iter().for_each(|(tag, failure)| self.jobs.fail(view, tag, failure));
    }
}
