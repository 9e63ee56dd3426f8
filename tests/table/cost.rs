//! What a look at the table and a turn at a stripe cost. Printed, not asserted: `cargo test --release --test table cost --
//! --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use memcache::table::{Lock, Reader, Snapshot, Stripes, StripesSettings, Trust, identity};

use super::sample;
use super::support::scratch::Scratch;

fn nanos_each(rounds: u32, mut what: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..rounds).for_each(|_| what());
    begun.elapsed().as_nanos() as f64 / f64::from(rounds)
}

#[test]
fn what_a_look_costs() {
    let rounds = if cfg!(debug_assertions) { 10_000 } else { 10_000_000 };
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let mut writer = sample::table(&path, 1);
    let mut reader = Reader::open(&path, Trust::default()).expect("a table");
    let mut snapshot = Snapshot::default();
    assert_eq!(reader.snapshot(&mut snapshot), Ok(true));
    let word = nanos_each(rounds, || {
        black_box(black_box(&reader).generation());
    });
    let look = nanos_each(rounds, || {
        black_box(reader.snapshot(black_box(&mut snapshot)).is_ok());
    });
    let now = identity::boot_millis();
    let attended = nanos_each(rounds, || {
        black_box(reader.attended(black_box(now)));
    });
    println!(
        "nothing changed: generation() {word:.2} ns, snapshot() {look:.2} ns; attended() {attended:.2} ns"
    );

    for servers in [8, 4_096] {
        let mut large = sample::snapshot(1);
        large.current = sample::list(2, servers);
        large.current.slots.truncate(4_096);
        large.previous = None;
        let publish = nanos_each(rounds / 10_000, || {
            writer.publish(&large).expect("it fits");
        });
        let (mut spent, times) = (0.0, 50);
        for _ in 0..times {
            writer.publish(&large).expect("it fits");
            spent += nanos_each(1, || {
                reader.snapshot(&mut snapshot).expect("a snapshot");
            });
        }
        assert_eq!(snapshot.current, large.current);
        let read = spent / f64::from(times);
        println!(
            "{servers} servers changed: published in {:.1} us, read in {:.1} us",
            publish / 1e3,
            read / 1e3
        );
    }
}

#[test]
fn what_a_turn_costs() {
    let rounds = if cfg!(debug_assertions) { 10_000 } else { 3_000_000 };
    let scratch = Scratch::new();
    let lock = Lock::take(&scratch.path().join("table")).expect("nobody has it");
    let stripes = Stripes::create(&lock, &StripesSettings::default()).expect("a stripes file");
    let deadline = identity::boot_millis() + 250_000;
    let mut hash = 0u32;
    let turn = nanos_each(rounds, || {
        hash = hash.wrapping_add(0x9e37_79b9);
        drop(black_box(
            stripes.take(hash, deadline, 1, identity::boot_millis).expect("nobody else is there"),
        ));
    });
    let changes = nanos_each(rounds, || {
        black_box(black_box(&stripes).changes());
    });
    println!("nobody else at the key: a turn {turn:.1} ns; changes() {changes:.2} ns");
}
