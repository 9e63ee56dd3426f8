//! The transcripts, played to a real memcached: what the codec is held to is what a server says.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use memcache::rules::wire::parse::{Limits, ends_connection, parse};
use memcache::rules::wire::pending::Pending;

use memcache::rules::wire::{Command, Direction, Lease, Reply, Value, Verb};

use support::server::Memcached;

#[path = "../src/rules/wire/transcripts.rs"]
#[allow(dead_code, reason = "most of it is for the codec")]
mod transcripts;

use transcripts::STORY;

/// How long a server may take for anything; then the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

fn connect(server: &Memcached) -> Connection {
    let stream = TcpStream::connect(server.address()).expect("our server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.set_nodelay(true).expect("nodelay can be set");
    Connection { stream, bytes: Vec::new() }
}

/// What the codec has to do to be a client.
struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Connection {
    fn receive(&mut self) {
        let mut piece = [0; 4096];
        let count = self.stream.read(&mut piece).expect("an answer in time");
        assert!(count > 0, "the server hung up");
        self.bytes.extend_from_slice(&piece[..count]);
    }

    /// Asks one question, and hands its answer on. Nothing may be left behind it.
    fn ask<R>(&mut self, command: &Command<'_>, meta: bool, with: impl FnOnce(&Reply<'_>) -> R) -> R {
        let mut pending = Pending::default();
        let mut out = Vec::new();
        assert!(pending.ask((), command, meta, &mut out));
        pending.close(&mut out);
        self.stream.write_all(&out).expect("a question can be sent");
        loop {
            if let Some(((), reply, taken)) =
                pending.next(&self.bytes, meta, &Limits::default(), |()| *command).expect("it makes sense")
            {
                let result = with(&reply);
                self.bytes.drain(..taken);
                assert!(self.bytes.is_empty(), "out of step: {}", self.bytes.escape_ascii());
                return result;
            }
            self.receive();
        }
    }
}

/// Whether a reply is the expected one. A remaining time to live passes while we look, so a few
/// seconds less are the same; and the version is that of whichever memcached is installed.
fn same(reply: &Reply<'_>, expected: &Reply<'_>) -> bool {
    match (reply, expected) {
        (Reply::Value(value), Reply::Value(Value { ttl: Some(most), .. })) => {
            let passes = value.ttl.is_some_and(|left| left <= *most && most - left < 30);
            passes && Reply::Value(Value { ttl: Some(*most), ..*value }) == *expected
        }
        (Reply::Version(text), Reply::Version(_)) => !text.is_empty(),
        _ => reply == expected,
    }
}

#[test]
fn the_story_is_what_a_server_says() {
    let server = Memcached::start();
    let mut connection = connect(&server);
    for exchange in STORY {
        connection.ask(&exchange.command, exchange.meta, |reply| {
            assert!(same(reply, &exchange.reply), "{} gave {reply:?}", exchange.sent.escape_ascii());
        });
    }
}

#[test]
fn a_value_too_large_is_refused_and_the_next_call_works() {
    let server = Memcached::start();
    let mut connection = connect(&server);
    let value = vec![b'x'; 2 << 20];
    let set = Command::Store { verb: Verb::Set, key: b"a", flags: 0, exptime: 0, value: &value };
    let leased = Command::StoreLeased { key: b"a", flags: 0, exptime: 0, value: &value, lease: 1 };
    for (command, meta) in [(set, false), (leased, true)] {
        connection.ask(&command, meta, |reply| {
            assert_eq!(*reply, Reply::Refused(b"SERVER_ERROR object too large for cache"));
            assert!(!ends_connection(&command, reply));
        });
        connection.ask(&Command::Noop, true, |reply| assert_eq!(*reply, Reply::Noop));
    }
}

/// Why such a connection must not be used again: the value of a refused store is run as commands.
#[test]
fn a_store_whose_line_is_refused_has_its_value_run() {
    let server = Memcached::start();
    let mut connection = connect(&server);
    let key = [b'k'; 251];
    let command = Command::Store { verb: Verb::Set, key: b"k", flags: 0, exptime: 0, value: b"" };
    connection.ask(&Command::Noop, true, |_| ());
    // The composer sends no such key.
    let out = [b"set ", &key[..], b" 0 0 16\r\nset run 0 0 1\r\ny\r\n"].concat();
    connection.stream.write_all(&out).expect("a question can be sent");
    let taken = loop {
        if let Some((reply, taken)) =
            parse(&command, false, &connection.bytes, &Limits::default()).expect("it makes sense")
        {
            assert!(ends_connection(&command, &reply), "{reply:?}");
            break taken;
        }
        connection.receive();
    };
    connection.bytes.drain(..taken);
    while !connection.bytes.ends_with(b"\n") {
        connection.receive();
    }
    assert_eq!(connection.bytes, b"STORED\r\n", "the value's answer, not ours");
}

#[test]
fn keys_of_any_bytes_and_every_length() {
    let server = Memcached::start();
    let mut connection = connect(&server);
    for len in 1..=186usize {
        // All of 256 bytes occur, and every key has one that no line can hold.
        let mut key: Vec<u8> = (0..len).map(|at| (at * 7 + len * 31) as u8).collect();
        key[len / 2] = b"\0\r\n \x7f"[len % 5];
        let store = Command::Store { verb: Verb::Add, key: &key, flags: 7, exptime: 0, value: &key };
        connection.ask(&store, true, |reply| assert_eq!(*reply, Reply::Stored, "{}", key.escape_ascii()));
        connection.ask(&Command::Get { key: &key, meta: true }, true, |reply| {
            assert_eq!(*reply, Reply::Value(Value { data: &key, flags: 7, ..Value::default() }));
        });
        connection.ask(&Command::Delete { key: &key }, true, |reply| assert_eq!(*reply, Reply::Deleted));
        // A lease's stub is where this server would tell the key's raw bytes.
        connection.ask(&Command::Lease { key: &key, seconds: 1000 }, true, |reply| {
            assert!(matches!(reply, Reply::Value(Value { lease: Some(Lease::Won), .. })), "{reply:?}");
        });
        connection.ask(&Command::Fetch { key: &key }, true, |reply| {
            assert!(matches!(reply, Reply::Value(value) if value.is_stub()), "{reply:?}");
        });
    }
}

#[test]
fn ten_thousand_keys_in_joined_lines() {
    const KEYS: usize = 10_000;
    let server = Memcached::start();
    let mut connection = connect(&server);
    let key = |index: usize| format!("{index:0width$}", width = 5 + index % 200).into_bytes();
    let keys: Vec<Vec<u8>> = (0..KEYS).map(key).collect();
    let there = |index: usize| index.is_multiple_of(3);

    let (mut pending, mut out) = (Pending::default(), Vec::new());
    let store = |index: usize| Command::Store {
        verb: Verb::Set,
        key: &keys[index],
        flags: 9,
        exptime: 0,
        value: &keys[index],
    };
    let get = |index: usize| Command::Get { key: &keys[index], meta: false };
    for index in (0..KEYS).filter(|index| there(*index)) {
        assert!(pending.ask(index, &store(index), false, &mut out));
    }
    let stored =
        connection.exchange(&mut pending, &mut out, store, |_, reply| assert_eq!(reply, Reply::Stored));
    assert_eq!(stored, KEYS.div_ceil(3));

    for index in 0..KEYS {
        assert!(pending.ask(index, &get(index), false, &mut out));
    }
    let mut awaited = 0;
    connection.exchange(&mut pending, &mut out, get, |index, reply| {
        assert_eq!(index, awaited);
        awaited += 1;
        let value = Value { data: &keys[index], flags: 9, ..Value::default() };
        assert_eq!(reply, if there(index) { Reply::Value(value) } else { Reply::Miss });
    });
    assert_eq!(awaited, KEYS);
}

impl Connection {
    /// Sends what was asked while it takes the answers, and counts them.
    fn exchange<'c>(
        &mut self,
        pending: &mut Pending<usize>,
        out: &mut Vec<u8>,
        command: impl Fn(usize) -> Command<'c>,
        mut each: impl FnMut(usize, Reply<'_>),
    ) -> usize {
        pending.close(out);
        let mut sending = self.stream.try_clone().expect("a second handle");
        let bytes = std::mem::take(out);
        let sender = std::thread::spawn(move || sending.write_all(&bytes));
        let (mut answered, mut start) = (0, 0);
        while !pending.is_empty() {
            while let Some((question, reply, taken)) = pending
                .next(&self.bytes[start..], false, &Limits::default(), &command)
                .expect("it makes sense")
            {
                each(question, reply);
                start += taken;
                answered += 1;
            }
            self.bytes.drain(..std::mem::take(&mut start));
            if !pending.is_empty() {
                self.receive();
            }
        }
        sender.join().expect("the sender ends").expect("everything can be sent");
        assert!(self.bytes.is_empty());
        answered
    }
}

/// docs/wire.md has only what the transcripts have.
#[test]
fn the_page_shows_what_is_sent() {
    let page = include_str!("../docs/wire.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let all = || STORY.iter().chain(transcripts::ANSWERS);
    let is_sent = |line: &str| {
        all().any(|exchange| exchange.sent.split(|byte| *byte == b'\r').next() == Some(line.as_bytes()))
    };
    let shown: Vec<&str> = rows.iter().flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    assert!(rows.len() > 10 && shown.len() > 20, "{shown:?}");
    let wrong: Vec<_> = shown.into_iter().filter(|line| !is_sent(line)).collect();
    assert!(wrong.is_empty(), "no transcript has {wrong:?}");
}
