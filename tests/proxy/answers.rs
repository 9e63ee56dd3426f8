//! What a client reads.

use crate::proxy::{Client, Fleet};

/// Requests in one write and the whole of what comes back, in pools without and with backups.
const TALKS: &[(&str, &str)] = &[
    ("get none\r\n", "END\r\n"),
    ("set a 5 0 3\r\nabc\r\nget a\r\n", "STORED\r\nVALUE a 5 3\r\nabc\r\nEND\r\n"),
    (
        "add a 0 0 1\r\nx\r\nreplace a 1 0 1\r\ny\r\nget a none a\r\n",
        "NOT_STORED\r\nSTORED\r\nVALUE a 1 1\r\ny\r\nVALUE a 1 1\r\ny\r\nEND\r\n",
    ),
    (
        "append a 0 0 1\r\n2\r\nprepend a 0 0 1\r\n0\r\nget a\r\n",
        "STORED\r\nSTORED\r\nVALUE a 1 3\r\n0y2\r\nEND\r\n",
    ),
    (
        "set n 0 0 2\r\n10\r\nincr n 5\r\ndecr n 20\r\nincr a 1\r\nincr none 1\r\n",
        "STORED\r\n15\r\n0\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nNOT_FOUND\r\n",
    ),
    (
        "touch a 100\r\ntouch none 1\r\ngat 0 a\r\nmg a t\r\n",
        "TOUCHED\r\nNOT_FOUND\r\nVALUE a 1 3\r\n0y2\r\nEND\r\nHD t-1\r\n",
    ),
    ("delete a\r\ndelete a\r\n", "DELETED\r\nNOT_FOUND\r\n"),
    ("cas none 0 0 1 7\r\nx\r\n", "NOT_FOUND\r\n"),
    (
        "set q 0 0 1 noreply\r\n1\r\nincr q 1 noreply\r\nget q\r\ndelete q noreply\r\nget q\r\n",
        "VALUE q 0 1\r\n2\r\nEND\r\nEND\r\n",
    ),
    (
        "ms m 2 F7\r\nhi\r\nmg m v f k O1\r\nmg none v q\r\nmd m q\r\nmg m v\r\nmn\r\n",
        "HD\r\nVA 2 f7 km O1\r\nhi\r\nEN\r\nMN\r\n",
    ),
    (
        "ms m 1 ME\r\n1\r\nms m 1 ME k\r\n2\r\nma m D4 v\r\nms m 1 MA O3\r\n0\r\nmg m v\r\nmd m\r\n",
        "HD\r\nNS km\r\nVA 1\r\n5\r\nHD O3\r\nVA 2\r\n50\r\nHD\r\n",
    ),
    (
        "ma c N0 J7 v\r\nma c v\r\nms c 1 I\r\nz\r\nmg c v s\r\nmd c\r\n",
        "VA 1\r\n7\r\nVA 1\r\n8\r\nHD\r\nVA 1 s1\r\nz\r\nHD\r\n",
    ),
    ("mg vivid N30 v\r\nms vivid 1\r\nx\r\nmg vivid v\r\n", "VA 0 W\r\n\r\nHD\r\nVA 1\r\nx\r\n"),
    (
        "ms Yg== 1 b\r\nx\r\nget b\r\nmg Yg== b v k\r\n",
        "HD\r\nVALUE b 0 1\r\nx\r\nEND\r\nVA 1 kYg== b\r\nx\r\n",
    ),
    (
        "set k 0 0 3\r\nabcde\r\nnonsense\r\nshutdown\r\n",
        "CLIENT_ERROR bad data chunk\r\nERROR\r\nERROR\r\nERROR: shutdown not enabled\r\n",
    ),
    (
        "verbosity 1\r\nversion\r\nflush_all\r\nget q m\r\nflush_all noreply\r\nmn\r\n",
        "OK\r\nVERSION 1.6.18\r\nOK\r\nEND\r\nMN\r\n",
    ),
];

fn talk(fleet: &Fleet, cut: Option<usize>) {
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    let version = Client::to(fleet.servers[0].port()).ask("version\r\n");
    for (sent, expected) in TALKS {
        let expected = expected.replace("VERSION 1.6.18", &version);
        match cut {
            None => client.send(sent.as_bytes()),
            Some(size) => sent.as_bytes().chunks(size).for_each(|piece| client.send(piece)),
        }
        let got = client.exactly(expected.len());
        assert_eq!(String::from_utf8_lossy(&got), expected, "after {sent:?}");
    }
    assert_eq!(client.ask("mn\r\n"), "MN", "and nothing else came: {}", proxy.said());
}

#[test]
fn every_command_without_backups() {
    let fleet = Fleet::start(3, "backup = \"none\"", "");
    talk(&fleet, None);
    talk(&fleet, Some(1));
}

#[test]
fn every_command_with_backups() {
    let fleet = Fleet::start(4, "backup = \"pairs\"", "");
    talk(&fleet, None);
    talk(&fleet, Some(7));
}

#[test]
fn every_command_with_a_table() {
    let fleet = Fleet::watched(4, "5s");
    talk(&fleet, None);
}

#[test]
fn a_stub_of_a_client_s_own_is_seen_by_others_where_it_cannot_be_a_move_s() {
    for (backup, seen) in [("none", "VA 0 t30 Z"), ("pairs", "EN")] {
        let fleet = Fleet::start(2, &format!("backup = \"{backup}\""), "");
        let proxy = fleet.proxy(&[]);
        let (mut one, mut other) = (proxy.client(), proxy.client());
        assert_eq!((one.ask("mg k N30 v\r\n").as_str(), one.line().as_str()), ("VA 0 W", ""));
        assert_eq!(other.ask("mg k v t\r\n"), seen, "{backup}");
        if backup == "none" {
            assert_eq!(other.line(), "");
        }
        for command in ["get", "gets", "gat 30", "gats 30"] {
            let first = other.ask(&format!("{command} k\r\n"));
            let head = if backup == "none" { "VALUE k 0 0" } else { "END" };
            assert!(first.starts_with(head), "{backup} {command}: {first}");
            if backup == "none" {
                assert_eq!((other.line().as_str(), other.line().as_str()), ("", "END"));
            }
        }
        assert_eq!(other.ask("add k 0 0 1\r\nx\r\n"), "NOT_STORED");
        assert_eq!(one.set("k", b"v"), "STORED");
        assert_eq!(other.get("k"), Ok(Some(b"v".to_vec())));
    }
}

/// memcached drops the value that was there when it has no room for the one of an `ms`, in whatever mode. The other copy
/// goes too: it would be read when the server that dropped it falls.
#[test]
fn what_a_server_drops_with_a_refusal_is_kept_by_nobody() {
    let mut fleet = Fleet::start(2, "backup = \"pairs\"", "");
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    // The proxy takes it, and a server has no room for what it keeps beside.
    let value = vec![b'x'; (1 << 20) - 20];
    let flags = ["c", "ME c", "MA c", "MR c", "I", "b"];
    for flags in flags {
        let (key, name) = if flags == "b" { ("foo", "Zm9v") } else { ("k", "k") };
        assert_eq!(client.set(key, b"old"), "STORED");
        client.send(format!("ms {name} {} {flags}\r\n", value.len()).as_bytes());
        client.send(&value);
        assert_eq!(client.ask("\r\n"), "SERVER_ERROR object too large for cache", "{flags}");
        for server in &fleet.servers {
            let found = server.ask(&format!("get {key}\r\n"), "END").expect("an answer");
            assert_eq!(found, ["END"], "{flags}: {}", server.address());
        }
        assert_eq!(client.set(key, b"new"), "STORED");
    }
    assert_eq!(client.set("k", b"old"), "STORED");
    client.send(&[format!("ms k {} c\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat());
    assert_eq!(client.line(), "SERVER_ERROR object too large for cache");
    fleet.servers[0].kill();
    assert_eq!(client.get("k"), Ok(None), "whichever server was its home");
}

/// In an answer to `me` are no flags.
#[test]
fn a_key_that_looks_like_a_flag_is_told_as_it_is() {
    let fleet = Fleet::start(2, "backup = \"pairs\"", "");
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    assert_eq!(client.set("c5", b"v"), "STORED");
    let said = client.ask("me c5\r\n");
    assert!(said.starts_with("ME c5 exp=-1 "), "{said}");
}

#[test]
fn a_cas_token_is_good_for_one_store() {
    let fleet = Fleet::start(2, "backup = \"pairs\"", "");
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    assert_eq!(client.set("k", b"1"), "STORED");
    client.send(b"gets k\r\n");
    let head = client.line();
    let token: i64 =
        head.split(' ').nth(4).and_then(|token| token.parse().ok()).expect("a number with a sign");
    assert_eq!((client.line().as_str(), client.line().as_str()), ("1", "END"));
    assert_eq!(client.ask(&format!("cas k 0 0 1 {token}\r\n2\r\n")), "STORED");
    assert_eq!(client.ask(&format!("cas k 0 0 1 {token}\r\n3\r\n")), "EXISTS");
    assert_eq!(client.get("k"), Ok(Some(b"2".to_vec())));
}

#[test]
fn statistics() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let proxy = fleet.proxy(&["--threads", "2"]);
    let mut client = proxy.client();
    for number in 0..20 {
        assert_eq!(client.set(&format!("k{number}"), b"v"), "STORED");
    }
    client.send(b"stats\r\n");
    let lines: Vec<String> =
        std::iter::from_fn(|| Some(client.line()).filter(|line| line != "END")).collect();
    assert!(lines.contains(&"STAT curr_items 20".to_owned()), "{lines:?}");
    assert_eq!(
        (client.ask("stats items\r\n").as_str(), client.ask("stats cachedump 1 1\r\n").as_str()),
        ("END", "END")
    );
    assert_eq!(client.ask("cache_memlimit 50\r\n"), "ERROR", "an order to one server");
    assert_eq!(proxy.stat("cmd_set_answered"), Some(20));
    assert_eq!(proxy.stat("threads"), Some(2));
}

#[test]
fn counting_begins_anew_on_every_server() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    for number in 0..20 {
        assert_eq!(client.set(&format!("k{number}"), b"v"), "STORED");
    }
    let counted =
        || fleet.servers.iter().map(|server| server.stat("cmd_set").expect("it answers")).collect::<Vec<_>>();
    assert!(counted().iter().all(|count| *count > 0), "{:?}", counted());
    assert_eq!(client.ask("stats reset\r\n"), "RESET");
    assert_eq!(counted(), [0, 0]);
    // One that cannot be asked has not done it, and that is said.
    fleet.servers[1].hang();
    assert!(client.ask("stats reset\r\n").starts_with("SERVER_ERROR "));
    fleet.servers[1].wake();
}

#[test]
fn nothing_lives_longer_than_the_pool_allows() {
    for backup in ["none", "pairs"] {
        let fleet = Fleet::start(2, &format!("backup = \"{backup}\"\nmax_ttl = \"100s\""), "");
        let proxy = fleet.proxy(&[]);
        let mut client = proxy.client();
        for (number, store) in [
            "set KEY 0 0 1\r\n1\r\n",
            "ms KEY 1\r\n1\r\n",
            "ms KEY 1 c\r\n1\r\n",
            "ms KEY 1 T5000 c\r\n1\r\n",
            "ma KEY N0 t\r\n",
        ]
        .into_iter()
        .enumerate()
        {
            let key = format!("k{number}");
            client.ask(&store.replace("KEY", &key));
            let left: i64 = {
                let line = client.ask(&format!("mg {key} t\r\n"));
                line.strip_prefix("HD t")
                    .and_then(|left| left.parse().ok())
                    .unwrap_or_else(|| panic!("{line}"))
            };
            assert!((1..=100).contains(&left), "{backup} {store}");
            assert_eq!(client.ask(&format!("touch {key} 0\r\n")), "TOUCHED");
            assert!(client.ask(&format!("mg {key} T0 k\r\n")).starts_with("HD"));
            client.send(format!("gat 0 {key}\r\n").as_bytes());
            let _: Vec<String> = (0..3).map(|_| client.line()).collect();
            // On every server that has it.
            for server in &fleet.servers {
                let found = server.ask(&format!("mg {key} t\r\nmn\r\n"), "MN").expect("an answer");
                let lives = found[0].strip_prefix("HD t").map(|left| left.parse::<i64>().expect("a number"));
                assert!(lives.is_none_or(|left| (1..=100).contains(&left)), "{backup} {store}: {found:?}");
            }
        }
    }
}
