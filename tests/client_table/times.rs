//! Expiry times that take the time of day to tell, in a pool where nothing ever happened.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use memcache::client::Client;
use memcache::rules::operation::{Conditional, Outcome, Write};
use memcache::rules::pool::Options;
use memcache::rules::wire::Verb;

use crate::daemon::{Daemon, options, pool};
use crate::support::server::Memcached;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Seconds since 1970 in so many seconds.
fn at(span: i64) -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    i64::try_from(now.as_secs()).expect("a number") + span
}

/// How long the copies of a key live yet, on both servers.
fn lives(servers: &[Memcached]) -> Vec<i64> {
    let ask = |server: &Memcached| server.ask("mg k t\r\nmn\r\n", "MN").expect("an answer");
    let left = |found: Vec<String>| found[0].strip_prefix("HD t")?.trim().parse().ok();
    servers.iter().map(|server| left(ask(server)).unwrap_or(0)).collect()
}

/// Stores and appends with a fresh client, with a table and without.
fn after(max_ttl: Option<i64>, exptime: i64) -> Vec<i64> {
    let servers: Vec<_> = (0..2).map(|_| Memcached::start()).collect();
    let max_ttl = max_ttl.map(|seconds| Duration::from_secs(seconds as u64));
    let pool = pool(&servers, Options { max_ttl, ..options() });
    let daemon = Daemon::of(&pool, &servers);
    let clients = [Client::open(Arc::new(pool.clone())), daemon.client(&pool)];
    let mut all = Vec::new();
    for mut client in clients {
        assert_eq!(client.run(&mut Write::new(b"k", 0, exptime, b"v")), Outcome::Stored);
        all.extend(lives(&servers));
        let mut append = Conditional::new(Verb::Append, b"k", 0, 0, b"w");
        assert_eq!(client.run(&mut append), Outcome::Stored);
        all.extend(lives(&servers));
    }
    assert_eq!(all.len(), 8);
    all
}

#[test]
fn a_value_lives_as_long_as_it_is_to_and_so_do_both_copies() {
    // A server's own clock is a second behind.
    let within =
        |lives: &[i64], most: i64| lives.iter().all(|left| (most - HOUR / 2..=most + 2).contains(left));
    for (max_ttl, exptime, most) in [
        (Some(60 * DAY), 0, 60 * DAY),
        (Some(60 * DAY), at(90 * DAY), 60 * DAY),
        (Some(7 * DAY), at(HOUR), HOUR),
        (Some(7 * DAY), at(60 * DAY), 7 * DAY),
        (None, at(60 * DAY), 60 * DAY),
    ] {
        let lives = after(max_ttl, exptime);
        assert!(within(&lives, most), "max_ttl {max_ttl:?}, exptime {exptime}: {lives:?} and not {most}");
    }
}
