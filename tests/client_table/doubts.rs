//! What was sent and not answered may be executed at any time: the server must be emptied after it, and everybody is
//! told so before the key's turn is over.

use std::time::Duration;

use memcache::client::Client;
use memcache::rules::hash::KeyHash;
use memcache::rules::operation::{Many, Outcome, Parts, Write};
use memcache::rules::pool::{Options, Pool, ServerId};
use memcache::table::stripes::layout::STRIPES;
use memcache::table::stripes::word::Word;
use memcache::table::{Notice, identity};

use crate::daemon::{Daemon, get, key, options, pool, set};
use crate::support::server::Memcached;
use crate::support::wait;
use crate::turns::{me, stripe};

const FIRST: ServerId = ServerId(0);

/// Four servers, a client, and a key of the first, over whose connection it was stored.
fn stored(options: Options) -> (Vec<Memcached>, Pool, Daemon, Client, Vec<u8>) {
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let pool = pool(&servers, options);
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    (servers, pool, daemon, client, key)
}

/// Stops a server, and waits until it is.
fn stop(server: &Memcached) {
    server.hang();
    wait::until("the server's stop", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).ok()?;
        stat.rsplit_once(") ")?.1.starts_with('T').then_some(())
    });
}

/// The epochs of all four.
fn epochs(daemon: &Daemon) -> [u64; 4] {
    [0, 1, 2, 3].map(|number| daemon.epoch(ServerId(number)))
}

#[test]
fn a_change_whose_time_is_up_makes_the_epoch_odd_and_a_read_does_not() {
    let brief = Options { timeout: Duration::from_millis(800), ..options() };
    let (servers, pool, daemon, mut client, key) = stored(brief);
    stop(&servers[0]);
    let mut reader = daemon.client(&pool);
    assert_eq!(get(&mut reader, &key), Ok(b"old".to_vec()));
    assert_eq!(epochs(&daemon), [2; 4]);
    // The reader found out; the writer, whose process knows it now, sends nothing, and leaves no doubt.
    assert_eq!(set(&mut reader, &key, b"new"), Outcome::Timeout);
    assert_eq!(epochs(&daemon), [2; 4]);
    servers[0].wake();
    wait::until("the server's return", || {
        (set(&mut client, &key, b"newer") == Outcome::Stored).then_some(())
    });
    stop(&servers[0]);
    assert_eq!(set(&mut client, &key, b"newest"), Outcome::Timeout);
    assert_eq!(epochs(&daemon), [3, 2, 2, 2]);
    let seen = reader.view().server(FIRST);
    assert!(seen.unreachable, "until the table says something new: {seen:?}");
    servers[0].wake();
}

#[test]
fn a_change_waits_for_its_answer_beyond_patience() {
    let (servers, pool, daemon, mut client, key) = stored(options());
    let connections = servers[0].stat("total_connections").expect("it answers");
    let address = pool.server(FIRST).address.clone();
    stop(&servers[0]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"new"));
        wait::until("the report", || daemon.heard().contains(&Notice::Failed(address.clone())).then_some(()));
        let mut other = daemon.client(&pool);
        assert!(other.view().server(FIRST).unreachable, "for everybody else");
        servers[0].wake();
        assert_eq!(writer.join().unwrap(), Outcome::Stored);
    });
    assert_eq!(servers[0].stat("total_connections"), Some(connections + 1), "over the same connection");
    assert_eq!(epochs(&daemon), [2; 4]);
    assert!(!client.view().server(FIRST).unreachable, "it answered");
}

/// Somebody holds the key's stripe until a moment that is past when this returns.
pub fn overrun(daemon: &Daemon, key: &[u8]) {
    let held = daemon.stripes();
    let soon = identity::boot_millis() + 50;
    held.take(KeyHash::of(key).value(), soon, me(), identity::boot_millis).expect("nobody has it").forget();
    wait::until("its time is over", || (identity::boot_millis() > soon).then_some(()));
}

#[test]
fn who_takes_a_stripe_over_asks_every_server_first() {
    let (servers, _pool, daemon, mut client, key) = stored(options());
    let sets = |server: &Memcached| server.stat("cmd_set").expect("it answers");
    let before = servers.iter().map(sets).collect::<Vec<_>>();
    overrun(&daemon, &key);
    assert_eq!(set(&mut client, &key, b"new"), Outcome::Stored);
    let probed = servers.iter().map(sets).zip(before).map(|(now, before)| now - before);
    assert_eq!(probed.collect::<Vec<_>>(), [2, 2, 1, 1], "a probe each, and the value on its places");
    assert_eq!(epochs(&daemon), [2; 4]);
    assert_eq!(stripe(&daemon, KeyHash::of(&key).value()), Word::FREE);

    // One that does not answer may have something to execute still.
    stop(&servers[2]);
    overrun(&daemon, &key);
    assert_eq!(set(&mut client, &key, b"newer"), Outcome::Stored);
    assert_eq!(epochs(&daemon), [2, 2, 3, 2]);
    servers[2].wake();
}

#[test]
fn a_proof_for_which_there_is_no_time_is_left_to_the_next() {
    let brief = Options { timeout: Duration::from_millis(800), ..options() };
    let (servers, _pool, daemon, mut client, key) = stored(brief);
    let hash = KeyHash::of(&key).value();
    stop(&servers[2]);
    // When the turn comes, less is left of the call than the server may be silent.
    let late = identity::boot_millis() + 700;
    daemon.stripes().take(hash, late, me(), identity::boot_millis).expect("nobody has it").forget();
    assert_eq!(set(&mut client, &key, b"new"), Outcome::Timeout);
    assert_eq!(epochs(&daemon), [2; 4], "nobody was heard to the end");
    assert_ne!(stripe(&daemon, hash), Word::FREE, "it is taken over from this one, too");
    assert_eq!(get(&mut client, &key), Ok(b"old".to_vec()), "nothing was sent");
    servers[2].wake();
    let probes = servers[3].stat("cmd_set");
    wait::until("the next one's proof", || (set(&mut client, &key, b"new") == Outcome::Stored).then_some(()));
    assert!(servers[3].stat("cmd_set") > probes);
    assert_eq!(stripe(&daemon, hash), Word::FREE);
}

/// A store of one value under each of several keys.
struct Sets<'a>(&'a [Vec<u8>]);

impl<'a> Parts for Sets<'a> {
    type Part = Write<'a>;
    fn len(&self) -> usize {
        self.0.len()
    }
    fn key(&self, index: usize) -> &[u8] {
        &self.0[index]
    }
    fn part(&self, index: usize) -> Write<'a> {
        Write::new(&self.0[index], 0, 0, b"new")
    }
}

fn stripe_of(key: &[u8]) -> u32 {
    KeyHash::of(key).value() % STRIPES as u32
}

/// A key whose stripe is taken after this one's.
fn later(key: &[u8]) -> Vec<u8> {
    let mut keys = (0..).map(|number| format!("later-{number}").into_bytes());
    keys.find(|other| stripe_of(other) > stripe_of(key)).expect("one in so many")
}

#[test]
fn what_was_taken_over_in_vain_is_proved_by_the_next() {
    let (servers, pool, daemon, mut client, key) = stored(options());
    let mut hasty = daemon.client(&pool);
    hasty.set_timeouts(Duration::from_millis(400), Duration::from_millis(400));
    let other = later(&key);
    let stripes = daemon.stripes();
    let until = identity::boot_millis() + 60_000;
    let held = stripes.take(stripe_of(&other), until, me(), identity::boot_millis).expect("nobody has it");

    // It comes as far as the other key, and no further.
    overrun(&daemon, &key);
    let sets = servers[3].stat("cmd_set");
    let keys = [key.clone(), other];
    assert_eq!(hasty.run(&mut Many::new(Sets(&keys))), Outcome::Timeout);
    assert_ne!(stripe(&daemon, stripe_of(&key)), Word::FREE, "it is taken over from this one, too");
    // Nor does one who waits for all of them.
    assert!(!client.wait_for_calm(Duration::from_millis(50)));
    assert_ne!(stripe(&daemon, stripe_of(&key)), Word::FREE, "it is taken over from this one, too");
    assert_eq!(servers[3].stat("cmd_set"), sets, "nothing was proved");

    drop(held);
    assert_eq!(client.run(&mut Many::new(Sets(&keys))), Outcome::Done);
    assert!(servers[3].stat("cmd_set") > sets, "every server was asked");
    assert_eq!([&keys[0], &keys[1]].map(|key| stripe(&daemon, stripe_of(key))), [Word::FREE; 2]);
    assert!(client.wait_for_calm(Duration::from_secs(20)));
}
