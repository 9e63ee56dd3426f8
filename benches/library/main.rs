//! `make bench-library`: the same work through this library, through libmemcached, and by a raw loop of send and
//! receive, side by side on this machine.
//!
//! ```text
//! library [--seconds N] [--rounds N] [--only WORK] [--json FILE] [--handles N] [--no-counts]
//! library --growth [--seconds N] [--rounds N] [--json FILE] [--svg FILE]
//! ```
//!
//! Eight memcacheds of one thread each; a process with a connection to each of them; keys of 11 bytes, values of 100.
//! The client has a processor, the servers have the others. The three programs take turns, in rounds; a figure is that of the round in the middle, a ratio is taken within
//! each round and is the one in the middle of those. Then instructions are counted by callgrind, system calls by
//! strace and allocations by an allocator that counts, each over the difference of two runs.
//!
//! --growth measures how a get grows, with up to 256 servers and 64 processes; see growth.rs.
//!
//! Everything is per call: a get of a hundred keys is one. Doubled: where every value is on two servers. libmemcached does not wait for its second server when it
//! stores a value twice, and both others do; the raw loop keeps no rule of this library's or anybody else's.

use std::path::{Path, PathBuf};

mod counts;
mod drawing;
mod growth;
mod programs;
mod report;
mod session;
#[path = "../../tests/support/mod.rs"]
mod support;

use programs::{WORKS, World};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use session::Plan;
use support::keep;

const SERVERS: usize = 8;

/// What was asked for.
struct Asked {
    json: Option<PathBuf>,
    svg: Option<PathBuf>,
    growth: bool,
    plan: Plan,
}

const USAGE: &str =
    "usage: library [--seconds N] [--rounds N] [--only WORK] [--json FILE] [--handles N] [--no-counts]
       library --growth [--seconds N] [--rounds N] [--json FILE] [--svg FILE]";

fn asked() -> Result<Asked, String> {
    let plan = Plan { works: WORKS.to_vec(), seconds: 0.1, rounds: 20, counted: true, handles: 64 };
    let mut asked = Asked { json: None, svg: None, growth: false, plan };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| text.parse::<usize>().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--json" => asked.json = Some(value()?.into()),
            "--svg" => asked.svg = Some(value()?.into()),
            "--growth" => asked.growth = true,
            "--seconds" => asked.plan.seconds = value()?.parse().map_err(|_| "--seconds needs a number")?,
            "--rounds" => asked.plan.rounds = number(value()?)?.clamp(1, 1_000),
            "--handles" => asked.plan.handles = number(value()?)?.min(1_000),
            "--no-counts" => asked.plan.counted = false,
            "--only" => {
                let name = value()?;
                asked.plan.works.retain(|work| work.name == name);
                if asked.plan.works.is_empty() {
                    return Err(format!(
                        "there is no work `{name}': {}",
                        WORKS.map(|work| work.name).join(", ")
                    ));
                }
            }
            "--bench" => {} // cargo says so
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(asked)
}

/// How many processes want to run, on average over the last minute: what else goes on is in the figures.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

fn main() {
    let asked = asked().unwrap_or_else(|words| {
        eprintln!("{words}");
        std::process::exit(64)
    });
    keep::clear_up_when_interrupted();
    let axes = growth::axes();
    let servers = if asked.growth { growth::servers(&axes) } else { SERVERS };
    let processors = processors();
    let world = match &processors[..] {
        [client, others @ ..] if !others.is_empty() => {
            pin(others);
            let world = World::start(servers);
            pin(&[*client]);
            world
        }
        _ => World::start(servers),
    };
    let (before, plan) = (load(), &asked.plan);
    let said = |what: &str| eprintln!("{what}");
    let (text, json) = if asked.growth {
        let all = growth::measure(&axes, &world, plan.rounds, plan.seconds, said);
        if let Some(path) = &asked.svg {
            write(path, &growth::svg(&all));
        }
        (growth::text(&all), growth::json(&all))
    } else {
        let figures = session::measure(plan, &world, said);
        (figures.text(), figures.json())
    };
    let (processors, after) = (processors.len(), load());
    println!(
        "{servers} memcacheds; {} rounds of {} s; {processors} processors, load {before} before and {after} after",
        plan.rounds, plan.seconds
    );
    print!("{text}");
    if let Some(path) = &asked.json {
        let of_all = format!("\"servers\":{servers},\"processors\":{processors},\"load\":[{before},{after}]");
        write(path, &format!("{{{of_all},\"rounds\":{},{json}}}\n", plan.rounds));
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// The processors that we may use.
fn processors() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect()
}

/// What this thread starts from now on runs there: servers and clients on processors of their own, so that none of
/// the subjects is luckier than another.
fn pin(processors: &[usize]) {
    let mut set = CpuSet::new();
    processors.iter().for_each(|number| set.set(*number));
    // Where this is not allowed it is the kernel's choice.
    let _ = sched_setaffinity(None, &set);
}
