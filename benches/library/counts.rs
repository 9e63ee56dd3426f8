//! What a call costs that no clock has to measure: instructions, system calls, allocations, memory. Of instructions
//! and system calls the difference between a short and a longer run is counted, so that neither what a program
//! does before its first call nor what it does after the last is in it.

use std::collections::BTreeMap;
use std::process::Command;

use crate::programs::{HANDLES, Running, SUBJECTS, Work, World, counting};

/// What one call costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Instructions of the process; `None` where they were not counted.
    pub instructions: Option<f64>,
    /// System calls, by name.
    pub system_calls: BTreeMap<String, f64>,
    /// Allocations of a warm handle.
    pub allocations: f64,
}

impl Counts {
    /// All system calls.
    pub fn calls(&self) -> f64 {
        self.system_calls.values().sum()
    }
}

/// What a handle holds, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Of the allocator, at most.
    pub heap: f64,
    /// By which the process grew.
    pub resident: f64,
}

/// Long enough for the difference to be one, and short enough for valgrind.
fn lengths(work: Work) -> [usize; 2] {
    match work.bytes.max(work.keys * 1_000) {
        0..=1_000 => [200, 1_200],
        _ => [10, 60],
    }
}

/// Counts what a call of a subject costs. `instructions`: those too, which takes a few seconds.
pub fn of(world: &World, subject: usize, work: Work, instructions: bool) -> Counts {
    let lengths = lengths(work);
    let each = (lengths[1] - lengths[0]) as f64;
    let [short, long] = lengths.map(|calls| system_calls(world, subject, work, calls));
    let added = |(name, calls): (String, u64)| {
        let before = short.get(&name).copied().unwrap_or(0);
        (calls > before).then_some((name, (calls as f64 - before as f64) / each))
    };
    let system_calls = long.into_iter().filter_map(added).collect();
    let instructions = instructions.then(|| {
        let [short, long] = lengths.map(|calls| self::instructions(world, subject, work, calls));
        (long as f64 - short as f64) / each
    });
    Counts { instructions, system_calls, allocations: allocations(world, subject, work, lengths[1]) }
}

/// Allocations of a call, once everything has its size.
fn allocations(world: &World, subject: usize, work: Work, calls: usize) -> f64 {
    let mut command = world.command(subject, work, &[], world.servers());
    counting(&mut command, &world.allocations);
    let mut running = Running::start(SUBJECTS[subject], &mut command);
    let answers = [(); 2].map(|()| {
        world.prepare(work, calls);
        running.work(calls)
    });
    running.finish();
    answers[1].allocations as f64 / calls as f64
}

/// Memory of a handle that has set a value, read it, and read a hundred.
pub fn memory(world: &World, subject: usize, handles: usize) -> Memory {
    let mut command = world.command(subject, HANDLES, &[], world.servers());
    counting(&mut command, &world.allocations);
    let mut running = Running::start(SUBJECTS[subject], &mut command);
    let answer = running.work(handles);
    running.finish();
    let each = |bytes: f64| bytes / handles as f64;
    Memory { heap: each(answer.peak as f64), resident: each(answer.resident as f64) }
}

/// Runs a program below a tool; what the tool wrote to that file.
fn below(world: &World, subject: usize, work: Work, calls: usize, tool: &[&str], file: &str) -> String {
    world.prepare(work, calls);
    let mut command: Command = world.command(subject, work, tool, world.servers());
    let mut running = Running::start(&format!("{} below {}", SUBJECTS[subject], tool[0]), &mut command);
    running.work(calls);
    running.finish();
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// All system calls of a run, by name.
fn system_calls(world: &World, subject: usize, work: Work, calls: usize) -> BTreeMap<String, u64> {
    let file = world.file("strace").display().to_string();
    let text = below(world, subject, work, calls, &["strace", "-f", "-c", "-o", &file], &file);
    let lines = text.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [first, .., name] = words[..] else { return None };
        // The lines of figures begin with a share of the time.
        first.parse::<f64>().ok()?;
        (name != "total").then_some((name.to_owned(), words.get(3)?.parse().ok()?))
    });
    lines.collect()
}

/// All instructions of a run.
fn instructions(world: &World, subject: usize, work: Work, calls: usize) -> u64 {
    let (out, log) = (world.file("callgrind"), world.file("callgrind.log").display().to_string());
    let (out, into) = (format!("--callgrind-out-file={}", out.display()), format!("--log-file={log}"));
    let text = below(world, subject, work, calls, &["valgrind", "--tool=callgrind", &out, &into], &log);
    let count = text.lines().find_map(|line| line.split_once("Collected :"));
    let count = count.unwrap_or_else(|| panic!("valgrind counted nothing:\n{text}"));
    count.1.trim().parse().expect("a number")
}
