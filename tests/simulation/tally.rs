//! What happened in a run: shown, and checked, so that nobody takes worlds without failures for proof.

use super::net::Cut;
use super::plan::{Failures, Fault};

/// How a run counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub calls: u64,
    pub hits: u64,
    pub misses: u64,
    pub acknowledged: u64,
    pub unavailable: u64,
    pub timeouts: u64,
    /// Misses of a value whose every copy was gone.
    pub lost: u64,
    pub messages: u64,
    /// Reads that moved what they found.
    pub repaired: u64,
    /// Worlds with one failure at a time, and worlds in which they overlap.
    pub single: u64,
    pub overlapping: u64,
    pub crashes: u64,
    pub quick_restarts: u64,
    pub silent_cuts: u64,
    pub refusing_cuts: u64,
    pub hangs: u64,
    pub breaks: u64,
}

impl Tally {
    /// A server suffers.
    pub fn fault(&mut self, fault: Fault) {
        *match fault {
            Fault::Crash => &mut self.crashes,
            Fault::QuickRestart => &mut self.quick_restarts,
            Fault::Cut(Cut::Refusing) => &mut self.refusing_cuts,
            Fault::Cut(_) => &mut self.silent_cuts,
            Fault::Hang => &mut self.hangs,
            Fault::Break => &mut self.breaks,
        } += 1;
    }

    /// A world is over.
    pub fn world(&mut self, failures: Failures) {
        match failures {
            Failures::OneAtATime => self.single += 1,
            Failures::Overlapping => self.overlapping += 1,
        }
    }

    /// Everything by name, in the order in which it is shown.
    fn numbers(&mut self) -> [(&'static str, &mut u64); 17] {
        [
            ("worlds with one failure at a time", &mut self.single),
            ("worlds with overlapping failures", &mut self.overlapping),
            ("crashes", &mut self.crashes),
            ("restarts before anybody looked", &mut self.quick_restarts),
            ("cuts, silent", &mut self.silent_cuts),
            ("cuts, refusing", &mut self.refusing_cuts),
            ("hangs", &mut self.hangs),
            ("broken connections", &mut self.breaks),
            ("calls", &mut self.calls),
            ("hits", &mut self.hits),
            ("misses", &mut self.misses),
            ("changes answered", &mut self.acknowledged),
            ("unavailable", &mut self.unavailable),
            ("timeouts", &mut self.timeouts),
            ("values whose every copy was gone", &mut self.lost),
            ("reads that moved what they found", &mut self.repaired),
            ("messages executed", &mut self.messages),
        ]
    }

    pub fn add(&mut self, mut other: Tally) {
        for ((_, sum), (_, number)) in self.numbers().into_iter().zip(other.numbers()) {
            *sum += *number;
        }
    }

    /// One line each.
    pub fn lines(mut self) -> String {
        self.numbers().map(|(name, number)| format!("{number:>14} {name}")).join("\n")
    }

    /// What never happened at all.
    pub fn missing(mut self) -> Vec<&'static str> {
        self.numbers().into_iter().filter(|(_, number)| **number == 0).map(|(name, _)| name).collect()
    }
}
