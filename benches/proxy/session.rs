//! A session of measuring: every subject at every depth, one after another, and all of it again. What
//! disturbs the machine for a while disturbs all of them.

use std::path::PathBuf;

use crate::cost;
use crate::load::{self, Load, Until};
use crate::report::{AtDepth, Figures};
use crate::subjects::Subject;
use crate::support::scratch::Scratch;

/// What is measured.
pub struct Plan {
    /// The load; its depth is one of these.
    pub load: Load,
    /// Requests under way on a connection.
    pub depths: Vec<usize>,
    /// So often.
    pub rounds: usize,
    /// Over so many requests system calls are counted; 0: not at all.
    pub traced: usize,
    /// With so many connections memory is measured; 0: not at all.
    pub idle: usize,
}

/// Measures them all; `said` is told what is going on.
pub fn measure(plan: &Plan, subjects: &[Subject], said: impl Fn(&str)) -> Vec<Figures> {
    let mut all: Vec<Figures> = subjects.iter().map(|subject| empty(plan, subject)).collect();
    for round in 1..=plan.rounds {
        for (subject, figures) in subjects.iter().zip(&mut all) {
            said(&format!("round {round} of {}: {}", plan.rounds, subject.name));
            for at in &mut figures.depths {
                once(plan, subject, at);
            }
        }
    }
    let scratch = Scratch::new();
    for (subject, figures) in subjects.iter().zip(&mut all).filter(|(_, figures)| figures.one_process) {
        if plan.traced > 0 {
            said(&format!("system calls: {}", subject.name));
            let summary = scratch.path().join("strace");
            figures.depths.iter_mut().for_each(|at| traced(plan, subject, at, summary.clone()));
        }
        if plan.idle > 0 {
            said(&format!("memory: {}", subject.name));
            let address = &subject.addresses[0];
            figures.connection = Some(cost::of_connections(subject.pid(), address, plan.idle));
        }
    }
    all
}

fn empty(plan: &Plan, subject: &Subject) -> Figures {
    let depths = plan.depths.iter().map(|depth| AtDepth { depth: *depth, ..AtDepth::default() });
    let one_process = subject.addresses.len() == 1;
    Figures { name: subject.name.clone(), one_process, depths: depths.collect(), connection: None }
}

fn once(plan: &Plan, subject: &Subject, at: &mut AtDepth) {
    let before = cost::cpu_nanos(subject.pid());
    let measured = load::run(&Load { depth: at.depth, ..plan.load }, &subject.addresses);
    let cpu = cost::cpu_nanos(subject.pid()) - before;
    at.per_second.push(measured.per_second());
    at.p50.push(measured.micros(0.5));
    at.p99.push(measured.micros(0.99));
    at.cpu.push(cpu as f64 / 1_000.0 / measured.nanos.len().max(1) as f64);
}

fn traced(plan: &Plan, subject: &Subject, at: &mut AtDepth, summary: PathBuf) {
    let mut answers = 0;
    let calls = cost::system_calls(subject.pid(), &summary, || {
        let load = Load { depth: at.depth, until: Until::Answers(plan.traced), ..plan.load };
        answers = load::run(&load, &subject.addresses).nanos.len() + plan.load.keys;
    });
    at.calls = calls.into_iter().map(|(name, calls)| (name, calls as f64 / answers.max(1) as f64)).collect();
}
