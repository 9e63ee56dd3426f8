//! A pool file that changes under the daemon.

use std::io::Write;
use std::time::Duration;

use memcache::rules::view::State;
use memcache::table::{Attendance, Notice, notice};

use crate::daemon::{Files, Watchd};
use crate::support::server::Memcached;
use crate::support::wait;

fn names(files: &Files) -> Vec<String> {
    let (_, snapshot) = files.look().expect("a table");
    snapshot.current.servers.iter().map(|entry| entry.server.name.clone()).collect()
}

fn wait_for_names(files: &Files, expected: &[&str]) {
    wait::until(&format!("the list {expected:?}"), || (names(files) == expected).then_some(()));
}

#[test]
fn a_changed_file_is_followed_and_who_stays_keeps_his_state() {
    let mut servers: Vec<Memcached> = (0..4).map(|_| Memcached::without_lists()).collect();
    let address = |index: usize, servers: &[Memcached]| servers[index].address();
    let list = |indices: &[usize], servers: &[Memcached]| -> Vec<(String, String)> {
        indices.iter().map(|index| (format!("s{index}"), address(*index, servers))).collect()
    };
    let files = Files::new(
        &[address(0, &servers), address(1, &servers), address(2, &servers)],
        "interval = \"50ms\"",
    );
    let watchd = Watchd::start(&files);
    files.wait_until_met(3);
    servers[1].restart();
    let returned = files.wait_for(1, State::Returned);
    servers[3].ask("set key 0 0 3\r\nold\r\n", "STORED").expect("stored");

    // s0 leaves, s3 comes, the others move up; nobody tells the daemon.
    files.write_named(&list(&[1, 2, 3], &servers));
    wait_for_names(&files, &["s1", "s2", "s3"]);
    let kept = files.entry(0);
    assert_eq!((kept.state, kept.since, kept.epoch), (returned.state, returned.since, returned.epoch));
    assert_eq!(kept.epoch_slot, returned.epoch_slot, "its word goes with it");
    assert_eq!(files.entry(1).state, State::Steady);
    let new = files.wait_for(2, State::Returned);
    assert_eq!(servers[3].stat("cmd_flush"), Some(1), "what it held is of unknown age");
    assert!(![kept.epoch_slot, files.entry(1).epoch_slot].contains(&new.epoch_slot));

    // By signal, and by a program that changed the file.
    files.write_named(&list(&[1, 2], &servers));
    watchd.signal(libc::SIGHUP);
    wait_for_names(&files, &["s1", "s2"]);
    files.write_named(&list(&[2, 1], &servers));
    assert!(notice::send(&files.table, &Notice::Reload));
    wait_for_names(&files, &["s2", "s1"]);

    // Those that stayed are watched as before.
    servers[2].kill();
    files.wait_for(0, State::Down);
    assert_eq!(files.look().expect("a table").0, Attendance::Attended);
}

#[test]
fn a_file_that_is_being_written_is_not_followed_before_it_is_whole() {
    let servers: Vec<Memcached> = (0..5).map(|_| Memcached::without_lists()).collect();
    let addresses: Vec<String> = servers.iter().map(Memcached::address).collect();
    let files = Files::new(&addresses[..4], "interval = \"1s\"");
    let watchd = Watchd::start(&files);
    files.wait_until_met(4);
    // What it is to be, with a server more, written in place: as far as the second server's section at first.
    files.write(&addresses);
    let whole = std::fs::read_to_string(&files.pool).expect("the pool file");
    files.write(&addresses[..4]);
    let (half, rest) = whole.split_at(whole.find("[[server]]\nname = \"s2\"").expect("its section"));
    let mut file = std::fs::File::create(&files.pool).expect("the pool file, empty");
    let mut write = |text: &str| file.write_all(text.as_bytes()).expect("written");
    write(half);
    // The daemon looks at it twice at least while this goes on.
    let short = wait::within(Duration::from_millis(2300), || {
        write("#\n");
        Some(names(&files)).filter(|names| names.len() < 4)
    });
    assert_eq!(short, None, "{}", watchd.said());
    write(rest);
    wait_for_names(&files, &["s0", "s1", "s2", "s3", "s4"]);
    files.wait_for(4, State::Returned);
    let flushes: Vec<_> = servers.iter().map(|server| server.stat("cmd_flush")).collect();
    assert_eq!(flushes, [Some(0), Some(0), Some(0), Some(0), Some(1)]);
    assert_eq!(watchd.said().matches("is read again").count(), 1, "{}", watchd.said());
}

#[test]
fn another_address_under_an_old_name_is_another_server() {
    let servers = [Memcached::without_lists(), Memcached::without_lists(), Memcached::without_lists()];
    let files = Files::new(&[servers[0].address(), servers[1].address()], "interval = \"50ms\"");
    let watchd = Watchd::start(&files);
    files.wait_until_met(2);
    servers[2].ask("set key 0 0 3\r\nold\r\n", "STORED").expect("stored");
    files.write(&[servers[2].address(), servers[1].address()]);
    watchd.signal(libc::SIGHUP);
    wait::until("the other address", || {
        let entry = files.entry(0);
        (entry.server.address.to_string() == servers[2].address() && entry.state == State::Returned)
            .then_some(())
    });
    assert_eq!((servers[2].stat("cmd_flush"), servers[0].stat("cmd_flush")), (Some(1), Some(0)));
}

#[test]
fn a_file_with_mistakes_is_told_and_the_pool_stays_as_it_is() {
    let mut server = Memcached::without_lists();
    let files = Files::new(&[server.address()], "interval = \"50ms\"");
    let watchd = Watchd::start(&files);
    files.wait_until_met(1);
    files.write_text("[pool]\nnam = \"x\"\n[[server]]\naddress = \"127.0.0.1:0\"\n");
    watchd.wait_to_say("pool.toml:2: ");
    watchd.wait_to_say("pool.toml:4: ");
    watchd.wait_to_say("the pool stays as it is");
    server.kill();
    files.wait_for(0, State::Down);
    std::fs::remove_file(&files.pool).expect("the pool file can be removed");
    watchd.wait_to_say("cannot be opened");
    server.restart();
    files.wait_for(0, State::Returned);
    assert_eq!(watchd.said().matches("pool.toml:2: ").count(), 1, "once for each state of the file");
}

#[test]
fn how_a_sweep_behaves_can_be_changed() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], "interval = \"50ms\"");
    let watchd = Watchd::start(&files);
    files.wait_until_met(1);
    let text = std::fs::read_to_string(&files.pool).expect("the pool file");
    let keys = "sweep_share = \"100%\"\nsweep_servers = 16\nrejoin = \"keep\"\n";
    files.write_text(&text.replace("interval = ", &format!("{keys}interval = ")));
    watchd.wait_to_say("is read again: it changed");
    assert!(!watchd.said().contains("ERROR"), "{}", watchd.said());
    assert_eq!(files.look().expect("a table").0, Attendance::Attended);
}

#[test]
fn a_daemon_that_cannot_use_its_file_says_why_and_ends() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], "interval = \"50ms\"");
    files.write_text(&format!("[[server]]\naddress = \"{}\"\n", server.address()));
    let mut watchd = Watchd::spawn(&files);
    assert_eq!(watchd.status().code(), Some(3));
    assert!(watchd.said().contains("the pool names no table"), "{}", watchd.said());
}

#[test]
fn an_administrators_orders_are_obeyed() {
    let servers = [Memcached::without_lists(), Memcached::without_lists()];
    let addresses = [servers[0].address(), servers[1].address()];
    let files = Files::new(&addresses, "interval = \"50ms\"");
    let watchd = Watchd::start(&files);
    files.wait_until_met(2);
    let order = |line: &str| {
        files.write_orders(&[("s0", &addresses[0], line), ("s1", &addresses[1], "")]);
        watchd.signal(libc::SIGHUP);
    };
    order("state = \"draining\"");
    let draining = files.wait_for(0, State::Draining);
    assert_eq!((draining.epoch, draining.ordered, files.entry(1).ordered), (0, true, false));
    order("state = \"down\"");
    let out = files.wait_for(0, State::Down);
    assert_eq!((out.reason.as_str(), out.epoch, out.held_back), ("taken out by an administrator", 1, true));
    assert!(out.ordered);
    assert!(!watchd.said().contains("most servers are down"), "it is not one that seems down");

    // The order survives the daemon.
    watchd.kill();
    let watchd = Watchd::start(&files);
    let still = files.entry(0);
    assert_eq!(
        (still.state, still.since, still.held_back, still.ordered),
        (State::Down, out.since, true, true)
    );
    files.write(&addresses);
    watchd.signal(libc::SIGHUP);
    let back = files.wait_for(0, State::Returned);
    assert_eq!((back.epoch, back.ordered), (2, false));
    assert_eq!((servers[0].stat("cmd_flush"), servers[1].stat("cmd_flush")), (Some(1), Some(0)));
}
