//! The wall clock is set, by hours, forward and back, again and again, while a server goes and comes back and while the
//! daemon does: nothing waits for it, and nothing is believed because of it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::scenario::{Daemon, Plan, Played, Stay, play};
use crate::support::crowd::Shape;
use crate::support::drill::Fault;
use crate::support::scratch::Scratch;
use crate::support::{cc, keep};
use crate::world::{self, TIMEOUT_SECONDS, UNHURRIED, WATCH};

/// Servers, daemon and clients all have the same wall clock, and somebody who cannot leave it alone.
fn while_the_clock_jumps(fault: Fault, daemon: Daemon<'_>, watch: &str) -> Played {
    let scratch = Scratch::new();
    let preload = cc::compile(&scratch, "wall_clock.so", &["tests/c/wall_clock.c"], &["-shared", "-fPIC"]);
    let preload = preload.unwrap_or_else(|words| panic!("{words}"));
    let file = scratch.path().join("off_by");
    let clock = File::options().write(true).create_new(true).open(&file).expect("a new file");
    let set = |seconds: i64| clock.write_all_at(&seconds.to_ne_bytes(), 0).expect("a file to write to");
    set(0);
    let _preloaded = [("LD_PRELOAD", &preload), ("CLOCK_OFF_BY", &file)]
        .map(|(name, path)| keep::Variable::for_children(name, path));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let hours = [5, -7, 1, 0, -1, 9, -12, 12, 3, -3];
            for hour in hours.iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                set(hour * 3600);
                std::thread::park_timeout(Duration::from_millis(30));
            }
        });
        let shape = Shape { pause_us: world::shape(8).pause_us / 4, ..world::shape(8) };
        let played = play(&Plan { shape, fault, daemon, options: UNHURRIED, watch, stay: Stay::Calls(20) });
        over.store(true, Ordering::Relaxed);
        played
    })
}

fn nothing_happened(played: &Played) {
    world::nothing_wrong(&played.notes);
    assert_eq!(played.others_flushed, 0, "healthy servers were taken for failed ones");
    let longest = played.notes.iter().map(|note| note.duration_ns).max().unwrap_or(0);
    assert!(longest < 2 * TIMEOUT_SECONDS * 1_000_000_000, "a call took {longest} ns");
}

#[test]
fn a_server_hangs_and_the_daemon_dies_while_the_clock_is_set() {
    let played = while_the_clock_jumps(Fault::Hung, Daemon::AtWork(world::watchd()), WATCH);
    nothing_happened(&played);
    assert_eq!(played.flushed, 1, "who comes back with old contents is flushed once");
}

/// What it may keep is told by times.
#[test]
fn a_server_keeps_nothing_old_while_the_clock_is_set() {
    let watch = format!("{WATCH}rejoin = \"keep\"\n");
    nothing_happened(&while_the_clock_jumps(Fault::CutOff, Daemon::AtWork(world::watchd()), &watch));
}

#[test]
fn processes_without_a_daemon_agree_while_the_clock_is_set() {
    nothing_happened(&while_the_clock_jumps(Fault::CutOff, Daemon::Died(world::watchd()), WATCH));
}
