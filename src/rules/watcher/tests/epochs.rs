//! What a watcher makes of an epoch that others changed: since when the server is down, and which life it names.

use super::resumed::{published, resume};
use super::*;

/// What a daemon finds that was stopped, or of a server whose change was given up without an answer.
#[test]
fn one_in_use_while_it_was_called_down_is_down_since_now() {
    for epoch in [3, 4, 5] {
        let order = if epoch == 4 { Order::Down } else { Order::Up };
        let mut s = Story::begin();
        s.watcher.order(s.now, order);
        if order == Order::Up {
            s.fall();
        }
        let fell = s.watcher.since();
        s.wait(HOUR);
        let news = s.watcher.settle(s.now, epoch);
        assert_eq!((s.watcher.state(), news), (State::Down, true), "epoch {epoch}");
        assert_eq!(s.watcher.since(), s.now.stamp, "not since {fell:?}: a flush from before proves nothing");
    }
}

#[test]
fn a_younger_process_from_before_it_was_in_use_is_flushed() {
    let mut s = Story::begin();
    s.fall().wait(HOUR);
    let between = s.now.stamp.unix_millis / 1000 - 1800;
    let mut known = s.watcher.clone();
    std::mem::swap(&mut known, &mut s.watcher);
    assert!(!s.trial(8, between), "started since it fell: there is nothing to be flushed");
    s.watcher = known;
    s.watcher.settle(s.now, 3);
    s.is(State::Down, 3, "connection refused");
    assert!(s.trial(8, between), "it was started since it fell, and was in use since");
}

#[test]
fn a_trial_under_way_proves_nothing_of_one_that_was_in_use_since() {
    let mut s = Story::begin();
    s.fall().wait(INTERVAL);
    assert_eq!(s.task(), Some(Task::Trial));
    s.watcher.settle(s.now, 3);
    s.wait(4 * INTERVAL);
    assert!(s.trial(7, 100), "another one is asked for, and it flushes");
    s.is(State::Returned, 4, "back, emptied because it missed writes");
}

#[test]
fn what_was_settled_before_changes_nothing() {
    let mut s = Story::begin();
    s.fall();
    let fell = s.watcher.since();
    s.wait(HOUR);
    for epoch in [0, 1] {
        assert!(!s.watcher.settle(s.now, epoch));
        assert_eq!(s.watcher.since(), fell);
    }
}

/// Watchers of a server that others brought back in an epoch, and that this daemon has not met.
fn not_met() -> Vec<(&'static str, Story)> {
    let unnamed = Published { incarnation: None, ..published(State::Returned, 6) };
    let mut settled = Story::begin();
    settled.watcher.settle(settled.now, 6);
    let mut back = Story::begin();
    back.fall();
    back.watcher.settle(back.now, 6);
    vec![
        ("it learnt of the epoch while it was at work", settled),
        ("and called it down", back),
        ("it learnt of it when it began", resume(Order::Up, published(State::Steady, 4), 6)),
        ("and it had been down", resume(Order::Up, published(State::Down, 5), 6)),
        ("the one before it had not met it either", resume(Order::Up, unnamed, 6)),
    ]
}

#[test]
fn no_life_is_named_before_it_was_met_in_its_epoch() {
    for (how, mut s) in not_met() {
        assert_eq!((s.watcher.state(), s.watcher.incarnation()), (State::Returned, None), "{how}");
        assert!(s.good(8, 200), "{how}: the life that it is met in is news");
        assert_eq!(s.watcher.incarnation(), Some(Incarnation { pid: 8, start: 200 }), "{how}");
        assert_eq!(s.watcher.epoch(), 6, "{how}: and no restart, or a counter would count twice");
        s.wait(INTERVAL);
        assert!(s.good(9, 300), "{how}");
        assert_eq!(s.watcher.epoch(), 8, "{how}: the next one is");
    }
}

#[test]
fn a_failed_probe_is_no_meeting() {
    for (how, mut s) in not_met() {
        s.bad(Failing::Silent);
        assert_eq!(s.watcher.incarnation(), None, "{how}");
        s.good(8, 200);
        assert_eq!(s.watcher.epoch(), 6, "{how}");
    }
}

#[test]
fn one_that_fell_before_it_was_met_is_met_in_its_trial() {
    for (how, mut s) in not_met() {
        s.bad(Failing::Refused);
        s.bad(Failing::Refused);
        assert_eq!((s.watcher.state(), s.watcher.epoch()), (State::Down, 7), "{how}");
        s.wait(INTERVAL);
        s.trial(8, 200);
        assert_eq!(s.watcher.incarnation(), Some(Incarnation { pid: 8, start: 200 }), "{how}");
        s.wait(INTERVAL);
        s.good(9, 300);
        assert_eq!(s.watcher.epoch(), 10, "{how}: one restart");
    }
}
