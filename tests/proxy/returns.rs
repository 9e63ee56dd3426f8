//! Servers that come back with what they held: what the proxy's clients wrote meanwhile counts, and what nobody wrote is kept.
//! The rules are the library's; here it is seen that many calls at once honour them as one call does.

use std::path::PathBuf;

use crate::proxy::{Client, Proxy};
use crate::support::relay::{Mode, Relay};
use crate::support::scratch::Scratch;
use crate::support::server::{Memcached, free_port};
use crate::support::wait;
use crate::support::watchd::Watchd;

/// Servers, of which the first is behind a relay, and a proxy.
struct Scene {
    proxy: Proxy,
    watchd: Option<Watchd>,
    relay: Relay,
    servers: Vec<Memcached>,
    pool: PathBuf,
    _scratch: Scratch,
}

impl Scene {
    /// `section`: further lines of the pool's section. With a table where there is one of `[watch]`.
    fn start(count: usize, section: &str, watch: Option<&str>) -> Scene {
        let servers: Vec<Memcached> = (0..count).map(|_| Memcached::start()).collect();
        let relay = Relay::start(servers[0].port());
        let scratch = Scratch::new();
        let port = free_port();
        let mut addresses: Vec<_> = servers.iter().map(Memcached::address).collect();
        addresses[0] = relay.address();
        let list: String = addresses.iter().map(|at| format!("[[server]]\naddress = \"{at}\"\n")).collect();
        let table = scratch.path().join("t.table");
        let watched = watch.map_or(String::new(), |watch| format!("[watch]\ninterval = \"50ms\"\n{watch}\n"));
        let of_table = watch.map_or(String::new(), |_| format!("table = \"{}\"\n", table.display()));
        let times =
            if section.contains("timeout") { "" } else { "timeout = \"10s\"\nconnect_timeout = \"5s\"" };
        let text = format!(
            "[pool]\nname = \"returns{port}\"\n{times}\n{section}\n{of_table}{list}{watched}\
             [proxy]\nlisten = [\"127.0.0.1:{port}\"]\n"
        );
        let pool = scratch.write("pool.toml", &text);
        let daemon = std::path::Path::new(env!("CARGO_BIN_EXE_memcache-watchd"));
        let watchd = watch.map(|_| Watchd::start(daemon, &pool, &table));
        let proxy = Proxy::start(&pool, port, &[]);
        Scene { proxy, watchd, relay, servers, pool, _scratch: scratch }
    }

    /// What the proxy tells of a server: `state`, and the like.
    fn told(&self, server: usize, name: &str) -> String {
        let address = if server == 0 { self.relay.address() } else { self.servers[server].address() };
        self.proxy.text(&format!("server:{address}:{name}")).expect("the proxy tells of its servers")
    }

    fn waits_for(&self, server: usize, state: &[&str]) {
        let mut client = self.proxy.client();
        wait::until(&format!("server {server} is {state:?}"), || {
            // A call, so that it looks.
            let _ = client.get("nothing");
            state.contains(&self.told(server, "state").as_str()).then_some(())
        });
    }

    /// Keys that a server holds, of those that are set now.
    fn keys(&self, client: &mut Client, server: usize, count: usize) -> Vec<String> {
        let mut keys = Vec::new();
        for number in 0..4_000 {
            let key = format!("key-{number}");
            assert_eq!(client.set(&key, b"old"), "STORED");
            if self.raw(server, &key).is_some() {
                keys.push(key);
            }
            if keys.len() == count {
                return keys;
            }
        }
        panic!("of 4000 keys, server {server} holds {}", keys.len())
    }

    /// What a server holds under a key, whatever the rules say of it.
    fn raw(&self, server: usize, key: &str) -> Option<String> {
        let lines = self.servers[server].ask(&format!("get {key}\r\n"), "END").expect("it answers");
        (lines.len() > 1).then(|| lines[1].clone())
    }
}

/// Nobody wrote: nothing is missed, and nothing has to go.
#[test]
fn what_was_only_read_meanwhile_is_kept() {
    let scene = Scene::start(3, "", None);
    let mut client = scene.proxy.client();
    let keys = scene.keys(&mut client, 0, 5);
    scene.relay.set(Mode::Refuse);
    scene.waits_for(0, &["down"]);
    for key in &keys {
        let _ = client.get(key);
    }
    scene.relay.set(Mode::Pass);
    scene.waits_for(0, &["steady", "returned"]);
    for key in &keys {
        assert_eq!(client.get(key), Ok(Some(b"old".to_vec())), "{key}");
    }
    assert_eq!(scene.servers[0].stat("cmd_flush"), Some(0));
}

/// What the proxy knows of its servers outlives the pool file that it was read with: a store that waited until the new one
/// was gone by passes by the server that is down, which is emptied before it is used again.
#[test]
fn after_a_reload_a_server_that_was_down_is_down() {
    let scene = Scene::start(3, "", None);
    let (mut client, mut reader) = (scene.proxy.client(), scene.proxy.client());
    let (key, other) = (scene.keys(&mut client, 0, 1).remove(0), scene.keys(&mut client, 1, 1).remove(0));
    scene.relay.set(Mode::Refuse);
    scene.waits_for(0, &["down"]);
    // A read that is under way keeps the old list in use.
    scene.servers[1].hang();
    let asked = scene.told(1, "asked");
    reader.send(format!("get {other}\r\n").as_bytes());
    wait::until("the read is under way", || (scene.told(1, "asked") != asked).then_some(()));
    let text = std::fs::read_to_string(&scene.pool).expect("the pool file");
    std::fs::write(&scene.pool, text.replace("connect_timeout = \"5s\"", "connect_timeout = \"4s\""))
        .expect("the pool file can be written");
    scene.proxy.signal(rustix::process::Signal::HUP);
    wait::until("the pool file is read again", || scene.proxy.said().contains(": read; ").then_some(()));
    let begun = scene.proxy.stat("cmd_set");
    client.send(format!("set {key} 0 0 3\r\nnew\r\n").as_bytes());
    wait::until("the store is begun", || (scene.proxy.stat("cmd_set") > begun).then_some(()));
    scene.servers[1].wake();
    assert_eq!(reader.line(), format!("VALUE {other} 0 3"));
    assert_eq!(client.line(), "STORED");
    scene.relay.set(Mode::Pass);
    scene.waits_for(0, &["steady", "returned"]);
    assert_ne!(client.get(&key), Ok(Some(b"old".to_vec())), "it came back with what it held");
    assert_eq!(scene.servers[0].stat("cmd_flush"), Some(1));
}

/// Without stripes nothing keeps others of the machine from a key that is moved.
#[test]
fn without_a_table_nothing_is_moved() {
    let mut scene = Scene::start(4, "backup = \"pairs\"", None);
    let mut client = scene.proxy.client();
    let keys = scene.keys(&mut client, 1, 20);
    scene.servers[1].kill();
    scene.waits_for(1, &["down"]);
    for key in &keys {
        assert_eq!(client.set(key, b"new"), "STORED");
    }
    scene.servers[1].restart();
    scene.waits_for(1, &["returned"]);
    for _ in 0..3 {
        for key in &keys {
            assert_eq!(client.get(key), Ok(Some(b"new".to_vec())), "{key}");
        }
    }
    let moved: Vec<_> = keys.iter().filter(|key| scene.raw(1, key).is_some()).collect();
    assert!(moved.is_empty(), "moved: {moved:?}");
}

/// With `rejoin = "keep"`, what clients of the proxy change is in the journal of the server that they pass by: it is deleted
/// there, and everything else stays.
#[test]
fn what_is_changed_through_the_proxy_meanwhile_is_not_kept() {
    let scene = Scene::start(4, "backup = \"pairs\"", Some("rejoin = \"keep\"\ndeadline = \"2s\""));
    let mut client = scene.proxy.client();
    let keys = scene.keys(&mut client, 0, 60);
    let flushes = scene.servers[0].stat("cmd_flush");
    scene.relay.set(Mode::Refuse);
    scene.waits_for(0, &["down"]);
    // Many at once: each is noted before any of them is sent.
    let mut request = String::new();
    for (number, key) in keys.iter().enumerate().take(30) {
        request += &match number % 3 {
            0 => format!("set {key} 0 0 3\r\nnew\r\n"),
            1 => format!("delete {key}\r\n"),
            _ => format!("append {key} 0 0 3\r\nest\r\n"),
        };
    }
    client.send(request.as_bytes());
    for number in 0..30 {
        assert_eq!(client.line(), if number % 3 == 1 { "DELETED" } else { "STORED" });
    }
    scene.relay.set(Mode::Pass);
    scene.waits_for(0, &["returned", "steady"]);
    for (number, key) in keys.iter().enumerate() {
        let newest = match number {
            30.. => Some("old"),
            _ => [Some("new"), None, Some("oldest")][number % 3],
        };
        let newest = newest.map(|value| value.as_bytes().to_vec());
        assert_eq!(client.get(key), Ok(newest), "{key}");
    }
    let said = scene.watchd.as_ref().map(Watchd::said).unwrap_or_default();
    assert!(said.contains("with what it held but 30 keys changed meanwhile"), "{said}");
    assert_eq!(scene.servers[0].stat("cmd_flush"), flushes, "{said}");
}

/// The first of two that change a key spends its time on a server that hangs. The second one's goes on meanwhile: it is up
/// before that of a third, which came later and asks somebody else.
#[test]
fn what_waits_for_others_ends_within_its_own_time() {
    let section = "backup = \"pairs\"\ntimeout = \"3s\"\nconnect_timeout = \"1s\"";
    let scene = Scene::start(4, section, Some("deadline = \"60s\""));
    let [mut first, mut second, mut third] = [(); 3].map(|()| scene.proxy.client());
    let key = scene.keys(&mut first, 1, 1).remove(0);
    let other = scene.keys(&mut first, 3, 1).remove(0);
    [1, 3].into_iter().for_each(|server| scene.servers[server].hang());
    let send = |client: &mut Client, key: &str| {
        let begun = scene.proxy.stat("cmd_set");
        client.send(format!("set {key} 0 0 3\r\nnew\r\n").as_bytes());
        wait::until("the store is begun", || (scene.proxy.stat("cmd_set") > begun).then_some(()));
    };
    send(&mut first, &key);
    send(&mut second, &key);
    send(&mut third, &other);
    assert!(third.line().starts_with("SERVER_ERROR"), "nobody knows what became of it");
    // Whatever was said in the same round was sent by then.
    assert_eq!(scene.proxy.client().ask("mn\r\n"), "MN");
    let stream = second.writer();
    stream.set_nonblocking(true).expect("a stream");
    assert_eq!(stream.peek(&mut [0]).ok(), Some(1), "the second has an answer before the third");
}
