//! Large values: sent from where they are, received where they belong.

use std::mem::MaybeUninit;

use super::*;
use crate::rules::operation::Failure;
use crate::rules::wire::{Value, Verb};

/// Stores a value under tag 1, or has room for the one it gets. Whether it is asked for what was answered, it looks itself.
pub(super) struct Large<'v> {
    value: Option<&'v [u8]>,
    answered: bool,
    room: Vec<MaybeUninit<u8>>,
}

impl<'v> Large<'v> {
    pub(super) fn stores(value: &'v [u8]) -> Large<'v> {
        Large { value: Some(value), answered: false, room: Vec::new() }
    }

    fn with_room(len: usize) -> Large<'static> {
        Large { value: None, answered: false, room: vec![MaybeUninit::new(0); len] }
    }
}

pub(super) fn store(value: &[u8]) -> Command<'_> {
    Command::Store { verb: Verb::Set, key: b"k", flags: 0, exptime: 0, value }
}

impl Operation for Large<'_> {
    fn next(&mut self, _: &View) -> Option<(ServerId, Tag)> {
        None
    }
    fn command(&self, tag: Tag) -> Command<'_> {
        assert!(tag != 1 || !self.answered, "its command was answered");
        self.value.filter(|_| tag == 1).map_or(GET, store)
    }
    fn room(&mut self, _: Tag, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        (self.room.len() == len).then_some(&mut self.room)
    }
    fn answer(&mut self, _: &View, _: Tag, _: &Reply<'_>) {}
    fn fail(&mut self, _: &View, _: Tag, _: Failure) {}
    fn outcome(&self) -> Option<Outcome> {
        None
    }
}

/// Bytes of which no two neighbours can be exchanged unseen.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// An established connection over which nothing was asked, and its server's end.
fn idle(name: &str) -> (Connection, TcpStream) {
    let (mut connection, listener) = pair(name);
    let mut stream = ask(&mut connection, &listener, START);
    hear(&mut stream);
    stream.write_all(b"END\r\n").unwrap();
    assert!(connection.receive(true, &mut Gets).unwrap());
    assert_eq!(connection.next_answer(&mut Gets).unwrap(), Some((0, Reply::Miss)));
    connection.rest(START);
    (connection, stream)
}

/// What the server reads to the end of the command, while the connection sends.
fn read_slowly(
    connection: &mut Connection,
    stream: &mut TcpStream,
    operation: &Large<'_>,
    total: usize,
) -> Vec<u8> {
    let mut read = Vec::new();
    let mut piece = vec![0; 100_000];
    while read.len() < total {
        let came = stream.read(&mut piece).unwrap();
        read.extend_from_slice(&piece[..came]);
        connection.flush(operation, START).unwrap();
    }
    read
}

#[test]
fn a_server_that_reads_slowly_reads_every_byte_and_none_of_it_is_copied_before() {
    let (mut connection, mut stream) = idle("slowly");
    let value = pattern(32 << 20);
    let operation = Large::stores(&value);
    assert!(connection.ask(1, &store(&value), SEEN, START).is_ok());
    connection.flush(&operation, START).unwrap();
    assert!(connection.unsent(), "it does not read yet");
    let head = format!("set k 0 0 {}\r\n", value.len());
    let read = read_slowly(&mut connection, &mut stream, &operation, head.len() + value.len() + 2);
    assert!(!connection.unsent() && connection.owes());
    assert!(read.starts_with(head.as_bytes()) && read.ends_with(b"\r\n"));
    assert!(read[head.len()..read.len() - 2] == value);
    assert!(connection.outbox.capacity() <= KEPT, "nothing but lines");
}

#[test]
fn a_value_that_is_refused_before_it_was_read_is_sent_to_its_end() {
    let (mut connection, mut stream) = idle("refused");
    let value = pattern(32 << 20);
    let mut operation = Large::stores(&value);
    assert!(connection.ask(1, &store(&value), SEEN, START).is_ok());
    assert!(connection.ask(2, &GET, SEEN, START).is_ok());
    connection.flush(&operation, START).unwrap();
    assert!(connection.unsent());
    // As memcached does with what is too large for it: it says so, and swallows the value.
    stream.write_all(b"SERVER_ERROR object too large for cache\r\n").unwrap();
    assert!(connection.receive(true, &mut operation).unwrap());
    let refused = Reply::Refused(b"SERVER_ERROR object too large for cache");
    assert_eq!(connection.next_answer(&mut operation).unwrap(), Some((1, refused)));
    operation.answered = true;
    let head = format!("set k 0 0 {}\r\n", value.len());
    let total = head.len() + value.len() + 2 + b"get k\r\n".len();
    let read = read_slowly(&mut connection, &mut stream, &operation, total);
    assert!(read[head.len()..][..value.len()] == value);
    assert!(read.ends_with(b"\r\nget k\r\n"), "and the next command stands behind it");
    stream.write_all(b"END\r\n").unwrap();
    assert!(connection.receive(true, &mut operation).unwrap());
    assert_eq!(connection.next_answer(&mut operation).unwrap(), Some((2, Reply::Miss)));
    connection.rest(START);
    assert!(connection.outbox.capacity() <= KEPT, "32 MiB are too much to keep for another call");
}

#[test]
fn a_value_that_is_another_one_than_was_announced_is_not_sent() {
    let (mut connection, _stream) = idle("another");
    let value = pattern(1 << 20);
    assert!(connection.ask(1, &store(&value), SEEN, START).is_ok());
    assert_eq!(connection.flush(&Large::stores(&value[1..]), START), Err(Loss::Local));
}

/// What is received when the server's answer comes in these pieces, each of them alone.
fn receive_pieces(connection: &mut Connection, stream: &mut TcpStream, len: usize, pieces: &[&[u8]]) {
    let mut operation = Large::with_room(len);
    assert!(connection.ask(0, &GET, SEEN, START).is_ok());
    connection.flush(&operation, START).unwrap();
    hear(stream);
    let mut written = 0;
    let mut answered = false;
    for piece in pieces {
        stream.write_all(piece).unwrap();
        written += piece.len();
        while !answered && connection.came() < written {
            assert!(connection.receive(true, &mut operation).unwrap());
            if let Some((tag, reply)) = connection.next_answer(&mut operation).unwrap() {
                let expected = Value { placed: len, flags: 7, ..Value::default() };
                assert_eq!((tag, reply), (0, Reply::Value(expected)));
                answered = true;
            }
        }
    }
    assert!(answered);
    connection.rest(START);
}

impl Connection {
    /// How many bytes of the answer under way came.
    fn came(&mut self) -> usize {
        self.placing.as_ref().map_or(0, Placing::came) + self.inbox.unread().0.len()
    }
}

#[test]
fn a_value_is_received_where_it_belongs_whatever_pieces_it_comes_in() {
    let (mut connection, mut stream) = idle("pieces");
    let value = pattern(100_000);
    let head = format!("VALUE k 7 {}\r\n", value.len());
    let mut answer = head.clone().into_bytes();
    answer.extend_from_slice(&value);
    answer.extend_from_slice(b"\r\nEND\r\n");
    let (begin, end) = (head.len(), head.len() + value.len());
    let cuts = (begin - 2..begin + 3).chain(end - 2..answer.len()).chain([1, 5, begin + 50_000]);
    for cut in cuts {
        for second in [begin + 1, begin + 60_000, end, end + 1, end + 2, end + 4] {
            let (first, second) = (cut.min(second), cut.max(second));
            let pieces = [&answer[..first], &answer[first..second], &answer[second..]];
            receive_pieces(&mut connection, &mut stream, value.len(), &pieces);
        }
    }
    assert!(connection.inbox.capacity() <= KEPT, "the value was never in it");
}

#[test]
fn a_server_that_ends_in_the_middle_of_a_value_leaves_it_unanswered() {
    let (mut connection, mut stream) = idle("middle");
    let mut operation = Large::with_room(100_000);
    assert!(connection.ask(0, &GET, SEEN, START).is_ok());
    connection.flush(&operation, START).unwrap();
    hear(&mut stream);
    stream.write_all(b"VALUE k 0 100000\r\nhalf").unwrap();
    assert!(connection.receive(true, &mut operation).unwrap());
    assert_eq!(connection.next_answer(&mut operation).unwrap(), None);
    drop(stream);
    assert_eq!(connection.receive(true, &mut operation), Err(Loss::Broken));
    let mut lost = Vec::new();
    connection.lose(&mut lost);
    assert_eq!(lost, [(0, Failure::Unanswered)]);
    assert!(connection.placing.is_none());
}

#[test]
fn a_value_that_does_not_end_where_it_should_is_no_value() {
    for wrong in [&b"xyEND\r\n"[..], b"\r\nVALUE k 0 1\r\n", b"\r\nSTORED\r\n"] {
        let (mut connection, mut stream) = idle("wrong");
        let mut operation = Large::with_room(40_000);
        assert!(connection.ask(0, &GET, SEEN, START).is_ok());
        connection.flush(&operation, START).unwrap();
        hear(&mut stream);
        stream.write_all(b"VALUE k 0 40000\r\n").unwrap();
        assert!(connection.receive(true, &mut operation).unwrap());
        assert_eq!(connection.next_answer(&mut operation).unwrap(), None);
        stream.write_all(&[&[b'v'; 40_000], wrong].concat()).unwrap();
        let end = loop {
            assert!(connection.receive(true, &mut operation).unwrap());
            match connection.next_answer(&mut operation) {
                Ok(None) => {}
                other => break other.map(|_| ()),
            }
        };
        assert_eq!(end, Err(Loss::Broken), "{}", wrong.escape_ascii());
    }
}
