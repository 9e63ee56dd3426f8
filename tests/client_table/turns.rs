//! Writers of one key take turns, and a changed list is followed.

use std::time::Duration;

use memcache::rules::hash::KeyHash;
use memcache::rules::operation::{Failure, Operation, Outcome, Spread, Tag, Write};
use memcache::rules::places;
use memcache::rules::pool::{Options, Pool, ServerId};
use memcache::rules::view::View;
use memcache::rules::wire::{Command, Reply};
use memcache::table::stripes::layout::{STRIPES, STRIPES_AT};
use memcache::table::stripes::word::Word;
use memcache::table::{List, identity};

use crate::daemon::{Daemon, get, key, life, options, pool, set};
use crate::support::server::Memcached;
use crate::support::wait;

const FIRST: ServerId = ServerId(0);

pub fn me() -> u64 {
    u64::from(std::process::id())
}

fn servers(count: usize) -> Vec<Memcached> {
    (0..count).map(|_| Memcached::start()).collect()
}

#[test]
fn a_change_waits_for_its_keys_turn_and_a_read_does_not() {
    let servers = servers(2);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let mut client = daemon.client(&pool);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    let stripes = daemon.stripes();
    let hash = KeyHash::of(&key).value();
    let soon = identity::boot_millis() + 60_000;
    let held = stripes.take(hash, soon, me(), identity::boot_millis).expect("nobody has it");
    assert_eq!(get(&mut client, &key), Ok(b"old".to_vec()));
    let mut other = daemon.client(&pool);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"new"));
        wait::until("the writer waits in line", || {
            // Who wants a stripe and waits is marked in its word; nobody else can be told from outside.
            assert_eq!(get(&mut other, &key), Ok(b"old".to_vec()), "not before its turn");
            stripes_waited_for(&daemon, hash).then_some(())
        });
        drop(held);
        assert_eq!(writer.join().unwrap(), Outcome::Stored);
    });
    assert_eq!(get(&mut other, &key), Ok(b"new".to_vec()));
    // It was given back.
    let again = stripes.take(hash, identity::boot_millis() + 10_000, me(), identity::boot_millis);
    assert!(again.is_ok());
}

/// Whether somebody waits for the stripe of this hash.
pub fn stripes_waited_for(daemon: &Daemon, hash: u32) -> bool {
    let word = stripe(daemon, hash);
    word.awaited() == word
}

/// The word of the stripe of this hash.
pub fn stripe(daemon: &Daemon, hash: u32) -> Word {
    let bytes = std::fs::read(daemon.stripes().path()).expect("its own file");
    let at = STRIPES_AT + 8 * (hash as usize % STRIPES);
    Word(u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes")))
}

/// A change at whose end, while its stripe is held, the process forks. The child goes on as if the call were its own;
/// the parent stays in the middle of it until the child has ended.
struct Forks<'a> {
    write: Write<'a>,
    /// 0: this is the child.
    child: Option<i32>,
    /// How it ended.
    status: i32,
}

impl Operation for Forks<'_> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        self.write.next(view)
    }
    fn command(&self, tag: Tag) -> Command<'_> {
        self.write.command(tag)
    }
    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        self.write.answer(view, tag, reply);
        if self.write.outcome().is_none() {
            return;
        }
        // SAFETY: the child ends its call, reads a file, and ends with _exit.
        let child = unsafe { libc::fork() };
        self.child = Some(child);
        if child > 0 {
            wait::until("the child ends", || {
                // SAFETY: our child, and a place for its status.
                let ended = unsafe { libc::waitpid(child, &raw mut self.status, libc::WNOHANG) };
                (ended == child).then_some(())
            });
        }
    }
    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        self.write.fail(view, tag, failure);
    }
    fn outcome(&self) -> Option<Outcome> {
        self.write.outcome()
    }
    fn hashes(&self, tell: &mut dyn FnMut(KeyHash)) {
        self.write.hashes(tell);
    }
}

#[test]
fn a_child_of_a_fork_does_not_give_its_parents_stripe_back() {
    let servers = servers(2);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let mut client = daemon.client(&pool);
    let (hash, parent) = (KeyHash::of(&key).value(), std::process::id());
    let mut forks = Forks { write: Write::new(&key, 0, 0, b"v"), child: None, status: -1 };
    let outcome = client.run(&mut forks);
    if forks.child == Some(0) {
        let kept = stripe(&daemon, hash).pid() == parent;
        // SAFETY: it ends the child at once.
        unsafe { libc::_exit(i32::from(!kept)) };
    }
    assert_eq!((outcome, forks.status), (Outcome::Stored, 0));
    assert_eq!(stripe(&daemon, hash), Word::FREE, "the parent did");
}

#[test]
fn whose_turn_does_not_come_is_told_timeout_and_sent_nothing() {
    let servers = servers(2);
    let pool = pool(&servers, Options { timeout: Duration::from_millis(200), ..options() });
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let mut client = daemon.client(&pool);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    let stripes = daemon.stripes();
    let hash = KeyHash::of(&key).value();
    let soon = identity::boot_millis() + 60_000;
    let held = stripes.take(hash, soon, me(), identity::boot_millis).expect("nobody has it");
    assert_eq!(set(&mut client, &key, b"new"), Outcome::Timeout);
    assert_eq!(client.run(&mut Spread::delete(&key)), Outcome::Timeout);
    drop(held);
    assert_eq!(get(&mut client, &key), Ok(b"old".to_vec()));
    assert_eq!(set(&mut client, &key, b"new"), Outcome::Stored);
}

/// A pool of these servers that has the name of another.
fn list(old: &Pool, servers: &[Memcached], options: Options) -> Pool {
    let list = pool(servers, options);
    Pool::new(old.name.clone(), list.options.clone(), list.servers().to_vec())
}

/// The table says that these are the pool, each in the life that it is in.
pub fn relist(daemon: &Daemon, new: &Pool, servers: &[Memcached]) {
    daemon.say(|snapshot| {
        let mut list = List::new(new, &[], 2);
        for (slot, (entry, server)) in (0..).zip(list.servers.iter_mut().zip(servers)) {
            (entry.incarnation, entry.mark, entry.epoch, entry.epoch_slot) = (Some(life(server)), 7, 2, slot);
        }
        snapshot.current = list;
    });
}

/// A call may have gone by a list that was published while others waited for its end.
#[test]
fn who_joins_while_calm_is_waited_for_is_proved_too() {
    let servers = servers(4);
    let old = pool(&servers[..2], options());
    let new = list(&old, &servers, options());
    let daemon = Daemon::of(&old, &servers[..2]);
    let mut client = daemon.client(&old);
    let stripes = daemon.stripes();
    let soon = identity::boot_millis() + 50;
    stripes.take(11, soon, me(), identity::boot_millis).expect("nobody has it").forget();
    let later = identity::boot_millis() + 60_000;
    let call = stripes.take(12, later, me(), identity::boot_millis).expect("nobody has it");
    let sets = || [2, 3].map(|joined: usize| servers[joined].stat("cmd_set").expect("it answers"));
    let before = sets();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| client.wait_for_calm(Duration::from_secs(20)));
        wait::until("somebody waits for the call", || stripes_waited_for(&daemon, 12).then_some(()));
        relist(&daemon, &new, &servers);
        drop(call);
        assert!(waiter.join().unwrap());
    });
    assert_eq!(sets(), before.map(|count| count + 1), "a probe each");
    assert_eq!(stripe(&daemon, 11), Word::FREE);
}

#[test]
fn a_changed_list_is_followed_from_the_next_call_on() {
    let servers = servers(4);
    let old = pool(&servers[..2], options());
    let new = list(&old, &servers, Options { timeout: Duration::from_secs(19), ..options() });
    let daemon = Daemon::of(&old, &servers[..2]);
    let mut client = daemon.client(&old);
    let key_of_third = key(&new, ServerId(2));
    assert_eq!(set(&mut client, &key_of_third, b"old"), Outcome::Stored);
    let first = key(&old, FIRST);
    assert_eq!(set(&mut client, &first, b"v"), Outcome::Stored);
    let socket = client.fd(FIRST).expect("a connection");
    assert_eq!(client.lineup(), 0);

    relist(&daemon, &new, &servers);
    assert_eq!(set(&mut client, &key_of_third, b"new"), Outcome::Stored);
    assert_eq!(client.lineup(), 1);
    assert_eq!(client.pool().servers(), new.servers());
    assert_eq!(places::home(client.pool(), &key_of_third), Some(ServerId(2)));
    let stored = servers[2].ask(&format!("get {}\r\n", String::from_utf8_lossy(&key_of_third)), "END");
    assert!(stored.expect("it answers").contains(&"new".to_owned()), "on the new server");
    assert_eq!(client.fd(FIRST), Some(socket), "the connection was kept");
    assert_eq!(get(&mut client, &key_of_third), Ok(b"new".to_vec()));

    // A client that is opened with the list of before goes by the table's from the beginning.
    let mut late = daemon.client(&old);
    assert_eq!((late.lineup(), late.pool().servers().len()), (1, 4));
    assert_eq!(get(&mut late, &key_of_third), Ok(b"new".to_vec()));
    // And back to the first two.
    daemon.say(|snapshot| {
        let mut list = List::new(&old, &[], 3);
        for (slot, entry) in (0..).zip(&mut list.servers) {
            (entry.epoch, entry.epoch_slot) = (2, slot);
        }
        snapshot.current = list;
    });
    assert_ne!(get(&mut client, &first), Err(Outcome::Timeout));
    assert_eq!((client.lineup(), client.pool().servers().len()), (2, 2));
}

#[test]
fn no_server_is_held_down_on_ones_own() {
    let servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    assert!(!client.hold(FIRST, true));
    assert!(client.view().live(FIRST));
    let messages = client.take_messages();
    assert!(messages.len() == 1 && messages[0].contains("memcachectl down"), "{messages:?}");
    assert_eq!(daemon.heard().len(), 1, "the daemon is told");
    daemon.resign();
    assert!(!client.hold(FIRST, true), "nor when it is unattended");
}
