//! memcachectl as it is started by people and scripts: every command, what it prints, its exit status and
//! what it leaves of the pool file; on real servers, with a daemon's table and without.

#![cfg(feature = "programs")]

#[path = "../support/mod.rs"]
mod support;

mod changes;
mod contract;
mod daemon;
mod real;
mod shown;
mod sweeps;
mod trouble;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use daemon::Daemon;
use support::scratch::Scratch;
use support::server::Memcached;

/// How a command went.
struct Went {
    status: i32,
    out: String,
    err: String,
}

/// A memcachectl without anybody's environment.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memcachectl"));
    command.env_remove("MEMCACHE_POOL");
    command
}

fn ended(command: &mut Command) -> Went {
    let output = command.output().expect("memcachectl starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let status = output.status.code().expect("it was not killed");
    Went { status, out: text(output.stdout), err: text(output.stderr) }
}

/// Servers, and a pool file that names them s1, s2, and so on.
struct World {
    scratch: Scratch,
    servers: Vec<Memcached>,
    file: PathBuf,
}

impl World {
    /// So many servers. Generous times: a busy machine is no failure.
    fn new(servers: usize) -> World {
        World::of((0..servers).map(|_| Memcached::start()).collect())
    }

    /// These servers.
    fn of(servers: Vec<Memcached>) -> World {
        let scratch = Scratch::new();
        let mut text =
            "# Ours.\n[pool]\nname = \"shop\"\nconnect_timeout = \"5s\"\ntimeout = \"10s\"\n".to_owned();
        text.push_str(&format!("table = \"{}\"  # for all\n", scratch.path().join("t").display()));
        for (number, server) in (1..).zip(&servers) {
            text.push_str(&format!("\n# Number {number}.\n[[server]]\nname = \"s{number}\"\n"));
            text.push_str(&format!("address = \"{}\" # here\n", server.address()));
        }
        let file = scratch.write("pool.toml", &text);
        World { scratch, servers, file }
    }

    fn table(&self) -> PathBuf {
        self.scratch.path().join("t")
    }

    /// A daemon for it.
    fn daemon(&self) -> Daemon {
        Daemon::start(&self.file)
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).expect("the pool file")
    }

    /// Changes the pool file behind everybody's back.
    fn rewrite(&self, from: &str, to: &str) {
        let text = self.text();
        assert!(text.contains(from), "{text}");
        fs::write(&self.file, text.replace(from, to)).expect("the pool file can be written");
    }

    fn run(&self, arguments: &[&str]) -> Went {
        ended(program().arg("--pool").arg(&self.file).args(arguments))
    }

    /// Demands this status; what was printed.
    fn demand(&self, status: i32, arguments: &[&str]) -> String {
        let went = self.run(arguments);
        assert_eq!(went.status, status, "{arguments:?}: {}{}", went.out, went.err);
        format!("{}{}", went.out, went.err)
    }

    /// The lines of the file that a command took out, with `-`, and put in, with `+`.
    fn changed_by(&self, status: i32, arguments: &[&str]) -> Vec<String> {
        let before = self.text();
        self.demand(status, arguments);
        let after = self.text();
        let gone =
            before.lines().filter(|line| !after.lines().any(|it| it == *line)).map(|it| format!("-{it}"));
        let new =
            after.lines().filter(|line| !before.lines().any(|it| it == *line)).map(|it| format!("+{it}"));
        gone.chain(new).collect()
    }

    /// The address of `s1` is number 1.
    fn address(&self, number: usize) -> String {
        self.servers[number - 1].address()
    }

    /// What must be there, and no more: no lock, no half-written file.
    fn is_tidy(&self) {
        let names = |path: &Path| -> Vec<String> {
            let entries = fs::read_dir(path).expect("a directory");
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
        };
        let left = names(self.scratch.path());
        assert!(!left.iter().any(|name| name.contains("memcachectl")), "{left:?}");
    }
}
