//! Jobs and their lines, without servers.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use rustix::fd::OwnedFd;

use super::jobs::{Jobs, MOST, NONE, State, slot_of};
use super::lines::Turn;
use super::{About, Crowd, Ended, Member};
use crate::client::registry;
use crate::client::tests::{Large, has_room, make_room, pool_of, ungreeted};
use crate::rules::address::Address;
use crate::rules::hash::KeyHash;
use crate::rules::operation::{Failure, Operation, Outcome, Tag};
use crate::rules::pool::{Options, Pool, Server, ServerId};
use crate::rules::time::Instant;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// A change that asks one server once, and waits.
struct Change {
    asked: bool,
}

impl Operation for Change {
    fn next(&mut self, _: &View) -> Option<(ServerId, Tag)> {
        (!std::mem::replace(&mut self.asked, true)).then_some((ServerId(0), 0))
    }
    fn command(&self, _: Tag) -> Command<'_> {
        Command::Noop
    }
    fn answer(&mut self, _: &View, _: Tag, _: &Reply<'_>) {}
    fn fail(&mut self, _: &View, _: Tag, _: Failure) {}
    fn outcome(&self) -> Option<Outcome> {
        None
    }
    fn hashes(&self, tell: &mut dyn FnMut(KeyHash)) {
        tell(KeyHash::of(b"k"));
    }
}

impl Member for Change {
    fn about(&self) -> About {
        About::default()
    }
}

fn view() -> View {
    View::new(Arc::new(Pool::new("jobs", Options::default(), Vec::new())))
}

/// Its time is up while a server owes it an answer: the turn is its own until everybody was told of that, and its slot until
/// what it asked is answered or lost.
#[test]
fn one_whose_time_is_up_has_its_turn_until_it_is_let_go() {
    let view = view();
    let mut jobs = Jobs::new(1);
    let slot = jobs.add(Change { asked: false }, Instant(10)).expect("there is room");
    let line = 7;
    if let Some(job) = jobs.job(slot) {
        job.line = line;
    }
    assert!(jobs.lines.enter(line, slot).is_none());
    if let Some(line) = jobs.lines.get(line) {
        line.turn = Turn::Had(None);
    }
    jobs.run(slot);
    let (_, tag) = jobs.next(&view).expect("it asks");
    jobs.now = Instant(10);
    assert_eq!(jobs.overdue(), Some(slot));

    let was = jobs.retire(slot);
    assert_eq!((was, jobs.lines.first(line)), (State::Running, slot));
    // What it asked is lost, as when the connection is reset.
    jobs.fail(&view, tag, Failure::Unanswered);
    assert_eq!((jobs.lines.first(line), jobs.len()), (slot, 1));
    jobs.let_go(slot, was);
    assert_eq!((jobs.lines.first(line), jobs.len(), jobs.running), (NONE, 0, 0));
    assert!(matches!(jobs.ended[..], [Ended::Late(_)]), "its owner is told once");
}

/// The pool's timeout was long when the first came, and is short by now.
#[test]
fn whose_time_is_up_first_is_ended_first_whenever_it_came() {
    let mut jobs = Jobs::new(1);
    let add = |jobs: &mut Jobs<Change>, deadline| {
        jobs.add(Change { asked: false }, Instant(deadline)).expect("there is room")
    };
    let first = add(&mut jobs, 1000);
    let others = [add(&mut jobs, 50), add(&mut jobs, 60)];
    jobs.now = Instant(60);
    for slot in others {
        assert_eq!(jobs.overdue(), Some(slot));
        let was = jobs.retire(slot);
        jobs.let_go(slot, was);
    }
    assert_eq!((jobs.overdue(), jobs.due()), (None, Some(Instant(1000))));
    jobs.now = Instant(1000);
    assert_eq!(jobs.overdue(), Some(first));
}

/// Two jobs under one tag would get each other's answers.
#[test]
fn one_job_too_many_is_over_at_once_and_every_other_has_a_tag_of_its_own() {
    let view = view();
    let mut jobs = Jobs::new(1);
    let add = |jobs: &mut Jobs<Change>| jobs.add(Change { asked: false }, Instant(10));
    let slots: Vec<u32> = (0..MOST).filter_map(|_| add(&mut jobs)).collect();
    assert_eq!(slots.len(), MOST);
    assert_eq!((add(&mut jobs), jobs.len()), (None, MOST));
    assert!(matches!(jobs.ended[..], [Ended::Whole(_, Outcome::Unavailable)]));
    for slot in [0, slots[MOST - 1]] {
        jobs.run(slot);
        let (_, tag) = jobs.next(&view).expect("it asks");
        assert_eq!(slot_of(tag), slot);
    }
    // One that goes makes room for one.
    let was = jobs.retire(slots[7]);
    jobs.let_go(slots[7], was);
    assert_eq!((add(&mut jobs), add(&mut jobs)), (Some(slots[7]), None));
}

impl Member for Large {
    fn about(&self) -> About {
        About::default()
    }
}

/// The loop was not at work until after a change's time: the rest of it, for which there is room by now, is not sent.
#[test]
fn of_a_job_whose_time_is_up_no_more_is_sent() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut crowd = Crowd::open(pool_of("a loop wakes late", &listener), None);
    crowd.terms = ungreeted(&crowd.terms);
    crowd.connect();
    let (large, pieces) = Large::new();
    let other = OwnedFd::from(listener.try_clone().unwrap());
    crowd.begin(large);
    crowd.round(&mut |_| {});
    let (mut server, _) = listener.accept().unwrap();
    let turn = |crowd: &mut Crowd<Large>| {
        let mut late = 0;
        crowd.wait(&other, Duration::ZERO);
        crowd.round(&mut |ended| late += u32::from(matches!(ended, Ended::Late(_))));
        late
    };
    while has_room(&crowd.exchange) {
        assert_eq!(turn(&mut crowd), 0);
    }
    make_room(&crowd.exchange, &mut server);
    let sent = pieces.get();
    assert_eq!(turn(&mut crowd), 0);
    assert!(pieces.get() > sent, "there was room");
    while has_room(&crowd.exchange) {
        assert_eq!(turn(&mut crowd), 0);
    }
    make_room(&crowd.exchange, &mut server);
    let sent = pieces.get();
    crowd.jobs.renew(0, crowd.jobs.now);
    assert_eq!(turn(&mut crowd), 1, "its time is up");
    assert_eq!(pieces.get(), sent);
}

/// A loop does not wait for a resolver, nor for what the process knows already; and says what came of it.
#[test]
fn the_names_of_a_new_list_are_looked_up_beside() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let before = pool_of("names of a new list", &listener);
    let mut crowd: Crowd<Change> = Crowd::open(Arc::clone(&before), None);
    let with = |hosts: &[&str]| {
        let named = |host: &&str| Server {
            name: (*host).to_owned(),
            address: Address::Tcp { host: (*host).to_owned(), port: 1 },
            weight: 1,
            backup: None,
        };
        let servers = before.servers().iter().cloned().chain(hosts.iter().map(named)).collect();
        Arc::new(Pool::new(before.name.clone(), before.options.clone(), servers))
    };
    let known = |host: &str| {
        let address = Address::Tcp { host: host.to_owned(), port: 1 };
        registry::known(&before.name, &address)
    };
    known("no host").found(vec![listener.local_addr().unwrap().into()]);
    let list = with(&["localhost", "127.0.0.5", "no host", "nor one"]);
    crowd.change_list(Arc::clone(&list));
    crowd.follow_list(false, crowd.now());
    assert_eq!(crowd.pool().servers(), list.servers());
    assert_eq!(known("127.0.0.5").sites().len(), 1, "at once: that is no question");
    let mut said = Vec::new();
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while (said.is_empty() || known("localhost").sites().is_empty()) && std::time::Instant::now() < until {
        std::thread::yield_now();
        said.extend(crowd.take_messages());
    }
    assert!(!known("localhost").sites().is_empty());
    assert!(said.len() == 1 && said[0].contains("\"nor one\""), "{said:?}");
}
