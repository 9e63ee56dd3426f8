//! What the notes of a run amount to.

use std::time::Duration;

use crate::scenario::{Played, Stage};
use crate::support::crowd::{DOWN, Note, Verdict};

/// One stage, in figures.
#[derive(Debug)]
pub struct StageFigures {
    /// What had happened.
    pub name: &'static str,
    /// Calls that began in it.
    pub calls: u64,
    /// In a second.
    pub per_second: f64,
    /// How long they took, in microseconds: what 50, 99 and 99.9 of a hundred did not exceed, and the longest.
    pub micros: [u64; 4],
    /// Calls without an answer.
    pub failed: u64,
    /// Reads of an older value, of one never written, and of none.
    pub wrong: [u64; 3],
    /// Calls beyond their time and what a busy machine may add to it.
    pub late: u64,
    /// How busy the processors were, of 1.
    pub busy: f64,
}

/// What may come on top of a call's time before it counts as late.
const GRACE: Duration = Duration::from_millis(50);

impl StageFigures {
    /// Those of the calls that began in the stage, when a call may take `timeout`.
    pub fn of(stage: &Stage, notes: &[Note], timeout: Duration) -> StageFigures {
        let notes: Vec<_> = within(notes, stage.from_ns, stage.to_ns).collect();
        let mut durations: Vec<_> = notes.iter().map(|note| note.duration_ns).collect();
        durations.sort_unstable();
        let wrong = |verdict| notes.iter().filter(|note| note.verdict == verdict).count() as u64;
        let late = (timeout + GRACE).as_nanos() as u64;
        StageFigures {
            name: stage.name,
            calls: notes.len() as u64,
            per_second: notes.len() as f64 * 1e9 / (stage.to_ns - stage.from_ns).max(1) as f64,
            micros: [0.5, 0.99, 0.999, 1.0].map(|share| quantile(&durations, share) / 1_000),
            failed: notes.iter().filter(|note| note.failed()).count() as u64,
            wrong: [Verdict::Stale, Verdict::Foreign, Verdict::Missing].map(wrong),
            late: durations.iter().filter(|duration| **duration > late).count() as u64,
            busy: stage.busy,
        }
    }
}

fn within(notes: &[Note], from_ns: u64, to_ns: u64) -> impl Iterator<Item = &Note> {
    notes.iter().filter(move |note| (from_ns..to_ns).contains(&note.start_ns))
}

/// What that share of the values does not exceed; 0 of none.
fn quantile(sorted: &[u64], share: f64) -> u64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(0)
}

/// How the processes came to another view of the server with bad luck. Times in microseconds.
#[derive(Debug, Default)]
pub struct Switch {
    /// From what happened to the moment from which they are counted: the first call that concerns the
    /// server when it goes; the event itself when it comes back.
    pub first_contact: u64,
    /// To each process' first call that began under the new view: the least, the middle one, the most. What a
    /// process rests between two calls is in it.
    pub first_new: [u64; 3],
    /// To the last call of any process that still began under the old view.
    pub last_old: u64,
    /// Processes that never saw it.
    pub never: u64,
    /// The longest call in that time that had nothing to do with the server, and that had.
    pub longest: [u64; 2],
    /// Calls in that time that ended without an answer, and that began after their process had switched.
    pub failed: [u64; 2],
}

impl Switch {
    /// Away from the server that went.
    pub fn away(played: &Played, processes: usize) -> Switch {
        let concerned = played.notes.iter().filter(|note| note.victim && note.end_ns() >= played.struck_ns);
        let contact = concerned.map(|note| note.start_ns.max(played.struck_ns)).min();
        let contact = contact.unwrap_or(played.struck_ns);
        let mut switch =
            Switch::between(&played.notes, (contact, played.healed_ns), processes, |state| state == DOWN);
        switch.first_contact = (contact - played.struck_ns) / 1_000;
        switch
    }

    /// Back to it.
    pub fn back(played: &Played, processes: usize) -> Switch {
        Switch::between(&played.notes, (played.healed_ns, u64::MAX), processes, |state| state != DOWN)
    }

    fn between(notes: &[Note], span: (u64, u64), processes: usize, new: impl Fn(u64) -> bool) -> Switch {
        let (from, to) = span;
        let mut switch = Switch::default();
        let mut first_new = Vec::new();
        for process in 0..processes {
            let own = || within(notes, from, to).filter(|note| note.process == process);
            let Some(first) = own().find(|note| new(note.before)) else {
                switch.never += 1;
                continue;
            };
            first_new.push((first.start_ns - from) / 1_000);
            let old = own().take_while(|note| note.start_ns < first.start_ns).last();
            switch.last_old = switch.last_old.max(old.map_or(0, |note| (note.start_ns - from) / 1_000));
            let after = own().filter(|note| note.start_ns >= first.start_ns && note.failed());
            switch.failed[1] += after.count() as u64;
        }
        first_new.sort_unstable();
        switch.first_new = [0.0, 0.5, 1.0].map(|share| quantile(&first_new, share));
        let end = from + switch.first_new[2] * 1_000;
        // Calls that were under way when it happened are those that wait.
        for note in notes.iter().filter(|note| note.end_ns() >= from && note.start_ns <= end) {
            let longest = &mut switch.longest[usize::from(note.victim)];
            *longest = (*longest).max(note.duration_ns / 1_000);
            switch.failed[0] += u64::from(note.failed());
        }
        switch
    }
}
