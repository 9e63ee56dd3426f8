//! memcache-watchd under the test's control.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use memcache::table::identity::boot_millis;
use memcache::table::{Reader, Trust};

use super::{keep, wait};

/// A daemon that watches a pool.
pub struct Watchd {
    program: PathBuf,
    pool_file: PathBuf,
    table: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl Watchd {
    /// Starts one and waits until the table is attended by it. What it says goes to `watchd.log` beside
    /// the pool file.
    pub fn start(program: &Path, pool_file: &Path, table: &Path) -> Watchd {
        let mut watchd = Watchd {
            program: program.to_owned(),
            pool_file: pool_file.to_owned(),
            table: table.to_owned(),
            log: pool_file.with_file_name("watchd.log"),
            child: None,
        };
        watchd.restart();
        watchd
    }

    /// `kill -9`, and waits for its end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            keep::kill(&mut child);
        }
    }

    /// Runs again; waits until it attends the table.
    pub fn restart(&mut self) {
        self.kill();
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file");
        let mut command = Command::new(&self.program);
        command.arg("--pool").arg(&self.pool_file).arg("--foreground").env_remove("MEMCACHE_POOL");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = keep::spawn(&mut command)
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", self.program.display()));
        let pid = child.id();
        self.child = Some(child);
        wait::within(wait::PATIENCE, || {
            let ended = self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            assert!(!ended, "memcache-watchd ended:\n{}", self.said());
            self.attended_by(pid).then_some(())
        })
        .unwrap_or_else(|| panic!("memcache-watchd does not attend its table:\n{}", self.said()));
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: libc::c_int) {
        keep::signal(self.child.as_ref().expect("a daemon that runs"), signal);
    }

    /// Its process id; 0 when it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Everything it has said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether the table is attended by the process with that id: the one before may have died just now.
    fn attended_by(&self, pid: u32) -> bool {
        Reader::open(&self.table, Trust::default())
            .is_ok_and(|reader| reader.header().writer.pid == pid && reader.attended(boot_millis()))
    }
}

impl Drop for Watchd {
    fn drop(&mut self) {
        self.kill();
    }
}
