//! The stripes file: made once, used again, refused when it is no such file; its epochs; and 10,000
//! corruptions of it.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use memcache::table::stripes::layout::{EPOCHS, EPOCHS_AT, FILE_BYTES, STRIPES, STRIPES_AT, header};
use memcache::table::stripes::word::{Owner, Word};
use memcache::table::{Epoch, Fault, Lock, Stands, Stripes, StripesSettings, Trust, identity};

use super::lines::{self, Process};
use super::numbers::Numbers;
use super::support::scratch::Scratch;

fn place(scratch: &Scratch) -> (PathBuf, Lock) {
    let path = scratch.path().join("table");
    let lock = Lock::take(&path).expect("nobody has it");
    (path, lock)
}

fn me() -> u64 {
    u64::from(std::process::id())
}

fn create(lock: &Lock) -> Stripes {
    Stripes::create(lock, &StripesSettings::default()).expect("a stripes file")
}

fn refused(table: &Path) -> Fault {
    let refusal = Stripes::open(table, &Trust::default()).expect_err("a refusal");
    let message = refusal.to_string();
    let path = Stripes::path_for(table);
    assert!(message.starts_with(&format!("the stripes file {}: ", path.display())), "{message}");
    assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
    refusal.fault
}

fn raw(table: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(Stripes::path_for(table)).expect("the stripes file")
}

fn store(file: &File, at: usize, value: u64) {
    file.write_all_at(&value.to_ne_bytes(), at as u64).expect("a store");
}

/// Changes a word of the header, with a checksum that is right.
fn forge(file: &File, at: usize, value: u64) {
    store(file, at, value);
    let mut bytes = [0; header::CHECKSUM];
    file.read_exact_at(&mut bytes, 0).expect("the header");
    store(file, header::CHECKSUM, u64::from(crc32fast::hash(&bytes)));
}

#[test]
fn a_good_file_is_used_again_and_nobody_loses_a_stripe_or_an_epoch() {
    let scratch = Scratch::new();
    let (path, lock) = place(&scratch);
    assert_eq!(refused(&path), Fault::Missing);
    let first = create(&lock);
    assert!(first.is_new() && first.is_in_place() && first.id() != 0);
    let file = fs::metadata(Stripes::path_for(&path)).expect("the file");
    assert_eq!((file.mode() & 0o7777, file.len()), (0o660, FILE_BYTES as u64));
    assert!(file.blocks() * 512 >= FILE_BYTES as u64, "no holes");
    let held = first.take(1, identity::boot_millis() + 60_000, me(), identity::boot_millis).expect("a turn");
    first.make_odd(7, Epoch::new(0)).expect("it is even");

    let settings = StripesSettings { mode: 0o600, ..StripesSettings::default() };
    let second = Stripes::create(&lock, &settings).expect("the same");
    assert!(!second.is_new() && second.id() == first.id());
    let file = fs::metadata(Stripes::path_for(&path)).expect("the file");
    assert_eq!(file.mode() & 0o7777, 0o600, "as it is configured now");
    assert_eq!(second.epoch(7), Ok(Epoch::new(1)));
    let now = identity::boot_millis();
    second.take(1, now + 20, me(), identity::boot_millis).expect_err("held");
    assert!(held.still_ours());

    fs::remove_file(Stripes::path_for(&path)).expect("our file");
    assert!(!second.is_in_place());
    let third = create(&lock);
    assert!(third.is_new() && third.id() != first.id());
    assert!(!scratch.path().join("table.stripes.new").exists());
}

#[test]
fn what_is_no_stripes_file_is_refused_and_says_why() {
    let scratch = Scratch::new();
    let (path, lock) = place(&scratch);
    let place = Stripes::path_for(&path);
    let damages: [(usize, u64, Fault); 5] = [
        (header::MAGIC, 1, Fault::StripesForeign),
        (header::VERSION, 9, Fault::StripesVersion(9)),
        (header::FILE_BYTES, 9, Fault::StripesSize(9)),
        (header::CLOCK, 9, Fault::OtherClock),
        (header::ID, 0, Fault::Header),
    ];
    let mut id = create(&lock).id();
    for (at, value, fault) in damages {
        forge(&raw(&path), at, value);
        assert_eq!(refused(&path), fault);
        let next = create(&lock);
        assert!(next.is_new() && next.id() != id, "the daemon makes a new one");
        id = next.id();
    }
    store(&raw(&path), header::CREATED, 9);
    assert_eq!(refused(&path), Fault::Header);
    raw(&path).set_len(FILE_BYTES as u64 + 8).expect("our file");
    assert_eq!(refused(&path), Fault::StripesSize(FILE_BYTES as u64 + 8));
    assert!(create(&lock).is_new());
    fs::set_permissions(&place, Permissions::from_mode(0o662)).expect("our file");
    assert_eq!(refused(&path), Fault::Public(0o662));
    assert!(create(&lock).is_new(), "anybody may have written to it");

    fs::write(&place, "somebody's").expect("a file");
    assert_eq!(refused(&path), Fault::StripesSize(10));
    let error = Stripes::create(&lock, &StripesSettings::default()).expect_err("in the way").to_string();
    assert!(error.contains("table.stripes") && error.contains("move it away"), "{error}");
    assert_eq!(fs::read(&place).expect("the file"), b"somebody's");
    fs::rename(&place, scratch.path().join("x")).expect("our file");
    symlink("x", &place).expect("a link");
    assert_eq!(refused(&path), Fault::Link);
    Stripes::create(&lock, &StripesSettings::default()).expect_err("in the way");
    fs::remove_file(&place).expect("our link");
    fs::create_dir(&place).expect("a directory");
    assert!(matches!(refused(&path), Fault::NotRegular | Fault::File(..)));
    for mode in [0o662, 0o060, 0o4660] {
        let settings = StripesSettings { mode, owner: None };
        assert!(Stripes::create(&lock, &settings).expect_err("no").to_string().contains("0600 or 0660"));
    }
}

/// Root may write everywhere, so root's child becomes somebody who may not.
#[test]
fn who_may_not_write_is_told() {
    let test = "stripes::who_may_not_write_is_told";
    if let Some(path) = lines::errand() {
        assert_eq!(refused(Path::new(&path)), Fault::Denied);
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = Scratch::new();
    let (path, lock) = place(&scratch);
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).expect("our directory");
    let stripes = create(&lock);
    let mut command = lines::command(test, path.to_str().expect("UTF-8"));
    command.uid(65_534).gid(65_534);
    Process::start(command).succeed();
    let settings = StripesSettings { mode: 0o660, owner: Some((65_534, 65_534)) };
    let again = Stripes::create(&lock, &settings).expect("the same");
    assert_eq!(again.id(), stripes.id());
    let file = fs::metadata(Stripes::path_for(&path)).expect("the file");
    assert_eq!((file.uid(), file.gid()), (65_534, 65_534));
    assert_eq!(refused(&path), Fault::Owner(65_534));
}

#[test]
fn epochs_grow_by_agreement() {
    let scratch = Scratch::new();
    let (path, lock) = place(&scratch);
    let (one, two) = (create(&lock), Stripes::open(&path, &Trust::default()).expect("the file"));
    let [zero, first, second, fourth] = [0, 1, 2, 4].map(Epoch::new);
    let mut changes = one.changes();
    let mut changed = |stripes: &Stripes| {
        let before = std::mem::replace(&mut changes, stripes.changes());
        stripes.changes() > before
    };
    assert_eq!((one.epoch(3), zero.usable(), first.is_odd()), (Ok(zero), true, true));
    assert_eq!(one.make_odd(3, zero), Ok(()));
    assert!(changed(&two) && !changed(&two));
    assert_eq!(two.make_odd(3, zero), Err(Stands::Epoch(first)), "the second one learns of the first");
    assert_eq!(two.make_odd(3, first), Err(Stands::Epoch(first)));
    assert_eq!(two.restarted(3, first), Err(Stands::Epoch(first)));
    assert!(changed(&one));
    assert_eq!(two.make_even(3, first), Ok(()));
    assert_eq!(two.make_even(3, second), Err(Stands::Epoch(second)));
    assert!(changed(&one));
    assert_eq!(one.restarted(3, second), Ok(()));
    assert!(changed(&two));
    assert_eq!((two.epoch(3), two.epoch(2)), (Ok(fourth), Ok(zero)));
    assert_eq!(one.set(3, first), Err(Stands::Epoch(fourth)), "no way back");
    assert_eq!((one.set(3, fourth), one.set(3, Epoch::new(1 << 40))), (Ok(()), Ok(())));
    assert!(changed(&two));
    one.pass_on();
    assert!(changed(&two));

    let last = EPOCHS as u16;
    assert_eq!(one.epoch(last - 1), Ok(zero));
    assert_eq!(one.epoch(last), Err(Fault::Epoch(last)));
    assert_eq!(one.make_odd(last, zero), Err(Stands::Nothing(Fault::Epoch(last))));
    store(&raw(&path), EPOCHS_AT + 8 * 5, 0);
    assert_eq!(one.epoch(5), Err(Fault::Epoch(5)));
    assert_eq!(one.make_odd(5, zero), Err(Stands::Nothing(Fault::Epoch(5))));
    assert_eq!((one.set(5, second), one.epoch(5)), (Ok(()), Ok(second)), "the daemon mends it");
}

/// Whatever stands in a stripe's word, nobody waits for longer than he wants to.
#[test]
fn a_hostile_word_keeps_nobody_for_longer_than_his_own_deadline() {
    let scratch = Scratch::new();
    let (path, lock) = place(&scratch);
    let (stripes, file) = (create(&lock), raw(&path));
    let at = STRIPES_AT + 8 * 9;
    let now = identity::boot_millis();
    let alive = Owner::new(std::process::id(), 1);
    let foreign = Owner::new(0x3f_ffff, 0x1ff);
    for (word, taken) in [
        (Word::held(alive, now + 200_000), false),
        (Word::held(foreign, now + 200_000), false),
        (Word::held(alive, now + 400_000), true),
        (Word::held(foreign, now + 400_000).awaited(), true),
        (Word::held(alive, now.wrapping_sub(1)), true),
        (Word::held(alive, now + (1 << 31)), true),
        (Word::HANDED_ON, true),
        (Word(u64::MAX), true),
        (Word(0xffff_ffff), true),
    ] {
        store(&file, at, word.0);
        let clock = Cell::new(now);
        let ticking = || {
            clock.set(clock.get() + 1);
            clock.get()
        };
        assert_eq!(stripes.take(9, now + 50, me(), ticking).is_ok(), taken, "{word:x?}");
        assert!(clock.get() <= now + 52, "{word:x?}");
    }
}

#[test]
fn ten_thousand_corruptions_and_never_an_endless_wait() {
    let scratch = Scratch::new();
    let (path, lock) = place(&scratch);
    drop(create(&lock));
    let file = raw(&path);
    let mut good = vec![0; FILE_BYTES];
    file.read_exact_at(&mut good, 0).expect("all of it");
    let (mut opened, mut taken, mut overdue, mut wrong) = (0, 0, 0, 0);
    for seed in 0..10_000 {
        let numbers = &mut Numbers(seed);
        let (slot, stripe) = (numbers.below(EPOCHS), numbers.below(STRIPES));
        let mut undo = Vec::new();
        for _ in 0..1 + numbers.below(3) {
            let somewhere = [
                numbers.below(header::CHANGES + 8),
                header::SIZE + numbers.below(64),
                EPOCHS_AT + 8 * slot + numbers.below(8),
                STRIPES_AT + 8 * stripe,
                numbers.below(FILE_BYTES),
            ];
            let at = somewhere[numbers.below(5)];
            let length = [1, 4, 8, 64][numbers.below(4)].min(FILE_BYTES - at);
            let kind = numbers.below(3);
            let bytes: Vec<u8> = (0..length).map(|_| [numbers.next() as u8, 0, 0xff][kind]).collect();
            file.write_all_at(&bytes, at as u64).expect("a store");
            undo.push((at, length));
        }
        if let Ok(stripes) = Stripes::open(&path, &Trust::default()) {
            opened += 1;
            let epoch = stripes.epoch(slot as u16);
            wrong += usize::from(epoch.is_err());
            let _ = stripes.make_odd(slot as u16, epoch.unwrap_or_default());
            stripes.changes();
            let clock = Cell::new(identity::boot_millis());
            let deadline = clock.get() + 20;
            let ticking = || clock.replace(clock.get() + 1);
            match stripes.take(stripe as u32, deadline, me(), ticking) {
                Ok(held) => taken += usize::from(held.still_ours()),
                Err(_) => overdue += 1,
            }
            undo.extend([(STRIPES_AT + 8 * stripe, 8), (EPOCHS_AT + 8 * slot, 8)]);
        }
        for (at, length) in undo {
            file.write_all_at(&good[at..][..length], at as u64).expect("a store");
        }
    }
    println!("of 10,000: {opened} opened, {taken} turns, {overdue} overdue, {wrong} damaged epochs");
    assert!(opened > 5_000 && opened < 10_000 && wrong > 500, "{opened} {wrong}");
    assert_eq!(taken + overdue, opened);
}
