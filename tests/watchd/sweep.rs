//! Sweeps: after them every copy is where the rules place it, and a server that came back is steady.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use memcache::client::{Client, TableAt};
use memcache::rules::operation::{Batch, Outcome, Read, Spread, Write};
use memcache::rules::places::Placement;
use memcache::rules::pool::ServerId;
use memcache::rules::view::State;
use memcache::rules::wire::Value;
use memcache::table::Trust;

use crate::daemon::{Files, Watchd};
use crate::support::server::Memcached;
use crate::support::wait;

const QUICK: &str = "interval = \"50ms\"\nsweep_share = \"100%\"";

/// A pool of servers, its daemon, and a program that uses it.
struct World {
    servers: Vec<Memcached>,
    files: Files,
    watchd: Option<Watchd>,
}

impl World {
    fn new(count: usize, watch: &str) -> World {
        World::of((0..count).map(|_| Memcached::start()).collect(), watch)
    }

    fn of(servers: Vec<Memcached>, watch: &str) -> World {
        let addresses: Vec<_> = servers.iter().map(Memcached::address).collect();
        let files = Files::new(&addresses, watch);
        let watchd = Some(Watchd::start(&files));
        files.wait_until_met(servers.len());
        World { servers, files, watchd }
    }

    fn wait_until_swept(&self) {
        wait::until("a swept pool", || self.files.look()?.1.swept.then_some(()));
    }

    /// Every server steady, and nothing left to be swept.
    fn wait_until_steady(&self) {
        wait::until(&format!("steady servers; the daemon says {}", self.said()), || {
            let (_, snapshot) = self.files.look()?;
            let steady = snapshot.current.servers.iter().all(|entry| entry.state == State::Steady);
            (steady && snapshot.sweep.is_none() && snapshot.previous.is_none()).then_some(())
        });
    }

    fn said(&self) -> String {
        self.watchd.as_ref().map(Watchd::said).unwrap_or_default()
    }

    fn client(&self) -> Client {
        let pool = memcache::config::read(&self.files.pool).expect("a pool file").pool;
        let at = TableAt { path: self.files.table.clone(), trust: Trust::default() };
        Client::open_with_table(Arc::new(pool), Some(at))
    }

    /// Every key that a server holds, but this library's own.
    fn keys(&self, index: usize) -> BTreeSet<String> {
        let lines = self.servers[index].ask("lru_crawler metadump hash\r\n", "END").expect("a list");
        let keys = lines.iter().filter_map(|line| line.strip_prefix("key=")?.split(' ').next());
        keys.filter(|key| !key.starts_with("libmemcache%3A")).map(str::to_owned).collect()
    }

    /// Each of the keys is on its home and its backup, and nowhere else.
    fn check_places(&self, keys: impl Iterator<Item = String>) {
        let mut client = self.client();
        let view = client.view().clone();
        let mut expected: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for key in keys {
            let placement = Placement::of(&view, key.as_bytes()).expect("a place");
            for holder in placement.holders() {
                expected.entry(holder.index()).or_default().insert(key.clone());
            }
        }
        for index in 0..self.servers.len() {
            let (held, expected) = (self.keys(index), expected.remove(&index).unwrap_or_default());
            let missing: Vec<_> = expected.difference(&held).take(5).collect();
            let wrong: Vec<_> = held.difference(&expected).take(5).collect();
            assert!(held == expected, "s{index} lacks {missing:?}, has {wrong:?}\n{}", self.said());
        }
    }
}

fn key(number: u32) -> String {
    format!("key-{number}")
}

fn set(client: &mut Client, key: &str, value: &str, flags: u32, exptime: i64) {
    let mut write = Write::new(key.as_bytes(), flags, exptime, value.as_bytes());
    assert_eq!(client.run(&mut write), Outcome::Stored, "{key}");
}

struct One<'a>(&'a str, Option<(String, u32)>);

impl Batch for One<'_> {
    fn len(&self) -> usize {
        1
    }

    fn key(&self, _: usize) -> &[u8] {
        self.0.as_bytes()
    }

    fn settle(&mut self, _: usize, answer: Result<Value<'_>, Outcome>) {
        let owned = |value: Value<'_>| (String::from_utf8_lossy(value.data).into_owned(), value.flags);
        self.1 = answer.ok().map(owned);
    }
}

fn get(client: &mut Client, key: &str) -> Option<(String, u32)> {
    let mut one = One(key, None);
    let outcome = client.run(&mut Read::new(&mut one));
    assert!(matches!(outcome, Outcome::Hit | Outcome::Miss), "{key}: {outcome:?}");
    one.1
}

#[test]
fn after_every_server_was_restarted_nothing_is_lost() {
    let mut world = World::new(4, QUICK);
    world.wait_until_swept();
    let mut client = world.client();
    let count = 600;
    for number in 0..count {
        let exptime = if number % 3 == 0 { 1_000 } else { 0 };
        set(&mut client, &key(number), &format!("value {number}"), number, exptime);
    }
    for index in 0..4 {
        world.servers[index].kill();
        world.files.wait_for(index, State::Down);
        // Some are written while it is away: on a stand-in.
        for number in (index as u32..count).step_by(16) {
            set(&mut client, &key(number), &format!("newer {index}"), number, 0);
        }
        world.servers[index].restart();
        wait::until("a server that is back", || {
            (world.files.entry(index).state != State::Down).then_some(())
        });
        world.wait_until_steady();
        world.check_places((0..count).map(key));
    }
    println!("{}", world.said());
    let held: Vec<_> = (0..4).map(|index| world.keys(index)).collect();
    for number in 0..count {
        let expected = match number % 16 {
            index @ 0..4 => format!("newer {index}"),
            _ => format!("value {number}"),
        };
        assert_eq!(get(&mut client, &key(number)), Some((expected, number)), "{number}");
        let was_rewritten = number % 16 < 4;
        let holders: Vec<_> = (0..4).filter(|&index| held[index].contains(&key(number))).collect();
        assert_eq!(holders.len(), 2);
        for index in holders.into_iter().filter(|_| number % 50 == 0) {
            let line =
                world.servers[index].ask(&format!("mg {} t\r\nmn\r\n", key(number)), "MN").expect("asked");
            let ttl: i64 = line[0].trim_start_matches("HD t").parse().expect("a time to live");
            let expires = number % 3 == 0 && !was_rewritten;
            assert!(if expires { (900..=1_000).contains(&ttl) } else { ttl == -1 }, "{number}: {ttl}");
        }
    }
}
