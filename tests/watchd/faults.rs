//! What is wrong with the daemon's files: told in words, nothing half-made left behind, and a daemon that runs goes on.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use memcache::rules::view::State;
use memcache::table::stripes::layout::{EPOCHS_AT, FILE_BYTES};
use memcache::table::{Attendance, Notice, Stripes, notice};

use crate::daemon::{Files, Watchd};
use crate::support::server::Memcached;
use crate::support::wait;

const QUICK: &str = "interval = \"50ms\"";

/// Neither an unfinished file nor a socket is left.
fn assert_tidy(files: &Files) {
    for entry in fs::read_dir(files.scratch.path()).expect("the directory") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        assert!(!name.ends_with(".table.new") && !name.ends_with(".stripes.new"), "{name} is left");
        assert!(!name.ends_with(".sock"), "{name} is left");
    }
}

/// It cannot begin: it says why, with the status for that.
fn refuses(mut watchd: Watchd, why: &[&str]) {
    assert_eq!(watchd.status().code(), Some(1), "{}", watchd.said());
    let said = watchd.said();
    assert!(why.iter().all(|why| said.contains(why)), "{why:?} in:\n{said}");
}

/// No file may be longer from now on: for who writes to it that is a full disk. `pid` 0: this process.
fn limit_files(pid: libc::pid_t, length: u64) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: length, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` lives as long as the call, and the old limit is not asked for.
    match unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn limit(watchd: &Watchd, length: u64) {
    limit_files(watchd.pid() as libc::pid_t, length).expect("a child of ours");
}

fn on_a_disk_of(files: &Files, length: u64) -> Watchd {
    Watchd::spawn_as(files, |command: &mut Command| {
        // SAFETY: between fork and exec only prlimit is called, which is a bare system call.
        unsafe {
            command.pre_exec(move || limit_files(0, length));
        }
    })
}

#[test]
fn a_disk_that_is_full_when_it_begins_is_told() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], QUICK);
    for length in [8_192, 8_000_000] {
        refuses(on_a_disk_of(&files, length), &["cannot make the ", "File too large"]);
        assert!(!files.table.exists());
        assert_tidy(&files);
    }
    // And where there was a table, it stays as it was.
    Watchd::start(&files).kill();
    let before = files.look().expect("a table").1;
    fs::remove_file(notice::socket_path(&files.table)).expect("a killed daemon's");
    refuses(on_a_disk_of(&files, 8_000_000), &["cannot make the table", "File too large"]);
    assert_eq!(files.look().expect("a table").1, before);
    assert_tidy(&files);
}

#[test]
fn a_disk_that_is_full_when_files_are_to_be_made_anew_is_told_once() {
    let mut server = Memcached::without_lists();
    let files = Files::new(&[server.address()], QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(1);
    limit(&watchd, 1_000_000);
    fs::remove_file(&files.table).expect("the daemon's table");
    watchd.wait_to_say("; clients judge by themselves until that is mended");
    watchd.wait_to_say("; as before");
    assert_tidy(&files);
    server.restart();
    limit(&watchd, libc::RLIM_INFINITY);
    files.wait_for(0, State::Returned);
    let said = watchd.said();
    assert_eq!(said.matches("; clients judge").count(), 1, "{said}");
    assert!(notice::send(&files.table, &Notice::Reload), "and its socket is there again");
}

#[test]
fn files_whose_permissions_cannot_change_for_want_of_room_stay_in_use() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(1);
    let before = fs::metadata(&files.table).expect("a table").ino();
    limit(&watchd, 1_000_000);
    let text = fs::read_to_string(&files.pool).expect("the pool file");
    files.write_text(&text.replace("[watch]\n", "[watch]\nmode = \"0600\"\n"));
    watchd.wait_to_say("; the files keep the permissions they have until that is mended");
    watchd.wait_to_say("; as before");
    assert_eq!(files.look().expect("a table").0, Attendance::Attended);
    assert_eq!(fs::metadata(&files.table).expect("a table").ino(), before);
    limit(&watchd, libc::RLIM_INFINITY);
    wait::until("a table with the other permissions", || {
        let now = fs::metadata(&files.table).ok()?;
        (now.ino() != before && now.permissions().mode() & 0o777 == 0o600).then_some(())
    });
    files.wait_for(0, State::Steady);
    assert_eq!(watchd.said().matches("; the files keep the permissions").count(), 1, "{}", watchd.said());
}

/// Root may write everywhere, so root's daemon becomes somebody who may not.
#[test]
fn a_directory_that_it_may_not_write_to_is_told() {
    let files = Files::new(&["127.0.0.1:1".to_owned()], QUICK);
    let program = files.scratch.path().join("memcache-watchd");
    fs::copy(env!("CARGO_BIN_EXE_memcache-watchd"), &program).expect("a copy that anybody may run");
    let place = files.scratch.path().join("pool");
    fs::create_dir(&place).expect("a directory");
    let text = fs::read_to_string(&files.pool).expect("the pool file");
    files.write_text(&text.replace("pool.table", "pool/pool.table"));
    // SAFETY: it reads a number of this process.
    let root = unsafe { libc::geteuid() } == 0;
    fs::set_permissions(&place, fs::Permissions::from_mode(0o555)).expect("ours");
    fs::set_permissions(files.scratch.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    let watchd = Watchd::spawn_as(&files, |command| {
        let mut other = Command::new(&program);
        other.arg("--pool").arg(&files.pool);
        if root {
            other.uid(65_534).gid(65_534);
        }
        *command = other;
    });
    refuses(watchd, &["cannot lock the table: ", "pool/pool.table.lock: Permission denied"]);
    assert_eq!(fs::read_dir(&place).expect("the directory").count(), 0);
}

#[test]
fn what_is_in_the_way_of_its_files_is_told_and_stays() {
    type Put = fn(&Path);
    fn pipe(path: &Path) {
        let made = Command::new("mkfifo").arg(path).status().expect("coreutils");
        assert!(made.success());
    }
    let obstacles: [(&str, Put, &[&str]); 7] = [
        ("lock", |path| fs::create_dir(path).expect("a place"), &["cannot lock the table", "Is a directory"]),
        ("", |path| fs::create_dir(path).expect("a place"), &["cannot make the table", "Is a directory"]),
        ("", |path| symlink("/dev/null", path).expect("a place"), &["cannot make the table", "link"]),
        ("", pipe, &["cannot make the table", "not a regular file"]),
        (
            "",
            |path| fs::write(path, "a letter").expect("a place"),
            &["cannot make the table", "not a memcache table"],
        ),
        ("stripes", |path| fs::create_dir(path).expect("a place"), &["cannot make the stripes file"]),
        ("stripes", |path| fs::write(path, "a letter").expect("a place"), &["cannot make the stripes file"]),
    ];
    for (ending, put, why) in obstacles {
        let files = Files::new(&["127.0.0.1:1".to_owned()], QUICK);
        let place = match ending {
            "" => files.table.clone(),
            ending => files.table.with_extension(format!("table.{ending}")),
        };
        put(&place);
        let kind = fs::symlink_metadata(&place).expect("it is there").file_type();
        refuses(Watchd::spawn(&files), why);
        assert_eq!(fs::symlink_metadata(&place).expect("it is there").file_type(), kind);
        if kind.is_file() {
            assert_eq!(fs::read(&place).expect("it is there"), b"a letter");
        }
        assert_tidy(&files);
    }
}

#[test]
fn a_stripes_file_that_is_damaged_while_it_runs_is_made_anew() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(1);
    let path = Stripes::path_for(&files.table);
    let file = fs::OpenOptions::new().write(true).open(&path).expect("the stripes file");

    // Its words: clients could have written there that they gave the server up.
    file.write_all_at(&vec![0x5a; FILE_BYTES - EPOCHS_AT], EPOCHS_AT as u64).expect("a store");
    Stripes::open(&files.table, &Default::default()).expect("its header is as it was").pass_on();
    files.wait_for(0, State::Returned);
    assert!(server.stat("cmd_flush").is_some_and(|count| count >= 1), "{}", watchd.said());
    // Its header: nobody could open it any more.
    let before = files.look().expect("a table").1.stripes;
    file.write_all_at(&[0x5a; 64], 0).expect("a store");
    wait::until("a stripes file that can be opened", || {
        let stripes = Stripes::open(&files.table, &Default::default()).ok()?;
        (stripes.id() != before && stripes.id() == files.look()?.1.stripes).then_some(())
    });
    let back = files.wait_for(0, State::Returned);
    wait::until("its epoch", || (files.epoch(0) == back.epoch).then_some(()));
}

#[test]
fn without_a_socket_it_goes_on() {
    let mut server = Memcached::without_lists();
    let mut files = Files::new(&[server.address()], QUICK);
    let deep = files.scratch.path().join("d".repeat(100));
    fs::create_dir(&deep).expect("a directory");
    let table = deep.join("pool.table");
    let text = fs::read_to_string(&files.pool).expect("the pool file");
    files.write_text(&text.replace(&files.table.display().to_string(), &table.display().to_string()));
    files.table = table;
    let mut watchd = Watchd::start(&files);
    watchd.wait_to_say("use a shorter `table`; goes on without what clients report");
    files.wait_until_met(1);
    server.kill();
    files.wait_for(0, State::Down);
    watchd.signal(libc::SIGTERM);
    assert_eq!(watchd.status().code(), Some(0));

    // Something else is in its place, until somebody moves it away.
    let files = Files::new(&[server.address()], QUICK);
    let place = notice::socket_path(&files.table);
    fs::write(&place, "a letter").expect("a file");
    let watchd = Watchd::start(&files);
    watchd.wait_to_say("something else is there; move it away; goes on without");
    assert_eq!(fs::read(&place).expect("it is there"), b"a letter");
    fs::remove_file(&place).expect("ours");
    wait::until("the socket", || notice::send(&files.table, &Notice::Reload).then_some(()));
    watchd.wait_to_say("a program asks for it");
}

/// A daemon that is out of descriptors can ask nobody: that says nothing about the servers.
#[test]
fn without_descriptors_it_blames_no_server_and_goes_on_afterwards() {
    let mut servers = [Memcached::start(), Memcached::start()];
    let addresses = servers.each_ref().map(Memcached::address);
    let files = Files::new(&addresses, "interval = \"20ms\"\nfall = 2");
    let watchd = Watchd::start(&files);
    files.wait_until_met(2);
    let descriptors = |count: u64| {
        let limit = libc::rlimit { rlim_cur: count, rlim_max: 1024 };
        // SAFETY: `limit` lives as long as the call, and the old limit is not asked for.
        let failed = unsafe {
            libc::prlimit(watchd.pid() as libc::pid_t, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut())
        };
        assert_eq!(failed, 0, "a child of ours");
    };
    descriptors(3);
    // What it asks over connections that it has is still answered; from now on it needs new ones.
    servers.iter_mut().for_each(Memcached::restart);
    let connections = || servers.each_ref().map(|server| server.stat("total_connections").unwrap_or(0));
    // Each round of probes wakes it some times.
    let woken = || {
        let status = fs::read_to_string(format!("/proc/{}/status", watchd.pid())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|count| count.trim().parse::<u64>().ok()).expect("a number")
    };
    // It also looks for its own files meanwhile, once a second, and cannot open them.
    let (begun, longer) = (woken(), Instant::now() + Duration::from_millis(2500));
    wait::until("a daemon that lives for some rounds", || {
        (woken() > begun + 100 && Instant::now() > longer).then_some(())
    });
    assert!(!watchd.said().contains("made anew"), "{}", watchd.said());
    let asked = connections();
    for index in 0..2 {
        assert_ne!(files.entry(index).state, State::Down, "{}", watchd.said());
    }
    let (attendance, _) = files.look().expect("a table that can be read");
    assert_eq!(attendance, Attendance::Attended, "{}", watchd.said());
    descriptors(1024);
    wait::until("probes", || {
        connections().iter().zip(asked).all(|(now, then)| *now > then + 3).then_some(())
    });
    servers[0].kill();
    files.wait_for(0, State::Down);
}
