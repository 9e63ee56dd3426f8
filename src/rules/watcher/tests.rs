//! What a watcher does next, and what others see of it, told in order.

mod epochs;
mod keeping;
mod resumed;

use std::sync::Arc;

use super::*;
use crate::rules::address::Address;
use crate::rules::greeting::Greeting;
use crate::rules::operation::Operation;
use crate::rules::pool::{Pool, Server};
use crate::rules::view::Meta;
use crate::rules::wire::{Command, Reply, Value};

const INTERVAL: Duration = Duration::from_millis(500);
const HOUR: Duration = Duration::from_secs(3600);
/// When every story begins.
const BEGINNING: Stamp = Stamp { unix_millis: 1_764_000_000_000, clock: 3, boot_millis: 10_000_000 };

fn settings() -> Settings {
    Settings::new(&Options::default(), INTERVAL, 2, 2)
}

fn greeting(pid: u64, start: u64) -> Greeting {
    let mut greeting = Greeting::default();
    let block = format!("STAT pid {pid}\r\nSTAT uptime 10\r\nSTAT time {}\r\n", start + 10);
    greeting.answer(&Reply::Stats(block.as_bytes()));
    greeting.answer(&Reply::Noop);
    greeting
}

/// The first server of a pool of three, and its clock.
struct Story {
    watcher: Watcher,
    now: Moment,
    view: View,
}

impl Story {
    fn of(watcher: impl FnOnce(Moment) -> Watcher) -> Story {
        let now = Moment { clock: Instant(10_000_000_000), stamp: BEGINNING };
        let server = |index: u16| Server {
            name: format!("s{index}"),
            address: Address::Tcp { host: "127.0.0.1".into(), port: 20_000 + index },
            weight: 1,
            backup: None,
        };
        let pool = Pool::new("p", Options::default(), (0..3).map(server).collect());
        Story { watcher: watcher(now), now, view: View::new(Arc::new(pool)) }
    }

    /// New, and met in the life 7.
    fn begin() -> Story {
        let mut story = Story::of(|now| Watcher::new(settings(), Order::Up, now, now.clock, 0));
        story.good(7, 100);
        story
    }

    fn wait(&mut self, span: Duration) -> &mut Self {
        self.now.clock = self.now.clock + span;
        self.now.stamp.unix_millis += span.as_millis() as u64;
        self.now.stamp.boot_millis += span.as_millis() as u64;
        self
    }

    fn task(&mut self) -> Option<Task> {
        self.watcher.task(self.now)
    }

    /// A probe is asked for, and it is good.
    fn good(&mut self, pid: u64, start: u64) -> bool {
        assert_eq!(self.task(), Some(Task::Probe));
        self.watcher.probed(self.now, Ok(&greeting(pid, start)))
    }

    /// A probe is asked for, and it fails.
    fn bad(&mut self, failing: Failing) -> bool {
        assert_eq!(self.task(), Some(Task::Probe));
        self.watcher.probed(self.now, Err(failing))
    }

    fn fall(&mut self) -> &mut Self {
        self.wait(INTERVAL);
        self.bad(Failing::Refused);
        assert!(self.bad(Failing::Refused));
        assert_eq!(self.watcher.state(), State::Down);
        self
    }

    /// A trial is asked for, and everything goes well. Whether it flushed.
    fn trial(&mut self, pid: u64, start: u64) -> bool {
        assert_eq!(self.task(), Some(Task::Trial));
        let mut states = vec![ServerView::default(); 3];
        states[0].state = State::Down;
        self.view.refresh(self.view.generation + 1, states.into_iter());
        self.view.now = self.now.stamp;
        let mut rejoin = self.watcher.trial(&self.view, ServerId(0));
        let mut flushed = false;
        let (mut value, mut stores) = (Vec::new(), 0);
        while let Some((_, tag)) = rejoin.next(&self.view) {
            let command = rejoin.command(tag);
            flushed |= matches!(command, Command::FlushAll { .. });
            if let Command::Store { value: stored, key, .. } = command {
                value = stored.to_vec();
                stores += u32::from(key.starts_with(b"libmemcache:probe"));
            }
            let uptime = self.now.stamp.unix_millis / 1000 - start;
            let stats = format!("STAT pid {pid}\r\nSTAT uptime {uptime}\r\nSTAT time {}\r\n", start + uptime);
            let reply = match command {
                Command::Stats { .. } => Reply::Stats(stats.as_bytes()),
                Command::Noop => Reply::Noop,
                Command::Store { .. } => Reply::Stored,
                Command::FlushAll { .. } => Reply::Ok,
                _ => Reply::Value(Value { data: &value, ..Value::default() }),
            };
            rejoin.answer(&self.view, tag, &reply);
        }
        assert_eq!(rejoin.outcome(), Some(Outcome::Done));
        assert_eq!(
            stores,
            self.watcher.settings.rise + u32::from(flushed),
            "as many probes as were asked for"
        );
        assert!(self.watcher.tried(self.now, &rejoin, rejoin.outcome()));
        flushed
    }

    /// A trial is asked for, and the server does not answer.
    fn failed_trial(&mut self) -> bool {
        assert_eq!(self.task(), Some(Task::Trial));
        let rejoin = self.watcher.trial(&self.view, ServerId(0));
        self.watcher.tried(self.now, &rejoin, None)
    }

    fn is(&self, state: State, epoch: u64, reason: &str) {
        let watcher = &self.watcher;
        assert_eq!((watcher.state(), watcher.epoch(), &*watcher.reason()), (state, epoch, reason));
        assert_eq!(watcher.epoch() % 2 == 1, watcher.state() == State::Down, "odd means down");
    }
}

/// A returned server has its probes, and the end of its window: who works off what is due must not be given the latter
/// once for each probe.
#[test]
fn while_a_probe_is_under_way_nothing_is_due() {
    let mut story = Story::begin();
    story.wait(INTERVAL);
    assert!(story.good(8, 200), "restarted");
    assert_eq!(story.watcher.state(), State::Returned);
    story.wait(INTERVAL);
    assert!(story.watcher.due().is_some());
    assert_eq!(story.task(), Some(Task::Probe));
    assert_eq!(story.watcher.due(), None);
}

#[test]
fn a_probe_in_every_interval() {
    let mut s = Story::begin();
    for _ in 0..10 {
        assert_eq!(s.task(), None);
        assert_eq!(s.watcher.due(), Some(s.now.clock + INTERVAL));
        s.wait(INTERVAL);
        assert!(!s.good(7, 101), "nothing new");
    }
    s.wait(20 * INTERVAL);
    s.good(7, 100);
    assert_eq!(s.watcher.due(), Some(s.now.clock + INTERVAL), "nothing is made up for");
    s.is(State::Steady, 0, "never failed");
}

#[test]
fn the_schedule_does_not_wander_with_late_probes() {
    let mut s = Story::begin();
    let first = s.now.clock;
    s.wait(INTERVAL + Duration::from_millis(30));
    s.good(7, 100);
    assert_eq!(s.watcher.due(), Some(first + 2 * INTERVAL));
    s.wait(INTERVAL / 2);
    s.watcher.told(s.now);
    s.good(7, 100);
    assert_eq!(s.watcher.due(), Some(first + 3 * INTERVAL), "nor with those in between");
}

#[test]
fn one_question_at_a_time() {
    let mut s = Story::begin();
    s.wait(INTERVAL);
    assert_eq!(s.task(), Some(Task::Probe));
    assert_eq!((s.wait(HOUR).task(), s.watcher.due()), (None, None));
}

#[test]
fn fall_failed_probes_in_a_row_without_a_pause_between() {
    let mut s = Story::begin();
    s.wait(INTERVAL);
    assert!(!s.bad(Failing::Silent), "one is none");
    assert_eq!(s.watcher.due(), Some(s.now.clock));
    assert!(!s.good(7, 100), "and a good one takes it back");
    s.wait(INTERVAL);
    s.bad(Failing::Refused);
    assert!(s.bad(Failing::Silent));
    s.is(State::Down, 1, "no answer in time");
    assert!(s.watcher.health.missed_write(), "it owes a flush from now on");
    assert_eq!(s.watcher.since(), s.now.stamp);
}

#[test]
fn every_way_to_fail_has_its_reason() {
    for (failing, reason) in [
        (Failing::Refused, "connection refused"),
        (Failing::Silent, "no answer in time"),
        (Failing::Broken, "connection broke"),
        (Failing::Ill("it did not store a probe value"), "it did not store a probe value"),
    ] {
        let mut s = Story::begin();
        s.wait(INTERVAL);
        s.bad(failing);
        assert!(s.bad(failing));
        s.is(State::Down, 1, reason);
    }
}

#[test]
fn what_this_machine_lacks_is_not_the_servers_fault() {
    let mut s = Story::begin();
    for _ in 0..10 {
        s.wait(INTERVAL);
        assert!(!s.bad(Failing::Local));
        assert_eq!(s.task(), None, "and is not asked about at once");
    }
    s.is(State::Steady, 0, "never failed");
}

#[test]
fn a_report_is_looked_into_at_once_and_a_thousand_are_one() {
    let mut s = Story::begin();
    s.wait(INTERVAL / 2);
    s.watcher.told(s.now);
    assert_eq!(s.watcher.due(), Some(s.now.clock));
    assert_eq!(s.task(), Some(Task::Probe));
    for _ in 0..1000 {
        s.watcher.told(s.now);
    }
    assert_eq!(s.task(), None);
    s.watcher.probed(s.now, Ok(&greeting(7, 100)));
    assert_eq!(s.watcher.due(), Some(s.now.clock + BREATH), "the probe under way may have come too early");
    s.wait(BREATH).good(7, 100);
    assert_ne!(s.watcher.due(), Some(s.now.clock + BREATH));
}

#[test]
fn a_restart_that_nobody_saw_is_the_next_even_epoch() {
    let mut s = Story::begin();
    s.wait(INTERVAL);
    assert!(s.good(8, 200));
    s.is(State::Returned, 2, "restarted");
    s.wait(INTERVAL);
    assert!(s.good(8, 300), "and once more");
    s.is(State::Returned, 4, "restarted");
    s.wait(24 * HOUR);
    assert!(s.watcher.tick(s.now));
    s.is(State::Steady, 4, "returned, and the window is over");
}

#[test]
fn it_comes_back_as_the_same_process_and_is_emptied() {
    let mut s = Story::begin();
    s.fall();
    assert_eq!(s.task(), None);
    assert!(!s.wait(INTERVAL).failed_trial());
    s.wait(4 * INTERVAL);
    assert!(s.trial(7, 100), "flushed");
    s.is(State::Returned, 2, "back, emptied because it missed writes");
    assert_eq!(s.watcher.due(), Some(s.now.clock + INTERVAL), "and is probed as before");
}

#[test]
fn it_comes_back_as_a_younger_process_and_needs_no_flush() {
    let mut s = Story::begin();
    s.fall().wait(HOUR);
    let younger = s.now.stamp.unix_millis / 1000 - 10;
    assert!(!s.trial(8, younger));
    s.is(State::Returned, 2, "back, restarted");
}

#[test]
fn rise_is_a_setting() {
    let mut s = Story::begin();
    s.watcher.settings = Settings::new(&Options::default(), INTERVAL, 2, 5);
    s.fall().wait(INTERVAL);
    s.trial(7, 100); // it counts the probes
}

#[test]
fn trials_of_a_dead_server_do_not_become_rare() {
    let mut s = Story::begin();
    s.fall();
    for _ in 0..100 {
        let due = s.watcher.due().expect("there is always another trial");
        assert!(due - s.now.clock <= 4 * INTERVAL);
        s.wait(due - s.now.clock);
        s.failed_trial();
    }
}

#[test]
fn taken_out_by_order_and_to_be_used_again() {
    let mut s = Story::begin();
    assert!(s.watcher.order(s.now, Order::Down));
    s.is(State::Down, 1, "taken out by an administrator");
    assert!(s.watcher.view().held_back, "it is not one that seems down (rule 14)");
    assert_eq!((s.watcher.due(), s.wait(HOUR).task()), (None, None), "no trials");
    assert!(!s.watcher.order(s.now, Order::Down), "twice is once");
    assert!(s.watcher.order(s.now, Order::Up));
    assert!(!s.watcher.view().held_back);
    assert!(s.trial(7, 100), "at once, and flushed");
    s.is(State::Returned, 2, "back, emptied because it missed writes");
}

#[test]
fn an_order_while_it_is_on_trial_counts() {
    let mut s = Story::begin();
    s.fall().wait(INTERVAL);
    assert_eq!(s.task(), Some(Task::Trial));
    assert!(s.watcher.order(s.now, Order::Down));
    s.watcher.on(s.now, Event::Rejoined { incarnation: None, meta: true });
    s.is(State::Down, 1, "taken out by an administrator");
}

#[test]
fn drained_for_the_window_and_then_taken_out() {
    let mut s = Story::begin();
    assert!(s.watcher.order(s.now, Order::Draining));
    s.is(State::Draining, 0, "drained by an administrator");
    for _ in 0..3 {
        s.wait(INTERVAL);
        assert!(!s.good(7, 100));
    }
    s.wait(24 * HOUR - 4 * INTERVAL);
    assert!(!s.watcher.tick(s.now));
    s.wait(INTERVAL);
    assert!(s.watcher.due().is_some_and(|due| due <= s.now.clock));
    assert!(s.watcher.tick(s.now));
    s.is(State::Down, 1, "drained, and taken out");
    assert_eq!(s.watcher.due(), None);
}

#[test]
fn drained_for_the_longest_life_of_a_value_if_that_is_shorter() {
    let options = Options { max_ttl: Some(HOUR), ..Options::default() };
    let mut s = Story::begin();
    s.watcher.settings = Settings::new(&options, INTERVAL, 2, 2);
    s.watcher.order(s.now, Order::Draining);
    s.wait(HOUR);
    assert!(s.watcher.tick(s.now));
    assert_eq!(s.watcher.state(), State::Down);
}

#[test]
fn a_drain_that_is_called_off_leaves_it_incomplete() {
    let mut s = Story::begin();
    s.watcher.order(s.now, Order::Draining);
    assert!(s.watcher.order(s.now, Order::Up));
    s.is(State::Returned, 0, "to be used again, and no longer drained");
}

#[test]
fn one_that_fails_or_restarts_while_it_is_drained_stays_out() {
    let mut s = Story::begin();
    s.watcher.order(s.now, Order::Draining);
    s.fall();
    s.is(State::Down, 1, "taken out by an administrator");
    assert_eq!(s.watcher.due(), None);
    let mut s = Story::begin();
    s.watcher.order(s.now, Order::Draining);
    s.wait(INTERVAL);
    assert!(s.good(8, 200));
    s.is(State::Down, 1, "restarted while it was drained, and taken out");
    assert_eq!(s.watcher.due(), None);
}

#[test]
fn an_epoch_without_a_table_counts() {
    let new = |epoch| Story::of(|now| Watcher::new(settings(), Order::Up, now, now.clock, epoch));
    new(0).is(State::Steady, 0, "never failed");
    new(3).is(State::Down, 3, "given up while it was not watched");
    new(4).is(State::Returned, 4, "came back while it was not watched");
}

#[test]
fn every_return_is_published_with_another_mark() {
    let address = "127.0.0.1:20000".parse().expect("an address");
    let mut s = Story::begin();
    let first = s.watcher.published(&address).incarnation;
    assert_eq!(first, mark(&address, 0), "those who judge by themselves call it the same");
    s.fall().wait(HOUR);
    assert!(s.trial(7, 100), "the same process, emptied");
    assert_ne!(s.watcher.published(&address).incarnation, first);
    assert_eq!(s.watcher.published(&address).incarnation, mark(&address, 2));
}

#[test]
fn one_that_joins_or_is_replaced_is_emptied_before_it_is_used() {
    let mut s = Story::of(|now| Watcher::joining(settings(), Order::Up, now, now.clock, 6));
    s.is(State::Down, 7, "new in the pool, and on trial");
    assert!(s.trial(7, 100));
    s.is(State::Returned, 8, "back, emptied because it missed writes");
    let s = Story::of(|now| Watcher::joining(settings(), Order::Down, now, now.clock, 0));
    s.is(State::Down, 1, "taken out by an administrator");

    let mut s = Story::begin();
    s.wait(INTERVAL);
    assert_eq!(s.task(), Some(Task::Probe));
    assert!(s.watcher.replaced(s.now, "it has another address"));
    s.is(State::Down, 1, "it has another address");
    assert!(s.trial(9, 900));
    s.fall().wait(HOUR);
    let younger = s.now.stamp.unix_millis / 1000;
    s.watcher.replaced(s.now, "it has another address");
    assert!(s.trial(10, younger - 10), "it started after the fall, and is flushed all the same");
    assert_eq!(s.watcher.epoch(), 6);
}

#[test]
fn a_trial_that_was_answered_tells_why_it_failed() {
    let mut s = Story::begin();
    s.fall().wait(INTERVAL);
    assert_eq!(s.task(), Some(Task::Trial));
    let mut rejoin = s.watcher.trial(&s.view, ServerId(0));
    let stats = b"STAT pid 7\r\nSTAT uptime 10\r\nSTAT time 110\r\n";
    for reply in [Reply::Stats(stats), Reply::Noop, Reply::Exists] {
        let (_, tag) = rejoin.next(&s.view).expect("a question");
        rejoin.answer(&s.view, tag, &reply);
    }
    assert!(s.watcher.tried(s.now, &rejoin, rejoin.outcome()));
    s.is(State::Down, 1, "connection refused; on trial: it did not store a probe value");
    s.wait(4 * INTERVAL);
    assert!(s.failed_trial(), "now it does not even answer");
    s.is(State::Down, 1, "connection refused");
}
