//! The wall clock is set, by hours, forward and back, again and again, while a server goes and comes back and while the
//! daemon does: nothing waits for it, and nothing is believed because of it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::scenario::{Daemon, Plan, Played, Stay, play};
use crate::support::cc;
use crate::support::crowd::{Crowd, DOWN, RETURNED, STEADY, Shape};
use crate::support::drill::{Fault, Fleet};
use crate::support::scratch::Scratch;
use crate::support::wall_clock::WallClock;
use crate::support::watchd::Watchd;
use crate::world::{self, TIMEOUT_SECONDS, UNHURRIED, WATCH, World};

/// Servers, daemon and clients all have the same wall clock, and somebody who cannot leave it alone.
fn while_the_clock_jumps(fault: Fault, daemon: Daemon<'_>, watch: &str) -> Played {
    let clock = WallClock::new();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let hours = [5, -7, 1, 0, -1, 9, -12, 12, 3, -3];
            for hour in hours.iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                clock.set(*hour * 3600);
                std::thread::park_timeout(Duration::from_millis(30));
            }
        });
        let _over = Over(&over);
        let shape = Shape { pause_us: world::shape(8).pause_us / 4, ..world::shape(8) };
        play(&Plan { shape, fault, daemon, options: UNHURRIED, watch, stay: Stay::Calls(20) })
    })
}

/// However it ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
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

/// With a journal of what was changed meanwhile.
#[test]
fn a_server_keeps_nothing_old_while_the_clock_is_set() {
    let watch = format!("{WATCH}rejoin = \"keep\"\n");
    nothing_happened(&while_the_clock_jumps(Fault::CutOff, Daemon::AtWork(world::watchd()), &watch));
}

#[test]
fn processes_without_a_daemon_agree_while_the_clock_is_set() {
    nothing_happened(&while_the_clock_jumps(Fault::CutOff, Daemon::Died(world::watchd()), WATCH));
}

/// By seconds, as a time server does it, between two falls of one server. What tells of the first flush is then of a later
/// time of day than the second fall, and yet no answer to it.
#[test]
fn a_server_that_falls_again_is_flushed_again_when_the_clock_was_set_back() {
    let clock = WallClock::new();
    let mut world = World::new(Fault::CutOff, 4);
    world.crowd.join(0..4);
    for (falls, seconds) in [(1, 0), (2, -3)] {
        clock.set(seconds);
        world.fleet.strike();
        world.crowd.sees("down", |state| state == DOWN);
        // Until the clock is past the first flush again, or near enough to it for it to be believed.
        std::thread::sleep(Duration::from_secs(seconds.unsigned_abs()));
        world.fleet.heal();
        world.crowd.sees("back", |state| state == RETURNED);
        assert_eq!(world.fleet.flushes(), (falls, 0));
    }
    world.crowd.works(20);
    world::nothing_wrong(&world.crowd.stop());
}

/// The clocks that never go back jump forward when the machine was suspended: everybody finds that everybody else was
/// silent for longer than any patience lasts, and that is nobody's fault.
fn goes_on_after_it_was_suspended(has_daemon: bool) {
    let (scratch, mut fleet) = (Scratch::new(), Fleet::start(Fault::Hung));
    let (pool_file, table) = if has_daemon {
        world::pool_file(&scratch, &fleet)
    } else {
        (scratch.write("alone.toml", &fleet.pool_file(UNHURRIED)), PathBuf::new())
    };
    let watchd = has_daemon.then(|| Watchd::start(world::watchd(), &pool_file, &table));
    // Everybody is soon waiting for the server that stops first.
    let shape = Shape { pause_us: 100, room: 200_000, ..world::shape(6) };
    let mut crowd = Crowd::new(&scratch, shape, &pool_file);
    crowd.join(0..6);
    fleet.strike();
    for signal in [libc::SIGSTOP, libc::SIGCONT] {
        // Who judges goes on, and judges, before who is judged.
        crowd.signal(signal);
        if signal == libc::SIGCONT {
            crowd.sleeps();
        }
        watchd.iter().for_each(|watchd| watchd.signal(signal));
        fleet.suspend(signal == libc::SIGSTOP);
        if signal == libc::SIGSTOP {
            // Longer than the servers' time to answer a client or a probe, shorter than a call's.
            std::thread::sleep(Duration::from_secs(TIMEOUT_SECONDS) * 3 / 8);
        }
    }
    crowd.works(20);
    crowd.sees("steady", |state| state == STEADY);
    assert_eq!(fleet.flushes(), (0, 0), "taken for hung ones");
    assert!(crowd.present().all(|process| process.failed == 0), "calls failed");
    world::nothing_wrong(&crowd.stop());
}

#[test]
fn a_machine_that_was_suspended_goes_on() {
    goes_on_after_it_was_suspended(true);
}

#[test]
fn who_judges_alone_goes_on_after_the_machine_was_suspended() {
    goes_on_after_it_was_suspended(false);
}

/// In a container, say: its clocks, the ones that never go back too, are not those of the daemon and of the others. It
/// cannot tell how old the daemon's word is, so it has a view of its own, and nothing keeps it waiting.
#[test]
fn a_process_whose_clocks_are_a_day_ahead_has_a_view_of_its_own() {
    let ahead = ["--user", "--map-root-user", "--time", "--boottime", "86400", "--monotonic", "86400"];
    let may = Command::new("unshare").args(ahead).arg("true").output().expect("util-linux");
    if !may.status.success() {
        return println!(
            "this machine gives nobody a time namespace: {}",
            String::from_utf8_lossy(&may.stderr)
        );
    }
    let mut world = World::new(Fault::Killed, 4);
    world.crowd.join(0..4);
    let scratch = Scratch::new();
    let program = cc::program(&scratch, "gets", &["tests/c/gets.c"]);
    let mut command = Command::new("unshare");
    command.args(ahead).arg(program).args(["set", "500"]).env("MEMCACHE_POOL", &world.pool_file);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert!(said.contains("this process judges the servers by itself"), "{said}");
    world.crowd.works(20);
    world::nothing_wrong(&world.crowd.stop());
}
