//! Trials: the way back of a server that is down, riding along with the calls of the program.
//!
//! There is no thread to do it. A call that finds a trial due begins it, and every call (and every
//! wait in poll) moves it as far as that costs no waiting. Its connections are its own, so
//! that nothing of a call ever travels over a server that is still on trial. Calls can be far apart:
//! a trial is therefore judged only after what lies in its sockets was read.
//!
//! A client that is closed leaves its trials behind, for the next one of the same servers to go on with:
//! a program that opens a client per request, with a call or two each, would else never finish one.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::clock;
use super::connection::{Connection, Loss, Terms};
use super::exchange::{Exchange, Lost, Welcome, Witness};
use super::views::{Begun, Views};
use super::wait::{Seen, Watch};
use crate::rules::greeting::Greeting;
use crate::rules::operation::Operation;
use crate::rules::pool::{Pool, ServerId};
use crate::rules::rejoin::Rejoin;
use crate::rules::time::Instant;
use crate::rules::view::View;

/// The trial of one server.
struct Trial {
    number: u64,
    rejoin: Rejoin,
    exchange: Exchange,
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
        let mut at = from;
        for (trial, count) in self.list.iter_mut().zip(counts) {
            trial.exchange.note(seen.get(at..at + count).unwrap_or_default());
            at += count;
            trial.step(views.view(), now);
        }
        self.report(views, now);
    }

    /// Ends the trials that are over, or that no longer count.
    fn report(&mut self, views: &mut Views, now: Instant) {
        self.list.retain_mut(|trial| {
            let outcome = trial.rejoin.outcome();
            let counts = views.known(trial.rejoin.server()).on_trial(trial.number);
            if outcome.is_none() && counts && !trial.exchange.idle() {
                return true;
            }
            trial.exchange.close(true);
            views.end_trial(trial.number, &trial.rejoin, outcome, now);
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
    fn new(begun: Begun, views: &Views, terms: &[Terms], now: Instant) -> Trial {
        let connections = (0..).map(ServerId).zip(terms).map(|(server, terms)| {
            let terms = Terms { greets: false, ..*terms };
            Connection::new(server, Arc::clone(views.known(server)), terms)
        });
        let exchange = Exchange::new(connections.collect());
        let mut trial = Trial { number: begun.number, rejoin: begun.rejoin, exchange };
        trial.exchange.pump(&mut trial.rejoin, &mut Private(views.view()), now);
        trial
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
