//! Clients that send no more, and clients that are gone.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::process::Signal;

use crate::proxy::{Client, Fleet, Proxy};
use crate::support::wait;

#[test]
fn what_stands_behind_a_command_that_is_waited_for_is_done_though_nothing_more_comes() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let proxy = fleet.proxy(&[]);
    let version = proxy.client().ask("version\r\n");
    let mut client = proxy.client();
    // Half a request is not waited for.
    client.send(b"version\r\nset a 0 0 1\r\nx\r\nversion\r\nget a\r\nset a 0 0 1\r\ny");
    client.hang_up();
    let expected = format!("{version}\r\nSTORED\r\n{version}\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    assert_eq!(String::from_utf8_lossy(&client.all()), expected);
    // Behind a quit nothing is.
    let mut client = proxy.client();
    client.send(b"version\r\nquit\r\nset a 0 0 1\r\nz\r\n");
    client.hang_up();
    assert_eq!(String::from_utf8_lossy(&client.all()), format!("{version}\r\n"));
    assert_eq!(proxy.client().get("a"), Ok(Some(b"x".to_vec())));
}

#[test]
fn all_that_came_before_the_end_is_answered_at_any_depth() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let proxy = fleet.proxy(&[]);
    for (depth, size) in [(200, 1), (2_000, 100)] {
        let value = "x".repeat(size);
        let (mut sent, mut expected) = (String::new(), String::new());
        for number in 0..depth {
            sent += &format!("set k{number} 0 0 {size}\r\n{value}\r\nget k{number}\r\n");
            expected += &format!("STORED\r\nVALUE k{number} 0 {size}\r\n{value}\r\nEND\r\n");
        }
        let mut client = proxy.client();
        client.send(sent.as_bytes());
        client.hang_up();
        assert!(client.all() == expected.as_bytes(), "{depth} requests: {}", proxy.said());
    }
}

fn connect(path: &Path) -> UnixStream {
    wait::until("a connection", || UnixStream::connect(path).ok())
}

/// Waits until nobody is there but who asks.
fn are_let_go(proxy: &Proxy) {
    wait::until("they are let go", || proxy.stat("curr_clients").filter(|count| *count == 1));
}

/// A unix socket tells of both at once, that there are bytes and that nobody is there any more.
#[test]
fn what_a_client_sent_before_it_went_is_done() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let path = fleet.unix();
    let proxy = fleet.proxy(&[]);
    drop(connect(&path));
    proxy.signal(Signal::STOP);
    let pipelined: String = (0..500).map(|number| format!("set l{number} 0 0 1\r\nx\r\n")).collect();
    for sent in ["set k 0 0 1 noreply\r\nx\r\n", "version\r\nset v 0 0 1\r\nx\r\nget", &pipelined] {
        connect(&path).write_all(sent.as_bytes()).expect("sent");
    }
    proxy.signal(Signal::CONT);
    are_let_go(&proxy);
    for key in ["k", "v", "l0", "l499"] {
        assert_eq!(proxy.client().get(key), Ok(Some(b"x".to_vec())), "{key}");
    }
}

/// They go while they are answered, and now and then it is the answer that finds nobody there.
#[test]
fn what_clients_sent_that_go_while_they_are_answered_is_done() {
    const CLIENTS: usize = 1600;
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let path = fleet.unix();
    let proxy = fleet.proxy(&[]);
    drop(connect(&path));
    let come_and_go = &|numbers: std::ops::Range<usize>| {
        for number in numbers {
            let sent = format!("{}version\r\nset k{number} 0 0 1\r\nx\r\n", "mn\r\n".repeat(500));
            connect(&path).write_all(sent.as_bytes()).expect("sent");
        }
    };
    std::thread::scope(|scope| {
        for first in (0..CLIENTS).step_by(CLIENTS / 8) {
            scope.spawn(move || come_and_go(first..first + CLIENTS / 8));
        }
    });
    are_let_go(&proxy);
    let mut reader = proxy.client();
    let lost: Vec<_> = (0..CLIENTS).filter(|number| reader.get(&format!("k{number}")) == Ok(None)).collect();
    assert!(lost.is_empty(), "{} of {CLIENTS}: {lost:?}", lost.len());
}

/// Whether none of its threads is at work at this moment.
fn is_asleep(proxy: &Proxy) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", proxy.pid())).expect("its threads");
    let mut texts =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    texts.all(|text| text.contains(") S "))
}

/// They are kept until what they asked for is over, and no longer; and meanwhile they do not keep the loop busy.
#[test]
fn who_is_gone_or_sends_no_more_costs_nothing() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let path = fleet.unix();
    let proxy = fleet.proxy(&[]);
    let version = Client::to(fleet.servers[0].port()).ask("version\r\n");
    fleet.servers[1].hang();
    let asks = b"stats\r\nversion\r\nset k 0 0 1\r\nx\r\nget";
    let gone = (0..20).map(|_| connect(&path)).map(|mut client| client.write_all(asks)).filter(Result::is_ok);
    assert_eq!(gone.count(), 20);
    let mut half = proxy.client();
    half.send(asks);
    half.hang_up();
    // Nothing but the end is to be read of this one, again and again.
    let mut reader = proxy.client();
    reader.send(b"get a b c d e f g h i j k l m n o p\r\n");
    reader.hang_up();
    wait::until("all have asked", || proxy.stat("cmd_other").filter(|count| *count == 21));
    wait::until("the last one has", || proxy.stat("cmd_get").filter(|count| *count == 16));
    // One that is at work all the time is not seen asleep so often in a row.
    wait::until("its loop rests", || (0..100).all(|_| is_asleep(&proxy)).then_some(()));
    assert!(proxy.stat("curr_requests") > Some(21), "the server is waited for");
    fleet.servers[1].wake();
    let said = String::from_utf8_lossy(&half.all()).into_owned();
    assert!(said.ends_with(&format!("END\r\n{version}\r\nSTORED\r\n")), "{said}");
    assert_eq!(reader.all(), b"END\r\n");
    are_let_go(&proxy);
    assert_eq!(proxy.client().get("k"), Ok(Some(b"x".to_vec())));
}
