//! A session of measuring: the three programs take turns at the same work, in short rounds, each round beginning
//! with another of them. What disturbs the machine for a while disturbs all three; ratios are taken within a round.

use crate::counts;
use crate::programs::{Running, SUBJECTS, Work, World};
use crate::report::{Figures, OfWork, Round};

/// What is measured.
pub struct Plan {
    /// Which work.
    pub works: Vec<Work>,
    /// A program works so long in a round, about.
    pub seconds: f64,
    /// So many rounds.
    pub rounds: usize,
    /// Whether instructions, system calls and allocations are counted.
    pub counted: bool,
    /// With so many handles memory is looked at; 0: not at all.
    pub handles: usize,
}

/// Measures them all; `said` is told what is going on.
pub fn measure(plan: &Plan, world: &World, said: impl Fn(&str)) -> Figures {
    let mut figures = Figures::default();
    for work in &plan.works {
        said(&format!("{}: {} rounds", work.name, plan.rounds));
        let rounds = rounds(plan, world, *work);
        let counts = (0..SUBJECTS.len()).filter(|_| plan.counted).map(|subject| {
            said(&format!("{}: counting for {}", work.name, SUBJECTS[subject]));
            counts::of(world, subject, *work, true)
        });
        let counts = counts.collect();
        figures.works.push(OfWork { work: *work, rounds, counts });
    }
    if plan.handles > 0 {
        said(&format!("memory of {} handles", plan.handles));
        figures.memory =
            (0..SUBJECTS.len()).map(|subject| counts::memory(world, subject, plan.handles)).collect();
    }
    figures
}

/// Every round has processes of its own: where the kernel happens to run one, and beside whom, stays so for as
/// long as it lives, and is worth more than what is measured.
fn rounds(plan: &Plan, world: &World, work: Work) -> Vec<Round> {
    let start = |subject: usize| {
        Running::start(SUBJECTS[subject], &mut world.command(subject, work, &[], world.servers()))
    };
    let calls = calls(plan.seconds, world, work, start);
    let round = |number: usize| {
        let mut round = Round { calls, ..Round::default() };
        for turn in 0..SUBJECTS.len() {
            let subject = (number + turn) % SUBJECTS.len();
            let mut running = start(subject);
            // Not the first call: buffers get their sizes by it.
            world.prepare(work, TRIED);
            running.work(TRIED);
            world.prepare(work, calls);
            let answer = running.work(calls);
            running.finish();
            round.nanos[subject] = answer.nanos as f64 / calls as f64;
            round.cpu[subject] = answer.cpu as f64 / calls as f64;
        }
        round
    };
    (0..plan.rounds).map(round).collect()
}

/// So many calls make a trial.
const TRIED: usize = 20;

/// So many calls take about so long.
fn calls(seconds: f64, world: &World, work: Work, start: impl Fn(usize) -> Running) -> usize {
    let trials = (0..SUBJECTS.len()).map(|subject| {
        let mut running = start(subject);
        let took = [(); 2].map(|()| {
            world.prepare(work, TRIED);
            running.work(TRIED).nanos
        });
        running.finish();
        // The first calls of a process are slow.
        took[1]
    });
    let slowest = trials.max().unwrap_or(1).max(1);
    // A short trial may have been disturbed for all of its time.
    ((seconds * 1e9 * TRIED as f64 / slowest as f64) as usize).clamp(TRIED, 100_000)
}
