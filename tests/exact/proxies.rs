//! The proxies of a world. Each has a pool file of its own that differs from the others' in where it listens.

use std::path::Path;
use std::time::Duration;

use crate::link::{Door, Link};
use crate::support::service::Service;

/// How long a proxy may take to tell of itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy under the test's control.
pub struct Proxy {
    pub door: Door,
    service: Service,
}

impl Proxy {
    /// Starts one and waits until it listens. `pool`: the pool file's text.
    pub fn start(directory: &Path, number: usize, door: Door, pool: &str) -> Proxy {
        let pool_file = directory.join(format!("proxy-{number}.toml"));
        let text = format!("{pool}\n[proxy]\nlisten = [\"{}\"]\n", door.address());
        std::fs::write(&pool_file, text).expect("a pool file for the proxy");
        let program = Path::new(env!("CARGO_BIN_EXE_memcache-proxy"));
        let log = pool_file.with_extension("log");
        let mut proxy = Proxy { door, service: Service::new(program, &pool_file, &["--threads", "2"], log) };
        proxy.restart();
        proxy
    }

    /// `kill -9`, and waits for its end.
    pub fn kill(&mut self) {
        self.service.kill();
    }

    /// Runs again; waits until it listens.
    pub fn restart(&mut self) {
        let door = &self.door;
        self.service.restart(|_| Link::to(door, PATIENCE));
    }

    /// Everything it has said.
    pub fn said(&self) -> String {
        self.service.said()
    }

    /// Whether it takes a server for down; `None` while it does not run.
    pub fn sees_down(&self, server: usize) -> Option<bool> {
        if !self.service.runs() {
            return None;
        }
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
