//! One writer at full speed, readers in other processes and threads: every snapshot read is one that
//! was written, whole; generations never go back.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use memcache::table::{Fault, Reader, Snapshot, Trust};

use super::lines::{self, Process};
use super::sample;
use super::support::scratch::Scratch;
use super::support::wait;

/// How many different snapshots each reader must have seen.
const SEEN: u32 = 300;

/// Reads until it has seen [`SEEN`] snapshots.
fn read(path: &Path) {
    let mut reader = Reader::open(path, Trust::default()).expect("a table");
    let (mut snapshot, mut generation, mut seen) = (Snapshot::default(), 0, 0);
    while seen < SEEN {
        match reader.snapshot(&mut snapshot) {
            Ok(true) => {
                sample::whole(&snapshot);
                assert!(snapshot.generation > generation, "{} after {generation}", snapshot.generation);
                generation = snapshot.generation;
                seen += 1;
            }
            Ok(false) => std::thread::yield_now(),
            // Overtaken again and again: it has what it had.
            Err(refusal) => assert_eq!(refusal.fault, Fault::Busy),
        }
    }
}

#[test]
fn every_snapshot_that_is_read_was_written_whole() {
    if let Some(path) = lines::errand() {
        return read(Path::new(&path));
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let mut writer = sample::table(&path, 1);
    let test = "load::every_snapshot_that_is_read_was_written_whole";
    let errand = path.to_str().expect("UTF-8");
    let mut children: Vec<_> = (0..3).map(|_| Process::start(lines::command(test, errand))).collect();

    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| read(&path))).collect();
        scope.spawn(|| {
            let mut number = 1;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                writer.publish(&sample::snapshot(number)).expect("it fits");
                // Two processors for six: let the readers in.
                std::thread::yield_now();
            }
        });
        let ended = wait::within(4 * wait::PATIENCE, || {
            (children.iter_mut().all(|child| child.ended().is_some())
                && threads.iter().all(|thread| thread.is_finished()))
            .then_some(())
        });
        done.store(true, Ordering::Relaxed);
        assert!(ended.is_some(), "the readers did not see {SEEN} snapshots each");
    });
    children.into_iter().for_each(|child| drop(child.succeed()));
}

/// A writer that is killed while it publishes; then the next writer, and the readers follow.
#[test]
fn readers_outlive_a_killed_writer_and_follow_the_next() {
    if let Some(path) = lines::errand() {
        let mut writer = sample::table(Path::new(&path), 1);
        for number in 2.. {
            writer.publish(&sample::snapshot(number)).expect("it fits");
        }
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let test = "load::readers_outlive_a_killed_writer_and_follow_the_next";
    let mut readers: Vec<Reader> = Vec::new();
    let mut newest = 0;
    for _ in 0..20 {
        let child = Process::start(lines::command(test, path.to_str().expect("UTF-8")));
        wait::until("the writer publishes", || {
            let reader = Reader::open(&path, Trust::default()).ok()?;
            (reader.header().writer.pid == child.id()).then(|| readers.push(reader))
        });
        let last = readers.last().expect("just opened");
        let first = last.generation();
        wait::until("it publishes more", || (last.generation() != first).then_some(()));
        child.kill();
        assert!(last.writer_is_gone());
        for reader in &mut readers {
            let mut snapshot = Snapshot::default();
            let changed = reader.snapshot(&mut snapshot);
            // The oldest followed a retired table to the newest one; all hold what was published last.
            assert_eq!(changed, Ok(true), "after {newest}");
            sample::whole(&snapshot);
            assert!(snapshot.generation > newest, "generations go on from writer to writer");
        }
        let mut snapshot = Snapshot::default();
        let mut fresh = Reader::open(&path, Trust::default()).expect("the table");
        assert_eq!(fresh.snapshot(&mut snapshot), Ok(true));
        newest = snapshot.generation;
    }
}
