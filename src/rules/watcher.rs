//! Watcher: one server as the daemon sees it, and what is to be done about it next.
//!
//! A client learns of a server by the way; a watcher asks on purpose, and its word is everybody's
//! (rule 18). So it asks `fall` times before it gives a server up and `rise` times before it takes it back,
//! and it keeps the server's epoch (docs/one-view.md), the number by which processes that were
//! not watched agree.
//!
//! It does no input or output: [`Watcher::task`] says what is to be asked now, a [`Probe`](super::probe::Probe)
//! of a live server or a [`Rejoin`] of one that is down, and the driver reports how it went. Whatever it is told, it answers
//! whether others see something new by it.
//!
//! **Doubt is asked about at once.** A failed probe is repeated without any pause until `fall` of them have failed
//! or one was good, and so is the first question after somebody else had trouble with the server
//! ([`Watcher::told`]): the processes of a machine wait for the answer. For a server that refuses connections
//! that makes a millisecond, for one that hangs `fall` deadlines.
//!
//! **Every fall owes a flush.** From the moment a server is published as down any process may write
//! elsewhere what is on it, so there is no counting of missed writes: it comes back emptied, or as a
//! certainly younger process.

mod keeping;

use std::borrow::Cow;
use std::time::Duration;

use super::address::Address;
use super::greeting::Greeting;
use super::health::{Event, Health, Incarnation, Settings as HealthSettings};
use super::mark::mark;
use super::operation::Outcome;
use super::pool::{Options, ServerId};
use super::rejoin::Rejoin;
use super::time::{Instant, Stamp};
use super::view::{ServerView, State, View};

use self::keeping::Keeping;
pub use super::health::Order;

/// Reports of others lead to one probe in so much time, whatever their number.
const BREATH: Duration = Duration::from_millis(2);

/// The longest wait between two trials, unless the interval is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A moment, on a clock of its own and on those of others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// For spans.
    pub clock: Instant,
    /// For what others read.
    pub stamp: Stamp,
}

/// How a pool is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// What its owner chose about health.
    pub health: HealthSettings,
    /// The time from one probe of a server to its next.
    pub interval: Duration,
    /// So many failed probes in a row make a server down.
    pub fall: u32,
    /// So many good probes in a row bring it back.
    pub rise: u32,
}

impl Settings {
    /// For a pool with these options that nobody sweeps.
    pub fn new(options: &Options, interval: Duration, fall: u32, rise: u32) -> Settings {
        let retry_first = interval.max(Duration::from_millis(1));
        let health = HealthSettings {
            // A server is back soon after it answers: nobody waits for these trials.
            retry_first,
            retry_limit: retry_first.saturating_mul(4).min(LONGEST_WAIT.max(retry_first)),
            // A probe is a connection of its own: one that breaks is one that failed.
            breaks: 1,
            ..HealthSettings::new(options)
        };
        Settings { health, interval: retry_first, fall: fall.max(1), rise: rise.max(1) }
    }
}

/// What is to be asked of a server now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    /// It is live: a probe, to be reported to [`Watcher::probed`].
    Probe,
    /// It is down: [`Watcher::trial`], to be reported to [`Watcher::tried`].
    Trial,
}

/// How a probe failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failing {
    /// It could not be made for want of something on this machine: that says nothing about the server.
    Local,
    /// The connection could not be made.
    Refused,
    /// It was not over in time.
    Silent,
    /// Its connection ended, or what came over it made no sense.
    Broken,
    /// The server does not do what it is there for: the probe's own reason.
    Ill(&'static str),
}

impl Failing {
    fn event(self) -> Option<Event> {
        match self {
            Failing::Local => None,
            Failing::Refused => Some(Event::Refused),
            Failing::Silent => Some(Event::Silent),
            Failing::Broken => Some(Event::Broken),
            Failing::Ill(reason) => Some(Event::Failed(reason)),
        }
    }
}

/// A server as it was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// What the rules see of it.
    pub view: ServerView,
    /// The life it was last met in.
    pub incarnation: Option<Incarnation>,
    /// Since when it is in that state.
    pub since: Stamp,
    /// Why.
    pub reason: String,
    /// The epoch that it was published with.
    pub epoch: u64,
}

/// One server, watched.
#[derive(Clone, Debug)]
pub struct Watcher {
    health: Health,
    /// How it is watched from now on.
    pub settings: Settings,
    order: Order,
    /// Failed probes since the last good one.
    failures: u32,
    /// When the next probe is due, as long as it is live.
    next: Instant,
    /// Its regular probes are whole intervals from here, so that those of many servers stay spread.
    phase: Instant,
    /// A task was given and has not been reported.
    at_work: bool,
    /// Somebody had trouble with it since the probe under way began.
    doubted: bool,
    /// When the latest good probe ended.
    good: Option<Instant>,
    epoch: u64,
    /// Since when it is in its state, for others.
    since: Stamp,
    /// Why it is in its state, as it was published by a process before this one.
    inherited: Option<String>,
    /// It came back while it was not watched, and was not met since: the next life that is met is no restart.
    unmet: bool,
    /// Why its last trial did not bring it back, when it answered there.
    trial: Option<&'static str>,
    keeping: Keeping,
}

impl Watcher {
    /// A server of which nothing is known but its `epoch` (0 when nobody ever had to change it). Its first probe is due
    /// at once, the regular ones whole intervals from `phase` (so that those of many servers are spread).
    pub fn new(settings: Settings, order: Order, now: Moment, phase: Instant, epoch: u64) -> Watcher {
        let mut watcher = Watcher::of(Health::new(), settings, order, 0, now.stamp, (now.clock, phase));
        if epoch > 0 {
            watcher.settle(now, epoch);
        }
        watcher.obeying(now)
    }

    /// A server that joins a pool in use: it may hold anything, from an earlier time in this very pool too. It is down and
    /// on trial at once, and comes back emptied.
    pub fn joining(settings: Settings, order: Order, now: Moment, phase: Instant, epoch: u64) -> Watcher {
        let mut watcher = Watcher::of(Health::new(), settings, order, epoch, now.stamp, (now.clock, phase));
        watcher.replaced(now, "new in the pool, and on trial");
        watcher
    }

    /// A server that another process watched before: as that one published it, and then as its `epoch`
    /// tells what happened since.
    pub fn resume(
        settings: Settings,
        order: Order,
        now: Moment,
        phase: Instant,
        published: Published,
        epoch: u64,
    ) -> Watcher {
        // A time that lies before this clock's beginning makes a window longer, never shorter.
        let ago = Duration::from_millis(now.stamp.millis_since(published.since));
        let since = Instant(now.clock.0.saturating_sub(u64::try_from(ago.as_micros()).unwrap_or(u64::MAX)));
        let health = Health::resume(published.view, published.incarnation, since);
        let mut watcher =
            Watcher::of(health, settings, order, published.epoch, published.since, (now.clock, phase));
        // One that did not name the life had not met it.
        watcher.unmet = published.incarnation.is_none() && watcher.state() != State::Down;
        watcher.inherited = Some(published.reason);
        watcher.settle(now, epoch);
        // An epoch belongs to its state whoever wrote it.
        watcher.epoch = fitting(watcher.epoch, watcher.state());
        watcher.obeying(now)
    }

    fn of(
        health: Health,
        settings: Settings,
        order: Order,
        epoch: u64,
        since: Stamp,
        (now, phase): (Instant, Instant),
    ) -> Watcher {
        Watcher {
            health,
            settings,
            order,
            failures: 0,
            next: now,
            phase,
            at_work: false,
            doubted: false,
            good: None,
            epoch,
            since,
            inherited: None,
            unmet: false,
            trial: None,
            keeping: Keeping::default(),
        }
    }

    fn obeying(mut self, now: Moment) -> Watcher {
        self.on(now, Event::Ordered(self.order));
        self
    }

    /// How it is seen by who watches it.
    pub fn view(&self) -> ServerView {
        self.health.view()
    }

    /// What others see of it, who know it by this address: the mark is that of its epoch, so that a return which
    /// others brought about, or a flush of the same process, is another life too.
    pub fn published(&self, address: &Address) -> ServerView {
        ServerView { incarnation: mark(address, self.epoch), ..self.view() }
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.health.state()
    }

    /// The life it was last met in; `None` when that is not the life of its epoch.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.health.incarnation().filter(|_| !self.unmet)
    }

    /// Its epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Since when it is in its state.
    pub fn since(&self) -> Stamp {
        self.since
    }

    /// What an administrator wants of it.
    pub fn ordered(&self) -> Order {
        self.order
    }

    /// Why it is in its state, in a few words for a message.
    pub fn reason(&self) -> Cow<'_, str> {
        let reason = self.inherited.as_deref().unwrap_or(self.health.reason());
        let trial = self.trial.filter(|_| self.state() == State::Down);
        let trial = trial.map(|trial| format!("{reason}; on trial: {trial}"));
        self.why_kept(reason).or(trial).map_or(Cow::Borrowed(reason), Cow::Owned)
    }

    /// When [`Watcher::task`] or [`Watcher::tick`] has something to do even if nothing happens; `None`: it has not.
    pub fn due(&self) -> Option<Instant> {
        let change = self.health.next_change(&self.settings.health);
        match (self.at_work, self.state()) {
            // What comes next waits for the report: that is followed by a tick.
            (true, _) => None,
            (false, State::Down) => change,
            (false, _) => Some(change.map_or(self.next, |change| change.min(self.next))),
        }
    }

    /// What is to be asked now. One thing at a time: nothing more until it is reported.
    pub fn task(&mut self, now: Moment) -> Option<Task> {
        if self.at_work {
            return None;
        }
        if self.health.trial_due(now.clock) {
            self.on(now, Event::TrialBegun);
            self.at_work = true;
            return Some(Task::Trial);
        }
        if self.state() == State::Down || now.clock < self.next {
            return None;
        }
        self.next = self.regular(now.clock);
        self.at_work = true;
        self.doubted = false;
        Some(Task::Probe)
    }

    /// The trial that a [`Task::Trial`] asks for.
    pub fn trial(&self, view: &View, server: ServerId) -> Rejoin {
        Rejoin::new(view, server, &self.health, self.since).with_rise(self.settings.rise)
    }

    /// Somebody had trouble with it, or a connection that was kept open to see just that has ended.
    pub fn told(&mut self, now: Moment) {
        self.doubted |= self.at_work;
        if self.state() != State::Down && !self.at_work {
            self.hasten(now.clock);
        }
    }

    /// When the next regular probe is due: half an interval from now or a bit later.
    fn regular(&self, now: Instant) -> Instant {
        let interval = u64::try_from(self.settings.interval.as_micros()).unwrap_or(u64::MAX).max(1);
        let soonest = now + self.settings.interval / 2;
        let behind = (soonest.0 % interval + interval - self.phase.0 % interval) % interval;
        if behind == 0 { soonest } else { soonest + Duration::from_micros(interval - behind) }
    }

    /// A probe soon, however many ask for it.
    fn hasten(&mut self, now: Instant) {
        let soon = self.good.map_or(now, |good| now.max(good + BREATH));
        self.next = self.next.min(soon);
    }

    /// How a probe went.
    pub fn probed(&mut self, now: Moment, result: Result<&Greeting, Failing>) -> bool {
        self.at_work = false;
        match result {
            Ok(greeting) => {
                self.failures = 0;
                self.good = Some(now.clock);
                if self.doubted {
                    self.hasten(now.clock);
                }
                let (incarnation, meta) = (greeting.incarnation(), greeting.meta());
                self.on(now, Event::Met { incarnation, meta })
            }
            Err(failing) => {
                let Some(event) = failing.event() else { return false };
                self.failures = self.failures.saturating_add(1);
                self.next = now.clock;
                self.failures >= self.settings.fall && self.falls(now, event)
            }
        }
    }

    /// How a trial went; `None`: it was given up.
    pub fn tried(&mut self, now: Moment, rejoin: &Rejoin, outcome: Option<Outcome>) -> bool {
        self.at_work = false;
        let before = self.trial;
        self.trial = rejoin.greeted().then(|| rejoin.reason());
        let event = match outcome {
            Some(Outcome::Done) => keeping::back(rejoin),
            Some(_) if rejoin.held_back() => Event::HeldBack,
            _ => Event::TrialFailed,
        };
        let changed = self.on(now, event) | (self.trial != before);
        self.keeping.kept = rejoin.kept().filter(|_| self.state() != State::Down);
        changed
    }

    /// The task that was given will not be reported: its driver dropped it.
    pub fn dropped(&mut self, now: Moment) -> bool {
        let was_at_work = std::mem::take(&mut self.at_work);
        was_at_work && self.state() == State::Down && self.on(now, Event::TrialFailed)
    }

    /// An administrator ordered it.
    pub fn order(&mut self, now: Moment, order: Order) -> bool {
        self.order = order;
        self.on(now, Event::Ordered(order))
    }

    /// Another process stands behind its name, which may hold anything: it is down and on trial at once. What was asked
    /// of the one before is not to be reported.
    pub fn replaced(&mut self, now: Moment, reason: &'static str) -> bool {
        let before = self.seen();
        self.health = Health::new();
        (self.at_work, self.good, self.keeping.fell) = (false, None, false);
        self.epoch = fitting(self.epoch, State::Steady);
        self.on(now, Event::Failed(reason));
        // A wait is for a server that did not answer.
        self.health.hasten(now.clock);
        self.seen() != before
    }

    /// The sweep is over for it: see [`Event::Swept`].
    pub fn swept(&mut self, now: Moment) -> bool {
        self.on(now, Event::Swept)
    }

    /// Time passed.
    pub fn tick(&mut self, now: Moment) -> bool {
        self.on(now, Event::Tick)
    }

    /// It was not watched for a while, and `epoch` is what others made of its epoch meanwhile. It is to be proved
    /// anew: a probe is due at once.
    pub fn settle(&mut self, now: Moment, epoch: u64) -> bool {
        self.keeping.fell = false;
        self.next = self.next.min(now.clock);
        if epoch <= self.epoch {
            // Nobody did anything; or the file is younger than what was published, which is then the better word.
            return false;
        }
        let before = self.seen();
        let down = self.state() == State::Down;
        if epoch.is_multiple_of(2) {
            self.on(now, Event::Returned);
            // Which life that epoch stands for, others know.
            self.unmet = self.state() != State::Down;
        } else if !down {
            self.on(now, Event::Failed("given up while it was not watched"));
        }
        if down && self.state() == State::Down {
            // It was in use meanwhile: a flush from before that, and a trial under way, prove nothing.
            self.dropped(now);
            self.since = now.stamp;
        }
        // One that others brought back is used when it was met, and not before.
        self.next = self.next.min(now.clock);
        self.epoch = fitting(epoch, self.state());
        self.seen() != before
    }

    /// Takes in an event. Whether others see something new.
    fn on(&mut self, now: Moment, event: Event) -> bool {
        let before = self.seen();
        let (was, mark) = (self.state(), self.view().incarnation);
        let (since, reason) = (self.health.since(), self.health.reason());
        self.health.on(now.clock, event, &self.settings.health);
        if was != State::Down && self.state() == State::Down {
            self.failures = 0;
            (self.trial, self.keeping.kept) = (None, None);
            // Its trial meets it; a life that follows on that is a restart.
            self.unmet = false;
            self.health.on(now.clock, Event::MissedWrite, &self.settings.health);
            if !matches!(event, Event::Ordered(_)) && self.order != Order::Up {
                self.health.on(now.clock, Event::Ordered(self.order), &self.settings.health);
            }
        }
        let met = matches!(event, Event::Met { .. });
        let known = !(met && std::mem::take(&mut self.unmet));
        let restarted = met && known && mark != 0 && self.view().incarnation != mark;
        self.epoch = match (was == State::Down, self.state() == State::Down) {
            (false, false) if restarted => self.epoch.saturating_add(2),
            (down, is) if down != is => self.epoch.saturating_add(1),
            _ => self.epoch,
        };
        self.keeping.kept = self.keeping.kept.filter(|_| !restarted);
        if (was, since) != (self.state(), self.health.since()) {
            self.since = now.stamp;
        }
        if reason != self.health.reason() {
            self.inherited = None;
        }
        if was == State::Down && self.state() != State::Down {
            self.failures = 0;
            self.next = self.regular(now.clock);
        }
        self.seen() != before
    }

    /// What others see of it, to be compared.
    fn seen(&self) -> (ServerView, Option<Incarnation>, u64, Stamp, &'static str) {
        (self.view(), self.incarnation(), self.epoch, self.since, self.health.reason())
    }
}

/// The epoch, or the next one, when it does not fit the state: odd means down.
fn fitting(epoch: u64, state: State) -> u64 {
    let odd = epoch % 2 == 1;
    if odd == (state == State::Down) { epoch } else { epoch.saturating_add(1) }
}

#[cfg(test)]
mod tests;
