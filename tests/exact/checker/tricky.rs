//! Histories that look wrong and are not.

use super::check;
use super::planted::{MS, appended, call, get, judge, set, set_lost, value};
use super::report::Kind;
use crate::history::{Answer, Call, History, State, What, printed};

#[track_caller]
fn is_right(calls: &[Call]) {
    let report = judge(calls);
    assert!(report.counts.is_empty() && report.undecided == 0, "{report}");
}

fn never(mut call: Call) -> Call {
    call.end = u64::MAX;
    call
}

#[test]
fn writes_at_once_may_come_in_either_order() {
    is_right(&[set(0..5, 1), set(1..6, 2), get(7..8, value(1)), get(9..10, value(1))]);
    is_right(&[set(0..5, 1), set(1..6, 2), get(7..8, value(2)), get(9..10, value(2))]);
    // Three, of which the one that ended first was the last.
    is_right(&[set(0..9, 1), set(0..4, 2), set(0..8, 3), get(10..11, value(2))]);
    // And read on the way: what was there before, one after another, and the last again.
    let reads = [get(1..2, value(9)), get(2..3, value(1)), get(4..5, value(2)), get(10..11, value(2))];
    is_right(&[&[set(0..1, 9), set(1..9, 1), set(1..8, 2)], &reads[..]].concat());
}

/// A long read may find what was overwritten while it lasted.
#[test]
fn a_read_finds_what_was_there_when_it_began() {
    is_right(&[set(0..1, 1), get(2..9, value(1)), set(3..4, 2), set(5..6, 3), get(7..8, value(3))]);
    is_right(&[set(0..1, 1), get(2..9, value(2)), set(3..4, 2), set(5..6, 3)]);
    is_right(&[
        set(0..1, 1),
        get(2..9, State::Absent),
        call(3..4, What::Delete, Answer::Deleted),
        set(5..6, 3),
    ]);
}

/// The first reader sees the store on the server that dies then, the second does not; it is acknowledged later.
#[test]
fn a_change_under_way_is_seen_and_then_not() {
    is_right(&[set(0..1, 1), set(2..9, 2), get(3..4, value(2)), get(5..6, value(1)), get(10..11, value(2))]);
    is_right(&[
        set(0..1, 1),
        set_lost(2..9, 2),
        get(3..4, value(2)),
        get(5..6, value(1)),
        get(10..11, value(1)),
    ]);
}

#[test]
fn an_unanswered_write_surfaces_late() {
    let long = [set(0..1, 1), set_lost(2..3, 2), get(4..5, value(1)), get(90..91, value(2))];
    is_right(&long);
    is_right(&[&long[..], &[set(92..93, 3), get(94..95, value(3))]].concat());
    // Or never, or after another one without an answer.
    is_right(&[set(0..1, 1), set_lost(2..3, 2), set(4..5, 3), get(6..7, value(3))]);
    is_right(&[set_lost(2..3, 2), set_lost(4..5, 3), get(6..7, value(3)), get(8..9, value(2))]);
    // It overlaps with the one that was acknowledged: either may be the last.
    is_right(&[set_lost(2..5, 2), set(4..6, 3), get(7..8, value(2))]);
}

#[test]
fn a_read_that_began_before_the_overwriting_ended_sees_the_unanswered_one() {
    is_right(&[set_lost(0..1, 1), get(2..9, value(1)), set(3..4, 2), get(5..6, value(2))]);
}

#[test]
fn a_call_that_never_ended() {
    is_right(&[set(0..1, 1), never(set_lost(2..3, 2)), set(4..5, 3), get(6..7, value(2))]);
    is_right(&[set(0..1, 1), never(set_lost(2..3, 2)), set(4..5, 3), get(6..7, value(3))]);
}

#[test]
fn an_unanswered_delete_explains_a_miss() {
    let delete = call(2..3, What::Delete, Answer::Failed(-1));
    is_right(&[set(0..1, 1), delete, get(4..5, State::Absent), get(6..7, value(1))]);
    let add = call(4..5, What::Add(value(2)), Answer::Stored);
    is_right(&[set(0..1, 1), delete, add, get(6..7, value(2))]);
}

#[test]
fn an_unanswered_append_or_not() {
    let append = |when, name| call(when, What::Append(name), Answer::Failed(-2));
    let story = [set(0..1, 1), append(2..3, 2), get(4..5, appended(1, 2))];
    is_right(&story);
    is_right(&[&story[..], &[append(6..7, 3), get(8..9, value(1))]].concat());
    let both = State::Value(printed(printed(printed(0, 1), 3), 2));
    is_right(&[&story[..], &[append(6..7, 3), get(8..9, both)]].concat());
    // An acknowledged one comes after it, and after nothing.
    let firm = call(6..7, What::Append(4), Answer::Stored);
    is_right(&[&story[..], &[firm, get(8..9, appended(1, 4))]].concat());
    let then = State::Value(printed(printed(printed(0, 1), 2), 4));
    is_right(&[&story[..], &[firm, get(8..9, then)]].concat());
}

#[test]
fn conditions_at_once() {
    // Delete and add at once: the add came second. Set and delete: the delete came first.
    let delete = call(2..9, What::Delete, Answer::Deleted);
    is_right(&[set(0..1, 1), delete, call(3..4, What::Add(value(2)), Answer::Stored), get(10..11, value(2))]);
    is_right(&[set(0..1, 1), delete, set(3..4, 2), get(10..11, value(2))]);
    is_right(&[set(0..1, 1), delete, set(3..4, 2), get(10..11, State::Absent)]);
    // A replace that found nothing, because the set at the same time came second.
    is_right(&[set(0..9, 1), call(1..5, What::Replace(value(2)), Answer::NotStored), get(10..11, value(1))]);
    // The add that did not: its key was there for a moment.
    let add = call(1..9, What::Add(value(2)), Answer::NotStored);
    is_right(&[add, set(2..3, 1), call(4..5, What::Delete, Answer::Deleted), get(10..11, State::Absent)]);
}

#[test]
fn a_cas_over_a_store_that_has_no_answer_yet() {
    let cas = What::Cas { new: value(2), old: value(1), fetched: 2 * MS };
    is_right(&[set(0..9, 1), get(2..3, value(1)), call(4..5, cas, Answer::Stored), get(10..11, value(2))]);
    is_right(&[set_lost(0..1, 1), call(4..5, cas, Answer::Stored), get(10..11, value(2))]);
    // The token is no longer good: a store was under way. No fault is needed for that.
    let calls = vec![set(0..1, 1), set(2..9, 3), call(4..5, cas, Answer::Exists)];
    let report = check(&History { calls, faults: Vec::new(), timeout: 500 * MS });
    assert!(report.counts.is_empty(), "{report}");
}

fn counter(calls: &[Call]) -> Vec<Call> {
    let first = call(0..1, What::Set(State::Number(100)), Answer::Stored);
    [&[first], calls].concat()
}

#[test]
fn counting_at_once() {
    let incr = |when, delta, number| call(when, What::Incr(delta), Answer::Number(number));
    let many = [incr(2..9, 1, 103), incr(2..8, 2, 102), incr(3..7, 4, 107)];
    is_right(&counter(&[&many[..], &[get(10..11, State::Number(107))]].concat()));
    // One that counted on the server that is asked, and has no answer yet.
    is_right(&counter(&[incr(2..9, 1, 101), get(3..4, State::Number(101)), get(5..6, State::Number(100))]));
    // It wraps around, and stops at 0.
    is_right(&counter(&[incr(2..3, u64::MAX, 99), call(4..5, What::Decr(500), Answer::Number(0))]));
}

#[test]
fn a_count_without_an_answer_counts_or_not() {
    let lost = call(2..3, What::Incr(7), Answer::Failed(-1));
    let incr = |when, number| call(when, What::Incr(1), Answer::Number(number));
    is_right(&counter(&[
        lost,
        get(4..5, State::Number(107)),
        incr(6..7, 108),
        get(8..9, State::Number(108)),
    ]));
    is_right(&counter(&[
        lost,
        get(4..5, State::Number(100)),
        incr(6..7, 101),
        get(8..9, State::Number(101)),
    ]));
    is_right(&counter(&[lost, get(4..5, State::Number(107)), get(6..7, State::Number(100))]));
}

/// One of two servers has counted, and dies after the next one counted on both. Within the promise; it is told apart.
#[test]
fn a_count_without_an_answer_that_is_gone_again_is_uncertain() {
    let lost = call(2..3, What::Incr(7), Answer::Failed(-1));
    let incr = call(4..5, What::Incr(1), Answer::Number(108));
    let report = judge(&counter(&[lost, incr, get(6..7, State::Number(101)), get(8..9, State::Number(108))]));
    assert_eq!(report.wrong(), 0, "{report}");
    assert_eq!(report.count(Kind::Uncertain), 1, "{report}");
}

/// As fast as a history of a million calls needs it, also when many call at once: each overlaps with 63 others.
#[test]
fn sixty_four_that_count_at_once_are_followed() {
    let mut calls = counter(&[]);
    for number in 0..6400u64 {
        let (round, place) = (number / 64, number % 64);
        let when = 10 + 100 * round..10 + 100 * round + 20 + (place * 37) % 64;
        calls.push(call(when, What::Incr(1), Answer::Number(101 + number)));
    }
    is_right(&calls);
}

/// Stores that overlap, far more than there are places in which to keep all their orders.
#[test]
fn sixty_four_that_store_at_once_are_followed() {
    let mut calls = Vec::new();
    for number in 0..640u64 {
        let (round, place) = (number / 64, number % 64);
        let start = 100 * round;
        calls.push(set(start..start + 20 + (place * 37) % 64, number + 1));
        if place == 63 {
            calls.push(get(start + 90..start + 91, value(64 * round + 1 + round % 64)));
        }
    }
    is_right(&calls);
}
