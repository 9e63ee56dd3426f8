//! `rejoin = "keep"`: a server that was out of reach and comes back with what it held keeps what was not changed meanwhile,
//! and nothing else. Real servers, a real daemon, and clients that write while one of them is away.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memcache::client::{Client, TableAt};
use memcache::rules::operation::{Batch, Broadcast, Counter, Everywhere, Outcome, Read, Spread, Write};
use memcache::rules::places;
use memcache::rules::pool::ServerId;
use memcache::rules::view::{Meta, State};
use memcache::rules::wire::{Direction, Value};
use memcache::table::stripes::layout::{FILE_BYTES, INDEXES_AT, JOURNALS_AT, KEYS_AT, journal as head};
use memcache::table::{ServerEntry, Stripes, Trust};

use crate::daemon::{Files, Watchd};
use crate::support::relay::{Mode, Relay};
use crate::support::server::Memcached;
use crate::support::wait;

const KEEP: &str = "interval = \"50ms\"\nrejoin = \"keep\"";

/// Servers, the daemon that watches them, and a client.
struct Scene {
    client: Client,
    /// `None`: it is being replaced.
    watchd: Option<Watchd>,
    files: Files,
    servers: Vec<Memcached>,
}

fn client(files: &Files) -> Client {
    let (_, snapshot) = files.look().expect("a table");
    let pool = Arc::new(snapshot.current.pool().expect("a pool"));
    let mut client =
        Client::open_with_table(pool, Some(TableAt { path: files.table.clone(), trust: Trust::default() }));
    // Time enough for a loaded machine.
    client.set_timeouts(Duration::from_millis(400), Duration::from_secs(20));
    client
}

fn scene(count: usize) -> Scene {
    let servers: Vec<_> = (0..count).map(|_| Memcached::start()).collect();
    let addresses: Vec<_> = servers.iter().map(Memcached::address).collect();
    let files = Files::new(&addresses, KEEP);
    let watchd = Watchd::start(&files);
    files.wait_until_met(count);
    Scene { client: client(&files), watchd: Some(watchd), files, servers }
}

struct One<'a>(&'a [u8], Result<String, Outcome>);

impl Batch for One<'_> {
    fn len(&self) -> usize {
        1
    }
    fn key(&self, _: usize) -> &[u8] {
        self.0
    }
    fn settle(&mut self, _: usize, answer: Result<&Value<'_>, Outcome>) {
        self.1 = answer.map(|value| String::from_utf8_lossy(value.data).into_owned());
    }
}

fn get(client: &mut Client, key: &str) -> Option<String> {
    let mut one = One(key.as_bytes(), Err(Outcome::Timeout));
    let _ = client.run(&mut Read::new(&mut one));
    match one.1 {
        Ok(value) => Some(value),
        Err(Outcome::Miss) => None,
        Err(other) => panic!("{key}: {other:?}"),
    }
}

fn set(client: &mut Client, key: &str, value: &str) {
    let outcome = client.run(&mut Write::new(key.as_bytes(), 0, 0, value.as_bytes()));
    assert_eq!(outcome, Outcome::Stored, "{key}");
}

/// What a server holds under a key, whatever the rules say of it.
fn raw(server: &Memcached, key: &str) -> Option<String> {
    let lines = server.ask(&format!("get {key}\r\n"), "END").expect("it answers");
    (lines.len() > 1).then(|| lines[1].clone())
}

impl Scene {
    /// Whether the first server is one of the two that hold the key.
    fn is_of_first(&self, key: &str) -> bool {
        let pool = self.client.pool();
        let (home, backup) = places::owners(pool, key.as_bytes()).expect("servers");
        home == ServerId(0) || backup == Some(ServerId(0))
    }

    fn watchd(&self) -> &Watchd {
        self.watchd.as_ref().expect("a daemon")
    }

    fn said(&self) -> String {
        self.watchd().said()
    }

    fn set(&mut self, key: &str, value: &str) {
        set(&mut self.client, key, value);
    }

    fn flushes(&self) -> u64 {
        self.servers[0].stat("cmd_flush").expect("it answers")
    }

    /// Keys of the first server that are set to "old".
    fn keys(&mut self, count: usize) -> Vec<String> {
        let keys: Vec<_> =
            (0..).map(|n| format!("key-{n}")).filter(|key| self.is_of_first(key)).take(count).collect();
        keys.iter().for_each(|key| self.set(key, "old"));
        keys
    }

    fn back(&self) -> ServerEntry {
        self.files.wait_for(0, State::Returned)
    }

    /// Everywhere the newest value, and on the first server nothing else.
    fn is_right(&mut self, newest: &BTreeMap<String, Option<String>>) {
        for (key, value) in newest {
            assert_eq!(get(&mut self.client, key), *value, "{key}\n{}", self.said());
            let there = raw(&self.servers[0], key);
            assert!(there.is_none() || there == *value, "{key}: {there:?} for {value:?}");
        }
    }
}

/// Changes of every kind while the first server is away: the first begins before anybody knows of it. What each key is then.
fn change(scene: &mut Scene, keys: &[String]) -> BTreeMap<String, Option<String>> {
    let mut newest = BTreeMap::new();
    // Sent to the server that hangs, and executed there when it wakes; and overwritten before that.
    scene.set(&keys[0], "late");
    scene.set(&keys[0], "newest");
    newest.insert(keys[0].clone(), Some("newest".to_owned()));
    scene.files.wait_for(0, State::Down);
    for (index, key) in keys.iter().enumerate().skip(1).take(29) {
        let value = match index % 3 {
            0 => {
                scene.set(key, "new");
                Some("new".to_owned())
            }
            1 => {
                assert_eq!(scene.client.run(&mut Spread::delete(key.as_bytes())), Outcome::Deleted);
                None
            }
            _ => {
                scene.set(key, "7");
                let counted = scene.client.run(&mut Counter::new(Direction::Incr, key.as_bytes(), 5));
                assert_eq!(counted, Outcome::Number(12));
                Some("12".to_owned())
            }
        };
        newest.insert(key.clone(), value);
    }
    newest
}

fn what_is_not_changed_is_kept(scene: &mut Scene, away: impl Fn(&Scene), here: impl Fn(&Scene)) {
    let keys = scene.keys(100);
    away(scene);
    let newest = change(scene, &keys);
    here(scene);
    let back = scene.back();
    assert_eq!(back.reason, "back, with what it held but 30 keys changed meanwhile");
    assert_eq!((scene.flushes(), back.epoch), (0, 2));
    scene.is_right(&newest);
    for key in &keys[30..] {
        assert_eq!(raw(&scene.servers[0], key).as_deref(), Some("old"), "{key}");
        assert_eq!(get(&mut scene.client, key).as_deref(), Some("old"));
    }
    assert_eq!(raw(&scene.servers[0], &keys[1]), None, "deleted while it was away");
    // And once more: the journal is free again.
    scene.set(&keys[0], "third");
    away(scene);
    scene.files.wait_for(0, State::Down);
    scene.set(&keys[2], "fourth");
    here(scene);
    let reason = scene.back().reason;
    assert!(reason.starts_with("back, with what it held but "), "{reason}");
    assert_eq!(get(&mut scene.client, &keys[0]).as_deref(), Some("third"));
    assert_eq!(get(&mut scene.client, &keys[2]).as_deref(), Some("fourth"));
    assert_eq!(scene.flushes(), 0);
    // By then a sweep may have brought it what it lacked.
    assert_ne!(raw(&scene.servers[0], &keys[2]).as_deref(), Some("12"));
}

#[test]
fn one_that_hangs_keeps_what_was_not_changed() {
    let mut scene = scene(4);
    what_is_not_changed_is_kept(&mut scene, |scene| scene.servers[0].hang(), |scene| scene.servers[0].wake());
}

#[test]
fn when_this_machine_was_cut_off_from_all_of_them_nothing_is_lost() {
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let relays: Vec<Relay> = servers.iter().map(|server| Relay::start(server.port())).collect();
    let files = Files::new(&relays.iter().map(Relay::address).collect::<Vec<_>>(), KEEP);
    let watchd = Watchd::start(&files);
    files.wait_until_met(4);
    let mut client = client(&files);
    (0..100).for_each(|n| set(&mut client, &format!("key-{n}"), "there"));
    relays.iter().for_each(|relay| relay.set(Mode::Cut));
    (0..4).for_each(|index| drop(files.wait_for(index, State::Down)));
    relays.iter().for_each(|relay| relay.set(Mode::Pass));
    watchd.wait_to_say("most servers answer again");
    wait::until("servers in use", || {
        (0..4).all(|index| files.entry(index).state != State::Down).then_some(())
    });
    let missed = (0..100).filter(|n| get(&mut client, &format!("key-{n}")).as_deref() != Some("there"));
    assert_eq!(missed.count(), 0, "{}", watchd.said());
}

#[test]
fn one_that_is_cut_off_keeps_what_was_not_changed() {
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let relay = Relay::start(servers[0].port());
    let mut addresses: Vec<_> = servers.iter().map(Memcached::address).collect();
    addresses[0] = relay.address();
    let files = Files::new(&addresses, KEEP);
    let watchd = Watchd::start(&files);
    files.wait_until_met(4);
    let mut scene = Scene { client: client(&files), watchd: Some(watchd), files, servers };
    what_is_not_changed_is_kept(&mut scene, |_| relay.set(Mode::Cut), |_| relay.set(Mode::Pass));
}

/// It is flushed after what `meanwhile` does, and whatever was changed is right.
fn is_flushed(meanwhile: impl Fn(&mut Scene)) {
    let mut scene = scene(4);
    let keys = scene.keys(40);
    scene.servers[0].hang();
    let newest = change(&mut scene, &keys);
    meanwhile(&mut scene);
    scene.servers[0].wake();
    scene.back();
    assert!(scene.flushes() >= 1, "{}", scene.said());
    scene.is_right(&newest);
}

#[test]
fn too_many_keys_and_it_is_flushed() {
    is_flushed(|scene| {
        let long = "k".repeat(200);
        let keys = (0..).map(|n| format!("{long}-{n}")).filter(|key| scene.is_of_first(key));
        // 26 words each, of 65,536.
        let keys: Vec<_> = keys.take(65_536 / 26 + 1).collect();
        keys.iter().for_each(|key| scene.set(key, "new"));
    });
}

#[test]
fn all_keys_are_flushed_and_so_is_it() {
    let mut scene = scene(4);
    let keys = scene.keys(10);
    scene.servers[0].hang();
    scene.files.wait_for(0, State::Down);
    let mut nobody = |_: ServerId, _: Result<&[u8], Outcome>| {};
    let flushed = scene.client.run(&mut Broadcast::new(Everywhere::FlushAll { delay: 0 }, None, &mut nobody));
    assert_eq!(flushed, Outcome::Done);
    scene.servers[0].wake();
    scene.back();
    assert_eq!(scene.flushes(), 1);
    scene.is_right(&keys.into_iter().map(|key| (key, None)).collect());
}

#[test]
fn a_daemon_that_was_stopped_meanwhile_flushes() {
    is_flushed(|scene| {
        scene.watchd().signal(libc::SIGSTOP);
        wait::until("an unattended table", || {
            (scene.files.look()?.0 != memcache::table::Attendance::Attended).then_some(())
        });
        scene.watchd().signal(libc::SIGCONT);
        scene.watchd().wait_to_say("was stopped or stuck");
    });
}

#[test]
fn a_daemon_that_begins_meanwhile_flushes() {
    is_flushed(|scene| {
        scene.watchd.take().expect("one").kill();
        scene.watchd = Some(Watchd::start(&scene.files));
    });
}

/// The first word of a part of the stripes file that is not 0 becomes this.
fn damage(files: &Files, part: Range<usize>, value: u64) {
    let path = Stripes::path_for(&files.table);
    let file = OpenOptions::new().read(true).write(true).open(path).expect("the stripes file");
    let mut words = vec![0; part.len()];
    file.read_exact_at(&mut words, part.start as u64).expect("so many words");
    let word = words.chunks(8).position(|word| word != [0; 8]).expect("one that is in use");
    file.write_all_at(&value.to_ne_bytes(), (part.start + 8 * word) as u64).expect("a store");
}

#[test]
fn a_key_that_is_lost_and_it_is_flushed() {
    is_flushed(|scene| damage(&scene.files, INDEXES_AT..KEYS_AT, 0));
}

#[test]
fn a_key_that_is_another_one_and_it_is_flushed() {
    is_flushed(|scene| damage(&scene.files, KEYS_AT..FILE_BYTES, u64::from_ne_bytes(*b"anything")));
}

#[test]
fn a_name_that_is_none_and_it_is_flushed() {
    is_flushed(|scene| {
        damage(&scene.files, JOURNALS_AT..INDEXES_AT, 7);
        let key = (0..).map(|n| format!("more-{n}")).find(|key| scene.is_of_first(key)).expect("one");
        scene.set(&key, "is not noted");
    });
}

#[test]
fn a_state_that_is_none_keeps_nobody_waiting_and_it_is_flushed() {
    is_flushed(|scene| {
        damage(&scene.files, JOURNALS_AT + head::STATE..INDEXES_AT, 7);
        let key = (0..).map(|n| format!("more-{n}")).find(|key| scene.is_of_first(key)).expect("one");
        scene.set(&key, "cannot be noted");
        scene.watchd().wait_to_say("a client gave up a server by itself");
    });
}

/// Its boot's clock is what tells who was complete before a server fell, and the time of day may be set.
#[test]
fn where_no_boot_is_known_nothing_is_kept() {
    let hides = [
        "--mount",
        "sh",
        "-c",
        "mount --bind /dev/null /proc/sys/kernel/random/boot_id && exec \"$@\"",
        "sh",
    ];
    let may = Command::new("unshare").args(hides).arg("true").output().expect("util-linux");
    if !may.status.success() {
        return println!("nobody may mount here: {}", String::from_utf8_lossy(&may.stderr));
    }
    let servers = [(); 4].map(|()| Memcached::start());
    let files = Files::new(&servers.each_ref().map(Memcached::address), KEEP);
    let watchd = Watchd::spawn_as(&files, |command| {
        let mut hidden = Command::new("unshare");
        hidden.args(hides).arg(command.get_program()).args(command.get_args());
        *command = hidden;
    });
    // Its table is not of this process's boot, so it seems unattended to it.
    wait::until("all are met", || {
        let (_, snapshot) = files.look()?;
        snapshot.current.servers.iter().all(|entry| entry.meta != Meta::Unknown).then_some(())
    });
    servers[0].hang();
    watchd.wait_to_say("what is changed without it cannot be noted");
    servers[0].wake();
    watchd.wait_to_say("returned: back, emptied because it missed writes");
    assert_eq!(servers[0].stat("cmd_flush"), Some(1), "{}", watchd.said());
}

/// It is swept too, and then there are two copies of everything again.
#[test]
fn when_it_is_swept_its_partner_can_go() {
    let mut scene = scene(4);
    let keys = scene.keys(60);
    scene.servers[0].hang();
    let newest = change(&mut scene, &keys);
    scene.servers[0].wake();
    assert!(scene.back().reason.contains("with what it held"));
    scene.files.wait_for(0, State::Steady);
    scene.servers[1].kill();
    scene.files.wait_for(1, State::Down);
    scene.is_right(&newest);
    for key in &keys[30..] {
        assert_eq!(get(&mut scene.client, key).as_deref(), Some("old"));
    }
    assert_eq!(scene.flushes(), 0);
}

#[test]
fn another_process_of_it_holds_nothing() {
    let mut scene = scene(4);
    let keys = scene.keys(20);
    scene.servers[0].hang();
    let newest = change_few(&mut scene, &keys);
    scene.servers[0].restart();
    let back = scene.back();
    assert_eq!(back.reason, "back, restarted");
    scene.is_right(&newest);
}

fn change_few(scene: &mut Scene, keys: &[String]) -> BTreeMap<String, Option<String>> {
    scene.files.wait_for(0, State::Down);
    let new = Some("new".to_owned());
    keys[..5].iter().for_each(|key| scene.set(key, "new"));
    keys[..5].iter().map(|key| (key.clone(), new.clone())).collect()
}

/// Writers that never pause, each of keys of its own, while a server goes and comes again and again: each reads what it
/// wrote last, and no server holds anything else.
#[test]
fn writers_that_never_pause() {
    const WRITERS: usize = 4;
    const KEYS: usize = 50;
    const ROUNDS: usize = 6;
    let scene = scene(4);
    let over = AtomicBool::new(false);
    let write = |writer: usize| {
        let mut client = client(&scene.files);
        let mut newest: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut round = 0;
        while !over.load(Ordering::SeqCst) {
            round += 1;
            let key = key_of(writer, round % KEYS);
            let value = (round % 5 != 0).then(|| format!("{round}"));
            match &value {
                Some(value) => set(&mut client, &key, value),
                None => {
                    let deleted = client.run(&mut Spread::delete(key.as_bytes()));
                    assert!(matches!(deleted, Outcome::Deleted | Outcome::NotFound), "{key}: {deleted:?}");
                }
            }
            newest.insert(key.clone(), value.clone());
            assert_eq!(get(&mut client, &key), value, "{key}");
            let other = key_of(writer, round * 7 % KEYS);
            if let Some(value) = newest.get(&other) {
                assert_eq!(get(&mut client, &other), *value, "{other}");
            }
        }
        newest
    };
    let mut kept = 0;
    let newest: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let write = &write;
                scope.spawn(move || write(writer))
            })
            .collect();
        let ends = Ends(&over);
        for round in 0..ROUNDS {
            let server = round % 2;
            scene.servers[server].hang();
            scene.files.wait_for(server, State::Down);
            scene.servers[server].wake();
            let back = scene.files.wait_for(server, State::Returned);
            kept += usize::from(back.reason.contains("with what it held"));
        }
        drop(ends);
        writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
    });
    for (key, value) in newest.iter().flatten() {
        for server in &scene.servers {
            let there = raw(server, key);
            assert!(there.is_none() || there == *value, "{key}: {there:?} for {value:?}");
        }
    }
    println!("{kept} of {ROUNDS} returns kept what was there");
    assert!(kept > 0, "{}", scene.said());
}

fn key_of(writer: usize, number: usize) -> String {
    format!("writer-{writer}-{number}")
}

/// Ends the writers, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
