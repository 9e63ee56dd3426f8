//! Epochs: what the processes of a machine have agreed on about each server (docs/one-view.md).
//!
//! An epoch changes by compare and exchange only, from the epoch that its changer's judgement rests on, and
//! it only grows: of two that judge at once one comes second, and learns what the first one found.

use std::fmt;

use super::super::buffers::check;
use super::super::fault::Fault;
use super::super::words::SharedWord;

/// How often a server went and came: even while it may be used, odd while writes may have passed it by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// The largest epoch.
    pub const LAST: u64 = (1 << 48) - 1;

    /// The epoch of that number; what is larger than [`Epoch::LAST`] (from a hostile table) counts as that.
    pub fn new(number: u64) -> Epoch {
        Epoch(number.min(Epoch::LAST))
    }

    /// Its number, as a table names it.
    pub fn number(self) -> u64 {
        self.0
    }

    /// Writes may have passed the server by: it is down, and owes a flush.
    pub fn is_odd(self) -> bool {
        self.0 & 1 == 1
    }

    /// The server may be used.
    pub fn usable(self) -> bool {
        !self.is_odd()
    }

    /// The next epoch in which the server is down; this one when it is.
    #[must_use]
    pub fn down(self) -> Epoch {
        Epoch::new(self.0 | 1)
    }

    /// The next epoch in which the server may be used: it came back, or another process of it was met.
    #[must_use]
    pub fn back(self) -> Epoch {
        Epoch::new((self.0 | 1) + 1)
    }

    /// The word that says it: the epoch in the lower 48 bits, and a check in the upper 16.
    pub fn word(self) -> u64 {
        self.0 | check(self.0) << 48
    }

    /// What a word says; `None` for one that is no epoch's.
    pub fn of(word: u64) -> Option<Epoch> {
        let epoch = Epoch(word & Epoch::LAST);
        (epoch.word() == word).then_some(epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What stands where an epoch was to be changed: that change was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    /// Another epoch: somebody else was first, and his word counts.
    Epoch(Epoch),
    /// Nothing that can be believed, or there is no such slot: only the daemon's `set` changes that.
    Nothing(Fault),
}

/// Changes an epoch, and says so in `changes`, in this order: who is killed between the two has not acted on
/// it, and whoever comes to know of it says so himself before he acts.
///
/// # Errors
/// What stands there instead; `None` when that is no epoch.
pub fn change<W: SharedWord>(word: &W, changes: &W, from: Epoch, to: Epoch) -> Result<(), Option<Epoch>> {
    // An epoch that cannot grow stays what it is.
    let done = if to > from { word.exchange(from.word(), to.word()) } else { Err(word.get()) };
    changes.add_one();
    W::full_fence();
    done.map(|_| ()).map_err(Epoch::of)
}

/// Makes it this epoch, whatever smaller one, or damage, stands there.
///
/// # Errors
/// The larger one that stands there.
pub fn set<W: SharedWord>(word: &W, changes: &W, to: Epoch) -> Result<(), Epoch> {
    let mut found = word.get();
    loop {
        match Epoch::of(found) {
            Some(epoch) if epoch == to => return Ok(()),
            Some(epoch) if epoch > to => return Err(epoch),
            _ => {}
        }
        match word.exchange(found, to.word()) {
            Ok(_) => {
                changes.add_one();
                W::full_fence();
                return Ok(());
            }
            Err(other) => found = other,
        }
    }
}
