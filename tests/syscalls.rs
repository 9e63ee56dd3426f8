//! What a read costs in system calls, as strace counts them: a simple one a send and a receive, one
//! of a hundred keys at most a send and a receive per server, and the waiting between.
//!
//! Counted is the difference between a program that reads and the same program that does not.

#[path = "client_table/daemon.rs"]
mod daemon;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use memcache::client::{Client, TableAt};
use memcache::rules::operation::Outcome;
use memcache::table::{Reader, Snapshot, Trust};
use support::cc;
use support::scratch::Scratch;
use support::server::Memcached;

/// Calls by name.
type Counts = BTreeMap<String, u64>;

fn count(scratch: &Scratch, program: &Path, how: &str, times: u32, servers: &[Memcached]) -> Counts {
    let summary = scratch.path().join("strace");
    let mut strace = Command::new("strace");
    match how {
        // A program's own servers have no backups: those of a pool file store twice.
        "set" => strace.env("MEMCACHE_POOL", scratch.write("pool.toml", &pool(servers))),
        _ => strace.env_remove("MEMCACHE_POOL"),
    };
    let output = strace
        .args(["-f", "-c", "-o"])
        .arg(&summary)
        .arg(program)
        .args([how, &times.to_string()])
        .args(servers.iter().map(Memcached::address))
        .output()
        .expect("strace runs (apt-get install strace)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    summed(&std::fs::read_to_string(summary).expect("strace's summary"))
}

fn summed(text: &str) -> Counts {
    let calls = text.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        Some(((*words.last()?).to_owned(), words.get(3)?.parse().ok()?))
    });
    calls.filter(|(name, _)| name != "total").collect()
}

fn pool(servers: &[Memcached]) -> String {
    let server = |server: &Memcached| format!("[[server]]\naddress = {:?}\n", server.address());
    format!("[pool]\nbackup = \"pairs\"\n{}", servers.iter().map(server).collect::<String>())
}

/// What `times` calls add.
fn added(how: &str, times: u32, servers: usize) -> Counts {
    let scratch = Scratch::new();
    let program = cc::program(&scratch, "gets", &["tests/c/gets.c"]);
    let servers: Vec<_> = (0..servers).map(|_| Memcached::start()).collect();
    let without = count(&scratch, &program, how, 0, &servers);
    let mut with = count(&scratch, &program, how, times, &servers);
    for (name, calls) in &mut with {
        *calls = calls.saturating_sub(without.get(name).copied().unwrap_or(0));
    }
    with.retain(|_, calls| *calls > 0);
    with
}

fn sum(counts: &Counts, names: &[&str]) -> u64 {
    counts.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, calls)| calls).sum()
}

const SENDS: [&str; 5] = ["sendto", "sendmsg", "sendmmsg", "write", "writev"];
const RECEIVES: [&str; 5] = ["recvfrom", "recvmsg", "recvmmsg", "read", "readv"];

#[test]
fn a_get_is_one_send_and_one_receive() {
    let counts = added("one", 10_000, 8);
    let total: u64 = counts.values().sum();
    println!("10,000 gets: {counts:?}");
    assert!(sum(&counts, &SENDS) >= 10_000, "strace did not see the sends: {counts:?}");
    assert!(total <= 20_500, "{total} system calls for 10,000 gets: {counts:?}");
}

#[test]
fn a_get_of_a_hundred_keys_is_one_send_and_one_receive_per_server() {
    let counts = added("many", 10, 8);
    println!("10 gets of 100 keys over 8 servers: {counts:?}");
    assert!(sum(&counts, &SENDS) >= 10, "strace did not see the sends: {counts:?}");
    assert!(sum(&counts, &SENDS) <= 80, "{counts:?}");
    assert!(sum(&counts, &RECEIVES) <= 80, "{counts:?}");
}

#[test]
fn a_doubled_set_is_a_send_and_a_receive_for_each_server() {
    let times = 1_000;
    let counts = added("set", times, 4);
    let total: u64 = counts.values().sum();
    println!("{times} doubled sets: {counts:?}");
    assert_eq!(sum(&counts, &SENDS), 2 * u64::from(times), "{counts:?}");
    assert_eq!(sum(&counts, &RECEIVES), 2 * u64::from(times), "{counts:?}");
    // And one wait for both: the last answer of all is received without one.
    assert!(total <= 5 * u64::from(times) + 50, "{total} system calls: {counts:?}");
}

/// How often a program slept while it read.
fn sleeps(program: &Path, how: &str, server: &Memcached) -> u64 {
    let mut reads = Command::new(program);
    reads.args([how, "10000", &server.address()]).env_remove("MEMCACHE_POOL");
    let output = reads.output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

#[test]
fn who_polls_busily_does_not_sleep() {
    let scratch = Scratch::new();
    let program = cc::program(&scratch, "gets", &["tests/c/gets.c"]);
    let server = Memcached::start();
    let (sleeping, polling) = (sleeps(&program, "one", &server), sleeps(&program, "busy", &server));
    println!("10,000 gets: slept {sleeping} times, and {polling} times while polling busily");
    assert!(sleeping > 100, "a get whose answer is not there yet sleeps");
    assert!(polling * 4 < sleeping, "a get that polls sleeps only where the answer takes 10 ms");
}

/// Calls of a client that goes by a table, for strace and callgrind: so many gets, or sets. Ends at once when
/// nobody asked for them.
#[test]
fn calls_by_a_table() {
    let Ok(wanted) = std::env::var("MEMCACHE_TEST_CALLS") else { return };
    let (what, times) = wanted.split_once(' ').expect("what, and how often");
    let path: std::path::PathBuf = std::env::var_os("MEMCACHE_TEST_TABLE").expect("a table").into();
    let mut snapshot = Snapshot::default();
    let mut reader = Reader::open(&path, Trust::default()).expect("a table");
    reader.snapshot(&mut snapshot).expect("a snapshot");
    let pool = Arc::new(snapshot.current.pool().expect("a pool"));
    let table =
        std::env::var_os("MEMCACHE_TEST_BARE").is_none().then(|| TableAt { path, trust: Trust::default() });
    let mut client = Client::open_with_table(pool, table);
    for key in [&b"a"[..], b"b", b"c", b"d"] {
        assert_eq!(daemon::set(&mut client, key, b"v"), Outcome::Stored);
    }
    for _ in 0..times.parse().expect("a number") {
        match what {
            "get" => assert_eq!(daemon::get(&mut client, b"a"), Ok(b"v".to_vec())),
            _ => assert_eq!(daemon::set(&mut client, b"a", b"v"), Outcome::Stored),
        }
    }
}

/// What so many calls of a client that goes by a table add.
fn added_by_table(what: &str, times: u32) -> Counts {
    let scratch = Scratch::new();
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let pool = daemon::pool(&servers, daemon::options());
    let daemon = daemon::Daemon::of(&pool, &servers);
    let run = |times: u32| {
        let summary = scratch.path().join("strace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-o"]).arg(&summary).arg(std::env::current_exe().expect("this program"));
        strace.args(["--exact", "calls_by_a_table"]).env("MEMCACHE_TEST_TABLE", daemon.path());
        let output =
            strace.env("MEMCACHE_TEST_CALLS", format!("{what} {times}")).output().expect("strace runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        summed(&std::fs::read_to_string(summary).expect("strace's summary"))
    };
    let without = run(0);
    let mut with = run(times);
    for (name, calls) in &mut with {
        *calls = calls.saturating_sub(without.get(name).copied().unwrap_or(0));
    }
    with.retain(|_, calls| *calls > 0);
    with
}

#[test]
fn a_table_costs_no_system_call() {
    let times = 1_000;
    let gets = added_by_table("get", times);
    let total: u64 = gets.values().sum();
    println!("{times} gets by a table: {gets:?}");
    assert!(sum(&gets, &SENDS) >= u64::from(times), "strace did not see the sends: {gets:?}");
    assert!(total <= 2 * u64::from(times) + 50, "{total} system calls: {gets:?}");
    let sets = added_by_table("set", times);
    let total: u64 = sets.values().sum();
    println!("{times} doubled sets by a table: {sets:?}");
    assert!(total <= 5 * u64::from(times) + 50, "{total} system calls: {sets:?}");
}

/// Instructions, as callgrind counts them; what they mean without optimisation is not worth a test.
#[cfg(not(debug_assertions))]
#[test]
fn a_table_costs_a_get_two_hundred_instructions_at_most() {
    let scratch = Scratch::new();
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let pool = daemon::pool(&servers, daemon::options());
    let daemon = daemon::Daemon::of(&pool, &servers);
    let instructions = |what: &str, times: u32, bare: bool| -> u64 {
        let mut valgrind = Command::new("valgrind");
        valgrind
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", scratch.path().join("callgrind").display()));
        valgrind.arg(std::env::current_exe().expect("this program")).args(["--exact", "calls_by_a_table"]);
        valgrind.env("MEMCACHE_TEST_TABLE", daemon.path());
        valgrind.env("MEMCACHE_TEST_CALLS", format!("{what} {times}"));
        if bare {
            valgrind.env("MEMCACHE_TEST_BARE", "1");
        }
        let output = valgrind.output().expect("valgrind runs (apt-get install valgrind)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let count = said.lines().find_map(|line| line.split_once("Collected :")).expect("a count").1;
        count.trim().parse().expect("a number")
    };
    let each = |what: &str, bare| {
        let times = 2_000;
        (instructions(what, times, bare) as f64 - instructions(what, 0, bare) as f64) / f64::from(times)
    };
    for what in ["get", "set"] {
        let (bare, table) = (each(what, true), each(what, false));
        println!("a {what}: {bare:.0} instructions without a table, {table:.0} with one");
        assert!(what == "set" || table - bare < 200.0, "{bare} without, {table} with");
    }
}
