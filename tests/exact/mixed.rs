//! A pool in which one server has no meta commands, as memcached before 1.6.
//!
//! Such a server cannot tell the remaining time to live of what it has. So the outcome of what it decided on a value that was
//! there (append, prepend, counters) has no second copy; and where a call needs a value brought from it to
//! another server, the call is answered with "unavailable". All else holds as in any pool while one server
//! fails: reads, stores and deletes whatever is done, and conditional calls as long as their own home is up.

use crate::crowd::{Mix, Shape};
use crate::faults::{self, Kind};
use crate::world::{Reach, World};

const STEPS: u64 = 100;

fn befalls(kinds: &[Kind], server: usize, mix: Mix, lenient: bool) {
    let mut world = World::new(8, Reach::FirstIsOld);
    world.lenient = lenient;
    world.plays(Shape { mix, ..Shape::EIGHT }, |world| {
        for kind in kinds {
            faults::happen(world, *kind, server, STEPS);
        }
    });
}

#[test]
fn the_old_server_fails_under_plain_calls() {
    befalls(&[Kind::Killed, Kind::Hung], 0, Mix::PLAIN, false);
}

#[test]
fn its_partner_fails_under_plain_calls() {
    befalls(&[Kind::Restarted, Kind::Killed], 1, Mix::PLAIN, false);
}

#[test]
fn the_old_server_fails() {
    befalls(&[Kind::Killed, Kind::Restarted, Kind::Killed], 0, Mix::CONDITIONAL, true);
}

#[test]
fn its_partner_fails() {
    befalls(&[Kind::Killed, Kind::Hung], 1, Mix::CONDITIONAL, true);
}

/// Whatever is done with a key: the one copy that is on the old server stays there as long as that lives.
#[test]
fn another_one_fails() {
    befalls(&[Kind::Killed, Kind::Restarted, Kind::Killed], 4, Mix::EVERYTHING, true);
}
