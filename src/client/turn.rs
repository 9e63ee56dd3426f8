//! Turns: writers of one key on one machine are at work one after another (rule 12).
//!
//! A call holds the stripes of all keys that it changes, from before it looks at the table until it ends. It
//! takes them in one order whatever its keys are, so two calls never wait for each other; and when the
//! time of one is over it sends nothing more.

use std::cell::Cell;
use std::time::Duration;

use smallvec::SmallVec;

use super::{clock, fork};
use crate::rules::hash::KeyHash;
use crate::rules::operation::{Found, Operation};
use crate::rules::time::Instant;
use crate::table::stripes::layout::STRIPES;
use crate::table::{Held, Overdue, Stripes};

/// What a holder before us has sent may lie unread in a server's socket for so long, if the server works. It must
/// not be executed after what is sent now.
pub(super) const LATE: Duration = Duration::from_millis(4);

/// What one call holds.
pub(super) struct Turn<'a> {
    held: SmallVec<[Held<'a>; 1]>,
    /// The call is over then at the latest.
    deadline: Instant,
    /// One of them was taken from a holder who ended or overran his deadline.
    taken_over: bool,
    /// Time passed until they were had.
    waited: bool,
    /// In which process they were taken.
    epoch: u64,
}

impl<'a> Turn<'a> {
    /// A turn that needs no stripe.
    pub(super) fn free(deadline: Instant) -> Turn<'a> {
        Turn { held: SmallVec::new(), deadline, taken_over: false, waited: false, epoch: 0 }
    }

    /// Waits for the turn of every key that the operation changes. `start`: the time.
    pub(super) fn take(
        stripes: &'a Stripes,
        operation: &(impl Operation + ?Sized),
        start: Instant,
        deadline: Instant,
    ) -> Result<Turn<'a>, Overdue> {
        let mut wanted = SmallVec::<[u32; 1]>::new();
        operation.hashes(&mut |hash| {
            if wanted.len() == 2 * STRIPES {
                // As often as it may be wanted: what a call needs is bounded by the stripes, not by its keys.
                wanted.sort_unstable();
                wanted.dedup();
            }
            wanted.push(hash.value() % STRIPES as u32);
        });
        if wanted.len() > 1 {
            wanted.sort_unstable();
            wanted.dedup();
        }
        let mut turn = Turn::free(deadline);
        turn.epoch = fork::epoch();
        // Where nobody is in the way, the time that is known already will do.
        let known = Cell::new(Some(start));
        let asked = Cell::new(0);
        let now = || {
            asked.set(asked.get() + 1);
            clock::millis(known.take().unwrap_or_else(clock::now))
        };
        for stripe in wanted {
            // Those that were taken from nobody are given back when one cannot be had.
            let held = stripes.take(stripe, clock::millis(deadline), turn.epoch, now)?;
            turn.deadline = turn.deadline.min(Instant(held.deadline().saturating_mul(1_000)));
            turn.taken_over |= held.taken_over();
            turn.held.push(held);
        }
        turn.waited = asked.get() > 1;
        Ok(turn)
    }

    /// The turns of those keys whose stripe nobody holds; `found` keeps them alone.
    pub(super) fn take_what_is_free(
        stripes: &'a Stripes,
        found: &mut SmallVec<[Found; 1]>,
        deadline: Instant,
    ) -> Turn<'a> {
        let mut turn = Turn::free(deadline);
        turn.epoch = fork::epoch();
        let mut had = SmallVec::<[u32; 1]>::new();
        found.retain(|found| {
            let hash = KeyHash::of(&found.key).value();
            let stripe = hash % STRIPES as u32;
            if had.contains(&stripe) {
                return true;
            }
            let now = || clock::millis(clock::now());
            let Some(held) = stripes.take_if_free(hash, clock::millis(deadline), turn.epoch, now) else {
                return false;
            };
            had.push(stripe);
            turn.deadline = turn.deadline.min(Instant(held.deadline().saturating_mul(1_000)));
            turn.held.push(held);
            true
        });
        turn
    }

    /// Whether what others have sent under it may still be to be executed.
    pub(super) fn taken_over(&self) -> bool {
        self.taken_over
    }

    /// That was proved: they are given back at the end of the call. Until then those that were taken over stay taken,
    /// however it ends.
    pub(super) fn proved(&mut self) {
        self.held.iter_mut().for_each(Held::proved);
        self.taken_over = false;
    }

    /// No key's turn is held: a read's, or that of a call to all servers.
    pub(super) fn is_free_of_stripes(&self) -> bool {
        self.held.is_empty()
    }

    /// When the call must be over.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The time after it was had, if it was `start` before.
    pub(super) fn came(&self, start: Instant) -> Instant {
        if self.waited { clock::now() } else { start }
    }

    /// The time, for one who is about to send: read anew when there are stripes to be lost.
    pub(super) fn now(&self, now: Instant) -> Instant {
        if self.held.is_empty() { now } else { clock::now() }
    }
}

impl Drop for Turn<'_> {
    /// In a forked child they are the parent's.
    fn drop(&mut self) {
        if !self.held.is_empty() && self.epoch != fork::epoch() {
            self.held.drain(..).for_each(Held::forget);
        }
    }
}
