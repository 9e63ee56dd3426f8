//! What a world of several processes is made of, by its seed: its size, its calls, its failures; and what must be
//! true when all of them are over.

use std::time::Duration;

use memcache::rules::operation::Outcome;
use memcache::rules::pool::Options;
use memcache::rules::view::State;
use memcache::rules::wire::{Direction, Verb};

use super::board::Mode;
use super::faults::{Fault, Planted};
use super::land::Land;
use crate::calls::{Call, Key};
use crate::net::{Event, Net, Wires};
use crate::plan::pool;
use crate::rng::Rng;
use crate::world::get;

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    servers: usize,
    processes: usize,
    keys: usize,
    calls: u32,
    /// One failing server at a time, and the next when all are in use again.
    single: bool,
    backups: bool,
    wires: Wires,
    bound: u64,
    rest: u64,
    calm: u64,
    outage: u64,
    /// Every kind of call, and pools without backups: so the worlds of the other seeds stay what they were.
    wide: bool,
    /// Servers hang more than anything else happens, for about as long as a call waits.
    hanging: bool,
    planted: Planted,
    /// The daemon sweeps, and reads repair.
    sweeps: bool,
    /// The list of servers changes, up to so many servers.
    most: usize,
}

impl Plan {
    pub fn new(seed: u64, planted: Planted) -> Plan {
        let rng = &mut Rng::new(seed ^ 0x5feeb);
        let plain = Plan::plain(seed, planted);
        let sweeps = rng.chance(750);
        let changes = sweeps && rng.chance(400);
        let most = plain.servers + if changes { rng.between(1, 2) as usize } else { 0 };
        let backups = plain.backups && !(sweeps && rng.chance(100));
        Plan { sweeps, most, backups, ..plain }
    }

    /// Without sweeps: so the worlds that were found before there were any stay what they were.
    pub fn plain(seed: u64, planted: Planted) -> Plan {
        let rng = &mut Rng::new(seed ^ 0x7ab1e);
        let wide = matches!(seed % 5, 0 | 2);
        let mut plan = Plan {
            seed,
            servers: *rng.pick(&[2, 3, 4, 4, 5]),
            processes: rng.between(2, 4) as usize,
            keys: rng.between(1, 3) as usize,
            calls: rng.between(40, 120) as u32,
            single: rng.chance(600),
            backups: true,
            wide,
            wires: Wires {
                least: 20,
                most: *rng.pick(&[60, 300, 2000]),
                late_per_mille: 5,
                late: *rng.pick(&[1_000, 30_000]),
            },
            bound: *rng.pick(&[30_000, 100_000, 300_000]),
            rest: *rng.pick(&[200, 2_000, 20_000, 100_000]),
            calm: *rng.pick(&[1_000, 20_000, 200_000]),
            outage: *rng.pick(&[2_000, 60_000, 200_000, 600_000]),
            hanging: rng.chance(300),
            planted,
            sweeps: false,
            most: 0,
        };
        plan.backups = !wide || rng.chance(800);
        plan.most = plan.servers;
        plan
    }

    /// The world after its end, and what went wrong first.
    pub fn run(&self, trace: bool) -> (Land, Option<String>) {
        let options =
            Options { backups: self.backups, window: Duration::from_secs(24 * 3600), ..Options::default() };
        let net = Net::new(Rng::new(self.seed), &vec![true; self.most], self.wires, trace);
        let land = Land::new(
            net,
            pool(self.servers, options),
            self.processes,
            self.keys,
            self.bound,
            (self.sweeps, self.planted),
        );
        let mut run = Running {
            plan: self,
            land,
            rng: Rng::new(self.seed ^ 0xfa17),
            lists: Rng::new(self.seed ^ 0x11575),
            left: self.calls,
            faults: vec![None; 3],
        };
        run.all();
        let bad = run.land.bad.clone();
        run.land.counts.single = u64::from(self.single);
        run.land.counts.overlapping = u64::from(!self.single);
        (run.land, bad)
    }
}

/// When the list of servers changes: a slot of its own among those of the faults.
const LISTS: usize = 100;

struct Running<'a> {
    plan: &'a Plan,
    land: Land,
    rng: Rng,
    /// For what came later: so the worlds without it stay what they were.
    lists: Rng,
    left: u32,
    faults: Vec<Option<Fault>>,
}

impl Running<'_> {
    fn span(&mut self, longest: u64) -> u64 {
        let bits = u64::from(longest.ilog2());
        let scale = 1 << self.rng.between(bits.saturating_sub(6), bits);
        self.rng.between(scale / 2, scale * 2)
    }

    fn all(&mut self) {
        self.land.start_daemon();
        self.wait_for_all("AT FIRST");
        for id in 0..self.plan.processes {
            self.land.net.at(self.land.net.now + self.rng.below(1000), Event::Begin(id));
        }
        for slot in 0..self.faults.len() {
            let time = self.land.net.now + self.span(self.plan.calm);
            self.land.net.at(time, Event::Fault(slot));
        }
        if self.plan.most > self.plan.servers {
            self.land.net.at(self.land.net.now + self.plan.calm, Event::Fault(LISTS));
        }
        while self.land.bad.is_none() {
            if self.left == 0 && (0..self.plan.processes).all(|id| self.land.idle(id)) {
                break;
            }
            match self.land.step() {
                Some(Event::Begin(id)) => self.client_turn(id),
                Some(Event::Fault(LISTS)) => self.list_turn(),
                Some(Event::Fault(slot)) if slot < self.faults.len() => self.fault_turn(slot),
                Some(_) => {}
                None => break,
            }
        }
        for slot in 0..self.faults.len() {
            if let Some(fault) = self.faults[slot].take() {
                self.land.relieve(fault);
            }
        }
        self.wait_for_all("NEVER BACK");
        if self.plan.sweeps && self.land.bad.is_none() {
            self.sweep_all();
        }
        if self.land.bad.is_none() {
            self.land.check_copies();
            self.liveness();
        }
    }

    fn wait_for_all(&mut self, what: &str) {
        // What was said of the servers before is not believed.
        self.land.pass(self.plan.bound + 20_000);
        for _ in 0..2000 {
            let up = (0..self.land.board.listed()).all(|s| {
                let used = matches!(self.land.official(s), State::Steady | State::Returned);
                used && self.land.board.entries[s].incarnation.is_some()
            });
            let quiet = (0..self.plan.processes).all(|id| self.land.idle(id));
            if (up && quiet && self.land.board.mode(self.land.net.now) == Mode::Attended)
                || self.land.bad.is_some()
            {
                return;
            }
            (0..self.plan.most).for_each(|server| self.land.relieve(Fault::Drain(server)));
            self.land.pass(10_000);
        }
        let servers: Vec<_> = (0..self.land.board.listed())
            .map(|s| (self.land.official(s), self.land.board.entries[s].incarnation.is_some()))
            .collect();
        let idle: Vec<_> = (0..self.plan.processes).map(|id| self.land.idle(id)).collect();
        let mode = self.land.board.mode(self.land.net.now);
        self.land.complain(format!("{what}: the table is {mode:?}, its servers {servers:?}, idle {idle:?}"));
    }

    /// Everything is swept once more: then every key is where it belongs, also what calls left that were never answered.
    fn sweep_all(&mut self) {
        self.wait_until_complete("NEVER SWEPT");
        if let Some(sweeper) = self.land.daemon.as_mut().and_then(|daemon| daemon.sweeper.as_mut()) {
            sweeper.sweep.request(None);
        }
        self.land.pass(5_000);
        self.wait_until_complete("NEVER SWEPT AGAIN");
        if self.land.bad.is_none() {
            self.land.check_redundancy(true);
        }
    }

    fn wait_until_complete(&mut self, what: &str) {
        for _ in 0..1000 {
            let daemon = self.land.daemon.as_ref();
            let wanted =
                daemon.and_then(|daemon| daemon.sweeper.as_ref()).is_none_or(|it| it.sweep.is_wanted());
            if (self.land.is_complete() && !wanted) || self.land.bad.is_some() {
                return;
            }
            self.land.pass(10_000);
        }
        let states: Vec<_> = (0..self.land.board.listed()).map(|s| self.land.official(s)).collect();
        let previous = self.land.board.previous.is_some();
        self.land.complain(format!("{what}: the servers are {states:?}; there is a list before: {previous}"));
    }

    /// The pool file names another list: one server more, or one less, if what it holds is elsewhere too.
    fn list_turn(&mut self) {
        let now = self.land.file.servers().len();
        // What a server without a backup holds is gone when it leaves the list.
        let room = self.lists.chance(600) || now <= 2 || !self.plan.backups;
        let count = if room { now + 1 } else { now - 1 };
        let calm =
            self.land.is_complete() && self.faults.iter().flatten().all(|fault| fault.server().is_none());
        let free = self.land.board.previous.is_none() && (!self.plan.single || calm);
        if count <= self.plan.most && free {
            self.land.file = pool(count, self.land.pool.options.clone());
            self.land.counts.grown += 1;
        }
        let wait = self.plan.calm / 8 + self.lists.below(self.plan.calm * 2);
        self.land.net.at(self.land.net.now + wait, Event::Fault(LISTS));
    }

    fn client_turn(&mut self, id: usize) {
        if self.land.idle(id) && self.left > 0 {
            self.left -= 1;
            let call = self.choose(id);
            self.land.begin(id, call);
        }
        if self.left > 0 {
            let rest = self.span(self.plan.rest);
            self.land.net.at(self.land.net.now + rest, Event::Begin(id));
        }
    }

    fn choose(&mut self, id: usize) -> Call {
        let key = self.rng.below(self.plan.keys as u64) as Key;
        if self.rng.chance(500) {
            return get(&[key], self.plan.wide && self.rng.chance(300));
        }
        // Without backups there are no turns, and nothing is said of processes that write the same key.
        if !self.plan.backups && !self.plan.sweeps && usize::from(key) % self.plan.processes != id {
            return get(&[key], true);
        }
        let version = self.land.version();
        let store = |verb| Call::Store { verb, key, version, flags: 1, exptime: 0 };
        if self.land.keys[usize::from(key)].possible.len() > 10 {
            return store(Verb::Set);
        }
        if self.plan.wide && self.rng.chance(450) {
            return self.choose_widely(id, key, version);
        }
        match self.rng.below(10) {
            0..6 => store(Verb::Set),
            6 => store(Verb::Add),
            7 | 8 => Call::Delete { key },
            _ => Call::Count { key, direction: Direction::Incr, delta: self.rng.between(1, 9) },
        }
    }

    fn choose_widely(&mut self, id: usize, key: Key, version: u32) -> Call {
        let (flags, exptime) = (2, *self.rng.pick(&[0, 0, 600, 2_000_000_000]));
        let store = |verb| Call::Store { verb, key, version, flags, exptime };
        match self.rng.below(100) {
            0..35 => match self.land.tokens[id].clone() {
                Some((of, token)) if of == key => Call::Cas { key, version, flags, exptime, token },
                _ => get(&[key], true),
            },
            35..50 => Call::Touch { key, exptime },
            50..65 => Call::GetAndTouch { key, exptime },
            65..73 => store(Verb::Append),
            73..81 => store(Verb::Replace),
            81..93 => Call::Count { key, direction: Direction::Decr, delta: self.rng.between(1, 9) },
            93..97 => store(Verb::Set),
            _ => Call::FlushAll,
        }
    }

    fn fault_turn(&mut self, slot: usize) {
        let wait = match self.faults[slot].take() {
            Some(fault) => {
                self.land.relieve(fault);
                self.span(self.plan.calm)
            }
            None => match self.pick_fault() {
                Some(fault) => {
                    self.land.counts.fault(fault);
                    self.land.inflict(fault);
                    let lasts = !matches!(fault, Fault::Restart(_) | Fault::Break(_) | Fault::ProcessDies(_));
                    if lasts {
                        self.faults[slot] = Some(fault);
                    }
                    self.span(if lasts { self.plan.outage } else { self.plan.calm })
                }
                None => self.span(self.plan.calm),
            },
        };
        self.land.net.at(self.land.net.now + wait, Event::Fault(slot));
    }

    fn pick_fault(&mut self) -> Option<Fault> {
        let server = self.rng.below(self.plan.most as u64) as usize;
        let id = self.rng.below(self.plan.processes as u64) as usize;
        let dice = if self.plan.hanging && self.rng.chance(600) {
            self.rng.between(18, 47)
        } else {
            self.rng.below(100)
        };
        let fault = match dice {
            0..12 => Fault::Crash(server),
            12..18 => Fault::Restart(server),
            18..28 => Fault::Cut(server),
            28..36 => Fault::Refuse(server),
            36..48 => Fault::Hang(server),
            48..54 => Fault::Break(server),
            54..64 => Fault::CutFrom(server, id),
            64..68 => Fault::Drain(server),
            68..76 => Fault::DaemonStops,
            76..81 => Fault::DaemonDies,
            81..85 => Fault::DaemonDiesHalfway,
            85..87 => Fault::DaemonResigns,
            87..95 => Fault::ProcessStops(id),
            // What it sent may be executed late, and without turns nobody proves that it was.
            _ if !self.plan.backups && !self.plan.sweeps => return None,
            _ => Fault::ProcessDies(id),
        };
        let of_server = |fault: &Fault| fault.number() < 8;
        let now = self.faults.iter().flatten();
        let all_live = (0..self.land.board.listed()).all(|s| self.land.official(s) != State::Down);
        let free = match fault {
            Fault::Drain(_) | Fault::CutFrom(..) | Fault::Break(_) => !now.clone().any(&of_server),
            _ if of_server(&fault) && self.plan.single => all_live && !now.clone().any(of_server),
            _ if of_server(&fault) => !now.clone().any(|other| other.server() == Some(server)),
            Fault::ProcessStops(_) | Fault::ProcessDies(_) => !now
                .clone()
                .any(|other| matches!(other, Fault::ProcessStops(it) | Fault::ProcessDies(it) if *it == id)),
            _ => !now.clone().any(|other| (8..12).contains(&other.number())),
        };
        free.then_some(fault)
    }

    fn liveness(&mut self) {
        for key in 0..self.plan.keys as Key {
            for id in 0..self.plan.processes {
                let version = self.land.version();
                let store = |verb| Call::Store { verb, key, version, flags: 7, exptime: 0 };
                for (call, wanted) in [
                    (store(Verb::Set), Outcome::Stored),
                    (get(&[key], false), Outcome::Hit),
                    (store(Verb::Add), Outcome::NotStored),
                ] {
                    let text = call.to_string();
                    let outcome = self.land.call(id, call);
                    if outcome != wanted {
                        self.land.complain(format!("AFTER HEALING: p{id} {text} ended as {outcome:?}"));
                    }
                    if self.land.bad.is_some() {
                        return;
                    }
                }
            }
        }
    }
}
