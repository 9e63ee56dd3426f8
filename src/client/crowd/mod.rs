//! Many operations at once over the same connections, for an event loop: the proxy's. The other carrier beside the
//! blocking client, and made of the same parts.
//!
//! To an exchange the crowd is one operation that never ends ([`jobs`]), so everything that is to be known about servers,
//! their connections and their failures is there already, once: views, greetings, silence, what waits for the table's word,
//! trials, proofs. What is added here is what one call at a time has no need of:
//!
//! - every job has its own time, and one whose time is up leaves the others alone ([`Crowd::expire`]);
//! - jobs that change one key take turns among themselves, and the loop sleeps over nobody's stripe ([`lines`]);
//! - one view serves all jobs of a round: it is looked at after their turns were taken, before any of them asks;
//! - when a server owes an answer to a change for too long, reads that wait behind it go elsewhere ([`jobs::Jobs::forsake`]).
//!
//! A round of the loop: [`Crowd::wait`], [`Crowd::begin`] any number of jobs, [`Crowd::round`], which hands out what
//! ended. What several jobs ask of one server in one round is sent with one write.

mod jobs;
pub(crate) mod latency;
mod lines;
mod lineup;
mod member;
#[cfg(test)]
mod tests;
mod turns;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fd::OwnedFd;

use self::jobs::{Jobs, MOST, NONE, State};
use self::lines::Turn;
use super::connection::{Connection, Terms};
use super::exchange::{Exchange, Witness};
use super::registry::Lookup;
use super::trial::Trials;
use super::views::{TableAt, Views};
use super::wait::Watch;
use super::{LOOK, clock, terms};
use crate::rules::pool::Pool;
use crate::rules::time::Instant;
use crate::rules::view::View;
use crate::table::Attendance;
use crate::table::stripes::layout::STRIPES;

pub(crate) use self::member::{About, Ended, Member, Traffic};

/// How often time is let do its work on servers that are down, where this process tries them.
const TEND: Duration = Duration::from_millis(20);
/// How often a crowd without work looks at the table.
const REST: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Crowd<O> {
    pool: Arc<Pool>,
    terms: Vec<Terms>,
    views: Views,
    exchange: Exchange,
    trials: Trials,
    jobs: Jobs<O>,
    /// Jobs that were taken in and stand in no line: they go to work in this round.
    fresh: Vec<u32>,
    round: u64,
    /// The view's generation when connections were looked through last.
    looked_at: u64,
    /// Lines are wanted whose stripes others hold: they are looked at again then.
    look_at: Instant,
    /// A list of servers to go on with, where there is no table that names one.
    other_list: Option<Arc<Pool>>,
    /// Scratch.
    wanted: Vec<u32>,
    messages: Vec<String>,
    /// Names of a new list that are being looked up.
    lookups: Vec<Receiver<Result<(), String>>>,
}

/// How the servers' connections are used. A name is looked up beside: the loop has others to serve.
fn terms_of(pool: &Pool) -> Vec<Terms> {
    let terms = Terms { lookup: Lookup::Beside, ..terms(&pool.options, None, true) };
    vec![terms; pool.servers().len()]
}

impl<O: Member> Crowd<O> {
    /// Opens a crowd of `pool`, as [`Client::open_with_table`](super::Client::open_with_table) does a client.
    pub(crate) fn open(pool: Arc<Pool>, table: Option<TableAt>) -> Crowd<O> {
        let views = Views::new(Arc::clone(&pool), table);
        let servers = pool.servers().len();
        let mut crowd = Crowd {
            terms: terms_of(&pool),
            views,
            exchange: Exchange::new(Vec::new()),
            trials: Trials::default(),
            jobs: Jobs::new(servers),
            fresh: Vec::new(),
            round: 0,
            looked_at: 0,
            look_at: Instant(0),
            other_list: None,
            wanted: Vec::new(),
            messages: Vec::new(),
            lookups: Vec::new(),
            pool,
        };
        crowd.connect();
        crowd.jobs.now = clock::now();
        crowd.follow_list(false, crowd.jobs.now);
        crowd.look_up();
        crowd
    }

    fn connect(&mut self) {
        let known = |id| Arc::clone(self.views.known(id));
        let ids = self.pool.ids().zip(&self.terms);
        let connections = ids.map(|(id, terms)| Connection::new(id, known(id), *terms)).collect();
        self.exchange = Exchange::new(connections);
    }

    fn look_up(&mut self) {
        for id in self.pool.ids() {
            if let Err(why) = self.views.known(id).look_up() {
                if self.views.known(id).sites().is_empty() {
                    self.views.has_no_address(id, clock::now());
                }
                self.messages.push(why);
            }
        }
        self.views.refresh(clock::now());
    }

    /// The pool, as it is gone by at this moment.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// How the servers are seen at this moment.
    pub(crate) fn view(&self) -> &View {
        self.views.view()
    }

    /// Whether the table is attended; `None`: there is none, or nothing was ever read of it.
    pub(crate) fn attendance(&self) -> Option<Attendance> {
        self.views.attendance(clock::now())
    }

    /// What a person should know, each once.
    pub(crate) fn take_messages(&mut self) -> Vec<String> {
        self.hear_lookups(Duration::ZERO);
        let mut messages = std::mem::take(&mut self.messages);
        messages.extend(self.views.take_messages());
        messages
    }

    /// The traffic with each server, in the pool's order.
    pub(crate) fn traffic(&self) -> &[Traffic] {
        &self.jobs.traffic
    }

    /// How many jobs are under way, or waiting.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// How many jobs ended because their time was up.
    pub(crate) fn late(&self) -> u64 {
        self.jobs.late
    }

    /// Whether another job can be taken in.
    pub(crate) fn has_room(&self) -> bool {
        self.jobs.len() < MOST
    }

    /// The time of this round.
    pub(crate) fn now(&self) -> Instant {
        self.jobs.now
    }

    /// Takes a job in, which goes to work with the next [`Crowd::round`], or when it is its turn. Jobs of one owner about one
    /// key are done in the order in which they came. Where there is no room for it ([`Crowd::has_room`]) it ends at once, as
    /// unavailable.
    pub(crate) fn begin(&mut self, operation: O) {
        let deadline = self.jobs.now + self.pool.options.timeout;
        let mut stripe = NONE;
        operation.hashes(&mut |hash| stripe = hash.value() % STRIPES as u32);
        let (mutates, about) = (operation.mutates(), operation.about());
        let Some(slot) = self.jobs.add(operation, deadline) else { return };
        let queues = match stripe {
            NONE => false,
            _ if mutates => self.takes_turns(),
            // A read waits for nobody but what its owner asked for before.
            _ => self.is_behind(stripe, about),
        };
        if !queues {
            return self.fresh.push(slot);
        }
        let follows_own = self.has_one_in(stripe, about);
        if let Some(job) = self.jobs.job(slot) {
            (job.line, job.follows_own) = (stripe, follows_own);
        }
        if let Some(before) = self.jobs.lines.enter(stripe, slot)
            && let Some(job) = self.jobs.job(before)
        {
            job.behind = slot;
        }
    }

    /// As [`Crowd::begin`], for a job that moves what a read found displaced, as a client's
    /// [`repair`](super::repair) does: it waits for nobody, and is dropped if somebody is at work on its key, or there are no
    /// stripes to tell by.
    pub(crate) fn begin_if_free(&mut self, operation: O) {
        let mut stripe = NONE;
        operation.hashes(&mut |hash| stripe = hash.value() % STRIPES as u32);
        let Some(stripes) = self.views.stripes() else { return };
        let view = self.views.view();
        let in_order = !view.all_steady() && !view.any_unreachable() && !self.is_outdated();
        let free = stripes.is_free(stripe) && self.jobs.lines.get(stripe).is_none();
        if in_order && free && self.has_room() {
            self.begin(operation);
        }
    }

    /// Waits until something came, or it is time for something; at most `limit`. `others`: a descriptor to watch beside.
    /// Whether something can be read of that.
    pub(crate) fn wait(&mut self, others: &OwnedFd, limit: Duration) -> bool {
        let now = self.jobs.now;
        let limit = self.due().map_or(limit, |due| limit.min(due.since(now)));
        let mut watch = Watch::default();
        let ours = self.exchange.watch(&mut watch);
        let counts = self.trials.watch(&mut watch);
        let mut proofs: Vec<(u32, usize)> = Vec::new();
        for (at, line) in self.jobs.lines.proofs() {
            if let Turn::Proving(_, proving) = &line.turn {
                proofs.push((at, proving.watch(&mut watch)));
            }
        }
        watch.add(usize::MAX, others, PollFlags::IN);
        let seen = watch.wait(limit);
        self.jobs.now = clock::now();
        let now = self.jobs.now;
        self.exchange.note(&seen[..ours]);
        if self.jobs.due().is_some_and(|due| due <= now) {
            // Before its time is known to be up, nothing more of a job is sent.
            self.exchange.hush();
        }
        self.trials.advance(&seen, ours, &counts, &mut self.views);
        let mut from = ours + counts.iter().sum::<usize>();
        for (at, count) in proofs {
            let heard = seen.get(from..from + count).unwrap_or_default();
            from += count;
            if let Some(Turn::Proving(_, proving)) = self.jobs.lines.get(at).map(|line| &mut line.turn) {
                proving.hear(heard, &self.views, now);
            }
        }
        seen.last().is_some_and(|(_, flags)| !flags.is_empty())
    }

    /// When there is something to do even if nothing comes.
    fn due(&mut self) -> Option<Instant> {
        // Who may go to work does so at once, unless the list of servers is about to change.
        let outdated = self.is_outdated();
        if self.jobs.any_ready() || !(self.fresh.is_empty() || outdated) {
            return Some(Instant(0));
        }
        let now = self.jobs.now;
        let looks = self.exchange.parked() || outdated;
        let parked = looks.then_some(now + LOOK);
        let wanted = (!self.jobs.lines.wanted.is_empty()).then_some(self.look_at);
        let proofs = self.jobs.lines.proofs().filter_map(|(_, line)| match &line.turn {
            Turn::Proving(_, proving) => Some(proving.due()),
            _ => None,
        });
        let proofs = proofs.min();
        let steady = self.views.view().all_steady() && self.trials.is_empty();
        let tend = now + if steady || self.views.waits() { REST } else { TEND };
        let job = self.jobs.due();
        [self.exchange.due(), parked, wanted, proofs, job, Some(tend)].into_iter().flatten().min()
    }

    /// One round: takes in what came, sends what is to be sent, and hands out what ended.
    pub(crate) fn round(&mut self, hand_out: &mut dyn FnMut(Ended<O>)) {
        let now = self.jobs.now;
        self.round += 1;
        self.exchange.serve(&mut self.jobs, &mut self.views, now);
        self.exchange.judge(&mut self.jobs, &mut self.views, now);
        self.expire(now);
        self.take_turns(now);
        self.look(now);
        // To note what is passed by can take time, and nobody sends anything whose own is over.
        let now = clock::now();
        self.jobs.now = now;
        self.send_off();
        self.exchange.pump(&mut self.jobs, &mut self.views, now);
        self.forsake_hung(now);
        if self.jobs.running == 0 && self.views.tried().is_some() {
            self.views.end(now);
        }
        self.jobs.ended.drain(..).for_each(hand_out);
    }

    /// Looks at the servers, after the turns were taken and before anything is asked under them.
    fn look(&mut self, now: Instant) {
        let at_work = self.jobs.changing > 0;
        let changes = |jobs: &mut Jobs<O>, slot: u32| jobs.job(slot).is_some_and(|job| job.changes);
        let mutates = at_work || self.fresh.iter().any(|&slot| changes(&mut self.jobs, slot));
        if self.views.tried().is_some_and(|server| {
            let connection = self.exchange.connection(server);
            connection.is_none_or(|connection| !connection.owes())
        }) {
            self.views.end(now);
        }
        if mutates {
            self.views.changes(&self.jobs, now + self.pool.options.timeout);
        }
        self.views.begin_beside(mutates, at_work, now);
        if self.is_outdated() {
            self.follow_list(mutates, now);
        }
        if !self.views.view().all_steady() || !self.trials.is_empty() {
            if self.views.waits() {
                self.trials.stop(&mut self.views, now);
            } else {
                self.trials.ride(&mut self.views, &self.terms, now);
            }
            self.drop_idle_of_down();
        }
        let generation = self.views.view().generation;
        let looked_at = std::mem::replace(&mut self.looked_at, generation);
        if self.views.waits() || self.exchange.parked() || generation != looked_at {
            self.exchange.reconsider(&mut self.jobs, &mut self.views, now);
        }
    }

    /// Nothing is used of a server between its fall and its return, old connections neither.
    fn drop_idle_of_down(&mut self) {
        let view = self.views.view();
        for connection in self.exchange.connections() {
            if connection.ready() && !connection.owes() && !view.live(connection.server()) {
                connection.close(true);
            }
        }
    }

    /// Those whose turn it is go to work, unless the list of servers is about to change.
    fn send_off(&mut self) {
        if self.is_outdated() {
            return;
        }
        let id = self.views.stripes().map(|stripes| stripes.id());
        // What it took to note what is passed by took all of their time.
        let late = self.views.is_overdue();
        let mut fresh = std::mem::take(&mut self.fresh);
        for slot in fresh.drain(..) {
            let Some(job) = self.jobs.job(slot).filter(|job| job.state == State::Waiting) else { continue };
            let line = job.line;
            if line != NONE
                && let Some(line_of) = self.jobs.lines.get(line)
                && let Turn::Had(kept) = &line_of.turn
                && kept.as_ref().map(|kept| kept.stripes().id()) != id
            {
                // There is another stripes file by now.
                line_of.turn = Turn::Wanted { waited: false };
                self.jobs.lines.wanted.push(line);
                continue;
            }
            if late && self.jobs.job(slot).is_some_and(|job| job.changes) {
                self.jobs.give_up(slot);
                continue;
            }
            self.jobs.run(slot);
        }
        self.fresh = fresh;
    }

    /// What waits behind a change that a server owes an answer to for too long is asked elsewhere, if it can be.
    fn forsake_hung(&mut self, now: Instant) {
        let mut tags = Vec::new();
        for connection in self.exchange.busy().filter(|connection| connection.endures()) {
            tags.extend(connection.pending_tags());
        }
        if !tags.is_empty() {
            tags.into_iter().for_each(|tag| self.jobs.forsake(tag, self.views.view()));
            self.exchange.pump(&mut self.jobs, &mut self.views, now);
        }
    }
}
