//! The list of a server's keys, read from real servers: whole, under load, and when it cannot be had.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memcache::client::resolve;
use memcache::rules::address::Address;
use memcache::watch::sweep::dump::{Dump, Settings, Trouble, supported};
use memcache::watch::sweep::line::Entry;
use memcache::watch::sweep::part::Part;
use rustix::net::SocketAddrAny;

use crate::support::server::Memcached;
use crate::support::wait;

fn sites(address: &str) -> Arc<[SocketAddrAny]> {
    let address: Address = address.parse().expect("an address");
    resolve(&address).expect("it resolves").into()
}

fn settings() -> Settings {
    Settings { silence: wait::PATIENCE, ..Settings::default() }
}

fn running() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

fn dump_of(server: &Memcached) -> Dump {
    Dump::new(sites(&server.address()), settings(), running())
}

/// Reads all parts: every key with its size, none twice. And how many parts there were.
fn read_all(dump: &mut Dump, room: usize) -> Result<(BTreeMap<Vec<u8>, u32>, u32), Trouble> {
    let (mut part, mut keys, mut parts) = (Part::new(room), BTreeMap::new(), 0);
    while dump.next_part(&mut part, &mut |_, _| true)? {
        parts += 1;
        for (key, size) in part.iter() {
            assert_eq!(keys.insert(key.to_vec(), size), None, "{} twice", key.escape_ascii());
        }
    }
    Ok((keys, parts))
}

/// Sends lines that answer nothing, and waits until the server has executed them.
fn send(server: &Memcached, lines: &str) {
    let mut stream = TcpStream::connect(server.address()).expect("our server listens");
    stream.write_all(lines.as_bytes()).expect("a server that reads");
    stream.write_all(b"mn\r\n").expect("a server that reads");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"MN\r\n", "something was answered before");
}

/// Many small keys, so that their list does not fit into sockets.
fn fill(server: &Memcached, prefix: &str, count: u32) {
    let lines: String = (0..count).map(|at| format!("set {prefix}{at} 0 0 1 noreply\r\nx\r\n")).collect();
    send(server, &lines);
}

#[test]
fn keys_of_every_kind_are_listed_once_in_one_part_or_in_many() {
    let server = Memcached::start();
    let long = "k".repeat(250);
    send(
        &server,
        &format!(
            "set a%b 0 0 3 noreply\r\nabc\r\nset {long} 5 1000 1 noreply\r\nx\r\nset gone 0 -1 1 noreply\r\nx\r\n\
             set \u{fc}ber&=x 0 0 0 noreply\r\n\r\nms AP8gDQp4 2 b q\r\nhi\r\nms {} 2 b q\r\nhi\r\n",
            "/".repeat(240), // 180 bytes of 0xff
        ),
    );
    fill(&server, "some-", 3_000);
    let mut expected: BTreeSet<Vec<u8>> = (0..3_000).map(|at| format!("some-{at}").into_bytes()).collect();
    expected.extend(
        [&b"a%b"[..], long.as_bytes(), "\u{fc}ber&=x".as_bytes(), b"\0\xff \r\nx", &[0xff; 180]]
            .map(<[u8]>::to_vec),
    );
    for room in [1 << 20, 0] {
        let mut dump = dump_of(&server);
        let (keys, parts) = read_all(&mut dump, room).expect("a list");
        assert_eq!(keys.keys().cloned().collect::<BTreeSet<_>>(), expected);
        assert!(keys.values().all(|size| (50..400).contains(size)), "header, key and value");
        assert!(dump.exact() && dump.done() == 1.0 && dump.seen() == expected.len() as u64);
        assert!(if room == 0 { parts > 1 } else { parts == 1 }, "{parts} parts");
    }
}

#[test]
fn what_is_told_of_a_key_and_who_is_not_wanted() {
    let server = Memcached::start();
    send(
        &server,
        "set never 0 0 1 noreply\r\nx\r\nset later 0 1000 1 noreply\r\nx\r\nset other 0 0 1 noreply\r\nx\r\n",
    );
    let (mut dump, mut part, mut told) = (dump_of(&server), Part::new(0), Vec::new());
    let mut wanted = |key: &[u8], entry: &Entry| {
        told.push((String::from_utf8_lossy(key).into_owned(), entry.exp.is_some()));
        key != b"other"
    };
    assert_eq!(dump.next_part(&mut part, &mut wanted), Ok(true));
    told.sort();
    assert_eq!(told, [("later".into(), true), ("never".into(), false), ("other".into(), false)]);
    assert_eq!((part.keys(), part.iter().count(), dump.seen()), (2, 2, 3));
    assert_eq!(dump.next_part(&mut part, &mut |_, _| true), Ok(false), "that was all");
}

/// The table grows several times meanwhile, and what is asked for is in use.
#[test]
fn what_is_there_all_the_time_is_listed_under_load() {
    let server = Memcached::start_with(&["-m", "256"]);
    let fixed = 5_000;
    fill(&server, "fixed-", fixed);
    let over = running();
    let load = {
        let (over, address) = (Arc::clone(&over), server.address());
        std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).expect("our server listens");
            let mut at = 0;
            while !over.load(Ordering::Relaxed) {
                let mut lines = String::new();
                for _ in 0..1_000 {
                    at += 1;
                    let (used, new) = (at * 7 % fixed, at % 200_000);
                    lines += &format!("touch fixed-{used} 0 noreply\r\nset new-{new} 0 0 1 noreply\r\nx\r\n");
                }
                stream.write_all(lines.as_bytes()).expect("a server that reads");
            }
        })
    };
    for _ in 0..5 {
        let mut dump = dump_of(&server);
        let mut part = Part::new(8 << 20);
        let mut missing: BTreeSet<u32> = (0..fixed).collect();
        while dump.next_part(&mut part, &mut |key, _| key.starts_with(b"fixed-")).expect("a list") {
            for (key, _) in part.iter() {
                let number = std::str::from_utf8(&key[6..]).ok().and_then(|number| number.parse().ok());
                assert!(missing.remove(&number.expect("a key of ours")));
            }
        }
        assert!(missing.is_empty(), "missed {missing:?}");
    }
    over.store(true, Ordering::Relaxed);
    load.join().expect("the load ends");
}

#[test]
fn a_server_that_lists_for_another_is_asked_again() {
    let server = Memcached::start_with(&["-m", "256"]);
    fill(&server, "a-key-that-makes-long-lines-in-a-list-and-is-otherwise-of-no-interest-", 200_000);
    let mut other = TcpStream::connect(server.address()).expect("our server listens");
    other.write_all(b"lru_crawler metadump hash\r\n").expect("a server that reads");
    other.read_exact(&mut [0; 4]).expect("it begins");
    let short = Settings { busy: Duration::from_millis(100), ..settings() };
    let mut dump = Dump::new(sites(&server.address()), short, running());
    let trouble = read_all(&mut dump, 0).expect_err("it is busy");
    assert!(matches!(trouble, Trouble::Busy(_)) && trouble.again(), "{trouble}");
    let ask = |server: &Memcached| supported(&sites(&server.address()), &settings(), &running());
    assert_eq!(ask(&server), Ok(()), "it can be asked all the same");
    drop(other);
    let (keys, _) = read_all(&mut dump_of(&server), 64 << 20).expect("a list");
    assert_eq!(keys.len(), 200_000);
}

#[test]
fn servers_without_lists_say_so() {
    let server = Memcached::start_with(&["-o", "no_lru_crawler"]);
    fill(&server, "k", 10);
    let trouble = supported(&sites(&server.address()), &settings(), &running()).expect_err("it is off");
    assert_eq!(trouble, Trouble::Unsupported("its crawler is switched off"));
    assert_eq!(read_all(&mut dump_of(&server), 0).map(|_| ()), Err(trouble.clone()));
    assert!(!trouble.again());
    assert_eq!(trouble.to_string(), "gives no list of its keys: its crawler is switched off");
}

#[test]
fn who_answers_nothing_or_nonsense_is_left() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let sites_of = |listener: &TcpListener| sites(&listener.local_addr().expect("an address").to_string());
    let short = Settings { silence: Duration::from_millis(100), ..settings() };
    let trouble = supported(&sites_of(&silent), &short, &running());
    assert_eq!(trouble, Err(Trouble::Lost("it fell silent")));

    let stop = running();
    let waiting = {
        let (sites, stop) = (sites_of(&silent), Arc::clone(&stop));
        std::thread::spawn(move || {
            supported(&sites, &Settings { silence: Duration::MAX / 4, ..settings() }, &stop)
        })
    };
    stop.store(true, Ordering::Relaxed);
    assert_eq!(waiting.join().expect("no panic"), Err(Trouble::Stopped));

    for says in [
        "key=%zz exp=-1 size=1\n",
        &"x".repeat(10_000),
        "key=a size=1\n",
        "STAT curr_items 5\r\nNONSENSE\r\n",
    ] {
        let liar = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut dump = Dump::new(sites_of(&liar), short, running());
        let says = says.to_owned();
        let lies = std::thread::spawn(move || {
            let (mut stream, _) = liar.accept().expect("a connection");
            let mut asked = [0; 100];
            for answer in ["STAT curr_items 5\r\nEND\r\n", &says] {
                let _ = stream.read(&mut asked);
                let _ = stream.write_all(answer.as_bytes());
            }
            let _ = stream.read(&mut asked);
        });
        let trouble = read_all(&mut dump, 0).expect_err("lies");
        assert!(matches!(trouble, Trouble::Nonsense(_) | Trouble::Lost(_)), "{trouble}");
        lies.join().expect("the liar ends");
    }
}

#[test]
fn a_server_that_dies_meanwhile_is_lost_and_can_be_read_again() {
    let mut server = Memcached::start_with(&["-m", "256"]);
    fill(&server, "a-key-that-makes-long-lines-in-a-list-and-is-otherwise-of-no-interest-", 200_000);
    let (mut dump, mut part) = (dump_of(&server), Part::new(0));
    let mut alive = true;
    let trouble = dump.next_part(&mut part, &mut |_, _| {
        if std::mem::take(&mut alive) {
            server.kill();
        }
        true
    });
    assert!(matches!(trouble, Err(Trouble::Lost(_))), "{trouble:?}");
    assert!(matches!(dump.next_part(&mut part, &mut |_, _| true), Err(Trouble::Lost(_))), "it is gone");
    server.restart();
    fill(&server, "new", 10);
    let (keys, _) = read_all(&mut dump, 0).expect("a list");
    assert_eq!(keys.len(), 10);
}

#[test]
fn one_that_is_told_to_stop_ends_in_mid_list() {
    let server = Memcached::start_with(&["-m", "256"]);
    fill(&server, "a-key-that-makes-long-lines-in-a-list-and-is-otherwise-of-no-interest-", 200_000);
    let stop = running();
    let mut dump = Dump::new(sites(&server.address()), settings(), Arc::clone(&stop));
    let mut wanted = |_: &[u8], _: &Entry| {
        stop.store(true, Ordering::Relaxed);
        true
    };
    assert_eq!(dump.next_part(&mut Part::new(1 << 20), &mut wanted), Err(Trouble::Stopped));
}

/// Not a demand: a figure. `cargo test --release --features programs --test sweep -- --nocapture lines_a_second`
#[test]
fn lines_a_second() {
    let lines: Vec<String> = (0..10_000u32)
        .map(|at| {
            format!("key=session%3A{at:08} exp=1795838953 la=1795838853 cas={at} fetch=yes cls=1 size=169")
        })
        .collect();
    let mut room = [0; memcache::watch::sweep::line::LONGEST_KEY];
    let rounds = if cfg!(debug_assertions) { 2 } else { 200 };
    let begin = std::time::Instant::now();
    let mut bytes = 0;
    for _ in 0..rounds {
        for line in &lines {
            let read = memcache::watch::sweep::line::read(line.as_bytes(), &mut room);
            bytes += read.map_or(0, |(key, entry)| key.len() + entry.size as usize);
        }
    }
    let read = f64::from(rounds) * lines.len() as f64;
    assert_eq!(bytes as f64, read * (16.0 + 169.0));
    println!("lines of a list read: {:.1} million/s", read / begin.elapsed().as_secs_f64() / 1e6);
}
