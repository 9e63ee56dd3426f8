//! The commands that change the pool: what they leave of the file, what the table shows then, and what they
//! refuse.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use memcache::config;
use memcache::rules::view::State;
use memcache::table::{Reader, Snapshot, Trust};

use super::*;

fn snapshot(world: &World) -> Snapshot {
    let mut reader = Reader::open(&world.table(), Trust::default()).expect("a table");
    let mut snapshot = Snapshot::default();
    reader.snapshot(&mut snapshot).expect("it can be read");
    snapshot
}

#[test]
fn orders_are_written_heard_and_shown() {
    let world = World::new(4);
    let _daemon = world.daemon();
    let original = world.text();
    let who = format!("s3 ({})", world.address(3));
    let said = world.demand(0, &["drain", "s3"]);
    assert_eq!(said, format!("{who} is ordered to drain\nthe table calls it draining: ordered\n"));
    assert_eq!(snapshot(&world).current.servers[2].state, State::Draining);
    let said = world.demand(0, &["down", &world.address(3)]);
    assert_eq!(said, format!("{who} is ordered down\nthe table calls it down: ordered\n"));
    assert_eq!(snapshot(&world).current.servers[2].state, State::Down);
    assert_eq!(world.text().replace("state = \"down\"\n", ""), original, "one line, and not a byte else");

    let said = world.demand(0, &["down", "s3"]);
    assert!(said.contains("memcachectl: the file says so already\n"), "{said}");
    let said = world.demand(0, &["up", "s3"]);
    assert_eq!(said, format!("{who} is ordered up\nthe table calls it steady: it answers\n"));
    assert_eq!(world.text(), original);
    world.is_tidy();
}

#[test]
fn a_dead_server_can_be_ordered_too() {
    let world = World::new(3);
    let daemon = world.daemon();
    daemon.say("s1", State::Down, 60, "connection refused");
    let said = world.demand(0, &["up", "s1"]);
    assert!(said.ends_with(" is ordered up\nmemcachectl: the file says so already\n"), "{said}");
    for command in [&["drain", "s1"][..], &["down", "s1"]] {
        assert!(world.demand(0, command).contains("the table calls it down: connection refused\n"));
    }
    // Whoever takes its place is not kept from it by what the old one was.
    world.demand(0, &["replace", "s1", "127.0.0.1:1"]);
    assert!(world.text().contains("address = \"127.0.0.1:1\" # here\n"), "{}", world.text());
}

#[test]
fn the_list_grows_and_shrinks() {
    let world = World::new(2);
    let _daemon = world.daemon();
    let original = world.text();
    let new = Memcached::start();
    let arguments = ["add", &new.address(), "--name", "s3", "--weight", "2", "--backup", "s1"];
    assert_eq!(
        world.changed_by(0, &arguments),
        ["+name = \"s3\"", &format!("+address = \"{}\"", new.address()), "+weight = 2", "+backup = \"s1\""]
    );
    assert_eq!(snapshot(&world).current.servers.len(), 3);
    assert_eq!(world.demand(0, &["remove", &new.address()]), format!("s3 ({}) is removed\n", new.address()));
    assert_eq!(world.text(), original);
    assert_eq!(snapshot(&world).current.servers.len(), 2);
    world.demand(0, &["add", &new.address()]);
    assert_eq!(snapshot(&world).current.servers[2].server.name, new.address());
}

#[test]
fn a_replaced_server_keeps_its_place() {
    let world = World::new(2);
    // It goes by its address, and somebody names it as a backup.
    let old = world.address(2);
    world.rewrite("name = \"s2\"\n", "");
    world.rewrite("[pool]\n", "[pool]\ndistribution = \"ketama\"\n");
    world.rewrite("name = \"s1\"\n", &format!("name = \"s1\"\nbackup = \"{old}\"\n"));
    let _daemon = world.daemon();
    let before = config::read(&world.file).unwrap().pool;
    let new = Memcached::start();
    let said = world.demand(0, &["replace", &old, &new.address()]);
    assert_eq!(said, format!("{old} is at {} from now on, instead of {old}\n", new.address()));
    let after = config::read(&world.file).unwrap().pool;
    for key in (0..200).map(|number| format!("key{number}")) {
        let home = |pool| memcache::rules::places::home(pool, key.as_bytes());
        assert_eq!(home(&before), home(&after), "{key}");
    }
    assert_eq!(after.servers()[1].name, old);
    assert_eq!(snapshot(&world).current.servers[1].server.address.to_string(), new.address());
}

#[test]
fn what_would_hurt_is_refused_and_can_be_forced() {
    let world = World::new(4);
    let daemon = world.daemon();
    daemon.say("s1", State::Down, 5, "gone");
    let original = world.text();
    let lost =
        format!("its backup s1 ({}) is down: what only this server holds would be lost", world.address(1));
    for command in [&["down", "s2"][..], &["remove", "s2"], &["replace", "s2", "127.0.0.1:1"]] {
        let said = world.demand(1, command);
        assert_eq!(
            said,
            format!("memcachectl: refused: {lost}\nmemcachectl: --force does it nevertheless\n")
        );
        assert_eq!(world.text(), original);
    }
    let said = world.demand(0, &["down", "s2", "--force"]);
    assert!(said.contains(&format!("memcachectl: by force, although {lost}\n")), "{said}");
    // Who is out by order is not one that seems to be gone.
    let said = world.demand(0, &["drain", "s3"]);
    assert!(said.contains("is ordered to drain"), "{said}");
    world.is_tidy();

    let alone = World::new(1);
    let _daemon = alone.daemon();
    assert!(alone.demand(1, &["down", "s1"]).contains("it is the last server in use: every call would fail"));
    assert!(alone.demand(1, &["remove", "s1"]).contains("is the only server; a pool needs at least one"));
    assert!(alone.demand(1, &["remove", "s1", "--force"]).contains("is the only server"));
}

#[test]
fn while_a_changed_list_is_swept_values_have_one_copy() {
    let world = World::new(4);
    let daemon = world.daemon();
    daemon.twist(|snapshot| snapshot.previous = Some(snapshot.current.clone()));
    let said = world.demand(4, &["wait", "--steady", "--timeout", "0s"]);
    assert!(said.contains("a changed list of servers is being swept"), "{said}");
    for command in ["down", "replace"] {
        let arguments: &[&str] =
            if command == "down" { &["down", "s1"] } else { &["replace", "s1", "127.0.0.1:1"] };
        let said = world.demand(1, arguments);
        assert!(said.contains("what only this server holds so far would be lost"), "{said}");
    }

    // One more is to join, which waits: what is ordered meanwhile is followed, and is judged by the list in force.
    daemon.twist(|snapshot| {
        snapshot.previous = Some(snapshot.current.clone());
        snapshot.current.servers.truncate(4);
        snapshot.current.slots.truncate(4);
    });
    let said = world.demand(4, &["add", "127.0.0.1:1", "--timeout", "30ms"]);
    assert!(said.contains("it follows when the change before is swept"), "{said}");
    let said = world.demand(1, &["check"]);
    assert!(said.contains("that is followed when the change before is swept"), "{said}");
    daemon.say("s2", State::Down, 5, "gone");
    let said = world.demand(1, &["down", "s1"]);
    assert!(said.contains("its backup s2"), "{said}");
    let said = world.demand(0, &["drain", "s3"]);
    assert!(said.contains("the table calls it draining"), "{said}");
}

/// What waits is followed at once in the end.
#[test]
fn the_two_of_a_pair_do_not_go_together_because_they_wait() {
    let world = World::new(4);
    let daemon = world.daemon();
    daemon.turn_deaf();
    world.demand(4, &["remove", "s4", "--timeout", "30ms"]);
    let before = world.text();
    for command in [&["remove", "s3"][..], &["down", "s3"], &["replace", "s3", "127.0.0.1:1"]] {
        let said = world.demand(1, command);
        assert!(said.contains("its backup s4"), "{said}");
        assert!(said.contains("is to be taken away by what the file says already"), "{said}");
        assert_eq!(world.text(), before);
    }
    world.demand(4, &["down", "s1", "--timeout", "30ms"]);
    let said = world.demand(1, &["down", "s2"]);
    assert!(said.contains("its backup s1"), "{said}");
}

#[test]
fn a_backup_that_is_named_is_not_removed_unasked() {
    let world = World::new(3);
    world.rewrite("name = \"s1\"\n", "name = \"s1\"\nbackup = \"s3\"\n");
    let _daemon = world.daemon();
    let said = world.demand(1, &["remove", "s3"]);
    assert!(said.contains("it is named as the backup of s1, which would be paired anew"), "{said}");
    world.demand(0, &["remove", "s3", "--force"]);
    assert!(!world.text().contains("backup"), "{}", world.text());
}

#[test]
fn an_edit_that_makes_no_pool_is_not_written() {
    let world = World::new(2);
    let _daemon = world.daemon();
    let original = world.text();
    let first = world.address(1);
    for (command, reason) in [
        (&["add", &first][..], "is already the one on line 11"),
        (&["add", "h:9", "--name", "s1"], "the name \"s1\" is already that of the server on line"),
        (&["add", "h:9", "--name", "a b"], "has a space or a control character"),
        (&["add", "h:9", "--weight", "5000"], "weight is 5000; allowed is 1 to 4096"),
        (&["add", "h:99999"], "address: "),
        (
            &["add", "h:9", "--backup", "s9"],
            "unknown server \"s9\" (did you mean s1?); allowed are s1 and s2",
        ),
        (&["replace", "s2", &first], "is already the one on line 11"),
        (&["replace", "s1", &first], "is there already"),
        (&["replace", "s1", "nonsense:x"], "address: "),
        (&["down", "s"], "unknown server \"s\" (did you mean s1?); allowed are s1 and s2"),
        (&["down", "s1\u{1b}[2J"], "unknown server \"s1\\u{1b}[2J\"; allowed are s1 and s2"),
    ] {
        let said = world.demand(1, command);
        assert!(said.contains(reason), "{command:?}: {said}");
        assert_eq!(world.text(), original, "{command:?}");
    }
    world.is_tidy();
}

#[test]
fn no_daemon_is_told_apart() {
    let world = World::new(4);
    let said = world.demand(3, &["drain", "s1"]);
    assert!(
        said.contains("memcachectl: the change is in the file, but no daemon attends the table: "),
        "{said}"
    );
    assert!(world.text().contains("state = \"draining\""));
    let said = world.demand(1, &["add", "127.0.0.1:1"]);
    assert!(said.contains("keys change their homes, and no daemon attends the table"), "{said}");
    world.demand(3, &["add", "127.0.0.1:1", "--force"]);

    // One that is there and does not listen.
    let world = World::new(2);
    let daemon = world.daemon();
    daemon.turn_deaf();
    let said = world.demand(4, &["drain", "s1", "--timeout", "50ms"]);
    assert!(said.contains("the daemon has not shown the change within 50ms; it is in the file"), "{said}");

    // None that is expected.
    let world = World::new(2);
    world.rewrite("table = ", "# table = ");
    let said = world.demand(0, &["drain", "s1"]);
    assert!(
        said.contains("the pool file names no table: programs that run know nothing of the change"),
        "{said}"
    );
}

#[test]
fn without_a_daemon_only_an_empty_server_comes_back() {
    let mut world = World::new(2);
    world.servers[0].ask("set k 0 0 1\r\nv\r\n", "STORED").expect("it answers");
    world.demand(3, &["down", "s1"]);
    let said = world.demand(1, &["up", "s1"]);
    assert!(said.contains("no daemon attends the table to flush it, and it holds values"), "{said}");
    world.servers[0].kill();
    let said = world.demand(1, &["up", "s1"]);
    assert!(said.contains("it cannot be asked whether it is empty (connection refused)"), "{said}");
    world.servers[0].restart();
    world.demand(3, &["up", "s1"]);
    assert!(!world.text().contains("state"));
}

#[test]
fn changes_at_the_same_time_are_all_kept() {
    let world = World::new(1);
    world.rewrite("table = ", "# table = ");
    let ports: Vec<u16> = (1..=12).collect();
    std::thread::scope(|scope| {
        for port in &ports {
            let world = &world;
            scope.spawn(move || world.demand(0, &["add", &format!("127.0.0.1:{port}"), "--force"]));
        }
    });
    let pool = config::read(&world.file).unwrap().pool;
    for port in ports {
        let address = format!("127.0.0.1:{port}");
        assert!(pool.servers().iter().any(|server| server.name == address), "{address} was lost");
    }
    assert_eq!(pool.servers().len(), 13);
    world.is_tidy();
}

#[test]
fn the_file_stays_whose_it_is_and_where_it_is() {
    let mut world = World::new(2);
    let real = world.file.clone();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let link = world.scratch.path().join("link.toml");
    symlink("pool.toml", &link).unwrap();
    world.file = link.clone();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        std::os::unix::fs::chown(&real, Some(1234), Some(4321)).unwrap();
    }
    let before = fs::metadata(&real).unwrap();
    world.demand(3, &["drain", "s1"]);
    let after = fs::metadata(&real).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert!(fs::read_to_string(&real).unwrap().contains("state = \"draining\""));
    world.is_tidy();
}
