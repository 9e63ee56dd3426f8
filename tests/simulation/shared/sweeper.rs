//! The sweeper: what the daemon's threads do for a sweep. It walks the keys of servers, has each moved that is not where
//! the rules place it, and waits for calm before that. It belongs to the daemon's process: it dies and is stopped with it.
//!
//! A walk asks for the keys of one bucket after another, as the real one does: a key that is on the server from the walk's
//! beginning to its end is seen, one that comes or goes meanwhile perhaps.

use std::collections::VecDeque;

use memcache::rules::operation::{Outcome, concerns};
use memcache::rules::pool::ServerId;
use memcache::rules::sweep::{Sweep, Tick};

use super::board::Board;
use super::faults::Planted;
use super::process::Process;
use crate::calls::{Key, key_bytes, key_of};
use crate::message::{Answer, Ask};
use crate::net::{ConnId, Delivery, Net};
use crate::task::Task;

/// Its owners of connections begin here: workers, their probes, calm and its probes, walks.
pub const OWNERS: usize = 500;
const PROBES: usize = 20;
const CALM: usize = OWNERS + 40;
const WALKS: usize = OWNERS + 60;
/// One more than the last.
pub const OWNERS_END: usize = OWNERS + 80;

const WORKERS: usize = 2;
const WALKS_AT_ONCE: usize = 2;
const BUCKETS: u8 = 3;
/// How often a key is tried whose move came to nothing.
const TRIES: u8 = 3;
/// How long nothing is begun after a walk that failed, in microseconds.
const REST: u64 = 10_000;

/// A walk under way.
struct Walk {
    server: usize,
    begun: Tick,
    conn: Option<ConnId>,
    buckets: Vec<u8>,
    owed_since: u64,
    /// Keys that are to be looked at, and how often each was tried.
    keys: VecDeque<(Key, u8)>,
    open: usize,
    whole: bool,
}

impl Walk {
    fn over(&self) -> bool {
        self.open == 0 && (!self.whole || (self.conn.is_none() && self.keys.is_empty()))
    }
}

pub struct Sweeper {
    pub sweep: Sweep,
    workers: Vec<Process>,
    /// What each worker moves: the walk, by its beginning; the key, and how often it was tried.
    jobs: Vec<Option<(Tick, Key, u8)>>,
    calm: Process,
    calm_since: Option<Tick>,
    walks: Vec<Walk>,
    rests_until: u64,
    planted: Planted,
    /// Whose turns were taken over.
    pub overtook: Vec<usize>,
    pub reports: Vec<usize>,
    pub broken: Option<String>,
    pub walked: u64,
    pub cut_short: u64,
    pub moved: u64,
    pub calms: u64,
}

impl Sweeper {
    pub fn new(board: &Board, planted: Planted) -> Sweeper {
        let worker = |index| Process::new(OWNERS + index, OWNERS + PROBES + index, board, planted);
        Sweeper {
            sweep: Sweep::new(),
            workers: (0..WORKERS).map(worker).collect(),
            jobs: vec![None; WORKERS],
            calm: Process::new(CALM, CALM + 1, board, planted),
            calm_since: None,
            walks: Vec::new(),
            rests_until: 0,
            planted,
            overtook: Vec::new(),
            reports: Vec::new(),
            broken: None,
            walked: 0,
            cut_short: 0,
            moved: 0,
            calms: 0,
        }
    }

    /// Nobody looked after the servers for a while.
    pub fn begin_anew(&mut self) {
        self.sweep.begin_anew();
    }

    /// Whether an owner of a connection, or of a timer, is one of these.
    pub fn owns(owner: usize) -> bool {
        (OWNERS..OWNERS_END).contains(&owner)
    }

    /// The daemon's loop comes by.
    pub fn drive(&mut self, net: &mut Net, board: &mut Board, isolated: bool) {
        if !isolated {
            self.seek_calm(net, board);
            self.begin_walks(net);
        }
        self.end_walks(net);
        self.feed(net, board);
        self.end_walks(net);
    }

    fn seek_calm(&mut self, net: &mut Net, board: &mut Board) {
        if !self.calm.idle() || self.calm_since.is_some() {
            return;
        }
        let Some(tick) = self.sweep.wants_calm() else { return };
        if self.planted == Planted::NoCalm {
            return self.sweep.calmed(tick);
        }
        self.calm_since = Some(tick);
        self.calm.wait_for_calm(net, board);
        self.collect(net);
    }

    fn begin_walks(&mut self, net: &mut Net) {
        while self.walks.len() < WALKS_AT_ONCE && net.now >= self.rests_until {
            let Some((server, begun)) = self.sweep.next_walk() else { return };
            let server = server.index();
            net.note(|| format!("WALK of s{server} begins"));
            let conn = Some(net.connect(server, WALKS + server));
            let first = net.rng.below(u64::from(BUCKETS)) as u8;
            let buckets = (0..BUCKETS).map(|bucket| (bucket + first) % BUCKETS).collect();
            let (keys, open, whole) = (VecDeque::new(), 0, true);
            self.walks.push(Walk { server, begun, conn, buckets, owed_since: net.now, keys, open, whole });
        }
    }

    fn end_walks(&mut self, net: &mut Net) {
        let patience = self.calm.patience();
        for at in (0..self.walks.len()).rev() {
            let walk = &mut self.walks[at];
            let silent = walk.conn.is_some() && net.now > walk.owed_since + patience;
            if silent || !self.sweep.walks(ServerId(walk.server as u16), walk.begun) {
                walk.whole = false;
            }
            if !walk.whole {
                walk.conn.take().into_iter().for_each(|conn| net.reset(conn));
                walk.keys.clear();
            }
            if !walk.over() {
                continue;
            }
            let Walk { server, begun, whole, .. } = self.walks.swap_remove(at);
            net.note(|| format!("WALK of s{server} ends, whole: {whole}"));
            if !whole {
                self.rests_until = net.now + REST;
            }
            self.walked += u64::from(whole);
            self.cut_short += u64::from(!whole);
            let counts = whole || self.planted == Planted::HalfWalk;
            self.sweep.walked(ServerId(server as u16), begun, counts);
            if whole && self.planted == Planted::EarlyWalk {
                self.walk_again(server);
            }
        }
    }

    /// The planted fault: a walk is good also for goals that were set while it was under way.
    fn walk_again(&mut self, server: usize) {
        let mut others = Vec::new();
        while let Some((next, begun)) = self.sweep.next_walk() {
            if next.index() == server {
                self.sweep.walked(next, begun, true);
                break;
            }
            others.push((next, begun));
        }
        others.into_iter().for_each(|(other, begun)| self.sweep.walked(other, begun, false));
    }

    /// Gives the workers keys.
    fn feed(&mut self, net: &mut Net, board: &mut Board) {
        for index in 0..self.workers.len() {
            while self.jobs[index].is_none() && self.workers[index].idle() {
                let Some((walk, key, tries)) = self.next_key() else { return };
                let server = ServerId(self.walks[walk].server as u16);
                let worker = &mut self.workers[index];
                worker.look_anew(net, board);
                let sweep = &self.sweep;
                if !concerns(&worker.view, key_bytes(key), server, &|id| sweep.is_goal(id)) {
                    continue;
                }
                self.walks[walk].open += 1;
                self.jobs[index] = Some((self.walks[walk].begun, key, tries));
                net.note(|| format!("SWEEP moves k{key}, which it found on s{}", server.0));
                worker.start(net, board, Task::moving(key, server), Some(key));
                worker.arm(net);
                self.collect(net);
            }
        }
    }

    fn next_key(&mut self) -> Option<(usize, Key, u8)> {
        let at = self.walks.iter().position(|walk| walk.whole && !walk.keys.is_empty())?;
        let (key, tries) = self.walks[at].keys.pop_front()?;
        Some((at, key, tries))
    }

    // ---- what comes back

    pub fn deliver(&mut self, net: &mut Net, board: &mut Board, conn: ConnId, delivery: &Delivery) {
        let owner = net.owner(conn);
        if owner >= WALKS {
            self.walk_on(net, conn, delivery);
        } else {
            self.with(owner, |process| {
                process.deliver(net, board, conn, delivery);
                process.arm(net);
            });
        }
        self.collect(net);
    }

    pub fn timer(&mut self, net: &mut Net, board: &mut Board, id: usize) {
        self.with(id, |process| {
            process.timer(net, board);
            process.arm(net);
        });
        self.collect(net);
    }

    fn with(&mut self, owner: usize, act: impl FnOnce(&mut Process)) {
        match owner - OWNERS {
            number if number < PROBES => act(&mut self.workers[number]),
            number if number < 2 * PROBES => act(&mut self.workers[number - PROBES]),
            _ => act(&mut self.calm),
        }
    }

    fn walk_on(&mut self, net: &mut Net, conn: ConnId, delivery: &Delivery) {
        let Some(walk) = self.walks.iter_mut().find(|walk| walk.conn == Some(conn)) else { return };
        walk.owed_since = net.now;
        match delivery {
            Delivery::Connected => {}
            Delivery::Answer(Answer::Keys(keys)) => {
                walk.keys.extend(keys.iter().filter_map(|key| key_of(key)).map(|key| (key, 0)));
            }
            _ => {
                walk.whole = false;
                return;
            }
        }
        match walk.buckets.pop() {
            Some(bucket) => net.send(conn, Ask::Dump { bucket, of: BUCKETS }),
            None => {
                walk.conn = None;
                net.reset(conn);
            }
        }
    }

    /// What the workers have to say.
    fn collect(&mut self, net: &mut Net) {
        if let Some(outcome) = self.calm.ended.take() {
            let tick = self.calm_since.take();
            net.note(|| format!("CALM: {outcome:?}"));
            if let Some(tick) = tick.filter(|_| outcome == Outcome::Done) {
                self.calms += 1;
                self.sweep.calmed(tick);
            }
        }
        for index in 0..self.workers.len() {
            let Some(outcome) = self.workers[index].ended.take() else { continue };
            self.workers[index].carrier.task = None;
            let Some((begun, key, tries)) = self.jobs[index].take() else { continue };
            self.moved += u64::from(outcome == Outcome::Stored);
            let Some(walk) = self.walks.iter_mut().find(|walk| walk.begun == begun) else { continue };
            walk.open -= 1;
            match outcome {
                Outcome::Stored | Outcome::NotStored => {}
                Outcome::Refused => walk.whole = false,
                _ if tries + 1 < TRIES => walk.keys.push_back((key, tries + 1)),
                _ => walk.whole = false,
            }
        }
        for process in self.workers.iter_mut().chain([&mut self.calm]) {
            self.overtook.append(&mut process.overtook);
            self.reports.append(&mut process.reports);
            self.broken = self.broken.take().or(process.broken.take());
        }
    }

    /// Killed with its daemon.
    pub fn close(&mut self, net: &mut Net) {
        self.walks.drain(..).filter_map(|walk| walk.conn).for_each(|conn| net.reset(conn));
        for process in self.workers.iter_mut().chain([&mut self.calm]) {
            process.die(net);
        }
    }
}
