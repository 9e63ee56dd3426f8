//! An answer is worth what its server is worth when it comes, and a connection ends with the life of its server.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use memcache::client::Client;
use memcache::rules::operation::{Conditional, Outcome};
use memcache::rules::pool::{Options, Pool, Server, ServerId};
use memcache::rules::view::State;
use memcache::rules::wire::Verb;

use crate::daemon::{Daemon, get, key, life, options, pool, server, set, token};
use crate::fake::{Fake, Shelf};
use crate::support::server::Memcached;
use crate::support::wait;

const FIRST: ServerId = ServerId(0);

/// A server that tells of the first get it is asked, and answers "miss" when it is told to.
struct Held {
    /// Before the fake, which ends when nobody can tell it anything any more.
    go: Sender<()>,
    asked: Receiver<()>,
    fake: Fake,
}

/// The connections that it breaks behind the one whose get it holds, and then it is a memcached.
fn held(breaks: usize) -> Held {
    let ((asks, asked), (go, goes)) = (channel(), channel());
    let (goes, sessions) = (Mutex::new(goes), AtomicUsize::new(0));
    let shelf = Shelf::plain(7);
    let fake = Fake::start(move |session| {
        let number = sessions.fetch_add(1, Ordering::SeqCst);
        if number == 0 {
            session.greet(7, false)?;
            assert!(session.line()?.starts_with("get"));
            asks.send(()).ok()?;
            goes.lock().unwrap().recv().ok()?;
            session.say("END\r\n");
        } else if number > breaks {
            return shelf.play(session);
        }
        None
    });
    Held { fake, asked, go }
}

/// The held server, and its backup, which has a value for the key.
fn doubled(held: &Held, options: Options) -> (Vec<Memcached>, Pool, Vec<u8>) {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let name = held.fake.address.to_string();
    let first = Server { name, address: held.fake.address.clone(), weight: 1, backup: Some(ServerId(1)) };
    let mut list = vec![first];
    list.extend(servers.iter().map(server));
    list[1].backup = Some(FIRST);
    let named = pool(&[], options.clone()).name;
    let pool = Pool::new(named, options, list);
    let key = key(&pool, FIRST);
    let store = format!("set {} 0 0 3\r\nold\r\n", String::from_utf8_lossy(&key));
    assert_eq!(servers[0].ask(&store, "STORED").expect("it answers"), ["STORED"]);
    (servers, pool, key)
}

#[test]
fn a_miss_of_a_server_that_fell_and_is_back_is_no_miss() {
    let held = held(0);
    let (servers, pool, key) = doubled(&held, options());
    let lives = std::iter::once(None).chain(servers.iter().map(|server| Some(life(server))));
    let daemon = Daemon::of_lives(&pool, lives);
    let mut client = daemon.client(&pool);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| get(&mut client, &key));
        held.asked.recv_timeout(Duration::from_secs(10)).expect("the get");
        daemon.bring_back(FIRST);
        held.go.send(()).expect("it waits");
        assert_eq!(reader.join().unwrap(), Ok(b"old".to_vec()));
    });
    drop(client);
}

#[test]
fn nor_is_it_when_another_thread_found_that_out_and_there_is_no_table() {
    let held = held(2);
    let (_servers, pool, key) = doubled(&held, options());
    let mut client = Client::open(Arc::new(pool.clone()));
    // The same servers, for one who loses patience soon.
    let hasty = Options { connect_timeout: Duration::from_millis(200), ..options() };
    let hasty = Pool::new(pool.name.clone(), hasty, pool.servers().to_vec());
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| get(&mut client, &key));
        held.asked.recv_timeout(Duration::from_secs(10)).expect("the get");
        let mut other = Client::open(Arc::new(hasty));
        wait::until("the fall", || {
            assert_eq!(get(&mut other, &key), Ok(b"old".to_vec()));
            (other.view().state(FIRST) == State::Down).then_some(())
        });
        assert_eq!(set(&mut other, &key, b"new"), Outcome::Stored);
        wait::until("the return", || {
            assert_eq!(get(&mut other, &key), Ok(b"new".to_vec()));
            other.view().live(FIRST).then_some(())
        });
        held.go.send(()).expect("it waits");
        assert_eq!(reader.join().unwrap(), Ok(b"new".to_vec()));
    });
    drop(client);
}

fn swap(client: &mut Client, key: &[u8], value: &[u8], at: u64) -> Outcome {
    client.run(&mut Conditional::new(Verb::Cas(at), key, 0, 0, value))
}

#[test]
fn a_connection_and_a_cas_token_end_with_the_epoch() {
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = key(&pool, FIRST);
    assert_eq!(set(&mut client, &key, b"v"), Outcome::Stored);
    let connections = || servers[0].stat("total_connections").expect("it answers");
    let at = token(&mut client, &key).expect("it is there");
    assert_eq!(swap(&mut client, &key, b"w", at), Outcome::Stored);
    let at = token(&mut client, &key).expect("it is there");
    let before = connections();
    assert_eq!(get(&mut client, &key), Ok(b"w".to_vec()));
    assert_eq!(connections(), before + 1, "only the test's own question");

    daemon.bring_back(FIRST);
    assert_eq!(get(&mut client, &key), Ok(b"w".to_vec()));
    assert_eq!(connections(), before + 3, "a new one");
    assert_eq!(swap(&mut client, &key, b"x", at), Outcome::Exists);
    let at = token(&mut client, &key).expect("it is there");
    // Who judges by himself calls the life by the same name.
    daemon.resign();
    let before = connections();
    assert_eq!(swap(&mut client, &key, b"x", at), Outcome::Stored);
    assert_eq!(connections(), before + 1);
    assert_eq!(get(&mut client, &key), Ok(b"x".to_vec()));
}
