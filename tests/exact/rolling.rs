//! Every server of a pool is restarted, one after another, as an administrator does who installs a new
//! version: each when all others are steady. Nothing is lost, nothing is stale, counters are exact, no call fails.

use std::time::{Duration, Instant};

use crate::crowd::Shape;
use crate::faults::{self, Kind};
use crate::world::{Reach, World};

/// How long to go on: `make soak` sets it, else one round will do.
pub fn soak() -> Duration {
    let minutes = std::env::var("SOAK_MINUTES").ok().and_then(|text| text.parse::<f64>().ok());
    Duration::from_secs_f64(minutes.unwrap_or(0.0) * 60.0)
}

/// So many steps of each process while a server is gone, and after it: some seconds.
const STEPS: u64 = 700;

fn rolling() {
    let (began, length) = (Instant::now(), soak());
    let mut world = World::new(8, Reach::Plain);
    loop {
        world.begin(Shape::EIGHT);
        for server in 0..8 {
            faults::happen(&mut world, Kind::Killed, server, STEPS);
        }
        let report = world.end();
        world.demand_all_is_right(&report);
        if began.elapsed() >= length {
            return;
        }
    }
}

#[test]
fn eight_servers_are_restarted_one_after_another() {
    rolling();
}
