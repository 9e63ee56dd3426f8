//! What this process knows of its servers: one [`Health`] per server of a pool, shared by every
//! client of the process, because two clients that disagreed about a server would read each
//! other's past (rule 18).
//!
//! An entry outlives its last client: a program that opens a client per request would else meet every
//! dead server anew, and would forget that one missed a write and must be emptied. It costs some hundred
//! bytes per server that was ever used. A program that uses ever new ones would collect them without end: where there
//! are very many, those go that no client uses and of which nothing bad is known. Who uses such a one again meets it as a
//! new process does.
//!
//! Nothing here is locked while all is well: a client compares one number per call, and an answer
//! is told only when a broken connection is still to be forgiven.
//!
//! A forked child inherits what its parent knew: one that took every server for steady would read
//! old values from a server that missed its parent's writes.

mod agreed;
mod whereabouts;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::net::SocketAddrAny;

use self::agreed::Agreed;
pub(super) use self::agreed::{Basis, Diverted, Epochs};
use self::whereabouts::Whereabouts;
pub(super) use self::whereabouts::{Lookup, wishes};
use super::fork::PerProcess;
use super::trial::LeftBehind;
use super::trouble::{Trouble, Word};
use super::twin::{Twin, lock, try_lock};
use crate::rules::address::Address;
use crate::rules::greeting::Greeting;
use crate::rules::health::{Event, Health, Settings};
use crate::rules::time::Instant;
use crate::rules::view::{ServerView, State};

/// Grows with every change of any server's [`ServerView`].
static REVISION: AtomicU64 = AtomicU64::new(1);

static REGISTRY: PerProcess<Registry> = PerProcess::new();

/// So many servers are known before any is forgotten: more than a program has in use that has no others every day.
const ENOUGH: usize = 1024;

/// The servers that this process used.
#[derive(Default)]
struct Registry {
    /// In the order of their [`Known::place`].
    servers: Twin<Vec<Arc<Known>>>,
}

impl Registry {
    /// This process's. A forked child knows what its parent knew, in entries of its own: it has no
    /// use for its parent's locks, and what the parent learns from now on it is not told.
    fn of_this_process() -> &'static Registry {
        REGISTRY.get(|parents| {
            let servers = parents.and_then(|parents| parents.servers.inherited()).unwrap_or_default();
            let inherited = servers.iter().map(|known| Arc::new(Known::inherit(known))).collect();
            Registry { servers: Twin::new(inherited) }
        })
    }
}

/// The number that grows with every change. What was read of a server after this is at least as
/// new as the number.
pub(super) fn revision() -> u64 {
    REVISION.load(Ordering::Acquire)
}

/// What is known of one server of the pool of this name.
pub(super) fn known(pool: &str, address: &Address) -> Arc<Known> {
    let registry = Registry::of_this_process();
    let search =
        |servers: &[Arc<Known>]| servers.binary_search_by(|known| known.place().cmp(&(pool, address)));
    let find = |servers: &Vec<Arc<Known>>| Some(Arc::clone(&servers[search(servers).ok()?]));
    registry.servers.read(find).unwrap_or_else(|| {
        registry.servers.change(|servers| {
            find(servers).unwrap_or_else(|| {
                if servers.len() >= ENOUGH {
                    servers.retain(Known::is_needed);
                }
                let fresh = Arc::new(Known::new(pool, address, Inner::default()));
                let (Ok(at) | Err(at)) = search(servers);
                servers.insert(at, Arc::clone(&fresh));
                fresh
            })
        })
    })
}

#[derive(Clone)]
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
    /// A broken connection is not forgiven yet: the next good answer must be told.
    broke: bool,
    /// When time alone will change something, in microseconds; `u64::MAX`: never.
    alarm: u64,
    /// What goes wrong with a server that the table calls live.
    trouble: Trouble,
    /// What the health rests on, where there are a table and stripes.
    agreed: Agreed,
}

impl Default for Inner {
    fn default() -> Inner {
        Inner {
            health: Health::new(),
            trial: 0,
            trying: false,
            doubt: Instant(0),
            sites: Arc::default(),
            broke: false,
            alarm: u64::MAX,
            trouble: Trouble::default(),
            agreed: Agreed::default(),
        }
    }
}

impl Inner {
    /// Takes in an event. Whether others see the server in another way now.
    fn on(&mut self, now: Instant, event: Event, settings: &Settings) -> bool {
        let changed = self.health.on(now, event, settings);
        match event {
            Event::Broken => self.broke = self.health.state() != State::Down,
            Event::Answered => self.broke = false,
            _ => {}
        }
        self.alarm = self.health.next_change(settings).map_or(u64::MAX, |at| at.0);
        changed
    }

    /// Whether there is something that a new process would not find out by itself.
    fn is_worth_keeping(&self) -> bool {
        self.health.state() != State::Steady || self.broke || self.trouble.any() || self.agreed.any()
    }

    /// The trial under way no longer counts.
    fn void_trial(&mut self, now: Instant, settings: &Settings) -> bool {
        let trying = std::mem::take(&mut self.trying);
        if trying {
            self.trial += 1;
        }
        trying && self.on(now, Event::TrialFailed, settings)
    }
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
    pool: String,
    address: Address,
    inner: Twin<Inner>,
    whereabouts: Whereabouts,
    /// A good answer is news: a broken connection is to be forgiven, or a server could not be reached.
    troubled: AtomicBool,
    /// It is down and owes a flush already: another missed write changes nothing.
    owes_flush: AtomicBool,
    /// Only this process found it down: the others must be told before a write passes it by.
    untold: AtomicBool,
    /// Of the same name in [`Inner`].
    alarm: AtomicU64,
    /// The trial under way, when its client was closed in the middle of it.
    left: Mutex<Option<LeftBehind>>,
}

impl Known {
    fn new(pool: &str, address: &Address, inner: Inner) -> Known {
        let known = Known {
            pool: pool.to_owned(),
            address: address.clone(),
            whereabouts: Whereabouts::default(),
            troubled: AtomicBool::default(),
            owes_flush: AtomicBool::default(),
            untold: AtomicBool::default(),
            alarm: AtomicU64::default(),
            left: Mutex::default(),
            inner: Twin::new(inner.clone()),
        };
        known.publish(&inner);
        known
    }

    /// A forked child's own entry. A trial that the parent has under way stays the parent's; the child
    /// begins one when that one must be over.
    fn inherit(parents: &Known) -> Known {
        let mut inner = parents.inner.inherited().unwrap_or_default();
        inner.trial += u64::from(std::mem::take(&mut inner.trying));
        if let Some(mut left) = try_lock(&parents.left) {
            // Its sockets are the parent's: the child's descriptors of them are closed, no more.
            drop(left.take());
        }
        Known::new(&parents.pool, &parents.address, inner)
    }

    fn place(&self) -> (&str, &Address) {
        (&self.pool, &self.address)
    }

    /// Whether a client uses it, or it is not to be forgotten.
    fn is_needed(this: &Arc<Known>) -> bool {
        // (Either copy of the list has it, and nobody else can come by it meanwhile.)
        Arc::strong_count(this) > 2 || lock(&this.left).is_some() || this.inner.read(Inner::is_worth_keeping)
    }

    fn publish(&self, inner: &Inner) {
        let owes_flush = inner.health.state() == State::Down && inner.health.missed_write();
        self.owes_flush.store(owes_flush, Ordering::Relaxed);
        // Who reads this sees the epochs' changes too.
        self.untold.store(inner.untold(), Ordering::Release);
        self.troubled.store(inner.broke || inner.trouble.any(), Ordering::Relaxed);
        self.alarm.store(inner.alarm, Ordering::Relaxed);
    }

    /// Changes it. `change` says whether others see the server in another way after it.
    fn change<R>(&self, change: impl FnOnce(&mut Inner) -> (R, bool)) -> R {
        self.inner.change(|inner| {
            let (answer, changed) = change(inner);
            self.publish(inner);
            if changed {
                // Under the lock: whoever sees the number and then locks sees the change too.
                REVISION.fetch_add(1, Ordering::Release);
            }
            answer
        })
    }

    /// Takes in what happened.
    pub(super) fn tell(&self, now: Instant, event: Event, settings: &Settings) {
        self.change(|inner| ((), inner.on(now, event, settings)));
    }

    /// A connection that was begun at that time was greeted. False: its greeting does not count.
    pub(super) fn met(
        &self,
        now: Instant,
        begun: Instant,
        greeting: &Greeting,
        epochs: Option<Epochs<'_>>,
        settings: &Settings,
    ) -> bool {
        let (incarnation, meta) = (greeting.incarnation(), greeting.meta());
        self.change(|inner| {
            let counts = !inner.health.outdated(begun, incarnation);
            let before = inner.health.view();
            let changed = counts && inner.on(now, Event::Met { incarnation, meta }, settings);
            let mark = inner.health.view().incarnation;
            if before.state != State::Down && before.incarnation != 0 && mark != before.incarnation {
                inner.tell_restart(epochs, now, settings);
            }
            (counts, changed)
        })
    }

    /// A good answer came.
    #[inline(always)]
    pub(super) fn answered(&self, now: Instant, settings: &Settings) {
        if self.troubled.load(Ordering::Relaxed) {
            self.recovered(now, settings);
        }
    }

    #[cold]
    fn recovered(&self, now: Instant, settings: &Settings) {
        self.change(|inner| {
            let reached = inner.trouble.over();
            ((), inner.on(now, Event::Answered, settings) || reached)
        });
    }

    /// It cannot be reached, although the table said `word` of it and calls it live. Whether that is news to
    /// this process.
    pub(super) fn unreached(&self, word: Word, now: Instant) -> bool {
        self.change(|inner| {
            let news = inner.trouble.unreached(word, now);
            (news, news)
        })
    }

    /// A connection to it broke. Whether it counts as out of reach: not when it is the first.
    pub(super) fn broke(&self, word: Word, now: Instant) -> bool {
        self.change(|inner| {
            let counts = inner.trouble.broke(word, now);
            (counts, counts)
        })
    }

    /// Whether it counts as out of reach, for who knows this word of it.
    pub(super) fn is_out_of_reach(&self, word: Word) -> bool {
        self.troubled.load(Ordering::Relaxed) && self.inner.read(|inner| inner.trouble.applies(word))
    }

    /// Whether it is time to try it again, or nothing keeps it from being tried.
    pub(super) fn is_due(&self, word: Word, now: Instant) -> bool {
        self.inner.read(|inner| inner.trouble.may_try(word, now))
    }

    /// Whether it is time to try it again, or nothing keeps it from being tried. Who is told so tries it,
    /// and nobody else does meanwhile.
    pub(super) fn claim(&self, word: Word, now: Instant) -> bool {
        self.is_due(word, now) && self.change(|inner| (inner.trouble.claim(word, now), false))
    }

    /// A call waits for it that must have tried it by then.
    pub(super) fn hasten(&self, word: Word, latest: Instant) {
        self.change(|inner| {
            inner.trouble.hasten(word, latest);
            ((), false)
        });
    }

    /// Who claimed it did not try it.
    pub(super) fn unclaim(&self, now: Instant) {
        self.change(|inner| {
            inner.trouble.unclaim(now);
            ((), false)
        });
    }

    /// It was reached.
    pub(super) fn reached(&self) {
        if self.troubled.load(Ordering::Relaxed) {
            self.change(|inner| ((), inner.trouble.over()));
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
        self.change(|inner| {
            inner.doubt = now;
            let missed = inner.on(now, Event::MissedWrite, settings);
            ((), inner.void_trial(now, settings) || missed)
        });
    }

    /// A client that used it as little as a server that is down, since `since`, and wrote elsewhere
    /// meanwhile, will use it again. It is down now, for every client: what it holds is old. A
    /// flush counts only when it comes after now, because others wrote to it all along.
    pub(super) fn passed_by(&self, since: Instant, now: Instant, settings: &Settings) {
        self.change(|inner| {
            inner.doubt = now;
            // Told as of then, so that its first trial need not wait any more.
            let fell = inner.on(since, Event::Silent, settings);
            let missed = inner.on(now, Event::MissedWrite, settings);
            ((), inner.void_trial(now, settings) || fell || missed)
        });
    }

    /// What others see of it.
    pub(super) fn view(&self) -> ServerView {
        self.inner.read(|inner| self.seen(inner))
    }

    /// Whether time alone changes something by now.
    pub(super) fn alarmed(&self, now: Instant) -> bool {
        self.alarm.load(Ordering::Relaxed) <= now.0
    }

    /// Whether a trial is due. One that was left behind and found nobody to go on with it is given up then.
    pub(super) fn may_be_tried(&self, now: Instant) -> bool {
        let due = self.inner.read(|inner| inner.health.trial_due(now));
        if let Some(left) = lock(&self.left).take_if(|_| due) {
            left.abandon();
        }
        due
    }

    /// Begins a trial if one is due.
    pub(super) fn begin_trial(&self, now: Instant, settings: &Settings) -> Option<Begun> {
        self.change(|inner| {
            if !inner.health.trial_due(now) {
                return (None, false);
            }
            let changed = inner.on(now, Event::TrialBegun, settings);
            inner.trial += 1;
            inner.trying = true;
            let given_up = inner.health.since().max(inner.doubt);
            (Some(Begun { number: inner.trial, health: inner.health.clone(), given_up }), changed)
        })
    }

    /// Ends a trial. Without effect when another one has begun since: it may rest on what this one
    /// did not see.
    pub(super) fn end_trial(
        &self,
        number: u64,
        now: Instant,
        event: Event,
        epochs: Option<Epochs<'_>>,
        settings: &Settings,
    ) {
        self.change(|inner| {
            let counts = inner.trying && inner.trial == number;
            inner.trying &= !counts;
            if counts && inner.overruled(epochs, now, settings) {
                return ((), true);
            }
            let changed = counts && inner.on(now, event, settings);
            if changed {
                inner.tell_return(epochs, now, settings);
            }
            ((), changed)
        });
    }

    /// Leaves a trial to the next client that can go on with it.
    pub(super) fn leave(&self, trial: LeftBehind) {
        if let Some(older) = lock(&self.left).replace(trial) {
            older.abandon();
        }
    }

    /// The trial that was left behind, if `fits`.
    pub(super) fn take_over(&self, fits: impl FnOnce(&LeftBehind) -> bool) -> Option<LeftBehind> {
        lock(&self.left).take_if(|left| fits(left))
    }
}

#[cfg(test)]
mod tests;
