//! What one loop counts. One loop writes, anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::rules::time::Instant;

/// Kinds of commands, as they are counted.
pub(super) const OTHER: u8 = 0;
pub(super) const GET: u8 = 1;
pub(super) const STORE: u8 = 2;
pub(super) const DELETE: u8 = 3;
pub(super) const COUNT: u8 = 4;
pub(super) const TOUCH: u8 = 5;
/// Their names.
pub(super) const KINDS: [&str; 6] = ["other", "get", "set", "delete", "count", "touch"];
/// Upper ends of the latencies that are told apart, in microseconds.
pub(super) const STEPS: [u64; 12] =
    [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000];

/// A number that one loop adds to.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        // One writer: no exchange is needed.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }
    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One kind of command.
#[derive(Default)]
pub(super) struct Kind {
    pub(super) begun: Count,
    pub(super) answered: Count,
    pub(super) micros: Count,
    /// How many took no longer than each of [`STEPS`], and how many did.
    pub(super) steps: [Count; STEPS.len() + 1],
}

/// What one loop counts.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) kinds: [Kind; KINDS.len()],
    pub(super) clients: Count,
    pub(super) accepted: Count,
    pub(super) turned_away: Count,
    /// Clients that spoke the binary protocol.
    pub(super) binary: Count,
    pub(super) refused: Count,
    pub(super) late: Count,
    pub(super) in_flight: Count,
    pub(super) rounds: Count,
    pub(super) bytes_in: Count,
    pub(super) bytes_out: Count,
}

impl Counters {
    pub(super) fn begun(&self, kind: u8) {
        self.kinds[usize::from(kind) % KINDS.len()].begun.add(1);
    }

    pub(super) fn refused(&self) {
        self.refused.add(1);
    }

    pub(super) fn over(&self, kind: u8, began: Instant, now: Instant) {
        let micros = now.0.saturating_sub(began.0);
        let kind = &self.kinds[usize::from(kind) % KINDS.len()];
        kind.answered.add(1);
        kind.micros.add(micros);
        let step = STEPS.iter().position(|step| micros <= *step).unwrap_or(STEPS.len());
        kind.steps[step].add(1);
    }
}
