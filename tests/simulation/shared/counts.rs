//! What happened in a run: shown, and checked, so that nobody takes worlds without failures for proof.

use super::faults::Fault;

/// How a run counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub calls: u64,
    pub hits: u64,
    pub misses: u64,
    pub acknowledged: u64,
    pub unavailable: u64,
    pub timeouts: u64,
    /// Misses of a value whose every copy was gone.
    pub lost: u64,
    /// Times that the table was without a daemon, and that one settled.
    pub unattended: u64,
    pub settlings: u64,
    /// Turns that were taken over.
    pub overtaken: u64,
    /// Servers, and changed lists, that were swept.
    pub sweeps: u64,
    pub lists_swept: u64,
    pub grown: u64,
    pub walks: u64,
    pub cut_short: u64,
    pub moved: u64,
    pub calms: u64,
    /// Reads that moved what they found.
    pub repaired: u64,
    /// Answers that took a stub for a value which somebody left behind on a server that was swept since.
    pub stubbed: u64,
    faults: [u64; Fault::KINDS],
}

impl Counts {
    pub fn fault(&mut self, fault: Fault) {
        self.faults[fault.number()] += 1;
    }

    /// Everything by name, in the order in which it is shown.
    fn numbers(&mut self) -> impl Iterator<Item = (&'static str, &mut u64)> {
        let rest = [
            ("calls", &mut self.calls),
            ("hits", &mut self.hits),
            ("misses", &mut self.misses),
            ("changes answered", &mut self.acknowledged),
            ("unavailable", &mut self.unavailable),
            ("timeouts", &mut self.timeouts),
            ("misses of what was truly gone", &mut self.lost),
            ("times without a daemon", &mut self.unattended),
            ("times that a daemon settled", &mut self.settlings),
            ("turns taken over", &mut self.overtaken),
            ("servers swept", &mut self.sweeps),
            ("changes of the list", &mut self.grown),
            ("changed lists swept", &mut self.lists_swept),
            ("walks", &mut self.walks),
            ("walks cut short", &mut self.cut_short),
            ("copies moved by walks", &mut self.moved),
            ("times that calls of before were waited for", &mut self.calms),
            ("reads that moved what they found", &mut self.repaired),
        ];
        Fault::NAMES.into_iter().zip(&mut self.faults).chain(rest)
    }

    pub fn add(&mut self, other: &Counts) {
        let mut other = *other;
        for ((_, sum), (_, number)) in self.numbers().zip(other.numbers()) {
            *sum += *number;
        }
    }

    /// One line each.
    pub fn lines(mut self) -> String {
        self.numbers().map(|(name, number)| format!("{number:>14} {name}")).collect::<Vec<_>>().join("\n")
    }

    /// What never happened at all.
    pub fn missing(mut self) -> Vec<&'static str> {
        self.numbers().filter(|(_, number)| **number == 0).map(|(name, _)| name).collect()
    }
}
