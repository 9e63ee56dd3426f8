//! A forked child leaves its parent's connections alone. A program of its own, because the word that
//! a child gives concerns every client of a process.

#[allow(dead_code, reason = "the other tests of the client use the rest")]
#[path = "client/fake.rs"]
mod fake;
#[allow(dead_code, reason = "the other tests of the client use the rest")]
#[path = "client/question.rs"]
mod question;

use std::sync::atomic::Ordering;
use std::sync::mpsc;

use question::{ask, client, get, reply, unhurried};

#[test]
fn a_child_makes_its_own_connection_and_resets_none() {
    let (ended, endings) = mpsc::channel();
    let fake = fake::Fake::start(move |session| {
        session.greet(1, true)?;
        while session.line().is_some_and(|line| line == "get k") {
            session.say("END\r\n");
        }
        ended.send(session.nth).ok()
    });
    let mut client = client(unhurried(), [&fake.address]);
    assert_eq!(ask(&mut client, 0, get("k")), reply("Miss"));

    // The parent's socket, which a real fork would leave open.
    let id = memcache::rules::pool::ServerId(0);
    let parents = client.fd(id).unwrap();
    // SAFETY: the client's connection is open, so the descriptor is.
    let kept = unsafe { std::os::fd::BorrowedFd::borrow_raw(parents) }.try_clone_to_owned().unwrap();
    memcache::client::fork::in_child();

    assert_eq!(ask(&mut client, 0, get("k")), reply("Miss"));
    assert_eq!(fake.met.load(Ordering::SeqCst), 2, "it made its own");
    assert!(endings.try_recv().is_err(), "the parent's is still open");
    let linger = rustix::net::sockopt::socket_linger(&kept).unwrap();
    assert_eq!(linger, None, "and will not be reset when the parent closes it");
    drop(kept);
    assert_eq!(endings.recv().unwrap(), 0);
    drop(client);
}
