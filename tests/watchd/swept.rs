//! A pool that is swept, and a program that uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use memcache::client::{Client, TableAt, resolve};
use memcache::rules::address::Address;
use memcache::rules::operation::{Batch, Outcome, Read, Write};
use memcache::rules::places::Placement;
use memcache::rules::view::State;
use memcache::rules::wire::Value;
use memcache::table::Trust;
use memcache::watch::sweep::dump::{Dump, Settings};
use memcache::watch::sweep::part::Part;

use crate::daemon::{Files, Watchd};
use crate::support::server::Memcached;
use crate::support::wait;

/// A pool of servers, its daemon, and a program that uses it.
pub struct World {
    pub servers: Vec<Memcached>,
    /// Before the files: its log lies among them.
    pub watchd: Option<Watchd>,
    pub files: Files,
}

impl World {
    pub fn new(count: usize, watch: &str) -> World {
        World::of((0..count).map(|_| Memcached::start()).collect(), watch)
    }

    pub fn of(servers: Vec<Memcached>, watch: &str) -> World {
        let addresses: Vec<_> = servers.iter().map(Memcached::address).collect();
        let files = Files::new(&addresses, watch);
        let watchd = Some(Watchd::start(&files));
        files.wait_until_met(servers.len());
        World { servers, files, watchd }
    }

    pub fn wait_until_swept(&self) {
        wait::until("a swept pool", || self.files.look()?.1.swept.then_some(()));
    }

    /// Every server steady, and nothing left to be swept.
    pub fn wait_until_steady(&self) {
        wait::until(&format!("steady servers; the daemon says {}", self.said()), || {
            let (_, snapshot) = self.files.look()?;
            let steady = snapshot.current.servers.iter().all(|entry| entry.state == State::Steady);
            (steady && snapshot.sweep.is_none() && snapshot.previous.is_none()).then_some(())
        });
    }

    pub fn said(&self) -> String {
        self.watchd.as_ref().map(Watchd::said).unwrap_or_default()
    }

    pub fn client(&self) -> Client {
        let pool = memcache::config::read(&self.files.pool).expect("a pool file").pool;
        let at = TableAt { path: self.files.table.clone(), trust: Trust::default() };
        Client::open_with_table(Arc::new(pool), Some(at))
    }

    /// Every key that a server holds, but this library's own.
    pub fn keys(&self, index: usize) -> BTreeSet<String> {
        let address: Address = self.servers[index].address().parse().expect("an address");
        let sites = resolve(&address).expect("it resolves").into();
        let (mut part, mut keys) = (Part::new(1 << 20), BTreeSet::new());
        let mut dump = Dump::new(sites, Settings::default(), Arc::default());
        while dump.next_part(&mut part, &mut |_, _| true).expect("a list") {
            keys.extend(part.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()));
        }
        keys.retain(|key| !key.starts_with("libmemcache:"));
        keys
    }

    /// Waits until a sweep has moved something and is not over.
    pub fn wait_until_under_way(&self) {
        wait::until(&format!("a sweep under way; the daemon says {}", self.said()), || {
            let progress = self.files.look()?.1.sweep?;
            (progress.moved > 0).then_some(())
        });
    }

    /// From now on a sweep takes so much of the time.
    pub fn take_share(&self, before: &str, now: &str) {
        let text = std::fs::read_to_string(&self.files.pool).expect("a pool file");
        assert!(text.contains(before));
        self.files.write_text(&text.replace(before, now));
    }

    /// Stores so many values.
    pub fn fill(&self, count: u32) {
        let mut client = self.client();
        for number in 0..count {
            set(&mut client, &key(number), &format!("value {number}"), number, 0);
        }
    }

    /// All of these values are read.
    pub fn check_values(&self, mut numbers: impl Iterator<Item = u32>) {
        let mut client = self.client();
        let wrong = numbers
            .find(|&number| get(&mut client, &key(number)) != Some((format!("value {number}"), number)));
        assert_eq!(wrong, None, "lost, or another value\n{}", self.said());
    }

    /// `kill -9` of a server, and the table says that it is down.
    pub fn kill(&mut self, index: usize) {
        self.servers[index].kill();
        self.files.wait_for(index, State::Down);
    }

    /// A killed server runs again, and is live.
    pub fn restart(&mut self, index: usize) {
        self.servers[index].restart();
        self.wait_until_live(index);
    }

    /// The table says that it may be used.
    pub fn wait_until_live(&self, index: usize) {
        wait::until("a server that is back", || (self.files.entry(index).state != State::Down).then_some(()));
    }

    /// The number of a key's home.
    pub fn home(&self, key: &str) -> usize {
        let mut client = self.client();
        Placement::of(client.view(), key.as_bytes()).expect("a place").home.index()
    }

    /// The keys of the pool, by the number of their home.
    pub fn keys_at_home(&self) -> Vec<Vec<String>> {
        let mut client = self.client();
        let view = client.view().clone();
        let home =
            |key: &String| Placement::of(&view, key.as_bytes()).map(|placement| placement.home.index());
        let held =
            |index: usize| self.keys(index).into_iter().filter(|key| home(key) == Some(index)).collect();
        (0..self.servers.len()).map(held).collect()
    }

    /// Each of the keys is on its home and its backup, and nowhere else.
    pub fn check_places(&self, keys: impl Iterator<Item = String>) {
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

/// The key of this number.
pub fn key(number: u32) -> String {
    format!("key-{number}")
}

/// Stores a value, as a program does.
pub fn set(client: &mut Client, key: &str, value: &str, flags: u32, exptime: i64) {
    let mut write = Write::new(key.as_bytes(), flags, exptime, value.as_bytes());
    assert_eq!(client.run(&mut write), Outcome::Stored, "{key}");
}

/// One key that is read.
struct One<'a>(&'a str, Option<(String, u32)>);

impl Batch for One<'_> {
    fn len(&self) -> usize {
        1
    }

    fn key(&self, _: usize) -> &[u8] {
        self.0.as_bytes()
    }

    fn settle(&mut self, _: usize, answer: Result<&Value<'_>, Outcome>) {
        let owned = |value: &Value<'_>| (String::from_utf8_lossy(value.data).into_owned(), value.flags);
        self.1 = answer.ok().map(owned);
    }
}

/// Reads a value and its flags, as a program does.
pub fn get(client: &mut Client, key: &str) -> Option<(String, u32)> {
    let mut one = One(key, None);
    let outcome = client.run(&mut Read::new(&mut one));
    assert!(matches!(outcome, Outcome::Hit | Outcome::Miss), "{key}: {outcome:?}");
    one.1
}
