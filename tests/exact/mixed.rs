//! A pool in which one server has no meta commands, as memcached before 1.6.

use crate::crowd::Shape;
use crate::faults::{self, Kind};
use crate::world::{Reach, World};

const STEPS: u64 = 200;

fn befalls(kinds: &[Kind], server: usize) {
    let mut world = World::new(8, Reach::FirstIsOld);
    world.begin(Shape::EIGHT);
    for kind in kinds {
        faults::happen(&mut world, *kind, server, STEPS);
    }
    let report = world.end();
    world.demand_all_is_right(&report);
}

#[test]
fn the_old_server_fails() {
    befalls(&[Kind::Killed, Kind::Hung, Kind::Restarted], 0);
}

#[test]
fn its_partner_fails() {
    befalls(&[Kind::Killed, Kind::Hung, Kind::Restarted], 1);
}

#[test]
fn another_one_fails() {
    befalls(&[Kind::Killed, Kind::Hung, Kind::Restarted], 4);
}
