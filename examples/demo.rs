//! `make demo`: the death and the return of a server, as a C program that uses a memcached client
//! library lives through it. Prints one table per library and per way of using it.
//!
//! Everything is real: eight memcacheds of Debian on loopback, a C program per library, kill -9.
//! What is measured with libmemcached appears when its headers are installed (libmemcached-dev).

use std::process::ExitCode;

#[path = "../tests/support/mod.rs"]
mod support;

use support::drill::{Drilled, Fault, Report, play};
use support::scratch::Scratch;
use support::{cc, keep};

const OURS: [&str; 2] = ["examples-c/drill.c", "examples-c/drill-stages.c"];
const LIBMEMCACHED: [&str; 2] = ["benches/peers/drill-libmemcached.c", "examples-c/drill-stages.c"];

fn main() -> ExitCode {
    keep::clear_up_when_interrupted();
    let scratch = Scratch::new();
    println!(
        "Eight memcached servers, one C program with 8,000 sessions; one server dies, comes back, dies again."
    );
    println!("revived: deleted sessions that were there again. refused: stores and deletes that failed.\n");

    let ours = cc::program(&scratch, "drill", &OURS);
    let with_pool = Drilled { program: ours.clone(), arguments: Vec::new(), pool: true };
    let mut kept = true;
    for (fault, what) in [
        (Fault::Killed, "killed (kill -9), comes back empty"),
        (Fault::Hung, "hung (SIGSTOP), wakes with its old contents"),
        (Fault::CutOff, "cut off from the network, comes back with its old contents"),
    ] {
        let report = play(&with_pool, fault, &scratch);
        kept &= print(&format!("libmemcache, pool of pairs; the server is {what}"), &report);
    }
    let alone = Drilled { program: ours, arguments: Vec::new(), pool: false };
    print("libmemcache without backups; the server is killed", &play(&alone, Fault::Killed, &scratch));
    peers(&scratch);

    if kept {
        println!("With backups every read returned the newest value and no write was refused.");
        ExitCode::SUCCESS
    } else {
        println!("A PROMISE WAS BROKEN: see the first tables.");
        ExitCode::FAILURE
    }
}

fn peers(scratch: &Scratch) {
    let program = match cc::compile(scratch, "drill-libmemcached", &LIBMEMCACHED, &["-lmemcached"]) {
        Ok(program) => program,
        Err(_) => {
            println!("libmemcached is not here to compare with (apt-get install libmemcached-dev).\n");
            return;
        }
    };
    for (way, what) in [
        ("default", "as it comes"),
        ("eject", "with AUTO_EJECT_HOSTS"),
        ("ketama", "with KETAMA, AUTO_EJECT_HOSTS, SERVER_FAILURE_LIMIT = 1"),
        ("replicas", "with NUMBER_OF_REPLICAS = 1"),
    ] {
        let drilled = Drilled { program: program.clone(), arguments: vec![way.to_owned()], pool: false };
        print(&format!("libmemcached {what}; the server is killed"), &play(&drilled, Fault::Killed, scratch));
    }
}

/// Prints a table. Whether all promises were kept.
fn print(title: &str, report: &Report) -> bool {
    println!("{title}\n{}", report.table());
    report.stages.len() == 6 && report.stages.iter().all(support::drill::Stage::flawless)
}
