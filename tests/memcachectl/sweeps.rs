//! `sweep`, and what the other commands say of one that is under way.

use memcache::rules::health::Incarnation;
use memcache::rules::view::{Meta, State};
use memcache::table::{Progress, identity, notice};

use super::*;

/// Half of a sweep, 13 seconds after it began, with two copies refused. It is of a clock that is ahead of ours, so that nothing
/// depends on when it is looked at.
pub fn half_done() -> Progress {
    let updated = identity::unix_millis() + 3_600_000;
    Progress {
        began: updated - 13_000,
        updated,
        sources: 3,
        sources_done: 1,
        keys: 521_000,
        keys_total: 1_000_000,
        moved: 48_211,
        bytes: 104 << 20,
        refused: 2,
    }
}

#[test]
fn the_daemon_is_asked() {
    let world = World::new(3);
    let daemon = world.daemon();
    let next = "it moves every copy there that is not where it belongs, and its log says when that is done; \
                `memcachectl status` shows how far it is\n";
    assert_eq!(world.demand(0, &["sweep"]), format!("the daemon is asked to sweep the pool shop\n{next}"));
    assert_eq!(daemon.is_asked_to_sweep(), None);
    for text in ["s2", &world.address(2)] {
        let said = world.demand(0, &["sweep", text]);
        let what = format!("what belongs on s2 ({})", world.address(2));
        assert_eq!(said, format!("the daemon is asked to sweep {what}\n{next}"));
        assert_eq!(daemon.is_asked_to_sweep().map(|it| it.to_string()), Some(world.address(2)));
    }
}

#[test]
fn what_would_come_to_nothing_is_refused() {
    let world = World::new(3);
    let said = world.demand(3, &["sweep"]);
    assert!(said.contains("there is no such file") && said.contains("start it for this pool"), "{said}");
    let daemon = world.daemon();
    let said = world.demand(1, &["sweep", "s9"]);
    assert!(said.contains("unknown server \"s9\" (did you mean s1?); allowed are s1, s2 and s3"), "{said}");
    daemon.say("s2", State::Down, 5, "connection refused");
    let said = world.demand(1, &["sweep", "s2"]);
    assert!(
        said.contains(") is down, so nothing can be moved there; it is swept when it comes back"),
        "{said}"
    );

    daemon.twist(|snapshot| {
        snapshot.swept = false;
        snapshot.current.servers[2].meta = Meta::No;
    });
    let said = world.demand(1, &["sweep"]);
    let why = format!("nobody sweeps this pool: s3 ({}) has no meta commands", world.address(3));
    assert!(said.contains(&why), "{said}");
    assert!(world.demand(0, &["status"]).contains(", sweep off\n"));
    let said = world.run(&["check"]).out;
    assert!(
        said.contains(&format!("note: {why}; run memcached 1.6 or newer there; a server that returns")),
        "{said}"
    );
    daemon.twist(|snapshot| snapshot.swept = false);
    assert!(world.demand(1, &["sweep"]).contains("nobody sweeps this pool: the daemon's log says why"));

    daemon.twist(|_| {});
    daemon.turn_deaf();
    world.rewrite("name = \"s3\"\n", "name = \"t3\"\n");
    let said = world.demand(1, &["sweep", "t3"]);
    assert!(
        said.contains("the table does not have t3 (") && said.contains("has not read the pool file"),
        "{said}"
    );
    fs::remove_file(notice::socket_path(&world.table())).unwrap();
    let said = world.demand(1, &["sweep"]);
    assert!(said.contains("t.sock: nobody listens there"), "{said}");
    drop(daemon);
    let said = world.demand(3, &["sweep", "s1", "--wait"]);
    assert!(said.starts_with("memcachectl: unattended: its writer ended; copies are moved by "), "{said}");
    world.rewrite("table = ", "# table = ");
    assert!(world.demand(3, &["sweep"]).contains("no table: the pool file names none"));
    assert_eq!(world.run(&["sweep", "--timeout", "1s"]).status, 2, "there is nothing to wait for");
}

#[test]
fn a_sweep_is_waited_for() {
    let world = World::new(2);
    let daemon = world.daemon();
    daemon.say("s2", State::Returned, 5, "restarted");
    daemon.twist(|snapshot| snapshot.sweep = Some(half_done()));
    let said = world.demand(4, &["sweep", "--wait", "--timeout", "30ms"]);
    assert_eq!(said, "memcachectl: not yet: a sweep is under way (52 %, about 12 s left), s2 is returned\n");
    assert_eq!(daemon.is_asked_to_sweep(), None);
    let said = world.demand(4, &["wait", "--steady", "--timeout", "30ms"]);
    assert_eq!(said, "memcachectl: not yet: s2 is returned, a sweep is under way (52 %, about 12 s left)\n");

    std::thread::scope(|scope| {
        let waits = scope.spawn(|| world.demand(0, &["sweep", "s2", "--wait", "--timeout", "1h"]));
        assert_eq!(daemon.is_asked_to_sweep().map(|it| it.to_string()), Some(world.address(2)));
        daemon.twist(|_| {});
        assert!(!waits.is_finished(), "one is returned");
        daemon.say("s2", State::Steady, 1, "swept");
        let said = waits.join().expect("it ends");
        assert!(said.starts_with("no sweep is under way, and all 2 servers are steady\n"), "{said}");
    });
    std::thread::scope(|scope| {
        daemon.twist(|snapshot| snapshot.sweep = Some(half_done()));
        let waits = scope.spawn(|| world.run(&["sweep", "--wait"]));
        daemon.is_asked_to_sweep();
        drop(daemon);
        let went = waits.join().expect("it ends");
        assert_eq!((went.status, went.out.as_str()), (3, ""), "{}", went.err);
    });
}

#[test]
fn a_sweep_is_seen() {
    let world = World::new(2);
    let daemon = world.daemon();
    assert!(world.demand(0, &["status"]).contains(", sweep idle\n"));
    daemon.twist(|snapshot| snapshot.sweep = Some(half_done()));
    let text = world.demand(0, &["status"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].ends_with(", sweep running"), "{text}");
    let line = "sweep  [##########..........] 52 %   521,000 of 1,000,000 keys, 1 of 3 servers done, 48,211 copies moved \
                 (104 MiB), about 12 s left";
    assert_eq!(lines[2], line);
    assert_eq!(lines[3], "       2 copies were refused by the servers that they belong on");
    let text = world.demand(1, &["check"]);
    assert!(text.contains("note: a sweep is under way (52 %"), "{text}");
    assert!(
        text.contains("wrong: 2 copies were refused by the servers that they belong on: there is one copy"),
        "{text}"
    );

    // Whatever is written there, and however often it is looked at.
    daemon.twist(|snapshot| {
        snapshot.sweep =
            Some(Progress { began: u64::MAX, keys: u64::MAX, moved: u64::MAX, ..Progress::default() });
    });
    let text = world.demand(0, &["status"]);
    assert!(text.contains("\nsweep  18,446,744,073,709,551,615 keys, "), "{text}");
    drop(daemon);
    let text = world.demand(0, &["status"]);
    assert!(text.contains(" moved (0 B), stopped until a daemon attends the table\n"), "{text}");
}

#[test]
fn who_waits_is_not_told_of_the_time_before_a_restart() {
    let mut world = World::new(2);
    let daemon = world.daemon();
    let life = |server: &crate::support::server::Memcached| {
        let figure = |name| server.stat(name).expect("it answers");
        Incarnation { pid: figure("pid"), start: figure("time") - figure("uptime") }
    };
    let before = life(&world.servers[0]);
    daemon.twist(move |snapshot| snapshot.current.servers[0].incarnation = Some(before));
    let steady = |world: &World| world.run(&["wait", "--steady", "--timeout", "60ms"]);
    assert_eq!(steady(&world).status, 0);
    world.servers[0].restart();
    let said = world.demand(4, &["wait", "--steady", "--timeout", "60ms"]);
    assert!(said.contains("s1 was restarted, and the daemon has yet to see that"), "{said}");
    world.servers[0].kill();
    let said = world.demand(4, &["wait", "--steady", "--timeout", "60ms"]);
    assert!(said.contains("s1 does not answer, and the daemon has yet to see that"), "{said}");
}
