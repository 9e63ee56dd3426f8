//! Processes that start while a server is not what it should be.

use crate::support::crowd::DOWN;
use crate::support::drill::Fault;
use crate::world::{self, World};

/// Before its first call a process sees what all others see: it needs not meet the server for that.
#[test]
fn who_comes_late_sees_the_same_at_once() {
    let mut world = World::new(Fault::Killed, 24);
    world.crowd.join(0..8);
    world.fleet.strike();
    world.crowd.sees("down", |state| state == DOWN);
    world.crowd.join(8..16);
    world.fleet.heal();
    // Returned, and steady when its sweep is over.
    world.crowd.sees("back", |state| state != DOWN);
    world.crowd.join(16..24);
    let first_states = |world: &World, numbers: std::ops::Range<usize>| -> Vec<_> {
        numbers.map(|number| world.crowd.process(number).first_state).collect()
    };
    assert_eq!(first_states(&world, 8..16), [DOWN; 8]);
    assert!(!first_states(&world, 16..24).contains(&DOWN));
    world.crowd.works(40);
    let failed: u64 = world.crowd.present().map(|process| process.failed).sum();
    assert_eq!(failed, 0, "calls of processes that came late, or after the switch, failed");
    world::nothing_wrong(&world.crowd.stop());
}
