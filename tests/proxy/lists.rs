//! A list of servers that changes under the proxy, with the table and without one.

use memcache::rules::places;
use memcache::rules::pool::{Pool, ServerId};
use memcache::table::{List, Reader, Snapshot, Trust};
use rustix::process::Signal;

use crate::daemon::{self, Daemon, life};
use crate::proxy::{Fleet, Proxy, overrun};
use crate::support::server::{Memcached, free_port};
use crate::support::wait;

fn knows(proxy: &Proxy, server: &Memcached) -> bool {
    proxy.stat(&format!("server:{}:asked", server.address())).is_some()
}

fn with_one_more(fleet: &Fleet, more: &Memcached) {
    let text = std::fs::read_to_string(&fleet.pool).expect("the pool file");
    let text = text.replacen("[watch]", &format!("[[server]]\naddress = \"{}\"\n[watch]", more.address()), 1);
    let new = fleet.scratch.write("new.toml", &text);
    std::fs::rename(new, &fleet.pool).expect("the pool file is replaced");
}

#[test]
fn the_table_s_list_is_followed_and_what_was_stored_is_found() {
    let fleet = Fleet::watched(4, "5s");
    let proxy = fleet.proxy(&["--threads", "2"]);
    let mut client = proxy.client();
    for number in 0..200 {
        assert_eq!(client.set(&format!("k{number}"), number.to_string().as_bytes()), "STORED");
    }
    let more = Memcached::start();
    with_one_more(&fleet, &more);
    let mut step = 0;
    wait::until("the proxy goes by the new list", || {
        // Requests go on meanwhile, and none of them fails or misses.
        for number in 0..200 {
            let key = format!("k{number}");
            assert_eq!(
                client.get(&key),
                Ok(Some(number.to_string().into_bytes())),
                "{step}: {}",
                proxy.said()
            );
        }
        assert_eq!(client.set(&format!("n{step}"), b"v"), "STORED");
        step += 1;
        knows(&proxy, &more).then_some(())
    });
    for number in 0..200 {
        assert_eq!(client.get(&format!("k{number}")), Ok(Some(number.to_string().into_bytes())));
    }
    for number in 0..step {
        assert_eq!(client.get(&format!("n{number}")), Ok(Some(b"v".to_vec())), "{number}");
    }
    wait::until("the new server is used", || {
        let keys = 0..50;
        keys.for_each(|number| assert_eq!(client.set(&format!("m{number}"), b"v"), "STORED"));
        more.stat("cmd_set").filter(|count| *count > 0)
    });
}

/// What somebody left of a key's turn is proved by the list under which that was begun. One of the servers is slow to prove
/// it, and leaves the list meanwhile.
#[test]
fn a_turn_that_is_being_proved_is_proved_by_the_old_list() {
    let fleet = Fleet::watched(4, "5s");
    let proxy = fleet.proxy(&["--threads", "1"]);
    let mut client = proxy.client();
    assert_eq!(client.set("k", b"old"), "STORED");
    fleet.overrun("k");
    let last = &fleet.servers[3];
    last.hang();
    let begun = proxy.stat("cmd_set");
    client.send(b"set k 0 0 3\r\nnew\r\n");
    wait::until("the store is begun", || (proxy.stat("cmd_set") > begun).then_some(()));

    fleet.change(&format!("[[server]]\naddress = \"{}\"\n", last.address()), "");
    fleet.watchd.as_ref().expect("a daemon").signal(libc::SIGHUP);
    wait::until("the table has another list", || {
        let mut snapshot = Snapshot::default();
        Reader::open(&fleet.table(), Trust::default()).ok()?.snapshot(&mut snapshot).ok()?;
        (snapshot.current.servers.len() == 3).then_some(())
    });
    // The loop has been around since when it answers for the second time.
    let asked = [proxy.stat("cmd_set"), proxy.stat("cmd_set")];
    assert!(asked.iter().all(|count| *count > begun));
    last.wake();
    assert_eq!(client.line(), "STORED", "{}", proxy.said());
    assert_eq!(client.get("k"), Ok(Some(b"new".to_vec())));
    wait::until("the proxy goes by the new list", || (!knows(&proxy, last)).then_some(()));
}

/// A loop without work looks at the table once a second. Who left a key's turn behind may have gone by a list that it has
/// not seen.
#[test]
fn a_turn_that_is_taken_over_is_proved_by_the_list_of_that_moment() {
    let servers: Vec<Memcached> = (0..4).map(|_| Memcached::start()).collect();
    let port = free_port();
    let named = |servers: &[Memcached]| {
        let list = daemon::pool(servers, daemon::options());
        Pool::new(format!("joined{port}"), list.options.clone(), list.servers().to_vec())
    };
    let (old, new) = (named(&servers[..2]), named(&servers));
    let daemon = Daemon::of(&old, &servers[..2]);
    let text = format!(
        "[pool]\nname = \"{}\"\nbackup = \"pairs\"\ntable = \"{}\"\n[[server]]\naddress = \"{}\"\n[proxy]\nlisten = \
         [\"127.0.0.1:{port}\"]\n",
        old.name,
        daemon.path().display(),
        servers[0].address()
    );
    let proxy = Proxy::start(&daemon.scratch.write("pool.toml", &text), port, &["--threads", "1"]);
    let mut client = proxy.client();
    // Neither it nor its copy is stored on those that join.
    let mut keys = (0..).map(|number| format!("k{number}"));
    let key =
        keys.find(|key| places::home(&new, key.as_bytes()) == Some(ServerId(0))).expect("one in so many");
    assert_eq!(client.set(&key, b"old"), "STORED", "{}", proxy.said());
    overrun(&daemon.path(), &key);
    let sets = || [2, 3].map(|joined: usize| servers[joined].stat("cmd_set").expect("it answers"));
    let before = sets();
    let lives: Vec<_> = servers.iter().map(life).collect();
    daemon.say(|snapshot| {
        let mut list = List::new(&new, &[], 2);
        for (slot, (entry, life)) in (0..).zip(list.servers.iter_mut().zip(&lives)) {
            (entry.incarnation, entry.mark, entry.epoch, entry.epoch_slot) = (Some(*life), 7, 2, slot);
        }
        snapshot.current = list;
    });
    assert_eq!(client.set(&key, b"new"), "STORED", "{}", proxy.said());
    assert_eq!(sets(), before.map(|count| count + 1), "a probe each");
}

#[test]
fn without_a_table_a_signal_brings_the_new_list() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let proxy = fleet.proxy(&["--threads", "2"]);
    let mut client = proxy.client();
    assert_eq!(client.set("k", b"v"), "STORED");
    let more = Memcached::start();
    with_one_more(&fleet, &more);
    proxy.signal(Signal::HUP);
    wait::until("the new server is used", || {
        let mut others = [proxy.client(), proxy.client()];
        for (number, other) in (0..).zip(&mut others) {
            (0..30).for_each(|key| assert_eq!(other.set(&format!("m{number}{key}"), b"v"), "STORED"));
        }
        more.stat("cmd_set").filter(|count| *count > 0)
    });
    assert!(knows(&proxy, &more));
}
