//! Files that name another boot of the machine: on a disk they are from before it, in memory they cannot be. In a container of
//! systemd-nspawn or LXC two processes can see two ids of the same boot.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memcache::table::layout::header;
use memcache::table::stripes::layout::header as stripes_header;
use memcache::table::{Attendance, Fault, Lock, Reader, Stripes, StripesSettings, Trust, identity};

use super::sample;
use super::support::scratch::Scratch;

/// Names another boot in a header, with a checksum that is right.
fn of_another_boot(path: &Path, boot: usize, checksum: usize) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("the file");
    let mut bytes = vec![0; checksum];
    file.read_exact_at(&mut bytes, 0).expect("the header");
    bytes[boot] ^= 1;
    file.write_all_at(&bytes, 0).expect("a store");
    let sum = u64::from(crc32fast::hash(&bytes));
    file.write_all_at(&sum.to_ne_bytes(), checksum as u64).expect("a store");
}

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
    of_another_boot(&path, header::BOOT, header::CHECKSUM);
    of_another_boot(&stripes_path, stripes_header::BOOT, stripes_header::CHECKSUM);

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
