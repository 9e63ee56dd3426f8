//! One server's life as one observer sees it: a pure function of the time and what happened.

use std::time::Duration;

use super::pool::Options;
use super::time::Instant;
use super::view::{Meta, ServerView, State};

/// One life of a server's process, by what `stats` tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Incarnation {
    /// Its process id.
    pub pid: u64,
    /// When it started: `time - uptime`, seconds since 1970 by the server's clock. Jitters by a second.
    pub start: u64,
}

impl Incarnation {
    /// Whether both are the same life: the same process id, and starts no more than a second apart.
    pub fn same_as(self, other: Incarnation) -> bool {
        todo!("{other:?}")
    }
}

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
}

impl Settings {
    /// From a pool's options.
    pub fn new(options: &Options) -> Settings {
        todo!("{options:?}")
    }
}

/// What an observer can meet with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A good answer on an established connection.
    Answered,
    /// A new connection could not be made.
    Refused,
    /// It owed an answer (or a connection) longer than patience allows.
    Silent,
    /// An established connection ended, or what came over it made no sense.
    Broken,
    /// A new connection was made to a live server, and greeted.
    Met { incarnation: Option<Incarnation>, meta: bool },
    /// While it is down a write went elsewhere, or a write to it was never answered: it owes a
    /// flush (rules 4, 17). Without effect on a live server.
    MissedWrite,
    /// A trial of a down server begins. One at a time: see [`Health::trial_due`].
    TrialBegun,
    /// The trial failed.
    TrialFailed,
    /// The trial passed: its probes were good, and it was flushed if it owed a flush. Whether it is
    /// steady (it missed nothing and it is the same process) or returned is decided here.
    Rejoined { incarnation: Option<Incarnation>, meta: bool },
    /// Time passed (a returned server turns steady after the window).
    Tick,
}

/// One server's health.
#[derive(Clone, Debug)]
pub struct Health {
    state: State,
}

impl Health {
    /// A server nothing is known of: steady until something shows that it is not.
    pub fn new() -> Health {
        Health { state: State::Steady }
    }
    /// Takes in an event. Whether the [`ServerView`] changed by it.
    pub fn on(&mut self, now: Instant, event: Event, settings: &Settings) -> bool {
        todo!("{now:?} {event:?} {settings:?}")
    }
    /// What others see of it.
    pub fn view(&self) -> ServerView {
        ServerView { state: self.state, meta: Meta::Unknown, incarnation: 0 }
    }
    /// Its state.
    pub fn state(&self) -> State {
        self.state
    }
    /// Since when it is in that state.
    pub fn since(&self) -> Instant {
        todo!()
    }
    /// The life it was last met in.
    pub fn incarnation(&self) -> Option<Incarnation> {
        todo!()
    }
    /// Whether it missed a write while it was down and must be emptied before it is used.
    pub fn missed_write(&self) -> bool {
        todo!()
    }
    /// It is down, its wait is over and no trial is under way (a trial that was begun and never
    /// reported is given up after `retry_limit`).
    pub fn trial_due(&self, now: Instant) -> bool {
        todo!("{now:?}")
    }
    /// The next point in time at which `Tick` or a trial would change something, for drivers that
    /// sleep; `None`: nothing will happen by time alone.
    pub fn next_change(&self, settings: &Settings) -> Option<Instant> {
        todo!("{settings:?}")
    }
}

impl Default for Health {
    fn default() -> Self {
        Health::new()
    }
}
