//! Every server of a pool is restarted, one after another, as an administrator does who installs a new
//! version: each when all others are steady. Nothing is lost, nothing is stale, counters are exact, no call fails.

use crate::crowd::Shape;
use crate::faults::{self, Kind};
use crate::world::{Reach, World};

/// So many steps of each process while a server is gone, and after it: some seconds.
const STEPS: u64 = 700;

#[test]
fn eight_servers_are_restarted_one_after_another() {
    let mut world = World::new(8, Reach::Plain);
    loop {
        world.plays(Shape::EIGHT, |world| {
            for server in 0..8 {
                faults::happen(world, Kind::Killed, server, STEPS);
            }
        });
        if !world.goes_on() {
            return;
        }
    }
}
