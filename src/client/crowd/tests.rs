//! Jobs and their lines, without servers.

use std::sync::Arc;

use super::jobs::{Jobs, MOST, NONE, State, slot_of};
use super::lines::Turn;
use super::{About, Ended, Member};
use crate::rules::hash::KeyHash;
use crate::rules::operation::{Failure, Operation, Outcome, Tag};
use crate::rules::pool::{Options, Pool, ServerId};
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
