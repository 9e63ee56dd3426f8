//! One process: its clients share what they know of the servers, each has connections of its own
//! and one call at a time. The same contract, event for event, that the blocking client keeps.

use std::collections::VecDeque;
use std::sync::Arc;

use memcache::rules::greeting::Greeting;
use memcache::rules::health::{Event as HealthEvent, Health, Settings};
use memcache::rules::operation::{Failure, Outcome, Tag};
use memcache::rules::pool::{Pool, ServerId};
use memcache::rules::rejoin::Rejoin;
use memcache::rules::time::Instant;
use memcache::rules::view::{Meta, ServerView, State, View};
use memcache::rules::wire::Reply;

mod repair;
mod trials;

use super::carrier::{Carrier, Link, Manners, Phase, Planted, planted_answer};
use super::message::{Answer, Ask};
use super::net::{ConnId, Delivery, Event, Net};
use super::task::Task;

pub use self::repair::Repair;

pub struct Driver {
    pub net: Net,
    pub view: View,
    pub health: Vec<Health>,
    pub settings: Settings,
    pub carriers: Vec<Carrier>,
    pub planted: Planted,
    pub manners: Manners,
    /// Carriers whose operation ended, and how.
    pub ended: Vec<(usize, Outcome)>,
    /// Servers whose state changed: who, from, to.
    pub changes: Vec<(usize, State, State)>,
    /// A broken contract, in words.
    pub broken: Option<String>,
    generation: u64,
    /// When a connection to each server was last given up with an unanswered change on it.
    doubts: Vec<u64>,
}

impl Driver {
    pub fn new(net: Net, pool: Arc<Pool>, settings: Settings, clients: usize, manners: Manners) -> Driver {
        let servers = pool.servers().len();
        let mut driver = Driver {
            net,
            view: View::new(pool),
            health: (0..servers).map(|_| Health::new()).collect(),
            settings,
            carriers: Vec::new(),
            planted: Planted::Nothing,
            manners,
            ended: Vec::new(),
            changes: Vec::new(),
            broken: None,
            generation: 0,
            doubts: vec![0; servers],
        };
        for _ in 0..clients {
            driver.carriers.push(Carrier::of(servers));
        }
        driver.look();
        driver
    }

    fn now(&self) -> Instant {
        Instant(self.net.now)
    }

    fn look(&mut self) {
        self.view.refresh(self.generation, self.health.iter().map(Health::view));
        self.view.now = self.net.stamp();
    }

    /// Something happened to a server.
    pub fn tell(&mut self, server: usize, event: HealthEvent) {
        let (now, before) = (self.now(), self.health[server].view());
        let owed = self.health[server].missed_write();
        let changed = self.health[server].on(now, event, &self.settings);
        let after = self.health[server].view();
        if changed {
            self.generation += u64::from(upsets(before, after));
            self.look();
        }
        let (before, after) = (before.state, after.state);
        if before != after {
            self.changes.push((server, before, after));
            self.net.note(|| format!("s{server} is now {after:?} (was {before:?}): {event:?}"));
        }
        if !owed && self.health[server].missed_write() {
            self.net.note(|| format!("s{server} owes a flush"));
        }
    }

    /// A connection was given up with a change on it that was never answered, and that may still be
    /// executed: a server that is down must be emptied after it, so a trial under way is void.
    fn doubt(&mut self, server: usize) {
        self.doubts[server] = self.net.now;
        self.tell(server, HealthEvent::MissedWrite);
        let on_trial = |c: &Carrier| c.trial_of == Some(server) && c.task.is_some();
        if let Some(carrier) = self.carriers.iter().position(on_trial) {
            self.abandon(carrier);
            self.tell(server, HealthEvent::TrialFailed);
        }
    }

    /// A client begins an operation.
    pub fn begin(&mut self, carrier: usize, task: Task) {
        for server in 0..self.health.len() {
            self.tell(server, HealthEvent::Tick);
            if self.health[server].trial_due(self.now()) {
                self.begin_trial(server);
            }
        }
        self.start(carrier, task);
    }

    fn start(&mut self, carrier: usize, task: Task) {
        let timeout = self.view.pool.options.timeout.as_micros() as u64;
        let c = &mut self.carriers[carrier];
        c.task = Some(task);
        c.begun = self.net.now;
        c.deadline = self.net.now + timeout;
        c.messages = 0;
        c.asked_once.clear();
        self.go_on(carrier);
    }

    /// Takes from the operation whom to ask, until it has nothing more to say.
    fn go_on(&mut self, carrier: usize) {
        let mut failed: Vec<(Tag, Answer)> = Vec::new();
        loop {
            self.view.now = self.net.stamp();
            while let Some(task) = &mut self.carriers[carrier].task {
                let Some((server, tag)) = task.next(&self.view) else { break };
                if let Some(answer) = self.send(carrier, server.index(), tag) {
                    failed.push((tag, answer));
                }
            }
            let Some((tag, answer)) = failed.pop() else { break };
            if let Some(task) = &mut self.carriers[carrier].task {
                task.answer(&self.view, tag, &answer.reply());
            }
        }
        self.note_missed_writes(carrier);
        let outcome = self.carriers[carrier].task.as_ref().and_then(Task::outcome);
        match outcome {
            Some(outcome) => self.end(carrier, outcome),
            None => self.arm(carrier),
        }
    }

    /// A write that is at work passes by every server that is down: it owes a flush. While most are
    /// down nothing is diverted: only keys whose home and backup are steady are written, and nobody
    /// else holds a copy of those.
    fn note_missed_writes(&mut self, carrier: usize) {
        let Some(task) = &self.carriers[carrier].task else { return };
        if !task.mutates() || self.view.all_steady() || self.view.isolated() {
            return;
        }
        for server in 0..self.health.len() {
            if self.health[server].state() == State::Down {
                self.tell(server, HealthEvent::MissedWrite);
            }
        }
    }

    /// Sends a question, or lets it wait for a connection. An answer at once: it cannot be sent.
    fn send(&mut self, carrier: usize, server: usize, tag: Tag) -> Option<Answer> {
        let trial = self.carriers[carrier].trial_of == Some(server);
        if !trial && self.health[server].state() == State::Down {
            self.broken = Some(format!("an operation asks s{server}, which is down"));
        }
        self.carriers[carrier].messages += 1;
        if self.carriers[carrier].links[server].is_none() {
            let conn = self.net.connect(server, carrier);
            self.carriers[carrier].links[server] = Some(Link {
                conn,
                phase: Phase::Connecting,
                meta: false,
                lost: false,
                waiting: VecDeque::new(),
                asked: VecDeque::new(),
                owed_since: self.net.now,
                begun: self.net.now,
                planned: self.health[server].view(),
            });
        }
        let c = &mut self.carriers[carrier];
        let link = c.links[server].as_mut()?;
        if !matches!(link.phase, Phase::Ready) {
            link.waiting.push_back(tag);
            return None;
        }
        let ask = c.task.as_mut()?.ask(tag);
        if ask.needs_meta() && !link.meta {
            return Some(Answer::Unsupported);
        }
        if let Some(answer) = planted_answer(self.planted, trial, &ask, c.task.as_ref()) {
            return Some(answer);
        }
        if self.planted == Planted::NoConfirming && !trial && !c.task.as_ref()?.mutates() {
            let once = (server, tag, self.generation);
            if c.asked_once.contains(&once) {
                return Some(Answer::Miss);
            }
            c.asked_once.push(once);
        }
        if link.asked.is_empty() {
            link.owed_since = self.net.now;
        }
        link.asked.push_back(tag);
        let (conn, lost) = (link.conn, link.lost);
        if lost {
            self.net.lost_again(conn);
        } else {
            self.net.send(conn, ask);
        }
        None
    }

    // ---- what comes back

    pub fn deliver(&mut self, conn: ConnId) {
        let (carrier, server) = (self.net.owner(conn), self.net.server_of(conn));
        let Some(delivery) = self.net.back(conn) else { return };
        if self.carriers[carrier].links[server].as_ref().is_none_or(|link| link.conn != conn) {
            return;
        }
        match delivery {
            Delivery::Connected => self.connected(carrier, server),
            Delivery::Refused => self.lose(carrier, server, HealthEvent::Refused),
            Delivery::Lost => self.lost(carrier, server),
            Delivery::Answer(answer) => self.answered(carrier, server, &answer),
        }
    }

    fn is_trial(&self, carrier: usize, server: usize) -> bool {
        self.carriers[carrier].trial_of == Some(server)
    }

    fn connected(&mut self, carrier: usize, server: usize) {
        let trial = self.is_trial(carrier, server);
        let Some(link) = &mut self.carriers[carrier].links[server] else { return };
        link.owed_since = self.net.now;
        let conn = link.conn;
        if trial {
            // The trial asks by itself what a greeting asks.
            link.phase = Phase::Ready;
            return self.send_waiting(carrier, server);
        }
        link.phase = Phase::Greeting(Greeting::default());
        for command in Greeting::COMMANDS {
            self.net.send(conn, Ask::of(&command));
        }
        self.arm(carrier);
    }

    fn answered(&mut self, carrier: usize, server: usize, answer: &Answer) {
        let now = self.net.now;
        let Some(link) = &mut self.carriers[carrier].links[server] else { return };
        link.owed_since = now;
        if let Phase::Greeting(greeting) = &mut link.phase {
            if greeting.answer(&answer.reply()) {
                let (incarnation, meta) = (greeting.incarnation(), greeting.meta());
                link.phase = Phase::Ready;
                link.meta = meta;
                if self.health[server].outdated(Instant(link.begun), incarnation) {
                    return self.drop_link(carrier, server, Failure::Unsent);
                }
                self.greeted(carrier, server, HealthEvent::Met { incarnation, meta });
            }
            return;
        }
        let Some(tag) = link.asked.pop_front() else { return };
        if !self.is_trial(carrier, server) {
            self.tell(server, HealthEvent::Answered);
        }
        if let Some(task) = &mut self.carriers[carrier].task {
            let mut reply = answer.reply();
            match (self.planted, &mut reply, task.mutates()) {
                (Planted::StubIsValue, Reply::Value(value), false) => value.lease = None,
                (Planted::StaleIsFresh, Reply::Value(value), true) => value.stale = false,
                _ => {}
            }
            task.answer(&self.view, tag, &reply);
        }
        self.go_on(carrier);
    }

    fn greeted(&mut self, carrier: usize, server: usize, met: HealthEvent) {
        if self.health[server].state() == State::Down {
            // Somebody found it dead meanwhile: nothing is used of it before its trial.
            return self.drop_link(carrier, server, Failure::Unsent);
        }
        self.tell(server, met);
        let Some(link) = &mut self.carriers[carrier].links[server] else { return };
        if upsets(link.planned, self.health[server].view()) && self.planted != Planted::StaleSend {
            // Planned under an older view: on a server that restarted meanwhile a condition would be
            // decided by an empty one.
            let waiting = std::mem::take(&mut link.waiting);
            self.fail(carrier, waiting, Failure::Unsent);
            return self.go_on(carrier);
        }
        self.send_waiting(carrier, server);
    }

    fn send_waiting(&mut self, carrier: usize, server: usize) {
        let Some(link) = &mut self.carriers[carrier].links[server] else { return };
        let mut at_once = Vec::new();
        for tag in std::mem::take(&mut link.waiting) {
            self.carriers[carrier].messages -= 1;
            if let Some(answer) = self.send(carrier, server, tag) {
                at_once.push((tag, answer));
            }
        }
        for (tag, answer) in at_once {
            if let Some(task) = &mut self.carriers[carrier].task {
                task.answer(&self.view, tag, &answer.reply());
            }
        }
        self.go_on(carrier);
    }

    fn lost(&mut self, carrier: usize, server: usize) {
        let Some(link) = &mut self.carriers[carrier].links[server] else { return };
        if link.owes() {
            return self.lose(carrier, server, HealthEvent::Broken);
        }
        link.lost = true;
        if self.manners.notices_idle_loss {
            self.net.reset(self.carriers[carrier].links[server].take().map_or(0, |link| link.conn));
        }
    }

    /// A connection is gone: the health hears of it first, then the operation.
    fn lose(&mut self, carrier: usize, server: usize, event: HealthEvent) {
        if !self.is_trial(carrier, server) {
            self.tell(server, event);
            if self.owes_change(carrier, server) {
                self.doubt(server);
            }
        }
        self.note_missed_writes(carrier);
        self.drop_link(carrier, server, Failure::Unanswered);
    }

    /// It was sent a change and has not answered.
    fn owes_change(&self, carrier: usize, server: usize) -> bool {
        let c = &self.carriers[carrier];
        let asked = c.links[server].as_ref().is_some_and(|link| !link.asked.is_empty());
        asked && c.task.as_ref().is_some_and(Task::mutates)
    }

    fn drop_link(&mut self, carrier: usize, server: usize, asked: Failure) {
        if let Some(link) = self.carriers[carrier].links[server].take() {
            self.net.reset(link.conn);
            self.fail(carrier, link.asked, asked);
            self.fail(carrier, link.waiting, Failure::Unsent);
        }
        self.go_on(carrier);
    }

    fn fail(&mut self, carrier: usize, tags: VecDeque<Tag>, failure: Failure) {
        self.carriers[carrier].asked_once.clear();
        for tag in tags {
            let Some(task) = &mut self.carriers[carrier].task else { return };
            let blind = self.planted == Planted::BlindResend
                && failure == Failure::Unanswered
                && matches!(task.ask(tag), Ask::Arithmetic { .. } | Ask::Meta { letter: b'a', .. });
            let failure = if blind { Failure::Unsent } else { failure };
            task.fail(&self.view, tag, failure);
        }
    }

    // ---- time

    fn next_wake(&self, carrier: usize) -> Option<u64> {
        let c = &self.carriers[carrier];
        c.task.as_ref()?;
        let patience = self.view.pool.options.patience().as_micros() as u64;
        let owed = c.links.iter().flatten().filter(|link| link.owes()).map(|link| link.owed_since + patience);
        owed.chain([c.deadline]).min()
    }

    fn arm(&mut self, carrier: usize) {
        let Some(wake) = self.next_wake(carrier) else { return };
        if self.carriers[carrier].armed.is_none_or(|armed| wake < armed) {
            self.carriers[carrier].armed = Some(wake);
            self.net.at(wake, Event::Timer(carrier));
        }
    }

    pub fn timer(&mut self, carrier: usize) {
        if self.carriers[carrier].armed != Some(self.net.now) {
            return;
        }
        self.carriers[carrier].armed = None;
        if self.carriers[carrier].task.is_none() {
            return;
        }
        if self.net.now >= self.carriers[carrier].deadline {
            return self.end(carrier, Outcome::Timeout);
        }
        let patience = self.view.pool.options.patience().as_micros() as u64;
        let now = self.net.now;
        for server in 0..self.health.len() {
            let link = self.carriers[carrier].links[server].as_ref();
            if link.is_some_and(|link| link.owes() && link.owed_since + patience <= now) {
                self.lose(carrier, server, HealthEvent::Silent);
            }
        }
        self.arm(carrier);
    }

    // ---- the end

    /// The operation is over. A server that still owes it an answer when time is up counts as down.
    fn end(&mut self, carrier: usize, outcome: Outcome) {
        let mutates = self.carriers[carrier].task.as_ref().is_some_and(Task::mutates);
        for server in 0..self.health.len() {
            let Some(link) = &self.carriers[carrier].links[server] else { continue };
            if !link.owes() && link.waiting.is_empty() {
                continue;
            }
            let patience = self.view.pool.options.patience().as_micros() as u64;
            let overdue = self.net.now >= link.owed_since + patience;
            if outcome == Outcome::Timeout && !self.is_trial(carrier, server) {
                // Who was sent nothing yet, and had less time than it may take, is not accused.
                if overdue || !link.asked.is_empty() {
                    self.tell(server, HealthEvent::Silent);
                }
                if self.owes_change(carrier, server) {
                    self.doubt(server);
                }
            } else if mutates && !link.asked.is_empty() {
                self.broken = Some(format!("an operation that changes a key ends before s{server} answered"));
            }
            if let Some(link) = self.carriers[carrier].links[server].take() {
                self.net.reset(link.conn);
            }
        }
        self.note_missed_writes(carrier);
        if self.begins_repair(carrier, outcome) {
            return self.go_on(carrier);
        }
        let outcome = self.end_repair(carrier).unwrap_or(outcome);
        if let Some(server) = self.carriers[carrier].trial_of {
            self.end_trial(carrier, server, outcome);
        } else {
            self.ended.push((carrier, outcome));
        }
    }
}

/// Whether a change of one server upsets plans. To learn more of it does not.
fn upsets(old: ServerView, new: ServerView) -> bool {
    old.state != new.state
        || (old.incarnation != 0 && old.incarnation != new.incarnation)
        || (old.meta != Meta::Unknown && old.meta != new.meta)
}
