//! Many requests, many clients, large values, slow clients.

use std::io::Write;
use std::thread;

use crate::proxy::{Client, Fleet};
use crate::support::wait;

#[test]
fn answers_stand_in_the_order_of_their_requests_at_any_depth() {
    for (backup, threads) in [("none", "1"), ("pairs", "2")] {
        let fleet = Fleet::start(4, &format!("backup = \"{backup}\""), "");
        let proxy = fleet.proxy(&["--threads", threads]);
        for depth in [1usize, 2, 16, 100, 1000, 5000] {
            let mut client = proxy.client();
            let mut text = Vec::new();
            for number in 0..depth {
                let key = number % 17;
                write!(text, "set k{key} 0 0 6\r\n{number:06}\r\nget k{key}\r\n").expect("memory");
            }
            let mut writer = client.writer();
            let sender = thread::spawn(move || writer.write_all(&text));
            for number in 0..depth {
                let key = number % 17;
                assert_eq!(client.line(), "STORED", "{backup} {depth} {number}");
                assert_eq!(client.line(), format!("VALUE k{key} 0 6"), "{backup} {depth} {number}");
                assert_eq!(client.line(), format!("{number:06}"), "{backup} {depth} {number}");
                assert_eq!(client.line(), "END");
            }
            sender.join().expect("no panic").expect("sent");
        }
    }
}

#[test]
fn one_counter_in_a_thousand_requests_at_once() {
    let fleet = Fleet::start(2, "backup = \"pairs\"", "");
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    assert_eq!(client.set("n", b"0"), "STORED");
    client.send("incr n 1\r\n".repeat(1000).as_bytes());
    for number in 1..=1000 {
        assert_eq!(client.line(), number.to_string());
    }
    let values: Vec<_> =
        fleet.servers.iter().map(|server| server.ask("get n\r\n", "END").expect("an answer")).collect();
    assert!(values.iter().all(|lines| lines.get(1).map(String::as_str) == Some("1000")), "{values:?}");
}

#[test]
fn large_values_and_those_that_are_too_large() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    for size in [0, 1, 4095, 65_536, 500_000, 1_000_000] {
        let value: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
        assert_eq!(client.set("big", &value), "STORED", "{size}");
        assert_eq!(client.get("big"), Ok(Some(value)), "{size}");
    }
    for size in [1 << 20, 5_000_000] {
        assert_eq!(client.set("big", b"small"), "STORED");
        assert_eq!(client.set("big", &vec![b'x'; size]), "SERVER_ERROR object too large for cache");
        assert_eq!(client.get("big"), Ok(None), "what was there is gone, as memcached has it");
    }
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_and_costs_little() {
    let fleet = Fleet::start(2, "backup = \"none\"", "buffer = 100000");
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    assert_eq!(client.set("big", &vec![b'x'; 200_000]), "STORED");
    let before = proxy.memory();
    let slow = proxy.client();
    let mut writer = slow.writer();
    writer.set_nonblocking(true).expect("it does not wait");
    // As much as it takes in.
    let mut sent = 0;
    wait::until("the proxy takes in no more", || match writer.write(&b"get big\r\n".repeat(1000)) {
        Ok(count) => {
            sent += count;
            None
        }
        Err(_) => (client.get("big").is_ok() && writer.write(b"\r").is_err()).then_some(()),
    });
    for _ in 0..50 {
        assert!(client.get("big").is_ok_and(|value| value.is_some()));
    }
    let grown = proxy.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{sent} bytes of requests cost {grown} bytes");
}

/// Requests that come faster than they are answered wait in their client's own socket.
#[test]
fn a_client_that_sends_ahead_costs_little() {
    let fleet = Fleet::start(1, "backup = \"none\"", "buffer = 100");
    let proxy = fleet.proxy(&[]);
    let before = proxy.peak();
    let mut client = proxy.client();
    let mut writer = client.writer();
    // It ends when the proxy does.
    drop(thread::spawn(move || writer.write_all(&b"mg k\r\n".repeat(4 << 20))));
    for number in 0..2_000 {
        assert_eq!(client.line(), "EN", "{number}");
    }
    let grown = proxy.peak() - before;
    assert!(grown < 4 << 20, "it grew by {grown} bytes");
}

#[test]
fn idle_clients_cost_little() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let proxy = fleet.proxy(&[]);
    let count = 2_000;
    let before = proxy.memory();
    let mut clients: Vec<Client> = (0..count).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("mg none v\r\n"), "EN");
    }
    let each = proxy.memory().saturating_sub(before) / count;
    println!("an idle client costs {each} bytes");
    assert!(each < 10 << 10, "an idle client costs {each} bytes");
}

#[test]
fn one_client_too_many_is_told_so() {
    let fleet = Fleet::start(1, "backup = \"none\"", "connections = 3");
    let proxy = fleet.proxy(&[]);
    let mut clients: Vec<Client> = wait::until("three clients are in", || {
        let mut clients: Vec<Client> = (0..3).map(|_| proxy.client()).collect();
        clients.iter_mut().all(|client| client.ask("mn\r\n") == "MN").then_some(clients)
    });
    assert_eq!(proxy.client().line(), "SERVER_ERROR too many connections");
    assert_eq!(clients[0].ask("mn\r\n"), "MN");
}
