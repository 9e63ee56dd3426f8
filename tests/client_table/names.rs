//! Servers that are named by a host's name. The resolver is the test's: what two names stand for, it says.

use std::ffi::{CStr, c_char, c_int};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use memcache::client::Client;
use memcache::rules::hash::KeyHash;
use memcache::rules::operation::Outcome;
use memcache::rules::pool::{Options, Pool, Server, ServerId, pair_up};
use memcache::rules::view::State;
use memcache::table::Notice;
use memcache::table::stripes::word::Word;

use crate::daemon::{self, Daemon, get, key, life, options, set};
use crate::doubts::overrun;
use crate::support::server::Memcached;
use crate::support::wait;
use crate::turns::stripe;

const IT: ServerId = ServerId(0);

/// Whether the names stand for the servers by now: before, two stand for nothing, and one for where nobody listens.
static LATE: AtomicBool = AtomicBool::new(false);
static LATER: AtomicBool = AtomicBool::new(false);
static MOVED: AtomicBool = AtomicBool::new(false);

/// A name for which the resolver takes [`SLOWLY`] from some time on, and how often it did.
static SLOW: AtomicBool = AtomicBool::new(false);
static SLOW_LOOKUPS: AtomicUsize = AtomicUsize::new(0);
const SLOWLY: Duration = Duration::from_secs(1);

/// A third one stands for nothing for ever. Where the other server of its pool listens, once its next lookup is to wait until that has
/// been sent something; and whether it was.
static OTHER: Mutex<Option<SocketAddr>> = Mutex::new(None);
static WAS_SENT: AtomicBool = AtomicBool::new(false);

/// The one that every lookup of this program goes through.
///
/// # Safety
/// As the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    found: *mut *mut libc::addrinfo,
) -> c_int {
    type Function = unsafe extern "C" fn(
        *const c_char,
        *const c_char,
        *const libc::addrinfo,
        *mut *mut libc::addrinfo,
    ) -> c_int;
    // SAFETY: the caller's text; the symbol is the system's function of this type.
    unsafe {
        let name = if node.is_null() { c"" } else { CStr::from_ptr(node) };
        let node = match name.to_bytes() {
            b"never.test" => {
                look_at_the_other();
                return libc::EAI_NONAME;
            }
            b"slow.test" => {
                if SLOW.load(SeqCst) {
                    // It is a resolver that waits for an answer of others.
                    std::thread::sleep(SLOWLY);
                    SLOW_LOOKUPS.fetch_add(1, SeqCst);
                }
                c"127.0.0.9".as_ptr()
            }
            b"nowhere.test" => return libc::EAI_AGAIN,
            b"late.test" if !LATE.load(SeqCst) => return libc::EAI_AGAIN,
            b"later.test" if !LATER.load(SeqCst) => return libc::EAI_NONAME,
            b"moved.test" if !MOVED.load(SeqCst) => c"127.0.0.9".as_ptr(),
            b"late.test" | b"later.test" | b"moved.test" => c"127.0.0.1".as_ptr(),
            _ => node,
        };
        let systems = libc::dlsym(libc::RTLD_NEXT, c"getaddrinfo".as_ptr());
        std::mem::transmute::<*mut libc::c_void, Function>(systems)(node, service, hints, found)
    }
}

/// Waits for a second at most.
fn look_at_the_other() {
    let Some(other) = OTHER.lock().unwrap().take() else { return };
    let mut stream = TcpStream::connect(other).expect("it listens");
    let until = Instant::now() + Duration::from_secs(1);
    while !WAS_SENT.load(SeqCst) && Instant::now() < until {
        stream.write_all(b"get key\r\n").expect("it reads");
        let mut found = [0; 512];
        let length = stream.read(&mut found).expect("it answers");
        WAS_SENT.store(found[..length].starts_with(b"VALUE"), SeqCst);
    }
}

fn entry(address: String) -> Server {
    Server { address: address.parse().unwrap(), name: address, weight: 1, backup: None }
}

/// A pool of its own with one server, which is known by this name.
fn pool(name: &str, pool: &str, server: &Memcached) -> Pool {
    let server = entry(format!("{name}:{}", server.port()));
    // It is found in a few seconds; if its first lookup took long, in fifty times as many.
    let timeout = Duration::from_secs(60);
    Pool::new(pool, Options { backups: false, timeout, ..options() }, vec![server])
}

/// What the table calls steady is waited for, in one call, until its name leads to it. What the daemon heard of it.
fn is_found_within_a_call(name: &str, there: &AtomicBool) -> Vec<Notice> {
    let server = Memcached::start();
    let pool = pool(name, "names in a table", &server);
    let daemon = Daemon::of(&pool, std::slice::from_ref(&server));
    let mut client = daemon.client(&pool);
    assert_eq!(client.view().state(IT), State::Steady, "the table says so");
    // What was found when the client was opened leads nowhere.
    there.store(true, SeqCst);
    assert_eq!(set(&mut client, b"key", b"value"), Outcome::Stored);
    assert_eq!(get(&mut client, b"key"), Ok(b"value".to_vec()));
    daemon.heard()
}

#[test]
fn a_name_that_had_no_address_is_looked_up_again() {
    let said = is_found_within_a_call("late.test", &LATE);
    assert_eq!(said, [], "that there was no address was never said of the server");
}

#[test]
fn a_name_that_has_another_address_by_now_is_looked_up_again() {
    let said = is_found_within_a_call("moved.test", &MOVED);
    assert!(matches!(said[..], [Notice::Failed(_), ..]), "one that refuses is told of: {said:?}");
}

/// A resolver that is waited for must not keep commands back which go out after the call's time.
#[test]
fn all_that_is_to_be_sent_is_sent_before_a_name_is_looked_up() {
    let server = Memcached::start();
    let mut servers = vec![entry("never.test:1".into()), entry(server.address())];
    pair_up(&mut servers);
    let pool = Pool::new("names by pairs", Options { timeout: Duration::from_secs(2), ..options() }, servers);
    let daemon = Daemon::of_lives(&pool, [None, Some(life(&server))].into_iter());
    let began = Instant::now();
    let mut client = daemon.client(&pool);
    assert_eq!(
        get(&mut client, &key(&pool, ServerId(1))),
        Err(Outcome::Miss),
        "there is a connection to the other"
    );
    // It may not be looked up again before that: two seconds, or fifty times as long as it took.
    let opened = Instant::now();
    let pause = Duration::from_secs(2).max((opened - began) * 50);
    wait::within(2 * pause, || (opened.elapsed() > pause).then_some(())).expect("time goes on");
    *OTHER.lock().unwrap() = Some(server.address().parse().unwrap());
    assert_eq!(set(&mut client, b"key", b"value"), Outcome::Timeout);
    assert!(OTHER.lock().unwrap().is_none(), "it was looked up");
    assert!(WAS_SENT.load(SeqCst), "and the copy was on its way");
}

/// How long a resolver takes belongs to nobody's call, and to no server's patience.
#[test]
fn what_a_resolver_takes_is_held_against_no_server() {
    let server = Memcached::start();
    let servers = vec![entry("slow.test:1".into()), entry(server.address())];
    let brief = Options { backups: false, timeout: Duration::from_millis(700), ..options() };
    let pool = Pool::new("slow names", brief, servers);
    let mut client = Client::open(Arc::new(pool.clone()));
    let keys = [IT, ServerId(1)].map(|id| key(&pool, id));
    let _ = get(&mut client, &keys[0]);
    assert_eq!(client.view().state(IT), State::Down, "nobody listens there");
    SLOW.store(true, SeqCst);
    wait::until("it is looked up again", || {
        // Several questions and answers, so that there is a pause between them.
        client.disconnect(ServerId(1));
        assert_eq!(get(&mut client, &keys[1]), Err(Outcome::Miss));
        assert_eq!(client.view().state(ServerId(1)), State::Steady);
        (SLOW_LOOKUPS.load(SeqCst) > 0).then_some(())
    });
}

/// What a process finds by itself is told to all others while nobody attends the table; that it has no address is not.
#[test]
fn a_name_that_has_no_address_makes_no_server_fall_while_nobody_attends_the_table() {
    let servers: Vec<Memcached> = (0..2).map(|_| Memcached::start()).collect();
    let listed = daemon::pool(&servers, options());
    let mut list = listed.servers().to_vec();
    list[0].address = format!("nowhere.test:{}", servers[0].port()).parse().unwrap();
    let pool = Pool::new(listed.name.clone(), listed.options.clone(), list);
    let daemon = Daemon::of(&pool, &servers);
    daemon.resign();
    let mut client = daemon.client(&pool);
    assert!(client.unresolved(IT).is_some());
    assert_eq!(set(&mut client, &daemon::key(&pool, IT), b"value"), Outcome::Unavailable);
    assert_eq!(
        (client.view().state(IT), daemon.epoch(IT)),
        (State::Steady, 2),
        "others may have its address"
    );
    assert_eq!(set(&mut client, &daemon::key(&pool, ServerId(1)), b"value"), Outcome::Unavailable);
}

#[test]
fn without_a_table_too() {
    let server = Memcached::start();
    let mut client = Client::open(Arc::new(pool("later.test", "names without a table", &server)));
    assert!(client.unresolved(IT).is_some() && client.view().state(IT) == State::Down);
    LATER.store(true, SeqCst);
    // Trials of a server that stays away follow each other ever more slowly, and the name is looked up after one, if it may be again.
    let stored = || (set(&mut client, b"key", b"value") == Outcome::Stored).then_some(());
    wait::within(3 * wait::PATIENCE, stored).expect("a value is stored");
    assert_eq!(get(&mut client, b"key"), Ok(b"value".to_vec()));
}

/// Who takes a stripe over asks every server what it has read. One that he does not find has not refused to say so.
#[test]
fn a_name_that_has_no_address_makes_no_server_doubtful() {
    let servers: Vec<Memcached> = (0..4).map(|_| Memcached::start()).collect();
    let brief = Options { timeout: Duration::from_millis(800), ..options() };
    let listed = daemon::pool(&servers, brief);
    let mut list = listed.servers().to_vec();
    list[3].address = format!("nowhere.test:{}", servers[3].port()).parse().unwrap();
    let pool = Pool::new(listed.name.clone(), listed.options.clone(), list);
    let daemon = Daemon::of(&pool, &servers);
    let mut client = daemon.client(&pool);
    let key = daemon::key(&pool, IT);
    let hash = KeyHash::of(&key).value();
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored, "on the first two");

    overrun(&daemon, &key);
    assert_eq!(set(&mut client, &key, b"new"), Outcome::Timeout);
    let epochs = [0, 1, 2, 3].map(|number| daemon.epoch(ServerId(number)));
    assert_eq!(epochs, [2; 4], "nobody is to blame");
    assert_ne!(stripe(&daemon, hash), Word::FREE, "nothing is proved either");
    assert_eq!(get(&mut client, &key), Ok(b"old".to_vec()), "nothing was sent");
}
