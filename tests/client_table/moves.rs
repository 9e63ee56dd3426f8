//! Copies that are moved: by who read them at a later place, and from where the list of servers before placed them; and
//! the calm before a sweep.

use std::time::Duration;

use memcache::rules::hash::KeyHash;
use memcache::rules::operation::{Conditional, Failure, Move, Operation, Outcome, Read, Tag};
use memcache::rules::places::{self, Placement};
use memcache::rules::pool::{Options, Pool, ServerId};
use memcache::rules::view::{State, View};
use memcache::rules::wire::{Command, Reply, Verb};
use memcache::table::{List, identity};

use crate::daemon::{Daemon, get, key, life, options, pool, set, token};
use crate::support::server::Memcached;
use crate::turns::{me, stripe};

const FIRST: ServerId = ServerId(0);
const SECOND: ServerId = ServerId(1);

fn servers(count: usize) -> Vec<Memcached> {
    (0..count).map(|_| Memcached::start()).collect()
}

/// What a server holds of a key: its header as `mg` gives it, with flags and remaining time to live.
fn held(server: &Memcached, key: &[u8]) -> String {
    let request = format!("mg {} v f t\r\nmn\r\n", String::from_utf8_lossy(key));
    server.ask(&request, "MN").expect("it answers").join(" ")
}

fn store(server: &Memcached, key: &[u8], rest: &str, value: &str) {
    let request = format!("set {} {rest} {}\r\n{value}\r\n", String::from_utf8_lossy(key), value.len());
    assert_eq!(server.ask(&request, "STORED").expect("it answers"), ["STORED"]);
}

#[test]
fn what_a_read_finds_at_a_later_place_is_moved_home() {
    let servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    daemon.turn(FIRST, State::Returned);
    store(&servers[1], &key, "7 1000", "v");
    assert_eq!(get(&mut client, &key), Ok(b"v".to_vec()));
    let home = held(&servers[0], &key);
    assert!(home.starts_with("VA 1 f7 t9") || home.starts_with("VA 1 f7 t1000"), "{home}");
    assert_eq!(held(&servers[1], &key).split(' ').nth(2), Some("f7"), "the backup keeps the second copy");
    let asked = servers[1].stat("cmd_get").expect("it answers");
    assert_eq!(get(&mut client, &key), Ok(b"v".to_vec()));
    assert_eq!(servers[1].stat("cmd_get"), Some(asked), "the next read asks home alone");
}

#[test]
fn a_stand_in_gives_up_what_is_moved_home() {
    let servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    daemon.turn(FIRST, State::Returned);
    let placement = Placement::of(client.view(), &key).expect("a placement");
    let stand_in = placement.places[1];
    assert!(stand_in != SECOND, "a stand-in, not the backup: {placement:?}");
    store(&servers[stand_in.index()], &key, "0 0", "v");
    assert_eq!(get(&mut client, &key), Ok(b"v".to_vec()));
    assert!(held(&servers[0], &key).starts_with("VA 1 f0 t-1"), "for ever, as before");
    assert!(held(&servers[1], &key).starts_with("VA 1 f0 t-1"), "the mirror had none");
    assert_eq!(held(&servers[stand_in.index()], &key), "EN MN");
}

#[test]
fn a_key_that_somebody_changes_at_the_moment_is_left_alone() {
    let servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    daemon.turn(FIRST, State::Returned);
    store(&servers[1], &key, "0 0", "v");
    let stripes = daemon.stripes();
    let hash = KeyHash::of(&key).value();
    let soon = identity::boot_millis() + 60_000;
    let theirs = stripes.take(hash, soon, me(), identity::boot_millis).expect("nobody has it");
    assert_eq!(get(&mut client, &key), Ok(b"v".to_vec()), "a read waits for nobody");
    assert_eq!(held(&servers[0], &key), "EN MN");
    drop(theirs);
    assert_eq!(get(&mut client, &key), Ok(b"v".to_vec()));
    assert!(held(&servers[0], &key).starts_with("VA 1"));
    assert_eq!(stripe(&daemon, hash).0, 0, "and the stripe was given back");
}

/// A pool of three servers that becomes one of four, and a key that moves from one to another by that.
struct Growth {
    servers: Vec<Memcached>,
    small: Pool,
    large: Pool,
    daemon: Daemon,
    key: Vec<u8>,
    before: usize,
    after: usize,
}

impl Growth {
    fn new(options: Options) -> Growth {
        let servers = servers(4);
        let small = pool(&servers[..3], options.clone());
        let large =
            Pool::new(small.name.clone(), options.clone(), pool(&servers, options).servers().to_vec());
        let daemon = Daemon::of(&small, &servers[..3]);
        let home = |pool: &Pool, key: &[u8]| places::home(pool, key).expect("a home");
        // From the second (whose backup is the first) to the third (whose backup is the fourth).
        let mut keys = (0..).map(|number| format!("key-{number}").into_bytes());
        let key = keys.find(|key| (home(&small, key), home(&large, key)) == (SECOND, ServerId(2)));
        Growth { servers, small, large, daemon, key: key.expect("one in twelve"), before: 1, after: 2 }
    }

    /// The table has the new list from now on, and the one before it.
    fn grow(&self) {
        self.daemon.say(|snapshot| {
            let mut list = List::new(&self.large, &[], 2);
            for (entry, old) in list.servers.iter_mut().zip(&snapshot.current.servers) {
                let server = entry.server.clone();
                *entry = old.clone();
                entry.server = server;
            }
            let entry = &mut list.servers[3];
            entry.epoch_slot = 3;
            entry.incarnation = Some(life(&self.servers[3]));
            entry.meta = memcache::rules::view::Meta::Yes;
            snapshot.previous = Some(std::mem::replace(&mut snapshot.current, list));
        });
    }

    fn held(&self, server: usize) -> String {
        held(&self.servers[server], &self.key)
    }
}

#[test]
fn what_the_list_before_placed_is_found_and_moved() {
    for options in [options(), Options { backups: false, ..options() }] {
        let growth = Growth::new(options);
        let mut client = growth.daemon.client(&growth.small);
        assert_eq!(set(&mut client, &growth.key, b"v"), Outcome::Stored);
        growth.grow();
        assert_eq!(get(&mut client, &growth.key), Ok(b"v".to_vec()));
        assert!(growth.held(growth.after).starts_with("VA 1"), "it was moved to its new home");
        assert_eq!(growth.held(growth.before), "EN MN");
    }
}

#[test]
fn a_change_clears_what_the_list_before_placed() {
    let growth = Growth::new(options());
    let mut client = growth.daemon.client(&growth.small);
    let mut other = growth.daemon.client(&growth.small);
    assert_eq!(set(&mut client, &growth.key, b"old"), Outcome::Stored);
    growth.grow();
    assert_eq!(set(&mut client, &growth.key, b"new"), Outcome::Stored);
    assert_eq!((growth.held(0), growth.held(growth.before)), ("EN MN".into(), "EN MN".into()));
    assert_eq!(get(&mut other, &growth.key), Ok(b"new".to_vec()));
    growth.daemon.say(|snapshot| snapshot.previous = None);
    assert_eq!(get(&mut other, &growth.key), Ok(b"new".to_vec()));
    assert!(other.view().all_steady() && other.view().previous().is_none());
}

/// An operation during which something happens that changes the view: after its first question was planned, and before
/// the answer.
struct Overtaken<O, F> {
    operation: O,
    meanwhile: Option<F>,
}

impl<O: Operation, F: FnOnce()> Operation for Overtaken<O, F> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        let next = self.operation.next(view);
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile();
        }
        next
    }
    fn command(&self, tag: Tag) -> Command<'_> {
        self.operation.command(tag)
    }
    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        self.operation.answer(view, tag, reply);
    }
    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        self.operation.fail(view, tag, failure);
    }
    fn outcome(&self) -> Option<Outcome> {
        self.operation.outcome()
    }
    fn mutates(&self) -> bool {
        self.operation.mutates()
    }
    fn key(&self) -> Option<&[u8]> {
        self.operation.key()
    }
}

#[test]
fn a_read_that_the_change_of_the_list_overtakes_misses_nothing() {
    let growth = Growth::new(options());
    let mut client = growth.daemon.client(&growth.small);
    let mut other = growth.daemon.client(&growth.small);
    assert_eq!(set(&mut client, &growth.key, b"old"), Outcome::Stored);
    let mut one = crate::daemon::One { key: &growth.key, found: Err(Outcome::Timeout) };
    let mut read = Overtaken {
        operation: Read::new(&mut one),
        meanwhile: Some(|| {
            growth.grow();
            assert_eq!(set(&mut other, &growth.key, b"new"), Outcome::Stored);
            assert_eq!(growth.held(growth.before), "EN MN", "its old home has nothing any more");
        }),
    };
    assert_eq!(client.run(&mut read), Outcome::Hit);
    assert_eq!(one.found, Ok(b"new".to_vec()));
    assert_eq!(client.lineup(), 1);
}

/// What it was to move is gone, and its home becomes complete while it has its stub there.
#[test]
fn a_move_whose_home_turns_complete_leaves_no_stub_there() {
    let servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    daemon.turn(FIRST, State::Returned);
    // Connections are there, so that the lease is sent at once.
    assert_eq!(get(&mut client, &key), Err(Outcome::Miss));
    let mut moving = Overtaken {
        operation: Move::new(&key, SECOND),
        meanwhile: Some(|| daemon.turn(FIRST, State::Steady)),
    };
    assert_eq!(client.run(&mut moving), Outcome::NotStored);
    assert_eq!(servers[0].stat("total_items"), Some(1), "there was one");
    assert_eq!(held(&servers[0], &key), "EN MN", "it decides alone, and would take it for a value");
    let mut append = Conditional::new(Verb::Append, &key, 0, 0, b"the end of nothing");
    assert_eq!(client.run(&mut append), Outcome::NotStored);
}

#[test]
fn calm_is_when_every_call_that_was_under_way_is_over() {
    let servers = servers(2);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    assert!(client.wait_for_calm(Duration::from_secs(20)));
    let stripes = daemon.stripes();
    let soon = identity::boot_millis() + 60_000;
    let call = stripes.take(11, soon, me(), identity::boot_millis).expect("nobody has it");
    assert!(!client.wait_for_calm(Duration::from_millis(60)), "a call is under way");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| client.wait_for_calm(Duration::from_secs(20)));
        crate::support::wait::until("somebody waits for the call", || {
            let word = stripe(&daemon, 11);
            (word.awaited() == word).then_some(())
        });
        drop(call);
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn after_a_call_that_ended_badly_there_is_calm_when_the_servers_are_proved() {
    let servers = servers(2);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let stripes = daemon.stripes();
    let call = stripes.take(11, identity::boot_millis() + 30, me(), identity::boot_millis);
    call.expect("nobody has it").forget();
    let sets = || servers.iter().map(|server| server.stat("cmd_set").expect("it answers")).sum::<u64>();
    let before = sets();
    assert!(client.wait_for_calm(Duration::from_secs(20)));
    assert_eq!(sets(), before + 2, "each live server was asked a probe");
    assert_eq!(stripe(&daemon, 11).0, 0);
}

#[test]
fn another_life_in_the_same_epoch_is_told_to_everybody() {
    let mut servers = servers(4);
    let pool = pool(&servers, options());
    // Who brought the first one back knows no more of it than its epoch.
    let lives: Vec<_> = servers.iter().map(|server| Some(life(server))).collect();
    let daemon = Daemon::of_lives(&pool, std::iter::once(None).chain(lives[1..].iter().copied()));
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    assert_eq!(set(&mut client, &key, b"v"), Outcome::Stored);
    let token = token(&mut client, &key).expect("it was stored");
    assert_ne!(token, 0);
    servers[0].restart();
    let second = life(&servers[0]);
    daemon.say(|snapshot| snapshot.current.servers[0].incarnation = Some(second));
    assert_eq!(
        get(&mut client, &key),
        Ok(b"v".to_vec()),
        "its backup has it, and an empty home's miss is no miss"
    );
    assert_eq!(daemon.epoch(FIRST), 4, "the epoch after the one in which the first life was met");
    assert!(client.view().server(FIRST).unreachable, "until the table knows of it");
}
