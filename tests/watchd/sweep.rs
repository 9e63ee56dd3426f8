//! Sweeps: after them every copy is where the rules place it, and a server that came back is steady.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memcache::rules::operation::{Outcome, Spread};
use memcache::rules::view::State;
use memcache::table::{Notice, Stripes, Trust, notice};

use crate::support::server::Memcached;
use crate::support::wait;
use crate::swept::{World, get, key, set};

const QUICK: &str = "deadline = \"2s\"\ninterval = \"50ms\"\nsweep_share = \"100%\"";
/// A sweep that is under way for a while: [`hurry`] ends that.
const SLOW: &str = "deadline = \"2s\"\ninterval = \"50ms\"\nsweep_share = \"2%\"";

fn hurry(world: &World) {
    world.take_share("\"2%\"", "\"100%\"");
}

#[test]
fn after_every_server_was_restarted_nothing_is_lost() {
    let mut world = World::new(4, QUICK);
    world.wait_until_swept();
    let mut client = world.client();
    let count = 600;
    for number in 0..count {
        let exptime = if number % 3 == 0 { 1_000 } else { 0 };
        set(&mut client, &key(number), &format!("value {number}"), number, exptime);
    }
    for index in 0..4 {
        world.kill(index);
        // Some are written while it is away: on a stand-in.
        for number in (index as u32..count).step_by(16) {
            set(&mut client, &key(number), &format!("newer {index}"), number, 0);
        }
        world.servers[index].restart();
        wait::until("a server that is back", || {
            (world.files.entry(index).state != State::Down).then_some(())
        });
        world.wait_until_steady();
        world.check_places((0..count).map(key));
    }
    let held: Vec<_> = (0..4).map(|index| world.keys(index)).collect();
    for number in 0..count {
        let expected = match number % 16 {
            index @ 0..4 => format!("newer {index}"),
            _ => format!("value {number}"),
        };
        assert_eq!(get(&mut client, &key(number)), Some((expected, number)), "{number}");
        let was_rewritten = number % 16 < 4;
        let holders: Vec<_> = (0..4).filter(|&index| held[index].contains(&key(number))).collect();
        assert_eq!(holders.len(), 2);
        for index in holders.into_iter().filter(|_| number % 50 == 0) {
            let line =
                world.servers[index].ask(&format!("mg {} t\r\nmn\r\n", key(number)), "MN").expect("asked");
            let ttl: i64 = line[0].trim_start_matches("HD t").parse().expect("a time to live");
            let expires = number % 3 == 0 && !was_rewritten;
            assert!(if expires { (900..=1_000).contains(&ttl) } else { ttl == -1 }, "{number}: {ttl}");
        }
    }
}

#[test]
fn after_a_sweep_the_other_one_may_die() {
    let mut world = World::new(2, QUICK);
    world.wait_until_swept();
    world.fill(1_000);
    world.kill(0);
    world.restart(0);
    world.wait_until_steady();
    assert!(world.said().contains("steady: swept, and complete"), "{}", world.said());
    world.kill(1);
    world.check_values(0..1_000);
}

#[test]
fn what_is_written_and_deleted_meanwhile_counts() {
    let mut world = World::new(4, SLOW);
    world.wait_until_swept();
    let count = 1_200;
    world.fill(count);
    world.kill(0);
    world.restart(0);
    world.wait_until_under_way();
    let over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (over, mut client) = (Arc::clone(&over), world.client());
        std::thread::spawn(move || {
            let mut round = 0;
            while !over.load(Ordering::Relaxed) || round < 2 {
                round += 1;
                for number in (0..count).step_by(3) {
                    set(&mut client, &key(number), &format!("round {round}"), number, 0);
                    let deleted = client.run(&mut Spread::delete(key(number + 1).as_bytes()));
                    assert!(matches!(deleted, Outcome::Deleted | Outcome::NotFound), "{deleted:?}");
                }
            }
            round
        })
    };
    hurry(&world);
    world.wait_until_steady();
    over.store(true, Ordering::Relaxed);
    let rounds = writer.join().expect("nothing goes wrong");
    let mut client = world.client();
    for number in (0..count).step_by(3) {
        assert_eq!(get(&mut client, &key(number)), Some((format!("round {rounds}"), number)), "{number}");
        assert_eq!(get(&mut client, &key(number + 1)), None, "{number} + 1 was deleted");
    }
    world.check_values((2..count).step_by(3));
    world.check_places((0..count).filter(|number| number % 3 != 1).map(key));
}

#[test]
fn a_daemon_that_is_killed_meanwhile_is_followed_by_one_that_goes_on() {
    let mut world = World::new(2, SLOW);
    world.wait_until_swept();
    world.fill(1_500);
    world.kill(0);
    world.restart(0);
    world.wait_until_under_way();
    world.watchd.take().expect("it runs").kill();
    let held = world.keys(0).len();
    assert!(held < 1_500, "it was over already");
    hurry(&world);
    world.watchd = Some(crate::daemon::Watchd::start(&world.files));
    world.wait_until_steady();
    assert!(world.said().contains("sweep begins: for s0;"), "{}", world.said());
    world.check_places((0..1_500).map(key));
    world.check_values(0..1_500);
}

#[test]
fn servers_that_die_and_hang_meanwhile_are_swept_in_their_turn() {
    let mut world = World::new(4, SLOW);
    world.wait_until_swept();
    world.fill(1_500);
    world.kill(0);
    world.restart(0);
    world.watchd.as_ref().expect("it runs").wait_to_say("sweep begins: for s0;");
    // The only one that it is for: nothing is done by that.
    world.kill(0);
    world.watchd.as_ref().expect("it runs").wait_to_say("sweep is broken off: ");
    assert!(!world.said().contains("sweep is over"), "{}", world.said());
    world.restart(0);
    world.wait_until_under_way();
    // One that is walked, of another pair.
    world.kill(2);
    world.restart(2);
    world.wait_until_under_way();
    // One that is a target: what lies in it was half moved, with leases on the rest.
    world.servers[0].hang();
    world.files.wait_for(0, State::Down);
    world.servers[0].wake();
    world.wait_until_live(0);
    hurry(&world);
    world.wait_until_steady();
    world.check_values(0..1_500);
    world.check_places((0..1_500).map(key));
}

#[test]
fn a_server_that_drains_is_emptied_and_taken_out() {
    let world = World::new(4, QUICK);
    world.wait_until_swept();
    world.fill(600);
    let addresses: Vec<_> = world.servers.iter().map(Memcached::address).collect();
    let names = ["s0", "s1", "s2", "s3"];
    let list: Vec<_> = (0..4)
        .map(|index| (names[index], &*addresses[index], if index == 1 { "state = \"draining\"" } else { "" }))
        .collect();
    world.files.write_orders(&list);
    let out = world.files.wait_for(1, State::Down);
    assert_eq!(out.reason, "drained, and taken out");
    assert!(world.keys(1).is_empty(), "{:?}", world.keys(1).first());
    world.check_values(0..600);
    // It was needed for nothing.
    let mut world = world;
    world.servers[1].kill();
    world.check_values(0..600);
}

/// Deletes them on the second of two servers; how many. Second copies: what a steady home does not have exists nowhere.
fn take_second_copies(world: &World) -> usize {
    let homes = world.keys_at_home();
    for key in &homes[0] {
        world.servers[1].ask(&format!("delete {key}\r\n"), "DELETED").expect("it was there");
    }
    homes[0].len()
}

#[test]
fn copies_that_somebody_took_away_are_brought_back_when_that_is_asked_for() {
    let world = World::new(2, QUICK);
    world.wait_until_swept();
    world.fill(300);
    let taken = take_second_copies(&world);
    assert!(notice::send(&world.files.table, &Notice::Sweep(None)));
    wait::until("all copies", || (world.keys(1).len() == 300).then_some(()));
    world.wait_until_steady();
    world.check_places((0..300).map(key));
    assert!(world.said().contains(&format!("{taken} copies moved")), "{}", world.said());
}

#[test]
fn what_was_asked_for_is_swept_although_an_option_changes_meanwhile() {
    let world = World::new(2, SLOW);
    world.wait_until_swept();
    world.fill(600);
    take_second_copies(&world);
    assert!(notice::send(&world.files.table, &Notice::Sweep(None)));
    wait::until("a sweep under way", || world.files.look()?.1.sweep.map(drop));
    let text = std::fs::read_to_string(&world.files.pool).expect("a pool file");
    world.files.write_text(&text.replace("[pool]\n", "[pool]\ntimeout = \"3s\"\n"));
    let timeout = Duration::from_secs(3);
    wait::until("the option", || (world.files.look()?.1.current.options.timeout == timeout).then_some(()));
    assert_ne!(world.keys(1).len(), 600, "too fast a sweep for this test");
    hurry(&world);
    wait::until("all copies", || (world.keys(1).len() == 600).then_some(()));
    world.wait_until_steady();
}

#[test]
fn of_two_daemons_one_sweeps_at_a_time() {
    let mut world = World::new(2, SLOW);
    let addresses: Vec<_> = world.servers.iter().map(Memcached::address).collect();
    let other = crate::daemon::Files::new(&addresses, SLOW);
    let others_watchd = crate::daemon::Watchd::start(&other);
    wait::until("two swept pools", || (world.files.look()?.1.swept && other.look()?.1.swept).then_some(()));
    world.fill(600);
    world.kill(0);
    other.wait_for(0, State::Down);
    world.servers[0].restart();
    wait::until("one that waits for the other", || {
        let waits = |said: String| said.contains("the pool tried is swept by another daemon: ");
        (waits(world.said()) || waits(others_watchd.said())).then_some(())
    });
    hurry(&world);
    let text = std::fs::read_to_string(&other.pool).expect("a pool file");
    other.write_text(&text.replace("\"2%\"", "\"100%\""));
    world.wait_until_steady();
    other.wait_for(0, State::Steady);
    world.check_places((0..600).map(key));
}

#[test]
fn a_pool_with_a_server_that_gives_no_lists_is_not_swept() {
    let mut world = World::of(vec![Memcached::start(), Memcached::without_lists()], QUICK);
    let watchd = world.watchd.as_ref().expect("it runs");
    watchd.wait_to_say("nobody sweeps this pool: s1 gives no list of its keys: its crawler is switched off");
    world.fill(50);
    world.kill(0);
    world.servers[0].restart();
    world.files.wait_for(0, State::Returned);
    assert!(notice::send(&world.files.table, &Notice::Sweep(None)));
    world.watchd.as_ref().expect("it runs").wait_to_say("that cannot be: nobody sweeps this pool");
    assert_eq!(world.files.entry(0).state, State::Returned);
    assert!(world.keys(0).is_empty());
    world.check_values(0..50);
}

#[test]
fn a_pool_grows_and_shrinks_and_nothing_is_lost() {
    let mut world = World::new(2, QUICK);
    world.wait_until_swept();
    world.fill(800);
    world.servers.extend([Memcached::start(), Memcached::start()]);
    let list = |world: &World, count: usize| {
        world.files.write(&world.servers.iter().take(count).map(Memcached::address).collect::<Vec<_>>());
        wait::until("the other list", || {
            let (_, snapshot) = world.files.look()?;
            (snapshot.current.servers.len() == count).then_some(())
        });
    };
    list(&world, 4);
    world.check_values(0..800);
    world.wait_until_steady();
    world.check_places((0..800).map(key));
    list(&world, 3);
    world.check_values(0..800);
    world.wait_until_steady();
    world.check_values(0..800);
}

/// Another client stored them: no client of ours can ask for them, nor can a sweep, so they hold none up.
#[test]
fn keys_that_are_too_long_for_base64_are_left_where_they_are() {
    let mut world = World::new(2, QUICK);
    world.wait_until_swept();
    world.fill(100);
    for number in 0..20 {
        let key = format!("foreign\t{number}\t{}", "x".repeat(200));
        let stored = world.servers[1].ask(&format!("set {key} 0 0 1\r\nx\r\n"), "STORED");
        assert!(stored.is_ok(), "{stored:?}");
    }
    world.kill(0);
    world.restart(0);
    world.wait_until_steady();
    world.check_values(0..100);
}

/// Not a demand: figures, of a small run and without optimisation. `make bench-sweep` is the large one.
#[test]
fn what_make_bench_sweep_measures() {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_memcache-watchd"));
    let mut world = crate::scenario::World::new(program, "sweep_share = \"100%\"", 20_000, 100);
    let (plain, swept) = (world.copy_plainly(), world.sweep());
    println!(
        "20,000 keys: {:.0} keys/s by plain connections, {:.0} by a sweep, which took {:.1} MiB",
        plain.per_second,
        swept.per_second,
        world.peak_mib()
    );
    assert!(swept.seconds > 0.0 && world.peak_mib() > 0.0);
    world.begin_sweep();
    let load = world.load(|| world.wait_until_it_moves());
    println!("beside another: {:.0} calls/s, the longest {:.1} ms", load.per_second, load.longest_ms);
}

#[test]
fn one_that_is_asked_to_end_meanwhile_holds_nothing_up() {
    let mut world = World::new(2, SLOW);
    world.wait_until_swept();
    world.fill(1_500);
    world.kill(0);
    world.restart(0);
    world.wait_until_under_way();
    let mut watchd = world.watchd.take().expect("it runs");
    watchd.signal(libc::SIGTERM);
    assert!(watchd.status().success());
    let stripes = Stripes::open(&world.files.table, &Trust::default()).expect("a stripes file");
    let held: Vec<_> = (0..1 << 14).filter(|&stripe| !stripes.is_free(stripe)).collect();
    assert!(held.is_empty(), "{held:?}\n{}", watchd.said());
}

#[test]
fn stubs_that_somebody_left_behind_are_in_nobodys_way() {
    let mut world = World::new(2, SLOW);
    world.wait_until_swept();
    world.fill(1_000);
    world.kill(0);
    world.restart(0);
    world.wait_until_under_way();
    let lines: String = (0..1_000).map(|number| format!("mg {} N600 q\r\n", key(number))).collect();
    let answers = world.servers[0].ask(&format!("{lines}mn\r\n"), "MN").expect("asked");
    assert!(answers.len() > 1);
    hurry(&world);
    world.wait_until_steady();
    world.check_places((0..1_000).map(key));
    world.kill(1);
    world.check_values(0..1_000);
}

#[test]
fn what_a_server_would_not_take_keeps_its_sweep_from_its_end() {
    let servers = vec![Memcached::start(), Memcached::start_with(&["-I", "4m"])];
    let mut world = World::of(servers, QUICK);
    world.wait_until_swept();
    world.fill(100);
    let large =
        (0..).map(|number| format!("large-{number}")).find(|key| world.home(key) == 1).expect("a key");
    let line = format!("set {large} 0 0 1500000\r\n{}\r\n", "x".repeat(1_500_000));
    world.servers[1].ask(&line, "STORED").expect("it takes it");
    world.kill(0);
    world.restart(0);
    let watchd = world.watchd.as_ref().expect("it runs");
    watchd.wait_to_say("not swept yet: 1 copies were refused where they belong");
    assert_eq!(world.files.entry(0).state, State::Returned);
    world.servers[1].ask(&format!("delete {large}\r\n"), "DELETED").expect("it is there");
    world.wait_until_steady();
    world.check_places((0..100).map(key));
}
