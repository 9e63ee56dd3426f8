//! Large values: which are sent from the caller's memory and received into it, with no copy between.

use std::mem::MaybeUninit;
use std::sync::Mutex;
use std::sync::mpsc;

use memcache::rules::operation::{Batch, Failure, Outcome, Read, Write};
use memcache::rules::pool::{Options, ServerId};
use memcache::rules::view::State;
use memcache::rules::wire::{Command, Value};

use crate::fake::{Fake, Session};
use crate::question::{Got, Questions, ask, client, get, hurried, reply, set, unhurried, value};

/// Bytes of which no two neighbours can be exchanged unseen.
fn pattern(len: usize, from: usize) -> Vec<u8> {
    (from..from + len).map(|at| (at % 251) as u8).collect()
}

/// A value's answer up to its line end.
fn answer(line: &str, value: &[u8]) -> Vec<u8> {
    [line.as_bytes(), b"\r\n", value, b"\r\n"].concat()
}

#[test]
fn large_values_of_one_line_are_received_where_they_belong() {
    let (one, two) = (pattern(100_000, 0), pattern(300_000, 7));
    let whole = [
        answer("VALUE a 0 100000", &one),
        answer("VALUE c 0 5", b"small"),
        answer("VALUE d 0 300000", &two),
        answer("VALUE e 0 100000", &one),
        b"END\r\n".to_vec(),
    ];
    let whole = whole.concat();
    let fake = Fake::start(move |session| {
        session.greet(1, true)?;
        while let Some(line) = session.line() {
            assert_eq!(line, "get a b c d e f");
            session.say(&whole);
        }
        Some(())
    });
    let mut client = client(unhurried(), [&fake.address]);
    for _ in 0..2 {
        let questions = ["a", "b", "c", "d", "e", "f"].map(|key| (0, get(key)));
        let mut questions =
            Questions::new(questions.to_vec()).with_room([100_000, 0, 0, 300_000, 100_000, 0]);
        assert_eq!(client.run(&mut questions), Outcome::Done);
        let miss = || Some(reply("Miss"));
        let placed = |value: &[u8]| Some(Got::Placed(value.to_vec()));
        let all = [placed(&one), miss(), Some(value("small")), placed(&two), placed(&one), miss()];
        assert!(questions.got == all);
    }
}

#[test]
fn whatever_pieces_a_value_comes_in_it_is_the_same() {
    const LEN: usize = 100_000;
    let head = format!("VALUE k 0 {LEN}");
    let whole = [answer(&head, &pattern(LEN, 0)), b"END\r\n".to_vec()].concat();
    let (begin, end) = (head.len() + 2, head.len() + 2 + LEN);
    let cuts = [5, begin - 1, begin, begin + 1, begin + 70_000, end - 1, end, end + 1, end + 2, end + 4];
    let fake = Fake::start(move |session| {
        session.greet(1, true)?;
        for (first, second) in cuts.iter().flat_map(|first| cuts.map(|second| (*first, second))) {
            assert_eq!(session.line()?, "get k");
            let (first, second) = (first.min(second), first.max(second));
            for piece in [&whole[..first], &whole[first..second], &whole[second..]] {
                session.say(piece);
            }
        }
        Some(())
    });
    let mut client = client(unhurried(), [&fake.address]);
    for _ in 0..cuts.len() * cuts.len() {
        let mut questions = Questions::new(vec![(0, get("k"))]).with_room([LEN]);
        assert_eq!(client.run(&mut questions), Outcome::Done);
        assert!(questions.got == [Some(Got::Placed(pattern(LEN, 0)))]);
    }
}

#[test]
fn so_are_those_with_tokens_from_servers_of_either_kind() {
    let data = pattern(200_000, 3);
    for (meta, line, head, tail) in [
        (true, "mg key v f t c k", "VA 200000 f0 t-1 c9 kkey", ""),
        (true, "mg key v f t c k", "VA 200000 kkey c9 t60 f0 sNEW", ""),
        (false, "gets key", "VALUE key 0 200000 9", "END\r\n"),
    ] {
        let whole = [answer(head, &data), tail.as_bytes().to_vec()].concat();
        let fake = Fake::start(move |session| {
            session.greet(1, meta)?;
            assert_eq!(session.line()?, line);
            session.say(&whole);
            assert_eq!(session.line()?, "get next");
            session.say("END\r\n");
            session.line().map(drop)
        });
        let mut client = client(unhurried(), [&fake.address]);
        let mut questions = Questions::new(vec![(0, Command::Fetch { key: b"key" })]).with_room([200_000]);
        assert_eq!(client.run(&mut questions), Outcome::Done);
        assert!(questions.got == [Some(Got::Placed(data.clone()))], "{head}");
        assert_eq!(ask(&mut client, 0, get("next")), reply("Miss"), "the connection is in step");
    }
}

/// One key, and room for its value.
struct One {
    room: Vec<MaybeUninit<u8>>,
    got: Option<Result<usize, Outcome>>,
}

impl Batch for One {
    fn len(&self) -> usize {
        1
    }
    fn key(&self, _: usize) -> &[u8] {
        b"key"
    }
    fn room(&mut self, _: usize, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        (len == self.room.len()).then_some(&mut self.room)
    }
    fn settle(&mut self, _: usize, answer: Result<&Value<'_>, Outcome>) {
        assert!(self.got.is_none());
        self.got = Some(answer.map(|value| value.placed));
    }
}

/// A pool of two servers that back each other up. The first of them that is asked plays `first`, and so it does on each of its
/// connections; the other one `second`.
fn pair(
    options: Options,
    first: impl Fn(&mut Session, String) -> Option<()> + Send + Sync + Copy + 'static,
    second: impl Fn(&mut Session, String) -> Option<()> + Send + Sync + Copy + 'static,
) -> ([Fake; 2], memcache::client::Client) {
    let asked = std::sync::Arc::new(Mutex::new(None));
    let fakes = [1, 2].map(|pid| {
        let asked = std::sync::Arc::clone(&asked);
        Fake::start(move |session| {
            session.greet(pid, true)?;
            while let Some(line) = session.line() {
                let is_first = *asked.lock().unwrap().get_or_insert(pid) == pid;
                if is_first { first(session, line) } else { second(session, line) }?;
            }
            Some(())
        })
    });
    let client = client(Options { backups: true, ..options }, fakes.iter().map(|fake| &fake.address));
    (fakes, client)
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_value_is_passed_by() {
    let (_fakes, mut client) = pair(
        unhurried(),
        |session, _| {
            session.say(&answer("VA 100000 f0 kkey", &pattern(100_000, 50))[..60_000]);
            None
        },
        |session, line| {
            assert_eq!(line, "mg key v f k");
            session.say(answer("VA 100000 f0 kkey", &pattern(100_000, 0)));
            Some(())
        },
    );
    let mut one = One { room: vec![MaybeUninit::new(0); 100_000], got: None };
    assert_eq!(client.run(&mut Read::new(&mut one)), Outcome::Hit);
    assert_eq!(one.got, Some(Ok(100_000)));
    // SAFETY: all of it was initialised.
    let received: Vec<u8> = one.room.iter().map(|byte| unsafe { byte.assume_init() }).collect();
    assert!(received == pattern(100_000, 0), "no byte of the other one's");
}

/// The value of 20 MiB behind a line of a set; more than the kernel keeps for one who does not read.
const SIZE: usize = 20 << 20;

#[test]
fn both_servers_of_a_pair_are_sent_the_same_value() {
    let reads = |session: &mut Session, line: String| {
        assert_eq!(line, format!("set key 0 0 {SIZE}"));
        assert!(session.block(SIZE)? == pattern(SIZE, 0));
        session.say("STORED\r\n");
        Some(())
    };
    let (_fakes, mut client) = pair(unhurried(), reads, reads);
    let data = pattern(SIZE, 0);
    for _ in 0..2 {
        assert_eq!(client.run(&mut Write::new(b"key", 0, 0, &data)), Outcome::Stored);
    }
}

#[test]
fn one_that_refuses_a_value_before_it_was_sent_reads_the_rest_and_the_deletes_behind_it() {
    let (_fakes, mut client) = pair(
        unhurried(),
        |session, line| {
            if line == "delete key" {
                session.say("NOT_FOUND\r\n");
            } else {
                session.say("SERVER_ERROR object too large for cache\r\n");
                assert!(session.block(SIZE)? == pattern(SIZE, 0));
            }
            Some(())
        },
        |session, line| {
            if line == "delete key" {
                session.say("DELETED\r\n");
            } else {
                assert!(session.block(SIZE)? == pattern(SIZE, 0));
                session.say("STORED\r\n");
            }
            Some(())
        },
    );
    let data = pattern(SIZE, 0);
    for _ in 0..2 {
        assert_eq!(client.run(&mut Write::new(b"key", 0, 0, &data)), Outcome::Refused);
    }
    assert!(
        (0..2).all(|server| client.view().state(ServerId(server)) == State::Steady),
        "over the same connections"
    );
}

#[test]
fn one_that_stops_reading_in_the_middle_of_a_value_is_hung() {
    let (end, over) = mpsc::channel::<()>();
    let over = Mutex::new(over);
    let fake = Fake::start(move |session| {
        session.greet(1, true)?;
        session.line()?;
        session.block(SIZE / 4)?;
        // Until the test is over.
        let _ = over.lock().unwrap().recv();
        Some(())
    });
    // Gone before the fake, which waits for it: a failed assertion must not wait for ever.
    let end = end;
    let mut client = client(hurried(), [&fake.address]);
    let data = pattern(SIZE, 0);
    let got = ask(&mut client, 0, set("key", &data));
    // Whatever is asserted, the fake server ends.
    drop(end);
    assert_eq!(got, Got::Failed(Failure::Unanswered));
    assert_eq!(client.view().state(ServerId(0)), State::Down);
}
