//! Files that are no table, or not one to be trusted: each is refused with words that say what to do,
//! and a reader that has a view keeps it.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::Path;

use memcache::table::layout::{FILE_BYTES, header};
use memcache::table::{Attendance, Fault, Reader, Snapshot, Trust, identity};

use super::sample;
use super::support::scratch::Scratch;

/// Why the file is refused; the message names the file and is one line for a person.
fn refused(path: &Path) -> Fault {
    let refusal = Reader::open(path, Trust::default()).expect_err("a refusal");
    let message = refusal.to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    assert!(!message.ends_with('.') && !message.contains('\n') && message.len() > 40, "{message}");
    refusal.fault
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn what_is_no_table_is_refused_and_says_why() {
    let scratch = Scratch::new();
    let path = |name: &str| scratch.path().join(name);
    let file = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes).expect("a file");
        refused(&path(name))
    };
    assert_eq!(refused(&path("missing")), Fault::Missing);
    assert_eq!(file("empty", b""), Fault::Size(0));
    assert_eq!(file("short", b"mc-table"), Fault::Size(8));
    assert_eq!(file("foreign", &vec![b'x'; FILE_BYTES]), Fault::Foreign);
    assert_eq!(file("zeros", &vec![0; FILE_BYTES]), Fault::Foreign);
    assert_eq!(refused(scratch.path()), Fault::NotRegular);
    assert_eq!(refused(Path::new("/dev/null")), Fault::NotRegular);
    let pipe = path("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o644.into(), 0).expect("a pipe");
    assert_eq!(refused(&pipe), Fault::NotRegular);
}

#[test]
fn a_table_of_another_version_or_size_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let _writer = sample::table(&path, 1);
    let file = OpenOptions::new().write(true).open(&path).expect("the table");
    file.write_all_at(&2u64.to_ne_bytes(), header::VERSION as u64).expect("a store");
    assert_eq!(refused(&path), Fault::Version(2));
    file.write_all_at(&1u64.to_ne_bytes(), header::VERSION as u64).expect("a store");
    file.write_all_at(&9u64.to_ne_bytes(), header::BOUND as u64).expect("a store");
    assert_eq!(refused(&path), Fault::Header);
    let larger = FILE_BYTES as u64 + 1;
    file.write_all_at(b"x", larger - 1).expect("a store");
    assert_eq!(refused(&path), Fault::Size(larger));
    file.set_len(4096).expect("nobody has it mapped to read");
    assert_eq!(refused(&path), Fault::Size(4096));
}

/// A file that grows under its readers is still the table that it was to them.
#[test]
fn a_growing_file_disturbs_nobody_who_has_it() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let mut writer = sample::table(&path, 1);
    let mut reader = Reader::open(&path, Trust::default()).expect("the table");
    let file = OpenOptions::new().write(true).open(&path).expect("the table");
    let mut snapshot = Snapshot::default();
    for step in 1..20 {
        file.write_all_at(&[0xff; 5000], FILE_BYTES as u64 + step * 5000).expect("a store");
        writer.publish(&sample::snapshot(step)).expect("it fits");
        assert_eq!(reader.snapshot(&mut snapshot), Ok(true));
        assert_eq!(sample::whole(&snapshot), step);
    }
    assert!(matches!(refused(&path), Fault::Size(_)), "nobody new takes it");
}

#[test]
fn a_link_is_not_followed() {
    let scratch = Scratch::new();
    let (path, link) = (scratch.path().join("table"), scratch.path().join("link"));
    let _writer = sample::table(&path, 1);
    symlink(&path, &link).expect("a link");
    assert_eq!(refused(&link), Fault::Link);
    assert!(Reader::open(&path, Trust::default()).is_ok());
}

#[test]
fn a_table_that_others_may_write_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let _writer = sample::table(&path, 1);
    for mode in [0o664, 0o646, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("our file");
        assert_eq!(refused(&path), Fault::Writable(mode));
    }
    fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("our file");
    assert!(Reader::open(&path, Trust::default()).is_ok());
}

#[test]
fn a_table_of_somebody_else_is_refused_unless_trusted() {
    if !is_root() {
        // Only root can give a file away; but somebody else's file is there for everybody.
        assert!(matches!(refused(Path::new("/etc/hostname")), Fault::Size(_)), "root is trusted");
        return;
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let _writer = sample::table(&path, 1);
    chown(&path, Some(65_534), None).expect("we are root");
    assert_eq!(refused(&path), Fault::Owner(65_534));
    assert!(Reader::open(&path, Trust::default().also(1)).is_err());
    assert!(Reader::open(&path, Trust::default().also(65_534)).is_ok());
}

#[test]
fn a_reader_keeps_its_view_when_the_file_goes_and_finds_the_next_one() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let mut writer = sample::table(&path, 1);
    let mut reader = Reader::open(&path, Trust::default()).expect("the table");
    let mut snapshot = Snapshot::default();
    assert_eq!(reader.snapshot(&mut snapshot), Ok(true));
    assert_eq!(reader.revisit(), Ok(false));
    assert!(writer.is_in_place());
    fs::remove_file(&path).expect("our file");
    assert!(!writer.is_in_place(), "the writer can notice, and make another one");
    assert_eq!(reader.revisit().expect_err("it is gone").fault, Fault::Missing);
    writer.publish(&sample::snapshot(2)).expect("it fits");
    assert_eq!(reader.snapshot(&mut snapshot), Ok(true), "it is the same memory, whatever its name");
    assert_eq!(sample::whole(&snapshot), 2);

    let lock = writer.resign();
    let settings = memcache::table::Settings::default();
    let next = memcache::table::Writer::create(lock, &settings, &sample::snapshot(3)).expect("a table");
    let _next = sample::attended(next);
    assert_eq!(reader.snapshot(&mut snapshot), Ok(false), "nobody could retire what has no name");
    assert_eq!(reader.attendance(identity::boot_millis()), Attendance::Resigned);
    assert_eq!((reader.revisit(), reader.snapshot(&mut snapshot)), (Ok(true), Ok(true)));
    assert_eq!(sample::whole(&snapshot), 3);
    assert!(reader.attended(identity::boot_millis()));
}
