//! What one loop counts. One loop writes, anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::client::crowd::latency::{Latency, STEPS, step_of};
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
    /// As a [`Latency`].
    steps: [Count; STEPS + 1],
    micros: Count,
}

impl Kind {
    /// How long those that were answered took.
    pub(super) fn latency(&self) -> Latency {
        Latency { steps: self.steps.each_ref().map(Count::get), micros: self.micros.get() }
    }
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
        if let Some(kind) = self.kinds.get(usize::from(kind)) {
            kind.begun.add(1);
        }
    }

    pub(super) fn refused(&self) {
        self.refused.add(1);
    }

    /// What was said at once is of no kind, and took no time.
    pub(super) fn over(&self, kind: u8, began: Instant, now: Instant) {
        let micros = now.0.saturating_sub(began.0);
        let Some(kind) = self.kinds.get(usize::from(kind)) else { return };
        kind.micros.add(micros);
        kind.steps[step_of(micros)].add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::session::SAID;

    #[test]
    fn what_is_over_is_counted_with_its_kind() {
        let counters = Counters::default();
        counters.begun(GET);
        counters.over(GET, Instant(1_000), Instant(1_020));
        let latency = counters.kinds[usize::from(GET)].latency();
        assert_eq!((latency.count(), latency.micros, latency.quantile(500)), (1, 20, 32));
        counters.over(SAID, Instant(0), Instant(1_020));
        let all: u64 = counters.kinds.iter().map(|kind| kind.latency().count()).sum();
        assert_eq!(all, 1);
    }
}
