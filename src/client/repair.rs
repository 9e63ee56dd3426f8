//! Repair: what a read found at a later place is moved to acting, so that the next read of it asks one server (rule 8).
//!
//! It rides on the call that read it, after the value was handed out, and within that call's time. It never waits for
//! anybody: a key whose stripe is held is somebody's who changes it at this moment, and is left alone. Without a table there
//! are no stripes, and nothing is moved: between a counter's step and its publication a lease alone would take the
//! counted value from under it, and it would count again.

use smallvec::SmallVec;

use super::Client;
use super::exchange::Witness;
use super::turn::Turn;
use crate::rules::operation::{Found, Many, Moves, Operation};
use crate::rules::time::Instant;

/// The most keys that one call moves.
const MOST: usize = 64;

impl Client {
    /// Moves what the operation, which is over, found displaced. `start`: when its call began; `deadline`: when it must be over.
    pub(super) fn repair(
        &mut self,
        operation: &(impl Operation + ?Sized),
        start: Instant,
        deadline: Instant,
    ) {
        if self.views.stripes().is_none() {
            return;
        }
        let mut found = SmallVec::<[Found; 1]>::new();
        operation.displaced(&mut |key, server| {
            if found.len() < MOST {
                found.push(Found { key: key.to_vec(), server });
            }
        });
        let now = super::clock::now();
        // A call that took half of its time has met with trouble.
        let in_time = deadline.since(now) > now.since(start);
        if found.is_empty() || !in_time || self.views.view().any_unreachable() || self.views.relisted() {
            return;
        }
        let Some(stripes) = self.views.stripes().cloned() else { return };
        let turn = Turn::take_what_is_free(&stripes, &mut found, deadline);
        if found.is_empty() {
            return;
        }
        let before = self.views.view().generation;
        let mut moves = Many::new(Moves(&found));
        self.views.changes(&moves, turn.deadline());
        self.views.begin(true, now);
        if self.views.view().generation == before && !self.views.relisted() {
            self.drive(&mut moves, now, &turn);
        }
        self.views.end(now);
    }
}
