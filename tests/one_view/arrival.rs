//! Processes that start while a server is not what it should be.

use crate::support::crowd::{DOWN, RETURNED};
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
    world.crowd.sees("returned", |state| state == RETURNED);
    world.crowd.join(16..24);
    for (numbers, state) in [(8..16, DOWN), (16..24, RETURNED)] {
        let seen: Vec<_> = numbers.map(|number| world.crowd.process(number).first_state).collect();
        assert_eq!(seen, [state; 8]);
    }
    world.crowd.works(40);
    let failed: u64 = world.crowd.present().map(|process| process.failed).sum();
    assert_eq!(failed, 0, "calls of processes that came late, or after the switch, failed");
    world::nothing_wrong(&world.crowd.stop());
}
