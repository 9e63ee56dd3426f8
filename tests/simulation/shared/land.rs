//! A machine: its processes, its daemon, the servers, and the judge who knows every key's truth.

mod judge;
mod misfortune;
mod redundancy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use memcache::rules::operation::Outcome;
use memcache::rules::places;
use memcache::rules::pool::Pool;
use memcache::rules::view::State as ServerState;
use memcache::rules::wire::Verb;

use super::board::{Board, Mode};
use super::counts::Counts;
use super::daemon::Daemon;
use super::faults::{Fault, Planted};
use super::process::Process;
use super::sweeper::{OWNERS_END, Sweeper};
use crate::calls::{Call, Key, State, Token, key_bytes, results};
use crate::message::show;
use crate::net::{Cut, EPOCH_MILLIS, Event, Net};
use crate::task::{Seen, Task};
use crate::truth::{Truth, describe, may_find, merely_seen, same_value};

/// Timers from here on are reports to the daemon.
const REPORTS: usize = 1000;

struct Active {
    call: Call,
    began: u64,
    readable: BTreeMap<Key, BTreeSet<State>>,
    /// It may have effects.
    entered: bool,
    /// Its process was stopped meanwhile.
    stopped: bool,
    /// Its turn was taken over: what becomes of it is not its own to say.
    overtaken: bool,
    /// A flush was at work at the same time.
    flushed: bool,
    /// A flush: the keys that somebody wrote at the same time, one bit each.
    written: u64,
}

pub struct Land {
    pub net: Net,
    pub board: Board,
    pub pool: Arc<Pool>,
    /// The servers that the pool file names.
    pub file: Arc<Pool>,
    pub daemon: Option<Daemon>,
    pub daemon_stopped: bool,
    pub processes: Vec<Process>,
    pub stopped: Vec<bool>,
    pub keys: Vec<Truth>,
    pub counts: Counts,
    pub bad: Option<String>,
    pub last: Vec<Option<Outcome>>,
    /// The last CAS token that each process was handed: key, token, value.
    pub tokens: Vec<Option<(Key, Token)>>,
    /// A flush was cut short by the death of its process, and may be executed at any time: it has no turn that
    /// somebody could take over.
    flushed_late: bool,
    planted: Planted,
    deferred: Vec<Event>,
    active: Vec<Option<Active>>,
    /// Calls at work on each key; and whether two were at once, or one was never answered, since the last
    /// value that everybody agreed on.
    writers: Vec<u32>,
    doubtful: Vec<bool>,
    clashed: Vec<bool>,
    /// When each key last had a stub on a complete home.
    stubbed: Vec<u64>,
    /// What an append made of one is anybody's guess, until the key is stored or deleted.
    wild: Vec<bool>,
    /// When servers failed that held a key's value, and when nobody held it any more.
    holders_failed: Vec<Vec<(u64, usize)>>,
    emptied: Vec<u64>,
    /// Since when each server is used; `None`: it is down.
    used_since: Vec<Option<u64>>,
    draining_since: Vec<Option<u64>>,
    mode: Mode,
    /// As the trace told them last.
    seen_epochs: Vec<u64>,
    versions: u32,
    /// Whether every server was complete when that was last looked at.
    complete: bool,
    /// Messages that were executed when the copies were last looked at.
    seen_executed: u64,
}

impl Land {
    pub fn new(
        mut net: Net,
        pool: Arc<Pool>,
        processes: usize,
        keys: usize,
        bound: u64,
        (swept, planted): (bool, Planted),
    ) -> Land {
        let servers = net.servers.len();
        let group = |owner: usize| if owner < 2 * processes { owner % processes } else { processes };
        net.clock = u64::from(planted != Planted::WallClock);
        net.groups = (0..OWNERS_END).map(group).collect();
        let board = Board::new(Arc::clone(&pool), servers, bound, swept);
        let make = |id| Process::new(id, processes + id, &board, planted);
        Land {
            daemon: None,
            daemon_stopped: false,
            processes: (0..processes).map(make).collect(),
            stopped: vec![false; processes],
            keys: (0..keys).map(|_| Truth::new()).collect(),
            counts: Counts::default(),
            bad: None,
            last: vec![None; processes],
            tokens: vec![None; processes],
            flushed_late: false,
            planted,
            deferred: Vec::new(),
            active: (0..processes).map(|_| None).collect(),
            writers: vec![0; keys],
            doubtful: vec![false; keys],
            clashed: vec![false; keys],
            stubbed: vec![0; keys],
            wild: vec![false; keys],
            holders_failed: vec![Vec::new(); keys],
            emptied: vec![0; keys],
            used_since: (0..servers).map(|s| (s < pool.servers().len()).then_some(0)).collect(),
            draining_since: vec![None; servers],
            mode: Mode::Unattended,
            seen_epochs: Vec::new(),
            versions: 0,
            complete: false,
            seen_executed: 0,
            board,
            file: Arc::clone(&pool),
            pool,
            net,
        }
    }

    fn first_owner(&self) -> usize {
        2 * self.processes.len()
    }

    fn loop_timer(&self) -> usize {
        self.first_owner() + self.net.servers.len()
    }

    pub fn start_daemon(&mut self) {
        let first = self.first_owner();
        self.net.note(|| "DAEMON starts".to_string());
        self.daemon = Some(Daemon::new(&self.net, &self.board, first, self.planted));
        self.daemon_stopped = false;
        let timer = self.loop_timer();
        self.net.at(self.net.now, Event::Timer(timer));
    }

    pub fn end_daemon(&mut self) {
        self.net.note(|| "DAEMON ends".to_string());
        if let Some(mut daemon) = self.daemon.take() {
            self.listen_to_sweeper(&mut daemon);
            daemon.close(&mut self.net);
            // A stripe whose owner is gone is taken over at once.
            let held = self.board.stripes.values_mut().filter(|holder| Sweeper::owns(holder.process));
            held.for_each(|holder| holder.deadline = 0);
        }
        self.daemon_stopped = false;
    }

    pub fn version(&mut self) -> u32 {
        self.versions += 1;
        self.versions
    }

    pub fn idle(&self, process: usize) -> bool {
        self.active[process].is_none() && !self.stopped[process]
    }

    pub fn complain(&mut self, text: String) {
        self.net.note(|| format!("WRONG: {text}"));
        self.bad.get_or_insert(text);
    }

    fn second(&self) -> i64 {
        (self.net.unix_millis() / 1000) as i64
    }

    /// What a process sees that trusts what is to be trusted now.
    pub fn official(&self, server: usize) -> ServerState {
        if server >= self.board.listed() {
            return ServerState::Down;
        }
        self.board.seen(server, self.board.mode(self.net.now)).state
    }

    // ---- events

    pub fn step(&mut self) -> Option<Event> {
        let event = self.net.pop()?;
        self.run(event);
        self.after();
        Some(event)
    }

    fn run(&mut self, event: Event) {
        let (first, looping) = (self.first_owner(), self.loop_timer());
        match event {
            Event::Reach(conn) => self.net.reach(conn),
            Event::Back(conn) => {
                let owner = self.net.owner(conn);
                let process = (owner < first).then_some(owner % self.processes.len());
                if process.map_or(self.daemon_stopped, |process| self.stopped[process]) {
                    return self.deferred.push(event);
                }
                let Some(delivery) = self.net.back(conn) else { return };
                match (process, &mut self.daemon) {
                    (Some(id), _) => {
                        self.processes[id].deliver(&mut self.net, &mut self.board, conn, &delivery);
                        self.processes[id].arm(&mut self.net);
                    }
                    (None, Some(daemon)) => daemon.deliver(&mut self.net, &mut self.board, conn, &delivery),
                    (None, None) => {}
                }
            }
            Event::Timer(id) if Sweeper::owns(id) => {
                if self.daemon_stopped {
                    return self.deferred.push(event);
                }
                let daemon = self.daemon.as_mut();
                if let Some(sweeper) = daemon.and_then(|daemon| daemon.sweeper.as_mut()) {
                    sweeper.timer(&mut self.net, &mut self.board, id);
                }
            }
            Event::Timer(id) if id >= REPORTS => {
                if let Some(daemon) = &mut self.daemon {
                    daemon.told(&self.net, id - REPORTS);
                }
            }
            Event::Timer(id) if id == looping => {
                let Some(daemon) = &mut self.daemon else { return };
                if self.daemon_stopped {
                    return self.deferred.push(event);
                }
                daemon.turn(&mut self.net, &mut self.board);
                if !daemon.dead {
                    daemon.follow(&mut self.net, &mut self.board, &self.file);
                }
                let next = self.net.now + self.net.rng.between(300, 2_000);
                self.net.at(next, event);
            }
            Event::Timer(id) => {
                if self.stopped[id] {
                    return self.deferred.push(event);
                }
                self.processes[id].timer(&mut self.net, &mut self.board);
                self.processes[id].arm(&mut self.net);
            }
            Event::Begin(_) | Event::Fault(_) => {}
        }
    }

    /// What came for those who were stopped comes now.
    fn resume_events(&mut self) {
        for event in std::mem::take(&mut self.deferred) {
            self.net.at(self.net.now, event);
        }
    }

    fn after(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            self.listen_to_sweeper(&mut daemon);
            self.daemon = Some(daemon);
        }
        if self.daemon.as_ref().is_some_and(|daemon| daemon.dead) {
            self.end_daemon();
        }
        if self.net.trace.is_some() && self.seen_epochs != self.board.epochs {
            self.seen_epochs = self.board.epochs.clone();
            let epochs = self.seen_epochs.clone();
            self.net.note(|| format!("epochs {epochs:?}"));
        }
        self.counts.sweeps = self.board.sweeps;
        self.counts.lists_swept = self.board.lists_swept;
        let mode = self.board.mode(self.net.now);
        if mode != std::mem::replace(&mut self.mode, mode) {
            self.net.note(|| format!("the table is {mode:?}"));
            self.counts.unattended += u64::from(mode == Mode::Unattended);
            self.counts.settlings += u64::from(mode == Mode::Settling);
        }
        for server in 0..self.used_since.len() {
            let state = self.official(server);
            let now = self.net.now;
            match (state, self.used_since[server]) {
                (ServerState::Down, Some(_)) => {
                    let held = self.held_by(server);
                    self.used_since[server] = None;
                    self.disturb(server, held);
                }
                (ServerState::Down, None) | (_, Some(_)) => {}
                (_, None) => self.used_since[server] = Some(now),
            }
            let since = self.draining_since[server].get_or_insert(now);
            if state != ServerState::Draining {
                *since = u64::MAX;
                self.draining_since[server] = None;
            }
        }
        if self.board.swept {
            self.look_at_copies();
        }
        for id in 0..self.processes.len() {
            let reports = std::mem::take(&mut self.processes[id].reports);
            self.report(reports);
            if let Some(text) = self.processes[id].broken.take() {
                self.complain(text);
            }
            for other in std::mem::take(&mut self.processes[id].overtook) {
                self.overtake(other);
            }
            self.counts.repaired += std::mem::take(&mut self.processes[id].repaired);
            if std::mem::take(&mut self.processes[id].entered) {
                self.enter(id);
            }
            if let Some(outcome) = self.processes[id].ended.take() {
                self.judge(id, outcome);
                self.seen_executed = 0;
                self.processes[id].carrier.task = None;
                self.last[id] = Some(outcome);
            }
        }
    }

    fn report(&mut self, servers: Vec<usize>) {
        for server in servers {
            let (late, arrives) = (self.net.rng.between(20, 300), !self.net.rng.chance(100));
            if arrives {
                self.net.at(self.net.now + late, Event::Timer(REPORTS + server));
            }
        }
    }

    fn listen_to_sweeper(&mut self, daemon: &mut Daemon) {
        let Some(sweeper) = &mut daemon.sweeper else { return };
        let (reports, overtook) =
            (std::mem::take(&mut sweeper.reports), std::mem::take(&mut sweeper.overtook));
        let broken = sweeper.broken.take();
        self.counts.walks += std::mem::take(&mut sweeper.walked);
        self.counts.cut_short += std::mem::take(&mut sweeper.cut_short);
        self.counts.moved += std::mem::take(&mut sweeper.moved);
        self.counts.calms += std::mem::take(&mut sweeper.calms);
        self.report(reports);
        overtook.into_iter().for_each(|other| self.overtake(other));
        broken.into_iter().for_each(|text| self.complain(text));
    }

    fn overtake(&mut self, other: usize) {
        self.counts.overtaken += 1;
        if Sweeper::owns(other) {
            if self.daemon_stopped {
                self.net.abort_stalled(other);
            }
            return;
        }
        let Some(active) = self.active[other].as_mut() else { return };
        if active.entered && !std::mem::replace(&mut active.overtaken, true) {
            let key = active.call.changes();
            if let Some(key) = key.map(usize::from) {
                self.keys[key].unanswered();
                self.writers[key] -= 1;
                self.doubtful[key] = true;
            }
        }
        if self.stopped[other] {
            // The kernel gives up what was not acknowledged within the call's time (TCP_USER_TIMEOUT).
            self.net.abort_stalled(other);
        }
    }

    // ---- calls

    pub fn begin(&mut self, id: usize, call: Call) {
        self.counts.calls += 1;
        self.net.note(|| format!("p{id} begins {call}"));
        let mut readable = BTreeMap::new();
        if let Call::Get { keys, .. } = &call {
            for key in keys {
                readable.insert(*key, self.keys[usize::from(*key)].readable());
            }
        }
        let began = self.net.now;
        self.active[id] = Some(Active {
            call: call.clone(),
            began,
            readable,
            entered: false,
            stopped: false,
            overtaken: false,
            flushed: false,
            written: 0,
        });
        self.last[id] = None;
        let process = &mut self.processes[id];
        process.begin(&mut self.net, &mut self.board, &call);
        process.try_one(&mut self.net, &mut self.board);
        self.after();
    }

    /// A call has its key's turn.
    fn enter(&mut self, id: usize) {
        let now = self.second();
        let flushes = self.active.iter().flatten().any(|a| a.call == Call::FlushAll);
        let Some(active) = self.active[id].as_mut() else { return };
        active.entered = true;
        if active.call == Call::FlushAll {
            return self.enter_flush(id);
        }
        let Some(key) = active.call.changes().map(usize::from) else { return };
        active.flushed = flushes;
        for flush in self.active.iter_mut().flatten().filter(|active| active.call == Call::FlushAll) {
            flush.written |= 1 << key;
        }
        let Some(active) = self.active[id].as_mut() else { return };
        let truth = &mut self.keys[key];
        let mut coming = truth.coming.clone();
        if self.writers[key] > 0 {
            self.clashed[key] = true;
            let both = truth.readable();
            coming
                .extend(both.iter().flat_map(|state| results(&active.call, state, (now, now))).map(|r| r.1));
        }
        self.writers[key] += 1;
        coming.extend(truth.begin(&active.call, (now, now)).iter().cloned());
        truth.coming = coming;
        for reader in self.active.iter_mut().flatten() {
            if let Some(states) = reader.readable.get_mut(&(key as Key)) {
                states.extend(self.keys[key].coming.iter().cloned());
            }
        }
    }

    /// From now on every key may hold nothing.
    fn enter_flush(&mut self, id: usize) {
        self.keys.iter_mut().for_each(|truth| _ = truth.possible.insert(None));
        let mut written = 0;
        for active in self.active.iter_mut().flatten() {
            active.readable.values_mut().for_each(|states| _ = states.insert(None));
            if let (true, Some(key)) = (active.entered, active.call.changes()) {
                written |= 1 << key;
                active.flushed = true;
            }
        }
        self.active[id].iter_mut().for_each(|flush| flush.written |= written);
    }

    // ---- one call at a time

    pub fn call(&mut self, id: usize, call: Call) -> Outcome {
        self.begin(id, call);
        while self.last[id].is_none() {
            if self.step().is_none() {
                self.complain("a call never ends".to_string());
                return Outcome::Timeout;
            }
        }
        self.last[id].unwrap_or(Outcome::Timeout)
    }

    pub fn pass(&mut self, micros: u64) {
        let until = self.net.now + micros;
        self.net.at(until, Event::Fault(usize::MAX));
        while self.net.now < until && self.step().is_some() {}
    }
}
