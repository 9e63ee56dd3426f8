//! Lines: the jobs that change one key are at work one after another, in the order in which they came.
//!
//! There is a line for each stripe that somebody of this crowd is at work under. Its first job has the stripe of the
//! pool's file (rule 12) where there is one. The loop never sleeps over a stripe that another process holds: the line is
//! looked at again a millisecond later. Jobs are chained through the crowd's slots, so that a line costs one entry of a map.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::jobs::NONE;
use crate::client::proof::Proving;
use crate::table::Kept;

/// Stripes are numbers that are spread already.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }
    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// How a line's first job stands.
pub(super) enum Turn {
    /// The stripe is not had yet; whether it was looked at in vain.
    Wanted { waited: bool },
    /// It was taken from one who is gone, and what he sent is waited for.
    Proving(Kept, Box<Proving>),
    /// The first is at work. `None`: there are no stripes.
    Had(Option<Kept>),
}

pub(super) struct Line {
    pub(super) first: u32,
    last: u32,
    pub(super) turn: Turn,
    /// When it was looked at last, in rounds of the loop.
    pub(super) round: u64,
}

/// The lines, by stripe.
#[derive(Default)]
pub(super) struct Lines {
    lines: HashMap<u32, Line, BuildHasherDefault<Spread>>,
    /// Lines whose first job waits for its turn.
    pub(super) wanted: Vec<u32>,
    /// How many are being proved.
    pub(super) proving: usize,
}

impl Lines {
    /// Puts a job at the end of a line. `Some`: who stands before it; `None`: it is the first.
    pub(super) fn enter(&mut self, line: u32, slot: u32) -> Option<u32> {
        match self.lines.get_mut(&line) {
            Some(line) => Some(std::mem::replace(&mut line.last, slot)),
            None => {
                let turn = Turn::Wanted { waited: false };
                self.lines.insert(line, Line { first: slot, last: slot, turn, round: 0 });
                self.wanted.push(line);
                None
            }
        }
    }

    pub(super) fn get(&mut self, line: u32) -> Option<&mut Line> {
        self.lines.get_mut(&line)
    }

    pub(super) fn first(&self, line: u32) -> u32 {
        self.lines.get(&line).map_or(NONE, |line| line.first)
    }

    /// The first of the line is the one that is told.
    pub(super) fn last_is(&mut self, line: u32, slot: u32) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.last = slot;
        }
    }

    /// A job leaves its line. False: it is not the first, and its neighbours are the caller's to join.
    pub(super) fn leave(&mut self, at: u32, slot: u32, behind: u32) -> bool {
        let Some(line) = self.lines.get_mut(&at) else { return true };
        if line.first != slot {
            return false;
        }
        match &line.turn {
            // It stays in the list of the wanted ones, for the next.
            Turn::Wanted { .. } => {}
            Turn::Proving(..) => return self.leave_proof(at, behind),
            Turn::Had(_) => self.wanted.extend((behind != NONE).then_some(at)),
        }
        if behind == NONE {
            self.lines.remove(&at);
        } else {
            line.first = behind;
            if !matches!(line.turn, Turn::Wanted { .. }) {
                // Given back, so that others come in between who wait for it.
                line.turn = Turn::Wanted { waited: false };
            }
        }
        true
    }

    /// The time of a job is up while what was sent before it is being proved: the stripe stays taken, and who takes it
    /// next knows no less.
    fn leave_proof(&mut self, at: u32, behind: u32) -> bool {
        self.proving -= 1;
        let Some(line) = self.lines.get_mut(&at) else { return true };
        line.turn = Turn::Wanted { waited: true };
        if behind == NONE {
            self.lines.remove(&at);
        } else {
            line.first = behind;
            self.wanted.push(at);
        }
        true
    }

    /// Whether the first of a line may still send. Also where there is no line.
    pub(super) fn holds(&self, at: u32, millis: u64) -> bool {
        if at == NONE {
            return true;
        }
        match self.lines.get(&at).map(|line| &line.turn) {
            Some(Turn::Had(Some(kept))) => kept.in_time(millis),
            Some(Turn::Had(None)) => true,
            _ => false,
        }
    }

    /// Those that are being proved.
    pub(super) fn proofs(&mut self) -> impl Iterator<Item = (u32, &mut Line)> {
        let any = self.proving > 0;
        let proving = |(_, line): &(&u32, &mut Line)| matches!(line.turn, Turn::Proving(..));
        self.lines.iter_mut().filter(move |_| any).filter(proving).map(|(at, line)| (*at, line))
    }
}
