//! Bad input, files that cannot be used, and the two commands that judge: `check` and `wait`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use memcache::rules::view::State;
use memcache::table::notice;

use super::*;

#[test]
fn the_command_line_explains_itself() {
    let went = ended(program().arg("--help"));
    assert_eq!((went.status, went.err.as_str()), (0, ""));
    for text in ["Exit statuses:\n  0  done", "  4  not within its time", "Examples:\n", "  replace  "] {
        assert!(went.out.contains(text), "{}", went.out);
    }
    let commands = [
        "status",
        "where",
        "down",
        "up",
        "drain",
        "add",
        "remove",
        "replace",
        "sweep",
        "wait",
        "check",
        "completions",
    ];
    for command in commands {
        let went = ended(program().args([command, "--help"]));
        assert_eq!(went.status, 0);
        assert!(went.out.contains("Examples:\n  memcachectl "), "{}", went.out);
    }
    assert!(ended(program().arg("--version")).out.starts_with("memcachectl "));
}

#[test]
fn what_makes_no_sense_is_told_apart() {
    for arguments in [
        &[][..],
        &["stauts"],
        &["status", "--colour"],
        &["down"],
        &["wait"],
        &["wait", "--steady", "--timeout", "soon"],
        &["completions", "cmd"],
    ] {
        let went = ended(program().args(arguments).env("MEMCACHE_POOL", "/nowhere"));
        assert_eq!((went.status, went.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!went.err.is_empty());
    }
    let went = ended(program().arg("sta\u{1b}[2J\u{9b}tus"));
    assert_eq!(went.status, 2);
    assert!(!went.err.contains(|letter: char| letter.is_control() && letter != '\n'), "{:?}", went.err);
    for pool in [None, Some("")] {
        let went = ended(program().arg("status").envs(pool.map(|pool| ("MEMCACHE_POOL", pool))));
        let expected = "memcachectl: no pool file is named: give --pool FILE, or set MEMCACHE_POOL\n";
        assert_eq!((went.status, went.err.as_str()), (2, expected));
    }
}

#[test]
fn the_environment_names_the_pool() {
    let world = World::new(1);
    let went = ended(program().arg("status").env("MEMCACHE_POOL", &world.file));
    assert_eq!(went.status, 0, "{}", went.err);
    // What is given counts more, wherever it stands.
    let went = ended(program().args(["status", "--pool", "/nowhere"]).env("MEMCACHE_POOL", &world.file));
    assert_eq!(went.status, 1);
    assert!(went.err.starts_with("memcachectl: /nowhere: cannot be opened: "), "{}", went.err);
}

#[test]
fn mistakes_in_the_file_are_told_with_their_lines() {
    let scratch = Scratch::new();
    let file = scratch.write("p.toml", "[pool]\ntimeuot = \"1s\"\n[[server]]\naddress = \"h:x\"\n");
    let name = file.display();
    for arguments in [&["status"][..], &["where", "k"], &["check"], &["down", "s1"], &["wait", "--steady"]] {
        let went = ended(program().arg("--pool").arg(&file).args(arguments));
        assert_eq!((went.status, went.out.as_str()), (1, ""), "{arguments:?}");
        let lines: Vec<_> = went.err.lines().collect();
        assert_eq!(lines.len(), 2, "{}", went.err);
        assert!(
            lines[0].starts_with(&format!("memcachectl: {name}:2: unknown key \"timeuot\"")),
            "{}",
            went.err
        );
        assert!(lines[1].starts_with(&format!("memcachectl: {name}:4: address: ")), "{}", went.err);
    }
}

#[test]
fn a_key_that_is_none() {
    let world = World::new(2);
    assert!(world.demand(1, &["where", ""]).contains("the key is empty"));
    assert!(world.demand(1, &["where", &"k".repeat(251)]).contains("the key has 251 bytes"));
    let text = world.demand(0, &["where", "a b\u{1b}[2J"]);
    assert!(text.starts_with("key a b\\u{1b}[2J\n"), "{text}");
    let bytes = OsStr::from_bytes(b"k\xff\x9b");
    let went = ended(program().arg("--pool").arg(&world.file).arg("where").arg(bytes));
    assert!(went.status == 0 && went.out.starts_with("key k\u{fffd}\u{fffd}\n"), "{}", went.out);
}

#[test]
fn a_file_that_cannot_be_changed() {
    let world = World::new(2);
    let original = world.text();
    fs::set_permissions(&world.file, fs::Permissions::from_mode(0o444)).unwrap();
    let said = world.demand(1, &["drain", "s1"]);
    let expected = "it is read-only (0444); chmod u+w makes it writable";
    assert_eq!(said, format!("memcachectl: cannot change {}: {expected}\n", world.file.display()));
    assert_eq!(world.text(), original);
    fs::set_permissions(&world.file, fs::Permissions::from_mode(0o644)).unwrap();

    // Something else is where the new text is to be written.
    let beside = world.scratch.path().join(".pool.toml.memcachectl");
    fs::create_dir(&beside).unwrap();
    assert!(world.demand(1, &["drain", "s1"]).contains(".pool.toml.memcachectl: "));
    fs::remove_dir(&beside).unwrap();
    assert_eq!(world.text(), original);

    // What a memcachectl left that was killed.
    fs::write(&beside, "half a fi").unwrap();
    world.demand(3, &["drain", "s1"]);
    world.is_tidy();
    let said = ended(program().args(["--pool", "/nowhere/p.toml", "drain", "s1"]));
    assert_eq!(said.status, 1);
    assert!(said.err.contains("/nowhere/p.toml: No such file"), "{}", said.err);
}

#[test]
fn all_is_well() {
    let world = World::new(2);
    let _daemon = world.daemon();
    let text = world.demand(0, &["check"]);
    let expected = "note: all servers are on this machine: they can die together\nall is well: pool shop, 2 servers, attended\n";
    assert_eq!(text, expected);
}

#[test]
fn everything_that_is_wrong_is_told() {
    let mut world = World::new(4);
    let table = world.table().display().to_string();
    let text = world.demand(1, &["check"]);
    assert!(text.contains(&format!("wrong: the table {table}: there is no such file; ")), "{text}");
    fs::write(world.table(), "no table").unwrap();
    assert!(world.demand(1, &["check"]).contains(&format!("wrong: the table {table}: it has 8 bytes")));
    assert!(world.demand(0, &["status"]).contains("   unattended: it has 8 bytes"));
    assert!(world.demand(3, &["wait", "--steady"]).contains("unattended: it has 8 bytes"));
    fs::remove_file(world.table()).unwrap();

    let daemon = world.daemon();
    daemon.say("s1", State::Down, 5, "connection refused");
    daemon.say("s2", State::Returned, 5, "restarted");
    world.servers[2].kill();
    fs::remove_file(notice::socket_path(&world.table())).unwrap();
    let stripes = world.scratch.path().join("t.stripes");
    fs::remove_file(&stripes).unwrap();
    let text = world.demand(1, &["check"]);
    for part in [
        &format!("wrong: nobody listens at {table}.sock: "),
        &format!("wrong: {table}.stripes: "),
        &format!("wrong: s1 ({}) is down (connection refused); see to that server\n", world.address(1)),
        &format!("note: s1 ({}) answers here, although the table calls it down\n", world.address(1)),
        &format!("note: s2 ({}) is returned: ", world.address(2)),
        &format!("wrong: s3 ({}) cannot be asked: connection refused; ", world.address(3)),
    ] {
        assert!(text.contains(part.as_str()), "no {part:?} in\n{text}");
    }
    assert!(!text.contains("all is well"), "{text}");

    daemon.turn_deaf();
    world.rewrite("name = \"s4\"\n", "name = \"t4\"\n");
    let text = world.demand(1, &["check"]);
    let what = format!("(only in the file: t4 ({0}); only in the table: s4 ({0}))", world.address(4));
    assert!(
        text.contains(&format!("wrong: the table has another list of servers than the pool file {what}; "))
    );
    world.rewrite("name = \"t4\"\n", "name = \"s4\"\nstate = \"down\"\n");
    let text = world.demand(1, &["check"]);
    assert!(text.contains("is ordered to be out of use, and the table calls it steady"), "{text}");
    world.rewrite("state = \"down\"\n", "");
    world.rewrite("timeout = \"10s\"", "timeout = \"9s\"");
    assert!(
        world.demand(1, &["check"]).contains("wrong: the table has other options than the [pool] section")
    );
    drop(daemon);
    assert!(world.demand(1, &["check"]).contains("is unattended: its writer ended; start memcache-watchd"));
}

#[test]
fn backups_on_one_machine_are_told() {
    let scratch = Scratch::new();
    let mut text = "[pool]\ntimeout = \"100ms\"\n".to_owned();
    for address in ["127.0.0.1:1", "127.0.0.2:1", "unix:/nowhere/s.sock", "256.256.256.256:1"] {
        text.push_str(&format!("[[server]]\naddress = \"{address}\"\n"));
    }
    let file = scratch.write("p.toml", &text);
    let went = ended(program().arg("--pool").arg(&file).arg("check"));
    assert_eq!(went.status, 1);
    let pair = "wrong: 127.0.0.1:1 and its backup 127.0.0.2:1 are both on this machine: ";
    assert_eq!(went.out.matches("both on").count(), 1, "{}", went.out);
    assert!(went.out.contains(pair), "{}", went.out);
    assert!(
        went.out.contains("wrong: unix:/nowhere/s.sock cannot be asked: no such socket; "),
        "{}",
        went.out
    );
}

#[test]
fn waiting_ends_when_all_are_steady() {
    let world = World::new(3);
    assert!(world.demand(3, &["wait", "--steady"]).contains("there is no such file"));
    let daemon = world.daemon();
    assert_eq!(world.demand(0, &["wait", "--steady"]), "all 3 servers are steady\n");
    daemon.say("s2", State::Returned, 1, "restarted");
    let said = world.demand(4, &["wait", "--steady", "--timeout", "30ms"]);
    assert_eq!(said, "memcachectl: not yet: s2 is returned\n");
    world.rewrite("name = \"s3\"\n", "name = \"s3\"\nstate = \"down\"\n");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| world.demand(0, &["wait", "--steady", "--timeout", "1h"]));
        daemon.say("s2", State::Steady, 1, "swept");
        assert_eq!(waits.join().expect("it ends"), "all 2 servers are steady\n");
    });
    drop(daemon);
    let said = world.demand(3, &["wait", "--steady", "--timeout", "1h"]);
    assert_eq!(said, "memcachectl: unattended: its writer ended\n");
}

#[test]
fn a_hostile_server_steers_no_terminal() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let scratch = Scratch::new();
    let address = listener.local_addr().expect("its address");
    let file = scratch.write("p.toml", &format!("[[server]]\naddress = \"{address}\"\n"));
    for arguments in [&["status"][..], &["status", "--json"], &["check"]] {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("a client");
                let _ = stream.read(&mut [0; 100]);
                let answer = "STAT version \u{1b}[2J\u{9b}\u{202e}\r\nSTAT curr_items x\r\nEND\r\nERROR\r\n";
                let _ = stream.write_all(answer.as_bytes());
            });
            let went = ended(program().arg("--pool").arg(&file).args(arguments));
            let said = went.out + &went.err;
            let steers = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
            assert!(!said.contains(steers), "{said:?}");
        });
    }
}

#[test]
fn what_everybody_may_change_is_told() {
    let world = World::new(1);
    let _daemon = world.daemon();
    world.demand(0, &["check"]);
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    mode(&world.file, 0o666);
    let text = world.demand(1, &["check"]);
    assert!(
        text.contains(&format!("wrong: everybody may change {}; chmod o-w\n", world.file.display())),
        "{text}"
    );
    mode(&world.file, 0o644);
    mode(world.scratch.path(), 0o1777);
    let text = world.demand(1, &["check"]);
    assert!(
        text.contains(&format!("wrong: everybody may put files into {}", world.scratch.path().display())),
        "{text}"
    );
    mode(world.scratch.path(), 0o755);
    world.demand(0, &["check"]);
}
