//! A world from its seed: how many servers, clients and keys, how fast, which failures; and its run:
//! first failures while calls go on, then everything heals, then everything must be right again.

use std::sync::Arc;
use std::time::Duration;

use memcache::rules::address::Address;
use memcache::rules::operation::Outcome;
use memcache::rules::pool::{Options, Pool, ReadBackup, Server, pair_up};
use memcache::rules::view::State as ServerState;
use memcache::rules::wire::{Direction, Verb};

use super::calls::{Call, Key};
use super::carrier::{Manners, Planted};
use super::net::{Cut, Event, Wires};
use super::passing::Passing;
use super::rng::Rng;
use super::tally::Tally;
use super::world::{World, get};

/// How failures may meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failures {
    /// The next one comes when every server is in use again.
    OneAtATime,
    Overlapping,
}

/// Everything a world is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub servers: usize,
    pub clients: usize,
    pub keys: usize,
    pub calls: u32,
    pub failures: Failures,
    pub options: Options,
    pub metas: Vec<bool>,
    pub wires: Wires,
    pub manners: Manners,
    /// The longest rest between two calls of a client, and between two failures, in microseconds.
    pub rest: u64,
    pub calm: u64,
    /// The longest failure.
    pub outage: u64,
    pub planted: Planted,
    /// Most changes count, and most failures break a connection: what tells whether a delta counted.
    pub counting: bool,
    /// Half of the changes are clients' own meta commands.
    pub passing: bool,
}

/// How a world ended.
pub struct Run {
    pub tally: Tally,
    pub bad: Option<String>,
    pub trace: Vec<String>,
}

/// What a server suffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Crash,
    /// The process dies and a new one is there before anybody looked.
    QuickRestart,
    Cut(Cut),
    Hang,
    Break,
}

pub fn pool(servers: usize, options: Options) -> Arc<Pool> {
    let mut list: Vec<Server> = (0..servers)
        .map(|n| Server {
            name: format!("s{n}"),
            address: Address::Tcp { host: "127.0.0.1".to_string(), port: 11211 + n as u16 },
            weight: 1,
            backup: None,
        })
        .collect();
    if options.backups {
        pair_up(&mut list);
    }
    Arc::new(Pool::new("simulated", options, list))
}

impl Plan {
    pub fn new(seed: u64) -> Plan {
        let rng = &mut Rng::new(seed ^ 0x5eed);
        let servers = *rng.pick(&[2, 2, 3, 3, 4, 4, 5, 6, 8]);
        let everyone = !rng.chance(100);
        let late = *rng.pick(&[1_000, 10_000, 30_000]);
        Plan {
            seed,
            servers,
            clients: rng.between(1, 4) as usize,
            keys: rng.between(1, 5) as usize,
            calls: rng.between(40, 120) as u32,
            failures: if rng.chance(500) { Failures::OneAtATime } else { Failures::Overlapping },
            options: Options {
                backups: rng.chance(850),
                read_backup: *rng.pick(&[ReadBackup::Recovering, ReadBackup::Recovering, ReadBackup::Always]),
                window: Duration::from_secs(*rng.pick(&[5, 30, 24 * 3600])),
                max_ttl: rng.chance(100).then_some(Duration::from_secs(3600)),
                ..Options::default()
            },
            metas: (0..servers).map(|_| everyone || rng.chance(500)).collect(),
            wires: Wires { least: 20, most: *rng.pick(&[60, 300, 2000]), late_per_mille: 5, late },
            manners: Manners { notices_idle_loss: rng.chance(700) },
            rest: *rng.pick(&[200, 2_000, 20_000, 100_000]),
            calm: *rng.pick(&[1_000, 20_000, 200_000]),
            outage: *rng.pick(&[2_000, 100_000, 400_000, 2_000_000]),
            planted: Planted::Nothing,
            counting: rng.chance(150),
            passing: false,
        }
    }

    /// A world whose clients have meta commands of their own, which every server knows.
    pub fn passing(seed: u64) -> Plan {
        let plan = Plan::new(seed);
        Plan { metas: vec![true; plan.servers], passing: true, ..plan }
    }

    pub fn run(&self, trace: bool) -> Run {
        let pool = pool(self.servers, self.options.clone());
        let world = World::new(
            pool,
            &self.metas,
            self.clients,
            self.keys,
            self.wires,
            self.manners,
            self.seed,
            trace,
        );
        let slots = if self.failures == Failures::OneAtATime { 1 } else { 3 };
        let rng = Rng::new(self.seed);
        let mut run = Running { plan: self, world, rng, left: self.calls, faults: vec![None; slots] };
        run.world.plant(self.planted);
        run.safety();
        if run.world.bad.is_none() {
            run.heal();
        }
        if run.world.bad.is_none() {
            run.liveness();
        }
        let World { mut driver, mut tally, bad, .. } = run.world;
        tally.messages = driver.net.executed;
        tally.world(self.failures);
        Run { tally, bad, trace: driver.net.trace.take().unwrap_or_default() }
    }
}

struct Running<'a> {
    plan: &'a Plan,
    world: World,
    rng: Rng,
    /// Calls still to be made.
    left: u32,
    /// What suffers now.
    faults: Vec<Option<(usize, Fault)>>,
}

impl Running<'_> {
    /// Short times are as likely as long ones.
    fn span(&mut self, longest: u64) -> u64 {
        let bits = u64::from(longest.ilog2());
        let scale = 1 << self.rng.between(bits.saturating_sub(6), bits);
        self.rng.between(scale / 2, scale * 2)
    }

    fn safety(&mut self) {
        for client in 0..self.plan.clients {
            self.world.driver.net.at(self.rng.below(1000), Event::Begin(client));
        }
        for slot in 0..self.faults.len() {
            let time = self.span(self.plan.calm);
            self.world.driver.net.at(time, Event::Fault(slot));
        }
        while self.world.bad.is_none() {
            let done = self.left == 0 && (0..self.plan.clients).all(|client| self.world.idle(client));
            if done {
                break;
            }
            match self.world.step() {
                Some(Event::Begin(client)) => self.client_turn(client),
                Some(Event::Fault(slot)) if slot < self.faults.len() => self.fault_turn(slot),
                Some(_) => {}
                None => break,
            }
        }
    }

    fn client_turn(&mut self, client: usize) {
        if self.left == 0 {
            return;
        }
        if self.world.idle(client) {
            self.left -= 1;
            let call = self.choose(client);
            self.world.begin(client, call);
        }
        let rest = self.span(self.plan.rest);
        self.world.driver.net.at(self.world.driver.net.now + rest, Event::Begin(client));
    }

    fn choose(&mut self, client: usize) -> Call {
        let key = self.rng.below(self.plan.keys as u64) as Key;
        let all_free = self.world.keys.iter().all(|truth| !truth.busy);
        if all_free && self.rng.chance(6) {
            return Call::FlushAll;
        }
        if self.world.keys[usize::from(key)].busy || self.rng.chance(450) {
            let many = self.rng.chance(150);
            let keys: Vec<Key> = if many { (0..self.plan.keys as Key).collect() } else { vec![key] };
            return get(&keys, self.rng.chance(250));
        }
        self.change(client, key)
    }

    fn change(&mut self, client: usize, key: Key) -> Call {
        let version = self.world.version();
        let flags = self.rng.below(3) as u32;
        let exptime = *self.rng.pick(&[0, 0, 0, 0, 0, 600, 3, 2_000_000_000]);
        let store = |verb| Call::Store { verb, key, version, flags, exptime };
        if self.world.keys[usize::from(key)].possible.len() > 10 {
            return store(Verb::Set);
        }
        if self.plan.passing && self.rng.chance(500) {
            let passing = self.pass_on(client, key, version);
            return Call::Pass { key, passing };
        }
        if self.plan.counting && self.rng.chance(700) {
            return Call::Count { key, direction: Direction::Incr, delta: self.rng.between(1, 9) };
        }
        match self.rng.below(100) {
            0..35 => store(Verb::Set),
            35..41 => store(Verb::Add),
            41..46 => store(Verb::Replace),
            46..49 => store(Verb::Append),
            49..52 => store(Verb::Prepend),
            52..62 => match self.world.tokens[client].take() {
                Some((of, token)) if of == key => Call::Cas { key, version, flags, exptime, token },
                _ => store(Verb::Set),
            },
            62..74 => Call::Delete { key },
            74..82 => Call::Count { key, direction: Direction::Incr, delta: self.rng.between(1, 9) },
            82..88 => {
                Call::Count { key, direction: Direction::Decr, delta: *self.rng.pick(&[1, 7, 1 << 40]) }
            }
            88..94 => Call::Touch { key, exptime },
            _ => Call::GetAndTouch { key, exptime },
        }
    }

    fn pass_on(&mut self, client: usize, key: Key, version: u32) -> Passing {
        let rng = &mut self.rng;
        let (flags, exptime) = (rng.below(3) as u32, *rng.pick(&[0, 0, 0, 600, 3, 2_000_000_000]));
        let touch = rng.chance(300).then_some(exptime);
        let token = |world: &World| {
            let token = world.tokens[client].clone();
            token.filter(|(of, _)| *of == key).map(|(_, token)| token)
        };
        let verbs = [Verb::Set, Verb::Set, Verb::Add, Verb::Replace, Verb::Append, Verb::Prepend];
        match rng.below(100) {
            0..30 => Passing::Delete { marks: true, touch, compared: None },
            30..34 => Passing::Delete { marks: true, touch, compared: token(&self.world) },
            34..38 => Passing::Delete { marks: false, touch, compared: None },
            38..42 => Passing::Delete { marks: false, touch: None, compared: token(&self.world) },
            42..50 => Passing::Get { touch: Some(exptime), vivify: None, recache: None },
            50..53 => Passing::Get { touch: None, vivify: Some(*rng.pick(&[3, 600])), recache: None },
            53..56 => Passing::Get { touch: None, vivify: None, recache: Some(900) },
            56..64 => {
                let verb = *rng.pick(&verbs);
                Passing::Store { verb, version, flags, exptime, compared: None, late: false }
            }
            64..78 => {
                let (verb, late) = (*rng.pick(&verbs), rng.chance(300));
                let compared = token(&self.world);
                Passing::Store { verb, version, flags, exptime, late: late && compared.is_some(), compared }
            }
            _ => {
                let direction = *rng.pick(&[Direction::Incr, Direction::Incr, Direction::Decr]);
                let initial = rng.chance(500).then_some((1000 * u64::from(version), exptime));
                Passing::Count { direction, delta: rng.between(1, 9), initial, touch }
            }
        }
    }

    fn fault_turn(&mut self, slot: usize) {
        let wait = match self.faults[slot].take() {
            Some((server, fault)) => {
                self.end_fault(server, fault);
                self.span(self.plan.calm)
            }
            None => match self.victim() {
                Some(server) => self.begin_fault(slot, server),
                None => self.span(self.plan.calm),
            },
        };
        self.world.driver.net.at(self.world.driver.net.now + wait, Event::Fault(slot));
    }

    fn victim(&mut self) -> Option<usize> {
        let all_live = self.world.driver.health.iter().all(|health| health.state() != ServerState::Down);
        if self.plan.failures == Failures::OneAtATime && !all_live {
            return None;
        }
        let server = self.rng.below(self.plan.servers as u64) as usize;
        let suffers = self.faults.iter().flatten().any(|(other, _)| *other == server);
        (!suffers).then_some(server)
    }

    /// How long until it ends.
    fn begin_fault(&mut self, slot: usize, server: usize) -> u64 {
        let fault = match self.rng.below(100) {
            0..22 => Fault::Crash,
            22..32 => Fault::QuickRestart,
            32..50 => Fault::Cut(Cut::Silent),
            50..65 => Fault::Cut(Cut::Refusing),
            65..82 => Fault::Hang,
            _ => Fault::Break,
        };
        let fault = if self.plan.counting && self.rng.chance(700) { Fault::Break } else { fault };
        self.world.tally.fault(fault);
        inflict(&mut self.world, server, fault);
        if fault == Fault::Crash && self.rng.chance(300) {
            // The whole machine: nobody answers, not even with a reset.
            self.world.driver.net.cut(server, Cut::Silent);
        }
        if matches!(fault, Fault::QuickRestart | Fault::Break) {
            return self.span(self.plan.calm);
        }
        self.faults[slot] = Some((server, fault));
        self.span(self.plan.outage)
    }

    fn end_fault(&mut self, server: usize, fault: Fault) {
        relieve(&mut self.world, server, fault);
    }

    // ---- everything heals

    fn heal(&mut self) {
        for slot in 0..self.faults.len() {
            if let Some((server, fault)) = self.faults[slot].take() {
                self.end_fault(server, fault);
            }
        }
        self.wait_for_all();
        // Connections that broke while they were idle are met once by every client; two of them in a
        // row take their server down once more.
        let everything: Vec<Key> = (0..self.plan.keys as Key).collect();
        for client in 0..self.plan.clients {
            for _ in 0..3 {
                self.world.call(client, get(&everything, false));
                self.world.call(client, Call::Versions);
            }
        }
        self.wait_for_all();
    }

    /// Trials ride along with calls, and one that must flush while most servers are down waits.
    fn wait_for_all(&mut self) {
        for _ in 0..4000 {
            if self.all_live() || self.world.bad.is_some() {
                return;
            }
            let key = self.rng.below(self.plan.keys as u64) as Key;
            self.world.call(0, get(&[key], false));
            self.world.pass(50_000);
        }
        self.world.complain("NEVER BACK: every failure is over, and a server is still down".to_string());
    }

    fn all_live(&self) -> bool {
        self.world.driver.health.iter().all(|health| health.state() != ServerState::Down)
    }

    fn expect(&mut self, client: usize, call: Call, wanted: Outcome) {
        if self.world.bad.is_some() {
            return;
        }
        let text = call.to_string();
        let outcome = self.world.call(client, call);
        if outcome != wanted {
            self.world.complain(format!("AFTER HEALING: {text} ended as {outcome:?}, not {wanted:?}"));
        }
    }

    /// Every key holds what it should, takes a new value, and keeps it through the window.
    fn liveness(&mut self) {
        let meta = self.plan.metas.iter().all(|meta| *meta);
        for key in 0..self.plan.keys as Key {
            let client = self.rng.below(self.plan.clients as u64) as usize;
            let outcome = self.world.call(client, get(&[key], false));
            if !matches!(outcome, Outcome::Hit | Outcome::Miss) {
                self.world.complain(format!("AFTER HEALING: get k{key} ended as {outcome:?}"));
            }
            let version = self.world.version();
            let store = |verb| Call::Store { verb, key, version, flags: 7, exptime: 0 };
            self.expect(client, store(Verb::Set), Outcome::Stored);
            self.expect(client, get(&[key], false), Outcome::Hit);
            self.expect(client, store(Verb::Add), Outcome::NotStored);
            self.expect(client, store(Verb::Replace), Outcome::Stored);
            self.expect(client, get(&[key], true), Outcome::Hit);
            if let (true, Some((_, token))) = (meta, self.world.tokens[client].take()) {
                let version = self.world.version();
                let cas = Call::Cas { key, version, flags: 7, exptime: 0, token };
                self.expect(client, cas, Outcome::Stored);
            }
        }
        if self.plan.options.window < Duration::from_secs(3600) {
            self.world.pass(self.plan.options.window.as_micros() as u64 + 2_000_000);
            for key in 0..self.plan.keys as Key {
                self.expect(0, get(&[key], false), Outcome::Hit);
            }
            if !self.world.driver.view.all_steady() {
                self.world.complain("AFTER THE WINDOW: a server is not steady".to_string());
            }
        }
    }
}

pub fn inflict(world: &mut World, server: usize, fault: Fault) {
    match fault {
        Fault::Crash => world.driver.net.crash(server),
        Fault::QuickRestart => {
            world.driver.net.crash(server);
            world.driver.net.start(server);
        }
        Fault::Cut(cut) => world.driver.net.cut(server, cut),
        Fault::Hang => world.driver.net.hang(server),
        Fault::Break => world.driver.net.break_one(server),
    }
    if fault == Fault::Break {
        world.disturb_calls();
    } else {
        world.disturb(server);
    }
}

pub fn relieve(world: &mut World, server: usize, fault: Fault) {
    world.disturb_calls();
    match fault {
        Fault::Crash => {
            world.driver.net.start(server);
            world.driver.net.heal(server);
        }
        Fault::Cut(_) => world.driver.net.heal(server),
        Fault::Hang => world.driver.net.wake(server),
        Fault::QuickRestart | Fault::Break => {}
    }
}
