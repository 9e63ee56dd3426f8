//! The same through two proxies, by clients that know nothing of the library: what is promised to a process of ours is
//! promised to them. A proxy that is killed is one more thing that can happen; calls over its connections may fail then,
//! and nothing that it acknowledged is lost.

use crate::chance::Rng;
use crate::crowd::{Mix, Shape};
use crate::faults::{self, Kind};
use crate::world::{Reach, World};

/// Eight clients of two proxies.
const ALL: Shape = Shape { plain: 8, ..Shape::EIGHT };
/// Four processes that use the library, and four clients of proxies.
const HALF: Shape = Shape { plain: 4, ..Shape::EIGHT };

/// Many who want the same few keys, most of them through proxies.
const CLOSE: Shape = Shape {
    processes: 12,
    plain: 8,
    keys: 48,
    counters: 12,
    room: 100_000,
    pause_us: 3_000,
    mix: Mix::EVERYTHING,
};

/// Many who count: whenever a server dies, its partner's number shows whether they had taken turns.
const COUNTING: Shape = Shape {
    processes: 12,
    plain: 8,
    keys: 0,
    counters: 8,
    room: 100_000,
    pause_us: 1_000,
    mix: Mix::COUNTING,
};

#[test]
fn servers_are_restarted_one_after_another() {
    let mut world = World::with_proxies(6, Reach::Plain);
    loop {
        world.plays(ALL, |world| {
            for server in 0..6 {
                faults::happen(world, Kind::Killed, server, 150);
            }
        });
        if !world.goes_on() {
            return;
        }
    }
}

/// What can happen to servers and the daemon, and a proxy that is killed after each; and both at a time.
fn by_chance(shape: Shape, times: usize) {
    let mut world = World::with_proxies(8, Reach::Relays);
    let mut chance = Rng::new(world.seed);
    loop {
        world.plays(shape, |world| {
            for _ in 0..times {
                faults::by_chance(world, &faults::ALL, &mut chance, 100);
                faults::by_chance(world, &faults::TO_PROXIES, &mut chance, 100);
            }
        });
        if !world.goes_on() {
            return;
        }
    }
}

#[test]
fn servers_and_proxies_fail_by_chance() {
    by_chance(ALL, 4);
}

/// All of them see the same, whichever way they came.
#[test]
fn processes_and_clients_of_proxies_share_keys() {
    by_chance(HALF, 2);
}

fn one_after_another(shape: Shape, kinds: &[Kind]) {
    let mut world = World::with_proxies(4, Reach::Plain);
    loop {
        world.plays(shape, |world| {
            for (server, kind) in kinds.iter().enumerate() {
                faults::happen(world, *kind, server, 100);
            }
        });
        if !world.goes_on() {
            return;
        }
    }
}

#[test]
fn a_proxy_is_killed_again_and_again() {
    one_after_another(CLOSE, &[Kind::Proxy, Kind::ProxyAtOnce, Kind::ProxyAtOnce, Kind::Proxy]);
}

/// What a dead proxy has sent may lie unread in a server's socket.
#[test]
fn a_proxy_is_killed_while_a_server_hangs() {
    one_after_another(HALF, &[Kind::HungAndProxy, Kind::HungAndProxy]);
}

#[test]
fn a_proxy_is_killed_while_a_server_is_gone() {
    one_after_another(CLOSE, &[Kind::KilledAndProxy, Kind::KilledAndProxy]);
}

#[test]
fn counters_are_exact_while_servers_and_proxies_are_killed() {
    one_after_another(COUNTING, &[Kind::Killed, Kind::KilledAndProxy, Kind::Killed, Kind::KilledAndProxy]);
}
