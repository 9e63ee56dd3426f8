//! What befalls a pool under load: one of eight servers goes and comes back, then the daemon does.
//! The benchmark plays it against the clock, a test in small and by numbers of calls.

use std::path::Path;
use std::time::Duration;

use crate::support::crowd::{Crowd, DOWN, Note, Shape, now_ns};
use crate::support::drill::{Fault, Fleet};
use crate::support::scratch::Scratch;
use crate::support::watchd::Watchd;

/// How long a stage is.
#[derive(Clone, Copy, Debug)]
pub enum Stay {
    /// By the clock.
    For(Duration),
    /// Until every process has made so many more calls.
    Calls(u64),
}

/// Who watches the servers.
#[derive(Clone, Copy, Debug)]
pub enum Daemon<'a> {
    /// Nobody, ever: there is neither a table nor stripes, and each process judges by itself.
    Never,
    /// A daemon of this program did, and was killed before the load began: the processes judge, and tell
    /// each other.
    Died(&'a Path),
    /// One of this program does. In the end it is killed too, and comes back.
    AtWork(&'a Path),
}

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The processes.
    pub shape: Shape,
    /// What happens to the server.
    pub fault: Fault,
    /// Who watches the servers.
    pub daemon: Daemon<'a>,
    /// Lines for the [pool] section.
    pub options: &'a str,
    /// Lines for the [watch] section.
    pub watch: &'a str,
    /// How long a stage is.
    pub stay: Stay,
}

/// A span of the run.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What had happened.
    pub name: &'static str,
    /// When it began, on the notes' clock.
    pub from_ns: u64,
    /// And ended.
    pub to_ns: u64,
    /// How busy the machine's processors were, of 1.
    pub busy: f64,
}

/// How it went.
#[derive(Debug)]
pub struct Played {
    /// The stages, one after another.
    pub stages: Vec<Stage>,
    /// Every call.
    pub notes: Vec<Note>,
    /// When the server began to go.
    pub struck_ns: u64,
    /// When it was there again.
    pub healed_ns: u64,
    /// How often its life after that had been flushed in the end; a server that was only out of reach
    /// counts from its start.
    pub flushed: u64,
    /// How often the other servers had been: each time is a healthy server that was taken for a hung one,
    /// because the machine had too much to do, and so a second failure beside the one that is played.
    pub others_flushed: u64,
}

/// Plays it.
pub fn play(plan: &Plan<'_>) -> Played {
    let scratch = Scratch::new();
    let mut fleet = Fleet::start(plan.fault);
    let table = scratch.path().join("fleet.table");
    let options = format!("table = \"{}\"\n{}", table.display(), plan.options);
    let text = format!("{}\n[watch]\n{}", fleet.pool_file(&options), plan.watch);
    let pool_file = scratch.write("pool.toml", &text);
    let start = |program| Watchd::start(program, &pool_file, &table);
    let mut watchd = match plan.daemon {
        Daemon::Never => None,
        Daemon::Died(program) => {
            start(program).kill();
            None
        }
        Daemon::AtWork(program) => Some(start(program)),
    };
    let mut crowd = Crowd::new(&scratch, plan.shape, &pool_file);
    crowd.join(0..plan.shape.processes);

    let mut stages = Stages::new(plan.stay);
    stages.stay("all servers up", &mut crowd);
    let struck_ns = now_ns();
    fleet.strike();
    stages.from(struck_ns);
    stages.first_second("one gone: first second", &mut crowd);
    crowd.sees("down", |state| state == DOWN);
    stages.stay("one gone: then", &mut crowd);
    fleet.heal();
    let healed_ns = now_ns();
    stages.first_second("it is back: first second", &mut crowd);
    crowd.sees("in use", |state| state != DOWN);
    stages.stay("it is back: then", &mut crowd);
    if let Some(watchd) = &mut watchd {
        watchd.kill();
        stages.first_second("daemon killed: first second", &mut crowd);
        stages.stay("daemon killed: then", &mut crowd);
        watchd.restart();
        stages.stay("daemon is back", &mut crowd);
    }
    let (flushed, others_flushed) = fleet.flushes();
    Played { stages: stages.done, notes: crowd.stop(), struck_ns, healed_ns, flushed, others_flushed }
}

/// The stages so far.
struct Stages {
    stay: Stay,
    done: Vec<Stage>,
    from_ns: u64,
    ticks: Ticks,
}

impl Stages {
    fn new(stay: Stay) -> Stages {
        Stages { stay, done: Vec::new(), from_ns: now_ns(), ticks: Ticks::now() }
    }

    /// The next stage began then.
    fn from(&mut self, from_ns: u64) {
        self.from_ns = from_ns;
    }

    fn stay(&mut self, name: &'static str, crowd: &mut Crowd) {
        self.pass(name, self.stay, crowd);
    }

    fn first_second(&mut self, name: &'static str, crowd: &mut Crowd) {
        let stay = match self.stay {
            Stay::For(_) => {
                let over = Duration::from_nanos(now_ns() - self.from_ns);
                Stay::For(Duration::from_secs(1).saturating_sub(over))
            }
            calls @ Stay::Calls(_) => calls,
        };
        self.pass(name, stay, crowd);
    }

    fn pass(&mut self, name: &'static str, stay: Stay, crowd: &mut Crowd) {
        match stay {
            Stay::For(time) => std::thread::sleep(time),
            Stay::Calls(calls) => crowd.works(calls),
        }
        let (to_ns, ticks) = (now_ns(), Ticks::now());
        let busy = ticks.busy_since(&self.ticks);
        self.done.push(Stage { name, from_ns: self.from_ns, to_ns, busy });
        (self.from_ns, self.ticks) = (to_ns, ticks);
    }
}

/// What all processors together did since the machine's start, in ticks.
struct Ticks {
    idle: u64,
    all: u64,
}

impl Ticks {
    fn now() -> Ticks {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect();
        // user, nice, system, idle, waiting for a disk, and so on; guests count as user already.
        Ticks { idle: ticks.iter().skip(3).take(2).sum(), all: ticks.iter().take(8).sum() }
    }

    fn busy_since(&self, before: &Ticks) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1) as f64;
        1.0 - self.idle.saturating_sub(before.idle) as f64 / all
    }
}
