//! What this process knows of its servers: one [`Health`] per server of a pool, shared by every
//! client of the process, because two clients that disagreed about a server would read each
//! other's past (rule 18).
//!
//! An entry lives as long as the process. Were it dropped with its last client, a program that
//! opens a client per request would meet every dead server anew, and would forget that one
//! missed a write and must be emptied. It costs some hundred bytes per server that was ever used.
//!
//! Nothing here is locked while all is well: a client compares one number per call, and an answer
//! is told only when a broken connection is still to be forgiven.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::net::SocketAddrAny;

use crate::rules::address::Address;
use crate::rules::health::{Event, Health, Settings};
use crate::rules::time::Instant;
use crate::rules::view::{ServerView, State};

/// Grows with every change of any server's [`ServerView`].
static REVISION: AtomicU64 = AtomicU64::new(1);

/// By the pool's name and the server's address.
type Servers = HashMap<(String, Address), Arc<Known>>;

static SERVERS: LazyLock<Mutex<Servers>> = LazyLock::new(Mutex::default);

/// The number that grows with every change. What was read of a server after this is at least as
/// new as the number.
pub(super) fn revision() -> u64 {
    REVISION.load(Ordering::Acquire)
}

/// What is known of one server of the pool of this name.
pub(super) fn known(pool: &str, address: &Address) -> Arc<Known> {
    let mut servers = lock(&SERVERS);
    Arc::clone(servers.entry((pool.to_owned(), address.clone())).or_default())
}

/// A panic elsewhere leaves nothing half done here that a later event would not set right.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Inner {
    health: Health,
    /// Which trial counts: news of an older one are void.
    trial: u64,
    /// Whether it is under way.
    trying: bool,
    /// When a connection was last given up with a change on it that was never answered.
    doubt: Instant,
    /// Where it listens, as last resolved by any client; empty: never.
    sites: Arc<[SocketAddrAny]>,
}

/// A trial that has begun.
pub(super) struct Begun {
    /// Its number.
    pub(super) number: u64,
    /// The health it starts from.
    pub(super) health: Health,
    /// When the server was given up: nothing was sent to it after that.
    pub(super) given_up: Instant,
}

/// One server as this process knows it.
pub(super) struct Known {
    inner: Mutex<Inner>,
    /// A broken connection is not forgiven yet: the next good answer must be told.
    broke: AtomicBool,
    /// It is down and owes a flush already: another missed write changes nothing.
    owes_flush: AtomicBool,
    /// When time alone will change something, in microseconds; `u64::MAX`: never.
    alarm: AtomicU64,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            inner: Mutex::default(),
            broke: AtomicBool::new(false),
            owes_flush: AtomicBool::new(false),
            alarm: AtomicU64::new(u64::MAX),
        }
    }
}

impl Known {
    /// Takes in what happened.
    pub(super) fn tell(&self, now: Instant, event: Event, settings: &Settings) {
        self.apply(&mut lock(&self.inner), now, event, settings);
    }

    fn apply(&self, inner: &mut Inner, now: Instant, event: Event, settings: &Settings) {
        let changed = inner.health.on(now, event, settings);
        let live = inner.health.state() != State::Down;
        match event {
            Event::Broken => self.broke.store(live, Ordering::Relaxed),
            Event::Answered => self.broke.store(false, Ordering::Relaxed),
            _ => {}
        }
        self.owes_flush.store(!live && inner.health.missed_write(), Ordering::Relaxed);
        let alarm = inner.health.next_change(settings).map_or(u64::MAX, |at| at.0);
        self.alarm.store(alarm, Ordering::Relaxed);
        if changed {
            // Under the lock: whoever sees the number and then locks sees the change too.
            REVISION.fetch_add(1, Ordering::Release);
        }
    }

    /// A good answer came.
    pub(super) fn answered(&self, now: Instant, settings: &Settings) {
        if self.broke.load(Ordering::Relaxed) {
            self.tell(now, Event::Answered, settings);
        }
    }

    /// A write goes elsewhere because it is down. When this returns, either the miss is on record,
    /// or the server is live and [`revision`] tells so.
    pub(super) fn missed_write(&self, now: Instant, settings: &Settings) {
        if !self.owes_flush.load(Ordering::Relaxed) {
            self.tell(now, Event::MissedWrite, settings);
        }
    }

    /// A connection was given up with a change on it that was never answered, and that may still
    /// be executed. Of a live server's it is the operation's business. A down server must be
    /// emptied after it, so a trial that began before is void.
    pub(super) fn doubted(&self, now: Instant, settings: &Settings) {
        let mut inner = lock(&self.inner);
        inner.doubt = now;
        self.apply(&mut inner, now, Event::MissedWrite, settings);
        if std::mem::take(&mut inner.trying) {
            inner.trial += 1;
            self.apply(&mut inner, now, Event::TrialFailed, settings);
        }
    }

    /// What others see of it.
    pub(super) fn view(&self) -> ServerView {
        lock(&self.inner).health.view()
    }

    /// Whether time alone changes something by now.
    pub(super) fn alarmed(&self, now: Instant) -> bool {
        self.alarm.load(Ordering::Relaxed) <= now.0
    }

    /// Begins a trial if one is due.
    pub(super) fn begin_trial(&self, now: Instant, settings: &Settings) -> Option<Begun> {
        let mut inner = lock(&self.inner);
        if !inner.health.trial_due(now) {
            return None;
        }
        self.apply(&mut inner, now, Event::TrialBegun, settings);
        inner.trial += 1;
        inner.trying = true;
        let given_up = inner.health.since().max(inner.doubt);
        Some(Begun { number: inner.trial, health: inner.health.clone(), given_up })
    }

    /// Whether the trial of this number is still the one that counts.
    pub(super) fn on_trial(&self, number: u64) -> bool {
        let inner = lock(&self.inner);
        inner.trying && inner.trial == number && inner.health.state() == State::Down
    }

    /// Ends a trial. Without effect when another one has begun since: it may rest on what this one
    /// did not see.
    pub(super) fn end_trial(&self, number: u64, now: Instant, event: Event, settings: &Settings) {
        let mut inner = lock(&self.inner);
        if inner.trying && inner.trial == number {
            inner.trying = false;
            self.apply(&mut inner, now, event, settings);
        }
    }

    /// Where it listens, as any client of this process last resolved it.
    pub(super) fn sites(&self) -> Arc<[SocketAddrAny]> {
        Arc::clone(&lock(&self.inner).sites)
    }

    /// Takes in where it listens.
    pub(super) fn found(&self, sites: Vec<SocketAddrAny>) {
        lock(&self.inner).sites = sites.into();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rules::pool::Options;

    const START: Instant = Instant(1_000_000_000);
    const REJOINED: Event = Event::Rejoined { incarnation: None, meta: true };

    fn settings() -> Settings {
        Settings::new(&Options::default())
    }

    /// Down, and its first trial begun.
    fn on_trial(name: &str) -> (Arc<Known>, Begun, Instant) {
        let known = known(name, &Address::Unix("of a unit test".into()));
        known.tell(START, Event::Refused, &settings());
        assert_eq!(known.view().state, State::Down);
        assert!(!known.alarmed(START), "the first trial waits");
        assert!(known.begin_trial(START, &settings()).is_none());
        let later = START + settings().retry_limit;
        assert!(known.alarmed(later));
        let begun = known.begin_trial(later, &settings()).unwrap();
        assert!(known.begin_trial(later, &settings()).is_none(), "one at a time");
        (known, begun, later)
    }

    #[test]
    fn one_server_of_one_pool_is_one_entry() {
        let address = Address::Unix("shared".into());
        assert!(Arc::ptr_eq(&known("one", &address), &known("one", &address)));
        assert!(!Arc::ptr_eq(&known("one", &address), &known("two", &address)));
    }

    #[test]
    fn every_change_of_a_view_raises_the_revision() {
        let known = known("revision", &Address::Unix("of a unit test".into()));
        let before = revision();
        known.tell(START, Event::Refused, &settings());
        assert!(revision() > before);
    }

    #[test]
    fn a_trial_brings_a_server_back() {
        let (known, begun, now) = on_trial("back");
        assert_eq!(begun.given_up, START);
        known.end_trial(begun.number, now, REJOINED, &settings());
        assert_ne!(known.view().state, State::Down);
    }

    #[test]
    fn a_trial_that_another_one_followed_is_void() {
        let (known, first, now) = on_trial("void");
        let later = now + settings().retry_limit;
        let second = known.begin_trial(later, &settings()).unwrap();
        assert!(!known.on_trial(first.number) && known.on_trial(second.number));
        known.end_trial(first.number, later, REJOINED, &settings());
        assert_eq!(known.view().state, State::Down);
        known.end_trial(second.number, later, REJOINED, &settings());
        assert_ne!(known.view().state, State::Down);
    }

    #[test]
    fn a_doubt_that_arises_during_a_trial_voids_it() {
        let (known, begun, now) = on_trial("doubt");
        let doubt = now + Duration::from_millis(1);
        known.doubted(doubt, &settings());
        known.end_trial(begun.number, doubt, REJOINED, &settings());
        assert_eq!(known.view().state, State::Down);
        let next = known.begin_trial(doubt + settings().retry_limit, &settings()).unwrap();
        assert_eq!(next.given_up, doubt, "a flush counts only when it comes after that");
        assert!(next.health.missed_write());
    }

    #[test]
    fn an_answer_is_told_only_after_a_break() {
        let known = known("breaks", &Address::Unix("of a unit test".into()));
        for _ in 0..2 * settings().breaks {
            known.tell(START, Event::Broken, &settings());
            known.answered(START, &settings());
        }
        assert_eq!(known.view().state, State::Steady);
        for _ in 0..settings().breaks {
            known.tell(START, Event::Broken, &settings());
        }
        assert_eq!(known.view().state, State::Down);
    }
}
