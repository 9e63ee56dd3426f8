//! 10,000 seeded corruptions of a real file: never a crash, never a server that nobody named.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use memcache::rules::time::Stamp;
use memcache::table::layout::{BUFFERS, FILE_BYTES, body, header, record};
use memcache::table::{Reader, Snapshot, Trust, decode, encode};

use super::numbers::Numbers;
use super::sample;
use super::support::scratch::Scratch;

/// Somewhere that means something: mostly the header, the heads of the buffers and the first records.
fn somewhere(numbers: &mut Numbers) -> usize {
    let used = body::SERVERS + 4 * record::SIZE;
    match numbers.below(8) {
        0 | 1 => numbers.below(header::HEARTBEAT + 8),
        2 => BUFFERS[numbers.below(2)] + numbers.below(64 + body::CURRENT_SLOTS),
        3..=6 => BUFFERS[numbers.below(2)] + numbers.below(used),
        _ => numbers.below(FILE_BYTES),
    }
}

/// Changes up to three places of the file's text; the places with what was there.
fn corrupt(file: &File, numbers: &mut Numbers) -> Vec<(usize, Vec<u8>)> {
    let mut undo = Vec::new();
    for _ in 0..1 + numbers.below(3) {
        let at = somewhere(numbers);
        let length = [1, 1, 2, 4, 8, 64, 512][numbers.below(7)].min(FILE_BYTES - at);
        let mut old = vec![0; length];
        file.read_exact_at(&mut old, at as u64).expect("within the file");
        let kind = numbers.below(5);
        let new: Vec<u8> = match kind {
            0 => old.iter().map(|byte| byte ^ 1 << numbers.below(8)).collect(),
            1 => vec![0; length],
            2 => vec![0xff; length],
            3 => {
                let mut other = vec![0; length];
                file.read_exact_at(&mut other, numbers.below(FILE_BYTES - length) as u64).expect("within");
                other
            }
            _ => old.iter().map(|_| numbers.next() as u8).collect(),
        };
        file.write_all_at(&new, at as u64).expect("a store");
        undo.push((at, old));
    }
    undo
}

#[test]
fn ten_thousand_corruptions_and_never_a_wrong_server() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let mut writer = sample::table(&path, 5);
    writer.publish(&sample::snapshot(9)).expect("it fits");
    let file = OpenOptions::new().read(true).write(true).open(&path).expect("the table");
    let mut follower = Reader::open(&path, Trust::default()).expect("the table");
    let mut followed = Snapshot::default();
    assert_eq!(follower.snapshot(&mut followed), Ok(true));

    let (mut opened, mut refused, mut harmless) = (0, 0, 0);
    for seed in 0..10_000 {
        let undo = corrupt(&file, &mut Numbers(seed));
        if let Ok(mut reader) = Reader::open(&path, Trust::default()) {
            opened += 1;
            let mut snapshot = Snapshot::default();
            match reader.snapshot(&mut snapshot) {
                Ok(_) => {
                    harmless += 1;
                    assert_eq!(sample::whole(&snapshot), 9, "seed {seed}");
                }
                Err(refusal) => {
                    refused += 1;
                    assert!(!refusal.to_string().is_empty() && snapshot == Snapshot::default());
                    assert!(!reader.attended(memcache::table::identity::boot_millis()), "seed {seed}");
                    assert_eq!(reader.snapshot(&mut snapshot), Ok(false), "seed {seed}: told once");
                }
            }
        }
        // Who has a view already, keeps it.
        let _ = follower.snapshot(&mut followed);
        assert_eq!(sample::whole(&followed), 9, "seed {seed}");
        for (at, old) in undo.iter().rev() {
            file.write_all_at(old, *at as u64).expect("a store");
        }
    }
    println!("of 10,000: {} not opened, {refused} snapshots refused, {harmless} read whole", 10_000 - opened);
    assert!(opened < 10_000 && refused > 1_000 && harmless > 500, "{opened} {refused} {harmless}");
    let mut snapshot = Snapshot::default();
    let mut reader = Reader::open(&path, Trust::default()).expect("all was put back");
    assert_eq!((reader.snapshot(&mut snapshot), sample::whole(&snapshot)), (Ok(true), 9));
}

/// Somebody who can compute a checksum: the decoder alone stands against any bytes. What it
/// accepts is a pool that can be worked with.
#[test]
fn bytes_under_a_right_checksum_never_panic() {
    let mut good = Vec::new();
    encode(&sample::snapshot(9), &mut good).expect("it fits");
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..10_000 {
        let numbers = &mut Numbers(seed);
        let mut bytes = good.clone();
        for _ in 0..1 + numbers.below(8) {
            let record = body::SERVERS + numbers.below(good.len() - body::SERVERS);
            let at = [numbers.below(body::CURRENT_SLOTS + 64), record][numbers.below(2)];
            bytes[at] = [numbers.next() as u8, 0xff, 0, 1][numbers.below(4)];
        }
        if numbers.below(8) == 0 {
            bytes.truncate(numbers.below(bytes.len()));
        }
        match decode(7, &bytes) {
            Err(_) => refused += 1,
            Ok(snapshot) => {
                accepted += 1;
                for list in [Some(&snapshot.current), snapshot.previous.as_ref()].into_iter().flatten() {
                    let pool = list.pool().expect("what is read makes a pool");
                    memcache::rules::places::home(&pool, b"key");
                    let mut again = Vec::new();
                    encode(&snapshot, &mut again).expect("what is read can be written");
                    assert_eq!(decode(7, &again).as_ref(), Ok(&snapshot), "seed {seed}: and read again");
                }
            }
        }
    }
    assert!(accepted > 100 && refused > 1_000, "{accepted} {refused}");
}

/// Found by fuzzing: a time on the clock of a boot that is not known was kept, and lost when it was written again.
#[test]
fn a_time_on_a_clock_that_is_not_known_is_the_wall_clocks_alone() {
    let mut bytes = Vec::new();
    encode(&sample::snapshot(9), &mut bytes).expect("it fits");
    bytes[body::CLOCK..body::CLOCK + 8].fill(0);
    let servers = decode(7, &bytes).expect("the rest makes sense").current.servers;
    assert!(servers.iter().all(|entry| entry.since == Stamp::of_wall_clock(9_000)), "{servers:?}");
}
