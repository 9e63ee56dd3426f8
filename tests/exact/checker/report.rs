//! What the checker found, for people.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use super::in_words;
use super::steps::is_change;
use crate::history::{Answer, Call, History, What};

/// What can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Nothing was found where an acknowledged value should be.
    Missing,
    /// A value was read that had been overwritten before the read began.
    Stale,
    /// A value was read that had been deleted before the read began.
    Revived,
    /// A value was read that nobody had written.
    Foreign,
    /// A conditional call, a delete or a touch gave an answer that no order of the calls explains.
    Outcome,
    /// A counter shows less than what was acknowledged.
    CounterLow,
    /// A counter shows more than what was acknowledged and what is unanswered.
    CounterHigh,
    /// A counter shows a number within these, that no order of the calls explains: all of them were answered, or it wraps
    /// around, or stops at 0.
    Counter,
    /// A call took longer than its timeout and 50 ms.
    Overlong,
    /// A call failed although no fault was under way that was not yet known.
    Failed,
    /// Not wrong: a counter with unanswered calls shows a number within bounds that no single order explains.
    Uncertain,
}

/// Something wrong.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What.
    pub kind: Kind,
    /// What could have been expected.
    pub expected: String,
    /// What happened to the key around that time.
    pub excerpt: String,
}

/// How a history was.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// So many calls.
    pub calls: usize,
    /// So many of them failed, within their rights or not.
    pub failed: usize,
    /// The reasons of these, and how many had each.
    pub reasons: BTreeMap<i8, usize>,
    /// The first of them, in words.
    pub failures: Vec<String>,
    /// The longest, in nanoseconds, less the time that its process got no processor.
    pub longest: u64,
    /// The longest that a process waited for a processor in one call.
    pub noise: u64,
    /// So often a key was given up for a while: too many calls at once.
    pub undecided: u64,
    /// What was wrong, in the order in which it was found; no more of a kind than [`SHOWN`].
    pub violations: Vec<Violation>,
    /// How much was, of each kind.
    pub counts: BTreeMap<Kind, usize>,
    began: u64,
}

/// So many violations of a kind are kept.
pub const SHOWN: usize = 5;

impl Report {
    pub(super) fn new(history: &History) -> Report {
        let calls = &history.calls;
        let mut reasons = BTreeMap::new();
        for call in calls {
            if let Answer::Failed(reason) = call.answer {
                *reasons.entry(reason).or_insert(0) += 1;
            }
        }
        let began = calls.iter().map(|call| call.start).min().unwrap_or(0);
        let failures = calls.iter().filter(|call| call.failed()).take(SHOWN);
        let ended = || calls.iter().filter(|call| call.end != u64::MAX);
        Report {
            calls: calls.len(),
            failed: reasons.values().sum(),
            reasons,
            longest: ended().map(Call::took).max().unwrap_or(0),
            noise: ended().map(|call| call.waited).max().unwrap_or(0),
            failures: failures.map(|call| call_in_words(call, began)).collect(),
            began,
            ..Report::default()
        }
    }

    pub(super) fn add(&mut self, kind: Kind, calls: &[Call], at: usize, expected: String) {
        let count = self.counts.entry(kind).or_insert(0);
        *count += 1;
        if *count <= SHOWN {
            let excerpt = excerpt(calls, at, self.began);
            self.violations.push(Violation { kind, expected, excerpt });
        }
    }

    /// How often something of that kind was wrong.
    pub fn count(&self, kind: Kind) -> usize {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// How much was wrong that has to do with values: everything but time, failed calls and what is only uncertain.
    pub fn wrong(&self) -> usize {
        let others = [Kind::Overlong, Kind::Failed, Kind::Uncertain];
        self.counts.iter().filter(|(kind, _)| !others.contains(kind)).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |kind| self.count(kind);
        writeln!(
            f,
            "{} calls: {} lost, {} stale, {} revived, {} foreign, {} wrong outcomes, counters {} low, {} high, {} \
             unexplained ({} uncertain)",
            self.calls,
            count(Kind::Missing),
            count(Kind::Stale),
            count(Kind::Revived),
            count(Kind::Foreign),
            count(Kind::Outcome),
            count(Kind::CounterLow),
            count(Kind::CounterHigh),
            count(Kind::Counter),
            count(Kind::Uncertain),
        )?;
        writeln!(
            f,
            "{} failed ({:?}), {} of them with the failure known or none; longest {:.1} ms, {} too long; waited {:.1} ms for a \
             processor at most; {} undecided",
            self.failed,
            self.reasons,
            count(Kind::Failed),
            self.longest as f64 / 1e6,
            count(Kind::Overlong),
            self.noise as f64 / 1e6,
            self.undecided,
        )?;
        for failure in &self.failures {
            writeln!(f, "failed: {failure}")?;
        }
        for violation in &self.violations {
            write!(f, "{:?}: expected {}\n{}", violation.kind, violation.expected, violation.excerpt)?;
        }
        Ok(())
    }
}

/// The calls around call `at`: the changes before it, and what overlaps with it.
fn excerpt(calls: &[Call], at: usize, began: u64) -> String {
    let shown = &calls[at];
    let until = if shown.end == u64::MAX { shown.start } else { shown.end };
    let mut lines: Vec<usize> = (0..at).rev().filter(|other| is_change(&calls[*other])).take(8).collect();
    lines.extend((0..at).rev().take(4));
    lines.extend((at..calls.len()).take_while(|other| calls[*other].start <= until).take(8));
    lines.extend((at..calls.len()).take(4));
    lines.sort_unstable();
    lines.dedup();
    let mut text = String::new();
    for line in lines {
        let mark = if line == at { '>' } else { ' ' };
        let _ = writeln!(text, "  {mark} {}", call_in_words(&calls[line], began));
    }
    text
}

/// A call in one line, its times in milliseconds since the history began.
fn call_in_words(call: &Call, began: u64) -> String {
    let at = |ns: u64| ns.saturating_sub(began) as f64 / 1e6;
    let end = if call.end == u64::MAX { "never".to_owned() } else { format!("{:.3}", at(call.end)) };
    let what = match call.what {
        What::Set(state) => format!("set {}", in_words(state)),
        What::Add(state) => format!("add {}", in_words(state)),
        What::Replace(state) => format!("replace {}", in_words(state)),
        What::Cas { new, old, fetched } => {
            format!("cas {} over {} (fetched {:.3})", in_words(new), in_words(old), at(fetched))
        }
        What::Append(name) => format!("append {name:x}"),
        what => format!("{what:?}").to_lowercase(),
    };
    let answer = match call.answer {
        Answer::Hit(state) => format!("found {}", in_words(state)),
        Answer::Number(number) if matches!(call.what, What::Incr(_) | What::Decr(_)) => number.to_string(),
        answer => format!("{answer:?}").to_lowercase(),
    };
    format!("{:.3}..{end} key {} process {}: {what} -> {answer}", at(call.start), call.key, call.process)
}
