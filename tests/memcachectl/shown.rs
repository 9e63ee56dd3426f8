//! What `status`, `where` and `completions` show.

use memcache::rules::view::State;
use memcache::table::Trust;
use memcache::table::stripes::{Epoch, Stripes};

use super::support::wait;
use super::*;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// The lines of a table, each cut into its columns.
fn columns(text: &str) -> Vec<Vec<String>> {
    let table = text.split("\n\n").last().expect("a table");
    let cut =
        |line: &str| line.split("  ").map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    table.lines().map(cut).collect()
}

#[test]
fn a_pool_with_a_daemon() {
    let mut world = World::new(4);
    let daemon = world.daemon();
    world.servers[0].ask("set k 0 0 1\r\nv\r\nget k\r\nget k\r\nget none\r\n", "END").expect("it answers");
    daemon.say("s2", State::Down, 180, "connection refused");
    daemon.say("s3", State::Returned, 7_200, "restarted");
    world.servers[1].kill();
    wait::until("what was read is counted", || {
        (world.servers[0].stat("get_misses") == Some(1)).then_some(())
    });

    let text = world.demand(0, &["status"]);
    let header: Vec<_> = text.lines().take(2).collect();
    assert_eq!(header[0], format!("pool shop   {}", world.file.display()));
    let pid = std::process::id();
    let start = format!("table {}   attended by process {pid}, generation ", world.table().display());
    assert!(header[1].starts_with(&start) && header[1].ends_with(", sweep running"), "{text}");

    let rows = columns(&text);
    assert_eq!(rows[0], ["SERVER", "ADDRESS", "STATE", "SINCE", "BACKUP", "ITEMS", "MEMORY", "HITS", "WHY"]);
    let (first, second, third) = (&rows[1], &rows[2], &rows[3]);
    assert_eq!(first[..3], ["s1".to_owned(), world.address(1), "steady".to_owned()]);
    assert_eq!(first[4..6], ["s2", "1"]);
    assert!(first[6].ends_with(" B / 64 MiB"), "{first:?}");
    assert_eq!(first[7..], ["66.7 %", "it answers"]);
    let expected = ["s2", &world.address(2), "down", "3 m ago", "s1", "-", "-", "-", "connection refused"];
    assert_eq!(*second, expected);
    assert_eq!(third[2..6], ["returned", "2 h ago", "s4", "0"]);
    assert_eq!(third[8], "restarted");
}

#[test]
fn a_pool_whose_daemon_is_gone() {
    let world = World::new(2);
    let daemon = world.daemon();
    daemon.say("s2", State::Returned, 60, "restarted");
    drop(daemon);
    let text = world.demand(0, &["status"]);
    assert!(text.contains("   unattended: its writer ended, generation 2, sweep running\n"), "{text}");
    assert!(text.contains("\nthe states are the table's last: "), "{text}");
    assert_eq!(columns(&text)[2][2], "returned");
    let text = world.demand(0, &["where", "k"]);
    assert!(text.ends_with(
        "by the last states of the table, which is unattended: each process goes on from them by itself\n"
    ));
}

#[test]
fn what_clients_found_out_while_nobody_attends() {
    let world = World::new(3);
    let daemon = world.daemon();
    let stripes = Stripes::open(&world.table(), &Trust::default()).expect("stripes");
    for slot in [1, 2] {
        stripes.make_odd(slot, Epoch::default()).expect("nobody else changes it");
    }
    stripes.make_even(2, stripes.epoch(2).expect("an epoch")).expect("nobody else changes it");
    let states = || -> Vec<String> {
        columns(&world.demand(0, &["status"]))[1..]
            .iter()
            .map(|row| format!("{} {}", row[2], row[3]))
            .collect()
    };
    let found = states();
    assert!(found.iter().all(|state| state.starts_with("steady ")), "the daemon's word counts: {found:?}");
    drop(daemon);
    let found = states();
    assert!(found[0].starts_with("steady "), "{found:?}");
    assert_eq!(found[1..], ["down -", "returned -"]);
}

#[test]
fn a_pool_without_a_table() {
    let mut world = World::new(3);
    world.rewrite("table = ", "# table = ");
    world.rewrite("# Number 3.\n[[server]]\n", "# Number 3.\n[[server]]\nstate = \"draining\"\n");
    world.servers[0].kill();
    let text = world.demand(0, &["status"]);
    assert!(
        text.contains("\nno table: the pool file names none, so each process judges by itself\n"),
        "{text}"
    );
    assert!(text.contains("\nthe states are assumed, from what is ordered and who answers here\n"), "{text}");
    let rows = columns(&text);
    assert_eq!(rows[1][2..5], ["down", "-", "s2"]);
    assert_eq!(rows[1][8], "connection refused");
    assert_eq!((rows[2][2].as_str(), rows[3][2].as_str()), ("steady", "draining"));
    let text = world.demand(0, &["where", "k"]);
    assert!(
        text.ends_with("the states are assumed: there is no table, and only orders are taken into account\n")
    );
}

#[test]
fn a_server_that_hangs_does_not_hold_up_the_others() {
    let world = World::new(2);
    world.rewrite("connect_timeout = \"5s\"\ntimeout = \"10s\"", "timeout = \"300ms\"");
    world.servers[1].hang();
    let text = world.demand(0, &["status"]);
    world.servers[1].wake();
    let rows = columns(&text);
    assert_eq!(rows[1][2], "steady", "{text}");
    assert_eq!((rows[2][2].as_str(), rows[2][8].as_str()), ("down", "no answer in time"), "{text}");
}

#[test]
fn a_key_in_every_state() {
    let world = World::new(4);
    let daemon = world.daemon();
    let server = |number: usize| format!("s{number} ({})", world.address(number));
    let expected = format!(
        "key user:42\n  home     {0}, steady\n  acting   {0}, steady; reads and writes begin here\n  mirror   {1}, \
         steady; takes the second copy of a write\n  places   s4, s3; a read asks them in this order\nby the \
         states of the table, which is attended\n",
        server(4),
        server(3)
    );
    assert_eq!(world.demand(0, &["where", "user:42"]), expected);
    daemon.say("s4", State::Down, 1, "gone");
    let text = world.demand(0, &["where", "user:42"]);
    assert!(text.contains(&format!("  home     {}, down\n", server(4))), "{text}");
    assert!(text.contains("; stands in for home: reads and writes begin here\n"), "{text}");
    assert!(text.contains(&format!("  mirror   {}, steady; ", server(3))), "{text}");
}

#[test]
fn pictures_follow_each_other() {
    let world = World::new(1);
    for (arguments, start) in
        [(&["status", "--watch"][..], "pool shop "), (&["status", "--watch", "--json"], "{\"pool\":")]
    {
        let mut child = program()
            .arg("--pool")
            .arg(&world.file)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let pictures = lines.map(|line| line.expect("text")).filter(|line| line.starts_with(start)).take(2);
        assert_eq!(pictures.count(), 2, "two pictures");
        // The pipe is closed now, which ends it without a word.
        let ended = wait::until("its end", || child.try_wait().expect("it is ours"));
        assert_eq!(ended.code(), Some(0));
    }
}

#[test]
fn completions_know_the_commands() {
    for (shell, place) in
        [("bash", "memcachectl.bash"), ("zsh", "_memcachectl"), ("fish", "memcachectl.fish")]
    {
        let went = ended(program().args(["completions", shell]));
        assert_eq!((went.status, went.err.as_str()), (0, ""));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/completions").join(place);
        if std::env::var_os("UPDATE_COMPLETIONS").is_some() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, &went.out).expect("it can be written");
        }
        let committed = fs::read_to_string(&path).expect("committed completions");
        assert!(committed == went.out, "{place} is old: run this test with UPDATE_COMPLETIONS=1, and commit");
        for command in ["status", "where", "drain", "replace", "sweep", "steady"] {
            assert!(committed.contains(command), "{place} has no {command}");
        }
    }
}
