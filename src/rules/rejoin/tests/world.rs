//! A hundred clients return to one server at once: a world of two servers, driven one message at a
//! time in an order drawn from a seed.
//!
//! The server on trial was cut off with a value of every client on it, and with a late write of every
//! client in its sockets. Each client has since replaced its value elsewhere. What must hold: all
//! come back, it is flushed exactly once per outage, and no client that came back finds its old value.

use std::collections::BTreeMap;

use super::*;

const CLIENTS: usize = 100;

/// A pseudo-random order: xorshift, so that a seed is all there is to repeat a failure.
struct Order(u64);

impl Order {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// What a server answers, apart from its memory.
#[derive(Clone)]
enum Answer {
    Plain(Reply<'static>),
    Value(Vec<u8>, u64),
    Stats(String),
}

/// A key-value server with expiry and CAS.
#[derive(Default)]
struct Store {
    items: BTreeMap<Vec<u8>, (Vec<u8>, u64, u64)>,
    minted: u64,
    flushes: u32,
}

impl Store {
    fn execute(&mut self, command: Command<'_>, now: u64) -> Answer {
        let held = self.items.get(command.key()).filter(|item| item.2 > now);
        let held = held.map(|item| (item.0.clone(), item.1));
        match command {
            Command::Stats { .. } => Answer::Stats(stats(7, OLD)),
            Command::Noop => Answer::Plain(Reply::Noop),
            Command::Get { .. } | Command::Fetch { .. } => {
                held.map_or(Answer::Plain(Reply::Miss), |(data, cas)| Answer::Value(data, cas))
            }
            Command::Store { verb, key, exptime, value, .. } => {
                let refusal = match (verb, &held) {
                    (Verb::Add, Some(_)) => Some(Reply::NotStored),
                    (Verb::Cas(_), None) => Some(Reply::NotFound),
                    (Verb::Cas(cas), Some(held)) if cas != held.1 => Some(Reply::Exists),
                    _ => None,
                };
                if let Some(refusal) = refusal {
                    return Answer::Plain(refusal);
                }
                self.set(key, value, now + exptime as u64 * 1000);
                Answer::Plain(Reply::Stored)
            }
            Command::FlushAll { delay: 0 } => {
                self.items.clear();
                self.flushes += 1;
                Answer::Plain(Reply::Ok)
            }
            other => panic!("a trial does not ask {other:?}"),
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8], expires: u64) {
        self.minted += 1;
        self.items.insert(key.to_vec(), (value.to_vec(), self.minted, expires));
    }
}

/// One client's part: its trial, the answer on its way to it, and when it tries again.
struct Client {
    down_since: Stamp,
    trial: Option<Rejoin>,
    arriving: Option<(Tag, Answer)>,
    not_before: u64,
    back: bool,
    died: bool,
}

fn later(stamp: Stamp, millis: u64) -> Stamp {
    let (unix_millis, boot_millis) = (stamp.unix_millis + millis, stamp.boot_millis + millis);
    Stamp { unix_millis, boot_millis, ..stamp }
}

struct World {
    order: Order,
    view: View,
    health: Health,
    /// The server on trial and the keeper.
    stores: [Store; 2],
    clients: Vec<Client>,
    /// The first client that may flush dies before it does.
    winner_dies: bool,
    /// Somebody sets the wall clock of the clients' machine, by seconds, now and then.
    sets_clock: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let mut view = view(2, &[0]);
        view.now = Stamp { unix_millis: NOW, clock: 9, boot_millis: 60_000 };
        World {
            order: Order(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            view,
            health: health(life(7, OLD), true),
            stores: [Store::default(), Store::default()],
            clients: Vec::new(),
            winner_dies: false,
            sets_clock: false,
        }
    }

    /// The time that nobody sets, which the servers go by too.
    fn time(&self) -> u64 {
        self.view.now.boot_millis
    }

    fn pass(&mut self, millis: u64) {
        self.view.now = later(self.view.now, millis);
    }

    fn set_clock(&mut self) {
        let seconds = self.order.below(21) as u64;
        self.view.now.unix_millis = self.view.now.unix_millis + 1_000 * seconds - 10_000;
    }

    /// The server is cut off, holding old values, and answers again when every client has noticed.
    fn outage(&mut self) {
        let begun = self.view.now;
        self.clients.clear();
        for index in 0..CLIENTS {
            let key = format!("value of {index}");
            self.stores[0].set(key.as_bytes(), b"old", u64::MAX);
            let down_since = later(begun, 1 + self.order.below(100) as u64);
            self.clients.push(Client {
                down_since,
                trial: None,
                arriving: None,
                not_before: down_since.boot_millis + 100,
                back: false,
                died: false,
            });
        }
        self.pass(101);
        // It wakes: what lay in its sockets is executed before any probe.
        for index in 0..CLIENTS {
            self.stores[0].set(format!("late write of {index}").as_bytes(), b"old", u64::MAX);
        }
    }

    /// One client does one thing.
    fn step(&mut self) {
        let millis = u64::from(self.order.below(20) == 0);
        self.pass(millis);
        if self.sets_clock && self.order.below(500) == 0 {
            self.set_clock();
        }
        let time = self.time();
        let index = self.order.below(self.clients.len());
        let (view, client) = (&self.view, &mut self.clients[index]);
        if client.back || client.died || time < client.not_before {
            return;
        }
        let trial = client
            .trial
            .get_or_insert_with(|| Rejoin::new(view, ServerId(0), &self.health, client.down_since));
        if let Some((tag, answer)) = client.arriving.take() {
            match &answer {
                Answer::Plain(reply) => trial.answer(view, tag, reply),
                Answer::Value(data, cas) => {
                    let value = Value { data, cas: *cas, ..Value::default() };
                    trial.answer(view, tag, &Reply::Value(value));
                }
                Answer::Stats(block) => trial.answer(view, tag, &Reply::Stats(block.as_bytes())),
            }
        }
        match trial.outcome() {
            Some(Outcome::Done) => self.came_back(index),
            Some(_) => {
                client.trial = None;
                client.not_before = time + 200;
            }
            None => {
                let (server, tag) = trial.next(view).expect("a trial that is not over has a question");
                let command = trial.command(tag);
                if self.winner_dies && matches!(command, Command::FlushAll { .. }) {
                    self.winner_dies = false;
                    client.died = true;
                    return;
                }
                let answer = self.stores[server.index()].execute(command, time);
                client.arriving = Some((tag, answer));
            }
        }
    }

    fn came_back(&mut self, index: usize) {
        self.clients[index].back = true;
        for old in [format!("value of {index}"), format!("late write of {index}")] {
            let held = self.stores[0].items.contains_key(old.as_bytes());
            assert!(!held, "client {index} uses a server that has its {old}");
        }
    }

    fn run(&mut self) {
        for _ in 0..5_000_000 {
            if self.clients.iter().all(|client| client.back || client.died) {
                return;
            }
            self.step();
        }
        panic!("some client never came back");
    }
}

#[test]
fn a_hundred_clients_flush_once_in_every_outage() {
    for seed in 1..=10 {
        let mut world = World::new(seed);
        for outage in 1..=3 {
            world.outage();
            world.run();
            assert_eq!(world.stores[0].flushes, outage, "seed {seed}");
            assert!(world.clients.iter().all(|client| client.back));
            world.pass(1_000 * u64::from(outage)); // within the marker's life
        }
    }
}

#[test]
fn a_wall_clock_that_is_set_changes_nothing() {
    for seed in 1..=10 {
        let mut world = World::new(seed);
        world.sets_clock = true;
        for outage in 1..=5 {
            world.outage();
            world.run();
            assert_eq!(world.stores[0].flushes, outage, "seed {seed}");
            world.pass(500);
            world.set_clock();
        }
    }
}

#[test]
fn a_client_that_dies_before_it_flushes_is_replaced_by_one() {
    for seed in 1..=10 {
        let mut world = World::new(seed);
        world.winner_dies = true;
        world.outage();
        world.run();
        assert_eq!(world.stores[0].flushes, 1, "seed {seed}");
        assert_eq!(world.clients.iter().filter(|client| client.died).count(), 1);
    }
}

#[test]
fn without_a_keeper_everybody_flushes_and_nothing_old_is_used() {
    let mut world = World::new(1);
    let now = world.view.now;
    world.view = view(1, &[0]);
    world.view.now = now;
    world.outage();
    world.run();
    // Each at least once: a flush also takes the probe values of others, and some try again for that.
    assert!(world.stores[0].flushes as usize >= CLIENTS, "no marker, no agreement");
}

#[test]
fn a_keeper_that_forgets_costs_flushes_and_nothing_else() {
    let mut world = World::new(2);
    world.outage();
    for _ in 0..20 {
        for _ in 0..500 {
            world.step();
        }
        world.stores[1].items.clear();
    }
    world.run();
    assert!(world.stores[0].flushes >= 1);
}
