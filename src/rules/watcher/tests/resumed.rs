//! What another process watched before.

use super::*;

/// A thousand seconds before the story begins.
const PUBLISHED: Stamp = Stamp { unix_millis: 1_763_999_000_000, clock: 3, boot_millis: 9_000_000 };

pub(super) fn published(state: State, epoch: u64) -> Published {
    let view = ServerView { state, meta: Meta::Yes, incarnation: 77, ..ServerView::default() };
    let incarnation = Some(Incarnation { pid: 7, start: 100 });
    Published { view, incarnation, since: PUBLISHED, reason: "so it was said".into(), epoch }
}

pub(super) fn resume(order: Order, published: Published, epoch: u64) -> Story {
    Story::of(|now| Watcher::resume(settings(), order, now, now.clock, published, epoch))
}

#[test]
fn a_new_daemon_goes_on_where_the_old_one_left_off() {
    for state in [State::Steady, State::Returned] {
        let mut s = resume(Order::Up, published(state, 4), 4);
        s.is(state, 4, "so it was said");
        assert_eq!(s.watcher.since(), PUBLISHED);
        assert!(!s.good(7, 100), "the same life, the same mark");
        assert_eq!(s.watcher.view().incarnation, 77);
    }
    let mut s = resume(Order::Up, published(State::Returned, 4), 4);
    s.wait(24 * HOUR - Duration::from_secs(1000));
    assert!(s.watcher.tick(s.now), "the window began then");
    let mut s = resume(Order::Up, published(State::Steady, 4), 4);
    assert!(s.good(8, 200));
    s.is(State::Returned, 6, "restarted");
}

#[test]
fn a_window_lasts_as_long_as_it_does_whatever_becomes_of_the_wall_clock() {
    let settled = |unix_millis| {
        let mut s = Story::of(|now| {
            let now = Moment { stamp: Stamp { unix_millis, ..now.stamp }, ..now };
            Watcher::resume(settings(), Order::Up, now, now.clock, published(State::Returned, 4), 4)
        });
        s.wait(24 * HOUR - Duration::from_secs(1001));
        (s.watcher.tick(s.now), s.wait(Duration::from_secs(1)).watcher.state())
    };
    let day = 24 * 3_600_000;
    for unix_millis in [BEGINNING.unix_millis, BEGINNING.unix_millis + day, BEGINNING.unix_millis - day, 0] {
        assert_eq!(settled(unix_millis), (false, State::Returned), "{unix_millis}");
    }
}

#[test]
fn what_was_down_is_down_and_owes_its_flush() {
    let mut s = resume(Order::Up, published(State::Down, 5), 5);
    s.is(State::Down, 5, "so it was said");
    assert!(s.trial(7, 100), "at once, and flushed");
    assert_eq!(s.watcher.epoch(), 6);
    let s = resume(Order::Down, published(State::Down, 5), 5);
    s.is(State::Down, 5, "taken out by an administrator");
    assert_eq!((s.watcher.due(), s.watcher.since()), (None, PUBLISHED));
}

#[test]
fn what_others_did_meanwhile_counts() {
    let s = resume(Order::Up, published(State::Steady, 4), 5);
    s.is(State::Down, 5, "given up while it was not watched");
    assert!(s.watcher.health.missed_write());
    resume(Order::Up, published(State::Steady, 4), 6).is(
        State::Returned,
        6,
        "came back while it was not watched",
    );
    resume(Order::Up, published(State::Down, 5), 6).is(
        State::Returned,
        6,
        "brought back while it was not watched",
    );
    resume(Order::Up, published(State::Down, 5), 9).is(State::Down, 9, "so it was said");
    resume(Order::Down, published(State::Down, 5), 6).is(State::Down, 7, "taken out by an administrator");
    resume(Order::Up, published(State::Down, 5), 0).is(State::Down, 5, "so it was said");
    resume(Order::Draining, published(State::Draining, 4), 6).is(
        State::Down,
        7,
        "restarted while it was drained, and taken out",
    );
}

#[test]
fn a_late_daemon_proves_everything_anew() {
    let mut s = Story::begin();
    assert!(!s.watcher.settle(s.now, 0));
    assert_eq!(s.watcher.due(), Some(s.now.clock));
    assert!(s.watcher.settle(s.now, 1));
    s.is(State::Down, 1, "given up while it was not watched");
    assert!(s.watcher.settle(s.now, 2));
    s.is(State::Returned, 2, "brought back while it was not watched");
}
