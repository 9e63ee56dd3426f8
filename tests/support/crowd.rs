//! Many processes at work on one pool: `benches/fleet/client.c`, the file that its processes share with
//! the driver, and what they noted in it.
//!
//! The file is made here and written by the processes, which map it. The driver reads it as a file: on
//! Linux both see the same pages.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::time::{ClockId, clock_gettime};

use super::drill::VICTIM;
use super::scratch::Scratch;
use super::{cc, keep, wait};

/// The clock of the notes, in nanoseconds.
pub fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// How many processes, and what they do.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// There is room for so many.
    pub processes: usize,
    /// Each writes so many keys of its own.
    pub keys: usize,
    /// So many calls of each process are noted.
    pub room: usize,
    /// What a process rests between two calls, in microseconds, on the average.
    pub pause_us: u64,
    /// So many of a hundred calls are writes.
    pub writes_percent: u64,
}

/// `enum mc_state`, as the processes note it.
pub const STEADY: u64 = 0;
/// See [`STEADY`].
pub const RETURNED: u64 = 1;
/// See [`STEADY`].
pub const DOWN: u64 = 2;

/// What was wrong with a value that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing.
    Right,
    /// It is older than one that had been acknowledged before the read began.
    Stale,
    /// It was never written under that key.
    Foreign,
    /// There was none, and one had been acknowledged.
    Missing,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// Whose.
    pub process: usize,
    /// When it began, on the clock of [`now_ns`].
    pub start_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// Whether it stored; else it fetched.
    pub write: bool,
    /// Whether the server with bad luck is concerned, as long as all is well.
    pub victim: bool,
    /// A number of `enum mc_reason`.
    pub reason: i8,
    /// What was read.
    pub verdict: Verdict,
    /// The state of the server with bad luck before the call.
    pub before: u64,
    /// And after it.
    pub after: u64,
}

impl Note {
    /// When it ended.
    pub fn end_ns(&self) -> u64 {
        self.start_ns + self.duration_ns
    }

    /// Whether it ended without an answer.
    pub fn failed(&self) -> bool {
        self.reason < 0 || (self.write && self.reason != STORED)
    }

    fn read(process: usize, bytes: &[u8]) -> Note {
        let verdicts = [Verdict::Right, Verdict::Stale, Verdict::Foreign, Verdict::Missing];
        Note {
            process,
            start_ns: word(bytes, 0),
            duration_ns: (word(bytes, 1) & 0xffff_ffff) * TICK_NS,
            write: bytes[12] & 1 != 0,
            victim: bytes[12] & 2 != 0,
            reason: bytes[13] as i8,
            verdict: verdicts[usize::from(bytes[14])],
            before: u64::from(bytes[15] & 15),
            after: u64::from(bytes[15] >> 4),
        }
    }
}

/// `TICK_NS`, of which 32 bits last longer than any call that a test waits for.
const TICK_NS: u64 = 16;

/// `MC_REASON_STORED`.
const STORED: i8 = 2;

/// What a process says of itself while it is at work.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// It has written each of its keys once.
    pub ready: bool,
    /// So many calls were made.
    pub calls: u64,
    /// The state of the server with bad luck before the first call.
    pub first_state: u64,
    /// And after the last one.
    pub state: u64,
    /// Calls without an answer.
    pub failed: u64,
    /// Reads with a wrong one.
    pub wrong: u64,
}

/// The sizes of the file's parts; the structs of client.c.
const HEADER: usize = 4096;
const PROCESS: usize = 64;
const KEY: usize = 16;
const NOTE: usize = 16;
/// Where the header's word is that stops the processes.
const STOP: u64 = 48;

fn word(bytes: &[u8], number: usize) -> u64 {
    u64::from_ne_bytes(bytes[8 * number..8 * number + 8].try_into().expect("eight bytes"))
}

/// Processes at work. They are killed when it is dropped.
pub struct Crowd {
    shape: Shape,
    program: PathBuf,
    pool_file: PathBuf,
    path: PathBuf,
    file: File,
    children: Vec<Child>,
    /// Who has come and left.
    gone: Vec<usize>,
}

impl Crowd {
    /// A crowd for a pool, of whom nobody has come yet.
    pub fn new(scratch: &Scratch, shape: Shape, pool_file: &Path) -> Crowd {
        let program = cc::program(scratch, "fleet-client", &["benches/fleet/client.c"]);
        let path = scratch.path().join("crowd");
        let file = File::options().read(true).write(true).create_new(true).open(&path).expect("a new file");
        let of_one = PROCESS + shape.keys * KEY + shape.room * NOTE;
        file.set_len((HEADER + shape.processes * of_one) as u64).expect("room for the notes");
        let words =
            [shape.processes, shape.keys, shape.room, VICTIM].map(|number| (number as u64).to_ne_bytes());
        let more = [shape.pause_us, shape.writes_percent].map(u64::to_ne_bytes);
        file.write_all_at(&[&words[..], &more].concat().concat(), 0).expect("the file can be written");
        let (children, gone) = (Vec::new(), Vec::new());
        Crowd { shape, program, pool_file: pool_file.to_owned(), path, file, children, gone }
    }

    /// Starts the processes with these numbers, and waits until each has written its keys.
    pub fn join(&mut self, numbers: Range<usize>) {
        let mut command = std::process::Command::new(&self.program);
        command.arg(&self.path).args([numbers.start.to_string(), numbers.len().to_string()]);
        let child = keep::spawn(command.env("MEMCACHE_POOL", &self.pool_file)).expect("the clients run");
        self.children.push(child);
        wait::until("processes that have written their keys", || {
            self.nobody_ended();
            numbers.clone().all(|number| self.process(number).ready).then_some(())
        });
    }

    fn nobody_ended(&mut self) {
        for child in &mut self.children {
            let status = child.try_wait().expect("a child can be waited for");
            assert!(status.is_none(), "the client processes ended: {status:?}");
        }
    }

    /// A process as it is.
    pub fn process(&self, number: usize) -> Process {
        let mut bytes = [0; PROCESS];
        self.file.read_exact_at(&mut bytes, (HEADER + number * PROCESS) as u64).expect("the file is whole");
        let [_, ready, calls, first_state, state, failed, wrong, _] =
            std::array::from_fn(|number| word(&bytes, number));
        Process { ready: ready != 0, calls, first_state, state, failed, wrong }
    }

    /// Those who are at work.
    pub fn present(&self) -> impl Iterator<Item = Process> + '_ {
        let numbers = (0..self.shape.processes).filter(|number| !self.gone.contains(number));
        numbers.map(|number| self.process(number)).filter(|process| process.ready)
    }

    /// The process ids of those who are at work.
    fn pids(&mut self) -> Vec<libc::pid_t> {
        self.nobody_ended();
        let numbers = (0..self.shape.processes).filter(|number| !self.gone.contains(number));
        let pid = |number| {
            let mut pid = [0; 8];
            self.file.read_exact_at(&mut pid, (HEADER + number * PROCESS) as u64).expect("the file is whole");
            u64::from_ne_bytes(pid) as libc::pid_t
        };
        numbers.map(pid).collect()
    }

    /// Sends everybody a signal. (All must have come.)
    pub fn signal(&mut self, signal: libc::c_int) {
        for pid in self.pids() {
            // SAFETY: a child of a child of ours that waits for it, and did not end.
            assert!(pid > 1 && unsafe { libc::kill(pid, signal) } == 0, "process {pid}");
        }
    }

    /// Waits until everybody has had the processor since the last signal, and sleeps.
    pub fn sleeps(&mut self) {
        let sleeps = |pid: &libc::pid_t| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
        };
        let pids = self.pids();
        wait::until("processes that sleep", || pids.iter().all(sleeps).then_some(()));
    }

    /// Waits until everybody present sees the server with bad luck in such a state.
    pub fn sees(&mut self, what: &str, wanted: impl Fn(u64) -> bool) {
        wait::until(&format!("all processes see the server {what}"), || {
            self.nobody_ended();
            self.present().all(|process| wanted(process.state)).then_some(())
        });
    }

    /// Waits until everybody present has made so many more calls.
    pub fn works(&mut self, calls: u64) {
        let before: Vec<_> = self.present().map(|process| process.calls).collect();
        wait::until(&format!("{calls} more calls of each process"), || {
            self.nobody_ended();
            self.present().zip(&before).all(|(now, before)| now.calls >= before + calls).then_some(())
        });
    }

    /// Sends everybody home. Others may come.
    ///
    /// # Panics
    /// When a process ended badly.
    pub fn leaves(&mut self) {
        let stop = |yes: u64| self.file.write_all_at(&yes.to_ne_bytes(), STOP).expect("a file to write to");
        stop(1);
        for child in &mut self.children {
            let status = wait::until("the end of the client processes", || child.try_wait().ok()?);
            keep::ended(child);
            assert!(status.success(), "the client processes ended: {status}");
        }
        stop(0);
        self.children.clear();
        self.gone = (0..self.shape.processes).filter(|number| self.process(*number).ready).collect();
    }

    /// Sends everybody home; what they noted, in the order in which the calls began.
    ///
    /// # Panics
    /// When a process ended badly, or made more calls than there was room to note.
    pub fn stop(mut self) -> Vec<Note> {
        self.leaves();
        let Shape { processes, keys, room, .. } = self.shape;
        let mut all = Vec::new();
        for number in 0..processes {
            let calls = usize::try_from(self.process(number).calls).expect("a number of calls");
            assert!(calls <= room, "process {number} made {calls} calls, and only {room} could be noted");
            let at = HEADER + processes * (PROCESS + keys * KEY) + number * room * NOTE;
            let mut bytes = vec![0; calls * NOTE];
            self.file.read_exact_at(&mut bytes, at as u64).expect("the file is whole");
            all.extend(bytes.chunks_exact(NOTE).map(|bytes| Note::read(number, bytes)));
        }
        all.sort_by_key(|note| note.start_ns);
        all
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.children.iter_mut().for_each(keep::kill);
    }
}
