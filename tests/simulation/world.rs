//! A world: one process with some clients, servers that fail, and the judge who knows every key's
//! truth. Safety first (whatever fails, no answer may be wrong), then everything heals and every
//! key must be readable, writable, and doubly held again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use memcache::rules::health::Settings;
use memcache::rules::operation::Outcome;
use memcache::rules::pool::Pool;
use memcache::rules::view::State as ServerState;
use smallvec::SmallVec;

use super::calls::{Call, Key, Mark, State, Token, key_bytes};
use super::carrier::{Manners, Planted};
use super::driver::Driver;
use super::memcached::Item;
use super::message::{Bytes, show};
use super::net::{EPOCH_MILLIS, Event, Net, Wires};
use super::passing::Passing;
use super::rng::Rng;
use super::tally::Tally;
use super::task::{Seen, Settled, Task};
use super::truth::{Span, Truth, describe, may_find, merely_seen};

mod copies;

/// A call under way.
struct Active {
    call: Call,
    began: u64,
    /// What a read may find, by key.
    readable: BTreeMap<Key, BTreeSet<State>>,
    /// Nothing was amiss that was not known, when it began and since.
    quiet: bool,
    /// The view that it began under.
    generation: u64,
}

pub struct World {
    pub driver: Driver,
    pub keys: Vec<Truth>,
    pub tally: Tally,
    /// What was wrong first.
    pub bad: Option<String>,
    /// The last CAS token that each client was handed, and of which key.
    pub tokens: Vec<Option<(Key, Token)>>,
    /// How the last call of each client ended, and what a read found of its last key.
    pub last: Vec<Option<(Outcome, Option<Bytes>)>>,
    active: Vec<Option<Active>>,
    versions: u32,
    /// When the last failure began or ended.
    disturbed: u64,
    /// Messages that were executed when the copies were last looked at.
    seen_executed: u64,
}

impl World {
    #[allow(clippy::too_many_arguments, reason = "a world is what it is made of")]
    pub fn new(
        pool: Arc<Pool>,
        metas: &[bool],
        clients: usize,
        keys: usize,
        wires: Wires,
        manners: Manners,
        seed: u64,
        trace: bool,
    ) -> World {
        let settings = Settings::new(&pool.options);
        let net = Net::new(Rng::new(seed), metas, wires, trace);
        World {
            driver: Driver::new(net, pool, settings, clients, manners),
            keys: (0..keys).map(|_| Truth::new()).collect(),
            tally: Tally::default(),
            bad: None,
            tokens: vec![None; clients],
            last: vec![None; clients],
            active: (0..clients).map(|_| None).collect(),
            versions: 0,
            disturbed: 0,
            seen_executed: 0,
        }
    }

    pub fn plant(&mut self, planted: Planted) {
        self.driver.planted = planted;
    }

    pub fn version(&mut self) -> u32 {
        self.versions += 1;
        self.versions
    }

    pub fn idle(&self, client: usize) -> bool {
        self.active[client].is_none()
    }

    pub fn complain(&mut self, text: String) {
        self.driver.net.note(|| format!("WRONG: {text}"));
        self.bad.get_or_insert(text);
    }

    fn second(&self) -> i64 {
        (self.driver.net.unix_millis() / 1000) as i64
    }

    /// No server is worse than everybody knows.
    fn quiet(&self) -> bool {
        let net = &self.driver.net;
        // The news of a failure are still on their way for a while.
        !self.driver.view.isolated()
            && net.now >= self.disturbed + 100_000
            && net
                .servers
                .iter()
                .zip(&self.driver.health)
                .all(|(server, health)| server.healthy() || health.state() == ServerState::Down)
    }

    // ---- faults

    /// A server fails, or stops failing: every key hears of it.
    pub fn disturb(&mut self, server: usize) {
        self.keys.iter_mut().for_each(|truth| truth.fault(server));
        self.disturb_calls();
    }

    /// Something happened that takes no value away.
    pub fn disturb_calls(&mut self) {
        self.disturbed = self.driver.net.now;
        self.active.iter_mut().flatten().for_each(|active| active.quiet = false);
    }

    fn take_changes(&mut self) {
        for (server, from, to) in std::mem::take(&mut self.driver.changes) {
            self.active.iter_mut().flatten().for_each(|active| active.quiet = false);
            let by_window = (from, to) == (ServerState::Returned, ServerState::Steady);
            for key in 0..self.keys.len() {
                if by_window {
                    let holds = self.holders(key as Key) & (1 << server) != 0;
                    self.keys[key].outlived |= !holds;
                } else {
                    self.keys[key].fault(server);
                }
            }
        }
    }

    // ---- calls

    /// A client begins a call. It has the turn of every key that the call changes.
    pub fn begin(&mut self, client: usize, call: Call) {
        let now = self.second();
        let span: Span = (now, now);
        self.tally.calls += 1;
        self.driver.net.note(|| format!("client {client} begins {call}"));
        let mut readable = BTreeMap::new();
        if let Call::Get { keys, .. } = &call {
            for key in keys {
                readable.insert(*key, self.keys[usize::from(*key)].readable());
            }
        }
        for key in self.changed_keys(&call) {
            let truth = &mut self.keys[usize::from(key)];
            debug_assert!(!truth.busy, "one writer at a time");
            let coming = truth.begin(&call, span);
            for reader in self.active.iter_mut().flatten() {
                if let Some(states) = reader.readable.get_mut(&key) {
                    states.extend(coming.iter().cloned());
                }
            }
        }
        let (began, quiet) = (self.driver.net.now, self.quiet());
        let generation = self.driver.view.generation;
        let task = Task::of(&call);
        self.active[client] = Some(Active { call, began, readable, quiet, generation });
        self.driver.begin(client, task);
        self.after();
    }

    fn changed_keys(&self, call: &Call) -> SmallVec<[Key; 8]> {
        match call {
            Call::FlushAll => (0..self.keys.len() as Key).collect(),
            call => call.changes().into_iter().collect(),
        }
    }

    /// One event. Those of clients and faults are handed back.
    pub fn step(&mut self) -> Option<Event> {
        let event = self.driver.net.pop()?;
        match event {
            Event::Reach(conn) => self.driver.net.reach(conn),
            Event::Back(conn) => self.driver.deliver(conn),
            Event::Timer(carrier) => self.driver.timer(carrier),
            Event::Begin(_) | Event::Fault(_) => {}
        }
        self.after();
        Some(event)
    }

    fn after(&mut self) {
        if self.seen_executed != self.driver.net.executed {
            self.look_at_copies();
        }
        self.take_changes();
        // A trial that fails can tell that it is the network after all, without any change of a state.
        if self.driver.view.isolated() {
            self.active.iter_mut().flatten().for_each(|active| active.quiet = false);
        }
        if let Some(text) = self.driver.broken.take() {
            self.complain(text);
        }
        for (client, outcome) in std::mem::take(&mut self.driver.ended) {
            self.judge(client, outcome);
            self.seen_executed = 0;
            self.driver.carriers[client].task = None;
        }
    }

    /// Follows the copies of every key where they are moved: the servers that held its value last.
    fn look_at_copies(&mut self) {
        self.seen_executed = self.driver.net.executed;
        for key in 0..self.keys.len() {
            let held = self.holders_of(key as Key, |truth, item| truth.is_sure(&item.data));
            if held != 0 {
                (self.keys[key].copies, self.keys[key].copies_faulted) = (held, 0);
            }
        }
    }

    // ---- the judge

    fn judge(&mut self, client: usize, outcome: Outcome) {
        let Some(active) = self.active[client].take() else { return };
        let carrier = &mut self.driver.carriers[client];
        let settled = carrier.task.as_mut().map(Task::take_settled).unwrap_or_default();
        let (took, messages) = (self.driver.net.now - active.began, carrier.messages);
        let timeout = self.driver.view.pool.options.timeout.as_micros() as u64;
        let span = ((self.driver.net.now - took) as i64 / 1_000_000, 0);
        let begin_second = (EPOCH_MILLIS / 1000) as i64 + span.0;
        let span: Span = (begin_second, self.second());
        let value = settled.first().and_then(|s| s.answer.as_ref().ok()).cloned();
        self.driver.net.note(|| {
            let value = value.as_ref().map(|seen| show(&seen.data)).unwrap_or_default();
            format!("client {client} ends {}: {outcome:?} {value}", active.call)
        });
        if took > timeout {
            self.complain(format!("{} took {took} us of {timeout}", active.call));
        }
        // A lease that nobody ends is looked at 64 times in every plan. A plan that fails because the view
        // changed uses up no attempt, so each change allows one more.
        let changes = self.driver.view.generation - active.generation;
        let most = 64 * (2 * self.driver.health.len() as u64 + 4 + changes) + 100;
        if u64::from(messages) > most {
            self.complain(format!("{} sent {messages} messages of {most}", active.call));
        }
        self.count(&active, outcome);
        match active.call {
            Call::Get { .. } => self.judge_read(client, &active, &settled, span),
            _ => {
                for key in self.changed_keys(&active.call) {
                    self.judge_change(key, &active, outcome, value.as_ref(), span);
                }
            }
        }
        self.last[client] = Some((outcome, value.map(|seen| seen.data)));
    }

    fn count(&mut self, active: &Active, outcome: Outcome) {
        let t = &mut self.tally;
        match outcome {
            Outcome::Hit => t.hits += 1,
            Outcome::Miss => t.misses += 1,
            Outcome::Timeout => t.timeouts += 1,
            Outcome::Unavailable => t.unavailable += 1,
            _ => t.acknowledged += 1,
        }
        // A counter or a condition on a connection that broke while idle may truly not know.
        let no_meta = self.driver.net.servers.iter().any(|server| !server.meta);
        let may_not_know = no_meta
            || !self.driver.manners.notices_idle_loss
            || matches!(
                active.call,
                Call::Count { .. } | Call::Cas { .. } | Call::GetAndTouch { .. } | Call::Pass { .. }
            );
        if matches!(outcome, Outcome::Timeout | Outcome::Unavailable) && active.quiet && !may_not_know {
            self.complain(format!("{} ended as {outcome:?} although every failure was known", active.call));
        }
    }

    fn judge_read(&mut self, client: usize, active: &Active, settled: &[Settled], span: Span) {
        for Settled { key, answer } in settled {
            let found = match answer {
                Ok(seen) => {
                    if matches!(active.call, Call::Get { with_cas: true, .. }) {
                        self.tokens[client] = Some((*key, seen.token()));
                    }
                    Some(seen.clone())
                }
                Err(Outcome::Miss) => None,
                Err(_) => continue,
            };
            let readable = &active.readable[key];
            if may_find(readable, &found, span) {
                continue;
            }
            match found {
                None if self.lost(*key, active.began) => {
                    self.keys[usize::from(*key)].possible.insert(None);
                }
                None => {
                    let text = format!("LOST: k{key} was missed; it holds {}", describe(readable));
                    let where_ = self.contents(*key);
                    self.complain(format!("{text}. {where_}"));
                }
                Some(seen) => {
                    let text = describe(readable);
                    let where_ = self.contents(*key);
                    self.complain(format!("STALE: k{key} read as {seen}; it holds {text}. {where_}"));
                }
            }
        }
    }

    fn judge_change(
        &mut self,
        key: Key,
        active: &Active,
        outcome: Outcome,
        value: Option<&Seen>,
        span: Span,
    ) {
        let index = usize::from(key);
        self.warn_readers(key);
        if matches!(outcome, Outcome::Timeout | Outcome::Unavailable) {
            // It may have cleared copies of what it was to replace.
            let holders = self.holders(key);
            self.keys[index].holders &= holders;
            return self.keys[index].unanswered();
        }
        self.check_lives(key, active);
        let before = self.keys[index].possible.clone();
        let mut fits = self.keys[index].end(&active.call, outcome, value, span);
        if !fits && self.lost(key, active.began) {
            self.keys[index].possible.insert(None);
            fits = self.keys[index].end(&active.call, outcome, value, span);
        }
        if let (false, Some(precisely)) = (fits, self.imprecise(active, outcome)) {
            fits = self.keys[index].end(&active.call, precisely, None, span);
        }
        if !fits {
            let where_ = self.contents(key);
            self.complain(format!(
                "IMPOSSIBLE: {} ended as {outcome:?} {:?}; k{key} held {}. {where_}",
                active.call,
                value.map(|seen| show(&seen.data)),
                describe(&before)
            ));
            return self.keys[index].unanswered();
        }
        // A touch copies nothing: what was single stays single.
        if !merely_seen(&active.call, outcome) && !matches!(outcome, Outcome::Touched | Outcome::Hit) {
            let holders = self.holders(key);
            self.keys[index].acknowledged(&active.call, holders, active.began);
            self.check_copies(key, active, holders);
        } else {
            let holders = self.holders(key);
            self.keys[index].moved(outcome, holders);
        }
    }

    /// A key whose last copy was lost may be missed by every read under way, whatever is stored next.
    fn warn_readers(&mut self, key: Key) {
        for reader in 0..self.active.len() {
            let began =
                self.active[reader].as_ref().filter(|a| a.readable.contains_key(&key)).map(|a| a.began);
            if began.is_some_and(|began| self.lost(key, began)) {
                let states = self.active[reader].as_mut().and_then(|a| a.readable.get_mut(&key));
                states.into_iter().for_each(|states| _ = states.insert(None));
            }
        }
    }

    /// What an answer may mean that says a little less than the truth.
    fn imprecise(&self, active: &Active, outcome: Outcome) -> Option<Outcome> {
        match (&active.call, outcome) {
            // Deleted by a command whose answer was lost; the next one found nothing.
            (Call::Delete { .. }, Outcome::NotFound) if !active.quiet => Some(Outcome::Deleted),
            // Marked by a command whose answer was lost, or whose server died when the others were cleared.
            (Call::Pass { passing: Passing::Delete { .. }, .. }, Outcome::NotFound) if !active.quiet => {
                Some(Outcome::Deleted)
            }
            // What was deleted or touched was a stub that its owner left behind.
            (Call::Delete { .. } | Call::Touch { .. }, Outcome::Deleted | Outcome::Touched)
                if self.driver.net.leases > 0 =>
            {
                Some(Outcome::NotFound)
            }
            _ => None,
        }
    }

    /// Whether a key may be missed since its last copy is truly gone, or was never promised to stay.
    fn lost(&mut self, key: Key, began: u64) -> bool {
        let truth = &self.keys[usize::from(key)];
        if truth.outlived || truth.possible.contains(&None) {
            return true;
        }
        let window = self.driver.settings.window.as_micros() as u64;
        let aged = self.driver.net.now.saturating_sub(truth.since) + 3_000_000 > window;
        // A condition that fails moves what it was decided by.
        let moved = truth.copies & !truth.copies_faulted == 0;
        let every_holder_failed = moved || truth.holders & !truth.faulted == 0;
        // A server that was not live all the while, or out of reach, could not be read from; and a copy
        // that was stored since the read began need not have been there when its server was asked: when
        // every holder failed, a call that had just read the value can bring it back.
        let begun = EPOCH_MILLIS + began / 1000;
        let held = self.holders_of(key, |truth, item| truth.is_settled(&item.data) && item.stored <= begun);
        let readable = (0..self.driver.net.servers.len())
            .filter(|index| held & (1 << index) != 0)
            .filter(|index| {
                self.driver.net.servers[*index].healthy() && self.driver.health[*index].since().0 < began
            })
            .count();
        // Without meta commands the outcome of a condition stays on the server that decided it.
        let single = self.driver.net.servers.iter().any(|server| !server.meta);
        // Without backups a write that clears the old copy and finds the new one's server dead leaves
        // nothing until it has planned anew.
        // The same when both of a write's servers die under it.
        let backups = self.driver.view.pool.options.backups;
        let fatal = if backups { 2 } else { 1 };
        let between = truth.busy && truth.faulted_meanwhile.count_ones() >= fatal;
        let lost = readable == 0 && (every_holder_failed || aged || single || between);
        self.tally.lost += u64::from(lost);
        lost
    }

    /// What every server holds under a key, for a message.
    pub fn contents(&self, key: Key) -> String {
        self.driver.net.contents(key_bytes(key), |index| self.driver.health[index].state())
    }

    // ---- one call at a time

    /// Makes a call and waits for its end; everything else goes on meanwhile.
    pub fn call(&mut self, client: usize, call: Call) -> Outcome {
        self.last[client] = None;
        self.begin(client, call);
        while self.last[client].is_none() {
            if self.step().is_none() {
                self.complain("a call never ends".to_string());
                return Outcome::Timeout;
            }
        }
        self.last[client].as_ref().map_or(Outcome::Timeout, |last| last.0)
    }

    /// Lets time pass.
    pub fn pass(&mut self, micros: u64) {
        let until = self.driver.net.now + micros;
        self.driver.net.at(until, Event::Fault(usize::MAX));
        while self.driver.net.now < until && self.step().is_some() {}
    }
}

pub fn get(keys: &[Key], with_cas: bool) -> Call {
    Call::Get { keys: SmallVec::from_slice(keys), with_cas }
}
