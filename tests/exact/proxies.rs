//! The proxies of a world. Each has a pool file of its own that differs from the others' in where it listens.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::link::{Door, Link};
use crate::support::{keep, wait};

/// How long a proxy may take to tell of itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy under the test's control.
pub struct Proxy {
    pub door: Door,
    pool_file: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl Proxy {
    /// Starts one and waits until it listens. `pool`: the pool file's text.
    pub fn start(directory: &Path, number: usize, door: Door, pool: &str) -> Proxy {
        let pool_file = directory.join(format!("proxy-{number}.toml"));
        let text = format!("{pool}\n[proxy]\nlisten = [\"{}\"]\n", door.address());
        std::fs::write(&pool_file, text).expect("a pool file for the proxy");
        let log = pool_file.with_extension("log");
        let mut proxy = Proxy { door, pool_file, log, child: None };
        proxy.restart();
        proxy
    }

    /// `kill -9`, and waits for its end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            keep::kill(&mut child);
        }
    }

    /// Runs again; waits until it listens.
    pub fn restart(&mut self) {
        self.kill();
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_memcache-proxy"));
        command.arg("--pool").arg(&self.pool_file).args(["--foreground", "--threads", "2"]);
        let child = keep::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log));
        self.child = Some(child.expect("the proxy runs"));
        wait::until("the proxy listens", || {
            let ended = self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            assert!(!ended, "memcache-proxy ended:\n{}", self.said());
            Link::to(&self.door, PATIENCE)
        });
    }

    /// Everything it has said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it takes a server for down; `None` while it does not run.
    pub fn sees_down(&self, server: usize) -> Option<bool> {
        self.child.as_ref()?;
        let mut link = Link::to(&self.door, PATIENCE).expect("the proxy listens");
        link.send(b"stats proxy\r\n").expect("the proxy listens");
        let mut states = Vec::new();
        loop {
            let line = link.line().expect("what the proxy tells of itself");
            if line == "END" {
                return Some(states[server]);
            }
            let words: Vec<_> = line.split(' ').collect();
            if words[1].starts_with("server:") && words[1].ends_with(":state") {
                states.push(words[2] == "down");
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.kill();
    }
}
