//! A pool of servers of one's own, and the daemon that watches them.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use memcache::rules::view::{Meta, State};
use memcache::table::{Attendance, Reader, ServerEntry, Snapshot, Stripes, Trust, identity};

use crate::support::scratch::Scratch;
use crate::support::{keep, wait};

/// A pool file and what belongs to it.
pub struct Files {
    pub scratch: Scratch,
    pub pool: PathBuf,
    pub table: PathBuf,
    head: String,
}

impl Files {
    /// A pool of servers at these addresses, named s0, s1, and so on. `watch`: lines of `[watch]`.
    pub fn new(addresses: &[String], watch: &str) -> Files {
        let scratch = Scratch::new();
        let (pool, table) = (scratch.path().join("pool.toml"), scratch.path().join("pool.table"));
        let table_text = table.display();
        let head = format!("[pool]\nname = \"tried\"\ntable = \"{table_text}\"\n[watch]\n{watch}\n");
        let files = Files { pool, table, scratch, head };
        files.write(addresses);
        files
    }

    /// Describes another list, all of it at once.
    pub fn write(&self, addresses: &[String]) {
        let named: Vec<_> =
            addresses.iter().enumerate().map(|(i, it)| (format!("s{i}"), it.clone())).collect();
        self.write_named(&named);
    }

    pub fn write_named(&self, servers: &[(String, String)]) {
        let servers: Vec<_> = servers.iter().map(|(name, address)| (&**name, &**address, "")).collect();
        self.write_orders(&servers);
    }

    /// A list with a further line for each server.
    pub fn write_orders(&self, servers: &[(&str, &str, &str)]) {
        let list = servers.iter().map(|(name, address, line)| {
            format!("[[server]]\nname = \"{name}\"\naddress = \"{address}\"\n{line}\n")
        });
        self.write_text(&format!("{}{}", self.head, list.collect::<String>()));
    }

    pub fn write_text(&self, text: &str) {
        let whole = self.scratch.write("pool.new", text);
        std::fs::rename(whole, &self.pool).expect("the pool file is replaced");
    }

    /// What the table says at this moment, and whether somebody looks after it.
    pub fn look(&self) -> Option<(Attendance, Snapshot)> {
        let mut reader = Reader::open(&self.table, Trust::default()).ok()?;
        let mut snapshot = Snapshot::default();
        reader.snapshot(&mut snapshot).ok()?;
        Some((reader.attendance(identity::boot_millis()), snapshot))
    }

    /// A server's entry.
    pub fn entry(&self, index: usize) -> ServerEntry {
        let (_, snapshot) = self.look().expect("a table that can be read");
        snapshot.current.servers[index].clone()
    }

    /// Waits until an attended table says that a server is in this state.
    pub fn wait_for(&self, index: usize, state: State) -> ServerEntry {
        wait::until(&format!("s{index} {state:?}"), || {
            let (attendance, snapshot) = self.look()?;
            let entry = snapshot.current.servers.get(index)?;
            (attendance == Attendance::Attended && entry.state == state).then(|| entry.clone())
        })
    }

    /// Waits until every server was met.
    pub fn wait_until_met(&self, count: usize) {
        wait::until("a table in which every server was met", || {
            let (attendance, snapshot) = self.look()?;
            let servers = &snapshot.current.servers;
            let met = servers.len() == count && servers.iter().all(|entry| entry.meta != Meta::Unknown);
            (attendance == Attendance::Attended && met).then_some(())
        });
    }

    /// The epoch in the stripes file.
    pub fn epoch(&self, index: usize) -> u64 {
        let stripes = Stripes::open(&self.table, &Trust::default()).expect("a stripes file");
        stripes.epoch(self.entry(index).epoch_slot).expect("an epoch").number()
    }
}

/// A daemon; killed when it is dropped.
pub struct Watchd {
    child: Child,
    log: PathBuf,
}

impl Watchd {
    /// Starts one, and waits until its table is attended.
    pub fn start(files: &Files) -> Watchd {
        let watchd = Watchd::spawn(files);
        // A daemon that was just killed left a table that seems attended for a moment.
        watchd.wait_to_say(" watches the pool ");
        wait::until(&format!("an attended table; the daemon says {}", watchd.said()), || {
            (files.look()?.0 == Attendance::Attended).then_some(())
        });
        watchd
    }

    /// Starts one.
    pub fn spawn(files: &Files) -> Watchd {
        Watchd::spawn_with(files, &[])
    }

    /// Starts one with these variables in its environment.
    pub fn spawn_with(files: &Files, environment: &[(&str, &str)]) -> Watchd {
        Watchd::spawn_as(files, |command| {
            command.envs(environment.iter().copied());
        })
    }

    /// Starts one in another way.
    pub fn spawn_as(files: &Files, change: impl FnOnce(&mut Command)) -> Watchd {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let log = files.scratch.path().join(format!("log.{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut command = Command::new(env!("CARGO_BIN_EXE_memcache-watchd"));
        command.arg("--pool").arg(&files.pool).args(["--foreground", "--log-level", "debug"]);
        change(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).expect("a log"));
        let child = keep::spawn(&mut command).expect("memcache-watchd starts");
        Watchd { child, log }
    }

    /// What it logged so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).expect("its log")
    }

    /// Waits until it logs this.
    pub fn wait_to_say(&self, text: &str) {
        wait::until(&format!("{text:?} in the log"), || self.said().contains(text).then_some(()));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: libc::c_int) {
        keep::signal(&self.child, signal);
    }

    /// Waits for its end.
    pub fn status(&mut self) -> ExitStatus {
        let status = wait::until("the daemon's end", || self.child.try_wait().expect("a child of ours"));
        keep::ended(&self.child);
        status
    }

    /// `kill -9`, and waits for its end.
    pub fn kill(mut self) {
        keep::kill(&mut self.child);
    }
}

impl Drop for Watchd {
    fn drop(&mut self) {
        keep::kill(&mut self.child);
        if std::thread::panicking() {
            eprintln!("the daemon said:\n{}", self.said());
        }
    }
}
