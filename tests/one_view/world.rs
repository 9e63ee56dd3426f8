//! A pool of eight servers with a daemon and a crowd, and what is asked of a run.

use std::path::{Path, PathBuf};

use crate::support::crowd::{Crowd, Note, Shape, Verdict};
use crate::support::drill::{Fault, Fleet};
use crate::support::scratch::Scratch;
use crate::support::wait::SLOW;
use crate::support::watchd::Watchd;

/// The daemon's program, as cargo built it for this test.
pub fn watchd() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_memcache-watchd"))
}

/// A machine that is busy with tests stops a healthy server for longer than a pool's defaults allow, and
/// then two servers of a pair are gone at once.
pub const UNHURRIED: &str = if SLOW {
    "connect_timeout = \"10s\"\ntimeout = \"40s\"\n"
} else {
    "connect_timeout = \"1s\"\ntimeout = \"4s\"\n"
};

/// Seconds of [`UNHURRIED`]'s timeout.
pub const TIMEOUT_SECONDS: u64 = if SLOW { 40 } else { 4 };

/// Probes in quick succession: a test waits for a server's return, and two good ones are asked for.
pub const WATCH: &str = if SLOW { "interval = \"1s\"\n" } else { "interval = \"100ms\"\n" };

/// So many processes, that leave the machine some rest.
pub fn shape(processes: usize) -> Shape {
    let pause_us = if SLOW { 400_000 } else { 20_000 };
    Shape { processes, keys: 16, room: 20_000, pause_us, writes_percent: 30 }
}

/// The pool file of these servers, and the path of the table that it names.
pub fn pool_file(scratch: &Scratch, fleet: &Fleet) -> (PathBuf, PathBuf) {
    let table = scratch.path().join("fleet.table");
    let options = format!("table = \"{}\"\n{UNHURRIED}", table.display());
    let text = format!("{}\n[watch]\n{WATCH}", fleet.pool_file(&options));
    (scratch.write("pool.toml", &text), table)
}

/// Servers, daemon and crowd.
pub struct World {
    pub fleet: Fleet,
    pub watchd: Watchd,
    pub crowd: Crowd,
    pub pool_file: PathBuf,
    /// The last to go: everything above lies in it.
    _scratch: Scratch,
}

impl World {
    /// A pool whose server with bad luck will suffer `fault`, the daemon, and room for so many processes.
    pub fn new(fault: Fault, processes: usize) -> World {
        let scratch = Scratch::new();
        let fleet = Fleet::start(fault);
        let (pool_file, table) = pool_file(&scratch, &fleet);
        let watchd = Watchd::start(watchd(), &pool_file, &table);
        let crowd = Crowd::new(&scratch, shape(processes), &pool_file);
        World { fleet, watchd, crowd, pool_file, _scratch: scratch }
    }
}

/// No process read anything that it should not have.
pub fn nothing_wrong(notes: &[Note]) {
    let wrong: Vec<_> = notes.iter().filter(|note| note.verdict != Verdict::Right).collect();
    assert!(wrong.is_empty(), "{} of {} reads were wrong, as {:#?}", wrong.len(), notes.len(), wrong[0]);
}
