//! While nobody attends the table, the processes take turns at trying a server that is down.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use memcache::client::Client;
use memcache::rules::operation::Outcome;
use memcache::rules::pool::{Options, Pool, ServerId};
use memcache::rules::view::State;
use memcache::table::stripes::layout::TRIALS_AT;
use memcache::table::stripes::word::Word;
use memcache::table::{Epoch, identity};

use crate::daemon::{Daemon, get, key, options, pool, set};
use crate::support::server::Memcached;
use crate::support::wait;
use crate::unattended::{Other, eager};

const FIRST: ServerId = ServerId(0);

/// Four servers, of which the first is well, and down by the last word of a table that nobody attends any more.
fn unattended() -> (Vec<Memcached>, Pool, Daemon) {
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let pool = pool(&servers, Options { connect_timeout: Duration::from_secs(1), ..options() });
    let daemon = Daemon::of(&pool, &servers);
    daemon.stripes().make_odd(0, Epoch::new(2)).expect("it was even");
    daemon.say(|snapshot| {
        let entry = &mut snapshot.current.servers[0];
        (entry.state, entry.epoch) = (State::Down, 3);
    });
    daemon.resign();
    (servers, pool, daemon)
}

/// Whose turn it is to try the first server.
fn turn(daemon: &Daemon) -> Word {
    let file = std::fs::File::open(daemon.stripes().path()).expect("the stripes file");
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, TRIALS_AT as u64).expect("its words");
    Word(u64::from_ne_bytes(bytes))
}

fn held_by(daemon: &Daemon, pid: u32) -> bool {
    let word = turn(daemon);
    word.pid() == pid && word.left(identity::boot_millis()).is_some()
}

/// What the first server was asked so far, by whoever tries it: a trial stores, and flushes.
fn asked(servers: &[Memcached]) -> [Option<u64>; 2] {
    ["cmd_set", "cmd_flush"].map(|name| servers[0].stat(name))
}

/// More calls than a trial has steps. They ask other servers than the first.
fn calls(client: &mut Client, pool: &Pool) {
    let other = key(pool, ServerId(2));
    for _ in 0..50 {
        assert_eq!(get(client, &other), Err(Outcome::Miss));
    }
}

fn until_back(client: &mut Client, pool: &Pool) {
    let other = key(pool, ServerId(2));
    wait::until("the server's return", || {
        let _ = get(client, &other);
        client.view().live(FIRST).then_some(())
    });
}

/// The other process makes calls until it has begun a trial, and then no more. However long a call takes, the trial
/// is not over by then: the server is hung meanwhile.
fn tries(other: &mut Other, daemon: &Daemon, servers: &[Memcached]) {
    servers[0].hang();
    wait::until("a trial of the other's", || {
        assert_eq!(other.ask("get nothing"), "Miss");
        held_by(daemon, other.id()).then_some(())
    });
    servers[0].wake();
}

#[test]
fn while_one_process_tries_a_server_no_other_does() {
    let (servers, pool, daemon) = unattended();
    let mut client = daemon.client(&pool);
    let mut other = Other::start(&daemon);
    let mut watched = false;
    for _ in 0..20 {
        tries(&mut other, &daemon, &servers);
        let before = asked(&servers);
        calls(&mut client, &pool);
        // On a machine that stood still meanwhile it may have been our turn.
        watched = held_by(&daemon, other.id());
        if watched {
            assert_eq!(asked(&servers), before, "it is the other's to try");
            assert_eq!(daemon.epoch(FIRST), 3);
            break;
        }
    }
    assert!(watched, "the other's turn was never long enough");
    let name = String::from_utf8_lossy(&key(&pool, FIRST)).into_owned();
    // It makes no more calls: after a second it is anybody's turn.
    until_back(&mut client, &pool);
    assert_eq!(daemon.epoch(FIRST), 4);
    assert_eq!(set(&mut client, name.as_bytes(), b"new"), Outcome::Stored);
    for _ in 0..20 {
        assert_eq!(other.ask(&format!("get {name}")), "new", "the other goes by what we found");
    }
    assert_eq!(servers[0].stat("cmd_flush"), Some(1), "nobody flushed it once more");
    let stored = servers[0].ask(&format!("get {name}\r\n"), "END").expect("it answers");
    assert!(stored.contains(&"new".to_owned()));
}

#[test]
fn a_dead_process_leaves_its_turn_to_others() {
    let (servers, pool, daemon) = unattended();
    let mut client = daemon.client(&pool);
    let mut other = Other::start(&daemon);
    tries(&mut other, &daemon, &servers);
    drop(other);
    until_back(&mut client, &pool);
    assert_eq!((daemon.epoch(FIRST), servers[0].stat("cmd_flush")), (4, Some(1)));
    assert_eq!(turn(&daemon), Word::FREE, "it was given back");
}

/// A client that has begun a trial, in one call.
fn begun(daemon: &Daemon, pool: &Pool, servers: &[Memcached]) -> Client {
    servers[0].hang();
    let mut client = daemon.client(pool);
    let _ = get(&mut client, &key(pool, ServerId(2)));
    servers[0].wake();
    assert_eq!(turn(daemon).pid(), std::process::id(), "its turn");
    client
}

#[test]
fn a_trial_whose_turn_was_lost_sends_nothing_more() {
    let (servers, pool, daemon) = unattended();
    let mut client = begun(&daemon, &pool, &servers);
    let stripes = Arc::new(daemon.stripes());
    // Somebody else takes it, when the client has made no call for so long.
    let taken = wait::until("its time is over", || {
        stripes.try_turn(0, identity::boot_millis() + 60_000, std::process::id().into())
    });
    assert!(taken.taken_over());
    let before = asked(&servers);
    calls(&mut client, &pool);
    assert_eq!((asked(&servers), daemon.epoch(FIRST)), (before, 3));
    drop(taken);
    until_back(&mut client, &pool);
    assert_eq!((daemon.epoch(FIRST), servers[0].stat("cmd_flush")), (4, Some(1)));
}

#[test]
fn a_trial_that_is_left_behind_keeps_its_turn() {
    let (servers, pool, daemon) = unattended();
    drop(begun(&daemon, &pool, &servers));
    assert_eq!(turn(&daemon).pid(), std::process::id());
    // The next client goes on with it.
    until_back(&mut daemon.client(&pool), &pool);
    assert_eq!((daemon.epoch(FIRST), servers[0].stat("cmd_flush")), (4, Some(1)));
    assert_eq!(turn(&daemon), Word::FREE);
}

#[test]
fn a_late_trial_goes_on_when_nobody_else_has_begun() {
    let (servers, pool, daemon) = unattended();
    let mut client = begun(&daemon, &pool, &servers);
    wait::until("its time is over", || (!held_by(&daemon, std::process::id())).then_some(()));
    until_back(&mut client, &pool);
    assert_eq!((daemon.epoch(FIRST), servers[0].stat("cmd_flush")), (4, Some(1)));
}

#[test]
fn a_child_of_a_fork_leaves_its_parent_its_turn() {
    let (servers, pool, daemon) = unattended();
    let mut client = begun(&daemon, &pool, &servers);
    let other = key(&pool, ServerId(2));
    // SAFETY: the child makes calls of its own, which need no lock of another thread's, and ends with _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let parents = turn(&daemon).pid();
        let answer = get(&mut client, &other);
        drop(client);
        let kept = turn(&daemon).pid() == parents && parents != std::process::id();
        // SAFETY: it ends the child at once.
        unsafe { libc::_exit(i32::from(!(kept && answer == Err(Outcome::Miss)))) };
    }
    let mut status = -1;
    let ended = wait::until("the child ends", || {
        // SAFETY: our child, and a place for its status.
        match unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } {
            0 => None,
            pid => Some(pid),
        }
    });
    assert_eq!((ended, status), (child, 0));
    until_back(&mut client, &pool);
    assert_eq!(daemon.epoch(FIRST), 4);
}

#[test]
fn a_server_that_was_ordered_down_is_not_tried() {
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let pool = pool(&servers, eager());
    let daemon = Daemon::of(&pool, &servers);
    daemon.stripes().make_odd(0, Epoch::new(2)).expect("it was even");
    daemon.say(|snapshot| {
        let entry = &mut snapshot.current.servers[0];
        (entry.state, entry.epoch, entry.ordered) = (State::Down, 3, true);
    });
    daemon.resign();
    let mut client = daemon.client(&pool);
    let before = asked(&servers);
    calls(&mut client, &pool);
    assert_eq!((client.view().state(FIRST), daemon.epoch(FIRST)), (State::Down, 3));
    assert_eq!((asked(&servers), turn(&daemon)), (before, Word::FREE));
}
