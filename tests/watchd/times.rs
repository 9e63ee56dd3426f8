//! How long it takes from a server's death to the word of it in the table: measured and printed.

use std::time::{Duration, Instant};

use memcache::rules::view::State;
use memcache::table::{Reader, Snapshot, Trust};

use crate::daemon::{Files, Watchd};
use crate::support::server::Memcached;

/// Looks without a pause until the server is in that state: as a client does that waits for it.
fn spent(files: &Files, state: State, since: Instant) -> Duration {
    let mut reader = Reader::open(&files.table, Trust::default()).expect("a table");
    let mut snapshot = Snapshot::default();
    while snapshot.current.servers.first().is_none_or(|entry| entry.state != state) {
        let _ = reader.snapshot(&mut snapshot);
        assert!(since.elapsed() < crate::support::wait::PATIENCE, "never {state:?}");
        std::thread::yield_now();
    }
    since.elapsed()
}

#[test]
fn a_death_is_published_soon() {
    let (mut refused, mut hung) = (Vec::new(), Vec::new());
    let mut server = Memcached::without_lists();
    let files = Files::new(&[server.address()], "interval = \"500ms\"");
    let _watchd = Watchd::start(&files);
    files.wait_until_met(1);
    for _ in 0..10 {
        server.kill();
        let died = Instant::now(); // from here on at the latest a connection is refused
        refused.push(spent(&files, State::Down, died));
        server.restart();
        files.wait_for(0, State::Returned);
    }
    for _ in 0..3 {
        let died = Instant::now();
        server.hang();
        hung.push(spent(&files, State::Down, died));
        server.wake();
        files.wait_for(0, State::Returned);
    }
    refused.sort();
    hung.sort();
    println!("refuses connections, until it is published: {refused:?}");
    println!("hung (500 ms interval, 2 x 100 ms deadline), until it is published: {hung:?}");
    assert_eq!((refused.len(), hung.len()), (10, 3));
}
