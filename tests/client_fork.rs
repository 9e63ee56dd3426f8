//! A forked child leaves its parent's connections alone, and knows what its parent knew. Real forks, of
//! a program with several threads; a program of its own, because a child has the threads of nobody.

#[allow(dead_code, reason = "the other tests of the client use the rest")]
#[path = "client/fake.rs"]
mod fake;
#[allow(dead_code, reason = "the other tests of the client use the rest")]
#[path = "client/question.rs"]
mod question;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use fake::{Closed, Fake, Shelf};
use memcache::client::Client;
use memcache::rules::operation::Failure;
use memcache::rules::pool::{Options, ServerId};
use memcache::rules::view::State;
use question::{Got, ask, client, get, pool, reply, set, unhurried, value};

const FIRST: ServerId = ServerId(0);

/// One test at a time: a child has the sockets of every test that is under way.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `child` in a forked child; whether it ended without a panic. A child that hangs (on a lock of a
/// thread that it does not have, say) is ended by its alarm.
fn child_succeeds(child: impl FnOnce()) -> bool {
    // SAFETY: the child ends without running anything of the parent's.
    unsafe {
        let pid = libc::fork();
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        if pid == 0 {
            libc::alarm(60);
            // The harness's own printing may wait for a lock of a thread that is not here.
            std::panic::set_hook(Box::new(|why| drop(std::fs::write("/proc/self/fd/2", format!("{why}\n")))));
            let went = catch_unwind(AssertUnwindSafe(child));
            libc::_exit(i32::from(went.is_err()));
        }
        let mut status = 0;
        while libc::waitpid(pid, &raw mut status, 0) < 0 {}
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

/// Another descriptor of a client's socket, as a child of fork has one.
fn kept(client: &mut Client, server: ServerId) -> OwnedFd {
    let fd = client.fd(server).expect("a connection");
    // SAFETY: the client's connection is open, so the descriptor is.
    unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned().expect("one more descriptor")
}

#[test]
fn a_child_makes_its_own_connection_and_resets_none() {
    let _alone = alone();
    let (ended, endings) = mpsc::channel();
    let fake = Fake::start(move |session| {
        session.greet(1, true)?;
        while session.line().is_some_and(|line| line == "get k") {
            session.say(format!("VALUE k 0 1\r\n{}\r\nEND\r\n", session.nth));
        }
        ended.send(session.nth).ok()
    });
    let mut client = client(unhurried(), [&fake.address]);
    assert_eq!(ask(&mut client, 0, get("k")), value("0"));
    let parents = kept(&mut client, FIRST);
    assert!(child_succeeds(|| {
        assert_eq!(ask(&mut client, 0, get("k")), value("1"), "over a connection of its own");
        assert_eq!(ask(&mut client, 0, get("k")), value("1"));
        assert!(child_succeeds(|| assert_eq!(ask(&mut client, 0, get("k")), value("2"))));
        assert_eq!(ask(&mut client, 0, get("k")), value("1"));
        client.set_timeouts(Duration::from_secs(7), Duration::from_secs(7));
        assert_eq!(ask(&mut client, 0, get("k")), value("1"));
    }));
    assert_eq!(fake.met.load(Ordering::SeqCst), 3);
    // Whose thread of the fake server wakes first is chance.
    let mut ended = [endings.recv().unwrap(), endings.recv().unwrap()];
    ended.sort_unstable();
    assert_eq!(ended, [1, 2]);
    let patience = rustix::net::sockopt::socket_timeout(&parents, rustix::net::sockopt::Timeout::Recv);
    assert_ne!(patience, Ok(Some(Duration::from_secs(7))), "a child's timeouts are its own");
    drop(parents);
    assert_eq!(ask(&mut client, 0, get("k")), value("0"), "and the parent goes on over it");
    drop(client);
    assert_eq!(endings.recv(), Ok(0));
}

#[test]
fn a_child_that_only_frees_its_client_disturbs_nobody() {
    let _alone = alone();
    let fake = Fake::start(move |session| {
        session.greet(1, true)?;
        while session.line().is_some_and(|line| line == "get k") {
            session.say(format!("VALUE k 0 1\r\n{}\r\nEND\r\n", session.nth));
        }
        None
    });
    let mut client = Some(client(unhurried(), [&fake.address]));
    assert_eq!(ask(client.as_mut().unwrap(), 0, get("k")), value("0"));
    assert!(child_succeeds(|| drop(client.take())));
    assert_eq!(ask(client.as_mut().unwrap(), 0, get("k")), value("0"));
    assert_eq!(fake.met.load(Ordering::SeqCst), 1);
    drop(client);
}

/// Rule 17: what was not sent yet when a call was given up dies, whoever has the socket too.
#[test]
fn a_given_up_connection_ends_even_while_a_child_keeps_it() {
    let _alone = alone();
    let (go, given_up) = mpsc::channel::<()>();
    let given_up = Mutex::new(given_up);
    let (tell, ends) = mpsc::channel();
    let fake = Fake::start(move |session| {
        session.greet(1, true)?;
        assert_eq!(session.line()?, "get k");
        session.say("END\r\n");
        given_up.lock().unwrap().recv().ok()?;
        // Reads on when the client has given up. While the socket lives this would wait for ever.
        let mut read = 0;
        while let Some(block) = session.block(1 << 16) {
            read += block.len();
        }
        tell.send(read).ok()
    });
    let options = Options { timeout: Duration::from_millis(500), ..unhurried() };
    let mut client = client(options, [&fake.address]);
    assert_eq!(ask(&mut client, 0, get("k")), reply("Miss"));
    let childs = kept(&mut client, FIRST);
    let value = vec![b'x'; 64 << 20];
    let got = ask(&mut client, 0, set("k", &value));
    go.send(()).unwrap();
    assert_eq!(got, Got::Failed(Failure::Unanswered));
    let read = ends.recv_timeout(Duration::from_secs(60)).expect("the server sees the end of it");
    assert!(read < value.len(), "all of {read} bytes arrived after all");
    drop(childs);
    drop(client);
}

/// Down, with a write that went elsewhere.
fn down_and_missed(options: Options) -> (Client, Closed, [(Fake, Shelf); 2]) {
    let shelf = |pid| {
        let shelf = Shelf::of(pid);
        let plays = shelf.clone();
        (Fake::start(move |session| plays.play(session)), shelf)
    };
    let others = [shelf(1), shelf(3)];
    let closed = Closed::new();
    let mut client = client(options, [&closed.address, &others[0].0.address, &others[1].0.address]);
    assert_eq!(ask(&mut client, 0, get("k")), Got::Failed(Failure::Unsent));
    assert_eq!(ask(&mut client, 1, set("k", b"new")), reply("Stored"));
    (client, closed, others)
}

fn eager() -> Options {
    Options { connect_timeout: Duration::from_millis(200), timeout: Duration::from_secs(30), ..unhurried() }
}

#[test]
fn a_child_empties_a_server_that_missed_its_parents_writes() {
    let _alone = alone();
    let (mut client, closed, others) = down_and_missed(eager());
    let shelf = Shelf::of(2);
    let plays = shelf.clone();
    let back = closed.open(move |session| plays.play(session));
    assert!(child_succeeds(|| {
        assert_eq!(client.view().state(FIRST), State::Down, "its parent knew");
        let mut fresh = Client::open(Arc::clone(client.pool()));
        assert_eq!(fresh.view().state(FIRST), State::Down, "so do the child's own clients");
        drop(fresh);
        let limit = Instant::now() + Duration::from_secs(50);
        while !client.view().live(FIRST) {
            assert!(Instant::now() < limit, "it never came back");
            assert_eq!(ask(&mut client, 1, get("other")), reply("Miss"));
        }
        assert_eq!(client.view().state(FIRST), State::Returned);
    }));
    assert_eq!(shelf.flushes.load(Ordering::SeqCst), 1);
    assert_eq!(client.view().state(FIRST), State::Down, "what a child learns its parent is not told");
    drop(client);
    drop(back);
    drop(others);
}

/// Threads that open clients and change what is known, as fast as they can, while children are forked.
#[test]
fn a_child_waits_for_no_lock_of_its_parents_threads() {
    let _alone = alone();
    let (client, closed, others) = down_and_missed(eager());
    let client = std::cell::RefCell::new(client);
    let addresses = [&closed.address, &others[0].0.address, &others[1].0.address];
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for name in ["x", "y", "z"] {
            let (over, addresses) = (&over, addresses);
            scope.spawn(move || {
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    let unix = format!("/nowhere/{name}{}", count % 64);
                    let fresh = memcache::rules::address::Address::Unix(unix);
                    let mut client = Client::open(pool(eager(), [&fresh, addresses[1], addresses[2]]));
                    assert_eq!(ask(&mut client, 0, get("k")), Got::Failed(Failure::Unsent));
                    client.hold(ServerId(1), true);
                    client.hold(ServerId(1), false);
                    count += 1;
                }
            });
        }
        let ends = (0..100).map(|_| {
            child_succeeds(|| {
                let mut client = client.borrow_mut();
                assert_eq!(client.view().state(FIRST), State::Down);
                assert_eq!(ask(&mut client, 1, set("k", b"newer")), reply("Stored"));
                let mut fresh = Client::open(Arc::clone(client.pool()));
                assert_eq!(fresh.view().state(FIRST), State::Down);
                assert_eq!(ask(&mut fresh, 1, get("k")), value("newer"));
            })
        });
        let failed = ends.filter(|went_well| !went_well).count();
        over.store(true, Ordering::Relaxed);
        assert_eq!(failed, 0, "children of 100");
    });
    drop(client);
    drop(closed);
    drop(others);
}
