//! The writer: one at a time, on a disk that is full or not writable, and its heartbeat.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use memcache::rules::pool::{Options, Pool, Server};
use memcache::rules::time::Instant;
use memcache::rules::view::{Meta, ServerView, State};
use memcache::table::layout::ROOM;
use memcache::table::{
    Attendance, Fault, List, Lock, Reader, Settings, Snapshot, Trust, Writer, encode, identity,
};

use super::lines::{self, Process};
use super::sample;
use super::support::scratch::Scratch;
use super::support::wait;

/// Only the files of a table that works: nothing half made is left.
fn assert_tidy(directory: &Path) {
    let names =
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names.retain(|name| name != "table" && name != "table.lock");
    assert_eq!(names, [""; 0]);
}

fn number_at(path: &Path) -> u64 {
    let mut snapshot = Snapshot::default();
    let mut reader = Reader::open(path, Trust::default()).expect("a table");
    reader.snapshot(&mut snapshot).expect("a snapshot");
    sample::whole(&snapshot)
}

#[test]
fn a_pool_and_its_views_come_back_as_they_were() {
    let servers = ["127.0.0.1:1", "[::1]:2", "unix:/run/x y.sock", "host.example:4"].map(|address| Server {
        name: address.replace(' ', "-"),
        address: address.parse().expect("an address"),
        weight: 3,
        backup: None,
    });
    let mut servers = servers.to_vec();
    memcache::rules::pool::pair_up(&mut servers);
    let pool = Pool::new("sessions", Options { backups: true, ..Options::default() }, servers);
    let views =
        [(State::Steady, Meta::Yes, 7), (State::Returned, Meta::No, 1), (State::Down, Meta::Unknown, 0)].map(
            |(state, meta, incarnation)| ServerView {
                state,
                meta,
                incarnation,
                held_back: state == State::Down,
                unreachable: false,
                since: Instant(0),
            },
        );
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let written = Snapshot { current: List::new(&pool, &views, 5), ..Snapshot::default() };
    let lock = Lock::take(&path).expect("ours");
    let _writer = Writer::create(lock, &Settings::default(), &written).expect("a table");
    let mut read = Snapshot::default();
    let mut reader = Reader::open(&path, Trust::default()).expect("a table");
    assert_eq!(reader.snapshot(&mut read), Ok(true));
    let again = read.current.pool().expect("a pool");
    assert_eq!(
        (again.servers(), again.slots(), &again.options),
        (pool.servers(), pool.slots(), &pool.options)
    );
    assert_eq!(again.name, "sessions");
    let seen: Vec<_> = read.current.views().collect();
    assert_eq!((&seen[..3], seen[3]), (&views[..], ServerView::default()));
}

#[test]
fn what_has_no_place_is_refused_and_nothing_changes() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let mut writer = sample::table(&path, 1);
    let spoilt: [fn(&mut List); 7] = [
        |list| list.slots.push(memcache::rules::pool::ServerId(99)),
        |list| list.servers[0].server.backup = Some(memcache::rules::pool::ServerId(99)),
        |list| list.servers[0].server.name.clear(),
        |list| list.servers[0].server.name = "n".repeat(65),
        |list| list.name = "two\nlines".into(),
        |list| list.options.window = Duration::MAX,
        |list| list.slots = vec![memcache::rules::pool::ServerId(0); ROOM + 1],
    ];
    for spoil in spoilt {
        let mut snapshot = sample::snapshot(2);
        spoil(&mut snapshot.current);
        assert!(matches!(writer.publish(&snapshot), Err(Fault::Content(_))));
        assert_eq!((number_at(&path), writer.generation()), (1, 1));
    }
    let mut full = sample::snapshot(2);
    full.current = sample::list(1, ROOM as u64);
    full.current.slots.truncate(ROOM);
    full.previous = Some(full.current.clone());
    full.current.servers[0].reason = format!("{}\n\u{20ac}", "long ".repeat(40));
    assert_eq!(writer.publish(&full), Ok(2), "the fullest table there is");
    let mut read = Snapshot::default();
    Reader::open(&path, Trust::default()).expect("a table").snapshot(&mut read).expect("a snapshot");
    assert_eq!(read.current.servers[0].reason, "long ".repeat(24), "cut to fit");
    assert_eq!((read.current.servers.len(), &read.previous), (ROOM, &full.previous));
    full.current.servers.push(full.current.servers[0].clone());
    assert!(encode(&full, &mut Vec::new()).is_err());
}

#[test]
fn a_second_writer_is_refused_and_told_who_has_it() {
    if let Some(path) = lines::errand() {
        let error = Lock::take(Path::new(&path)).expect_err("another process has it");
        println!("said: {error}");
        return;
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let writer = sample::table(&path, 1);
    let test = "writing::a_second_writer_is_refused_and_told_who_has_it";
    let child = Process::start(lines::command(test, path.to_str().expect("UTF-8")));
    let said = child.succeed();
    assert!(said.contains(&format!("already has a writer, process {};", std::process::id())), "{said}");
    assert!(Lock::take(&path).is_err(), "nor may this process twice");
    assert_eq!(number_at(&path), 1);
    drop(writer);
    let lock = Lock::take(&path).expect("it was given back");
    fs::remove_file(path.with_extension("lock")).expect("the lock file");
    drop(lock);
    let _lock = Lock::take(&path).expect("a new one");
}

#[test]
fn a_table_that_replaces_another_is_followed() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let mut writer = sample::table(&path, 1);
    writer.publish(&sample::snapshot(2)).expect("it fits");
    let mut reader = Reader::open(&path, Trust::default()).expect("a table");
    let mut snapshot = Snapshot::default();
    assert_eq!(reader.snapshot(&mut snapshot), Ok(true));
    let lock = writer.resign();
    assert_eq!(reader.attendance(identity::boot_millis()), Attendance::Resigned);
    assert_eq!(reader.snapshot(&mut snapshot), Ok(false), "a table whose writer ended stays usable");
    let settings = Settings { mode: 0o640, ..Settings::default() };
    let next = sample::attended(Writer::create(lock, &settings, &sample::snapshot(3)).expect("a table"));
    assert_eq!(fs::metadata(&path).expect("the table").mode() & 0o7777, 0o640);
    assert_eq!((reader.snapshot(&mut snapshot), sample::whole(&snapshot)), (Ok(true), 3));
    assert_eq!(snapshot.generation, 3, "generations go on");
    assert!(reader.attended(identity::boot_millis()));

    // Retired, and the next one is not there: it is told once, and the view stays.
    drop(next);
    let hidden = scratch.path().join("table.lock.hidden");
    let _last = sample::table(&path, 4);
    fs::rename(&path, &hidden).expect("our file");
    assert_eq!(reader.snapshot(&mut snapshot).expect_err("gone").fault, Fault::Missing);
    assert_eq!((reader.snapshot(&mut snapshot), sample::whole(&snapshot)), (Ok(false), 3));
    assert_eq!(reader.attendance(identity::boot_millis()), Attendance::Unreadable);
    fs::rename(&hidden, &path).expect("our file");
    assert_eq!((reader.revisit(), reader.snapshot(&mut snapshot)), (Ok(true), Ok(true)));
    assert_eq!(sample::whole(&snapshot), 4);
    assert_tidy(scratch.path());
}

/// The bound of a table when its maker chose none.
const BOUND: u64 = 400;

/// What readers find around the bound of a beat at `at`.
fn assert_told(reader: &Reader, at: u64, within: Attendance) {
    for (now, expected) in [
        (at, within),
        (at + BOUND, within),
        (at + BOUND + 1, Attendance::Silent(BOUND + 1)),
        (at - BOUND, within),
        (at - BOUND - 1, Attendance::OtherClock),
        (u64::MAX, Attendance::Silent(u64::MAX - at)),
        (0, Attendance::OtherClock),
    ] {
        assert_eq!(reader.attendance(now), expected);
        assert_eq!(reader.attended(now), expected == Attendance::Attended);
        assert!(expected.to_string().contains("attended"));
    }
}

#[test]
fn attendance_ends_at_the_bound() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let mut writer = sample::table(&path, 1);
    let reader = Reader::open(&path, Trust::default()).expect("a table");
    assert_eq!(reader.header().bound, BOUND);
    assert_eq!(Settings::default().beat(), Duration::from_millis(BOUND / 10));
    let mut at = 5_000_000_000_000;
    let settling = writer.beat(at).expect_err("far behind the beat of its making");
    assert_told(&reader, at, Attendance::Settling);
    assert_eq!(writer.attend(settling, at), Ok(()));
    assert_told(&reader, at, Attendance::Attended);
    for (pause, kept) in [(BOUND / 10, true), (BOUND, true), (BOUND + 1, false), (BOUND / 10, true)] {
        at += pause;
        let before = writer.is_settling();
        assert_eq!(writer.beat(at).is_ok(), kept, "a writer learns that it was missed");
        assert_eq!(writer.is_settling(), before || !kept, "and no beat makes it attended again");
        assert_told(
            &reader,
            at,
            if writer.is_settling() { Attendance::Settling } else { Attendance::Attended },
        );
    }
    assert!(!reader.writer_is_gone());
}

#[test]
fn only_an_unbroken_settling_leads_to_attendance() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let lock = Lock::take(&path).expect("nobody has it");
    let mut writer = Writer::create(lock, &Settings::default(), &sample::snapshot(1)).expect("a table");
    let reader = Reader::open(&path, Trust::default()).expect("a table");
    assert_eq!(reader.attendance(identity::boot_millis()), Attendance::Settling, "so every table begins");

    let mut at = 5_000_000_000_000;
    let settling = writer.settle(at);
    at += BOUND;
    assert_eq!(writer.beat(at), Ok(()), "it can take long");
    at += BOUND;
    assert_eq!(writer.attend(settling, at), Ok(()));
    assert_eq!(reader.attendance(at), Attendance::Attended);

    let settling = writer.settle(at);
    assert_eq!(reader.attendance(at), Attendance::Settling);
    at += BOUND + 1;
    let anew = writer.attend(settling, at).expect_err("it was silent meanwhile");
    assert_eq!(reader.attendance(at), Attendance::Settling);
    assert_eq!(writer.attend(anew, at), Ok(()));

    let missed = writer.settle(at);
    at += 5_000;
    let newer = writer.beat(at).expect_err("it was silent meanwhile");
    let newest = writer.attend(missed, at).expect_err("what it read is too old");
    let newest_of_all = writer.attend(newer, at).expect_err("another one was begun");
    assert_eq!(reader.attendance(at), Attendance::Settling);
    drop(newest);
    assert_eq!(writer.attend(newest_of_all, at), Ok(()));
    assert_eq!(reader.attendance(at), Attendance::Attended);
}

/// A limit on file sizes stands for a full disk: the same write fails at the same place.
#[test]
fn a_full_disk_is_told_and_the_old_table_stays() {
    if let Some(path) = lines::errand() {
        let lock = Lock::take(Path::new(&path)).expect("nobody has it");
        let error = Writer::create(lock, &Settings::default(), &sample::snapshot(2)).expect_err("no room");
        println!("said: {error}");
        return;
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    drop(sample::table(&path, 1));
    for limit in [0, 4_096, 1_000_000, 8_000_000] {
        let test = "writing::a_full_disk_is_told_and_the_old_table_stays";
        let mut command = lines::command(test, path.to_str().expect("UTF-8"));
        // SAFETY: between fork and exec only signal and setrlimit are called, which are async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
                match libc::setrlimit(libc::RLIMIT_FSIZE, &limit) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let mut child = Process::start(command);
        let status = wait::until("the child ends", || child.ended());
        let said = child.said();
        if limit > 0 {
            assert!(status.success(), "{said}");
            assert!(said.contains("cannot make the table") && said.contains("File too large"), "{said}");
        } else {
            assert!(said.contains("cannot lock the table") && said.contains("File too large"), "{said}");
        }
        assert_eq!(number_at(&path), 1, "the old one stays");
        assert_tidy(scratch.path());
    }
}

#[test]
fn an_unwritable_place_is_told() {
    let scratch = Scratch::new();
    let missing = scratch.path().join("nowhere/table");
    let error = Lock::take(&missing).expect_err("no directory").to_string();
    assert!(error.contains("nowhere/table.lock") && error.contains("No such file"), "{error}");
    // Where even root cannot make a file.
    let error = Lock::take(Path::new("/proc/table")).expect_err("not a place for files").to_string();
    assert!(error.contains("/proc/table.lock"), "{error}");

    let path = scratch.path().join("table");
    for (text, says) in [(&b"[pool]\n"[..], "not a memcache table"), (&[b'x'; 5_000], "not a memcache table")]
    {
        fs::write(&path, text).expect("a file");
        let lock = Lock::take(&path).expect("ours");
        let error = Writer::create(lock, &Settings::default(), &sample::snapshot(1)).expect_err("in the way");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(fs::read(&path).expect("a file"), text, "nobody's file is replaced");
    }
    fs::remove_file(&path).expect("our file");
    for settings in [
        Settings { mode: 0o666, ..Settings::default() },
        Settings { bound: Duration::ZERO, ..Settings::default() },
        Settings { bound: Duration::MAX, ..Settings::default() },
    ] {
        let lock = Lock::take(&path).expect("ours");
        let error = Writer::create(lock, &settings, &sample::snapshot(1)).expect_err("cannot be meant");
        assert!(error.to_string().contains("it is "), "{error}");
        assert!(!path.exists());
        assert_tidy(scratch.path());
    }
}

/// Root may write everywhere, so root's child becomes somebody who may not.
#[test]
fn a_directory_that_is_not_writable_is_told() {
    if let Some(path) = lines::errand() {
        println!("said: {}", Lock::take(Path::new(&path)).expect_err("no permission"));
        return;
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o555)).expect("our directory");
    let test = "writing::a_directory_that_is_not_writable_is_told";
    if rustix::process::geteuid().is_root() {
        let mut command = lines::command(test, path.to_str().expect("UTF-8"));
        command.uid(65_534).gid(65_534);
        let said = Process::start(command).succeed();
        assert!(said.contains("cannot lock the table") && said.contains("Permission denied"), "{said}");
    } else {
        let error = Lock::take(&path).expect_err("no permission").to_string();
        assert!(error.contains("Permission denied"), "{error}");
    }
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).expect("our directory");
}
