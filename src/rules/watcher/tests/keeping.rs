//! Whose fall makes it possible to know what is changed without a server, and what is told of one that kept the rest.

use super::*;
use crate::rules::health::KEPT;

/// It comes back in this life, and so many keys were changed meanwhile. False: it is flushed.
fn weeded(story: &mut Story, pid: u64, keys: Option<usize>) -> bool {
    story.wait(INTERVAL);
    assert_eq!(story.task(), Some(Task::Trial));
    let mut states = vec![ServerView::default(); 3];
    states[0].state = State::Down;
    story.view.refresh(story.view.generation + 1, states.into_iter());
    let mut rejoin = story.watcher.trial(&story.view, ServerId(0)).keeping(true);
    let mut value = Vec::new();
    while let Some((_, tag)) = rejoin.next(&story.view) {
        let stats = format!("STAT pid {pid}\r\nSTAT uptime 10\r\nSTAT time 110\r\n");
        let reply = match rejoin.command(tag) {
            Command::Stats { .. } => Reply::Stats(stats.as_bytes()),
            Command::Noop => Reply::Noop,
            Command::Store { value: stored, .. } => {
                value = stored.to_vec();
                Reply::Stored
            }
            Command::FlushAll { .. } => return false,
            _ => Reply::Value(Value { data: &value, ..Value::default() }),
        };
        rejoin.answer(&story.view, tag, &reply);
        if rejoin.weeds() {
            rejoin.weeded(&story.view, keys);
        }
    }
    assert!(story.watcher.tried(story.now, &rejoin, rejoin.outcome()));
    true
}

#[test]
fn a_fall_that_our_probes_found_is_told_once() {
    let mut s = Story::begin();
    assert!(!s.watcher.take_fall());
    s.fall();
    assert!(s.watcher.take_fall() && !s.watcher.take_fall());
}

#[test]
fn a_fall_of_another_kind_is_none() {
    let mut unmet = Story::of(|now| Watcher::new(settings(), Order::Up, now, now.clock, 0));
    unmet.bad(Failing::Refused);
    unmet.bad(Failing::Refused);
    assert!(unmet.watcher.state() == State::Down && !unmet.watcher.take_fall(), "it was never met");
    let mut ordered = Story::begin();
    ordered.watcher.order(ordered.now, Order::Down);
    assert!(!ordered.watcher.take_fall(), "an administrator's");
    let mut others = Story::begin();
    others.watcher.settle(others.now, 1);
    assert!(others.watcher.state() == State::Down && !others.watcher.take_fall(), "a client's");
    let mut late = Story::begin();
    late.fall();
    late.watcher.settle(late.now, 1);
    assert!(!late.watcher.take_fall(), "it was not watched since");
    let mut replaced = Story::begin();
    replaced.watcher.replaced(replaced.now, "another address");
    assert!(!replaced.watcher.take_fall());
}

#[test]
fn one_that_kept_what_it_held_says_so_until_it_falls_or_restarts() {
    for (keys, says) in [(0, "0 keys"), (1, "1 key"), (12, "12 keys")] {
        let mut s = Story::begin();
        s.fall();
        assert!(weeded(&mut s, 7, Some(keys)));
        s.is(State::Returned, 2, &format!("back, with what it held but {says} changed meanwhile"));
        assert!(s.watcher.kept());
        s.wait(INTERVAL);
        if keys == 1 {
            s.good(8, 200);
            s.is(State::Returned, 4, "restarted");
        } else {
            s.fall();
        }
        assert!(!s.watcher.kept() && !s.watcher.reason().contains(KEPT));
    }
}

#[test]
fn what_could_not_be_weeded_is_flushed() {
    let mut s = Story::begin();
    s.fall();
    assert!(!weeded(&mut s, 7, None));
    assert_eq!(s.watcher.state(), State::Down);
}
