//! A pool of real servers, and a daemon that says what a test tells it to.

#![allow(dead_code)] // another test program uses a part of it

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use memcache::client::{Client, TableAt};
use memcache::rules::health::Incarnation;
use memcache::rules::mark::mark;
use memcache::rules::operation::{Outcome, Read, Write};
use memcache::rules::places;
use memcache::rules::pool::{Options, Pool, Server, ServerId, pair_up};
use memcache::rules::view::{Meta, State};
use memcache::rules::wire::Value;
use memcache::table::{
    Epoch, List, Lock, Notice, Settings, Settling, Snapshot, Stripes, StripesSettings, Trust, Writer,
    identity, notice,
};

use crate::support::scratch::Scratch;
use crate::support::server::Memcached;

/// Time enough for a loaded machine; a server that hangs is noticed after a few hundred milliseconds.
pub fn options() -> Options {
    Options {
        backups: true,
        connect_timeout: Duration::from_millis(400),
        timeout: Duration::from_secs(20),
        ..Options::default()
    }
}

/// A pool of these servers, by pairs, with a name of its own: what one test learns of a server, another
/// must not know.
pub fn pool(servers: &[Memcached], options: Options) -> Pool {
    static POOLS: AtomicUsize = AtomicUsize::new(0);
    let mut list: Vec<Server> = servers.iter().map(server).collect();
    if options.backups {
        pair_up(&mut list);
    }
    Pool::new(format!("pool {}", POOLS.fetch_add(1, Ordering::Relaxed)), options, list)
}

pub fn server(server: &Memcached) -> Server {
    let address = server.address().parse().expect("an address");
    Server { name: server.address(), address, weight: 1, backup: None }
}

/// Which life of its process a server is in.
pub fn life(server: &Memcached) -> Incarnation {
    let figure = |name| server.stat(name).expect("it answers");
    Incarnation { pid: figure("pid"), start: figure("time") - figure("uptime") }
}

/// The daemon: its table, and a heart that beats until it is told not to.
pub struct Daemon {
    pub scratch: Scratch,
    shared: Arc<Mutex<Told>>,
    over: Arc<AtomicBool>,
    heart: Option<JoinHandle<()>>,
}

struct Told {
    writer: Option<Writer>,
    news: UnixDatagram,
    snapshot: Snapshot,
}

impl Daemon {
    /// With a table in which every server is steady, in the life that it is in.
    pub fn of(pool: &Pool, servers: &[Memcached]) -> Daemon {
        Daemon::of_lives(pool, servers.iter().map(|server| Some(life(server))))
    }

    /// The same, for servers whose lives it knows, or does not.
    pub fn of_lives(pool: &Pool, lives: impl Iterator<Item = Option<Incarnation>>) -> Daemon {
        let mut list = List::new(pool, &[], 1);
        for (entry, life) in list.servers.iter_mut().zip(lives) {
            entry.incarnation = life;
            entry.meta = Meta::Yes;
            entry.epoch = 2;
            entry.mark = mark(&entry.server.address, entry.epoch);
        }
        for (slot, entry) in (0..).zip(&mut list.servers) {
            entry.epoch_slot = slot;
        }
        let snapshot = Snapshot { current: list, ..Snapshot::default() };
        let scratch = Scratch::new();
        let (writer, news, snapshot) = write(&scratch, snapshot);
        let shared = Arc::new(Mutex::new(Told { writer: Some(writer), news, snapshot }));
        let over = Arc::new(AtomicBool::new(false));
        let (told, ends) = (Arc::clone(&shared), Arc::clone(&over));
        let heart = std::thread::spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                if let Some(writer) = &mut told.lock().unwrap().writer {
                    writer.beat(identity::boot_millis()).expect("it beats in time");
                }
                std::thread::park_timeout(Duration::from_millis(20));
            }
        });
        Daemon { scratch, shared, over, heart: Some(heart) }
    }

    pub fn table(&self) -> TableAt {
        TableAt { path: self.scratch.path().join("table"), trust: Trust::default() }
    }

    /// A client of the pool that goes by the table.
    pub fn client(&self, pool: &Pool) -> Client {
        Client::open_with_table(Arc::new(pool.clone()), Some(self.table()))
    }

    /// Changes what the table says.
    pub fn say(&self, change: impl FnOnce(&mut Snapshot)) {
        let told = &mut *self.shared.lock().unwrap();
        change(&mut told.snapshot);
        told.writer.as_mut().expect("a writer").publish(&told.snapshot).expect("it fits");
    }

    /// Changes what the next one will say.
    pub fn say_nothing_but(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.shared.lock().unwrap().snapshot);
    }

    /// Says that a server is in another state.
    pub fn turn(&self, server: ServerId, state: State) {
        self.say(|snapshot| {
            let entry = &mut snapshot.current.servers[server.index()];
            entry.state = state;
            entry.since.unix_millis += 1;
        });
    }

    /// Says that a server went down, was flushed, and is back: the same process, in another epoch.
    pub fn bring_back(&self, server: ServerId) {
        self.say(|snapshot| {
            let entry = &mut snapshot.current.servers[server.index()];
            (entry.state, entry.epoch) = (State::Returned, entry.epoch + 2);
            entry.since.unix_millis += 1;
            entry.mark = mark(&entry.server.address, entry.epoch);
        });
        let told = self.snapshot().current.servers[server.index()].epoch;
        self.stripes().set(server.0, Epoch::new(told)).expect("it grows");
    }

    /// It ends, and says so.
    pub fn resign(&self) {
        let writer = self.shared.lock().unwrap().writer.take();
        drop(writer.map(Writer::resign));
    }

    /// Another one begins, which says the same.
    pub fn begin_again(&self) {
        let told = &mut *self.shared.lock().unwrap();
        let (writer, news, snapshot) = write(&self.scratch, told.snapshot.clone());
        (told.writer, told.news, told.snapshot) = (Some(writer), news, snapshot);
    }

    /// It finds that nobody heard of it for too long, and is about to look what happened.
    pub fn settle(&self) -> Settling {
        let told = &mut *self.shared.lock().unwrap();
        told.writer.as_mut().expect("a writer").settle(identity::boot_millis())
    }

    /// It knows.
    pub fn attend(&self, settled: Settling) {
        let told = &mut *self.shared.lock().unwrap();
        let attended = told.writer.as_mut().expect("a writer").attend(settled, identity::boot_millis());
        attended.expect("it was at work all along");
    }

    /// The servers that clients told it of since it last listened.
    pub fn heard(&self) -> Vec<Notice> {
        let told = self.shared.lock().unwrap();
        let mut room = [0; 1024];
        let mut news = Vec::new();
        while let Ok(length) = told.news.recv(&mut room) {
            news.extend(notice::parse(&room[..length]));
        }
        news
    }

    /// The stripes file, as a client opens it.
    pub fn stripes(&self) -> Stripes {
        Stripes::open(&self.table().path, &Trust::default()).expect("a stripes file")
    }

    /// A server's epoch.
    pub fn epoch(&self, server: ServerId) -> u64 {
        self.stripes().epoch(server.0).expect("an epoch").number()
    }

    /// What it said last.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.lock().unwrap().snapshot.clone()
    }

    /// The file's path.
    pub fn path(&self) -> PathBuf {
        self.table().path
    }
}

/// A table with this snapshot in it, and the stripes file beside it.
fn write(scratch: &Scratch, mut snapshot: Snapshot) -> (Writer, UnixDatagram, Snapshot) {
    let lock = Lock::take(&scratch.path().join("table")).expect("nobody else writes it");
    let stripes = Stripes::create(&lock, &StripesSettings::default()).expect("a stripes file");
    snapshot.stripes = stripes.id();
    for entry in &snapshot.current.servers {
        stripes.set(entry.epoch_slot, Epoch::new(entry.epoch)).expect("it grows");
    }
    let news = notice::bind(&lock, 0o600, None).expect("a socket");
    // A bound that no loaded machine misses.
    let settings = Settings { bound: Duration::from_secs(20), ..Settings::default() };
    let mut writer = Writer::create(lock, &settings, &snapshot).expect("a table");
    let settling = writer.settle(identity::boot_millis());
    writer.attend(settling, identity::boot_millis()).expect("at once");
    (writer, news, snapshot)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let heart = self.heart.take().expect("it is joined once");
        heart.thread().unpark();
        heart.join().expect("it ends by itself");
    }
}

/// A key whose home is this server, and no other test's.
pub fn key(pool: &Pool, home: ServerId) -> Vec<u8> {
    let mut keys = (0..).map(|number| format!("key-{number}").into_bytes());
    keys.find(|key| places::home(pool, key) == Some(home)).expect("one in so many")
}

pub fn set(client: &mut Client, key: &[u8], value: &[u8]) -> Outcome {
    client.run(&mut Write::new(key, 0, 0, value))
}

pub struct One<'a> {
    pub key: &'a [u8],
    pub found: Result<Vec<u8>, Outcome>,
}

impl memcache::rules::operation::Batch for One<'_> {
    fn len(&self) -> usize {
        1
    }
    fn key(&self, _: usize) -> &[u8] {
        self.key
    }
    fn settle(&mut self, _: usize, answer: Result<&Value<'_>, Outcome>) {
        self.found = answer.map(|value| value.data.to_vec());
    }
}

/// A key's value, or why there is none.
pub fn get(client: &mut Client, key: &[u8]) -> Result<Vec<u8>, Outcome> {
    let mut one = One { key, found: Err(Outcome::Timeout) };
    let _ = client.run(&mut Read::new(&mut one));
    one.found
}

struct Token<'a> {
    key: &'a [u8],
    token: Option<u64>,
}

impl memcache::rules::operation::Batch for Token<'_> {
    fn len(&self) -> usize {
        1
    }
    fn key(&self, _: usize) -> &[u8] {
        self.key
    }
    fn settle(&mut self, _: usize, answer: Result<&Value<'_>, Outcome>) {
        self.token = answer.ok().map(|value| value.cas);
    }
}

/// A key's CAS token; `None`: there is no such key.
pub fn token(client: &mut Client, key: &[u8]) -> Option<u64> {
    let mut token = Token { key, token: None };
    let _ = client.run(&mut Read::with_cas(&mut token));
    token.token
}
