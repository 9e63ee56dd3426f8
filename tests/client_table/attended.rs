//! With an attended table only the table diverts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memcache::client::Client;
use memcache::rules::operation::Outcome;
use memcache::rules::pool::{Options, ServerId};
use memcache::rules::view::State;
use memcache::table::{Attendance, Notice};

use crate::daemon::{Daemon, get, key, life, options, pool, set};
use crate::support::server::Memcached;

const FIRST: ServerId = ServerId(0);
const SECOND: ServerId = ServerId(1);

fn servers(count: usize) -> Vec<Memcached> {
    (0..count).map(|_| Memcached::start()).collect()
}

/// What a server itself holds under a key.
fn held(server: &Memcached, key: &[u8]) -> Vec<String> {
    let key = String::from_utf8_lossy(key);
    server.ask(&format!("get {key}\r\n"), "END").expect("it answers")
}

#[test]
fn a_dead_servers_reads_go_on_at_once_and_its_writes_wait_for_the_word() {
    let mut servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    assert_eq!(client.attendance(), Some(Attendance::Attended));
    let key = key(&pool, FIRST);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    servers[0].kill();

    assert_eq!(get(&mut client, &key), Ok(b"old".to_vec()), "from the backup");
    let address = pool.server(FIRST).address.clone();
    let heard = daemon.heard();
    assert!(
        !heard.is_empty() && heard.iter().all(|news| *news == Notice::Failed(address.clone())),
        "{heard:?}"
    );
    let seen = client.view().server(FIRST);
    assert!(seen.unreachable && seen.state == State::Steady, "the state is the table's: {seen:?}");
    let mut other = daemon.client(&pool);
    assert!(other.view().server(FIRST).unreachable, "every client of the process knows");
    assert_eq!(get(&mut other, &key), Ok(b"old".to_vec()));
    assert_eq!(other.fd(FIRST), None, "and does not try it for nothing");

    let asked = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let outcome = set(&mut client, &key, b"new");
            (outcome, asked.load(Ordering::SeqCst))
        });
        // The backup has the value as soon as the write is under way; home's word is awaited.
        let backup = &servers[1];
        crate::support::wait::until("the write's first half", || {
            held(backup, &key).contains(&"new".to_owned()).then_some(())
        });
        assert!(!writer.is_finished(), "it waits");
        asked.store(true, Ordering::SeqCst);
        daemon.turn(FIRST, State::Down);
        assert_eq!(writer.join().unwrap(), (Outcome::Stored, true), "not before the word");
    });
    assert_eq!(get(&mut other, &key), Ok(b"new".to_vec()));
    assert_eq!(other.view().state(FIRST), State::Down);
    assert!(!other.view().server(FIRST).unreachable);
}

#[test]
fn a_client_that_hears_of_a_death_from_the_table_never_waits() {
    let mut servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    servers[0].kill();
    daemon.turn(FIRST, State::Down);
    let mut client = daemon.client(&pool);
    assert_eq!(client.view().state(FIRST), State::Down);
    assert_eq!(set(&mut client, &key, b"v"), Outcome::Stored);
    assert_eq!(get(&mut client, &key), Ok(b"v".to_vec()));
    assert_eq!(client.fd(FIRST), None, "it was never asked");
}

/// A signal stops a process a moment after it was sent.
fn read_until_unreachable(client: &mut Client, key: &[u8]) {
    crate::support::wait::until("the server's silence", || {
        assert_eq!(get(client, key), Ok(b"old".to_vec()));
        client.view().server(FIRST).unreachable.then_some(())
    });
}

#[test]
fn a_hung_server_is_passed_by_and_waited_for() {
    let servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    servers[0].hang();
    read_until_unreachable(&mut client, &key);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"new"));
        crate::support::wait::until("the write's first half", || {
            held(&servers[1], &key).contains(&"new".to_owned()).then_some(())
        });
        assert!(!writer.is_finished());
        daemon.turn(FIRST, State::Down);
        assert_eq!(writer.join().unwrap(), Outcome::Stored);
    });
    servers[0].wake();
}

#[test]
fn a_server_that_can_be_reached_again_gets_what_waited_for_it() {
    let servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    servers[0].hang();
    read_until_unreachable(&mut client, &key);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"new"));
        crate::support::wait::until("the write's first half", || {
            held(&servers[1], &key).contains(&"new".to_owned()).then_some(())
        });
        servers[0].wake();
        assert_eq!(writer.join().unwrap(), Outcome::Stored, "the table said nothing");
    });
    assert!(held(&servers[0], &key).contains(&"new".to_owned()), "home has it");
    assert!(!client.view().server(FIRST).unreachable);
}

#[test]
fn who_waits_in_vain_is_told_timeout() {
    let mut servers = servers(4);
    let options = Options { timeout: Duration::from_millis(300), ..options() };
    let pool = pool(&servers, options);
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    servers[0].kill();
    assert_eq!(set(&mut client, &key, b"v"), Outcome::Timeout);
    assert_eq!(client.view().state(FIRST), State::Steady);
    assert_eq!(get(&mut client, &key), Ok(b"v".to_vec()), "it may have been stored, and was");
    // The only place that could have the other key cannot be asked: that is no miss.
    servers[1].kill();
    let mut keys = (0..).map(|number| format!("other-{number}").into_bytes());
    let theirs = keys.find(|key| memcache::rules::places::home(&pool, key) == Some(SECOND)).unwrap();
    assert_eq!(get(&mut client, &theirs), Err(Outcome::Timeout));
}

#[test]
fn another_life_than_the_tables_is_not_used() {
    let mut servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    servers[0].restart();
    assert_eq!(get(&mut client, &key), Ok(b"old".to_vec()), "an empty home's miss is no miss");
    assert!(client.view().server(FIRST).unreachable);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"new"));
        crate::support::wait::until("the write's first half", || {
            held(&servers[1], &key).contains(&"new".to_owned()).then_some(())
        });
        assert_eq!(held(&servers[0], &key), ["END"], "nothing is sent to it");
        let now = life(&servers[0]);
        daemon.say_nothing_but(|snapshot| snapshot.current.servers[0].incarnation = Some(now));
        daemon.bring_back(FIRST);
        assert_eq!(writer.join().unwrap(), Outcome::Stored);
    });
    assert!(held(&servers[0], &key).contains(&"new".to_owned()));
    assert_eq!(client.view().state(FIRST), State::Returned);
}

#[test]
fn a_connection_that_breaks_is_dialled_once_more() {
    let servers = servers(2);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    assert_eq!(set(&mut client, &key, b"v"), Outcome::Stored);
    let socket = client.fd(FIRST).expect("a connection");
    // SAFETY: the client's own socket, which is open; shutdown only ends what can be received.
    assert_eq!(unsafe { libc::shutdown(socket, libc::SHUT_RDWR) }, 0);
    assert_eq!(get(&mut client, &key), Ok(b"v".to_vec()));
    assert!(client.fd(FIRST).is_some(), "a new one");
    assert!(!client.view().server(FIRST).unreachable);
}
