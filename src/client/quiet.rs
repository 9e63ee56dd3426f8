//! The everyday call: nothing happened since the last one, and nothing happens in this one. It goes by the short way
//! (`exchange/short.rs`), and by the long one as soon as anything is otherwise.

use std::time::Duration;

use super::turn::Turn;
use super::{Client, Whole, fork};
use crate::rules::operation::{Operation, Outcome};
use crate::rules::time::Instant;

impl Client {
    /// Whether a call can begin as it is: every server is steady, nobody has news of any or is to be asked for some, no turns are
    /// taken at keys, and nothing was left by the call before.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.views.is_quiet() && self.trials.is_empty() && self.exchange.idle() && self.epoch == fork::epoch()
    }

    /// A call of a quiet client.
    pub(super) fn run_quietly(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        start: Instant,
    ) -> Outcome {
        self.views.begin_quietly(operation.mutates(), start);
        let now = match self.go_short(operation, start, self.short_wait <= self.total) {
            Ok(outcome) => return outcome,
            Err(now) => now,
        };
        let _whole = Whole::begin();
        let outcome = self.drive_on(operation, now, &Turn::free(self.deadline(start)));
        self.views.end(now);
        outcome
    }

    /// Begins an operation by the short way, if there is time enough to wait for one answer (`in_time`). How it ended, or the
    /// time at which it is to go on.
    #[inline(always)]
    pub(super) fn go_short(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        now: Instant,
        in_time: bool,
    ) -> Result<Outcome, Instant> {
        // A trial that rides along is watched while a call waits.
        if !in_time || !self.trials.is_empty() {
            return Err(now);
        }
        let later = self.exchange.go_short(operation, &mut self.views, &mut self.busy, now);
        match operation.outcome() {
            Some(outcome) if self.exchange.idle() => Ok(outcome),
            _ => Err(later.unwrap_or(now)),
        }
    }

    pub(super) fn set_short_wait(&mut self) {
        let patience = self.terms.iter().map(|terms| terms.patience).max().unwrap_or_default();
        self.short_wait = micros(patience + self.busy.longest());
    }
}

/// In microseconds.
pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
