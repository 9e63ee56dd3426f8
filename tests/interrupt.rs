//! `make demo`, interrupted, leaves nothing behind: no server, no file.

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::{keep, wait};

/// The demo, which cargo built with the tests.
fn demo() -> PathBuf {
    let tests = std::env::current_exe().expect("a program knows its path");
    let demo = tests.ancestors().nth(2).expect("the build's directory").join("examples/demo");
    assert!(demo.exists(), "no {}: `cargo build --example demo` makes it", demo.display());
    demo
}

/// Name and parent of a process; `None` when there is none (or only its exit status is left).
fn process(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then(|| (name.to_owned(), parent))
}

fn servers_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| process(*pid) == Some(("memcached".to_owned(), parent))).collect()
}

fn directories_of(pid: u32) -> usize {
    let start = format!("memcache-{pid}-");
    let entries = std::fs::read_dir(std::env::temp_dir()).expect("a directory for temporary files");
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&start))
        .count()
}

#[test]
fn an_interrupted_demo_cleans_up() {
    for (signal, status) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let mut demo = keep::spawn(Command::new(demo()).stdout(Stdio::null()).stderr(Stdio::null()))
            .expect("the demo runs");
        let servers = wait::until("the demo's eight servers", || {
            Some(servers_of(demo.id())).filter(|servers| servers.len() == 8)
        });
        assert_eq!(directories_of(demo.id()), 1);
        // SAFETY: the demo was not waited for, so the process id is its own.
        assert_eq!(unsafe { libc::kill(demo.id() as libc::pid_t, signal) }, 0);
        let ended = wait::until("the end of the demo", || demo.try_wait().expect("a child of ours"));
        keep::ended(&demo);
        assert_eq!(ended.code(), Some(status));
        assert_eq!(directories_of(demo.id()), 0);
        for pid in servers {
            wait::until("the end of the demo's servers", || process(pid).is_none().then_some(()));
        }
    }
}
