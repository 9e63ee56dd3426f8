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

fn rounds(plan: &Plan, world: &World, work: Work) -> Vec<Round> {
    let start = |subject: usize| {
        Running::start(SUBJECTS[subject], &mut world.command(subject, work, &[], world.servers()))
    };
    let mut all: Vec<Running> = (0..SUBJECTS.len()).map(start).collect();
    let calls = calls(plan.seconds, &mut all, |calls| world.prepare(work, calls));
    let round = |number: usize| {
        let mut round = Round { calls, ..Round::default() };
        for turn in 0..all.len() {
            let subject = (number + turn) % all.len();
            world.prepare(work, calls);
            let answer = all[subject].work(calls);
            round.nanos[subject] = answer.nanos as f64 / calls as f64;
            round.cpu[subject] = answer.cpu as f64 / calls as f64;
        }
        round
    };
    let rounds = (0..plan.rounds).map(round).collect();
    all.into_iter().for_each(Running::finish);
    rounds
}

/// So many calls take about so long; all have been at work when it is known.
fn calls(seconds: f64, all: &mut [Running], prepare: impl Fn(usize)) -> usize {
    const TRIED: usize = 20;
    let mut slowest = 1;
    for running in all {
        for _ in 0..2 {
            prepare(TRIED);
            slowest = slowest.max(running.work(TRIED).nanos);
        }
    }
    // The first call of a connection is slow, and a short trial may be: a run is at most a hundred times longer.
    ((seconds * 1e9 * TRIED as f64 / slowest as f64) as usize).clamp(TRIED, 100_000)
}
