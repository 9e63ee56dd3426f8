//! What an exchange needs beside when the operation that it carries is many at once ([`crowd`](super::super::crowd)): one of
//! them can be over while the others go on.

use super::{Exchange, Witness};
use crate::client::connection::{Connection, Loss};
use crate::rules::operation::{Operation, Tag};
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;

impl Exchange {
    /// Takes back commands that wait for a connection and were not sent.
    pub(in crate::client) fn withdraw(&mut self, mut whose: impl FnMut(Tag) -> bool) {
        for &index in &self.busy {
            self.connections[index].withdraw(&mut whose);
        }
    }

    /// The servers that owe an answer to one of these commands, of which at least a part was written.
    pub(in crate::client) fn debtors(&self, whose: impl Fn(Tag) -> bool) -> Option<ServerId> {
        let owes = |index: &&usize| self.connections[**index].pending_tags().any(&whose);
        self.busy.iter().find(owes).map(|&index| self.connections[index].server())
    }

    /// The time of a change is up, and this server owes an answer to it: nothing more of it may reach the server, and
    /// what was sent can still be executed.
    pub(in crate::client) fn give_up_on(
        &mut self,
        server: ServerId,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        if server.index() < self.connections.len() {
            self.abandon(server.index(), Loss::Silent, operation, witness, now);
        }
    }

    /// The connections that owe something.
    pub(in crate::client) fn busy(&self) -> impl Iterator<Item = &Connection> {
        self.busy.iter().map(|&index| &self.connections[index])
    }
}
