//! Worlds by seed: which failures, which faults are planted; and that those are found.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use memcache::rules::operation::Outcome;
use memcache::rules::pool::Options;
use memcache::rules::view::State;
use memcache::rules::wire::{Direction, Verb};

use super::board::Mode;
use super::faults::{Fault, Planted};
use super::land::{Counts, Land};
use crate::calls::{Call, Key};
use crate::net::{Event, Net, Wires};
use crate::plan::pool;
use crate::rng::Rng;
use crate::world::get;

const WORLDS: u64 = if cfg!(debug_assertions) { 300 } else { 6_000 };
/// Planted faults must be found by this many worlds.
const SOON: u64 = 12_000;

#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
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
    /// Servers hang more than anything else happens, for about as long as a call waits.
    hanging: bool,
    planted: Planted,
}

impl Plan {
    fn new(seed: u64, planted: Planted) -> Plan {
        let rng = &mut Rng::new(seed ^ 0x7ab1e);
        Plan {
            seed,
            servers: *rng.pick(&[2, 3, 4, 4, 5]),
            processes: rng.between(2, 4) as usize,
            keys: rng.between(1, 3) as usize,
            calls: rng.between(40, 120) as u32,
            single: rng.chance(600),
            // Without backups there are no turns, and nothing is said of processes that write the same key.
            backups: true,
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
        }
    }

    fn run(&self, trace: bool) -> (Land, Option<String>) {
        let options =
            Options { backups: self.backups, window: Duration::from_secs(24 * 3600), ..Options::default() };
        let net = Net::new(Rng::new(self.seed), &vec![true; self.servers], self.wires, trace);
        let land =
            Land::new(net, pool(self.servers, options), self.processes, self.keys, self.bound, self.planted);
        let mut run = Running {
            plan: self,
            land,
            rng: Rng::new(self.seed ^ 0xfa17),
            left: self.calls,
            faults: vec![None; 3],
        };
        run.all();
        let bad = run.land.bad.clone();
        (run.land, bad)
    }
}

struct Running<'a> {
    plan: &'a Plan,
    land: Land,
    rng: Rng,
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
        while self.land.bad.is_none() {
            if self.left == 0 && (0..self.plan.processes).all(|id| self.land.idle(id)) {
                break;
            }
            match self.land.step() {
                Some(Event::Begin(id)) => self.client_turn(id),
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
        if self.land.bad.is_none() {
            self.land.check_copies();
            self.liveness();
        }
    }

    fn wait_for_all(&mut self, what: &str) {
        // What was said of the servers before is not believed.
        self.land.pass(self.plan.bound + 20_000);
        for _ in 0..2000 {
            let up = (0..self.plan.servers).all(|s| {
                self.land.official(s) != State::Down && self.land.board.entries[s].incarnation.is_some()
            });
            let quiet = (0..self.plan.processes).all(|id| self.land.idle(id));
            if (up && quiet && self.land.board.mode(self.land.net.now) == Mode::Attended)
                || self.land.bad.is_some()
            {
                return;
            }
            (0..self.plan.servers).for_each(|server| self.land.relieve(Fault::Drain(server)));
            self.land.pass(10_000);
        }
        let servers: Vec<_> = (0..self.plan.servers)
            .map(|s| (self.land.official(s), self.land.board.entries[s].incarnation.is_some()))
            .collect();
        let idle: Vec<_> = (0..self.plan.processes).map(|id| self.land.idle(id)).collect();
        let mode = self.land.board.mode(self.land.net.now);
        self.land.complain(format!("{what}: the table is {mode:?}, its servers {servers:?}, idle {idle:?}"));
    }

    fn client_turn(&mut self, id: usize) {
        if self.land.idle(id) && self.left > 0 {
            self.left -= 1;
            let call = self.choose();
            self.land.begin(id, call);
        }
        if self.left > 0 {
            let rest = self.span(self.plan.rest);
            self.land.net.at(self.land.net.now + rest, Event::Begin(id));
        }
    }

    fn choose(&mut self) -> Call {
        let key = self.rng.below(self.plan.keys as u64) as Key;
        if self.rng.chance(500) {
            return get(&[key], false);
        }
        let version = self.land.version();
        let store = |verb| Call::Store { verb, key, version, flags: 1, exptime: 0 };
        if self.land.keys[usize::from(key)].possible.len() > 10 {
            return store(Verb::Set);
        }
        match self.rng.below(10) {
            0..6 => store(Verb::Set),
            6 => store(Verb::Add),
            7 | 8 => Call::Delete { key },
            _ => Call::Count { key, direction: Direction::Incr, delta: self.rng.between(1, 9) },
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
                    self.land.counts.faults[number(fault)] += 1;
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
        let server = self.rng.below(self.plan.servers as u64) as usize;
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
            _ => Fault::ProcessDies(id),
        };
        let of_server = |fault: &Fault| number(*fault) < 8;
        let now = self.faults.iter().flatten();
        let all_live = (0..self.plan.servers).all(|s| self.land.official(s) != State::Down);
        let free = match fault {
            Fault::Drain(_) | Fault::CutFrom(..) | Fault::Break(_) => !now.clone().any(&of_server),
            _ if of_server(&fault) && self.plan.single => all_live && !now.clone().any(of_server),
            _ if of_server(&fault) => !now.clone().any(|other| target(*other) == Some(server)),
            Fault::ProcessStops(_) | Fault::ProcessDies(_) => !now
                .clone()
                .any(|other| matches!(other, Fault::ProcessStops(it) | Fault::ProcessDies(it) if *it == id)),
            _ => !now.clone().any(|other| (8..12).contains(&number(*other))),
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

fn number(fault: Fault) -> usize {
    match fault {
        Fault::Crash(_) => 0,
        Fault::Restart(_) => 1,
        Fault::Cut(_) => 2,
        Fault::Refuse(_) => 3,
        Fault::Hang(_) => 4,
        Fault::Break(_) => 5,
        Fault::CutFrom(..) => 6,
        Fault::Drain(_) => 7,
        Fault::DaemonStops => 8,
        Fault::DaemonDies => 9,
        Fault::DaemonDiesHalfway => 10,
        Fault::DaemonResigns => 11,
        Fault::ProcessStops(_) => 12,
        Fault::ProcessDies(_) => 13,
    }
}

fn target(fault: Fault) -> Option<usize> {
    match fault {
        Fault::Crash(s) | Fault::Restart(s) | Fault::Cut(s) | Fault::Refuse(s) | Fault::Hang(s) => Some(s),
        Fault::Break(s) | Fault::CutFrom(s, _) | Fault::Drain(s) => Some(s),
        _ => None,
    }
}

fn story(plan: &Plan, bad: &str) -> String {
    let (mut land, _) = plan.run(true);
    let trace = land.net.trace.take().unwrap_or_default();
    let told = &trace[trace.len().saturating_sub(150)..];
    let seed = plan.seed;
    format!(
        "{}\n\nShared world {seed} went wrong: {bad}\n{plan:?}\nReplay: SHARED_REPLAY={seed} cargo test --release --test simulation shared -- --nocapture",
        told.join("\n")
    )
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}; it must be a number")))
}

#[test]
fn shared_worlds_by_seed() {
    let first = from_environment("SHARED_SEED").unwrap_or(1);
    let count = from_environment("SHARED_WORLDS").unwrap_or(WORLDS);
    let next = AtomicU64::new(0);
    let all = std::sync::Mutex::new((Vec::<(u64, String)>::new(), Counts::default()));
    let survey = std::env::var_os("SHARED_SURVEY").is_some();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()).min(8) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count || (!survey && all.lock().is_ok_and(|all| !all.0.is_empty())) {
                        return;
                    }
                    let (land, bad) = Plan::new(first + index, Planted::Nothing).run(false);
                    let mut all = all.lock().expect("no world panics");
                    all.1.add(&land.counts);
                    all.0.extend(bad.map(|bad| (first + index, bad)));
                }
            });
        }
    });
    let (wrong, counts) = all.into_inner().expect("no world panics");
    println!("{count} worlds: {counts:?}");
    if survey {
        for (seed, bad) in &wrong {
            println!("{seed}: {bad}");
        }
        println!("{} of {count} went wrong", wrong.len());
    }
    if let Some((seed, bad)) = wrong.first() {
        panic!("{}", story(&Plan::new(*seed, Planted::Nothing), bad));
    }
}

#[test]
fn shared_replay() {
    let Some(seed) = from_environment("SHARED_REPLAY") else { return };
    let plan = Plan::new(seed, Planted::Nothing);
    let (mut land, bad) = plan.run(true);
    println!("{plan:#?}\n{}", land.net.trace.take().unwrap_or_default().join("\n"));
    assert_eq!(bad, None, "world {seed}");
}

fn must_be_found(planted: Planted) {
    let found = (1..=SOON).find_map(|seed| {
        let bad = Plan::new(seed, planted).run(false).1?;
        Plan::new(seed, Planted::Nothing).run(false).1.is_none().then_some((seed, bad))
    });
    match found {
        Some((seed, bad)) => println!("{planted:?} is found in world {seed}: {bad}"),
        None => panic!("{planted:?} is not found in {SOON} worlds: the simulator is blind"),
    }
}

macro_rules! found {
    ($($name:ident: $planted:ident,)*) => {
        $(#[test]
        fn $name() {
            must_be_found(Planted::$planted);
        })*
    };
}

found! {
    copies_that_are_not_cleared_are_found: NoClearing,
    who_diverts_alone_is_found: DivertsAlone,
    who_judges_in_silence_is_found: NoEpochs,
    a_daemon_that_does_not_settle_is_found: NoSettling,
    writers_without_turns_are_found: NoStripes,
    a_turn_taken_over_without_proof_is_found: NoProof,
    a_change_without_an_answer_that_is_forgotten_is_found: NoDoubts,
    a_miss_for_a_place_that_was_passed_by_is_found: HastyMiss,
    who_looks_at_the_table_too_rarely_is_found: LateLook,
    a_connection_that_outlives_its_servers_return_is_found: OldConnections,
    a_draining_server_that_acts_is_found: DrainingActs,
    trials_that_do_not_take_turns_are_found: TrialsTogether,
}
