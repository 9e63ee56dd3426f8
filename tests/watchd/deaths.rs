//! Servers that die, hang, are cut off, and come back.

use std::sync::Arc;

use memcache::rules::view::State;
use memcache::table::{Stripes, Trust, identity};

use crate::daemon::{Files, Watchd};
use crate::support::relay::{Mode, Relay};
use crate::support::server::Memcached;
use crate::support::wait;

const QUICK: &str = "interval = \"50ms\"";

fn addresses(servers: &[Memcached]) -> Vec<String> {
    servers.iter().map(Memcached::address).collect()
}

fn start(count: usize) -> Vec<Memcached> {
    (0..count).map(|_| Memcached::without_lists()).collect()
}

pub fn flushes(server: &Memcached) -> u64 {
    server.stat("cmd_flush").expect("it answers")
}

#[test]
fn one_that_is_killed_is_down_and_returned_when_it_runs_again() {
    let mut servers = start(3);
    let files = Files::new(&addresses(&servers), QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(3);
    let before = files.entry(1);
    assert_eq!((before.state, before.epoch), (State::Steady, 0));
    assert_eq!(before.incarnation.map(|life| life.pid), Some(servers[1].pid().into()));

    servers[1].kill();
    let down = files.wait_for(1, State::Down);
    assert_eq!((down.reason.as_str(), down.epoch), ("connection refused", 1));
    assert!(!before.since.is_after(down.since) && down.since.clock == identity::clock());
    assert_eq!(files.epoch(1), 1, "stored before it was published");
    watchd.wait_to_say("s1 (127.0.0.1:");
    watchd.wait_to_say("down: connection refused (after ");

    servers[1].restart();
    let back = files.wait_for(1, State::Returned);
    assert_eq!(back.epoch, 2);
    assert_eq!(back.incarnation.map(|life| life.pid), Some(servers[1].pid().into()));
    assert_ne!(back.mark, before.mark, "CAS values of the life before are not this one's");
    wait::until("the even epoch in the stripes file", || (files.epoch(1) == 2).then_some(()));
    assert_eq!((files.entry(0).state, files.entry(2).state), (State::Steady, State::Steady));
}

#[test]
fn a_restart_that_nobody_saw_is_noticed() {
    let mut servers = start(2);
    let files = Files::new(&addresses(&servers), QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(2);
    watchd.signal(libc::SIGSTOP);
    servers[0].restart();
    watchd.signal(libc::SIGCONT);
    let entry = files.wait_for(0, State::Returned);
    assert_eq!((entry.epoch, entry.reason.as_str()), (2, "restarted"), "{}", watchd.said());
}

#[test]
fn one_that_hangs_is_down_and_flushed_once_before_it_is_used() {
    let servers = start(3);
    let files = Files::new(&addresses(&servers), QUICK);
    let _watchd = Watchd::start(&files);
    files.wait_until_met(3);
    servers[2].hang();
    let down = files.wait_for(2, State::Down);
    assert_eq!(down.reason, "no answer in time");
    servers[2].wake();
    let back = files.wait_for(2, State::Returned);
    assert_eq!((flushes(&servers[2]), back.epoch), (1, 2), "emptied, once, and before anybody was told");
    assert_eq!(back.mark, files.entry(2).mark);
}

#[test]
fn one_that_was_cut_off_loses_what_was_overwritten_meanwhile() {
    let servers = start(2);
    let relay = Relay::start(servers[0].port());
    let files = Files::new(&[relay.address(), servers[1].address()], QUICK);
    let _watchd = Watchd::start(&files);
    files.wait_until_met(2);
    servers[0].ask("set key 0 0 3\r\nold\r\n", "STORED").expect("stored");
    relay.set(Mode::Cut);
    files.wait_for(0, State::Down);
    servers[1].ask("set key 0 0 3\r\nnew\r\n", "STORED").expect("stored, as a client would elsewhere");
    relay.set(Mode::Pass);
    files.wait_for(0, State::Returned);
    assert_eq!(servers[0].ask("get key\r\n", "END").expect("it answers"), ["END"], "the old value is gone");
    assert_eq!((flushes(&servers[0]), flushes(&servers[1])), (1, 0));
}

#[test]
fn when_most_are_gone_nothing_is_flushed() {
    let servers = start(5);
    let relays: Vec<Relay> = servers.iter().map(|server| Relay::start(server.port())).collect();
    let files = Files::new(&relays.iter().map(Relay::address).collect::<Vec<_>>(), QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(5);
    relays[..4].iter().for_each(|relay| relay.set(Mode::Refuse));
    for index in 0..4 {
        files.wait_for(index, State::Down);
    }
    watchd.wait_to_say("most servers are down at once");
    relays[0].set(Mode::Pass);
    wait::until("a trial that is held back", || files.entry(0).held_back.then_some(()));
    assert_eq!((files.entry(0).state, flushes(&servers[0])), (State::Down, 0));
    assert!(files.entry(0).reason.contains("the network is suspect"), "{}", files.entry(0).reason);
    relays[1..4].iter().for_each(|relay| relay.set(Mode::Pass));
    for (index, server) in servers[..4].iter().enumerate() {
        files.wait_for(index, State::Returned);
        assert_eq!(flushes(server), 1, "s{index}");
    }
    watchd.wait_to_say("most servers answer again");
    assert_eq!(flushes(&servers[4]), 0);
}

#[test]
fn unix_sockets_and_names_are_watched_too() {
    let mut server = Memcached::without_lists();
    let scratch = crate::support::scratch::Scratch::new();
    let unix = Memcached::start_at(&scratch.path().join("m.sock"));
    let files = Files::new(&[unix.address(), format!("localhost:{}", server.port())], QUICK);
    let _watchd = Watchd::start(&files);
    files.wait_until_met(2);
    server.kill();
    files.wait_for(1, State::Down);
    drop(unix);
    files.wait_for(0, State::Down);
}

#[test]
fn one_that_is_full_and_evicts_nothing_comes_back_emptied() {
    let full = Memcached::start_with(&["-M", "-m", "2"]);
    let other = Memcached::without_lists();
    let files = Files::new(&[full.address(), other.address()], QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(2);
    // As much as goes into it, of every size near a probe's.
    for size in (1..300).step_by(8) {
        let value = "v".repeat(size);
        let some = |from: usize| -> String {
            (from..from + 100).map(|n| format!("set {size}-{n} 0 0 {size} noreply\r\n{value}\r\n")).collect()
        };
        let stored = |from: usize| {
            full.ask(&format!("{}get {size}-{}\r\n", some(from), from + 99), "END").expect("it answers").len()
                > 1
        };
        let _all = (0..).map(|number| number * 100).find(|from| !stored(*from));
    }
    let refused =
        full.ask("set probe 0 0 30\r\n012345678901234567890123456789\r\n", "STORED").expect("it answers");
    assert!(refused[0].starts_with("SERVER_ERROR out of memory"), "{refused:?}");
    full.hang();
    files.wait_for(0, State::Down);
    full.wake();
    files.wait_for(0, State::Returned);
    assert_eq!(full.stat("cmd_flush"), Some(1), "{}", watchd.said());
    assert!(full.ask("get 1-0\r\n", "END").expect("it answers").len() == 1, "it holds nothing of before");
}

/// A client that judged by itself may still be trying the server when a daemon begins.
#[test]
fn it_does_not_try_what_a_client_is_trying() {
    let mut servers = start(2);
    let files = Files::new(&addresses(&servers), QUICK);
    let _watchd = Watchd::start(&files);
    files.wait_until_met(2);
    servers[0].kill();
    let slot = files.wait_for(0, State::Down).epoch_slot;
    let stripes = Arc::new(Stripes::open(&files.table, &Trust::default()).expect("a stripes file"));
    let until = identity::boot_millis() + 60_000;
    let turn = wait::until("the turn to try", || stripes.try_turn(slot, until, 1));
    servers[0].restart();
    let probes = || servers[1].stat("cmd_set").expect("it runs");
    let before = probes();
    wait::until("twenty probes of the other", || (probes() > before + 20).then_some(()));
    assert_eq!((files.entry(0).state, servers[0].stat("cmd_set")), (State::Down, Some(0)));
    drop(turn);
    files.wait_for(0, State::Returned);
}
