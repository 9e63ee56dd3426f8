//! A pool in which one server has no meta commands, as memcached before 1.6.
//!
//! Of what is built on a value that is there (append, prepend, counters) such a server cannot tell the remaining
//! time to live, so what it decided has no second copy, and what only it has cannot be brought elsewhere. All
//! else holds as in any pool: stores with or without a condition, deletes, touches, reads.

use crate::crowd::{Mix, Shape};
use crate::faults::{self, Kind};
use crate::world::{Reach, World};

const STEPS: u64 = 200;

const KINDS: [Kind; 4] = [Kind::Killed, Kind::Hung, Kind::Cut, Kind::Restarted];

fn befalls(server: usize, mix: Mix) {
    let mut world = World::new(8, Reach::FirstIsOld);
    world.begin(Shape { mix, ..Shape::EIGHT });
    for kind in KINDS {
        faults::happen(&mut world, kind, server, STEPS);
    }
    let report = world.end();
    world.demand_all_is_right(&report);
}

#[test]
fn the_old_server_fails() {
    befalls(0, Mix::CONDITIONAL);
}

#[test]
fn its_partner_fails() {
    befalls(1, Mix::CONDITIONAL);
}

/// Whatever is done with a key: the one copy that is on the old server stays there as long as that lives.
#[test]
fn another_one_fails() {
    befalls(4, Mix::EVERYTHING);
}
