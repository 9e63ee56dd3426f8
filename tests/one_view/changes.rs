//! The daemon dies, and then a server does: what the processes decided among themselves meanwhile is known
//! to the next daemon before anybody trusts it.

use crate::support::crowd::DOWN;
use crate::support::drill::Fault;
use crate::world::{self, World};

/// The order in which server and daemon come back.
enum First {
    Daemon,
    Server,
}

fn nothing_is_stale(fault: Fault, first: First) -> u64 {
    let mut world = World::new(fault, 24);
    world.crowd.join(0..24);
    world.watchd.kill();
    world.fleet.strike();
    world.crowd.sees("down, each by itself", |state| state == DOWN);
    world.crowd.works(60);
    match first {
        First::Daemon => {
            world.watchd.restart();
            world.crowd.works(60);
            world.crowd.sees("still down", |state| state == DOWN);
            world.fleet.heal();
        }
        First::Server => {
            world.fleet.heal();
            world.crowd.sees("in use again without a daemon", |state| state != DOWN);
            world.crowd.works(60);
            world.watchd.restart();
        }
    }
    world.crowd.sees("in use", |state| state != DOWN);
    world.crowd.works(60);
    let flushed = world.fleet.victim().stat("cmd_flush").expect("it answers");
    world::nothing_wrong(&world.crowd.stop());
    flushed
}

#[test]
fn the_next_daemon_knows_of_a_killed_server() {
    nothing_is_stale(Fault::Killed, First::Daemon);
}

#[test]
fn the_next_daemon_flushes_a_server_that_was_cut_off_before_its_time() {
    assert_eq!(nothing_is_stale(Fault::CutOff, First::Daemon), 1);
}

#[test]
fn the_next_daemon_knows_of_a_server_that_came_back_before_it() {
    assert_eq!(nothing_is_stale(Fault::CutOff, First::Server), 1);
}
