//! The daemon's files: who may have them, and what is in them when it ended in whatever way.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use memcache::rules::view::State;
use memcache::table::stripes::layout::header;
use memcache::table::{Attendance, Lock, Reader, Snapshot, Stripes, Trust, notice};

use crate::daemon::{Files, Watchd};
use crate::support::boots::of_another_boot;
use crate::support::server::Memcached;
use crate::support::wait;

const QUICK: &str = "interval = \"50ms\"";

#[test]
fn a_second_daemon_is_refused_and_told_who_has_the_pool() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], QUICK);
    let watchd = Watchd::start(&files);
    let mut second = Watchd::spawn(&files);
    // By this its unit knows that trying again is of no use.
    let status = second.status().code().expect("it ended by itself");
    let unit = include_str!("../../packaging/systemd/memcache-watchd.service");
    let given_up =
        unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus=")).expect("a list");
    assert_eq!((status, given_up), (4, "2 3 4"));
    let said = second.said();
    assert!(said.contains(&format!("already has a writer, process {};", watchd.pid())), "{said}");
    assert_eq!(files.look().expect("a table").0, Attendance::Attended);
    let socket = notice::socket_path(&files.table);
    assert!(socket.exists(), "the first one's socket is still there");
}

#[test]
fn one_that_is_asked_to_end_leaves_a_usable_table() {
    let mut server = Memcached::without_lists();
    let files = Files::new(&[server.address()], QUICK);
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut watchd = Watchd::start(&files);
        files.wait_until_met(1);
        server.kill();
        files.wait_for(0, State::Down);
        watchd.signal(signal);
        assert_eq!(watchd.status().code(), Some(0), "{}", watchd.said());
        let (attendance, snapshot) = files.look().expect("a table that can be read");
        assert_eq!((attendance, snapshot.current.servers[0].state), (Attendance::Resigned, State::Down));
        assert!(!notice::socket_path(&files.table).exists());
        Lock::take(&files.table).expect("the lock is free");
        server.restart();
        let watchd = Watchd::start(&files);
        files.wait_for(0, State::Returned);
        watchd.kill();
    }
}

#[test]
fn states_and_owed_flushes_survive_a_daemon_that_is_killed() {
    let servers = [Memcached::without_lists(), Memcached::without_lists()];
    let files = Files::new(&[servers[0].address(), servers[1].address()], QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(2);
    let steady = files.entry(1);
    servers[0].hang();
    let down = files.wait_for(0, State::Down);
    watchd.kill();
    let watchd = Watchd::start(&files);
    let still = files.wait_for(0, State::Down);
    assert_eq!((still.since, still.epoch, &still.reason), (down.since, down.epoch, &down.reason));
    servers[0].wake();
    let back = files.wait_for(0, State::Returned);
    assert_eq!((servers[0].stat("cmd_flush"), back.epoch), (Some(1), 2), "{}", watchd.said());
    let same = files.entry(1);
    assert_eq!((same.state, same.mark, same.epoch), (State::Steady, steady.mark, 0));
    assert_eq!(servers[1].stat("cmd_flush"), Some(0));
}

#[test]
fn what_clients_found_while_it_was_stopped_counts() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(1);
    watchd.signal(libc::SIGSTOP);
    wait::until("an unattended table", || match files.look()?.0 {
        Attendance::Silent(_) => Some(()),
        _ => None,
    });
    let stripes = Stripes::open(&files.table, &Trust::default()).expect("a stripes file");
    let slot = files.entry(0).epoch_slot;
    stripes.make_odd(slot, stripes.epoch(slot).expect("an epoch")).expect("nobody else is here");
    watchd.signal(libc::SIGCONT);
    let back = files.wait_for(0, State::Returned);
    assert_eq!((server.stat("cmd_flush"), back.epoch), (Some(1), 2));
    watchd.wait_to_say("down: given up while it was not watched");
    watchd.wait_to_say("everything is proved anew");
}

#[test]
fn a_daemon_that_was_stopped_holds_nothing_against_the_servers() {
    let servers = [Memcached::without_lists(), Memcached::without_lists()];
    let files = Files::new(&[servers[0].address(), servers[1].address()], "interval = \"10ms\"");
    let watchd = Watchd::start(&files);
    files.wait_until_met(2);
    for _ in 0..3 {
        watchd.signal(libc::SIGSTOP);
        wait::until("an unattended table", || match files.look()?.0 {
            Attendance::Silent(_) => Some(()),
            _ => None,
        });
        watchd.signal(libc::SIGCONT);
        wait::until("an attended table", || (files.look()?.0 == Attendance::Attended).then_some(()));
    }
    assert_eq!((files.entry(0).epoch, files.entry(1).epoch), (0, 0), "{}", watchd.said());
    assert!(!watchd.said().contains(": down: "), "{}", watchd.said());
}

#[test]
fn a_client_that_gave_up_a_server_a_moment_too_late_is_noticed() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(1);
    let stripes = Stripes::open(&files.table, &Trust::default()).expect("a stripes file");
    let slot = files.entry(0).epoch_slot;
    stripes.make_odd(slot, stripes.epoch(slot).expect("an epoch")).expect("nobody else is here");
    let back = files.wait_for(0, State::Returned);
    assert_eq!((server.stat("cmd_flush"), back.epoch), (Some(1), 2), "{}", watchd.said());
}

/// Clients give the first two servers up, and bring the second one back.
fn clients_find(files: &Files) {
    let stripes = Stripes::open(&files.table, &Trust::default()).expect("a stripes file");
    for index in [0, 1] {
        let slot = files.entry(index).epoch_slot;
        stripes.make_odd(slot, stripes.epoch(slot).expect("an epoch")).expect("nobody else is here");
    }
    let slot = files.entry(1).epoch_slot;
    stripes.make_even(slot, stripes.epoch(slot).expect("an epoch")).expect("a client brought it back");
}

#[test]
fn what_clients_found_while_there_was_no_daemon_counts() {
    let servers = [Memcached::without_lists(), Memcached::without_lists()];
    let files = Files::new(&[servers[0].address(), servers[1].address()], QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(2);
    watchd.kill();
    clients_find(&files);
    let _watchd = Watchd::start(&files);
    let first = files.wait_for(0, State::Returned);
    let second = files.wait_for(1, State::Returned);
    assert_eq!((first.epoch, second.epoch), (2, 2));
    assert_eq!((servers[0].stat("cmd_flush"), servers[1].stat("cmd_flush")), (Some(1), Some(0)));
}

/// Clients gave servers up after the daemon had ended, and then this machine was started anew, while the servers, which are
/// other machines', went on.
#[test]
fn what_clients_found_before_the_machine_was_started_anew_counts() {
    let servers = [Memcached::without_lists(), Memcached::without_lists(), Memcached::without_lists()];
    let files = Files::new(&servers.each_ref().map(Memcached::address), QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(3);
    watchd.kill();
    let path = Stripes::path_for(&files.table);
    clients_find(&files);
    // Where this is in memory, another clock alone tells.
    of_another_boot(&path, &[header::BOOT, header::CLOCK], header::CHECKSUM);
    let watchd = Watchd::start(&files);
    let back = [0, 1, 2].map(|index| files.wait_for(index, State::Returned));
    assert_eq!(back.map(|entry| entry.epoch), [2, 4, 2], "{}", watchd.said());
    let flushed = servers.each_ref().map(|server| server.stat("cmd_flush"));
    assert_eq!(flushed, [Some(1), Some(0), Some(0)], "{}", watchd.said());
}

#[test]
fn files_that_somebody_removes_are_made_anew() {
    let mut server = Memcached::without_lists();
    let files = Files::new(&[server.address()], QUICK);
    let watchd = Watchd::start(&files);
    files.wait_until_met(1);
    server.restart();
    files.wait_for(0, State::Returned);
    let lost = [files.table.clone(), Stripes::path_for(&files.table), notice::socket_path(&files.table)];
    for path in lost {
        std::fs::remove_file(&path).expect("a file of the daemon");
        wait::until(&format!("{} is there again", path.display()), || path.exists().then_some(()));
        files.wait_for(0, State::Returned);
        wait::until("the stripes file that the table names", || {
            let stripes = Stripes::open(&files.table, &Trust::default()).ok()?;
            (stripes.id() == files.look()?.1.stripes).then_some(())
        });
    }
    server.kill();
    let down = files.wait_for(0, State::Down);
    wait::until("its epoch", || (files.epoch(0) == down.epoch).then_some(()));
    assert!(watchd.said().contains("they are made anew"), "{}", watchd.said());
}

#[test]
fn a_directory_that_takes_no_files_is_told() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], QUICK);
    for table in ["/proc/watchd.table", "/nowhere/at/all.table"] {
        files.write_text(&format!(
            "[pool]\ntable = \"{table}\"\n[[server]]\naddress = \"{}\"\n",
            server.address()
        ));
        let mut watchd = Watchd::spawn(&files);
        assert_eq!(watchd.status().code(), Some(1));
        assert!(
            watchd.said().contains(&format!("cannot lock the table: {table}.lock: ")),
            "{}",
            watchd.said()
        );
    }
}

#[test]
fn killed_at_any_moment_it_leaves_a_table_that_can_be_read() {
    let mut servers = [Memcached::without_lists(), Memcached::without_lists()];
    let files = Files::new(&[servers[0].address(), servers[1].address()], "interval = \"10ms\"");
    Watchd::start(&files).kill();
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    for round in 0..50 {
        let mut watchd = Watchd::spawn(&files);
        // Restarts make it publish; it dies somewhere in its beginning, or among them.
        if round % 5 == 4 {
            servers[round % 2].restart();
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let ended = wait::within(Duration::from_micros(random >> 48), || {
            let mut reader = Reader::open(&files.table, Trust::default()).expect("always a table");
            reader.snapshot(&mut Snapshot::default()).expect("always one that can be read");
            None::<()>
        });
        assert_eq!(ended, None);
        watchd.signal(libc::SIGKILL);
        assert_eq!(watchd.status().signal(), Some(libc::SIGKILL), "{}", watchd.said());
        let (_, snapshot) = files.look().expect("a table that can be read");
        assert_eq!(snapshot.current.servers.len(), 2);
    }
    let _watchd = Watchd::start(&files);
    for index in [0, 1] {
        wait::until("live again", || (files.entry(index).state != State::Down).then_some(()));
    }
}
