//! One server's life as one observer sees it: a pure function of the time and what happened.
//!
//! Everything a client, the proxy or the daemon believes about a server goes through
//! [`Health::on`]; there is no other way to change a state. Time comes in as an argument, so a
//! day's window passes in a test between two lines.
//!
//! Doubt is always resolved towards *returned*: a server wrongly taken for returned costs a read
//! that asks two places, one wrongly taken for steady costs a value. So a server that does not
//! tell which life this is comes back as returned, and a return that rests on a trial which began
//! before a write was missed is not accepted at all.

use std::time::Duration;

use super::pool::Options;
use super::time::Instant;
use super::view::{Meta, ServerView, State};

pub use self::event::{Event, Order};
pub use self::incarnation::Incarnation;
use self::incarnation::{same_as_met, surely_same};

mod event;
mod incarnation;

/// What the pool's owner chose about health.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How long after a failure the first trial waits; doubles with every failed trial.
    pub retry_first: Duration,
    /// The longest wait between trials.
    pub retry_limit: Duration,
    /// How long a returned server stays returned when nobody sweeps.
    pub window: Duration,
    /// Connections that break in a row, without a good answer between, before a server that still
    /// accepts new ones counts as failed.
    pub breaks: u32,
    /// How long a draining server is still read when nobody sweeps: as long as what it holds may be needed.
    pub drain: Duration,
    /// Somebody sweeps the pool: only the sweep makes a server steady, never the window (rule 6).
    pub swept: bool,
}

impl Settings {
    /// The longest wait between trials, unless the connect timeout is longer.
    const RETRY_LIMIT: Duration = Duration::from_secs(5);

    /// From a pool's options, for a pool that nobody sweeps.
    pub fn new(options: &Options) -> Settings {
        // A first wait of zero would never double.
        let retry_first = options.connect_timeout.max(Duration::from_millis(1));
        Settings {
            retry_first,
            retry_limit: Self::RETRY_LIMIT.max(retry_first),
            window: options.window,
            drain: options.max_ttl.map_or(options.window, |ttl| ttl.min(options.window)),
            breaks: 2,
            swept: false,
        }
    }
}

/// Why a server is returned that kept what was not changed meanwhile.
pub const KEPT: &str = "back, with what it held but for what was changed meanwhile";

const TAKEN_OUT: &str = "taken out by an administrator";

/// One server's health.
#[derive(Clone, Debug)]
pub struct Health {
    state: State,
    since: Instant,
    reason: &'static str,
    /// Whether it was ever met; then `incarnation`, `meta` and `mark` mean something.
    met: bool,
    incarnation: Option<Incarnation>,
    /// When that life was first met.
    met_at: Instant,
    meta: Meta,
    mark: u16,
    /// Connections that broke since its last good answer.
    breaks: u32,
    missed_write: bool,
    /// It is down, but its last trial was only held back.
    held_back: bool,
    /// It is down because an administrator took it out: there are no trials.
    out: bool,
    /// When a trial is next allowed; means something while it is down.
    due: Instant,
    /// The wait that led to `due`; the next one is twice as long.
    wait: Duration,
    /// A trial was begun and has not been reported.
    trial: bool,
    /// The first write it missed came after the trial under way began.
    missed_in_trial: bool,
    /// When it last came back from being down.
    rejoined: Option<Instant>,
    /// Everything that belongs on it was there when it went down.
    complete: bool,
}

impl Health {
    /// A server nothing is known of: steady until something shows that it is not.
    pub fn new() -> Health {
        Health {
            state: State::Steady,
            since: Instant(0),
            reason: "never failed",
            met: false,
            incarnation: None,
            met_at: Instant(0),
            meta: Meta::Unknown,
            mark: 0,
            breaks: 0,
            missed_write: false,
            held_back: false,
            out: false,
            due: Instant(0),
            wait: Duration::ZERO,
            trial: false,
            missed_in_trial: false,
            rejoined: None,
            complete: true,
        }
    }

    /// A server as somebody published it: the life that goes on where he left off. One that is down owes a
    /// flush, and a trial of it is due at once. Where no life is named, the next one that is met is no restart.
    pub fn resume(seen: ServerView, incarnation: Option<Incarnation>, since: Instant) -> Health {
        let met = incarnation.is_some();
        Health {
            state: seen.state,
            since,
            reason: "as it was published before",
            met,
            incarnation,
            meta: seen.meta,
            mark: if met { seen.incarnation } else { 0 },
            missed_write: seen.state == State::Down,
            held_back: seen.held_back,
            complete: seen.state == State::Steady,
            ..Health::new()
        }
    }

    /// Takes in an event. Whether the [`ServerView`] changed by it.
    pub fn on(&mut self, now: Instant, event: Event, settings: &Settings) -> bool {
        let before = self.view();
        match self.state {
            State::Down => self.while_down(now, event, settings),
            State::Steady | State::Returned | State::Draining => self.while_live(now, event, settings),
        }
        self.view() != before
    }

    /// What others see of it.
    pub fn view(&self) -> ServerView {
        let held_back = (self.held_back || self.out) && self.state == State::Down;
        ServerView {
            state: self.state,
            meta: self.meta,
            incarnation: self.mark,
            held_back,
            unreachable: false,
            since: self.since,
        }
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when it is in that state; for a returned server, since its latest restart.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Why it is in that state, in a few words for a message.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The life it was last met in.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation
    }

    /// Whether a greeting is to be left aside, and its connection dropped: it tells another life than the
    /// one on record, over a connection that was begun before that one was met. It may have been long on its
    /// way and tell of the life before, or be news; a connection that is begun now will show which.
    pub fn outdated(&self, begun: Instant, incarnation: Option<Incarnation>) -> bool {
        self.met && begun <= self.met_at && !same_as_met(self.incarnation, incarnation)
    }

    /// Whether it missed a write while it was down and must be emptied before it is used.
    pub fn missed_write(&self) -> bool {
        self.missed_write
    }

    /// Cuts its wait short: a trial is due now, unless one is under way.
    pub fn hasten(&mut self, now: Instant) {
        if !self.trial {
            self.due = self.due.min(now);
        }
    }

    /// It is down, its wait is over and no trial is under way (a trial that was begun and never
    /// reported is given up after `retry_limit`).
    pub fn trial_due(&self, now: Instant) -> bool {
        self.state == State::Down && !self.out && now >= self.due
    }

    /// The next point in time at which `Tick` or a trial would change something, for drivers that
    /// sleep; `None`: nothing will happen by time alone.
    pub fn next_change(&self, settings: &Settings) -> Option<Instant> {
        match self.state {
            State::Down => (!self.out).then_some(self.due),
            State::Returned if !settings.swept => Some(self.since + settings.window),
            State::Draining if !settings.swept => Some(self.since + settings.drain),
            State::Returned | State::Draining | State::Steady => None,
        }
    }

    fn while_live(&mut self, now: Instant, event: Event, settings: &Settings) {
        match event {
            Event::Answered => self.breaks = 0,
            Event::Refused => self.go_down(now, "connection refused", settings),
            Event::Silent => self.go_down(now, "no answer in time", settings),
            Event::Broken => {
                self.breaks = self.breaks.saturating_add(1);
                if self.breaks >= settings.breaks {
                    self.go_down(now, "connection broke", settings);
                }
            }
            Event::Met { incarnation, meta } => {
                let restarted = self.met && !same_as_met(self.incarnation, incarnation);
                self.meet(now, incarnation, meta, restarted);
                if restarted {
                    self.emptied(now, "restarted", settings);
                }
            }
            Event::Tick => self.tick(now, settings),
            Event::Swept => self.swept(now, settings),
            Event::Failed(reason) => self.go_down(now, reason, settings),
            Event::Ordered(order) => self.obey(now, order, settings),
            Event::Returned => self.emptied(now, "came back while it was not watched", settings),
            // What is said of a trial here comes too late: the server is in use.
            Event::MissedWrite
            | Event::TrialBegun
            | Event::TrialFailed
            | Event::HeldBack
            | Event::Rejoined { .. }
            | Event::Kept { .. } => {}
        }
    }

    fn while_down(&mut self, now: Instant, event: Event, settings: &Settings) {
        match event {
            Event::MissedWrite => {
                self.missed_in_trial |= self.trial && !self.missed_write;
                self.missed_write = true;
            }
            Event::TrialBegun => {
                self.trial = true;
                self.missed_in_trial = false;
                self.due = now + settings.retry_limit;
            }
            Event::TrialFailed => {
                self.end_trial();
                self.held_back = false;
                self.wait = twice(self.wait, settings);
                self.due = now + self.wait;
            }
            Event::HeldBack => {
                self.end_trial();
                self.held_back = true;
                // One that was resumed has waited for nothing yet.
                self.due = now + self.wait.max(settings.retry_first);
            }
            // While the trial was under way it was taken out.
            Event::Rejoined { .. } | Event::Kept { .. } | Event::Returned if self.out => self.end_trial(),
            Event::Rejoined { incarnation, meta } => self.rejoin(now, incarnation, meta),
            Event::Kept { incarnation, meta } if surely_same(self.incarnation, incarnation) => {
                self.rejoin(now, incarnation, meta);
                if self.state == State::Returned {
                    self.reason = KEPT;
                }
            }
            // Another process than the one whose changes were counted.
            Event::Kept { .. } => self.while_down(now, Event::TrialFailed, settings),
            Event::Returned => {
                self.missed_write = false;
                self.end_trial();
                self.turn(State::Returned, now, "brought back while it was not watched");
            }
            Event::Ordered(Order::Up) if self.out => {
                self.out = false;
                self.due = now;
                self.turn(State::Down, now, "to be used again, and on trial");
            }
            Event::Ordered(Order::Up) => {}
            Event::Ordered(Order::Draining | Order::Down) if self.out => {}
            // One that failed while it was drained has nothing left to read.
            Event::Ordered(Order::Draining | Order::Down) => self.take_out(TAKEN_OUT),
            // News of old connections: nothing is used of a server between its fall and its trial.
            Event::Answered
            | Event::Refused
            | Event::Silent
            | Event::Broken
            | Event::Failed(_)
            | Event::Met { .. }
            | Event::Swept
            | Event::Tick => {}
        }
    }

    fn tick(&mut self, now: Instant, settings: &Settings) {
        let over = |span| !settings.swept && now >= self.since + span;
        if self.state == State::Returned && over(settings.window) {
            self.turn(State::Steady, now, "returned, and the window is over");
        } else if self.state == State::Draining && over(settings.drain) {
            self.drained(now, settings);
        }
    }

    fn swept(&mut self, now: Instant, settings: &Settings) {
        match self.state {
            State::Returned => self.turn(State::Steady, now, "swept, and complete"),
            State::Draining => self.drained(now, settings),
            _ => {}
        }
    }

    fn drained(&mut self, now: Instant, settings: &Settings) {
        self.go_down(now, "drained", settings);
        self.take_out("drained, and taken out");
    }

    /// An order for a live server.
    fn obey(&mut self, now: Instant, order: Order, settings: &Settings) {
        match (order, self.state) {
            // What was written meanwhile is elsewhere.
            (Order::Up, State::Draining) => {
                self.turn(State::Returned, now, "to be used again, and no longer drained");
            }
            (Order::Draining, State::Steady | State::Returned) => {
                self.turn(State::Draining, now, "drained by an administrator");
            }
            (Order::Down, _) => {
                self.go_down(now, TAKEN_OUT, settings);
                self.take_out(TAKEN_OUT);
            }
            (Order::Up | Order::Draining, _) => {}
        }
    }

    /// A live server is another process than before.
    fn emptied(&mut self, now: Instant, reason: &'static str, settings: &Settings) {
        if self.state == State::Draining {
            self.go_down(now, reason, settings);
            self.take_out("restarted while it was drained, and taken out");
        } else {
            self.turn(State::Returned, now, reason);
        }
    }

    /// It is down, for a while by now perhaps, and there will be no trials.
    fn take_out(&mut self, reason: &'static str) {
        self.end_trial();
        self.out = true;
        self.reason = reason;
    }

    fn go_down(&mut self, now: Instant, reason: &'static str, settings: &Settings) {
        // A server that falls again soon after it came back passes its trials and then fails at
        // work. Every such round costs somebody a wait, so the rounds become rarer, as if its
        // return had been one more failed trial.
        let flaps = self.rejoined.is_some_and(|back| now.since(back) < settings.retry_limit);
        self.wait = if flaps { twice(self.wait, settings) } else { settings.retry_first };
        self.due = now + self.wait;
        self.missed_write = false;
        self.held_back = false;
        self.out = false;
        self.complete = self.state == State::Steady;
        self.breaks = 0;
        self.end_trial();
        self.turn(State::Down, now, reason);
    }

    fn rejoin(&mut self, now: Instant, incarnation: Option<Incarnation>, meta: bool) {
        if self.missed_in_trial {
            // The trial began before this write was missed, so it did not flush. It proves only
            // that the server is well: another trial, which does flush, is due at once.
            self.end_trial();
            self.due = now;
            return;
        }
        // One that others met may have been another one.
        let new = !self.met && self.meta == Meta::Unknown;
        let same = new || surely_same(self.incarnation, incarnation);
        let (state, reason) = match (same, self.missed_write) {
            (true, false) if self.complete => (State::Steady, "back, and it missed nothing"),
            (true, false) => (State::Returned, "back, as incomplete as before"),
            (true, true) => (State::Returned, "back, emptied because it missed writes"),
            (false, _) => (State::Returned, "back, restarted"),
        };
        self.meet(now, incarnation, meta, !same);
        if same && self.missed_write {
            // The same process and another life: what was asked before the flush says nothing of it.
            self.mark = self.mark.wrapping_add(1).max(1);
        }
        self.missed_write = false;
        self.end_trial();
        self.rejoined = Some(now);
        self.turn(state, now, reason);
    }

    fn end_trial(&mut self) {
        self.trial = false;
        self.missed_in_trial = false;
    }

    fn turn(&mut self, state: State, now: Instant, reason: &'static str) {
        self.state = state;
        self.since = now;
        self.reason = reason;
    }

    /// Records what a greeting told. Within one life the first record stays, so that a start time
    /// that jitters cannot creep away from itself.
    fn meet(&mut self, now: Instant, incarnation: Option<Incarnation>, meta: bool, another: bool) {
        self.meta = if meta { Meta::Yes } else { Meta::No };
        if self.met && !another {
            return;
        }
        let mark = incarnation.map_or(1, Incarnation::mark);
        // The CAS values of the life before must not pass for this one's.
        self.mark = if mark == self.mark { mark.wrapping_add(1).max(1) } else { mark };
        self.met_at = now;
        self.incarnation = incarnation;
        self.met = true;
    }
}

impl Default for Health {
    fn default() -> Self {
        Health::new()
    }
}

fn twice(wait: Duration, settings: &Settings) -> Duration {
    wait.saturating_mul(2).clamp(settings.retry_first, settings.retry_limit.max(settings.retry_first))
}

#[cfg(test)]
mod tests;
