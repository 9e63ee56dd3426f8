//! Whatever can happen to one server, or to the daemon, or to both, by chance.

use crate::chance::Rng;
use crate::crowd::Shape;
use crate::faults::{self, Kind};
use crate::world::{Reach, World};

/// So many steps of each process between two things that happen.
const STEPS: u64 = 150;

/// Some at a time, then what was recorded is checked.
fn by_chance(reach: Reach, kinds: &[Kind]) {
    let mut world = World::new(8, reach);
    let mut chance = Rng::new(world.seed);
    loop {
        world.plays(Shape::EIGHT, |world| {
            for _ in 0..6 {
                faults::by_chance(world, kinds, &mut chance, STEPS);
            }
        });
        if !world.goes_on() {
            return;
        }
    }
}

#[test]
fn one_failure_at_a_time_by_chance() {
    by_chance(Reach::Relays, &faults::ALL);
}

fn one_after_another(kinds: &[Kind]) {
    let mut world = World::new(4, Reach::Plain);
    world.plays(Shape::EIGHT, |world| {
        for kind in kinds {
            faults::happen(world, *kind, 2, STEPS);
        }
    });
}

#[test]
fn the_daemon_is_killed_again_and_again() {
    one_after_another(&[Kind::Daemon; 2]);
}

#[test]
fn the_daemon_is_killed_and_then_a_server() {
    one_after_another(&[Kind::DaemonThenServer; 1]);
}

#[test]
fn the_daemon_and_a_server_are_killed_at_once() {
    one_after_another(&[Kind::Both; 1]);
}
