//! What all clients together may cost: `memory` of the pool file.

use crate::proxy::{Client, Fleet};
use crate::support::wait;

/// What all clients have under way is more than the proxy may hold: a store fails as in a memcached without memory, and the
/// old value goes, as it does there.
#[test]
fn a_store_that_there_is_no_memory_for_fails_in_the_words_that_its_client_asked_for() {
    let fleet = Fleet::start(1, "backup = \"none\"", "memory = 300000");
    let proxy = fleet.proxy(&[]);
    let server = &fleet.servers[0];
    let mut client = proxy.client();
    assert_eq!(client.set("big", &vec![b'x'; 200_000]), "STORED");
    for key in ["loud", "quiet", "foo", "Zm9v", "appended"] {
        assert_eq!(client.set(key, b"old"), "STORED");
    }
    let mut slow = proxy.client();
    slow.send(&b"get big\r\n".repeat(400));
    let refusal = "SERVER_ERROR out of memory storing object";
    // As long as its socket still grows there is some again now and then.
    wait::until("there is no memory for good", || {
        (0..20).all(|_| client.ask("add probe 0 0 1\r\nx\r\n") == refusal).then_some(())
    });
    assert_eq!(client.set("loud", b"new"), refusal);
    client.send(b"set quiet 0 0 3 noreply\r\nnew\r\nappend appended 0 0 3 noreply\r\nnew\r\nms Zm9v 3 b\r\nnew\r\nmn\r\n");
    assert_eq!((client.line().as_str(), client.line().as_str()), (refusal, "MN"));
    for (key, there) in
        [("loud", false), ("quiet", false), ("foo", false), ("Zm9v", true), ("appended", true)]
    {
        let found = server.ask(&format!("get {key}\r\n"), "END").expect("an answer");
        assert_eq!(found.len() > 1, there, "{key}: {found:?}");
    }
}

/// It is refused when its turn comes, whatever was there for its first keys.
#[test]
fn a_get_that_there_is_no_memory_for_halfway_says_so_in_place_of_its_end() {
    let fleet = Fleet::start(1, "backup = \"none\"", "memory = 1500000");
    let proxy = fleet.proxy(&[]);
    let value = vec![b'x'; 1_000_000];
    assert_eq!(proxy.client().set("big", &value), "STORED");
    let gets = format!("get{}\r\nmn\r\n", " big".repeat(100));
    // As many keys of each as are begun at once, before anything is known of any: far more than their sockets take.
    let begun = 2 * 32;
    fleet.servers[0].hang();
    let (mut other, mut client) = (proxy.client(), proxy.client());
    for slow in [&mut other, &mut client] {
        slow.send(gets.as_bytes());
    }
    wait::until("both were begun", || proxy.stat("cmd_get").filter(|count| *count >= begun));
    fleet.servers[0].wake();
    let mut answered = 0;
    let end = loop {
        let line = client.line();
        if line != "VALUE big 0 1000000" {
            break line;
        }
        assert!(client.exactly(value.len() + 2).starts_with(&value));
        answered += 1;
    };
    assert_eq!((answered, end.as_str()), (32, "SERVER_ERROR out of memory writing get response"));
    assert_eq!(client.line(), "MN");
    assert_eq!(client.set("small", b"x"), "SERVER_ERROR out of memory storing object");
    drop(other);
    wait::until("there is memory again", || client.get("big").ok().flatten().filter(|got| *got == value));
}

/// What is not whole counts, and is not waited for where there is no memory: of all that is announced only that is kept which
/// there is room for.
#[test]
fn values_that_are_sent_in_part_cost_no_more_than_there_is_memory_for() {
    let fleet = Fleet::start(1, "backup = \"none\"", "memory = 4000000");
    let proxy = fleet.proxy(&[]);
    let refusal = "SERVER_ERROR out of memory storing object";
    let before = proxy.peak();
    let mut clients: Vec<Client> = (0..100).map(|_| proxy.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("set k{number} 0 0 1000000\r\n").as_bytes());
        client.send(&vec![b'x'; 999_999]);
    }
    // Whoever of them was not refused holds a value but for its last byte.
    let sent = 100 * 1_000_000;
    wait::until("all was read", || proxy.stat("bytes_read").filter(|count| *count >= sent));
    let grown = proxy.peak() - before;
    println!("100 of 1,000,000 bytes cost {grown}");
    assert!(grown < 48 << 20, "it grew by {grown} bytes");
    let mut stored = 0;
    for (number, client) in clients.iter_mut().enumerate() {
        match client.ask("x\r\nmn\r\n").as_str() {
            "STORED" => stored += 1,
            said => assert_eq!(said, refusal, "{number}"),
        }
        assert_eq!(client.line(), "MN", "{number}");
    }
    assert!((1..6).contains(&stored), "{stored} were stored");
}

/// Nor does what they owe and do not take, refusals among it, nor lines that do not end.
#[test]
fn who_goes_on_sending_without_memory_is_not_read() {
    let fleet = Fleet::start(1, "backup = \"none\"", "memory = 300000");
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    assert_eq!(client.set("big", &vec![b'x'; 200_000]), "STORED");
    let mut slow = proxy.client();
    slow.send(&b"get big\r\n".repeat(400));
    wait::until("there is no memory for good", || {
        (0..20).all(|_| client.ask("mg probe v\r\n") != "EN").then_some(())
    });
    let before = proxy.memory();
    let others: Vec<Client> = (0..40).map(|_| proxy.client()).collect();
    for other in &others {
        let mut writer = other.writer();
        writer.set_nonblocking(true).expect("it does not wait");
        // As much as is taken.
        while std::io::Write::write(&mut writer, &b"mg k\r\n".repeat(10_000)).is_ok() {}
    }
    // They have their turns before this client has so many more.
    for _ in 0..200 {
        assert_eq!(client.ask("mn\r\n"), "MN");
    }
    let grown = proxy.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "it grew by {grown} bytes");
    let mut unended = proxy.client();
    unended.send(&[&b"get"[..], &b" k".repeat(1_500)].concat());
    assert_eq!(unended.all(), b"SERVER_ERROR out of memory reading request\r\n");
}

/// A client of which the next request's first byte is there rests too.
#[test]
fn who_rests_in_the_middle_of_a_request_costs_little() {
    let fleet = Fleet::start(1, "backup = \"none\"", "");
    let proxy = fleet.proxy(&[]);
    let value = vec![b'x'; 1_000_000];
    let before = proxy.memory();
    let count = 40;
    let mut clients: Vec<Client> = (0..count).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(&[b"set big 0 0 1000000\r\n", &value[..], b"\r\ng"].concat());
        assert_eq!(client.line(), "STORED");
        client.send(b"et big\r\ng");
        assert!(client.exactly(value.len() + 28).ends_with(b"xx\r\nEND\r\n"));
    }
    let each = proxy.memory().saturating_sub(before) / count;
    println!("such a client costs {each} bytes");
    assert!(each < 200 << 10, "such a client costs {each} bytes");
    assert_eq!(clients[0].ask("et none\r\n"), "END");
}
