//! A machine that runs out of what it lends: no descriptors are left for a client, a proxy. (The daemon: tests/watchd/faults.rs.) Nobody takes that
//! for a server's fault, nobody turns in circles, and everything goes on when there are some again.

#![cfg(feature = "programs")]

mod support;

#[path = "client_table/daemon.rs"]
mod daemon;
#[allow(dead_code, reason = "the other tests of the client use the rest")]
#[path = "client/fake.rs"]
mod fake;
#[allow(dead_code, reason = "the tests of the proxy use the rest")]
#[path = "proxy/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "the other tests of the client use the rest")]
#[path = "client/question.rs"]
mod question;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use daemon::Daemon;
use memcache::rules::address::Address;
use memcache::rules::hash::KeyHash;
use memcache::rules::operation::{Failure, Outcome};
use memcache::rules::pool::{Options, ServerId};
use memcache::rules::view::State;
use memcache::table::identity;
use proxy::{Client, Fleet};
use question::{Got, Questions, ask, client, get, reply, set, unhurried, value};
use support::server::Memcached;
use support::wait;

/// One test at a time: what one takes from this process the others would miss.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets how many descriptors a process may have; how many it could have before. `pid` 0: this process.
fn limit(pid: u32, count: u64) -> u64 {
    // SAFETY: both limits live as long as the calls, and the process is this one or a child that was not waited for.
    unsafe {
        let mut old: libc::rlimit = std::mem::zeroed();
        let pid = pid as libc::pid_t;
        assert_eq!(libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &mut old), 0);
        let new = libc::rlimit { rlim_cur: count, ..old };
        assert_eq!(libc::prlimit(pid, libc::RLIMIT_NOFILE, &new, std::ptr::null_mut()), 0);
        old.rlim_cur
    }
}

/// The descriptors of a process.
fn descriptors(pid: u32) -> Vec<u64> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a process of ours");
    let listed: Vec<u64> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    // The one that the list was read by is among its own.
    let is_open = |number: &u64| std::fs::symlink_metadata(format!("/proc/{pid}/fd/{number}")).is_ok();
    listed.into_iter().filter(is_open).collect()
}

/// From now on it gets no more descriptors, until that is dropped.
struct Short {
    pid: u32,
    before: u64,
}

impl Short {
    /// With so many of those left that it gave back.
    fn of_descriptors(pid: u32) -> Short {
        // The lowest one that is free is the next one that it gets.
        let open = descriptors(pid);
        let next = (0..).find(|number| !open.contains(number)).expect("there are always more");
        Short { pid, before: limit(pid, next) }
    }
}

impl Drop for Short {
    fn drop(&mut self) {
        limit(self.pid, self.before);
    }
}

fn address(server: &Memcached) -> Address {
    Address::Tcp { host: "127.0.0.1".to_owned(), port: server.port() }
}

#[test]
fn a_client_without_descriptors_blames_no_server() {
    let _alone = alone();
    let servers = [Memcached::start(), Memcached::start()];
    let addresses = [address(&servers[0]), address(&servers[1])];
    let mut warm = client(unhurried(), &addresses);
    assert_eq!(ask(&mut warm, 0, set("k", b"v")), reply("Stored"));
    let mut cold = client(unhurried(), &addresses);
    let flushed = servers[0].stat("cmd_flush");
    let short = Short::of_descriptors(std::process::id());
    for _ in 0..20 {
        assert_eq!(ask(&mut cold, 0, get("k")), Got::Failed(Failure::Unsent));
        assert_eq!(ask(&mut cold, 0, set("k", b"lost")), Got::Failed(Failure::Unsent));
        let mut both = Questions::new(vec![(0, get("k")), (1, get("k"))]);
        assert_eq!(cold.run(&mut both), Outcome::Done);
        assert!(both.got.iter().all(|got| *got == Some(Got::Failed(Failure::Unsent))), "{:?}", both.got);
        assert_eq!(ask(&mut warm, 0, get("k")), value("v"), "what it has, it can use");
    }
    for id in [ServerId(0), ServerId(1)] {
        assert_eq!(cold.view().state(id), State::Steady);
    }
    drop(short);
    assert_eq!(ask(&mut cold, 0, get("k")), value("v"), "at once");
    assert_eq!(servers[0].stat("cmd_flush"), flushed);
}

/// Who takes a stripe over asks every server, over connections of its own, what it has read. That none can be made is no
/// server's fault; and it proves nothing, so the next one asks them.
#[test]
fn who_takes_a_turn_over_without_descriptors_blames_no_server() {
    let _alone = alone();
    let servers: Vec<Memcached> = (0..4).map(|_| Memcached::start()).collect();
    let pool = daemon::pool(&servers, Options { timeout: Duration::from_millis(800), ..daemon::options() });
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = daemon::key(&pool, ServerId(0));
    assert_eq!(daemon::set(&mut client, &key, b"old"), Outcome::Stored);
    let (stripes, me) = (daemon.stripes(), u64::from(std::process::id()));
    let late = identity::boot_millis() + 50;
    stripes.take(KeyHash::of(&key).value(), late, me, identity::boot_millis).expect("nobody has it").forget();
    wait::until("its time is over", || (identity::boot_millis() > late).then_some(()));

    let short = Short::of_descriptors(std::process::id());
    let outcome = daemon::set(&mut client, &key, b"new");
    drop(short);
    let epochs = || [0, 1, 2, 3].map(|server| daemon.epoch(ServerId(server)));
    assert_eq!((outcome, epochs()), (Outcome::Timeout, [2; 4]));
    assert_eq!(daemon::get(&mut client, &key), Ok(b"old".to_vec()), "nothing was sent");
    let probes = servers[3].stat("cmd_set");
    wait::until("the next one's proof", || {
        (daemon::set(&mut client, &key, b"new") == Outcome::Stored).then_some(())
    });
    assert!(servers[3].stat("cmd_set") > probes);
    assert_eq!(epochs(), [2; 4]);
}

/// Processor time that a process has had, in hundredths of a second.
fn used(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process of ours");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    // utime and stime (proc_pid_stat(5)), counted from the state.
    fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

#[test]
fn a_proxy_without_descriptors_turns_in_no_circles() {
    let _alone = alone();
    let fleet = Fleet::start(2, "backup = \"pairs\"", "");
    let proxy = fleet.proxy(&["--threads", "1"]);
    let mut inside = proxy.client();
    for number in 0..20 {
        assert_eq!(inside.set(&format!("k{number}"), b"v"), "STORED");
    }
    let short = Short::of_descriptors(proxy.pid());
    let mut outside: Vec<Client> = (0..3).map(|_| Client::to(fleet.port)).collect();
    outside.iter_mut().for_each(|client| client.send(b"mn\r\n"));
    wait::until("it says so", || proxy.said().contains("no descriptors are left").then_some(()));
    let before = used(proxy.pid());
    // That a loop rests shows in nothing but what it does not use.
    std::thread::sleep(Duration::from_secs(1));
    let used = used(proxy.pid()) - before;
    assert!(used < 30, "it worked for {used} hundredths of a second, with nothing to do");
    for number in 0..20 {
        assert_eq!(inside.get(&format!("k{number}")), Ok(Some(b"v".to_vec())), "who is inside is served");
    }
    drop(short);
    for client in &mut outside {
        assert_eq!(client.line(), "MN", "who waited is let in");
    }
    assert_eq!(proxy.said().matches("no descriptors are left").count(), 1, "it is said once");
    for server in &fleet.servers {
        let state = proxy.text(&format!("server:{}:state", server.address()));
        assert_eq!(state.as_deref(), Some("steady"));
    }
}

/// A proxy that cannot reach its servers for want of descriptors says that they could not be asked, and never that there
/// is nothing; nor does it empty one afterwards.
#[test]
fn a_proxy_without_descriptors_blames_no_server() {
    let _alone = alone();
    let fleet = Fleet::start(2, "backup = \"pairs\"", "");
    let mut by_hand = Client::to(fleet.servers[0].port());
    let proxy = fleet.proxy(&["--threads", "1"]);
    let mut client = proxy.client();
    assert_eq!(client.ask("mn\r\n"), "MN");
    let short = Short::of_descriptors(proxy.pid());
    for number in 0..20 {
        let key = format!("k{number}");
        assert_eq!(client.get(&key), Err("SERVER_ERROR unavailable".to_owned()));
        assert_eq!(client.set(&key, b"v"), "SERVER_ERROR unavailable");
        assert_eq!(client.ask(&format!("incr {key} 1\r\n")), "SERVER_ERROR unavailable");
    }
    drop(short);
    assert_eq!(client.set("k1", b"v"), "STORED", "{}", proxy.said());
    assert_eq!(client.get("k1"), Ok(Some(b"v".to_vec())));
    assert_eq!(by_hand.ask("mn\r\n"), "MN");
    for server in &fleet.servers {
        assert_eq!(server.stat("cmd_flush"), Some(0));
    }
}
