//! Whose turn it is to try a server that is down, while nobody attends the table.
//!
//! Of two processes that try one server together, the second's flush comes after the first has brought it back,
//! and erases what was stored since. So they take turns, in a word of the same make as a stripe's. Nobody waits
//! for it, and it outlives a call, because a trial does.

use std::sync::Arc;

use super::super::identity;
use super::layout::{EPOCHS, TRIALS_AT};
use super::turn::{self, Turn};
use super::word::Owner;
use super::{LONGEST, Linux, Stripes};

impl Stripes {
    /// Takes the turn to try the server of this slot until then ([`identity::boot_millis`]; at most [`LONGEST`]
    /// from now), unless somebody else has it who is there and in time. Never waits. `process`: see
    /// [`Stripes::take`].
    ///
    /// `None` also where there is no such slot.
    pub fn try_turn(self: &Arc<Self>, slot: u16, until: u64, process: u64) -> Option<TrialTurn> {
        let index = (usize::from(slot) < EPOCHS).then_some(TRIALS_AT / 8 + usize::from(slot))?;
        let this = self.owner(process);
        let turn = turn::try_take(&self.map.words()[index], this, until, &self.system(index, this))?;
        Some(TrialTurn { stripes: Arc::clone(self), index, turn: Some(turn) })
    }

    fn system(&self, index: usize, this: Owner) -> Linux<'_, fn() -> u64> {
        Linux { map: &self.map, index, this, now: identity::boot_millis }
    }
}

/// The turn to try one server; given back when it is dropped.
#[must_use]
#[derive(Debug)]
pub struct TrialTurn {
    stripes: Arc<Stripes>,
    index: usize,
    /// `None`: it was forgotten.
    turn: Option<Turn>,
}

impl TrialTurn {
    /// Whether it was taken from a holder who ended or was late. What that one has sent, a flush perhaps, may still
    /// lie unread in a server's socket, and be executed after what is sent now.
    pub fn taken_over(&self) -> bool {
        self.turn.is_some_and(|turn| turn.taken_over)
    }

    /// Holds it until then from now on. To be called before every step of the trial, and before its end is told:
    /// a holder may come late, as long as nobody took it from him. False: somebody did, and nothing more
    /// may be sent.
    #[must_use]
    pub fn prolong(&mut self, until: u64) -> bool {
        let until = until.min(identity::boot_millis().saturating_add(LONGEST));
        let word = &self.stripes.map.words()[self.index];
        self.turn.as_mut().is_some_and(|turn| turn::prolong(word, turn, until))
    }

    /// Forgets it without giving it back: for the child of a fork, in which it is the parent's.
    pub fn forget(mut self) {
        self.turn = None;
    }
}

impl Drop for TrialTurn {
    fn drop(&mut self) {
        if let Some(turn) = self.turn {
            let system = self.stripes.system(self.index, turn.own.owner());
            turn::release(&self.stripes.map.words()[self.index], turn.own, &system);
        }
    }
}
