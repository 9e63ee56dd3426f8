//! What befalls a pool, one thing at a time: something happens, the processes get to know it and go on, it is
//! made good again, and everything is as it was before the next thing happens.

use crate::chance::Rng;
use crate::history::Fault;
use crate::support::crowd::now_ns;
use crate::support::relay::Mode;
use crate::world::{World, strike};
use memcache::rules::view::State;
use memcache::table::Snapshot;

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A server is killed (kill -9), and comes back after a while.
    Killed,
    /// It is killed and comes back at once: hardly anybody sees it gone.
    Restarted,
    /// It is stopped (SIGSTOP): it accepts and never answers, and wakes with its old contents (SIGCONT).
    Hung,
    /// The network before it is cut: nothing comes through.
    Cut,
    /// Its connections are reset and new ones refused; it keeps its contents.
    Refused,
    /// Its connections are reset, and new ones go through at once.
    Reset,
    /// The daemon is killed, and comes back.
    Daemon,
    /// The daemon is killed, then a server, and the server comes back before the daemon.
    DaemonThenServer,
    /// Both are killed at once, and the daemon comes back first.
    Both,
    /// A proxy is killed, and comes back after a while.
    Proxy,
    /// A proxy is killed, and comes back at once.
    ProxyAtOnce,
    /// A server hangs and a proxy is killed that has just asked it; the proxy comes back first.
    HungAndProxy,
    /// A proxy is killed, and comes back, while a server is gone.
    KilledAndProxy,
}

impl Kind {
    /// Whether the daemon is killed.
    fn is_of_daemon(self) -> bool {
        matches!(self, Kind::Daemon | Kind::DaemonThenServer | Kind::Both)
    }
}

/// What can happen where there are proxies, beside the others.
pub const TO_PROXIES: [Kind; 4] = [Kind::Proxy, Kind::ProxyAtOnce, Kind::HungAndProxy, Kind::KilledAndProxy];

/// All that can happen to servers behind relays.
pub const ALL: [Kind; 9] = [
    Kind::Killed,
    Kind::Restarted,
    Kind::Hung,
    Kind::Cut,
    Kind::Refused,
    Kind::Reset,
    Kind::Daemon,
    Kind::DaemonThenServer,
    Kind::Both,
];

/// Lets `kind` happen to a server. Each process makes so many `steps` while it is so, and again after it.
pub fn happen(world: &mut World, kind: Kind, server: usize, steps: u64) {
    let mut fault = strike(format!("server {server}: {kind:?}"));
    println!("{}", fault.what);
    match kind {
        Kind::Daemon => daemon_alone(world, &mut fault, steps),
        Kind::DaemonThenServer | Kind::Both => with_daemon(world, &mut fault, kind, server, steps),
        Kind::Proxy | Kind::ProxyAtOnce => {
            fault.proxy = Some(proxy(world, server) as u8);
            renew_proxy(world, &mut fault, server, if kind == Kind::Proxy { steps } else { 0 });
            world.works(steps);
        }
        Kind::Reset => {
            world.relays[server].set(Mode::Refuse);
            world.relays[server].set(Mode::Pass);
            fault.known = now_ns();
            world.works(steps);
        }
        Kind::Restarted => {
            world.servers[server].kill();
            world.servers[server].restart();
            renewed(world, server);
            fault.known = now_ns();
            world.works(steps);
        }
        _ => {
            go(world, kind, server);
            if kind == Kind::HungAndProxy {
                kill_proxy(world, server);
            }
            known(world, server);
            fault.known = now_ns();
            if kind == Kind::KilledAndProxy {
                kill_proxy(world, server);
            }
            world.works(steps);
            world.count_uninvited(Some(server));
            come_back(world, kind, server);
            renewed(world, server);
        }
    }
    fault.over = world.settle(Some(server));
    world.faults.push(fault);
    world.works(steps);
}

/// Something of these by chance, to a server by chance. While nobody sweeps, what a server missed is on its backup
/// only: then all of it happens to the same one.
pub fn by_chance(world: &mut World, kinds: &[Kind], chance: &mut Rng, steps: u64) {
    let spared = world.spares_daemon();
    let mut kind = *chance.pick(kinds);
    while spared && kind.is_of_daemon() {
        kind = *chance.pick(kinds);
    }
    let server = chance.below(world.servers.len() as u64) as usize;
    let server = if world.is_swept() { server } else { world.seed as usize % world.servers.len() };
    happen(world, kind, server, steps);
}

fn go(world: &mut World, kind: Kind, server: usize) {
    match kind {
        Kind::Hung | Kind::HungAndProxy => world.servers[server].hang(),
        Kind::Cut => world.relays[server].set(Mode::Cut),
        Kind::Refused => world.relays[server].set(Mode::Refuse),
        _ => world.servers[server].kill(),
    }
}

fn come_back(world: &mut World, kind: Kind, server: usize) {
    match kind {
        Kind::Hung | Kind::HungAndProxy => world.servers[server].wake(),
        Kind::Cut | Kind::Refused => world.relays[server].set(Mode::Pass),
        _ => world.servers[server].restart(),
    }
}

/// Waits until the table calls the server down, or all processes do: a daemon that a busy machine keeps from its work may leave
/// that to them.
fn known(world: &mut World, server: usize) {
    world.wait("the server is known to be down", |world| {
        let down = |snapshot: &Snapshot| snapshot.current.servers[server].state == State::Down;
        world.snapshot().is_some_and(|snapshot| down(&snapshot)) || world.all_see(server, true)
    });
}

/// Waits until the table knows that the server lives again, in another epoch than before.
fn renewed(world: &World, server: usize) {
    let before = world.epoch(server);
    world.table("the server is in use again", |snapshot| {
        let server = &snapshot.current.servers[server];
        server.epoch > before && server.state != State::Down
    });
}

/// Which proxy has bad luck with a server.
fn proxy(world: &World, server: usize) -> usize {
    server % world.proxies.len()
}

/// Kills a proxy, and lets it run again after so many `steps` of each process. Every client of it has met with that then.
fn renew_proxy(world: &mut World, fault: &mut Fault, server: usize, steps: u64) {
    let number = proxy(world, server);
    world.proxies[number].kill();
    if steps > 0 {
        world.works(steps);
    }
    world.proxies[number].restart();
    world.works(1);
    fault.known = now_ns();
}

/// The same, as a fault of its own beside another one.
fn kill_proxy(world: &mut World, server: usize) {
    let mut fault = strike(format!("proxy {}: killed", proxy(world, server)));
    fault.proxy = Some(proxy(world, server) as u8);
    renew_proxy(world, &mut fault, server, 0);
    fault.over = fault.known;
    world.faults.push(fault);
}

fn daemon_alone(world: &mut World, fault: &mut Fault, steps: u64) {
    world.watchd.kill();
    fault.known = fault.struck; // nothing that is called has a reason to fail
    world.works(steps);
    world.watchd.restart();
    world.works(steps);
}

fn with_daemon(world: &mut World, fault: &mut Fault, kind: Kind, server: usize, steps: u64) {
    if kind == Kind::DaemonThenServer {
        // Two faults: while the daemon alone is gone, no call has a reason to fail.
        let mut alone = strike("the daemon: killed".to_owned());
        alone.known = alone.struck;
        world.watchd.kill();
        world.works(steps / 2);
        fault.struck = now_ns();
        alone.over = fault.struck;
        world.faults.push(alone);
        world.servers[server].kill();
    } else {
        world.watchd.kill(); // the other way round it would have seen and told that the server is gone
        world.servers[server].kill();
    }
    world.wait("all see the server down", |world| world.all_see(server, true));
    fault.known = now_ns();
    world.works(steps);
    if kind == Kind::DaemonThenServer {
        world.servers[server].restart();
        world.wait("all see the server in use", |world| world.all_see(server, false));
        world.works(steps);
        world.watchd.restart();
    } else {
        world.watchd.restart();
        world.works(steps);
        world.servers[server].restart();
    }
    renewed(world, server);
}
