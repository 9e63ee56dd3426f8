//! How clients come in, and how the proxy ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use crate::proxy::{Client, Fleet, Proxy};
use crate::support::server::free_port;
use crate::support::{keep, wait};

#[test]
fn a_unix_socket_with_its_mode_and_what_is_left_of_an_old_one() {
    let fleet = Fleet::start(1, "backup = \"none\"", "mode = \"0600\"");
    let path = fleet.unix();
    let mut first = fleet.proxy(&[]);
    let ask = |text: &[u8]| {
        let mut client = wait::until("a connection", || UnixStream::connect(&path).ok());
        client.write_all(text).expect("sent");
        let mut answer = [0; 4];
        client.read_exact(&mut answer).expect("an answer");
        answer
    };
    assert_eq!(&ask(b"mn\r\n"), b"MN\r\n");
    let mode = std::fs::metadata(&path).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    first.kill();
    assert!(path.exists(), "a killed proxy leaves it");
    let mut second = fleet.proxy(&[]);
    assert_eq!(&ask(b"mn\r\n"), b"MN\r\n");
    second.signal(Signal::TERM);
    assert!(second.ends().success() && !path.exists());
}

#[test]
fn one_that_ends_leaves_the_doors_of_the_next_one() {
    let http = free_port();
    let fleet = Fleet::start(1, "backup = \"none\"", &format!("http = \"127.0.0.1:{http}\""));
    let path = fleet.unix();
    let mut first = fleet.proxy(&[]);
    let mut client = first.client();
    fleet.servers[0].hang();
    client.send(b"set k 0 0 1\r\nv\r\n");
    wait::until("it was taken in", || first.stat("cmd_set").filter(|count| *count == 1));
    first.signal(Signal::TERM);
    wait::until("it takes nobody in any more", || TcpStream::connect(("127.0.0.1", first.port)).err());
    let _second = fleet.proxy(&[]);
    assert!(ask_http(http, "/metrics").starts_with("HTTP/1.1 200 OK\r\n"), "the next one's figures");
    fleet.servers[0].wake();
    assert_eq!(client.line(), "STORED", "{}", first.said());
    assert!(first.ends().success());
    UnixStream::connect(&path).expect("the next one's door");
}

#[test]
fn asked_to_end_it_answers_what_it_was_sent() {
    let fleet = Fleet::start(2, "backup = \"pairs\"", "");
    let mut proxy = fleet.proxy(&["--threads", "2"]);
    let mut idle = proxy.client();
    assert_eq!(idle.ask("mn\r\n"), "MN");
    // A server that hangs for as long as it takes to see that the end waits for it.
    fleet.servers.iter().for_each(|server| server.hang());
    let mut client = proxy.client();
    client.send(b"set k 0 0 1\r\nv\r\n");
    wait::until("it was taken in", || proxy.stat("cmd_set").filter(|count| *count == 1));
    proxy.signal(Signal::TERM);
    assert_eq!(idle.rest(), b"", "idle clients are let go");
    wait::until("it takes nobody in any more", || TcpStream::connect(("127.0.0.1", proxy.port)).err());
    fleet.servers.iter().for_each(|server| server.wake());
    assert_eq!(client.line(), "STORED", "{}", proxy.said());
    assert_eq!(client.rest(), b"");
    assert!(proxy.ends().success());
}

/// Its calls, and with them the longest end of a proxy, last longer than any wait of a test.
fn patient(fleet: Fleet) -> Fleet {
    fleet.change("\ntimeout = \"10s\"", "\ntimeout = \"60s\"");
    fleet
}

/// What a timer would end is five seconds and the pool's timeout away: far beyond what [`wait::until`] has patience for.
#[test]
fn the_end_waits_for_nobody_who_is_owed_nothing() {
    let fleet = patient(Fleet::start(2, "backup = \"pairs\"", ""));
    let mut proxy = fleet.proxy(&["--threads", "2"]);
    let mut idle = proxy.client();
    assert_eq!(idle.ask("mn\r\n"), "MN");
    let mut halves: Vec<Client> = (0..4).map(|_| proxy.client()).collect();
    for (half, text) in
        halves.iter_mut().zip(["set k 0 0 100\r\nabc", "get k", "ms k 10\r\n", "get k\r\nget k"])
    {
        half.send(text.as_bytes());
    }
    // It has read them all: what it reads it counts.
    let sent = (4 + 18 + 5 + 9 + 12) as u64;
    wait::until("it has read the halves", || proxy.stat("bytes_read").filter(|count| *count >= sent));
    assert_eq!(halves[3].line(), "END");
    proxy.signal(Signal::TERM);
    assert!(proxy.ends().success(), "{}", proxy.said());
    assert_eq!(idle.rest(), b"");
    assert!(halves.iter_mut().all(|half| half.rest().is_empty()));
}

#[test]
fn what_clients_have_sent_when_it_ends_is_answered() {
    // As much as there is room for at once, and one request at a time of more than is read at once.
    for (proxy, pipelined) in [("", 3_000), ("buffer = 100", 12_000)] {
        what_was_sent_is_answered(proxy, pipelined);
    }
}

fn what_was_sent_is_answered(proxy: &str, pipelined: usize) {
    let fleet = patient(Fleet::start(2, "backup = \"none\"", proxy));
    let mut proxy = fleet.proxy(&[]);
    let mut old = proxy.client();
    assert_eq!(old.ask("mn\r\n"), "MN");
    // It is stopped, so that it is woken by all of this at once.
    proxy.signal(Signal::STOP);
    let mut fresh = proxy.client();
    old.send(b"set k 0 0 1\r\nv\r\nget k\r\nget");
    fresh.send(b"set n 0 0 100\r\n");
    fresh.send(format!("{}\r\n", "x".repeat(100)).as_bytes());
    fresh.send("mg n s\r\n".repeat(pipelined).as_bytes());
    proxy.signal(Signal::TERM);
    proxy.signal(Signal::CONT);
    assert_eq!(old.rest(), b"STORED\r\nVALUE k 0 1\r\nv\r\nEND\r\n");
    let expected = format!("STORED\r\n{}", "HD s100\r\n".repeat(pipelined));
    assert!(fresh.rest() == expected.as_bytes(), "{}", proxy.said());
    assert!(proxy.ends().success());
}

#[test]
fn the_binary_protocol_is_let_go_at_once() {
    let fleet = Fleet::start(1, "backup = \"none\"", "");
    let proxy = fleet.proxy(&[]);
    for _ in 0..3 {
        let mut client = proxy.client();
        // What php-memcached sends first.
        client.send(b"\x80\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(client.rest(), b"");
    }
    assert_eq!(proxy.stat("clients_binary"), Some(3));
    assert_eq!(proxy.said().matches("binary protocol").count(), 1, "{}", proxy.said());
    // Later it is only a byte that begins no command.
    let mut client = proxy.client();
    assert_eq!((client.ask("mn\r\n").as_str(), client.ask("x\r\n").as_str()), ("MN", "ERROR"));
    client.send(b"\x80\r\n");
    assert_eq!((client.line().as_str(), client.ask("mn\r\n").as_str()), ("ERROR", "MN"));
}

#[test]
fn read_again_the_limits_hold_and_what_takes_a_restart_is_named() {
    let fleet = Fleet::start(1, "backup = \"none\"", "");
    let proxy = fleet.proxy(&["--threads", "2"]);
    let mut client = proxy.client();
    assert_eq!(client.set("k", &[b'x'; 100]), "STORED");
    let text = std::fs::read_to_string(&fleet.pool).expect("the pool file");
    std::fs::write(&fleet.pool, format!("{text}value = 50\n")).expect("written");
    proxy.signal(Signal::HUP);
    wait::until("the new limit holds", || {
        Some(client.set("k", &[b'x'; 100])).filter(|said| said == "SERVER_ERROR object too large for cache")
    });
    assert!(!proxy.said().contains("restart"), "{}", proxy.said());
    let other =
        text.replace("listen = [", &format!("mode = \"0600\"\nlisten = [\"127.0.0.1:{}\", ", free_port()));
    std::fs::write(&fleet.pool, other).expect("written");
    proxy.signal(Signal::HUP);
    let said = wait::until("it says so", || {
        proxy.said().lines().find(|line| line.contains("restart")).map(str::to_owned)
    });
    assert!(said.contains("takes a restart: listen, mode; "), "{said}");
    wait::until("the old limit holds again", || {
        Some(client.set("k", &[b'x'; 100])).filter(|said| said == "STORED")
    });
}

#[test]
fn a_client_that_hangs_up_behind_its_requests_gets_its_answers() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    client.send(b"set k 0 0 1\r\nv\r\nget k\r\n");
    client.hang_up();
    assert_eq!(client.rest(), b"STORED\r\nVALUE k 0 1\r\nv\r\nEND\r\n");
    let mut client = proxy.client();
    client.send(b"set k 0 0 1\r\nw\r\nquit\r\nget k\r\n");
    assert_eq!(client.rest(), b"STORED\r\n");
}

/// What systemd does: the socket is there before the program, and stays when it is restarted.
#[test]
fn sockets_that_are_handed_over_outlive_the_proxy() {
    let fleet = Fleet::start(1, "backup = \"none\"", "");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    let start = || {
        // The shell makes the socket descriptor 3 and names itself, whose number the program keeps.
        let script = "exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID; exec \"$0\" \"$@\" </dev/null";
        let mut command = std::process::Command::new("/bin/sh");
        command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_memcache-proxy"));
        command.arg("--pool").arg(&fleet.pool).arg("--foreground");
        command.stdin(std::process::Stdio::from(std::os::fd::OwnedFd::from(
            listener.try_clone().expect("a copy"),
        )));
        keep::spawn(&mut command).expect("the proxy starts")
    };
    let mut first = start();
    assert_eq!(Client::to(port).set("k", b"v"), "STORED");
    let pid = rustix::process::Pid::from_child(&first);
    rustix::process::kill_process(pid, Signal::TERM).expect("it is there");
    wait::until("it ends", || first.try_wait().expect("its state"));
    // Nobody is refused meanwhile.
    let mut waiting = Client::to(port);
    waiting.send(b"get k\r\n");
    let mut second = start();
    assert_eq!(waiting.line(), "VALUE k 0 1");
    keep::kill(&mut second);
}

/// Asks for figures, and gives what is said.
fn ask_http(port: u16, path: &str) -> String {
    let mut http = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    http.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).expect("sent");
    let mut text = String::new();
    http.read_to_string(&mut text).expect("an answer");
    text
}

/// The number of a line of Prometheus' text.
fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name} in:\n{text}"))
}

#[test]
fn what_is_told_to_prometheus() {
    let http = free_port();
    let fleet = Fleet::start(2, "backup = \"none\"", &format!("http = \"127.0.0.1:{http}\""));
    let proxy = fleet.proxy(&["--threads", "2"]);
    for number in 0..10 {
        // Two clients, and so two loops.
        assert_eq!(proxy.client().set(&format!("k{number}"), b"v"), "STORED");
    }
    let ask = |path| ask_http(http, path);
    assert!(ask("/nothing").starts_with("HTTP/1.1 404 Not Found\r\n"));
    // A loop tells of its servers ten times a second.
    let servers: Vec<String> =
        fleet.servers.iter().map(|server| format!("server=\"{}\"", server.address())).collect();
    let text = wait::until("both loops have told of their servers", || {
        let text = ask("/metrics");
        let told = |server| figure(&text, &format!("memcache_proxy_server_answered_total{{{server}}}"));
        (servers.iter().map(told).sum::<f64>() >= 10.0).then_some(text)
    });
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let request = |what: &str| format!("memcache_proxy_request_seconds_{what}");
    assert_eq!(figure(&text, "memcache_proxy_commands_total{command=\"set\"}"), 10.0);
    assert_eq!(figure(&text, &request("count{command=\"set\"}")), 10.0);
    assert_eq!(figure(&text, &request("bucket{command=\"set\",le=\"+Inf\"}")), 10.0);
    assert!(figure(&text, &request("sum{command=\"set\"}")) > 0.0);
    assert_eq!(figure(&text, &request("count{command=\"get\"}")), 0.0);
    let steps: Vec<f64> = (4..=24)
        .map(|bits| {
            figure(
                &text,
                &request(&format!("bucket{{command=\"set\",le=\"{}\"}}", f64::from(1 << bits) / 1e6)),
            )
        })
        .collect();
    assert!(steps.is_sorted(), "{steps:?}");
    for server in &servers {
        let of = |name: &str| figure(&text, &format!("memcache_proxy_server_{name}{{{server}}}"));
        assert_eq!((of("up"), of("steady"), of("lost_total")), (1.0, 1.0, 0.0));
        assert_eq!(of("seconds_count"), of("answered_total"));
        assert!(of("asked_total") >= of("answered_total"));
    }
    // And the same in `stats proxy`.
    for name in [String::from("cmd_set_"), format!("server:{}:", fleet.servers[0].address())] {
        let stat =
            |what: &str| proxy.stat(&format!("{name}{what}")).unwrap_or_else(|| panic!("{name}{what}"));
        assert!(stat("answered") > 0 && stat("p50_micros") >= 16 && stat("p99_micros") >= stat("p50_micros"));
        assert!(stat("micros") <= stat("answered") * stat("p99_micros"));
    }
    // What is said at once is nobody's time.
    let mut client = proxy.client();
    client.send(b"get k1\r\nmn\r\nmn\r\n");
    assert_eq!(client.exactly(b"VALUE k1 0 1\r\nv\r\nEND\r\nMN\r\nMN\r\n".len()).len(), 30);
    assert_eq!((proxy.stat("cmd_get_answered"), proxy.stat("cmd_delete_answered")), (Some(1), Some(0)));
}

#[test]
fn a_pool_that_names_nowhere_to_listen_is_refused() {
    let fleet = Fleet::start(1, "backup = \"none\"", "");
    let text = std::fs::read_to_string(&fleet.pool).expect("the pool file");
    let without: String =
        text.lines().filter(|line| !line.starts_with("listen")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&fleet.pool, without).expect("written");
    let output = Proxy::command(&fleet.pool, &[]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere to listen"));
    let output = Proxy::command(&fleet.scratch.path().join("none.toml"), &[]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(3));
}

/// They come in beside the clients, whose number has a limit; so theirs has one too.
#[test]
fn who_asks_as_prometheus_does_and_says_nothing_takes_no_more_than_a_few_places() {
    let http = free_port();
    let fleet = Fleet::start(1, "backup = \"none\"", &format!("http = \"127.0.0.1:{http}\""));
    let proxy = fleet.proxy(&[]);
    // Connections at the door that were taken in: those that still wait there have no inode.
    let door = format!(":{http:04X}");
    let taken = || {
        let all = std::fs::read_to_string("/proc/net/tcp").expect("the machine's connections");
        let is_in = |words: &[&str]| words[1].ends_with(&door) && words[3] == "01" && words[9] != "0";
        all.lines().filter(|line| is_in(&line.split_whitespace().collect::<Vec<_>>())).count()
    };
    let silent: Vec<_> =
        (0..100).map(|_| TcpStream::connect(("127.0.0.1", http)).expect("room at the door")).collect();
    wait::until("all places are taken", || (taken() >= 16).then_some(()));
    // A client is served meanwhile, and whoever came in for figures has come in by then.
    assert_eq!(proxy.client().set("k", b"v"), "STORED");
    assert_eq!(taken(), 16);
    drop(silent);
    let text = ask_http(http, "/metrics");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
}
