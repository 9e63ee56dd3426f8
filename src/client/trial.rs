//! Trials: the way back of a server that is down, riding along with the calls of the program.
//!
//! There is no thread to do it. A call that finds a trial due begins it, and every call (and every
//! wait in poll) moves it as far as that costs no waiting. Its connections are its own, so
//! that nothing of a call ever travels over a server that is still on trial. Calls can be far apart:
//! a trial is therefore judged only after what lies in its sockets was read.
//!
//! Where the processes of a machine share a stripes file, they take turns at trying a server: of two that try it
//! together, the second's flush would erase what was stored since the first brought it back. A trial has its
//! turn from before its first byte until its end is told; one that has lost it is void, and sends nothing more.
//!
//! A client that is closed leaves its trials behind, for the next one of the same servers to go on with:
//! a program that opens a client per request, with a call or two each, would else never finish one.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::connection::{Connection, Loss, Terms};
use super::exchange::{Exchange, Lost, Welcome, Witness};
use super::turn::LATE;
use super::views::{Begun, Views};
use super::wait::{Seen, Watch};
use super::{clock, fork};
use crate::rules::greeting::Greeting;
use crate::rules::operation::Operation;
use crate::rules::pool::{Pool, ServerId};
use crate::rules::rejoin::Rejoin;
use crate::rules::time::Instant;
use crate::rules::view::View;
use crate::table::{Stripes, TrialTurn};

/// For how long a trial has its turn after each step. That is how long others wait for one who makes no calls any
/// more, or was stopped; who comes later than that goes on, as long as nobody else has begun.
const HOLD: Duration = Duration::from_secs(1);

/// The trial of one server.
struct Trial {
    number: u64,
    rejoin: Rejoin,
    exchange: Exchange,
    turn: TurnToTry,
}

/// This process's turn to try a server, wherever turns are taken.
pub(super) struct TurnToTry {
    turn: Option<TrialTurn>,
    /// In which process it was taken.
    epoch: u64,
}

impl TurnToTry {
    /// Where there is nobody to take turns with.
    pub(super) fn free() -> TurnToTry {
        TurnToTry { turn: None, epoch: 0 }
    }

    /// `None`: somebody else is at it.
    pub(super) fn take(stripes: &Arc<Stripes>, slot: u16) -> Option<TurnToTry> {
        let epoch = fork::epoch();
        let turn = stripes.try_turn(slot, clock::millis(clock::now() + HOLD), epoch)?;
        if turn.taken_over() {
            std::thread::sleep(LATE);
        }
        Some(TurnToTry { turn: Some(turn), epoch })
    }

    /// Before anything is sent, or said of the trial. False: the turn was lost.
    pub(super) fn goes_on(&mut self) -> bool {
        let until = clock::millis(clock::now() + HOLD);
        self.turn.as_mut().is_none_or(|turn| turn.prolong(until))
    }
}

impl Drop for TurnToTry {
    /// In a forked child it is the parent's.
    fn drop(&mut self) {
        if self.epoch != fork::epoch()
            && let Some(turn) = self.turn.take()
        {
            turn.forget();
        }
    }
}

/// A trial whose client was closed, and the servers that its ids mean.
pub(super) struct LeftBehind {
    trial: Trial,
    pool: Arc<Pool>,
}

/// How many sockets each trial has among those watched.
pub(super) type Counts = SmallVec<[usize; 4]>;

/// The trials that one client has under way.
#[derive(Default)]
pub(super) struct Trials {
    list: Vec<Trial>,
}

/// What happens on a trial's connections is between the server and its judge.
struct Private<'a>(&'a View);

impl Witness for Private<'_> {
    fn view(&self) -> &View {
        self.0
    }
    fn met(&mut self, _: &Connection, _: &Greeting, _: Instant) -> Welcome {
        Welcome::Use
    }
    fn answered(&mut self, _: ServerId, _: Instant) {}
    fn lost(&mut self, _: ServerId, _: Loss, _: Lost, _: Instant) -> bool {
        false
    }
}

impl Trials {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// At the start of a call that finds a server not steady: lets time do its work, begins the
    /// trials that are due, and moves those under way.
    pub(super) fn ride(&mut self, views: &mut Views, terms: &[Terms], now: Instant) {
        for server in (0..).map(ServerId).take(terms.len()) {
            let ours = self.list.iter().any(|trial| trial.rejoin.server() == server);
            let may_try = !ours && !self.take_over(server, views);
            if let Some(begun) = views.alarm(server, may_try, now) {
                self.list.push(Trial::new(begun, views, terms, now));
            }
        }
        if !self.list.is_empty() {
            let mut watch = Watch::default();
            let counts = self.watch(&mut watch);
            let seen = watch.wait(Duration::ZERO);
            self.advance(&seen, 0, &counts, views);
        }
    }

    /// Adds the sockets to watch. How many each trial has.
    pub(super) fn watch<'a>(&'a self, watch: &mut Watch<'a>) -> Counts {
        self.list.iter().map(|trial| trial.exchange.watch(watch)).collect()
    }

    /// Moves every trial by one step, with what was seen of its sockets, which stand in `seen`
    /// from `from` on.
    pub(super) fn advance(&mut self, seen: &Seen, from: usize, counts: &Counts, views: &mut Views) {
        if self.list.is_empty() {
            return;
        }
        views.tell_time();
        let now = clock::now();
        // What others found meanwhile may have ended it.
        views.refresh(now);
        if views.waits() {
            return self.stop(views, now);
        }
        let mut at = from;
        for (trial, count) in self.list.iter_mut().zip(counts) {
            trial.exchange.note(seen.get(at..at + count).unwrap_or_default());
            at += count;
            if trial.counts(views) {
                trial.step(views.view(), now);
            }
        }
        self.report(views, now);
    }

    /// Ends the trials that are over, or that no longer count.
    fn report(&mut self, views: &mut Views, now: Instant) {
        self.list.retain_mut(|trial| {
            let outcome = trial.rejoin.outcome();
            let counts = trial.counts(views);
            if outcome.is_none() && counts && !trial.exchange.idle() {
                return true;
            }
            trial.exchange.close(true);
            views.end_trial(trial.number, &trial.rejoin, outcome.filter(|_| counts), now);
            false
        });
        views.refresh(now);
    }

    /// Goes on with a trial that another client left behind. Whether there was one.
    fn take_over(&mut self, server: ServerId, views: &Views) -> bool {
        if views.view().live(server) || views.held(server) {
            return false;
        }
        let fits = |left: &LeftBehind| same_servers(&left.pool, &views.view().pool);
        let Some(left) = views.known(server).take_over(fits) else { return false };
        self.list.push(left.trial);
        true
    }

    /// Leaves every trial to the next client.
    pub(super) fn leave(&mut self, views: &Views) {
        for trial in self.list.drain(..) {
            let known = Arc::clone(views.known(trial.rejoin.server()));
            known.leave(LeftBehind { trial, pool: Arc::clone(&views.view().pool) });
        }
    }

    /// Gives up every trial of one server. Those of others may use its connections; they go on.
    pub(super) fn give_up(&mut self, server: ServerId, views: &mut Views, now: Instant) {
        self.list.retain_mut(|trial| {
            let others = trial.rejoin.server() != server;
            if !others {
                trial.exchange.close(true);
                views.end_trial(trial.number, &trial.rejoin, None, now);
            }
            others
        });
    }

    /// Stops every trial: the table's writer tries the servers.
    pub(super) fn stop(&mut self, views: &mut Views, now: Instant) {
        for mut trial in self.list.drain(..) {
            trial.exchange.close(true);
            views.end_trial(trial.number, &trial.rejoin, None, now);
        }
    }

    /// Forgets every trial: this is a forked child, and they are its parent's.
    pub(super) fn forget(&mut self) {
        self.list.clear();
    }
}

impl LeftBehind {
    /// Gives it up: nobody goes on with it.
    pub(super) fn abandon(mut self) {
        self.trial.exchange.close(true);
    }
}

/// Whether a server's id means the same in both.
fn same_servers(one: &Pool, other: &Pool) -> bool {
    one.servers().len() == other.servers().len()
        && one.servers().iter().zip(other.servers()).all(|(one, other)| one.address == other.address)
}

impl Trial {
    fn new((begun, turn): (Begun, TurnToTry), views: &Views, terms: &[Terms], now: Instant) -> Trial {
        let connections = (0..).map(ServerId).zip(terms).map(|(server, terms)| {
            let terms = Terms { greets: false, ..*terms };
            Connection::new(server, Arc::clone(views.known(server)), terms)
        });
        let exchange = Exchange::new(connections.collect());
        let mut trial = Trial { number: begun.number, rejoin: begun.rejoin, exchange, turn };
        trial.exchange.pump(&mut trial.rejoin, &mut Private(views.view()), now);
        trial
    }

    /// Whether it is still this process's turn, and nobody has found out what it is to find out.
    fn counts(&mut self, views: &Views) -> bool {
        views.on_trial(self.rejoin.server(), self.number) && self.turn.goes_on()
    }

    /// Each socket is served once, so a step is bounded whatever the server sends.
    fn step(&mut self, view: &View, now: Instant) {
        let witness = &mut Private(view);
        self.exchange.serve(&mut self.rejoin, witness, now);
        self.exchange.pump(&mut self.rejoin, witness, now);
        self.exchange.judge(&mut self.rejoin, witness, now);
        self.exchange.pump(&mut self.rejoin, witness, now);
    }
}
