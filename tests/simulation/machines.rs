//! Two machines and one key, every interleaving: one machine moves a copy while another one writes, deletes, counts or
//! flushes. They share no stripes: what keeps the move from beating the other is the lease, and the order of deletes
//! (rule 8). Three servers, of which home, backup or both returned, or whose list was changed.
//!
//! A step is one command that its server executes and answers. When the answer reaches who asked is no matter: nothing
//! happens by it but that his next command may be executed, at any later step. Operations go by rounds, so what one knows
//! follows from what it was answered, in whatever order: what was seen once need not be gone through again.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use memcache::rules::operation::{Failure, Operation, Outcome, Tag};
use memcache::rules::places::{self, Placement};
use memcache::rules::pool::{Options, ServerId};
use memcache::rules::time::Stamp;
use memcache::rules::view::{Meta, ServerView, State, View};
use memcache::rules::wire::{Command, Direction, Lease, Reply, Verb};

use super::calls::{Call, Key, key_bytes};
use super::memcached::Memcached;
use super::message::{Answer, Ask, Bytes, show};
use super::net::EPOCH_MILLIS;
use super::plan::pool;
use super::task::Task;

/// What is there at first, and how the servers are seen by both machines.
#[derive(Clone, Debug)]
struct Scene {
    name: &'static str,
    key: Key,
    states: [State; 3],
    /// The list was one of the first two servers.
    grown: bool,
    /// Who holds the value.
    held: Vec<usize>,
    /// Where the mover found it.
    found: usize,
}

const VALUE: &[u8] = b"5";

fn view(scene: &Scene) -> View {
    let options = Options { backups: true, window: Duration::from_secs(86_400), ..Options::default() };
    let mut view = View::new(pool(3, options.clone()));
    view.set_previous(scene.grown.then(|| pool(2, options)));
    let seen =
        scene.states.map(|state| ServerView { state, meta: Meta::Yes, incarnation: 1, ..Default::default() });
    view.refresh(1, seen.into_iter());
    (view.now, view.swept) = (Stamp::of_wall_clock(EPOCH_MILLIS), true);
    view
}

fn home_of(key: Key, servers: usize) -> usize {
    let pool: Arc<_> = pool(servers, Options { backups: true, ..Options::default() });
    places::home(&pool, key_bytes(key)).map_or(0, ServerId::index)
}

fn key_where(wanted: impl Fn(Key) -> bool) -> Key {
    (0..64).find(|key| wanted(*key)).expect("some key lives there")
}

/// A key of s0, backed up by s1, in every scene but the last ones: there it lived on s1 and s0, and s2 is its home now.
fn scenes() -> Vec<Scene> {
    const S: State = State::Steady;
    const R: State = State::Returned;
    let key = key_where(|key| home_of(key, 3) == 0);
    let moved = key_where(|key| home_of(key, 3) == 2 && home_of(key, 2) == 1);
    let scene = |name, states, held: &[usize], found| Scene {
        name,
        key,
        states,
        grown: false,
        held: held.to_vec(),
        found,
    };
    let grown = |found| Scene {
        name: "the list grew",
        key: moved,
        states: [S; 3],
        grown: true,
        held: vec![0, 1],
        found,
    };
    vec![
        scene("home returned", [R, S, S], &[1], 1),
        scene("home returned, a copy on the stand-in too", [R, S, S], &[1, 2], 2),
        scene("the backup returned", [S, R, S], &[0], 0),
        scene("the backup returned, a copy on the stand-in too", [S, R, S], &[0, 2], 2),
        scene("home and backup returned", [R, R, S], &[2], 2),
        scene("home and backup returned, home has it", [R, R, S], &[0, 2], 0),
        scene("home and backup returned, the backup has it", [R, R, S], &[1, 2], 1),
        scene("all returned", [R, R, R], &[1], 1),
        scene("all returned, home has it", [R, R, R], &[0], 0),
        grown(0),
        grown(1),
    ]
}

/// One machine's operation, and what it has asked and was not answered.
struct Machine {
    task: Task,
    open: Vec<(usize, Tag, Ask)>,
    executed: u32,
    /// What it was answered so far, in any order.
    history: u64,
    /// It looked at somebody's stub when the other had executed so many.
    looked: Option<u32>,
    dead: bool,
}

impl Machine {
    fn new(task: Task, view: &View) -> Machine {
        let mut machine =
            Machine { task, open: Vec::new(), executed: 0, history: 0, looked: None, dead: false };
        machine.pump(view);
        machine
    }

    fn pump(&mut self, view: &View) {
        while let Some((server, tag)) = self.task.next(view) {
            let ask = self.task.ask(tag);
            self.open.push((server.index(), tag, ask));
        }
    }

    fn over(&self) -> bool {
        self.dead || self.task.outcome().is_some()
    }
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

struct World {
    view: View,
    servers: Vec<Memcached>,
    machines: [Machine; 2],
    told: Vec<String>,
}

impl World {
    fn new(scene: &Scene, other: Task) -> World {
        let view = view(scene);
        let mut servers: Vec<_> = (0..3).map(|n| Memcached::new(n, EPOCH_MILLIS, true)).collect();
        for server in &scene.held {
            let (key, value) = (Bytes::from_slice(key_bytes(scene.key)), Bytes::from_slice(VALUE));
            let store = Ask::Store { verb: Verb::Set, key, flags: 7, exptime: 0, value };
            servers[*server].execute(EPOCH_MILLIS, &store);
        }
        let mover = Task::moving(scene.key, ServerId(scene.found as u16));
        let machines = [Machine::new(mover, &view), Machine::new(other, &view)];
        World { view, servers, machines, told: Vec::new() }
    }

    /// What may happen next: a machine, and which of its commands. Who has just seen a stub looks again when something
    /// happened since, or nothing else can.
    fn choices(&self) -> Vec<(usize, usize)> {
        let of = |patient: bool| {
            let machines = self.machines.iter().enumerate().filter(|(_, machine)| !machine.over());
            let rests = move |at: usize, machine: &Machine| {
                patient && machine.looked == Some(self.machines[1 - at].executed)
            };
            let awake = machines.filter(move |(at, machine)| !rests(*at, machine));
            awake
                .flat_map(|(at, machine)| (0..machine.open.len()).map(move |index| (at, index)))
                .collect::<Vec<_>>()
        };
        let choices = of(true);
        if choices.is_empty() { of(false) } else { choices }
    }

    fn step(&mut self, (at, index): (usize, usize)) {
        let other = self.machines[1 - at].executed;
        let machine = &mut self.machines[at];
        let (server, tag, ask) = machine.open.remove(index);
        let answer = self.servers[server].execute(EPOCH_MILLIS, &ask);
        self.told.push(format!("{} s{server} {ask:?} -> {answer:?}", ["mover", "other"][at]));
        machine.executed += 1;
        machine.history = machine.history.wrapping_add(hash(&format!("{server} {ask:?} {answer:?}")));
        let stub = matches!(answer, Answer::Value { lease: Some(Lease::Taken), .. });
        machine.looked = stub.then_some(other);
        machine.task.answer(&self.view, tag, &answer.reply());
        machine.pump(&self.view);
    }

    /// What decides how it goes on from here.
    fn state(&self) -> u64 {
        let machine = |at: usize| {
            let Machine { history, looked, executed, dead, .. } = &self.machines[at];
            (*history, *executed, *dead, *looked == Some(self.machines[1 - at].executed))
        };
        let items: Vec<_> = self.servers.iter().map(|server| format!("{:?}", server.items)).collect();
        hash(&(items, machine(0), machine(1)))
    }

    fn alone(&mut self, task: Task) -> (Option<Outcome>, Task) {
        self.machines[1] = Machine::new(task, &self.view);
        self.machines[0].dead = true;
        while let Some(choice) = self.choices().first().copied() {
            self.step(choice);
        }
        let machine =
            std::mem::replace(&mut self.machines[1], Machine::new(Task::of(&Call::Versions), &self.view));
        (machine.task.outcome(), machine.task)
    }

    fn held(&self, key: Key) -> Vec<Option<Bytes>> {
        let item = |server: &Memcached| server.item(key_bytes(key), EPOCH_MILLIS).cloned();
        self.servers
            .iter()
            .map(|server| item(server).filter(|item| !item.is_stub()).map(|item| item.data))
            .collect()
    }

    fn read(&mut self, key: Key) -> Option<Bytes> {
        let (_, mut read) = self.alone(Task::of(&super::world::get(&[key], false)));
        read.take_settled()
            .first()
            .and_then(|found| found.answer.as_ref().ok().map(|found| found.data.clone()))
    }
}

/// Runs every interleaving. `dies`: the mover does, before this step of its own. What was wrong first.
fn try_all(
    scene: &Scene,
    make: &dyn Fn() -> Task,
    wanted: Option<&[u8]>,
    dies: Option<u32>,
) -> (u64, Option<String>) {
    let mut path: Vec<(usize, usize)> = Vec::new();
    let (mut worlds, mut seen) = (0, HashSet::new());
    loop {
        let mut world = World::new(scene, make());
        let (mut depth, mut known) = (0, false);
        loop {
            world.machines[0].dead |= dies == Some(world.machines[0].executed);
            let choices = world.choices();
            if choices.is_empty() {
                break;
            }
            if depth == path.len() {
                if !seen.insert(world.state()) {
                    known = true;
                    break;
                }
                path.push((0, choices.len()));
            }
            world.step(choices[path[depth].0]);
            depth += 1;
        }
        worlds += 1;
        if let Some(bad) = (!known).then(|| judge(scene, &mut world, wanted)).flatten() {
            return (worlds, Some(format!("{}: {bad}\n{}", scene.name, world.told.join("\n"))));
        }
        // The last step that could have been another one.
        while path.last().is_some_and(|(choice, of)| choice + 1 == *of) {
            path.pop();
        }
        match path.last_mut() {
            Some(last) => last.0 += 1,
            None => return (worlds, None),
        }
    }
}

/// When both are over: the value is what the other made of it. After a sweep acting and mirror have it, and nobody else.
fn judge(scene: &Scene, world: &mut World, wanted: Option<&[u8]>) -> Option<String> {
    let key = scene.key;
    world.told.push("-- both are over".to_string());
    let shown = |held: &[Option<Bytes>]| {
        held.iter().map(|data| data.as_ref().map_or("-".to_string(), |data| show(data))).collect::<Vec<_>>()
    };
    let found = world.read(key);
    if found.as_deref() != wanted {
        return Some(format!(
            "it reads as {:?}; held: {:?}",
            found.map(|data| show(&data)),
            shown(&world.held(key))
        ));
    }
    for round in 0..2 {
        for server in 0..3 {
            if world.held(key)[server].is_some() {
                world.alone(Task::moving(key, ServerId(server as u16)));
            }
        }
        world.told.push(format!("-- swept, {round}"));
    }
    let placement = Placement::of(&world.view, key_bytes(key))?;
    let held = world.held(key);
    for (server, data) in held.iter().enumerate() {
        let holder = placement.holders().any(|holder| holder.index() == server);
        if data.as_deref() != wanted.filter(|_| holder) {
            return Some(format!("after a sweep they hold {:?}", shown(&held)));
        }
    }
    None
}

/// The calls of the other machine, and what the key holds after each.
fn others(key: Key) -> Vec<(Call, Option<&'static [u8]>)> {
    let store = |verb| Call::Store { verb, key, version: 9, flags: 7, exptime: 0 };
    vec![
        (store(Verb::Set), Some(b"9000")),
        (store(Verb::Replace), Some(b"9000")),
        (store(Verb::Append), Some(b"5.9")),
        (store(Verb::Add), Some(VALUE)),
        (Call::Delete { key }, None),
        (Call::Count { key, direction: Direction::Incr, delta: 3 }, Some(b"8")),
        (Call::Touch { key, exptime: 0 }, Some(VALUE)),
        (Call::FlushAll, None),
    ]
}

#[test]
fn a_move_never_beats_another_machine() {
    let mut worlds = 0;
    for scene in scenes() {
        for (call, wanted) in others(scene.key) {
            let (count, bad) = try_all(&scene, &|| Task::of(&call), wanted, None);
            worlds += count;
            if let Some(bad) = bad {
                panic!("{call} {bad}");
            }
        }
    }
    println!("{worlds} worlds of two machines");
}

#[test]
fn a_mover_that_dies_leaves_nothing_that_beats_another_machine() {
    let mut worlds = 0;
    for scene in scenes() {
        for (call, wanted) in others(scene.key) {
            for step in 1..8 {
                let (count, bad) = try_all(&scene, &|| Task::of(&call), wanted, Some(step));
                worlds += count;
                if let Some(bad) = bad {
                    panic!("{call}, the mover dies before its step {step}: {bad}");
                }
            }
        }
    }
    println!("{worlds} worlds of two machines of which one dies");
}

/// A delete in another order: the places of each round, by how they stand in the placement.
struct Order {
    key: Key,
    rounds: Vec<fn(&Placement, ServerId) -> bool>,
    open: usize,
    asked: Vec<(ServerId, bool)>,
}

impl Order {
    fn of(key: Key, rounds: &[fn(&Placement, ServerId) -> bool]) -> Task {
        Task::by(Box::new(Order { key, rounds: rounds.to_vec(), open: 0, asked: Vec::new() }))
    }
}

impl Operation for Order {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        if self.open == 0 && self.asked.iter().all(|asked| asked.1) && !self.rounds.is_empty() {
            let round = self.rounds.remove(0);
            let placement = Placement::of(view, key_bytes(self.key))?;
            let asked = placement.places.iter().filter(|id| round(&placement, **id));
            self.asked = asked.map(|id| (*id, false)).collect();
            self.open = self.asked.len();
        }
        let tag = self.asked.iter().position(|asked| !asked.1)?;
        self.asked[tag].1 = true;
        Some((self.asked[tag].0, tag as Tag))
    }

    fn command(&self, _tag: Tag) -> Command<'_> {
        Command::Delete { key: key_bytes(self.key) }
    }

    fn answer(&mut self, _view: &View, _tag: Tag, _reply: &Reply<'_>) {
        self.open -= 1;
    }

    fn fail(&mut self, _view: &View, _tag: Tag, _failure: Failure) {
        self.open -= 1;
    }

    fn outcome(&self) -> Option<Outcome> {
        (self.open == 0 && self.rounds.is_empty()).then_some(Outcome::Deleted)
    }
}

/// Which scenes go wrong with deletes in this order.
fn wrong_scenes(rounds: &[fn(&Placement, ServerId) -> bool]) -> Vec<&'static str> {
    let is_wrong = |scene: &&Scene| try_all(scene, &|| Order::of(scene.key, rounds), None, None).1.is_some();
    let wrong: Vec<_> = scenes().iter().filter(is_wrong).map(|scene| scene.name).collect();
    println!("deletes in {} rounds: wrong where {wrong:?}", rounds.len());
    wrong
}

#[test]
fn deletes_in_other_orders_are_found() {
    let acting = |placement: &Placement, id: ServerId| placement.acting() == Some(id);
    let others = |placement: &Placement, id: ServerId| placement.acting() != Some(id);
    let everywhere = |_: &Placement, _: ServerId| true;
    let acting_last = wrong_scenes(&[others, acting]);
    assert!(
        acting_last.contains(&"the backup returned"),
        "a copy on its way to the mirror comes after it: {acting_last:?}"
    );
    assert!(acting_last.contains(&"all returned, home has it"), "{acting_last:?}");
    assert!(!wrong_scenes(&[everywhere]).is_empty());
    assert!(wrong_scenes(&[acting, others]).contains(&"home returned"));
}
