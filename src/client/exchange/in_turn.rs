//! Receiving in turn: where answers are all that is awaited, one blocking receive for each server does the waiting too.
//!
//! The servers are at work at the same time, whoever is waited for: the call is over when the last of them has
//! answered, and a poll between would only tell in which order to read. It does matter where there is something to do
//! meanwhile, or where one of them is late: then this ends, and the sockets are watched together.

use std::time::Duration;

use super::{Exchange, Witness};
use crate::client::busy::Busy;
use crate::client::clock;
use crate::rules::operation::Operation;
use crate::rules::time::Instant;

impl Exchange {
    /// Whether answers are all that is awaited, and since a moment ago: of one connection, or of several if `together`. The first of
    /// them.
    pub(in crate::client) fn reader(&self, together: bool, now: Instant) -> Option<usize> {
        let (&first, others) = self.busy.split_first()?;
        let only_answers = |&index: &usize| self.connections[index].only_answers(now);
        let all = only_answers(&first) && (others.is_empty() || together) && others.iter().all(only_answers);
        all.then_some(first)
    }

    /// How long a receive over it can take at most.
    pub(in crate::client) fn patience(&self, index: usize) -> Duration {
        self.connections[index].terms().patience
    }

    /// Receives over each connection until it owes nothing, as long as no more commands are handed over, every answer comes
    /// soon, and there is time to wait for the next. For those of which [`Exchange::reader`] told the first.
    pub(in crate::client) fn read_in_turn(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        busy: &mut Busy,
        mut now: Instant,
        deadline: Instant,
    ) {
        self.handed = false;
        let mut at = 0;
        while let Some(&index) = self.busy.get(at) {
            let connection = &self.connections[index];
            if !connection.owes() {
                at += 1;
                continue;
            }
            let longest = connection.terms().patience + busy.longest();
            if !connection.only_answers(now) || now + longest > deadline {
                return;
            }
            let connection = &mut self.connections[index];
            let received = busy.receive(now, |wait| connection.receive(wait, operation));
            now = clock::now();
            if !self.told(index, received, operation, witness, now)
                || self.handed
                || operation.outcome().is_some()
            {
                return;
            }
        }
    }
}
