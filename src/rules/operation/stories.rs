//! What each operation asks of whom, told as short stories; the simulator tells the long ones.

mod bringing;
mod capped;
mod draining;
mod lists;
mod moving;
mod passing;
mod refusing;
mod unable;
mod unreachable;

use std::sync::Arc;

use super::*;
use crate::rules::pool::{Options, Pool, Server, pair_up};
use crate::rules::time::Instant;
use crate::rules::view::{Meta, ServerView, State};
use crate::rules::wire::{Direction, Lease, Value, Verb};

/// A scripted run of one operation: what it asks is compared, what it is told is given.
pub(super) struct Story {
    pub(super) view: View,
    pub(super) asked: Vec<(ServerId, Tag, String)>,
}

pub(super) const STEADY: State = State::Steady;
const RETURNED: State = State::Returned;
const DRAINING: State = State::Draining;
pub(super) const DOWN: State = State::Down;

impl Story {
    /// Four servers in pairs, in these states.
    pub(super) fn new(states: [State; 4]) -> Story {
        Story::with(Options { backups: true, ..Options::default() }, states)
    }

    pub(super) fn with(options: Options, states: [State; 4]) -> Story {
        let mut servers: Vec<Server> = (1..=4)
            .map(|n| Server {
                name: format!("s{n}"),
                address: format!("127.0.0.1:{n}").parse().expect("an address"),
                weight: 1,
                backup: None,
            })
            .collect();
        if options.backups {
            pair_up(&mut servers);
        }
        let view = View::new(Arc::new(Pool::new("story", options, servers)));
        let mut story = Story { view, asked: Vec::new() };
        story.turn(states);
        story
    }

    /// The servers change to these states.
    pub(super) fn turn(&mut self, states: [State; 4]) {
        let servers = states.map(|state| ServerView {
            state,
            meta: Meta::Yes,
            incarnation: 7,
            held_back: false,
            unreachable: false,
            since: Instant(0),
        });
        self.view.refresh(self.view.generation + 1, servers.into_iter());
    }

    /// This process cannot reach these servers (from 1) any more, and all others it can: nothing that a
    /// plan rests on.
    pub(super) fn mark_unreachable(&mut self, servers: &[u16]) {
        let seen: Vec<ServerView> = self.view.pool.ids().map(|id| self.view.server(id)).collect();
        let marked = seen
            .into_iter()
            .zip(1..)
            .map(|(view, n)| ServerView { unreachable: servers.contains(&n), ..view });
        self.view.refresh(self.view.generation, marked);
    }

    /// Takes what the operation asks now: `server command`, in order of servers.
    pub(super) fn asks(&mut self, operation: &mut dyn Operation) -> Vec<String> {
        let before = self.asked.len();
        while let Some((server, tag)) = operation.next(&self.view) {
            let text = describe(&operation.command(tag));
            self.asked.push((server, tag, text));
        }
        let mut lines: Vec<String> = self.asked[before..]
            .iter()
            .map(|(server, _, text)| format!("s{} {text}", server.0 + 1))
            .collect();
        lines.sort();
        lines
    }

    /// Server `n` (from 1) answers its oldest question.
    pub(super) fn answer(&mut self, operation: &mut dyn Operation, n: u16, reply: Reply<'_>) {
        let tag = self.take(n);
        operation.answer(&self.view, tag, &reply);
    }

    pub(super) fn fail(&mut self, operation: &mut dyn Operation, n: u16, failure: Failure) {
        let tag = self.take(n);
        operation.fail(&self.view, tag, failure);
    }

    pub(super) fn take(&mut self, n: u16) -> Tag {
        let index = self.asked.iter().position(|(server, _, _)| *server == ServerId(n - 1));
        self.asked.remove(index.expect("the server was asked")).1
    }
}

/// One question after the other: what is asked, and the answer.
fn go(story: &mut Story, operation: &mut dyn Operation, script: &[(&str, Reply<'_>)]) {
    for (expected, reply) in script {
        assert_eq!(story.asks(operation), [*expected]);
        let server = story.asked[0].0.0 + 1;
        story.answer(operation, server, *reply);
    }
}

fn describe(command: &Command<'_>) -> String {
    match command {
        Command::Get { .. } => "get".into(),
        Command::Fetch { .. } => "fetch".into(),
        Command::Lease { .. } => "lease".into(),
        Command::GetAndTouch { exptime, .. } => format!("gat {exptime}"),
        Command::Store { verb, exptime, value, .. } => {
            format!("{verb:?} {exptime} {}", String::from_utf8_lossy(value)).to_lowercase()
        }
        Command::StoreLeased { exptime, lease, .. } => format!("store-leased {exptime} c{lease}"),
        Command::EndLease { lease, .. } => format!("end-lease c{lease}"),
        Command::Invalidate { .. } => "invalidate".into(),
        Command::Delete { .. } => "delete".into(),
        Command::Arithmetic { direction, delta, .. } => format!("{direction:?} {delta}").to_lowercase(),
        Command::Touch { exptime, .. } => format!("touch {exptime}"),
        Command::Meta { letter, flags, .. } => {
            format!("m{}{}", char::from(*letter), String::from_utf8_lossy(flags))
        }
        other => format!("{other:?}"),
    }
}

/// A key whose home is s1 and whose walk goes on to s3.
pub(super) fn key(story: &Story) -> Vec<u8> {
    key_of("key-", story)
}

/// The same, and it cannot stand in a line.
fn coded_key(story: &Story) -> Vec<u8> {
    key_of("key ", story)
}

fn key_of(name: &str, story: &Story) -> Vec<u8> {
    let walk = |key: &[u8]| -> Vec<u16> {
        crate::rules::places::Walk::new(&story.view.pool, key).map(|id| id.0).collect()
    };
    let mut keys = (0..).map(|n| format!("{name}{n}").into_bytes());
    keys.find(|key| walk(key)[..2] == [0, 2]).expect("some key has that walk")
}

/// One key and what was settled of it.
#[derive(Default)]
struct One {
    key: Vec<u8>,
    settled: Vec<Result<Vec<u8>, Outcome>>,
}

impl Batch for One {
    fn len(&self) -> usize {
        1
    }
    fn key(&self, _: usize) -> &[u8] {
        &self.key
    }
    fn settle(&mut self, _: usize, answer: Result<&Value<'_>, Outcome>) {
        self.settled.push(answer.map(|value| value.data.to_vec()));
    }
}

fn value(data: &[u8]) -> Reply<'_> {
    Reply::Value(Value { data, cas: 9, ttl: Some(60), ttl_known: true, ..Value::default() })
}

fn stub(lease: Lease) -> Reply<'static> {
    Reply::Value(Value { data: b"", cas: 5, lease: Some(lease), ..Value::default() })
}

#[test]
fn a_steady_write_is_two_stores_at_once_and_nothing_else() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    assert_eq!(story.asks(&mut write), ["s1 set 0 v", "s2 set 0 v"]);
    story.answer(&mut write, 2, Reply::Stored);
    assert_eq!(write.outcome(), None);
    story.answer(&mut write, 1, Reply::Stored);
    assert_eq!(write.outcome(), Some(Outcome::Stored));
    assert!(story.asks(&mut write).is_empty());
}

#[test]
fn a_write_in_a_pool_without_backups_is_one_store() {
    let mut story = Story::with(Options::default(), [STEADY; 4]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    assert_eq!(story.asks(&mut write), ["s1 set 0 v"]);
}

#[test]
fn while_home_is_down_a_write_goes_to_the_stand_in_and_the_backup_and_never_outlives_the_window() {
    let mut story = Story::new([DOWN, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    assert_eq!(story.asks(&mut write), ["s2 set 0 v", "s3 set 86400 v"]);
}

#[test]
fn a_write_to_a_returned_home_clears_the_stand_in() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    assert_eq!(story.asks(&mut write), ["s1 set 0 v", "s2 set 0 v"]);
    story.answer(&mut write, 1, Reply::Stored);
    assert!(story.asks(&mut write).is_empty(), "until both copies are there the old one stays");
    story.answer(&mut write, 2, Reply::Stored);
    assert_eq!(story.asks(&mut write), ["s3 delete"]);
    story.answer(&mut write, 3, Reply::Deleted);
    assert_eq!(write.outcome(), Some(Outcome::Stored));
}

#[test]
fn a_write_whose_home_dies_under_it_is_done_anew_on_the_stand_in() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    story.asks(&mut write);
    story.answer(&mut write, 2, Reply::Stored);
    story.turn([DOWN, STEADY, STEADY, STEADY]);
    story.fail(&mut write, 1, Failure::Unanswered);
    assert_eq!(write.outcome(), None);
    assert_eq!(story.asks(&mut write), ["s2 set 0 v", "s3 set 86400 v"]);
    story.answer(&mut write, 2, Reply::Stored);
    story.answer(&mut write, 3, Reply::Stored);
    assert_eq!(write.outcome(), Some(Outcome::Stored));
}

#[test]
fn a_mirror_that_refuses_a_copy_must_not_keep_an_older_one() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    story.asks(&mut write);
    story.answer(&mut write, 1, Reply::Stored);
    story.answer(&mut write, 2, Reply::Refused(b"SERVER_ERROR out of memory storing object"));
    assert_eq!(story.asks(&mut write), ["s2 delete"]);
    story.answer(&mut write, 2, Reply::NotFound);
    assert_eq!(write.outcome(), Some(Outcome::Stored));
}

#[test]
fn when_acting_refuses_a_value_nobody_keeps_one() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    story.asks(&mut write);
    story.answer(&mut write, 2, Reply::Stored);
    story.answer(&mut write, 1, Reply::Refused(b"SERVER_ERROR object too large for cache"));
    assert_eq!(story.asks(&mut write), ["s1 delete", "s2 delete"]);
    story.answer(&mut write, 1, Reply::NotFound);
    story.answer(&mut write, 2, Reply::Deleted);
    assert_eq!(write.outcome(), Some(Outcome::Refused));
    assert_eq!(write.refusal(), Some(&b"SERVER_ERROR object too large for cache"[..]));
}

#[test]
fn nothing_is_diverted_while_most_servers_seem_down() {
    let mut story = Story::new([DOWN, DOWN, DOWN, STEADY]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    assert!(story.asks(&mut write).is_empty());
    assert_eq!(write.outcome(), Some(Outcome::Unavailable));
}

#[test]
fn a_steady_read_asks_home_alone() {
    let mut story = Story::new([STEADY; 4]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    assert_eq!(story.asks(&mut read), ["s1 get"]);
    story.answer(&mut read, 1, Reply::Miss);
    assert_eq!(read.outcome(), Some(Outcome::Miss));
    assert_eq!(one.settled, [Err(Outcome::Miss)]);
}

#[test]
fn a_read_of_a_returned_home_asks_the_places_in_order_and_confirms_a_miss() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    for expected in ["s1 get", "s3 get", "s2 get", "s1 get"] {
        assert_eq!(read.outcome(), None);
        assert_eq!(story.asks(&mut read), [expected]);
        let server = story.asked[0].0.0 + 1;
        story.answer(&mut read, server, Reply::Miss);
    }
    assert_eq!(read.outcome(), Some(Outcome::Miss));
}

#[test]
fn a_read_whose_home_dies_under_it_finds_the_backup() {
    let mut story = Story::new([STEADY; 4]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    story.asks(&mut read);
    story.turn([DOWN, STEADY, STEADY, STEADY]);
    story.fail(&mut read, 1, Failure::Unanswered);
    assert_eq!(story.asks(&mut read), ["s3 get"]);
    story.answer(&mut read, 3, Reply::Miss);
    assert_eq!(story.asks(&mut read), ["s2 get"]);
    story.answer(&mut read, 2, value(b"v"));
    assert_eq!(read.outcome(), Some(Outcome::Hit));
    assert_eq!(one.settled, [Ok(b"v".to_vec())]);
}

#[test]
fn a_stub_is_no_value() {
    let mut story = Story::new([STEADY; 4]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    story.asks(&mut read);
    story.answer(&mut read, 1, stub(Lease::Taken));
    assert_eq!(one.settled, [Err(Outcome::Miss)]);
}

#[test]
fn a_delete_comes_three_times_while_copies_can_go_to_two_places() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut delete = Spread::delete(&key);
    for round in 0..3 {
        assert_eq!(story.asks(&mut delete), ["s1 delete", "s2 delete", "s3 delete"]);
        story.answer(&mut delete, 1, Reply::NotFound);
        story.answer(&mut delete, 2, if round == 0 { Reply::Deleted } else { Reply::NotFound });
        story.answer(&mut delete, 3, Reply::NotFound);
    }
    assert_eq!((story.asks(&mut delete).len(), delete.outcome()), (0, Some(Outcome::Deleted)));
}

#[test]
fn a_steady_counter_counts_on_both_at_once() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Incr, &key, 3);
    assert_eq!(story.asks(&mut counter), ["s1 incr 3", "s2 incr 3"]);
    story.answer(&mut counter, 1, Reply::Number(10));
    story.answer(&mut counter, 2, Reply::Number(10));
    assert_eq!(counter.outcome(), Some(Outcome::Number(10)));
}

#[test]
fn a_counter_whose_home_dies_under_it_is_not_counted_twice() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Incr, &key, 3);
    story.asks(&mut counter);
    story.turn([DOWN, STEADY, STEADY, STEADY]);
    story.fail(&mut counter, 1, Failure::Unanswered);
    story.answer(&mut counter, 2, Reply::Number(10));
    assert_eq!(story.asks(&mut counter), ["s2 fetch"]);
    story.answer(&mut counter, 2, value(b"10"));
    assert_eq!(story.asks(&mut counter), ["s3 set 60 10"]);
    story.answer(&mut counter, 3, Reply::Stored);
    assert_eq!(counter.outcome(), Some(Outcome::Number(10)));
}

#[test]
fn a_delta_whose_fate_is_unknown_is_not_sent_again() {
    let mut story = Story::with(Options::default(), [STEADY; 4]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Incr, &key, 3);
    assert_eq!(story.asks(&mut counter), ["s1 incr 3"]);
    story.fail(&mut counter, 1, Failure::Unanswered);
    assert!(story.asks(&mut counter).is_empty());
    assert_eq!(counter.outcome(), Some(Outcome::Unavailable));
}

#[test]
fn after_a_clamp_at_zero_the_mirror_is_set_not_added_to() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Decr, &key, 5);
    story.asks(&mut counter);
    story.answer(&mut counter, 1, Reply::Number(0));
    story.answer(&mut counter, 2, Reply::Number(2));
    assert_eq!(story.asks(&mut counter), ["s1 fetch"]);
    story.answer(&mut counter, 1, value(b"0"));
    assert_eq!(story.asks(&mut counter), ["s2 set 60 0"]);
    story.answer(&mut counter, 2, Reply::Stored);
    assert_eq!(counter.outcome(), Some(Outcome::Number(0)));
}

#[test]
fn a_returned_home_gets_the_value_under_a_lease_before_it_counts() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Incr, &key, 1);
    let looks = [("s1 fetch", Reply::Miss), ("s3 fetch", Reply::Miss), ("s2 fetch", value(b"41"))];
    let moves = [("s1 lease", stub(Lease::Won)), ("s3 fetch", Reply::Miss), ("s2 fetch", value(b"41"))];
    let counts = [
        ("s1 store-leased 60 c5", Reply::Stored),
        ("s1 incr 1", Reply::Number(42)),
        ("s1 fetch", value(b"42")),
        ("s2 set 60 42", Reply::Stored),
        ("s3 delete", Reply::NotFound),
    ];
    [&looks[..], &moves, &counts].into_iter().for_each(|script| go(&mut story, &mut counter, script));
    assert_eq!(counter.outcome(), Some(Outcome::Number(42)));
}

#[test]
fn what_was_brought_is_mirrored_also_when_the_condition_fails() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut add = Conditional::new(Verb::Add, &key, 0, 0, b"v");
    let script = [
        ("s1 fetch", Reply::Miss),
        ("s3 fetch", value(b"41")),
        ("s1 lease", stub(Lease::Won)),
        ("s3 fetch", value(b"41")),
        ("s1 store-leased 60 c5", Reply::Stored),
        ("s1 add 0 v", Reply::NotStored),
        ("s1 fetch", value(b"41")),
        ("s2 set 60 41", Reply::Stored),
        ("s3 delete", Reply::Deleted),
    ];
    go(&mut story, &mut add, &script);
    assert_eq!(add.outcome(), Some(Outcome::NotStored));
}

#[test]
fn what_no_place_has_gets_no_stub() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut add = Conditional::new(Verb::Add, &key, 0, 0, b"v");
    go(&mut story, &mut add, &["s1 fetch", "s3 fetch", "s2 fetch"].map(|expected| (expected, Reply::Miss)));
    assert_eq!(story.asks(&mut add), ["s1 add 0 v"]);
}

#[test]
fn acting_alone_decides_an_add_and_the_mirror_gets_the_outcome() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut add = Conditional::new(Verb::Add, &key, 0, 0, b"v");
    assert_eq!(story.asks(&mut add), ["s1 add 0 v"]);
    story.answer(&mut add, 1, Reply::Stored);
    assert_eq!(story.asks(&mut add), ["s2 set 0 v"]);
    story.answer(&mut add, 2, Reply::Stored);
    assert_eq!(add.outcome(), Some(Outcome::Stored));
}

#[test]
fn a_cas_token_of_another_life_says_exists_without_asking() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let token = 6 << 48 | 9;
    let mut cas = Conditional::new(Verb::Cas(token), &key, 0, 0, b"v");
    assert!(story.asks(&mut cas).is_empty());
    assert_eq!(cas.outcome(), Some(Outcome::Exists));
    let token = 7 << 48 | 9;
    let mut cas = Conditional::new(Verb::Cas(token), &key, 0, 0, b"v");
    assert_eq!(story.asks(&mut cas), ["s1 cas(9) 0 v"]);
}

#[test]
fn an_append_is_published_with_what_it_came_to() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut append = Conditional::new(Verb::Append, &key, 0, 0, b"b");
    assert_eq!(story.asks(&mut append), ["s1 append 0 b"]);
    story.answer(&mut append, 1, Reply::Stored);
    assert_eq!(story.asks(&mut append), ["s1 fetch"]);
    story.answer(&mut append, 1, value(b"ab"));
    assert_eq!(story.asks(&mut append), ["s2 set 60 ab"]);
    story.answer(&mut append, 2, Reply::Stored);
    assert_eq!(append.outcome(), Some(Outcome::Stored));
}

#[test]
fn all_servers_down_is_an_error_at_once() {
    let mut story = Story::new([DOWN; 4]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    assert!(story.asks(&mut read).is_empty());
    assert_eq!(read.outcome(), Some(Outcome::Unavailable));
}
