//! A server that answers late, never, with lies, with numbers beyond all bounds, without end, that closes and resets
//! and hangs at every byte: every operation of the library and of the proxy against every behaviour of it, where the
//! server is the only one, a key's home, its mirror, or one of eight. Demanded of each cell: every call ends in time,
//! nothing crashes, nothing is told that was neither true nor said by the hostile server, memory stays far below what a
//! flood has, no honest server is blamed, and the handle goes on, with the other servers at once and with that one as
//! soon as it is honest. Where that one is honest too, everything is as it always is: no failure, no miss.
//!
//! A machine that is busy makes honest servers silent. A cell where one was is tried again, once, alone, when all others
//! are over; how many were is printed, and bounded. That never excuses a value that nobody stored, what is no answer, a
//! proxy that ended, or memory.
//!
//! Without `HOSTILE_FULL=1` (`make hostile`) each operation of the library meets each behaviour in one of the roles, which take
//! turns; a proxy, which has to be started for each, meets every fifth, and each honest one.
//! `HOSTILE_ONLY=TEXT`: only those cells whose names contain it. `HOSTILE_BENCHES=N`: so many at a time.

#![cfg(feature = "programs")]

#[path = "../support/mod.rs"]
mod support;

mod behaviours;
mod cell;
mod front;
mod judge;
mod library;
mod memory;
mod operations;
mod outcomes;
mod proxied;
#[allow(dead_code, reason = "the tests of the proxy use the rest")]
#[path = "../proxy/proxy.rs"]
mod proxy;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use cell::{Bench, Role};
use front::{Behaviour, Flood};
use judge::Fault;
use operations::{Door, Operation};

#[global_allocator]
static ALLOCATOR: memory::Measuring = memory::Measuring;

/// A cell that is not done by then hangs: a hundred times as long as its slowest calls together.
const HANGS: Duration = Duration::from_secs(90);

/// So many cells of a hundred may be tried again, for an honest server that was too slow: more is no accident, also on
/// a machine that has eight times as much to do as it can.
const REPEATED: usize = 4;

/// So often is begun anew what could not begin: honest servers were too slow before anything was tried.
const BEFORE: usize = 8;

/// What is tried too, in `make hostile`, in a pool with a table that a daemon attends.
const WATCHED: [&str; 8] =
    ["fetch", "store", "store_add", "cas", "remove", "incr64", "fetch_many", "flush_all"];

struct Work {
    operation: Arc<Operation>,
    behaviour: Arc<Behaviour>,
    role: Role,
}

impl Work {
    fn name(&self) -> String {
        format!("{} | {} | {:?}", self.operation.name, self.behaviour.name, self.role)
    }
}

#[derive(Default)]
struct Tally {
    cells: usize,
    repeated: usize,
    peak: usize,
    /// The same, of the cells with a flood that must not be taken in.
    flood: usize,
    slowest: Duration,
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.cells += other.cells;
        self.repeated += other.repeated;
        self.flood = self.flood.max(other.flood);
        self.peak = self.peak.max(other.peak);
        self.slowest = self.slowest.max(other.slowest);
        self.wrong.extend(other.wrong);
    }
}

fn cells() -> Vec<Work> {
    let only = std::env::var("HOSTILE_ONLY").unwrap_or_default();
    let operations: Vec<_> = operations::all().into_iter().map(Arc::new).collect();
    let behaviours: Vec<_> = behaviours::all().into_iter().map(Arc::new).collect();
    let full = std::env::var_os("HOSTILE_FULL").is_some();
    let mut cells = Vec::new();
    for (first, operation) in operations.iter().enumerate() {
        for (second, behaviour) in behaviours.iter().enumerate() {
            let roles = Role::of(operation);
            for (third, role) in roles.iter().enumerate() {
                let proxied = matches!(operation.door, Door::Proxy(_));
                let takes_part = !proxied || behaviour.honest || (first + second) % 5 == 0;
                if full || (takes_part && third == (first / 5 + second / 5) % roles.len()) {
                    let (operation, behaviour) = (Arc::clone(operation), Arc::clone(behaviour));
                    cells.push(Work { operation, behaviour, role: *role });
                }
            }
        }
    }
    let watched = operations.iter().filter(|operation| full && WATCHED.contains(&operation.name));
    for (operation, behaviour) in watched.flat_map(|one| behaviours.iter().map(move |other| (one, other))) {
        let (operation, behaviour) = (Arc::clone(operation), Arc::clone(behaviour));
        cells.push(Work { operation, behaviour, role: Role::Watched });
    }
    cells.retain(|work| work.name().contains(&only));
    cells
}

/// What one bench is at, since when.
type Now = Mutex<Option<(Instant, String)>>;
/// A cell, and what came of it.
type Told = (usize, Tally);

/// Takes cells out of `which`. `last`: an odd one is wrong; else it is tried again later.
fn work(
    cells: &[Work],
    which: &[usize],
    next: &AtomicUsize,
    now: &Now,
    last: bool,
    tell: &mpsc::Sender<Told>,
) {
    let bench = Bench::new();
    while let Some(&index) = which.get(next.fetch_add(1, Ordering::SeqCst)) {
        let work = &cells[index];
        *now.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), work.name()));
        let mut result = bench.run(&work.operation, &work.behaviour, work.role);
        for _ in 0..BEFORE {
            if !matches!(result.judged, Err(Fault::Before)) {
                break;
            }
            result = bench.run(&work.operation, &work.behaviour, work.role);
        }
        *now.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let mut tally = Tally { peak: result.peak, slowest: result.slowest, ..Tally::default() };
        if work.behaviour.flood != Flood::Value {
            tally.flood = result.peak;
        }
        let why = match result.judged {
            Err(Fault::Odd(why)) if !last => {
                println!("tried again: {}: {why}", work.name());
                tally.repeated = 1;
                None
            }
            Err(Fault::Odd(why) | Fault::Wrong(why)) => Some(why),
            Err(Fault::Before) => {
                Some(format!("honest servers could not be asked before, {} times", BEFORE + 1))
            }
            Ok(()) => None,
        };
        tally.cells = usize::from(tally.repeated == 0);
        tally.wrong.extend(why.map(|why| format!("{}: {why}", work.name())));
        for why in &tally.wrong {
            println!("wrong: {why}");
        }
        if tell.send((index, tally)).is_err() {
            break;
        }
    }
}

/// Tries those cells, so many at a time.
fn tried(cells: &[Work], which: &[usize], benches: usize, last: bool) -> Vec<Told> {
    let benches = usize::min(benches, which.len());
    let next = AtomicUsize::new(0);
    let now: Vec<Now> = (0..benches).map(|_| Mutex::new(None)).collect();
    let (tell, told) = mpsc::channel();
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        for now in &now {
            let (tell, next) = (tell.clone(), &next);
            scope.spawn(move || work(cells, which, next, now, last, &tell));
        }
        drop(tell);
        loop {
            match told.recv_timeout(Duration::from_secs(1)) {
                Ok(told) => all.push(told),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => no_cell_hangs(&now),
            }
        }
    });
    all
}

#[test]
fn no_hang_no_crash_no_wrong_answer() {
    let cells = cells();
    let begun = Instant::now();
    let benches = std::env::var("HOSTILE_BENCHES").ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    let which: Vec<usize> = (0..cells.len()).collect();
    let mut told = tried(&cells, &which, benches, false);
    // Those that a busy machine may have disturbed are tried once more, alone.
    let again: Vec<usize> =
        told.iter().filter(|(_, tally)| tally.repeated > 0).map(|(index, _)| *index).collect();
    told.extend(tried(&cells, &again, 1, true));
    told.sort_by_key(|(index, _)| *index);
    let mut rows: Vec<(String, Tally)> = Vec::new();
    for (index, tally) in told {
        let watched = cells[index].role == Role::Watched;
        let name = format!("{}{}", cells[index].operation.name, if watched { ", watched" } else { "" });
        if rows.last().is_none_or(|(last, _)| *last != name) {
            rows.push((name, Tally::default()));
        }
        rows.last_mut().expect("one was pushed").1.add(tally);
    }
    let behaviours = behaviours::all().len();
    println!(
        "{:<28}{:>8}{:>8}{:>10}{:>12}{:>12}{:>12}",
        "operation", "cells", "wrong", "repeated", "peak KiB", "of floods", "longest ms"
    );
    let mut names: Vec<&str> = cells.iter().map(|work| work.operation.name).collect();
    names.sort_unstable();
    names.dedup();
    let (operations, mut sum) = (names.len(), Tally::default());
    for (name, tally) in rows {
        println!(
            "{name:<28}{:>8}{:>8}{:>10}{:>12}{:>12}{:>12}",
            tally.cells,
            tally.wrong.len(),
            tally.repeated,
            tally.peak >> 10,
            tally.flood >> 10,
            tally.slowest.as_millis()
        );
        sum.add(tally);
    }
    println!(
        "{operations} operations, {behaviours} behaviours, {} cells in {:.1?}: 0 hangs, 0 crashes, {} wrong, {} tried \
         again, peak {} KiB",
        sum.cells,
        begun.elapsed(),
        sum.wrong.len(),
        sum.repeated,
        sum.peak >> 10
    );
    assert_eq!(sum.cells, cells.len(), "every cell was tried");
    assert!(sum.wrong.is_empty(), "{} of {} cells: {:#?}", sum.wrong.len(), sum.cells, sum.wrong);
    // A handful may be unlucky, however few there are.
    let most = cells.len() * REPEATED / 100 + 5;
    assert!(sum.repeated <= most, "{} cells were tried again, more than {most}", sum.repeated);
}

/// A thread that hangs cannot be ended; the process can.
fn no_cell_hangs(now: &[Now]) {
    for now in now {
        if let Some((since, name)) = &*now.lock().unwrap_or_else(PoisonError::into_inner)
            && since.elapsed() > HANGS
        {
            eprintln!("it hangs: {name}");
            std::process::exit(1);
        }
    }
}
