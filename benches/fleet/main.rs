//! `make bench-fleet`: many processes on eight servers, of which one is killed, hung or cut off and
//! comes back: with memcache-watchd at work, after it died, and where it never was. Prints how many calls there were, how long they
//! took, how many failed or found something wrong, and when each process had noticed.
//!
//! ```text
//! fleet [--watchd PROGRAM] [--json FILE] [--processes N] [--pause MICROSECONDS] [--seconds N | --calls N] [FAULT...]
//! ```
//!
//! FAULT: killed, hung, cut-off; all three unless some are named. Without --watchd only what each
//! process knows by itself is measured. A stage lasts so many seconds, or until every process has made so
//! many calls. The processes rest between two calls (uniformly, up to twice the
//! pause): else all that is measured is how many processors there are. The load says whether it is so.

use std::path::PathBuf;
use std::time::Duration;

mod figures;
mod report;
mod scenario;
#[path = "../../tests/support/mod.rs"]
mod support;

use figures::{StageFigures, Switch};
use report::Run;
use scenario::{Daemon, Plan, Stay};
use support::crowd::Shape;
use support::drill::Fault;
use support::keep;

/// What the pool's file says, which is also the default.
const TIMEOUT: Duration = Duration::from_millis(500);
const OPTIONS: &str = "connect_timeout = \"100ms\"\ntimeout = \"500ms\"\n";

/// The longest run has so many seconds beside its stages.
const SPARE_SECONDS: u64 = 60;

const USAGE: &str = "usage: fleet [--watchd PROGRAM] [--json FILE] [--processes N] [--pause MICROSECONDS] \
                     [--seconds N | --calls N] [killed|hung|cut-off...]";

/// What was asked for.
struct Asked {
    watchd: Option<PathBuf>,
    json: Option<PathBuf>,
    processes: usize,
    pause_us: u64,
    seconds: u64,
    calls: Option<u64>,
    faults: Vec<(Fault, &'static str)>,
}

const FAULTS: [(Fault, &str); 3] =
    [(Fault::Killed, "killed"), (Fault::Hung, "hung"), (Fault::CutOff, "cut-off")];

fn asked() -> Result<Asked, String> {
    let mut asked = Asked {
        watchd: None,
        json: None,
        processes: 64,
        pause_us: 10_000,
        seconds: 5,
        calls: None,
        faults: Vec::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--watchd" => asked.watchd = Some(value()?.into()),
            "--json" => asked.json = Some(value()?.into()),
            "--processes" => asked.processes = number(value()?)?.clamp(1, 400) as usize,
            "--pause" => asked.pause_us = number(value()?)?,
            "--seconds" => asked.seconds = number(value()?)?.clamp(1, 600),
            "--calls" => asked.calls = Some(number(value()?)?.clamp(1, 10_000)),
            "--bench" => {} // cargo says so
            "--help" => return Err(USAGE.to_owned()),
            _ => match FAULTS.iter().find(|(_, name)| *name == word) {
                Some(fault) => asked.faults.push(*fault),
                None => return Err(format!("there is no `{word}'\n{USAGE}")),
            },
        }
    }
    if asked.faults.is_empty() {
        asked.faults = FAULTS.to_vec();
    }
    Ok(asked)
}

impl Asked {
    fn shape(&self) -> Shape {
        let seconds = self.seconds * 8 + SPARE_SECONDS;
        // A process that never rests makes some 20,000 calls in a second.
        let rate = 1_000_000 / self.pause_us.max(50);
        let room = usize::try_from(seconds * rate + self.calls.unwrap_or(0) * 16).expect("a number of calls");
        Shape { processes: self.processes, keys: 32, room, pause_us: self.pause_us, writes_percent: 10 }
    }

    /// Who watches, as far as it can be had.
    fn daemons(&self) -> Vec<(Daemon<'_>, &'static str)> {
        let mut all = vec![(Daemon::Never, "each process by itself")];
        if let Some(program) = &self.watchd {
            all.push((Daemon::Died(program), "memcache-watchd died before"));
            all.push((Daemon::AtWork(program), "with memcache-watchd"));
        }
        all
    }

    fn play(&self, fault: (Fault, &'static str), daemon: (Daemon<'_>, &'static str)) -> Run {
        let played = scenario::play(&Plan {
            shape: self.shape(),
            fault: fault.0,
            daemon: daemon.0,
            options: OPTIONS,
            watch: "",
            stay: self.calls.map_or(Stay::For(Duration::from_secs(self.seconds)), Stay::Calls),
        });
        let stages = played.stages.iter().map(|stage| StageFigures::of(stage, &played.notes, TIMEOUT));
        Run {
            fault: fault.1,
            daemon: daemon.1,
            stages: stages.collect(),
            away: Switch::away(&played, self.processes),
            back: Switch::back(&played, self.processes),
            flushed: [played.flushed, played.others_flushed],
        }
    }
}

fn main() {
    let asked = asked().unwrap_or_else(|words| {
        eprintln!("{words}");
        std::process::exit(64)
    });
    keep::clear_up_when_interrupted();
    println!(
        "{} processes, 8 servers in pairs, 90 % reads and 10 % writes of 100 bytes, {} us between two calls of a \
         process; a call may take {TIMEOUT:?} (late: more than 50 ms beyond that)\n",
        asked.processes, asked.pause_us
    );
    let mut runs = Vec::new();
    for fault in &asked.faults {
        for daemon in asked.daemons() {
            let run = asked.play(*fault, daemon);
            println!("{}", run.table());
            runs.push(run.json());
        }
    }
    if let Some(path) = &asked.json {
        let text = format!(
            "{{\"processes\":{},\"pause_us\":{},\"runs\":[\n{}\n]}}\n",
            asked.processes,
            asked.pause_us,
            runs.join(",\n")
        );
        std::fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
}
