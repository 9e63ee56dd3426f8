//! When a client looks up the names of its servers, and what it has to say of it. See `registry/whereabouts.rs`.

use std::path::Path;

use super::messages::{Cause, is_news};
use super::registry::wishes;
use super::{Client, clock};
use crate::rules::pool::{Server, ServerId};

impl Client {
    pub(super) fn resolve(&mut self) {
        for id in self.pool.ids() {
            if let Err(why) = self.views.known(id).look_up() {
                if self.views.known(id).sites().is_empty() {
                    self.views.has_no_address(id, clock::now());
                }
                self.unresolved[id.index()] = Some(why);
            }
        }
        self.views.refresh(clock::now());
    }

    /// Looks up the names that lead nowhere. Whether it did: the clock is to be read before anything else is done then. Nothing may be
    /// awaited of any server meanwhile: how long the resolver takes would be held against it.
    pub(super) fn look_up_wanted(&mut self) -> bool {
        let wishes = wishes();
        if std::mem::replace(&mut self.wishes, wishes) == wishes {
            return false;
        }
        self.pool.ids().filter(|&id| self.views.known(id).look_up_if_wanted()).count() > 0
    }

    /// Why a server's address could not be resolved when this client was opened; a message for a
    /// person. `None`: it could.
    pub fn unresolved(&self, server: ServerId) -> Option<&str> {
        self.unresolved.get(server.index())?.as_deref()
    }

    /// Why servers have no address since this client was opened, in messages for a person, each told once in a process.
    pub fn take_unresolved(&self) -> Vec<String> {
        let known = self.pool().servers().iter().zip(&self.unresolved);
        let news = |server: &Server| is_news(Cause::Name, Path::new(&server.address.to_string()));
        known.filter_map(|(server, why)| why.clone().filter(|_| news(server))).collect()
    }
}
