//! All processes go over to the other servers, and back: after a server was killed, hung, or cut off.

use crate::figures::{StageFigures, Switch};
use crate::scenario::{Daemon, Plan, Played, Stay, play};
use crate::support::drill::Fault;
use crate::world::{self, TIMEOUT_SECONDS, UNHURRIED, WATCH};

fn lived_through(fault: Fault, processes: usize) -> Played {
    let played = play(&Plan {
        shape: world::shape(processes),
        fault,
        daemon: Daemon::AtWork(world::watchd()),
        options: UNHURRIED,
        watch: WATCH,
        stay: Stay::Calls(40),
    });
    let timeout = std::time::Duration::from_secs(TIMEOUT_SECONDS);
    for stage in &played.stages {
        println!("{:?}", StageFigures::of(stage, &played.notes, timeout));
    }
    assert_eq!(played.others_flushed, 0, "healthy servers were taken for hung ones");
    world::nothing_wrong(&played.notes);
    for (switch, what) in
        [(Switch::away(&played, processes), "away"), (Switch::back(&played, processes), "back")]
    {
        println!("{what}: {switch:?}");
        assert_eq!(switch.never, 0, "some processes never switched {what}");
        assert_eq!(switch.failed[1], 0, "calls failed after their process had switched {what}");
    }
    // A call ends within its time. A busy machine gets as much again before it is a fault of ours.
    let longest = played.notes.iter().map(|note| note.duration_ns).max().unwrap_or(0);
    assert!(longest < 2 * timeout.as_nanos() as u64, "a call took {longest} ns");
    played
}

/// It comes back empty. That its process is younger shows in its start time, in whole seconds: one that is
/// killed in its first seconds may look like itself, and then it is flushed to be sure.
#[test]
fn sixty_four_processes_switch_when_a_server_is_killed() {
    let played = lived_through(Fault::Killed, 64);
    assert!(played.flushed <= 1, "flushed {} times", played.flushed);
}

#[test]
fn processes_switch_when_a_server_hangs() {
    let played = lived_through(Fault::Hung, 32);
    assert_eq!(played.flushed, 1, "who comes back with old contents is flushed once");
}

#[test]
fn processes_switch_when_a_server_is_cut_off() {
    let played = lived_through(Fault::CutOff, 32);
    assert_eq!(played.flushed, 1, "who comes back with old contents is flushed once");
}
