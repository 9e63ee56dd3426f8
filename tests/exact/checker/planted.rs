//! Histories in which something is wrong: each kind of wrong is found, and called what it is.

use std::ops::Range;

use super::{Kind, Report, check};
use crate::history::{Answer, Call, Fault, History, State, What, printed};

pub const MS: u64 = 1_000_000;

/// The value that a write of that name stores.
pub fn value(name: u64) -> State {
    State::Value(printed(0, name))
}

/// A value with something appended to it.
pub fn appended(first: u64, then: u64) -> State {
    State::Value(printed(printed(0, first), then))
}

/// A call of somebody, in milliseconds.
pub fn call(when: Range<u64>, what: What, answer: Answer) -> Call {
    let [start, end] = [when.start, when.end].map(|ms| ms * MS);
    Call { process: 1, key: 7, start, end, waited: 0, what, answer, proxy: None }
}

/// A store that was acknowledged.
pub fn set(when: Range<u64>, name: u64) -> Call {
    call(when, What::Set(value(name)), Answer::Stored)
}

/// A store without an answer.
pub fn set_lost(when: Range<u64>, name: u64) -> Call {
    call(when, What::Set(value(name)), Answer::Failed(-2))
}

/// A read that found this.
pub fn get(when: Range<u64>, found: State) -> Call {
    let answer = if found == State::Absent { Answer::Miss } else { Answer::Hit(found) };
    call(when, What::Get, answer)
}

/// A fault that excuses every failed call of a history.
pub fn excuse() -> Fault {
    Fault { what: "all of it".to_owned(), proxy: None, struck: 0, known: u64::MAX, over: u64::MAX }
}

/// Checks these calls, of which any may fail.
pub fn judge(calls: &[Call]) -> Report {
    check(&History { calls: calls.to_vec(), faults: vec![excuse()], timeout: 500 * MS })
}

#[track_caller]
fn is_found(kind: Kind, calls: &[Call]) {
    let report = judge(calls);
    let counts: Vec<_> = report.counts.iter().collect();
    assert_eq!(counts, [(&kind, &1)], "{report}");
}

const NEW: u64 = 2;

fn number(value: u64) -> State {
    State::Number(value)
}

fn counter(calls: &[Call]) -> Vec<Call> {
    let first = call(0..1, What::Set(number(1000)), Answer::Stored);
    [&[first], calls].concat()
}

fn incr(when: Range<u64>, delta: u64, answer: u64) -> Call {
    call(when, What::Incr(delta), Answer::Number(answer))
}

fn incr_lost(when: Range<u64>, delta: u64) -> Call {
    call(when, What::Incr(delta), Answer::Failed(-1))
}

#[test]
fn a_lost_write() {
    is_found(Kind::Missing, &[set(0..1, 1), get(2..3, State::Absent)]);
}

#[test]
fn a_lost_overwrite() {
    is_found(Kind::Stale, &[set(0..1, 1), set(2..3, NEW), get(4..5, value(1))]);
}

#[test]
fn a_stale_read_between_right_ones() {
    let calls =
        [set(0..1, 1), set(2..3, NEW), get(4..5, value(NEW)), get(6..7, value(1)), get(8..9, value(NEW))];
    is_found(Kind::Stale, &calls);
}

#[test]
fn a_deleted_value_that_is_back() {
    let delete = call(2..3, What::Delete, Answer::Deleted);
    is_found(Kind::Revived, &[set(0..1, 1), delete, get(4..5, value(1))]);
}

#[test]
fn a_value_of_nobody() {
    is_found(Kind::Foreign, &[set(0..1, 1), get(2..3, value(99))]);
    is_found(Kind::Foreign, &[set(0..1, 1), get(2..3, State::Garbled)]);
    is_found(Kind::Foreign, &[set(0..1, 1), get(2..3, value(NEW)), set(4..5, NEW)]);
}

/// Two copies that two writers left different: first the one is read, then the other.
#[test]
fn two_values_in_turn_after_two_writers() {
    let calls = [set(0..5, 1), set(1..6, NEW), get(7..8, value(1)), get(9..10, value(NEW))];
    is_found(Kind::Stale, &calls);
}

/// Both had been acknowledged: the second writer's is there, then the first one's.
#[test]
fn an_unanswered_write_surfaces_after_it_was_overwritten() {
    is_found(Kind::Stale, &[set_lost(0..1, 1), set(2..3, NEW), get(4..5, value(1))]);
    let delete = call(2..3, What::Delete, Answer::NotFound);
    is_found(Kind::Revived, &[set_lost(0..1, 1), delete, get(4..5, value(1))]);
}

#[test]
fn an_add_where_something_is() {
    let add = call(2..3, What::Add(value(NEW)), Answer::Stored);
    is_found(Kind::Outcome, &[set(0..1, 1), add, get(4..5, value(NEW))]);
}

#[test]
fn an_add_that_does_not_where_nothing_is() {
    is_found(Kind::Outcome, &[call(2..3, What::Add(value(NEW)), Answer::NotStored)]);
}

#[test]
fn of_two_adds_at_once_both_win() {
    let add = |when, name| call(when, What::Add(value(name)), Answer::Stored);
    is_found(Kind::Outcome, &[add(0..5, 1), add(1..6, NEW)]);
}

#[test]
fn a_replace_of_nothing() {
    is_found(Kind::Outcome, &[call(0..1, What::Replace(value(1)), Answer::Stored)]);
}

fn cas(when: Range<u64>, new: u64, old: u64, answer: Answer) -> Call {
    let fetched = when.start.saturating_sub(1) * MS;
    call(when, What::Cas { new: value(new), old: value(old), fetched }, answer)
}

#[test]
fn a_cas_over_a_newer_value() {
    let calls = [set(0..1, 1), set(2..3, NEW), cas(4..5, 3, 1, Answer::Stored), get(6..7, value(3))];
    is_found(Kind::Outcome, &calls);
}

#[test]
fn two_cas_with_one_token() {
    let calls = [set(0..1, 1), cas(2..6, NEW, 1, Answer::Stored), cas(3..7, 3, 1, Answer::Stored)];
    is_found(Kind::Outcome, &calls);
}

#[test]
fn a_cas_that_fails_for_no_reason() {
    let calls = vec![set(0..1, 1), cas(4..5, 3, 1, Answer::Exists)];
    let report = check(&History { calls, faults: Vec::new(), timeout: 500 * MS });
    assert_eq!(report.count(Kind::Outcome), 1, "{report}");
}

#[test]
fn an_append_that_is_lost() {
    let append = call(2..3, What::Append(NEW), Answer::Stored);
    is_found(Kind::Stale, &[set(0..1, 1), append, get(4..5, value(1))]);
}

#[test]
fn an_append_that_comes_twice() {
    let twice = State::Value(printed(printed(printed(0, 1), NEW), NEW));
    let append = call(2..3, What::Append(NEW), Answer::Stored);
    is_found(Kind::Foreign, &[set(0..1, 1), append, get(4..5, twice)]);
}

#[test]
fn a_delete_of_something_that_finds_nothing() {
    is_found(Kind::Outcome, &[set(0..1, 1), call(2..3, What::Delete, Answer::NotFound)]);
    is_found(Kind::Outcome, &[set(0..1, 1), call(2..3, What::Touch, Answer::NotFound)]);
}

#[test]
fn a_counter_that_is_too_low() {
    let calls = counter(&[incr(2..3, 5, 1005), incr(4..5, 7, 1007)]);
    is_found(Kind::CounterLow, &calls);
    is_found(Kind::CounterLow, &counter(&[incr(2..3, 5, 1005), get(4..5, number(1000))]));
    is_found(Kind::CounterLow, &counter(&[incr_lost(2..3, 9), incr(4..5, 5, 1005), get(6..7, number(1000))]));
}

#[test]
fn a_counter_that_is_too_high() {
    is_found(Kind::CounterHigh, &counter(&[incr(2..3, 5, 1010)]));
    is_found(Kind::CounterHigh, &counter(&[incr_lost(2..3, 5), get(4..5, number(1010))]));
}

#[test]
fn two_that_count_to_one_number() {
    is_found(Kind::Counter, &counter(&[incr(2..6, 5, 1005), incr(3..7, 5, 1005)]));
}

/// It is answered with one number, and stops at another.
#[test]
fn a_counter_that_forgets_that_it_stopped_at_nothing() {
    let decr = call(2..3, What::Decr(2000), Answer::Number(0));
    is_found(Kind::Counter, &counter(&[decr, get(4..5, number(5))]));
}

#[test]
fn a_call_that_takes_too_long() {
    is_found(Kind::Overlong, &[set(0..551, 1)]);
    let mut waited = set(0..551, 1);
    waited.waited = 2 * MS;
    assert!(judge(&[waited]).counts.is_empty(), "its process got no processor");
}

#[test]
fn a_call_that_fails_when_the_failure_is_known() {
    let fault = Fault { what: String::new(), proxy: None, struck: 10 * MS, known: 20 * MS, over: 90 * MS };
    let failed = |when| call(when, What::Get, Answer::Failed(-1));
    let mut waited = failed(100..601);
    waited.waited = 251 * MS;
    let calls = vec![failed(0..9), failed(8..11), failed(15..16), failed(19..40), failed(21..22), waited];
    let report = check(&History { calls, faults: vec![fault], timeout: 500 * MS });
    assert_eq!(report.count(Kind::Failed), 2, "{report}");
    assert_eq!(report.failed, 6);
}

#[test]
fn a_call_that_fails_when_only_another_proxy_was_killed() {
    let fault = Fault { what: String::new(), proxy: Some(1), struck: 0, known: 90 * MS, over: 90 * MS };
    let through = |proxy| Call { proxy, ..call(5..6, What::Get, Answer::Failed(-100)) };
    let calls = vec![through(Some(1)), through(Some(0)), through(None)];
    let report = check(&History { calls, faults: vec![fault], timeout: 500 * MS });
    assert_eq!(report.count(Kind::Failed), 2, "{report}");
}

/// One lost value is no excuse for what comes after it.
#[test]
fn after_something_wrong_the_next_wrong_is_found() {
    let add = call(4..5, What::Add(value(3)), Answer::Stored);
    let calls = [set(0..1, 1), get(2..3, State::Absent), add, get(6..7, value(3)), get(8..9, value(1))];
    let report = judge(&calls);
    let counts: Vec<_> = report.counts.iter().map(|(kind, count)| (*kind, *count)).collect();
    assert_eq!(counts, [(Kind::Missing, 1), (Kind::Stale, 1), (Kind::Outcome, 1)], "{report}");
}
