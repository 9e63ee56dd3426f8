//! The figures, as tables for people and as JSON for programs.

use std::fmt::Write as _;

use crate::counts::{Counts, Memory};
use crate::programs::{SUBJECTS, Work};

/// What was measured in one round.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Each subject made so many calls.
    pub calls: usize,
    /// How long a call took, in nanoseconds, by subject.
    pub nanos: [f64; SUBJECTS.len()],
    /// How long the process worked for it, in nanoseconds.
    pub cpu: [f64; SUBJECTS.len()],
}

/// All about one kind of work.
#[derive(Clone, Debug)]
pub struct OfWork {
    /// Which.
    pub work: Work,
    /// By round.
    pub rounds: Vec<Round>,
    /// By subject; nothing where nothing was counted.
    pub counts: Vec<Counts>,
}

/// All there is.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// By kind of work.
    pub works: Vec<OfWork>,
    /// By subject; nothing where nobody looked.
    pub memory: Vec<Memory>,
}

/// The one in the middle; 0 of none.
pub fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// A share of the values is below the first, and as many are above the second.
fn spread(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(0.0)
    };
    [at(0.25), at(0.75)]
}

impl OfWork {
    fn micros(&self, subject: usize) -> f64 {
        middle(self.rounds.iter().map(|round| round.nanos[subject])) / 1_000.0
    }

    fn cpu_micros(&self, subject: usize) -> f64 {
        middle(self.rounds.iter().map(|round| round.cpu[subject])) / 1_000.0
    }

    /// What the first subject's time is of the other's, round by round.
    fn ratios(&self, other: usize) -> impl Iterator<Item = f64> + '_ {
        self.rounds.iter().map(move |round| round.nanos[0] / round.nanos[other])
    }

    /// The same of the time that the processes worked.
    fn cpu_ratios(&self, other: usize) -> impl Iterator<Item = f64> + '_ {
        self.rounds.iter().map(move |round| round.cpu[0] / round.cpu[other])
    }
}

impl Figures {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:<18}{:<14}{:>11}{:>10}{:>14}{:>8}{:>13}\n",
            "a call", "", "us", "cpu us", "instructions", "calls", "allocations"
        );
        for of in &self.works {
            for (subject, name) in SUBJECTS.iter().enumerate() {
                let what = if subject == 0 { of.work.name } else { "" };
                let counts = of.counts.get(subject);
                let instructions = counts.and_then(|counts| counts.instructions);
                let number = |number: Option<f64>, digits| {
                    number.map_or("-".to_owned(), |number| format!("{:.digits$}", number.abs()))
                };
                let _ = writeln!(
                    text,
                    "{what:<18}{name:<14}{:>11.1}{:>10.1}{:>14}{:>8}{:>13}",
                    of.micros(subject),
                    of.cpu_micros(subject),
                    number(instructions, 0),
                    number(counts.map(Counts::calls), 2),
                    number(counts.map(|counts| counts.allocations), 2),
                );
            }
        }
        let _ = writeln!(
            text,
            "\n{:<18}{:<26}{:<26}{:>14}{:>14}",
            "ours, a part of", "libmemcached's time", "the raw loop's time", "of its cpu", "of raw's cpu"
        );
        for of in &self.works {
            let ratio = |other| {
                let [low, high] = spread(of.ratios(other));
                format!("{:.2} ({low:.2} to {high:.2})", middle(of.ratios(other)))
            };
            let _ = writeln!(
                text,
                "{:<18}{:<26}{:<26}{:>14.2}{:>14.2}",
                of.work.name,
                ratio(1),
                ratio(2),
                middle(of.cpu_ratios(1)),
                middle(of.cpu_ratios(2))
            );
        }
        if !self.memory.is_empty() {
            let _ = writeln!(text, "\n{:<18}{:>16}{:>18}", "a handle", "heap at most", "resident");
        }
        for (name, memory) in SUBJECTS.iter().zip(&self.memory) {
            let [heap, resident] = [memory.heap, memory.resident].map(|bytes| bytes / 1024.0);
            let _ = writeln!(text, "{name:<18}{heap:>12.1} KiB{resident:>14.1} KiB");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> String {
        let works: Vec<_> = self.works.iter().map(OfWork::json).collect();
        let memory = SUBJECTS.iter().zip(&self.memory).map(|(name, memory)| {
            format!(
                "{{\"subject\":\"{name}\",\"heap_bytes\":{:.0},\"resident_bytes\":{:.0}}}",
                memory.heap, memory.resident
            )
        });
        let memory: Vec<_> = memory.collect();
        format!("\"works\":[\n{}\n],\"handles\":[{}]", works.join(",\n"), memory.join(","))
    }
}

impl OfWork {
    fn json(&self) -> String {
        let Work { name, bytes, keys, .. } = self.work;
        let subjects = SUBJECTS.iter().enumerate().map(|(subject, name)| {
            let nanos: Vec<_> = self.rounds.iter().map(|round| round.nanos[subject]).collect();
            let cpu: Vec<_> = self.rounds.iter().map(|round| round.cpu[subject]).collect();
            let counts = self.counts.get(subject).map_or("null".to_owned(), Counts::json);
            format!(
                "{{\"subject\":\"{name}\",\"nanos\":{nanos:.0?},\"cpu_nanos\":{cpu:.0?},\"counts\":{counts}}}"
            )
        });
        let subjects: Vec<_> = subjects.collect();
        let calls = self.rounds.first().map_or(0, |round| round.calls);
        format!(
            "{{\"work\":\"{name}\",\"value_bytes\":{bytes},\"keys\":{keys},\"calls_in_a_round\":{calls},\
             \"median_ratio_to_libmemcached\":{:.4},\"median_ratio_to_raw\":{:.4},\"subjects\":[\n  {}]}}",
            middle(self.ratios(1)),
            middle(self.ratios(2)),
            subjects.join(",\n  ")
        )
    }
}

impl Counts {
    fn json(&self) -> String {
        let calls = self.system_calls.iter().map(|(name, calls)| format!("\"{name}\":{calls:.4}"));
        let calls: Vec<_> = calls.collect();
        let instructions = self.instructions.map_or("null".to_owned(), |number| format!("{number:.1}"));
        format!(
            "{{\"instructions\":{instructions},\"allocations\":{:.4},\"system_calls\":{{{}}}}}",
            self.allocations,
            calls.join(",")
        )
    }
}
