//! Who flushes a server that comes back with what it knew before.

use crate::scenario::{Daemon, Plan, Played, Stay, play};
use crate::support::crowd::DOWN;
use crate::support::drill::Fault;
use crate::support::wait;
use crate::world::{self, UNHURRIED, WATCH, World};

/// The daemon needs no client to notice that a server is back, nor to empty it. Then processes come that
/// were never there before: none finds a value from before the cut.
#[test]
fn the_daemon_flushes_it_before_anybody_reads_it() {
    let mut world = World::new(Fault::CutOff, 16);
    world.crowd.join(0..8);
    world.fleet.strike();
    world.crowd.sees("down", |state| state == DOWN);
    // Each process overwrites its 16 keys many times: 3 of 10 calls are writes.
    world.crowd.works(200);
    world.crowd.leaves();
    let old = world.fleet.victim().stat("curr_items").expect("it is only cut off");
    assert!(old > 0, "the server that was cut off has its old contents");

    world.fleet.heal();
    let flushes = || world.fleet.victim().stat("cmd_flush").filter(|count| *count > 0);
    wait::until("the daemon has flushed the server", flushes);
    world.crowd.join(8..16);
    world.crowd.sees("in use", |state| state != DOWN);
    world.crowd.works(200);
    assert_eq!(world.fleet.victim().stat("cmd_flush"), Some(1), "flushed more than once");
    world::nothing_wrong(&world.crowd.stop());
}

fn a_hundred_processes(daemon: Daemon<'_>) -> Played {
    let played = play(&Plan {
        shape: world::shape(100),
        fault: Fault::CutOff,
        daemon,
        options: UNHURRIED,
        watch: WATCH,
        stay: Stay::Calls(20),
    });
    assert_eq!(played.flushed, 1, "flushed by more than one of a hundred processes");
    assert!(played.notes.len() > 100 * 100, "only {} calls were made", played.notes.len());
    played
}

/// There never was a daemon, so no process knows what another one does: but a marker on another server
/// decides which of them flushes.
#[test]
fn of_a_hundred_processes_without_a_daemon_one_flushes_it() {
    a_hundred_processes(Daemon::Never);
}

/// There was one: what it left behind lets the processes agree on what they see.
#[test]
fn of_a_hundred_processes_whose_daemon_died_one_flushes_it_and_none_reads_an_old_value() {
    world::nothing_wrong(&a_hundred_processes(Daemon::Died(world::watchd())).notes);
}
