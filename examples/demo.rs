//! `make demo`: the death and the return of a server, as a C program that uses a memcached client
//! library lives through it. Prints one table per library and way of using it, and at the end one
//! with a line for each: the table of the README.
//!
//! Everything is real: eight memcacheds of Debian on loopback, a C program per library, kill -9.
//! What is measured with libmemcached appears when its headers are installed (libmemcached-dev).

use std::process::ExitCode;

#[path = "../tests/support/mod.rs"]
mod support;

use support::drill::{Drilled, Fault, Report, Stage, play};
use support::scratch::Scratch;
use support::{cc, keep};

const OURS: [&str; 2] = ["examples-c/drill.c", "examples-c/drill-stages.c"];
const LIBMEMCACHED: [&str; 2] = ["benches/peers/drill-libmemcached.c", "examples-c/drill-stages.c"];

/// The drills that were played: what was drilled, and how it went.
type Played = Vec<(String, Report)>;

fn main() -> ExitCode {
    keep::clear_up_when_interrupted();
    let scratch = Scratch::new();
    println!(
        "Eight memcached servers, and a C program with 8,000 sessions. One server goes, comes back, goes again.\n\
         misses: reads that found nothing. stale: an older value. revived: a deleted session was there again.\n\
         refused: stores and deletes that failed. worst: the longest single call.\n"
    );
    let ours = cc::program(&scratch, "drill", &OURS);
    let mut played = Played::new();
    for (fault, what) in [
        (Fault::Killed, "killed"),
        (Fault::Hung, "hung (SIGSTOP), then back with its old contents"),
        (Fault::CutOff, "cut off, then back with its old contents"),
    ] {
        let drilled = Drilled { program: ours.clone(), arguments: Vec::new(), pool: Some("") };
        drill(format!("libmemcache, pairs; server {what}"), &drilled, fault, &scratch, &mut played);
    }
    let kept = played.iter().all(|(_, report)| report.flawless());

    let alone = Drilled { program: ours, arguments: Vec::new(), pool: None };
    drill("libmemcache, no backups; server killed".to_owned(), &alone, Fault::Killed, &scratch, &mut played);
    peers(&scratch, &mut played);
    println!("Of 8,000 reads so many returned the newest value, stage by stage:\n\n{}", summary(&played));
    if kept {
        println!("With backups every read returned the newest value and no write was refused.");
        ExitCode::SUCCESS
    } else {
        println!("A PROMISE WAS BROKEN: see the first three tables.");
        ExitCode::FAILURE
    }
}

fn peers(scratch: &Scratch, played: &mut Played) {
    let Ok(program) = cc::compile(scratch, "drill-libmemcached", &LIBMEMCACHED, &["-lmemcached"]) else {
        println!("libmemcached is not here to compare with (apt-get install libmemcached-dev).\n");
        return;
    };
    for (way, what) in [
        ("default", "as it comes"),
        ("eject", "AUTO_EJECT_HOSTS"),
        ("ketama", "KETAMA, ejecting at once"),
        ("replicas", "NUMBER_OF_REPLICAS=1"),
    ] {
        let drilled = Drilled { program: program.clone(), arguments: vec![way.to_owned()], pool: None };
        drill(format!("libmemcached, {what}; server killed"), &drilled, Fault::Killed, scratch, played);
    }
}

fn drill(title: String, drilled: &Drilled, fault: Fault, scratch: &Scratch, played: &mut Played) {
    let report = play(drilled, fault, scratch);
    println!("{title}\n{}", report.table());
    played.push((title, report));
}

/// One line per drill.
fn summary(played: &Played) -> String {
    let width = played.iter().map(|(title, _)| title.len()).max().unwrap_or(0);
    let heads = ["all up", "one gone", "1/4 overwritten", "back", "1/4 overwritten", "gone again"];
    let rest = ["stale", "revived", "refused", "worst ms"];
    let mut text = format!("| {:<width$} | {} | {} |\n", "", heads.join(" | "), rest.join(" | "));
    text += &format!("|-{:-<width$}-|", "");
    for head in heads.iter().chain(&rest) {
        text += &format!("-{:->1$}:|", "", head.len());
    }
    text += "\n";
    for (title, report) in played {
        text += &format!("| {title:<width$} |");
        for (number, head) in heads.iter().enumerate() {
            let cell = report.stages.get(number).map_or("ended".to_owned(), |stage| stage.hits.to_string());
            text += &format!(" {cell:>0$} |", head.len());
        }
        let sum = |figure: fn(&Stage) -> u64| report.stages.iter().map(figure).sum::<u64>();
        let worst = report.stages.iter().map(|stage| stage.worst_us).max().unwrap_or(0);
        let figures = [sum(|stage| stage.stale), sum(|stage| stage.revived), sum(|stage| stage.refused)];
        for (figure, head) in figures.iter().zip(rest) {
            text += &format!(" {figure:>0$} |", head.len());
        }
        text += &format!(" {:>8} |\n", support::drill::milliseconds(worst));
    }
    text
}
