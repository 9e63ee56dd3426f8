//! Those who call: the processes of `client.c`, the file that they share with the driver, the plain clients
//! ([`plain`](crate::plain)), and the history that all of them recorded.
//!
//! The file is made here and mapped by the processes; the driver reads it as a file, which on Linux shows the same pages.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::history::{Answer, Call, State, What, printed};
use crate::link::Door;
use crate::plain::{Plain, Progress};
use crate::support::scratch::Scratch;
use crate::support::{cc, keep, wait};

/// How often each kind of call is made, of all: in the order of the operations of client.c.
#[derive(Clone, Copy, Debug)]
pub struct Mix(pub [u64; OPERATIONS]);

const OPERATIONS: usize = 14;

impl Mix {
    /// Everything that the library can do with a key.
    pub const EVERYTHING: Mix = Mix([24, 8, 4, 3, 14, 2, 6, 5, 8, 7, 6, 3, 7, 3]);
    /// What neither asks nor minds what is there.
    pub const PLAIN: Mix = Mix([30, 10, 6, 4, 30, 4, 0, 0, 0, 0, 12, 0, 0, 0]);
    /// What does not build on the value that is there: all but append and counters.
    pub const CONDITIONAL: Mix = Mix([26, 8, 4, 3, 20, 4, 10, 8, 12, 0, 10, 0, 0, 0]);
    /// Counting, and a look at the counter now and then.
    pub const COUNTING: Mix = Mix([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 80, 10]);
    /// Stores of one kind, and reads.
    pub const STORING: Mix = Mix([50, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// How many processes, and what they do.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many.
    pub processes: usize,
    /// So many of them, the last ones, are plain clients of the world's proxies.
    pub plain: usize,
    /// Keys that hold values; all processes share them.
    pub keys: usize,
    /// Keys that hold numbers.
    pub counters: usize,
    /// So many calls of each process can be recorded.
    pub room: usize,
    /// What a process rests between two steps, in microseconds, on the average.
    pub pause_us: u64,
    /// What they do.
    pub mix: Mix,
}

impl Shape {
    /// Eight processes that make some two thousand calls a second together, and leave the machine some rest.
    pub const EIGHT: Shape = Shape {
        processes: 8,
        plain: 0,
        keys: 96,
        counters: 16,
        room: 200_000,
        pause_us: 3_000,
        mix: Mix::EVERYTHING,
    };
}

/// What a process says of itself while it is at work.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// It has done its part of filling the pool.
    pub ready: bool,
    /// So many calls were recorded.
    pub calls: u64,
    /// The servers' states after its last step, four bits each; `None`: it is a plain client, which knows of none.
    pub states: Option<u64>,
    /// So many steps.
    pub steps: u64,
}

impl Process {
    /// Whether the process takes a server for down; `None`: it knows of no servers.
    pub fn sees_down(&self, server: usize) -> Option<bool> {
        self.states.map(|states| states >> (4 * server) & 15 == DOWN)
    }
}

/// `MC_SERVER_DOWN`, as the processes note it.
const DOWN: u64 = 2;

/// The sizes of the file's parts: the structs of client.c.
const HEADER: usize = 4096;
const PROCESS: usize = 64;
const RECORD: usize = 64;
/// Where the header's word is that stops the processes.
const STOP: u64 = 56;

/// How long the processes may take for a share of their work.
const PATIENCE: Duration = Duration::from_secs(60);

fn word(bytes: &[u8], number: usize) -> u64 {
    u64::from_ne_bytes(bytes[8 * number..8 * number + 8].try_into().expect("eight bytes"))
}

/// The program, compiled.
pub fn program(scratch: &Scratch) -> PathBuf {
    cc::program(scratch, "exact-client", &["tests/exact/client.c"])
}

/// Processes at work. They are killed when it is dropped.
pub struct Crowd {
    shape: Shape,
    path: PathBuf,
    file: File,
    child: Child,
    plain: Vec<Plain>,
}

impl Crowd {
    /// Starts them, and waits until they have filled the pool. Each `round` has keys of its own. `doors`: of the proxies.
    pub fn start(
        program: &Path,
        pool_file: &Path,
        doors: &[Door],
        shape: Shape,
        seed: u64,
        round: u64,
    ) -> Crowd {
        let path = pool_file.with_file_name(format!("crowd-{round}"));
        let file = File::options().read(true).write(true).create_new(true).open(&path).expect("a new file");
        let size = HEADER + shape.processes * (PROCESS + shape.room * RECORD);
        file.set_len(size as u64).expect("room for the records");
        let words = [shape.processes as u64, shape.room as u64, seed, round, shape.keys as u64];
        let more = [shape.counters as u64, shape.pause_us, 0];
        let all = words.iter().chain(&more).chain(&shape.mix.0).flat_map(|word| word.to_ne_bytes());
        file.write_all_at(&all.collect::<Vec<u8>>(), 0).expect("the file can be written");
        let mut command = Command::new(program);
        let first = shape.processes - shape.plain;
        command.arg(&path).args(["0".to_owned(), first.to_string()]);
        let child = keep::spawn(command.env("MEMCACHE_POOL", pool_file)).expect("the clients run");
        let plain = (first..shape.processes).map(|number| Plain::start(doors, shape, number, seed, round));
        let mut crowd = Crowd { shape, path, file, child, plain: plain.collect() };
        crowd.until("have filled the pool", |process| process.ready);
        crowd
    }

    fn nobody_ended(&mut self) {
        let status = self.child.try_wait().expect("a child can be waited for");
        let all_are_plain = self.shape.plain == self.shape.processes;
        assert!(status.is_none() || all_are_plain, "the client processes ended: {status:?}");
        assert!(!self.plain.iter().any(Plain::ended), "a plain client ended");
    }

    fn process(&self, number: usize) -> Process {
        if let Some(plain) = number.checked_sub(self.shape.processes - self.shape.plain) {
            let Progress { ready, steps, calls, .. } = &*self.plain[plain].progress;
            let (ready, steps) = (ready.load(Ordering::Acquire), steps.load(Ordering::Acquire));
            return Process { ready, calls: calls.load(Ordering::Relaxed), states: None, steps };
        }
        let mut bytes = [0; PROCESS];
        self.file.read_exact_at(&mut bytes, (HEADER + number * PROCESS) as u64).expect("the file is whole");
        let [_, ready, calls, states, _, steps, ..] = std::array::from_fn::<_, 8, _>(|at| word(&bytes, at));
        Process { ready: ready != 0, calls, states: Some(states), steps }
    }

    /// All of them as they are.
    pub fn processes(&self) -> Vec<Process> {
        (0..self.shape.processes).map(|number| self.process(number)).collect()
    }

    /// Waits until that is so of every process.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&Process) -> bool) {
        let done = wait::within(PATIENCE, || {
            self.nobody_ended();
            self.processes().iter().all(&is_so).then_some(())
        });
        assert!(done.is_some(), "waited in vain until all processes {what}: {:#?}", self.processes());
    }

    /// Waits until each process has made so many more steps.
    pub fn works(&mut self, steps: u64) {
        let before: Vec<_> = self.processes().iter().map(|process| process.steps).collect();
        let done = wait::within(PATIENCE, || {
            self.nobody_ended();
            self.processes()
                .iter()
                .zip(&before)
                .all(|(now, before)| now.steps >= before + steps)
                .then_some(())
        });
        assert!(done.is_some(), "not all processes made {steps} more steps: {:#?}", self.processes());
    }

    /// Sends everybody home, after a last look at all keys; what they recorded.
    ///
    /// # Panics
    /// When a process ended badly, or made more calls than there was room to record.
    pub fn stop(mut self) -> Vec<Call> {
        self.file.write_all_at(&1u64.to_ne_bytes(), STOP).expect("a file to write to");
        self.plain.iter().for_each(|plain| plain.progress.stop.store(true, Ordering::Release));
        let ended = wait::within(PATIENCE, || self.child.try_wait().ok()?);
        let status = ended.expect("the client processes end");
        keep::ended(&self.child);
        assert!(status.success(), "the client processes ended: {status}");
        let mut all: Vec<Call> = std::mem::take(&mut self.plain).into_iter().flat_map(Plain::stop).collect();
        let Shape { processes, plain, room, .. } = self.shape;
        for number in 0..processes - plain {
            let calls = usize::try_from(self.process(number).calls).expect("a number of calls");
            assert!(calls <= room, "process {number} made {calls} calls, and only {room} could be recorded");
            let at = HEADER + processes * PROCESS + number * room * RECORD;
            let mut bytes = vec![0; calls * RECORD];
            self.file.read_exact_at(&mut bytes, at as u64).expect("the file is whole");
            all.extend(bytes.chunks_exact(RECORD).map(|bytes| recorded(number, bytes)));
        }
        all
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        keep::kill(&mut self.child);
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A record of client.c.
fn recorded(process: usize, bytes: &[u8]) -> Call {
    let [start, end, name, found, old, fetched, waited, _] =
        std::array::from_fn::<_, 8, _>(|at| word(bytes, at));
    let key = u32::from_ne_bytes(bytes[56..60].try_into().expect("four bytes"));
    let (reason, operation, kind) = (bytes[60] as i8, bytes[61], bytes[62]);
    let state = match kind {
        1 => State::Value(found),
        2 => State::Number(found),
        _ => State::Garbled,
    };
    let new = State::Value(printed(0, name));
    let what = match operation {
        0 | 1 | 11 => What::Get,
        2 => What::GetAndTouch,
        3 => What::Touch,
        4 if kind == 2 => What::Set(State::Number(name)),
        4 | 5 => What::Set(new),
        6 => What::Add(new),
        7 => What::Replace(new),
        8 => What::Cas { new, old: State::Value(old), fetched },
        9 => What::Append(name),
        10 => What::Delete,
        12 => What::Incr(name),
        13 => What::Decr(name),
        other => panic!("client.c knows no operation {other}"),
    };
    // enum mc_reason
    let answer = match reason {
        1 => Answer::Hit(state),
        2 => Answer::Stored,
        3 => Answer::Deleted,
        4 => Answer::Touched,
        5 => Answer::Number(found),
        10 => Answer::Miss,
        11 => Answer::NotStored,
        12 => Answer::Exists,
        13 => Answer::NotFound,
        reason => Answer::Failed(reason),
    };
    let process = u32::try_from(process).expect("a number of a process");
    Call { process, key, start, end, waited, what, answer, proxy: None }
}
