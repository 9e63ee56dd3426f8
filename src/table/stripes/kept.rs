//! A stripe that is held by one who never sleeps: by an event loop, whose calls outlive the function that began them.
//!
//! It looks at the stripe now and then in place of sleeping over it. Whoever does sleep is woken as ever when it gives
//! the stripe back.

use std::sync::Arc;

use super::super::identity;
use super::layout::{STRIPES, STRIPES_AT};
use super::turn::{self, Turn};
use super::{Linux, Stripes};

/// A stripe that this process holds; given back when it is dropped, as a [`Held`](super::Held) is.
#[must_use]
#[derive(Debug)]
pub struct Kept {
    stripes: Arc<Stripes>,
    index: usize,
    turn: Turn,
}

impl Stripes {
    /// Takes a stripe (the one at the lower bits of `hash`) until `deadline`, if it may be taken at this moment; otherwise as
    /// [`Stripes::take`]. `waited`: the caller has looked in vain before.
    pub fn look(self: &Arc<Self>, hash: u32, deadline: u64, waited: bool, process: u64) -> Option<Kept> {
        let index = STRIPES_AT / 8 + hash as usize % STRIPES;
        let this = self.owner(process);
        let system = Linux { map: &self.map, index, this, now: identity::boot_millis };
        let turn = turn::look(&self.map.words()[index], this, deadline, waited, &system)?;
        Some(Kept { stripes: Arc::clone(self), index, turn })
    }
}

impl Kept {
    /// The file that it is a stripe of.
    pub fn stripes(&self) -> &Arc<Stripes> {
        &self.stripes
    }

    /// As [`Held::taken_over`](super::Held::taken_over).
    pub fn taken_over(&self) -> bool {
        self.turn.taken_over
    }

    /// As [`Held::in_time`](super::Held::in_time).
    #[inline]
    pub fn in_time(&self, now: u64) -> bool {
        let word = &self.stripes.map.words()[self.index];
        now < self.turn.deadline && turn::is_held(word, self.turn.own)
    }

    /// As [`Held::proved`](super::Held::proved).
    pub fn proved(&mut self) {
        self.turn.taken_over = false;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.turn.taken_over {
            return;
        }
        let word = &self.stripes.map.words()[self.index];
        let this = self.turn.own.owner();
        let system = Linux { map: &self.stripes.map, index: self.index, this, now: identity::boot_millis };
        turn::release(word, self.turn.own, &system);
    }
}
