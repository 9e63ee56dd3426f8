//! Receiving in turn: where answers are all that is awaited, one blocking receive for each server does the waiting too.
//!
//! The servers are at work at the same time, whoever is waited for: the call is over when the last of them has
//! answered, and a poll between would only tell in which order to read. It does matter where there is something to do
//! meanwhile, or where one of them is late: then this ends, and the sockets are watched together.

use std::time::Duration;

use super::{Exchange, Witness};
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

    /// Whether no other connection owes anything.
    pub(in crate::client) fn is_alone(&self) -> bool {
        self.busy.len() == 1
    }

    /// Receives over each connection until it owes nothing, as long as no more commands are handed over, every answer comes
    /// soon, and there is time to wait for the next. For those of which [`Exchange::reader`] told the first.
    pub(in crate::client) fn read_in_turn(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        mut now: Instant,
        deadline: Instant,
    ) {
        // (After a moment of polling `now` is as old as that, which is little beside any patience.)
        self.handed = false;
        let mut at = 0;
        while let Some(&index) = self.busy.get(at) {
            let connection = &self.connections[index];
            if !connection.owes() {
                at += 1;
                continue;
            }
            if !connection.only_answers(now) || now + connection.terms().patience > deadline {
                return;
            }
            let received = self.connections[index].receive(true, operation);
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
