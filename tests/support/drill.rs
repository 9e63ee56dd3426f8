//! The drill's other half: eight real servers, the program that is drilled, and what befalls one of
//! the servers between the stages. What the program does stands in `examples-c/drill-stages.h`.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::relay::{Mode, Relay};
use super::scratch::Scratch;
use super::server::Memcached;
use super::{keep, wait};

/// What happens to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Its process is killed (kill -9); it comes back empty.
    Killed,
    /// Its process is stopped (SIGSTOP): it accepts and never answers; it wakes with its old contents.
    Hung,
    /// The network before it is cut; it comes back with its old contents.
    CutOff,
}

/// Eight servers, in pairs, of which one has bad luck.
pub struct Fleet {
    servers: Vec<Memcached>,
    relay: Option<Relay>,
    fault: Fault,
}

/// The server with bad luck: neither the first nor the last, and the first of its pair.
pub const VICTIM: usize = 2;

impl Fleet {
    /// Starts the servers; for [`Fault::CutOff`] the victim is reached through a relay.
    pub fn start(fault: Fault) -> Fleet {
        let servers: Vec<_> = (0..8).map(|_| Memcached::start()).collect();
        let relay = (fault == Fault::CutOff).then(|| Relay::start(servers[VICTIM].port()));
        Fleet { servers, relay, fault }
    }

    /// The servers' addresses as clients should use them.
    pub fn addresses(&self) -> Vec<String> {
        let mut addresses: Vec<_> = self.servers.iter().map(Memcached::address).collect();
        if let Some(relay) = &self.relay {
            addresses[VICTIM] = relay.address();
        }
        addresses
    }

    /// The text of a pool file with these servers, in pairs, and these lines among its options.
    pub fn pool_file(&self, options: &str) -> String {
        let mut text = format!("[pool]\nname = \"drill\"\nbackup = \"pairs\"\n{options}");
        for address in self.addresses() {
            let _ = write!(text, "\n[[server]]\naddress = \"{address}\"\n");
        }
        text
    }

    /// The server with bad luck.
    pub fn victim(&self) -> &Memcached {
        &self.servers[VICTIM]
    }

    /// How often the server with bad luck was flushed in its present life, and how often all others were:
    /// not once, unless a busy machine made one of them look hung.
    pub fn flushes(&self) -> (u64, u64) {
        let count = |server: &Memcached| server.stat("cmd_flush").expect("the server answers");
        let victim = count(self.victim());
        (victim, self.servers.iter().map(count).sum::<u64>() - victim)
    }

    /// It goes.
    pub fn strike(&mut self) {
        match self.fault {
            Fault::Killed => self.servers[VICTIM].kill(),
            Fault::Hung => self.servers[VICTIM].hang(),
            Fault::CutOff => self.relay.as_ref().expect("made at the start").set(Mode::Cut),
        }
    }

    /// It comes back.
    pub fn heal(&mut self) {
        match self.fault {
            Fault::Killed => self.servers[VICTIM].restart(),
            Fault::Hung => self.servers[VICTIM].wake(),
            Fault::CutOff => self.relay.as_ref().expect("made at the start").set(Mode::Pass),
        }
    }

    /// All servers stop (SIGSTOP) as they do while the machine is suspended, and go on when it is not any more.
    pub fn suspend(&self, suspended: bool) {
        self.servers.iter().for_each(if suspended { Memcached::hang } else { Memcached::wake });
    }

    /// How many reads the victim has answered; `None` while it answers nobody.
    fn reads_of_victim(&self) -> Option<u64> {
        self.servers[VICTIM].stat("cmd_get")
    }
}

/// What one stage counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// What had happened.
    pub name: String,
    /// Reads of sessions, each of which should find the newest value.
    pub reads: u64,
    /// Those that did.
    pub hits: u64,
    /// Those that found nothing.
    pub misses: u64,
    /// Those that found an older value.
    pub stale: u64,
    /// Reads of deleted keys that found a value.
    pub revived: u64,
    /// Reads that ended with an error.
    pub errors: u64,
    /// Stores and deletes.
    pub writes: u64,
    /// Those of them that were not acknowledged.
    pub refused: u64,
    /// What 99 of 100 calls did not exceed, in microseconds.
    pub p99_us: u64,
    /// The longest call, in microseconds.
    pub worst_us: u64,
}

/// How a drill went.
#[derive(Debug)]
pub struct Report {
    /// The stages it came through.
    pub stages: Vec<Stage>,
    /// Whether the server was in use again before stage 5.
    pub in_use_again: bool,
    /// How the program ended.
    pub ending: String,
}

/// What is drilled.
pub struct Drilled {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; the servers' addresses are appended.
    pub arguments: Vec<String>,
    /// Whether it is given a pool file in its environment, and what stands in its [pool] section
    /// beside name and backup.
    pub pool: Option<&'static str>,
}

/// How long a program may take for one stage before it is called hung.
const STAGE_PATIENCE: Duration = Duration::from_secs(120);

/// How long a server that is back may be left aside.
const RETURN_PATIENCE: Duration = Duration::from_secs(15);

/// Plays the drill.
pub fn play(drilled: &Drilled, fault: Fault, scratch: &Scratch) -> Report {
    let mut fleet = Fleet::start(fault);
    let pool_file = drilled.pool.map(|options| scratch.write("pool.toml", &fleet.pool_file(options)));
    let mut program = Program::start(drilled, &fleet.addresses(), pool_file.as_deref());
    let mut report = Report { stages: Vec::new(), in_use_again: false, ending: String::new() };
    while let Some(line) = program.line() {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "wait" => {
                let (number, name) = rest.split_once(' ').unwrap_or((rest, ""));
                report.stages.push(Stage { name: name.to_owned(), ..Stage::default() });
                match number {
                    "2" | "6" => fleet.strike(),
                    "4" => fleet.heal(),
                    "5" => report.in_use_again = turn_until_in_use(&mut program, &fleet),
                    _ => {}
                }
                program.say("go");
            }
            "stage" => report.stages.last_mut().expect("a stage begins with `wait`").read(rest),
            "end" => break,
            _ => panic!("the drilled program said `{line}`"),
        }
    }
    report.ending = program.ending();
    report.stages.retain(|stage| stage.reads > 0);
    report
}

/// Lets the program read until the server that was gone has answered its share of the reads.
fn turn_until_in_use(program: &mut Program, fleet: &Fleet) -> bool {
    let mut first = None;
    wait::within(RETURN_PATIENCE, || {
        program.say("turn");
        if program.line().as_deref() != Some("turned") {
            return Some(false);
        }
        let reads = fleet.reads_of_victim()?;
        (reads >= *first.get_or_insert(reads) + 50).then_some(true)
    })
    .unwrap_or(false)
}

impl Stage {
    /// Whether it kept all promises.
    pub fn flawless(&self) -> bool {
        self.reads > 0 && self.hits == self.reads && self.revived == 0 && self.refused == 0
    }

    /// Reads `NUMBER name=value ...`.
    fn read(&mut self, line: &str) {
        for (name, value) in line.split(' ').filter_map(|word| word.split_once('=')) {
            let value = value.parse().unwrap_or_else(|_| panic!("the drill counted {name}={value}"));
            match name {
                "reads" => self.reads = value,
                "hits" => self.hits = value,
                "misses" => self.misses = value,
                "stale" => self.stale = value,
                "revived" => self.revived = value,
                "errors" => self.errors = value,
                "writes" => self.writes = value,
                "refused" => self.refused = value,
                "p99_us" => self.p99_us = value,
                "worst_us" => self.worst_us = value,
                _ => panic!("the drill counted something called {name}"),
            }
        }
    }
}

impl Report {
    /// Whether the program came through all stages and all promises were kept.
    pub fn flawless(&self) -> bool {
        self.stages.len() == 6 && self.stages.iter().all(Stage::flawless)
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "  {:<35}{:>6}{:>6}{:>8}{:>7}{:>9}{:>8}{:>8}{:>9}{:>9}{:>10}",
            "",
            "reads",
            "hits",
            "misses",
            "stale",
            "revived",
            "errors",
            "writes",
            "refused",
            "p99 ms",
            "worst ms"
        );
        for (number, s) in (1..).zip(&self.stages) {
            let name = format!("{number} {}", s.name);
            let _ = writeln!(
                text,
                "  {name:<35}{:>6}{:>6}{:>8}{:>7}{:>9}{:>8}{:>8}{:>9}{:>9}{:>10}",
                s.reads,
                s.hits,
                s.misses,
                s.stale,
                s.revived,
                s.errors,
                s.writes,
                s.refused,
                milliseconds(s.p99_us),
                milliseconds(s.worst_us)
            );
        }
        if self.stages.len() < 6 {
            let _ = writeln!(text, "  and then the program ended: {}", self.ending);
        } else if !self.in_use_again {
            let _ =
                writeln!(text, "  before stage 5 the server was back for {RETURN_PATIENCE:?} and not used");
        }
        text
    }
}

/// Microseconds as milliseconds, for people.
pub fn milliseconds(micros: u64) -> String {
    format!("{}.{:02}", micros / 1000, micros % 1000 / 10)
}

/// The drilled program at work.
struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    ended: bool,
}

impl Program {
    fn start(drilled: &Drilled, addresses: &[String], pool_file: Option<&Path>) -> Program {
        let mut command = Command::new(&drilled.program);
        command.args(&drilled.arguments).args(addresses).env_remove("MEMCACHE_POOL");
        if let Some(path) = pool_file {
            command.env("MEMCACHE_POOL", path);
        }
        let mut child = keep::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", drilled.program.display()));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("a pipe was asked for");
        let (heard, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if heard.send(line).is_err() {
                    return;
                }
            }
        });
        Program { child, stdin, lines, ended: false }
    }

    /// The next line it says; `None` when it ended.
    ///
    /// # Panics
    /// When it says nothing for longer than a stage may take: it hangs.
    fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(STAGE_PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the drilled program hangs"),
        }
    }

    /// Says something to it. That it may have ended shows in the next line.
    fn say(&mut self, word: &str) {
        if let Some(stdin) = self.stdin.as_mut() {
            let _ = writeln!(stdin, "{word}");
        }
    }

    /// Waits for its end and says how it ended.
    fn ending(&mut self) -> String {
        self.stdin = None;
        let status = wait::until("the end of the drilled program", || self.child.try_wait().ok()?);
        self.ended = true;
        keep::ended(&self.child);
        status.to_string()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.ended {
            keep::kill(&mut self.child);
        }
    }
}
