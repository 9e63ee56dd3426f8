//! Many parts at once: as stories, and in random orders against servers that keep what they are told.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::rules::operation::stories::{DOWN, STEADY, Story, key};
use crate::rules::operation::{Conditional, Counter, Spread, Write};
use crate::rules::places::{Placement, Walk};
use crate::rules::wire::{Direction, Value, Verb};

/// Items and what is done with each.
struct Items<'a, F> {
    items: &'a [(Vec<u8>, Vec<u8>)],
    make: F,
}

impl<'a, O: Operation, F: Fn(&'a [u8], &'a [u8]) -> O> Parts for Items<'a, F> {
    type Part = O;
    fn len(&self) -> usize {
        self.items.len()
    }
    fn key(&self, index: usize) -> &[u8] {
        &self.items[index].0
    }
    fn part(&self, index: usize) -> O {
        (self.make)(&self.items[index].0, &self.items[index].1)
    }
}

fn many<'a, O: Operation, F: Fn(&'a [u8], &'a [u8]) -> O>(
    items: &'a [(Vec<u8>, Vec<u8>)],
    make: F,
) -> Many<Items<'a, F>> {
    Many::new(Items { items, make })
}

fn write<'a>(key: &'a [u8], value: &'a [u8]) -> Write<'a> {
    Write::new(key, 0, 0, value)
}

fn delete<'a>(key: &'a [u8], _: &'a [u8]) -> Spread<'a> {
    Spread::delete(key)
}

fn item(key: &[u8], value: &str) -> (Vec<u8>, Vec<u8>) {
    (key.to_vec(), value.as_bytes().to_vec())
}

/// A key whose home is s2.
fn other_key(story: &Story) -> Vec<u8> {
    let key = (0..).map(|n| format!("other-{n}").into_bytes());
    key.into_iter()
        .find(|key| Walk::new(&story.view.pool, key).next() == Some(ServerId(1)))
        .expect("some key lives there")
}

#[test]
fn no_parts_are_done_at_once() {
    let mut story = Story::new([STEADY; 4]);
    let mut nothing = many(&[], write);
    assert_eq!(nothing.outcome(), Some(Outcome::Done));
    assert!(story.asks(&mut nothing).is_empty());
}

#[test]
fn every_part_goes_out_before_any_answer_and_ends_in_its_own_way() {
    let mut story = Story::new([STEADY; 4]);
    let items = [item(&key(&story), "a"), item(&other_key(&story), "b")];
    let mut writes = many(&items, write);
    assert_eq!(story.asks(&mut writes), ["s1 set 0 a", "s1 set 0 b", "s2 set 0 a", "s2 set 0 b"]);
    assert!(writes.mutates());
    story.answer(&mut writes, 1, Reply::Stored);
    story.answer(&mut writes, 2, Reply::Stored);
    assert_eq!(writes.outcomes(), [Some(Outcome::Stored), None]);
    assert_eq!(writes.outcome(), None);
    story.answer(&mut writes, 1, Reply::Stored);
    story.answer(&mut writes, 2, Reply::Refused(b"SERVER_ERROR too large"));
    assert_eq!(story.asks(&mut writes), ["s1 delete", "s2 delete"]);
    story.answer(&mut writes, 1, Reply::Deleted);
    story.answer(&mut writes, 2, Reply::NotFound);
    assert_eq!(writes.outcomes(), [Some(Outcome::Stored), Some(Outcome::Refused)]);
    assert_eq!(writes.outcome(), Some(Outcome::Done));
    assert_eq!((writes.refusal_of(0), writes.outcome_of(2)), (None, None));
    assert_eq!(writes.refusal_of(1), Some(&b"SERVER_ERROR too large"[..]));
    assert_eq!(writes.refusal(), writes.refusal_of(1));
}

#[test]
fn of_all_that_a_server_refuses_the_first_ones_keep_its_words() {
    let mut story = Story::new([STEADY; 4]);
    let (key, words) = (key(&story), [b'x'; 2000]);
    let items: Vec<_> = (0..500).map(|_| item(&key, "v")).collect();
    let mut counters = many(&items, |key, _| Conditional::new(Verb::Add, key, 0, 0, b"v"));
    while counters.outcome().is_none() {
        assert!(!story.asks(&mut counters).is_empty());
        story.answer(&mut counters, 1, Reply::Refused(&words));
    }
    assert_eq!(counters.outcomes(), [Some(Outcome::Refused); 500]);
    assert_eq!(counters.refusal_of(TEXTS - 1), Some(&words[..]));
    assert_eq!(counters.refusal_of(TEXTS), None, "or a server could make us keep any number of them");
    assert_eq!(counters.refusal(), Some(&words[..]));
}

#[test]
fn a_part_whose_server_dies_goes_elsewhere_and_the_others_do_not_care() {
    let mut story = Story::new([STEADY; 4]);
    let items = [item(&key(&story), "a"), item(&other_key(&story), "b")];
    let mut counters = many(&items, |key, _| Counter::new(Direction::Incr, key, 1));
    assert_eq!(story.asks(&mut counters).len(), 4);
    story.turn([DOWN, STEADY, STEADY, STEADY]);
    story.fail(&mut counters, 1, Failure::Unsent);
    story.fail(&mut counters, 1, Failure::Unsent);
    assert!(story.asks(&mut counters).is_empty(), "both wait for what the other server says");
    story.answer(&mut counters, 2, Reply::NotFound);
    assert_eq!(story.asks(&mut counters), ["s3 fetch"]);
    story.answer(&mut counters, 2, Reply::NotFound);
    assert!(!story.asks(&mut counters).is_empty());
    assert_eq!(counters.outcome(), None);
}

#[test]
fn the_same_key_is_done_in_the_callers_order() {
    let mut story = Story::new([STEADY; 4]);
    let (same, other) = (key(&story), other_key(&story));
    let items = [item(&same, "1"), item(&other, "x"), item(&same, "2"), item(&same, "3")];
    let mut writes = many(&items, write);
    assert_eq!(story.asks(&mut writes), ["s1 set 0 1", "s1 set 0 x", "s2 set 0 1", "s2 set 0 x"]);
    story.answer(&mut writes, 1, Reply::Stored);
    assert!(story.asks(&mut writes).is_empty());
    story.answer(&mut writes, 2, Reply::Stored);
    assert_eq!(story.asks(&mut writes), ["s1 set 0 2", "s2 set 0 2"]);
    for _ in 0..2 {
        story.answer(&mut writes, 1, Reply::Stored);
        story.answer(&mut writes, 2, Reply::Stored);
    }
    assert_eq!(story.asks(&mut writes), ["s1 set 0 3", "s2 set 0 3"]);
    assert_eq!(writes.outcome_of(3), None);
    story.answer(&mut writes, 1, Reply::Stored);
    story.answer(&mut writes, 2, Reply::Stored);
    assert_eq!(writes.outcomes(), [Some(Outcome::Stored); 4]);
    assert_eq!(writes.outcome(), Some(Outcome::Done));
}

#[test]
fn with_every_server_down_all_parts_end_at_once_the_waiting_ones_too() {
    let mut story = Story::new([DOWN; 4]);
    let items: Vec<_> = (0..3000).map(|n| item(format!("k{}", n % 7).as_bytes(), "v")).collect();
    let mut writes = many(&items, write);
    assert!(story.asks(&mut writes).is_empty());
    assert_eq!(writes.outcome(), Some(Outcome::Done));
    assert!(writes.outcomes().iter().all(|outcome| *outcome == Some(Outcome::Unavailable)));
}

#[test]
fn as_one_part_ends_the_next_begins() {
    let mut story = Story::with(Default::default(), [STEADY; 4]);
    let count = WINDOW + 100;
    let items: Vec<_> = (0..count).map(|n| item(format!("k{n}").as_bytes(), "")).collect();
    let mut deletes = many(&items, delete);
    assert_eq!(story.asks(&mut deletes).len(), WINDOW);
    for left in (0..count).rev() {
        let (_, tag, _) = story.asked.remove(0);
        deletes.answer(&story.view, tag, &Reply::Deleted);
        assert_eq!(story.asks(&mut deletes).len(), usize::from(left >= WINDOW));
    }
    assert_eq!(deletes.outcome(), Some(Outcome::Done));
    assert!(deletes.outcomes().iter().all(|outcome| *outcome == Some(Outcome::Deleted)));
    assert_eq!((deletes.slots.len(), deletes.free.len()), (WINDOW, WINDOW));
}

#[test]
fn large_values_are_not_all_under_way_at_once() {
    let mut story = Story::new([STEADY; 4]);
    let mebibyte = "v".repeat(1 << 20);
    let items: Vec<_> = (0..50).map(|n| item(format!("k{n}").as_bytes(), &mebibyte)).collect();
    let mut writes = many(&items, write);
    let (mut most, mut answered) = (0, 0);
    while writes.outcome().is_none() {
        let _ = story.asks(&mut writes);
        most = most.max(story.asked.len());
        let (_, tag, _) = story.asked.remove(0);
        writes.answer(&story.view, tag, &Reply::Stored);
        answered += 1;
    }
    assert_eq!((most, answered), (8, 100), "copies of a mebibyte: four parts, two servers each");
    assert_eq!(writes.bytes, 0);
}

/// Asks two questions at once and is content with one answer, and fails where it is asked in vain.
struct Hasty<'a> {
    asked: Tag,
    over: bool,
    polls: &'a Cell<usize>,
}

impl Operation for Hasty<'_> {
    fn next(&mut self, _: &View) -> Option<(ServerId, Tag)> {
        assert!(!self.over, "what has ended is not asked");
        self.polls.set(self.polls.get() + 1);
        self.asked += 1;
        (self.asked <= 2).then_some((ServerId(0), self.asked * 1000))
    }
    fn command(&self, _: Tag) -> Command<'_> {
        Command::Version
    }
    fn answer(&mut self, _: &View, _: Tag, _: &Reply<'_>) {
        assert!(!std::mem::replace(&mut self.over, true), "what has ended is told nothing");
    }
    fn fail(&mut self, _: &View, _: Tag, _: Failure) {}
    fn outcome(&self) -> Option<Outcome> {
        self.over.then_some(Outcome::Done)
    }
}

struct Haste<'a>(&'a Cell<usize>);

impl<'a> Parts for Haste<'a> {
    type Part = Hasty<'a>;
    fn len(&self) -> usize {
        2 * WINDOW
    }
    fn key(&self, _: usize) -> &[u8] {
        b"all the same"
    }
    fn part(&self, _: usize) -> Hasty<'a> {
        Hasty { asked: 0, over: false, polls: self.0 }
    }
}

#[test]
fn a_part_that_ended_is_not_asked_and_its_tags_stay_its_own_while_they_are_out() {
    let story = Story::new([STEADY; 4]);
    let polls = Cell::new(0);
    let mut hasty = Many::new(Haste(&polls));
    let mut late: Option<Tag> = None;
    while hasty.outcome().is_none() {
        let mut tags = Vec::new();
        while let Some((_, tag)) = hasty.next(&story.view) {
            tags.push(tag);
        }
        assert_eq!(tags.len(), 2, "the same key: one part at a time");
        assert!(late.is_none_or(|late| !tags.contains(&late)));
        hasty.answer(&story.view, tags[0], &Reply::Ok);
        assert_eq!(hasty.command(tags[1]), Command::Version);
        if let Some(late) = late.replace(tags[1]) {
            hasty.fail(&story.view, late, Failure::Unanswered);
        }
    }
    assert_eq!(polls.get(), 3 * 2 * WINDOW, "two questions, and a look that there are no more");
}

#[test]
fn tags_that_nobody_was_given_do_nothing() {
    let story = Story::new([STEADY; 4]);
    let items = [item(b"a", "x")];
    let mut writes = many(&items, write);
    for tag in [0, 1, SLOT_MASK, Tag::MAX] {
        writes.answer(&story.view, tag, &Reply::Stored);
        writes.fail(&story.view, tag, Failure::Unsent);
        assert_eq!(writes.command(tag), Command::Noop);
    }
    assert_eq!(writes.outcome(), None);
}

/// Four servers that keep what they are told, answer in order, and lose connections.
#[derive(Default)]
struct World {
    kept: [BTreeMap<Vec<u8>, Vec<u8>>; 4],
    asked: [VecDeque<Tag>; 4],
    most: usize,
}

impl World {
    fn take(&mut self, operation: &mut dyn Operation, view: &View) {
        while let Some((server, tag)) = operation.next(view) {
            self.asked[server.index()].push_back(tag);
        }
        self.most = self.most.max(self.asked.iter().map(VecDeque::len).sum());
    }

    fn answer(&mut self, operation: &mut dyn Operation, view: &View, server: usize) {
        let Some(tag) = self.asked[server].pop_front() else { return };
        let kept = &mut self.kept[server];
        let mut copy = Vec::new();
        let reply = match operation.command(tag) {
            Command::Store { verb: Verb::Append, key, value, .. } => match kept.get_mut(key) {
                Some(there) => {
                    there.extend_from_slice(value);
                    Reply::Stored
                }
                None => Reply::NotStored,
            },
            Command::Store { key, value, .. } => {
                kept.insert(key.to_vec(), value.to_vec());
                Reply::Stored
            }
            Command::Delete { key } => match kept.remove(key) {
                Some(_) => Reply::Deleted,
                None => Reply::NotFound,
            },
            Command::Fetch { key } => {
                copy.extend_from_slice(kept.get(key).map_or(b"", Vec::as_slice));
                Reply::Value(Value { data: &copy, ttl_known: true, ..Value::default() })
            }
            other => panic!("nobody asks {other:?}"),
        };
        operation.answer(view, tag, &reply);
        self.take(operation, view);
    }

    /// Everything that is with one server is lost before it arrives.
    fn lose(&mut self, operation: &mut dyn Operation, view: &View, server: usize) {
        for tag in std::mem::take(&mut self.asked[server]) {
            operation.fail(view, tag, Failure::Unsent);
            self.take(operation, view);
        }
    }

    /// Drives an operation to its end. `dice`: which server is next; 4 and above: loses its connection.
    fn run(&mut self, operation: &mut dyn Operation, view: &View, dice: &[usize]) {
        self.take(operation, view);
        for &die in dice {
            match die {
                0..4 => self.answer(operation, view, die),
                _ => self.lose(operation, view, die % 4),
            }
        }
        while operation.outcome().is_none() {
            let busiest = (0..4).max_by_key(|server| self.asked[*server].len()).unwrap_or(0);
            assert!(!self.asked[busiest].is_empty(), "nothing is outstanding, and it has not ended");
            self.answer(operation, view, busiest);
        }
    }
}

fn dice() -> impl Strategy<Value = Vec<usize>> {
    // Fewer losses than an operation bears.
    (
        proptest::collection::vec(0usize..4, 0..400),
        proptest::collection::vec((any::<proptest::sample::Index>(), 4usize..8), 0..6),
    )
        .prop_map(|(mut dice, losses)| {
            for (at, die) in losses {
                let at = at.index(dice.len() + 1);
                dice.insert(at, die);
            }
            dice
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn what_is_appended_stands_in_order(
        keys in proptest::collection::vec(0usize..40, 1..300),
        dice in dice(),
    ) {
        let story = Story::new([STEADY; 4]);
        let items: Vec<_> = keys.iter().enumerate().map(|(n, key)| item(format!("k{key}").as_bytes(), &format!("{n},"))).collect();
        let mut world = World::default();
        let mut expected: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for (key, value) in &items {
            for id in Placement::of(&story.view, key).expect("a place").places {
                world.kept[id.index()].insert(key.clone(), Vec::new());
            }
            expected.entry(key.clone()).or_default().extend_from_slice(value);
        }
        let mut appends = many(&items, |key, value| Conditional::new(Verb::Append, key, 0, 0, value));
        world.run(&mut appends, &story.view, &dice);
        prop_assert!(appends.outcomes().iter().all(|outcome| *outcome == Some(Outcome::Stored)));
        for (key, value) in &expected {
            for id in Placement::of(&story.view, key).expect("a place").places {
                prop_assert_eq!(world.kept[id.index()].get(key), Some(value));
            }
        }
    }

    #[test]
    fn the_last_write_of_a_key_wins_everywhere(
        keys in proptest::collection::vec(0usize..2000, 1..3000),
        dice in dice(),
    ) {
        let story = Story::new([STEADY; 4]);
        let items: Vec<_> = keys.iter().enumerate().map(|(n, key)| item(format!("k{key}").as_bytes(), &n.to_string())).collect();
        let mut world = World::default();
        let mut writes = many(&items, write);
        world.run(&mut writes, &story.view, &dice);
        prop_assert!(writes.outcomes().iter().all(|outcome| *outcome == Some(Outcome::Stored)));
        prop_assert!(world.most <= 2 * WINDOW);
        let last: BTreeMap<&[u8], &[u8]> = items.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
        for (key, value) in last {
            for id in Placement::of(&story.view, key).expect("a place").places {
                prop_assert_eq!(world.kept[id.index()].get(key).map(Vec::as_slice), Some(value));
            }
        }
    }
}
