//! The main promise, on real servers: a program of the old libmemcache that is given a pool file
//! lives through the death and the return of a server. Every read returns the newest value, no
//! deleted value comes back, no write is refused; it makes no difference whether the server is
//! killed, hangs, or is cut off and comes back with what it knew before.

mod support;

use support::cc;
use support::drill::{Drilled, Fault, Report, Stage, play};
use support::scratch::Scratch;

/// A machine that is busy with tests stops a healthy server for longer than a pool's defaults allow,
/// and then two servers of a pair are gone at once. `make demo` drills with the defaults.
const UNHURRIED: &str = "connect_timeout = \"2s\"\ntimeout = \"10s\"\n";

fn drill(fault: Fault, pool: Option<&'static str>) -> Report {
    let scratch = Scratch::new();
    let program = cc::program(&scratch, "drill", &["examples-c/drill.c", "examples-c/drill-stages.c"]);
    let report = play(&Drilled { program, arguments: vec!["--strict".to_owned()], pool }, fault, &scratch);
    println!("{fault:?}\n{}", report.table());
    report
}

fn flawless(report: &Report) {
    assert_eq!(report.stages.len(), 6, "the program ended early: {}", report.ending);
    for stage in &report.stages {
        assert_eq!(stage.reads, 8000, "{stage:?}");
        assert!(stage.flawless(), "{stage:?}");
    }
    assert!(report.in_use_again, "the server came back and was not used again");
    assert_eq!(report.ending, "exit status: 0");
}

#[test]
fn a_killed_server_is_not_noticed() {
    flawless(&drill(Fault::Killed, Some(UNHURRIED)));
}

#[test]
fn a_hung_server_is_not_noticed() {
    flawless(&drill(Fault::Hung, Some(UNHURRIED)));
}

#[test]
fn a_server_that_was_cut_off_and_returns_with_its_old_contents_is_not_noticed() {
    flawless(&drill(Fault::CutOff, Some(UNHURRIED)));
}

/// What only one server holds is gone with it; but what is answered is the newest, writes go to
/// the stand-in, and nothing is an error.
#[test]
fn without_backups_only_the_dead_servers_values_are_missing() {
    let report = drill(Fault::Killed, None);
    assert_eq!(report.stages.len(), 6, "the program ended early: {}", report.ending);
    for stage in &report.stages {
        assert_eq!(stage.hits + stage.misses, 8000, "{stage:?}");
        assert_eq!((stage.stale, stage.revived, stage.refused), (0, 0, 0), "{stage:?}");
    }
    let misses = |stage: &Stage| stage.misses;
    assert_eq!(misses(&report.stages[0]), 0, "nothing is gone while all servers are up");
    let of_one = misses(&report.stages[1]);
    assert!((500..1500).contains(&of_one), "an eighth of the sessions was on the dead server, not {of_one}");
    assert!(misses(&report.stages[2]) < of_one, "what was written meanwhile is found on the stand-in");
}
