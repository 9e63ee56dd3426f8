//! What befalls the process that uses the library, from C: its threads end, it is signalled, it forks, whatever moment it
//! chooses for that. No call fails of it, and no handle.

#[allow(dead_code, reason = "the other tests of the client use the rest")]
#[path = "../client/fake.rs"]
mod fake;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use fake::{Fake, Shelf};
use memcache::rules::address::Address;
use support::scratch::Scratch;
use support::server::Memcached;
use support::{cc, orders};

/// Runs it to its end; what it printed.
fn passes(command: &mut Command) -> String {
    let output = command.env_remove("MEMCACHE_POOL").stdin(Stdio::null()).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{told}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// A thread that is cancelled in a call ends when the call is over; what it used is as good as before.
fn threads_end(with: &[&str], rounds: &str) {
    let scratch = Scratch::new();
    let program = cc::program_with(&scratch, "ended", &["c-tests/ended.c"], &["-pthread"]);
    let servers = [Memcached::start(), Memcached::start()];
    let all: Vec<_> = with.iter().map(OsStr::new).chain([program.as_os_str()]).collect();
    passes(Command::new(all[0]).args(&all[1..]).arg(rounds).args(servers.iter().map(Memcached::address)));
}

#[test]
fn threads_end_and_the_handle_they_used_lives_on() {
    threads_end(&[], "800");
}

#[test]
fn threads_that_end_are_watched_by_valgrind() {
    threads_end(&["valgrind", "-q", "--error-exitcode=9", "--fair-sched=try"], "24");
}

/// A signal every hundred microseconds, with SA_RESTART and without: no call ends otherwise, nor later than it should.
#[test]
fn signals_at_a_high_rate_disturb_no_call() {
    let scratch = Scratch::new();
    let program = cc::program(&scratch, "signals", &["c-tests/signals.c"]);
    for flags in ["interrupt", "restart"] {
        let mut servers = [Memcached::start()];
        let arguments = [flags.to_owned(), "2000".to_owned(), servers[0].address()];
        orders::run(Command::new(&program).env_remove("MEMCACHE_POOL"), &arguments, &mut servers);
    }
}

/// Every value carries the number of the process that wrote it under a key that does too. The server sees that each
/// connection is one process's alone, and that the parent's are the same from the beginning to the end.
#[test]
fn no_process_speaks_on_the_connection_of_another() {
    let scratch = Scratch::new();
    let program = cc::program_with(&scratch, "forks", &["c-tests/forks.c"], &["-pthread"]);
    let speakers: Arc<Mutex<BTreeMap<usize, BTreeSet<u32>>>> = Arc::default();
    let (shelf, seen) = (Shelf::of(1), Arc::clone(&speakers));
    let server = Fake::start(move |session| {
        loop {
            let line = session.line()?;
            if let Some(key) = line.strip_prefix("set ").or(line.strip_prefix("get ")) {
                let process = key.split('-').next().and_then(|number| number.parse().ok());
                let process = process.unwrap_or_else(|| panic!("whose key is that? {line}"));
                seen.lock().unwrap().entry(session.nth).or_default().insert(process);
            }
            let reply = shelf.reply(&line, session)?;
            assert_ne!(reply, b"ERROR\r\n", "two that speak at once, or one that is misunderstood: {line}");
            session.say(reply);
        }
    });
    let Address::Tcp { host, port } = &server.address else { panic!("a port") };
    let parent = passes(Command::new(&program).arg(format!("{host}:{port}")));
    let parent: u32 = parent.trim().parse().expect("its number");
    let speakers = speakers.lock().unwrap();
    let shared: Vec<_> = speakers.iter().filter(|(_, processes)| processes.len() > 1).collect();
    assert!(shared.is_empty(), "connections of several processes: {shared:?}");
    let parents = speakers.values().filter(|processes| processes.contains(&parent)).count();
    assert_eq!(parents, 2, "connections of the parent, which has two handles");
    let children: BTreeSet<_> = speakers.values().flatten().filter(|process| **process != parent).collect();
    assert!(children.len() >= 70, "only {} children spoke", children.len());
}
