//! The checker: whether a history keeps the promises. No input or output, no clock, no chance.
//!
//! What it asks of every key ([`paths`]):
//! - there is one order of all changes in which each takes effect between its start and its end, and gives the
//!   answer that it gave;
//! - a read finds what that order had at some moment of the read, or what a change under way would make of it.
//!   So nothing that was overwritten or deleted before the read began;
//! - a change without an answer takes effect at any time, or never, but not after a later change was acknowledged that
//!   began after it had ended. Until then reads may see it, and no longer see it: it is on one of two servers, say, and this one dies;
//! - of counters that nobody failed to count, the same order. One that somebody did may show any number from acknowledged to
//!   acknowledged and unanswered ([`bounds`]).
//!
//! Two reads may see a change under way in the wrong order (the first sees it, the second does not yet). That is
//! not what the library promises, and not asked for here: a change is *there* when it was acknowledged.
//!
//! And of every call: that it ended within its time, and did not fail when the fault was known, or befell only a proxy that it did
//! not go through; of a CAS that was
//! answered "exists", that something was there to change the token.

mod bounds;
mod path;
mod paths;
mod report;
mod steps;

#[cfg(test)]
mod invented;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod tricky;

use std::collections::BTreeMap;

use crate::history::{Answer, Call, Fault, History, State, What};

pub use report::{Kind, Report};

/// A call may take so much longer than its timeout, in nanoseconds.
pub const SLACK: u64 = 50_000_000;

/// Checks everything.
pub fn check(history: &History) -> Report {
    let mut by_key: BTreeMap<u32, Vec<Call>> = BTreeMap::new();
    for call in &history.calls {
        by_key.entry(call.key).or_default().push(*call);
    }
    let mut report = Report::new(history);
    for calls in by_key.values_mut() {
        calls.sort_by_key(|call| (call.start, call.end));
        let found = paths::follow(calls);
        report.undecided += found.undecided;
        for (kind, at, expected) in found.wrong {
            report.add(kind, calls, at, expected);
        }
        for at in unjustified(calls, history) {
            report.add(Kind::Outcome, calls, at, "the token was still good".to_owned());
        }
        for (at, call) in calls.iter().enumerate() {
            if call.end != u64::MAX && call.took() > history.timeout + SLACK {
                report.add(Kind::Overlong, calls, at, format!("at most {} ms", history.timeout / 1_000_000));
            }
            if call.failed() && call.end != u64::MAX && !excused(call, history) {
                report.add(Kind::Failed, calls, at, "an answer: no failure was under way".to_owned());
            }
        }
    }
    report
}

/// Whether a call that failed was under way while a fault was not yet known that could concern it; or its process got no
/// processor for half the time that it had.
fn excused(call: &Call, history: &History) -> bool {
    let concerns = |fault: &Fault| fault.proxy.is_none() || fault.proxy == call.proxy;
    call.waited > history.timeout / 2
        || history
            .faults
            .iter()
            .any(|fault| concerns(fault) && call.start <= fault.known && call.end >= fault.struck)
}

/// CAS calls that were answered "exists" although nothing happened to the key between token and call.
fn unjustified(calls: &[Call], history: &History) -> Vec<usize> {
    let fading = steps::fading(calls);
    let mut found = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let (What::Cas { fetched, .. }, Answer::Exists) = (call.what, call.answer) else { continue };
        let disturbed = |fault: &Fault| fault.struck <= call.end && fault.over >= fetched;
        let changed = |(other, by): (usize, &Call)| {
            let until = if by.failed() { fading[other] } else { by.end };
            other != at && steps::is_change(by) && by.start <= call.end && until >= fetched
        };
        if !history.faults.iter().any(disturbed) && !calls.iter().enumerate().any(changed) {
            found.push(at);
        }
    }
    found
}

/// A state in words.
fn in_words(state: State) -> String {
    match state {
        State::Absent => "nothing".to_owned(),
        State::Value(print) => format!("value {:04x}", print & 0xffff),
        State::Number(number) => number.to_string(),
        State::Garbled => "garbage".to_owned(),
        State::Unknown => "anything".to_owned(),
    }
}
