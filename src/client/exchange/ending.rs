//! How an exchange ends: with its operation, with its time, or at once.

use super::losing::strip;
use super::{Exchange, Witness};
use crate::client::connection::Loss;
use crate::rules::operation::Operation;
use crate::rules::time::Instant;

impl Exchange {
    /// The operation is over: what is still outstanding no longer matters, and goes.
    pub(in crate::client) fn end(&mut self, now: Instant) {
        while let Some(index) = self.busy.pop() {
            let connection = &mut self.connections[index];
            if connection.owes() {
                connection.close(true);
            } else {
                connection.rest(now);
            }
        }
    }

    /// Time is up: every server that was silent for too long counts as silent, and every one that may still execute
    /// a change. One that had less time than it is allowed is not accused: the call may have spent its time
    /// elsewhere.
    #[cold]
    pub(in crate::client) fn give_up(
        &mut self,
        operation: &(impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        let mut lost = std::mem::take(&mut self.lost);
        for at in 0..self.busy.len() {
            let index = self.busy[at];
            let connection = &mut self.connections[index];
            if !connection.owes() {
                continue;
            }
            let overdue = connection.overdue(now, witness.judges_for_others());
            lost.clear();
            let what = strip(connection, Loss::Silent, operation, &mut lost);
            connection.surrender(&mut lost);
            if overdue || what.doubt {
                witness.lost(connection.server(), Loss::Silent, what, now);
            }
        }
        lost.clear();
        self.lost = lost;
        self.end(now);
    }

    /// Closes everything, whatever is outstanding. `reset`: see [`Connection::close`].
    pub(in crate::client) fn close(&mut self, reset: bool) {
        self.busy.clear();
        self.connections.iter_mut().for_each(|connection| connection.close(reset));
    }
}
