//! Files that name another boot of the machine: on a disk they are from before it, in memory they cannot be. In a container of
//! systemd-nspawn or LXC two processes can see two ids of the same boot.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use memcache::table::layout::header;
use memcache::table::stripes::layout::{EPOCHS_AT, header as stripes_header};
use memcache::table::{Attendance, Epoch, Fault, Lock, Reader, Stripes, StripesSettings, Trust, identity};

use super::sample;
use super::support::boots::of_another_boot;
use super::support::scratch::Scratch;

/// How the table and the stripes of another boot's id look, in a folder; and whether a daemon makes new stripes.
fn looked_at(folder: &Path) -> (Attendance, bool, Result<(), Fault>, bool) {
    let scratch = Scratch::within(folder);
    let path = scratch.path().join("table");
    let stripes_path = Stripes::path_for(&path);
    let lock = Lock::take(&path).expect("nobody has it");
    drop(Stripes::create(&lock, &StripesSettings::default()).expect("a stripes file"));
    drop(lock);
    let mut writer = sample::table(&path, 1);
    let now = identity::boot_millis();
    let settling = writer.settle(now);
    writer.attend(settling, now).expect("it was not missed");
    of_another_boot(&path, &[header::BOOT], header::CHECKSUM);
    of_another_boot(&stripes_path, &[stripes_header::BOOT], stripes_header::CHECKSUM);

    let reader = Reader::open(&path, Trust::default()).expect("a table");
    let stripes = Stripes::open(&path, &Trust::default());
    let stripes = stripes.map(drop).map_err(|refusal| refusal.fault);
    let seen = (reader.attendance(now), reader.writer_is_gone());
    drop(writer);
    let lock = Lock::take(&path).expect("nobody has it");
    let next = Stripes::create(&lock, &StripesSettings::default()).expect("a stripes file");
    (seen.0, seen.1, stripes, next.is_new())
}

#[test]
fn on_a_disk_another_boots_files_are_not_used() {
    let looked = looked_at(Path::new(env!("CARGO_TARGET_TMPDIR")));
    assert_eq!(looked, (Attendance::EarlierBoot, true, Err(Fault::OtherBoot), true));
}

#[test]
fn in_memory_files_are_of_this_boot_whatever_they_name() {
    assert_eq!(looked_at(Path::new("/dev/shm")), (Attendance::Attended, false, Ok(()), false));
}

/// Servers of other machines go on while this one starts: what they owe outlives its boot. Whose turn it was does not.
#[test]
fn the_next_file_has_the_epochs_of_one_of_another_boot_or_clock_and_nothing_else() {
    const WORDS: [usize; 2] = [stripes_header::BOOT, stripes_header::CLOCK];
    let scratch = Scratch::within(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let path = scratch.path().join("table");
    let place = Stripes::path_for(&path);
    let lock = Lock::take(&path).expect("nobody has it");
    let create = || Arc::new(Stripes::create(&lock, &StripesSettings::default()).expect("a stripes file"));
    let take = |stripes: &Stripes, hash, until| {
        stripes.take(hash, until, 1, identity::boot_millis).map(std::mem::forget)
    };
    let mut stripes = create();
    stripes.make_odd(7, Epoch::new(0)).expect("it is even");
    stripes.set(4_095, Epoch::new(6)).expect("it is smaller");
    let damaged = OpenOptions::new().write(true).open(&place).expect("the file");
    damaged.write_all_at(&[9; 8], EPOCHS_AT as u64 + 8 * 9).expect("a store");
    for (hash, word) in (1..).zip(WORDS) {
        let now = identity::boot_millis();
        take(&stripes, hash, now + 60_000).expect("a turn");
        take(&stripes, hash, now + 20).expect_err("somebody has it");
        let keeper = stripes.open_journal(7, Epoch::new(1)).expect("a free one");
        std::mem::forget(keeper);
        assert!(stripes.is_noted(7, Epoch::new(1)));
        of_another_boot(&place, &[word], stripes_header::CHECKSUM);
        let next = create();
        assert!(next.is_new() && next.id() != stripes.id());
        assert!(next.goes_on_from(stripes.id()) && next.goes_on_from(next.id()) && !next.goes_on_from(0));
        let epochs = [7, 4_095, 8].map(|slot| next.epoch(slot).map(Epoch::number));
        assert_eq!((epochs, next.epoch(9)), ([Ok(1), Ok(6), Ok(0)], Err(Fault::Epoch(9))));
        take(&next, hash, now + 60_000).expect("nobody has it");
        assert!(!next.is_noted(7, Epoch::new(1)), "there are no journals");
        let again = create();
        assert!(!again.is_new() && again.id() == next.id() && again.epoch(7) == Ok(Epoch::new(1)));
        stripes = again;
    }
    // One that anybody may have written to is nobody's word, of whatever boot.
    std::fs::set_permissions(&place, Permissions::from_mode(0o662)).expect("our file");
    of_another_boot(&place, &WORDS, stripes_header::CHECKSUM);
    let next = create();
    assert!(next.is_new() && !next.goes_on_from(stripes.id()));
    assert_eq!(next.epoch(7), Ok(Epoch::new(0)));
}
