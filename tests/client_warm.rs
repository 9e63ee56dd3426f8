//! Once warm, a simple call allocates nothing: neither for the connection, nor for the view, nor
//! for waiting. A program of its own, because the allocator that counts serves a whole program.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use memcache::client::{Client, TableAt};
use memcache::rules::address::Address;
use memcache::rules::operation::{Failure, Operation, Outcome, Tag, Write as Set};
use memcache::rules::pool::{Options, Pool, Server, ServerId, pair_up};
use memcache::rules::view::View;
use memcache::rules::wire::{Command, Reply};
use memcache::table::{
    Attendance, List, Lock, Settings, Snapshot, Stripes, StripesSettings, Trust, Writer, identity,
};
use support::counting;
use support::scratch::Scratch;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Gets of one key from one server each.
#[derive(Default)]
struct Gets {
    servers: u16,
    asked: u16,
    answered: u16,
}

impl Operation for Gets {
    fn next(&mut self, _: &View) -> Option<(ServerId, Tag)> {
        let server = ServerId(self.asked);
        (self.asked < self.servers).then(|| {
            self.asked += 1;
            (server, Tag::from(server.0))
        })
    }
    fn command(&self, _: Tag) -> Command<'_> {
        Command::Get { key: b"k", meta: false }
    }
    fn answer(&mut self, _: &View, _: Tag, reply: &Reply<'_>) {
        assert!(matches!(reply, Reply::Value(value) if value.data == b"v"));
        self.answered += 1;
    }
    fn fail(&mut self, _: &View, _: Tag, failure: Failure) {
        panic!("{failure:?}");
    }
    fn outcome(&self) -> Option<Outcome> {
        (self.answered == self.servers).then_some(Outcome::Done)
    }
    fn mutates(&self) -> bool {
        false
    }
}

/// Serves one connection until it ends.
fn serve(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().unwrap();
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let reply = match line.as_str() {
            // The value behind a store's line.
            "v" => "STORED\r\n",
            set if set.starts_with("set ") => continue,
            "stats" => "STAT pid 1\r\nSTAT uptime 1\r\nSTAT time 1700000000\r\nEND\r\n",
            "mn" => "MN\r\n",
            _ => "VALUE k 0 1\r\nv\r\nEND\r\n",
        };
        stream.write_all(reply.as_bytes()).unwrap();
    }
}

/// Four fake servers, and their pool.
struct Servers {
    pool: Arc<Pool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Servers {
    fn start(name: &str, backups: bool) -> Servers {
        let listeners: Vec<TcpListener> =
            (0..4).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        let servers = listeners.iter().map(|listener| {
            let port = listener.local_addr().unwrap().port();
            let address = Address::Tcp { host: "127.0.0.1".into(), port };
            Server { name: address.to_string(), address, weight: 1, backup: None }
        });
        let unhurried = Duration::from_secs(60);
        let options =
            Options { connect_timeout: unhurried, timeout: unhurried * 2, backups, ..Options::default() };
        let mut list: Vec<Server> = servers.collect();
        if backups {
            pair_up(&mut list);
        }
        let pool = Arc::new(Pool::new(name, options, list));
        let threads =
            listeners.into_iter().map(|listener| std::thread::spawn(move || serve(&listener))).collect();
        Servers { pool, threads }
    }

    /// To be called when its clients are gone.
    fn end(self) {
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn a_warm_call_allocates_nothing() {
    let servers = Servers::start("warm", false);
    let mut client = Client::open(Arc::clone(&servers.pool));
    let mut run = |servers| {
        let mut gets = Gets { servers, ..Gets::default() };
        assert_eq!(client.run(&mut gets), Outcome::Done);
    };
    run(4);
    run(4);
    let before = counting::count();
    for _ in 0..100 {
        run(1);
        run(4);
    }
    assert_eq!(counting::count() - before, 0, "allocations in 200 calls");

    drop(client);
    servers.end();
}

#[test]
fn nor_does_one_that_goes_by_a_table_and_takes_turns() {
    let servers = Servers::start("warm under a table", true);
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let lock = Lock::take(&path).unwrap();
    let stripes = Stripes::create(&lock, &StripesSettings::default()).unwrap();
    let list = List::new(&servers.pool, &[], 1);
    let snapshot = Snapshot { current: list, stripes: stripes.id(), ..Snapshot::default() };
    let settings = Settings { bound: Duration::from_secs(60), ..Settings::default() };
    let mut writer = Writer::create(lock, &settings, &snapshot).unwrap();
    let settling = writer.settle(identity::boot_millis());
    writer.attend(settling, identity::boot_millis()).unwrap();

    let table = TableAt { path, trust: Trust::default() };
    let mut client = Client::open_with_table(Arc::clone(&servers.pool), Some(table));
    let mut run = |servers| {
        let mut gets = Gets { servers, ..Gets::default() };
        assert_eq!(client.run(&mut gets), Outcome::Done);
        for key in [b"a", b"b", b"c", b"d"] {
            assert_eq!(client.run(&mut Set::new(key, 0, 0, b"v")), Outcome::Stored);
        }
        assert_eq!(client.attendance(), Some(Attendance::Attended));
    };
    run(4);
    run(4);
    let before = counting::count();
    for _ in 0..100 {
        run(1);
        run(4);
    }
    assert_eq!(counting::count() - before, 0, "allocations in 1,000 calls");

    drop(client);
    servers.end();
}
