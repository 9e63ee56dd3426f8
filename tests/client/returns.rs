//! Servers that come back.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use memcache::client::Client;
use memcache::rules::operation::Failure;
use memcache::rules::pool::{Options, ServerId};
use memcache::rules::view::State;

use crate::fake::{Closed, Fake, Shelf};
use crate::question::{Got, ask, client, get, pool, reply, set, unhurried, value};

const LOST: ServerId = ServerId(0);

/// Trials follow each other quickly, but nothing times out.
fn eager() -> Options {
    Options { connect_timeout: Duration::from_millis(200), timeout: Duration::from_secs(30), ..unhurried() }
}

fn shelf(pid: u32) -> (Fake, Shelf) {
    let shelf = Shelf::of(pid);
    let plays = shelf.clone();
    (Fake::start(move |session| plays.play(session)), shelf)
}

/// Asks server 1 until server 0 is live again.
fn call_until_back(client: &mut Client) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !client.view().live(LOST) {
        assert!(Instant::now() < limit, "it never came back");
        assert_eq!(ask(client, 1, get("other")), reply("Miss"));
    }
}

#[test]
fn a_trial_rides_along_until_the_server_is_back() {
    let (other, _) = shelf(1);
    let closed = Closed::new();
    // Three servers: one of them down is no isolation.
    let (third, _) = shelf(3);
    let mut client = client(eager(), [&closed.address, &other.address, &third.address]);
    assert_eq!(ask(&mut client, 0, get("k")), Got::Failed(Failure::Unsent));
    assert_eq!(client.view().state(LOST), State::Down);
    assert_eq!(ask(&mut client, 1, get("other")), reply("Miss"));

    let shelf = Shelf::of(2);
    let plays = shelf.clone();
    let back = closed.open(move |session| plays.play(session));
    call_until_back(&mut client);
    assert_eq!(client.view().state(LOST), State::Steady, "it missed nothing");
    assert_eq!(shelf.flushes.load(Ordering::SeqCst), 0);
    assert_eq!(ask(&mut client, 0, set("k", b"v")), reply("Stored"));
    assert_eq!(ask(&mut client, 0, get("k")), value("v"));
    drop(client);
    drop(back);
}

#[test]
fn a_server_that_missed_a_write_comes_back_empty() {
    let (other, _) = shelf(1);
    let (third, _) = shelf(3);
    let closed = Closed::new();
    let mut client = client(eager(), [&closed.address, &other.address, &third.address]);
    assert_eq!(ask(&mut client, 0, get("k")), Got::Failed(Failure::Unsent));
    assert_eq!(ask(&mut client, 1, set("k", b"new")), reply("Stored"));

    let shelf = Shelf::of(2);
    let plays = shelf.clone();
    let back = closed.open(move |session| plays.play(session));
    call_until_back(&mut client);
    assert_eq!(client.view().state(LOST), State::Returned);
    assert_eq!(shelf.flushes.load(Ordering::SeqCst), 1);
    drop(client);
    drop(back);
}

#[test]
fn a_trial_is_given_back_with_its_client() {
    let (other, _) = shelf(1);
    let closed = Closed::new();
    let pool = pool(eager(), [&closed.address, &other.address]);
    let mut first = Client::open(pool.clone());
    assert_eq!(ask(&mut first, 0, get("k")), Got::Failed(Failure::Unsent));
    let shelf = Shelf::of(2);
    let back = closed.open(move |session| shelf.play(session));
    // A client for every call, as some programs do.
    let limit = Instant::now() + Duration::from_secs(60);
    let mut client = first;
    while !client.view().live(LOST) && Instant::now() < limit {
        assert_eq!(ask(&mut client, 1, get("other")), reply("Miss"));
        assert_eq!(ask(&mut client, 1, get("other")), reply("Miss"));
    }
    assert!(client.view().live(LOST));
    drop(client);
    drop(back);
}

#[test]
fn clients_of_one_call_each_finish_a_trial_together() {
    let (other, _) = shelf(1);
    let (third, _) = shelf(3);
    let closed = Closed::new();
    let pool = pool(eager(), [&closed.address, &other.address, &third.address]);
    let mut first = Client::open(pool.clone());
    assert_eq!(ask(&mut first, 0, get("k")), Got::Failed(Failure::Unsent));
    assert_eq!(ask(&mut first, 1, set("k", b"new")), reply("Stored"));
    drop(first);
    let shelf = Shelf::of(2);
    let plays = shelf.clone();
    let back = closed.open(move |session| plays.play(session));
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let mut client = Client::open(pool.clone());
        if client.view().live(LOST) {
            break;
        }
        assert!(Instant::now() < limit, "it never came back");
        assert_eq!(ask(&mut client, 1, get("other")), reply("Miss"));
    }
    assert_eq!(shelf.flushes.load(Ordering::SeqCst), 1);
    drop(back);
}

#[test]
fn a_server_held_down_is_left_alone_and_comes_back_empty() {
    let (held, held_shelf) = shelf(2);
    let (other, _) = shelf(1);
    let (third, _) = shelf(3);
    let pool = pool(eager(), [&held.address, &other.address, &third.address]);
    let mut client = Client::open(pool.clone());
    let mut bystander = Client::open(pool);
    assert_eq!(ask(&mut client, 0, set("k", b"old")), reply("Stored"));
    client.hold(LOST, true);
    assert!(!client.view().live(LOST) && bystander.view().live(LOST), "that client's view only");
    assert_eq!(ask(&mut client, 1, get("k")), reply("Miss"));
    client.hold(LOST, false);
    assert_eq!(client.view().state(LOST), State::Steady, "no write passed it by");
    assert_eq!(ask(&mut client, 0, get("k")), value("old"));

    client.hold(LOST, true);
    let met = held.met.load(Ordering::SeqCst);
    assert_eq!(ask(&mut client, 1, set("k", b"new")), reply("Stored"));
    for _ in 0..100 {
        assert_eq!(ask(&mut client, 1, get("k")), value("new"));
    }
    assert_eq!(held.met.load(Ordering::SeqCst), met, "no trial is begun");
    client.hold(LOST, false);
    assert!(!client.view().live(LOST) && !bystander.view().live(LOST), "what it holds is old");
    call_until_back(&mut client);
    assert_eq!(bystander.view().state(LOST), State::Returned);
    assert_eq!(held_shelf.flushes.load(Ordering::SeqCst), 1);
    assert_eq!(ask(&mut client, 0, get("k")), reply("Miss"), "nothing old");

    client.hold(LOST, true);
    assert_eq!(ask(&mut client, 1, set("k", b"newer")), reply("Stored"));
    drop(client);
    assert!(!bystander.view().live(LOST), "the end of a client releases what it held");
    drop(bystander);
}

#[test]
fn a_younger_process_is_noticed_before_anything_is_sent_to_it() {
    let fake = Fake::start(|session| {
        session.greet(10 + session.nth as u32, true)?;
        let line = session.line()?;
        assert_ne!(line, "get planned for the old process");
        session.say("END\r\n");
        session.line().and(None)
    });
    let mut client = client(unhurried(), [&fake.address]);
    assert_eq!(ask(&mut client, 0, get("k")), reply("Miss"));
    assert_eq!(client.view().state(LOST), State::Steady);
    let first = client.view().server(LOST).incarnation;
    assert_eq!(ask(&mut client, 0, get("k")), Got::Failed(Failure::Unanswered));
    assert_eq!(ask(&mut client, 0, get("planned")), Got::Failed(Failure::Unsent));
    assert_eq!(client.view().state(LOST), State::Returned);
    assert_ne!(client.view().server(LOST).incarnation, first);
    assert_eq!(ask(&mut client, 0, get("k")), reply("Miss"), "planned anew, it is asked");
    assert_eq!(fake.met.load(Ordering::SeqCst), 2);
}
