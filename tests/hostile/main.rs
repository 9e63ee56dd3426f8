//! A server that answers late, never, with lies, with numbers beyond all bounds, without end, that closes and resets
//! and hangs at every byte: every operation of the library and of the proxy against every behaviour of it, where the
//! server is the only one, a key's home, its mirror, or one of eight. Demanded of each cell: the call ends, nothing
//! crashes, nothing is told that was neither true nor said by the hostile server, memory stays bounded, and the
//! handle goes on, with the other servers at once and with that one as soon as it is honest.
//!
//! Without `HOSTILE_FULL=1` (`make hostile`) each operation of the library meets each behaviour in one of the roles, which take
//! turns; a proxy, which has to be started for each, meets every third.
//! `HOSTILE_ONLY=TEXT`: only those cells whose names contain it. `HOSTILE_BENCHES=N`: so many at a time.

#![cfg(feature = "programs")]

#[path = "../support/mod.rs"]
mod support;

mod behaviours;
mod cell;
mod front;
mod library;
mod memory;
mod operations;
mod outcomes;
mod proxied;
#[allow(dead_code, reason = "the tests of the proxy use the rest")]
#[path = "../proxy/proxy.rs"]
mod proxy;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use cell::{Bench, Role};
use front::Behaviour;
use operations::{Door, Operation};

#[global_allocator]
static ALLOCATOR: memory::Measuring = memory::Measuring;

/// A cell that is not done by then hangs: a hundred times as long as its slowest calls together.
const HANGS: Duration = Duration::from_secs(90);

/// How often a cell is tried again that an honest server was too slow for.
const TRIES: usize = 8;

/// A call may have as much memory as a flood has bytes, and twice that while its room grows.
const CALL: usize = behaviours::FLOOD * 3 + (8 << 20);
/// The same for a proxy, with what a process is made of.
const PROXY: usize = behaviours::FLOOD * 3 + (64 << 20);

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
    stumbled: usize,
    peak: usize,
    wrong: Vec<String>,
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
                let takes_part = !proxied || (first + second) % 3 == 0;
                if full || (takes_part && third == (first / 3 + second / 3) % roles.len()) {
                    let (operation, behaviour) = (Arc::clone(operation), Arc::clone(behaviour));
                    cells.push(Work { operation, behaviour, role: *role });
                }
            }
        }
    }
    cells.retain(|work| work.name().contains(&only));
    cells
}

fn work(
    cells: &[Work],
    next: &AtomicUsize,
    now: &Mutex<Option<(Instant, String)>>,
    tell: &mpsc::Sender<(usize, Tally)>,
) {
    let bench = Bench::new();
    loop {
        let index = next.fetch_add(1, Ordering::SeqCst);
        let Some(work) = cells.get(index) else { break };
        let mut tally = Tally { cells: 1, ..Tally::default() };
        for attempt in 1.. {
            *now.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), work.name()));
            let result = bench.run(&work.operation, &work.behaviour, work.role);
            tally.peak = tally.peak.max(result.peak);
            let (bound, kind) = match work.operation.door {
                Door::Library(_) => (CALL, "the call"),
                Door::Proxy(_) => (PROXY, "the proxy"),
            };
            if result.peak > bound {
                tally.wrong.push(format!("{}: {kind} took {} bytes", work.name(), result.peak));
            }
            if result.disturbed && attempt < TRIES {
                tally.repeated += 1;
                continue;
            }
            tally.stumbled = usize::from(result.stumbled);
            if result.disturbed {
                tally.wrong.push(format!("{}: honest servers were too slow, {TRIES} times", work.name()));
            }
            tally.wrong.extend(result.wrong.map(|why| format!("{}: {why}", work.name())));
            break;
        }
        *now.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if tell.send((index, tally)).is_err() {
            break;
        }
    }
}

#[test]
fn no_hang_no_crash_no_wrong_answer() {
    let cells = cells();
    let begun = Instant::now();
    let benches = std::env::var("HOSTILE_BENCHES").ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    let benches = usize::min(benches, cells.len());
    let next = AtomicUsize::new(0);
    let now: Vec<_> = (0..benches).map(|_| Mutex::new(None)).collect();
    let (tell, told) = mpsc::channel();
    let mut rows: BTreeMap<usize, (String, Tally)> = BTreeMap::new();
    let mut place: BTreeMap<&str, usize> = BTreeMap::new();
    std::thread::scope(|scope| {
        for now in &now {
            let (tell, cells, next) = (tell.clone(), &cells, &next);
            scope.spawn(move || work(cells, next, now, &tell));
        }
        drop(tell);
        loop {
            match told.recv_timeout(Duration::from_secs(1)) {
                Ok((index, tally)) => {
                    let name = cells[index].operation.name;
                    let row = *place.entry(name).or_insert(index);
                    let (_, sum) = rows.entry(row).or_insert_with(|| (name.to_owned(), Tally::default()));
                    sum.cells += tally.cells;
                    sum.repeated += tally.repeated;
                    sum.stumbled += tally.stumbled;
                    sum.peak = sum.peak.max(tally.peak);
                    sum.wrong.extend(tally.wrong);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => no_cell_hangs(&now),
            }
        }
    });
    let behaviours = behaviours::all().len();
    println!(
        "{:<24}{:>8}{:>8}{:>10}{:>10}{:>12}",
        "operation", "cells", "wrong", "repeated", "stumbled", "peak KiB"
    );
    for (name, tally) in rows.values() {
        println!(
            "{name:<24}{:>8}{:>8}{:>10}{:>10}{:>12}",
            tally.cells,
            tally.wrong.len(),
            tally.repeated,
            tally.stumbled,
            tally.peak >> 10
        );
    }
    let total: usize = rows.values().map(|(_, tally)| tally.cells).sum();
    let wrong: Vec<_> = rows.values().flat_map(|(_, tally)| &tally.wrong).collect();
    println!(
        "{} operations, {behaviours} behaviours, {total} cells in {:.1?}: 0 hangs, 0 crashes, {} wrong",
        rows.len(),
        begun.elapsed(),
        wrong.len()
    );
    assert_eq!(total, cells.len(), "every cell was tried");
    assert!(wrong.is_empty(), "{} of {total} cells: {wrong:#?}", wrong.len());
}

/// A thread that hangs cannot be ended; the process can.
fn no_cell_hangs(now: &[Mutex<Option<(Instant, String)>>]) {
    for now in now {
        if let Some((since, name)) = &*now.lock().unwrap_or_else(PoisonError::into_inner)
            && since.elapsed() > HANGS
        {
            eprintln!("it hangs: {name}");
            std::process::exit(1);
        }
    }
}
