//! A server that may keep what it holds: what passes it by is noted in its journal before it is sent, and who can no longer note
//! it waits, or sees to it that the server is emptied.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use memcache::client::Client;
use memcache::rules::hash::KeyHash;
use memcache::rules::mark::mark;
use memcache::rules::operation::{
    Broadcast, Counter, Everywhere, Found, Many, Moves, Operation, Outcome, Spread,
};
use memcache::rules::pool::{Options, Pool, ServerId};
use memcache::rules::view::State;
use memcache::rules::wire::Direction;
use memcache::table::stripes::layout::STRIPES;
use memcache::table::{Epoch, JournalKeeper, Stripes, Trust};

use crate::daemon::{Daemon, get, key, options, pool, set};
use crate::support::server::Memcached;
use crate::support::wait;

const FIRST: ServerId = ServerId(0);

/// Four servers, and a client that has stored a key of the first and one of the third.
struct Scene {
    servers: Vec<Memcached>,
    pool: Pool,
    daemon: Daemon,
    stripes: Arc<Stripes>,
    client: Client,
    keys: [Vec<u8>; 2],
}

fn scene(options: Options) -> Scene {
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let pool = pool(&servers, options);
    let daemon = Daemon::of(&pool, &servers);
    let stripes = Stripes::open(&daemon.path(), &Trust::default()).expect("a stripes file");
    let mut client = daemon.client(&pool);
    let keys = [key(&pool, FIRST), key(&pool, ServerId(2))];
    keys.iter().for_each(|key| assert_eq!(set(&mut client, key, b"old"), Outcome::Stored));
    Scene { servers, pool, daemon, stripes: Arc::new(stripes), client, keys }
}

impl Scene {
    /// What the daemon does before it publishes that the first server fell.
    fn open(&self) -> JournalKeeper {
        let journal = self.stripes.open_journal(FIRST.0, Epoch::new(3)).expect("a free one");
        self.stripes.make_odd(FIRST.0, Epoch::new(2)).expect("it is even");
        journal
    }

    fn publish(&self, state: State, epoch: u64) {
        self.daemon.say(|snapshot| {
            let entry = &mut snapshot.current.servers[0];
            (entry.state, entry.epoch) = (state, epoch);
            entry.since.unix_millis += 1;
            entry.mark = mark(&entry.server.address, epoch);
        });
    }

    fn fall(&self) -> JournalKeeper {
        let journal = self.open();
        self.publish(State::Down, 3);
        journal
    }

    fn run(&mut self, operation: &mut dyn Operation) -> Outcome {
        self.client.run(operation)
    }

    fn sets(&self) -> u64 {
        self.servers[1..].iter().map(|server| server.stat("cmd_set").expect("it runs")).sum()
    }
}

/// What is new in a journal; `None`: it is spoilt.
fn noted(journal: &mut JournalKeeper) -> Option<BTreeSet<Vec<u8>>> {
    let mut keys = BTreeSet::new();
    let whole = journal.read(&mut |key| assert!(keys.insert(key.to_vec()), "twice")).ok()?;
    assert!(whole, "nobody is at work");
    Some(keys)
}

fn is_noted(journal: &mut JournalKeeper, keys: &[&[u8]]) {
    assert_eq!(noted(journal), Some(keys.iter().map(|key| key.to_vec()).collect()));
}

#[test]
fn every_change_is_noted_once_and_nothing_else() {
    let mut scene = scene(options());
    let mut journal = scene.fall();
    let [key, other] = scene.keys.clone();
    assert_eq!(get(&mut scene.client, &key), Ok(b"old".to_vec()));
    is_noted(&mut journal, &[]);
    assert_eq!(scene.run(&mut Spread::delete(&other)), Outcome::Deleted);
    is_noted(&mut journal, &[]);
    assert_eq!(set(&mut scene.client, &key, b"41"), Outcome::Stored);
    is_noted(&mut journal, &[&key]);
    assert_eq!(scene.run(&mut Counter::new(Direction::Incr, &key, 1)), Outcome::Number(42));
    is_noted(&mut journal, &[]);
    let odd = [b"a b\0", key.as_slice()].concat();
    assert_eq!(scene.run(&mut Spread::delete(&odd)), Outcome::NotFound);
    assert!(noted(&mut journal).is_some());
    let mut nobody = |_: ServerId, _: Result<&[u8], Outcome>| {};
    let flushed = scene.run(&mut Broadcast::new(Everywhere::FlushAll { delay: 0 }, None, &mut nobody));
    assert_eq!((flushed, noted(&mut journal)), (Outcome::Done, None));
}

/// A copy that is moved is the value that the server holds, too.
#[test]
fn what_is_only_moved_is_not_noted() {
    let mut scene = scene(options());
    let mut journal = scene.fall();
    let found = [Found { key: scene.keys[0].clone(), server: ServerId(1) }];
    assert_eq!(scene.run(&mut Many::new(Moves(&found))), Outcome::Done);
    is_noted(&mut journal, &[]);
}

/// A home that was completed while the server was away was completed without it.
#[test]
fn what_became_complete_since_proves_nothing() {
    let mut scene = scene(options());
    let mut journal = scene.fall();
    let other = scene.keys[1].clone();
    scene.daemon.say(|snapshot| snapshot.current.servers[3].since.unix_millis += 5);
    assert_eq!(set(&mut scene.client, &other, b"new"), Outcome::Stored);
    is_noted(&mut journal, &[&other]);
}

#[test]
fn who_finds_it_closed_waits_for_the_tables_word() {
    let scene = scene(options());
    let journal = scene.fall();
    journal.close().expect("it is open");
    let (key, before) = (scene.keys[0].clone(), scene.sets());
    let stripe = KeyHash::of(&key).value() % STRIPES as u32;
    let stripes = Arc::clone(&scene.stripes);
    let mut client = scene.daemon.client(&scene.pool);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"new"));
        wait::until("a writer that has its turn", || (!stripes.is_free(stripe)).then_some(()));
        journal.commit().expect("it is closed");
        assert_eq!(scene.sets(), before, "nothing is sent");
        scene.publish(State::Returned, 4);
        stripes.set(FIRST.0, Epoch::new(4)).expect("it grows");
        drop(journal);
        assert_eq!(writer.join().expect("a writer"), Outcome::Stored);
    });
    let there = scene.servers[0].ask(&format!("get {}\r\n", String::from_utf8_lossy(&key)), "END");
    assert_eq!(there.expect("it answers")[1], "new", "by the view in which it is back");
    assert_eq!(scene.daemon.epoch(FIRST), 4);
}

#[test]
fn who_waits_in_vain_has_sent_nothing() {
    let mut scene = scene(Options { timeout: Duration::from_millis(300), ..options() });
    let journal = scene.fall();
    journal.close().expect("it is open");
    let (key, before) = (scene.keys[0].clone(), scene.sets());
    assert_eq!(set(&mut scene.client, &key, b"new"), Outcome::Timeout);
    assert_eq!((scene.sets(), scene.daemon.epoch(FIRST)), (before, 3));
    // It is over, and the server will be flushed.
    drop(journal);
    assert_eq!(set(&mut scene.client, &key, b"new"), Outcome::Stored);
}

#[test]
fn while_nobody_attends_it_is_noted_too_and_a_closed_one_is_not_believed() {
    let mut scene = scene(options());
    scene.servers[0].kill();
    let mut journal = scene.fall();
    let key = scene.keys[0].clone();
    scene.daemon.resign();
    assert_eq!(set(&mut scene.client, &key, b"new"), Outcome::Stored);
    is_noted(&mut journal, &[&key]);
    assert_eq!(scene.daemon.epoch(FIRST), 3);
    journal.close().expect("it is open");
    assert_eq!(set(&mut scene.client, &key, b"newer"), Outcome::Stored);
    assert_eq!(
        scene.daemon.epoch(FIRST),
        5,
        "whatever the daemon says when it goes on, it has to be emptied"
    );
}

/// Changes that were sent to it, and whose time is up when its fall is about to be published.
fn given_up(closed: bool) -> (Scene, JournalKeeper) {
    let mut scene = scene(Options { timeout: Duration::from_millis(800), ..options() });
    scene.servers[0].hang();
    let (key, address) = (scene.keys[0].clone(), scene.pool.server(FIRST).address.clone());
    let mut client = std::mem::replace(&mut scene.client, scene.daemon.client(&scene.pool));
    let journal = std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"late"));
        let failed = memcache::table::Notice::Failed(address);
        wait::until("the report", || scene.daemon.heard().contains(&failed).then_some(()));
        let journal = scene.open();
        if closed {
            journal.close().expect("it is open");
        }
        assert_eq!(writer.join().expect("a writer"), Outcome::Timeout);
        journal
    });
    scene.servers[0].wake();
    (scene, journal)
}

#[test]
fn what_is_given_up_is_noted() {
    let (scene, mut journal) = given_up(false);
    is_noted(&mut journal, &[&scene.keys[0]]);
    assert_eq!(scene.daemon.epoch(FIRST), 3);
}

#[test]
fn what_is_given_up_too_late_to_be_noted_makes_it_be_emptied() {
    let (scene, journal) = given_up(true);
    assert_eq!(scene.daemon.epoch(FIRST), 5);
    drop(journal);
}
