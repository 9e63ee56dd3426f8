//! A program of ours that serves in the foreground (memcache-watchd, memcache-proxy), under the test's control.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::{keep, wait};

/// Such a program with its pool file; it runs or does not.
pub struct Service {
    program: PathBuf,
    pool_file: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Service {
    /// It does not run yet. What it says will be appended to `log`.
    pub fn new(program: &Path, pool_file: &Path, arguments: &[&str], log: PathBuf) -> Service {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Service { program: program.to_owned(), pool_file: pool_file.to_owned(), arguments, log, child: None }
    }

    /// How it is run.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--pool").arg(&self.pool_file).arg("--foreground").args(&self.arguments);
        command.env_remove("MEMCACHE_POOL").stdin(Stdio::null());
        command
    }

    /// Runs it, after its end if it runs; waits until `is_up` gives something for the process with that id.
    pub fn restart<T>(&mut self, mut is_up: impl FnMut(u32) -> Option<T>) -> T {
        self.kill();
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file");
        let child = keep::spawn(self.command().stdout(Stdio::null()).stderr(log))
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", self.program.display()));
        let pid = child.id();
        self.child = Some(child);
        let up = wait::within(wait::PATIENCE, || {
            let ended = self.ended();
            assert!(ended.is_none(), "{} ended, {ended:?}:\n{}", self.program.display(), self.said());
            is_up(pid)
        });
        up.unwrap_or_else(|| panic!("{} does not serve:\n{}", self.program.display(), self.said()))
    }

    /// `kill -9`, and waits for its end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            keep::kill(&mut child);
        }
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: libc::c_int) {
        keep::signal(self.child.as_ref().expect("it runs"), signal);
    }

    /// How it ended by itself; `None`: it runs, or was not started or killed.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("a child can be asked")
    }

    /// Whether it was started, and not killed since.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Its process id; 0 when it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Everything it has said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}
