//! What cannot be seen from outside: buffers, and what was certainly not sent.

mod large;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use rustix::net::SocketAddrAny;

use self::large::{Large, store};
use super::*;
use crate::client::inbox::{CALLS, KEPT, ROOM};
use crate::client::registry;
use crate::rules::address::Address;
use crate::rules::operation::Failure;
use crate::rules::operation::Outcome;
use crate::rules::view::ServerView;
use crate::rules::view::{Meta, State, View};

/// Every question is a get of "k", which has room for no value.
struct Gets;

impl Operation for Gets {
    fn next(&mut self, _: &View) -> Option<(ServerId, Tag)> {
        None
    }
    fn command(&self, _: Tag) -> Command<'_> {
        GET
    }
    fn answer(&mut self, _: &View, _: Tag, _: &Reply<'_>) {}
    fn fail(&mut self, _: &View, _: Tag, _: Failure) {}
    fn outcome(&self) -> Option<Outcome> {
        None
    }
}

const SEEN: Planned = Planned {
    generation: 0,
    seen: ServerView {
        state: State::Steady,
        meta: Meta::Unknown,
        incarnation: 0,
        held_back: false,
        unreachable: false,
        since: Instant(0),
    },
};
const GET: Command<'static> = Command::Get { key: b"k", meta: false };
const START: Instant = Instant(1_000_000_000);

/// A connection that does not greet, and its server's end. Dials when `connect` is called.
fn pair(name: &str) -> (Connection, TcpListener) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let known = registry::known(name, &Address::Unix("of a unit test".into()));
    known.found(vec![SocketAddrAny::from(listener.local_addr().unwrap())]);
    let patience = Duration::from_secs(60);
    let terms = Terms {
        connect: patience,
        patience,
        call: patience,
        hearings: 1,
        limits: Limits::default(),
        greets: false,
        nodelay: true,
        lookup: Lookup::InCall,
    };
    (Connection::new(ServerId(0), known, terms), listener)
}

/// Establishes a connection that was asked something.
fn establish(connection: &mut Connection, listener: &TcpListener) -> TcpStream {
    assert!(!connection.dial(START).unwrap() || connection.ready());
    let (stream, _) = listener.accept().unwrap();
    // The listener has it, so the handshake is over.
    assert!(connection.ready() || connection.dial(START).unwrap());
    stream
}

/// Asks, and sends the question.
fn ask(connection: &mut Connection, listener: &TcpListener, now: Instant) -> TcpStream {
    assert!(connection.ask(0, &GET, SEEN, now).is_ok());
    let stream = establish(connection, listener);
    for tag in connection.take_held() {
        assert!(connection.ask(tag, &GET, SEEN, now).is_ok());
    }
    connection.flush(&Gets, now).unwrap();
    stream
}

fn hear(stream: &mut TcpStream) {
    let mut question = [0; 7];
    stream.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"get k\r\n");
}

#[test]
fn an_announced_length_takes_no_memory() {
    let (mut connection, listener) = pair("announced");
    let mut stream = ask(&mut connection, &listener, START);
    hear(&mut stream);
    stream.write_all(b"VALUE k 0 1000000000\r\n").unwrap();
    assert!(connection.receive(true, &mut Gets).unwrap());
    assert!(connection.next_answer(&mut Gets).unwrap().is_none());
    assert!(!connection.receive(false, &mut Gets).unwrap(), "nothing more came");
    assert_eq!(connection.inbox.capacity(), ROOM);
}

#[test]
fn room_doubles_as_bytes_come_and_is_given_back() {
    const LEN: usize = 1 << 20;
    let (mut connection, listener) = pair("room");
    let mut stream = ask(&mut connection, &listener, START);
    hear(&mut stream);
    let writer = std::thread::spawn(move || {
        let mut answer = format!("VALUE k 0 {LEN}\r\n").into_bytes();
        answer.resize(answer.len() + LEN, b'v');
        answer.extend_from_slice(b"\r\nEND\r\n");
        stream.write_all(&answer).unwrap();
        stream
    });
    loop {
        assert!(connection.receive(true, &mut Gets).unwrap());
        let came = connection.inbox.unread().0.len();
        assert!(connection.inbox.capacity() <= 2 * came.max(ROOM));
        if let Some((tag, reply)) = connection.next_answer(&mut Gets).unwrap() {
            assert_eq!(tag, 0);
            assert!(matches!(reply, Reply::Value(value) if value.data.len() == LEN));
            break;
        }
    }
    assert!(!connection.owes());
    connection.rest(START);
    // For the next one like it; but not for ever.
    let kept = connection.inbox.capacity();
    assert!(kept >= LEN);
    let mut stream = writer.join().unwrap();
    for call in 1..=CALLS {
        assert_eq!(connection.inbox.capacity(), kept, "call {call}");
        assert!(connection.ask(0, &GET, SEEN, START).is_ok());
        connection.flush(&Gets, START).unwrap();
        hear(&mut stream);
        stream.write_all(b"END\r\n").unwrap();
        assert!(connection.receive(true, &mut Gets).unwrap());
        assert_eq!(connection.next_answer(&mut Gets).unwrap(), Some((0, Reply::Miss)));
        connection.rest(START);
    }
    assert!(connection.inbox.capacity() <= KEPT);
}

#[test]
fn an_idle_connection_that_was_closed_is_found_before_anything_is_sent() {
    let (mut connection, listener) = pair("idle");
    let mut stream = ask(&mut connection, &listener, START);
    hear(&mut stream);
    stream.write_all(b"END\r\n").unwrap();
    assert!(connection.receive(true, &mut Gets).unwrap());
    assert!(connection.next_answer(&mut Gets).unwrap().is_some());
    connection.rest(START);

    // Still open: it is used again, however long it rested.
    assert!(connection.ask(1, &GET, SEEN, START + IDLE * 3).is_ok());
    assert!(connection.ready());
    connection.flush(&Gets, START).unwrap();
    hear(&mut stream);
    stream.write_all(b"END\r\n").unwrap();
    assert!(connection.receive(true, &mut Gets).unwrap());
    assert!(connection.next_answer(&mut Gets).unwrap().is_some());
    connection.rest(START);

    drop(stream);
    assert!(connection.ask(2, &GET, SEEN, START + IDLE * 3).is_ok());
    assert!(connection.dialing(), "a new connection is made");
    let mut lost = Vec::new();
    connection.lose(&mut lost);
    assert!(lost.is_empty() && connection.owes(), "what was held back is not given up with a connection");
    connection.surrender(&mut lost);
    assert_eq!(lost, [(2, Failure::Unsent)]);
}

#[test]
fn only_what_was_sent_is_in_doubt() {
    let (mut connection, listener) = pair("doubt");
    let mut stream = ask(&mut connection, &listener, START);
    hear(&mut stream);
    // More than the kernel's buffers hold: the second command is sent in part, the third not at all.
    let value = vec![b'v'; 64 << 20];
    assert!(connection.ask(1, &store(&value), SEEN, START).is_ok());
    assert!(connection.ask(2, &Command::Version, SEEN, START).is_ok());
    connection.flush(&Large::stores(&value), START).unwrap();
    assert!(connection.unsent());
    let mut lost = Vec::new();
    connection.lose(&mut lost);
    assert_eq!(lost, [(0, Failure::Unanswered), (1, Failure::Unanswered), (2, Failure::Unsent)]);
    assert!(connection.outbox.capacity() <= KEPT);
    // Reset: what lay in the buffers died with the connection.
    let end = stream.read_to_end(&mut Vec::new());
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn refusal_and_silence_are_told_apart_while_dialing() {
    let (mut connection, listener) = pair("refusal");
    drop(listener);
    assert!(connection.ask(0, &GET, SEEN, START).is_ok());
    let loss = loop {
        match connection.dial(START) {
            Ok(done) => assert!(!done),
            Err(loss) => break loss,
        }
    };
    assert_eq!(loss, Loss::Refused);
}

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    let (mut connection, listener) = pair("addresses");
    let refuses = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addresses = [refuses.local_addr().unwrap(), listener.local_addr().unwrap()];
    drop(refuses);
    connection.known.found(addresses.map(SocketAddrAny::from).to_vec());
    assert!(connection.ask(0, &GET, SEEN, START).is_ok());
    while !connection.dial(START).unwrap() {
        std::thread::yield_now();
    }
    let (mut stream, _) = listener.accept().unwrap();
    for tag in connection.take_held() {
        assert!(connection.ask(tag, &GET, SEEN, START).is_ok());
    }
    connection.flush(&Gets, START).unwrap();
    hear(&mut stream);
}

#[test]
fn what_a_killed_process_has_not_sent_does_not_outlive_its_call() {
    let (mut connection, listener) = pair("options");
    assert!(connection.ask(1, &GET, SEEN, START).is_ok());
    let _stream = establish(&mut connection, &listener);
    let socket = connection.socket().unwrap();
    assert_eq!(sockopt::socket_linger(socket), Ok(Some(Duration::ZERO)));
    assert_eq!(sockopt::tcp_user_timeout(socket), Ok(60_000));
    let terms = Terms { call: Duration::from_secs(7), ..*connection.terms() };
    connection.set_terms(terms);
    assert_eq!(sockopt::tcp_user_timeout(connection.socket().unwrap()), Ok(7_000));
}
