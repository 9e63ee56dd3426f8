//! What may be read of one key, by the calls that were answered and those that were not.
//!
//! A key's truth is the set of states it may be in: one after an acknowledged call; more after one
//! that was never answered, which was executed or not; "nothing" among them after its last copy was
//! lost, which only the contents of the servers can tell. An answer that fits no state is a fault.

use std::collections::BTreeSet;

use memcache::rules::operation::Outcome;
use memcache::rules::wire::Verb;

use super::calls::{Call, Mark, State, may_be_seen, results};
use super::memcached::number;
use super::message::{Bytes, show};
use super::passing::Passing;
use super::task::Seen;

/// A span of seconds since 1970.
pub type Span = (i64, i64);

/// One key's truth.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The states it may be in.
    pub possible: BTreeSet<State>,
    /// What the call under way may make of them.
    pub coming: BTreeSet<State>,
    /// Somebody has the key's turn.
    pub busy: bool,
    /// Servers that failed, were flushed or were given up since the last acknowledged call began.
    pub faulted: u64,
    /// Servers that failed since the call under way began.
    pub faulted_meanwhile: u64,
    /// The servers on which that call left the value.
    pub holders: u64,
    /// What it may hold by calls that were answered alone.
    pub sure: BTreeSet<State>,
    /// The servers that last held such a value, and which of these failed since.
    pub copies: u64,
    pub copies_faulted: u64,
    /// When the last acknowledged call began that gave it a time to live, in microseconds. A copy on a
    /// stand-in is capped at the window (rule 6), and what is moved or counted keeps what is left of
    /// that (rule 8).
    pub since: u64,
    /// A server that did not hold it turned steady by the window alone: what outlives the window
    /// without being written is not promised.
    pub outlived: bool,
}

impl Truth {
    pub fn new() -> Truth {
        Truth {
            possible: BTreeSet::from([None]),
            coming: BTreeSet::new(),
            busy: false,
            faulted: 0,
            faulted_meanwhile: 0,
            holders: 0,
            sure: BTreeSet::from([None]),
            copies: 0,
            copies_faulted: 0,
            since: 0,
            outlived: false,
        }
    }

    /// What a read that begins now may find.
    pub fn readable(&self) -> BTreeSet<State> {
        self.possible.union(&self.coming).cloned().collect()
    }

    /// A call begins; the states it may lead to are for every read under way.
    pub fn begin(&mut self, call: &Call, span: Span) -> &BTreeSet<State> {
        self.busy = true;
        self.faulted_meanwhile = 0;
        self.coming = self
            .possible
            .iter()
            .flat_map(|state| results(call, state, span))
            .map(|(_, state)| state)
            .collect();
        // Should the last copy be lost before the call is executed, it begins on nothing. Whether that
        // was so is judged by its answer; a reader may see what it stores.
        let on_nothing = results(call, &None, span).into_iter().map(|(_, state)| state);
        self.coming.extend(on_nothing.filter(Option::is_some));
        &self.coming
    }

    /// A server failed.
    pub fn fault(&mut self, server: usize) {
        self.faulted |= 1 << server;
        self.copies_faulted |= 1 << server;
        self.faulted_meanwhile |= 1 << server;
    }

    /// The call under way was answered like that: whether it could be, and what is left if so.
    pub fn end(&mut self, call: &Call, outcome: Outcome, value: Option<&Seen>, span: Span) -> bool {
        let fits = |(result, state): &(Outcome, State)| {
            let right_value = match (value, state) {
                (Some(value), Some(held)) => same_value(&held.data, &value.data) && value.fits(held.mark),
                (Some(_), None) => false,
                (None, _) => true,
            };
            *result == outcome && right_value
        };
        let all: Vec<_> = self.possible.iter().flat_map(|state| results(call, state, span)).collect();
        if !all.iter().any(fits) {
            return false;
        }
        if merely_seen(call, outcome) {
            self.over();
            return true;
        }
        // A delta that was never answered may have counted on one copy only (rule 9 promises
        // acknowledged <= value <= acknowledged + unanswered), so a number decides nothing.
        let counted =
            |(_, state): &(Outcome, State)| state.as_ref().is_some_and(|h| number(&h.data).is_some());
        let keep: BTreeSet<State> = if matches!(outcome, Outcome::Number(_)) {
            all.into_iter().filter(counted).map(|(_, state)| state).collect()
        } else if matches!(call, Call::GetAndTouch { .. }) {
            // It copies no value either: what it read of one server decides nothing about another's.
            all.into_iter().filter(|(result, _)| *result == outcome).map(|(_, state)| state).collect()
        } else {
            all.into_iter().filter(fits).map(|(_, state)| state).collect()
        };
        self.possible = keep;
        self.over();
        true
    }

    /// The call under way was not answered: it was executed or not, or will be.
    pub fn unanswered(&mut self) {
        self.possible.append(&mut self.coming);
        self.over();
    }

    fn over(&mut self) {
        self.coming.clear();
        self.busy = false;
    }

    /// An acknowledged call left new copies.
    pub fn acknowledged(&mut self, call: &Call, holders: u64, began: u64) {
        self.holders = holders;
        self.sure = self.possible.clone();
        let keeps_ttl = matches!(
            call,
            Call::Count { .. }
                | Call::Store { verb: Verb::Append | Verb::Prepend, .. }
                | Call::Pass {
                    passing: Passing::Get { .. }
                        | Passing::Delete { .. }
                        | Passing::Count { .. }
                        | Passing::Store { verb: Verb::Append | Verb::Prepend, .. }
                        | Passing::Store { late: true, .. },
                    ..
                }
        );
        if !keeps_ttl {
            self.since = began;
        }
        self.faulted = self.faulted_meanwhile;
        self.outlived = false;
    }

    /// Whether these bytes are a value that the call under way has not changed yet.
    pub fn is_settled(&self, data: &[u8]) -> bool {
        self.possible.iter().flatten().any(|held| same_value(&held.data, data))
    }

    /// A condition that failed changed nothing, but what it was decided by may have been moved to where it belongs.
    pub fn moved(&mut self, outcome: Outcome, holders: u64) {
        if matches!(outcome, Outcome::NotStored | Outcome::Exists) && holders != 0 {
            self.holders = holders;
            self.faulted = self.faulted_meanwhile;
        }
    }

    /// Whether these bytes are a value of a call that was answered.
    pub fn is_sure(&self, data: &[u8]) -> bool {
        self.sure.iter().flatten().any(|held| same_value(&held.data, data))
    }

    /// Whether a server that holds these bytes holds what a read may find.
    pub fn is_newest(&self, data: &[u8]) -> bool {
        self.possible.iter().chain(&self.coming).flatten().any(|held| same_value(&held.data, data))
    }
}

/// An answer that changed nothing. It proves what one server had, but a call that was never answered
/// may have left something else on another, and only an acknowledged change ends that.
pub fn merely_seen(call: &Call, outcome: Outcome) -> bool {
    match outcome {
        Outcome::NotFound => match call {
            Call::Pass { passing, .. } => !passing.deletes(),
            call => !matches!(call, Call::Delete { .. }),
        },
        Outcome::NotStored | Outcome::Exists | Outcome::Miss | Outcome::Refused => true,
        _ => false,
    }
}

/// A counter's padding is no part of its value, nor of what was appended to it since.
pub fn same_value(a: &[u8], b: &[u8]) -> bool {
    let proper = |bytes: &[u8]| bytes.iter().copied().filter(|byte| *byte != b' ').collect::<Bytes>();
    a == b || proper(a) == proper(b)
}

impl Seen {
    /// Whether it can be a value with that mark.
    fn fits(&self, mark: Mark) -> bool {
        self.stale.is_none_or(|stale| stale == (mark == Mark::Stale))
    }
}

/// What a read of one key found.
pub type Found = Option<Seen>;

/// Whether that may be found by a read which could see these states.
pub fn may_find(readable: &BTreeSet<State>, found: &Found, span: Span) -> bool {
    readable.iter().any(|state| {
        let (as_value, as_miss) = may_be_seen(state, span);
        match (found, state) {
            (None, _) => as_miss,
            (Some(seen), Some(held)) => {
                let same = same_value(&held.data, &seen.data) && held.flags == seen.flags;
                as_value && same && seen.fits(held.mark)
            }
            (Some(_), None) => false,
        }
    })
}

/// States for a trace.
pub fn describe(states: &BTreeSet<State>) -> String {
    let one = |state: &State| match state {
        None => "nothing".to_string(),
        Some(held) => {
            let until = held.expires.map(|at| format!(" until {at}")).unwrap_or_default();
            let mark = if held.mark == Mark::Fresh { String::new() } else { format!(" {:?}", held.mark) };
            format!("{:?} flags {}{until}{mark}", show(&held.data), held.flags)
        }
    };
    states.iter().map(one).collect::<Vec<_>>().join(" or ")
}
