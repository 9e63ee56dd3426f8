//! Joined lines against a small model of a server, and against bytes nobody wrote down.

use proptest::prelude::*;

use super::super::parse::parse;
use super::super::tests::{answerish, config};
use super::super::transcripts::{ANSWERS, Exchange, NONSENSE, STORY};
use super::super::{Value, Verb};
use super::*;

const A: Command<'static> = Command::Get { key: b"a", meta: false };
const B: Command<'static> = Command::Get { key: b"b", meta: false };
const C: Command<'static> = Command::Get { key: b"c", meta: false };
const SET: Command<'static> =
    Command::Store { verb: Verb::Set, key: b"a", flags: 0, exptime: 0, value: b"x" };

/// A connection to a server without meta commands, its questions named by their index.
struct Connection<'a> {
    commands: Vec<Command<'a>>,
    pending: Pending<usize>,
    out: Vec<u8>,
}

impl<'a> Connection<'a> {
    fn asking(commands: &[Command<'a>]) -> Connection<'a> {
        let mut pending = Pending::default();
        let mut out = Vec::new();
        for (question, command) in commands.iter().enumerate() {
            assert!(pending.ask(question, command, false, &mut out));
        }
        pending.close(&mut out);
        Connection { commands: commands.to_vec(), pending, out }
    }

    fn next<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<(usize, Reply<'b>, usize)>, Nonsense> {
        self.pending.next(bytes, false, &Limits::default(), |question| self.commands[question])
    }

    /// Every answer that `bytes` hold, and what is left of them.
    fn all<'b>(&mut self, mut bytes: &'b [u8]) -> (Vec<(usize, Reply<'b>)>, &'b [u8]) {
        let mut answers = Vec::new();
        while let Some((question, reply, taken)) = self.next(bytes).expect("it makes sense") {
            answers.push((question, reply));
            bytes = &bytes[taken..];
        }
        (answers, bytes)
    }
}

fn hit(data: &[u8]) -> Reply<'_> {
    Reply::Value(Value { data, ..Value::default() })
}

#[test]
fn gets_in_a_row_are_one_line() {
    let fetch = Command::Fetch { key: b"a" };
    let connection = Connection::asking(&[A, B, C, Command::Noop, A, fetch, B, A]);
    assert_eq!(connection.out, b"get a b c\r\nmn\r\nget a\r\ngets a\r\nget b a\r\n");
}

#[test]
fn a_line_that_was_closed_is_not_joined() {
    let (mut pending, mut out) = (Pending::default(), Vec::new());
    for question in 0..2 {
        assert!(pending.ask(question, &A, true, &mut out));
        pending.close(&mut out);
        pending.close(&mut out);
    }
    assert_eq!(out, b"get a\r\nget a\r\n");
}

#[test]
fn meta_gets_are_not_joined() {
    let (mut pending, mut out) = (Pending::default(), Vec::new());
    let get = Command::Get { key: b"a", meta: true };
    for question in 0..2 {
        assert!(pending.ask(question, &get, true, &mut out));
    }
    assert_eq!(out, b"mg a v f k\r\nmg a v f k\r\n");
    assert!(pending.ask(2, &get, false, &mut out));
    assert!(pending.ask(3, &get, false, &mut out));
    assert!(out.ends_with(b"get a a"));
}

#[test]
fn coded_keys_stand_in_no_joined_line() {
    let (mut pending, mut out) = (Pending::default(), Vec::new());
    let coded = Command::Get { key: b"a b\r\n", meta: false };
    assert!(pending.ask(0, &A, true, &mut out));
    assert!(pending.ask(1, &coded, true, &mut out));
    assert!(pending.ask(2, &A, true, &mut out));
    assert!(pending.ask(3, &B, true, &mut out));
    pending.close(&mut out);
    let mark = crc32fast::hash(b"a b\r\n");
    assert_eq!(out, format!("get a\r\nmg YSBiDQo= b v f O{mark}\r\nget a b\r\n").as_bytes());
    let commands = [A, coded, A, B];
    let answer = format!("END\r\nVA 1 f0 O{mark}\r\nx\r\nVALUE b 0 1\r\ny\r\nEND\r\n");
    let (mut bytes, mut replies) = (answer.as_bytes(), Vec::new());
    while let Some((question, reply, taken)) =
        pending.next(bytes, true, &Limits::default(), |question: usize| commands[question]).expect("sense")
    {
        replies.push((question, reply));
        bytes = &bytes[taken..];
    }
    assert_eq!(replies, [(0, Reply::Miss), (1, hit(b"x")), (2, Reply::Miss), (3, hit(b"y"))]);

    // A server that cannot be asked does not end the line either.
    let (mut pending, mut out) = (Pending::default(), Vec::new());
    assert!(pending.ask(0, &A, false, &mut out));
    assert!(!pending.ask(1, &coded, false, &mut out));
    assert!(pending.ask(2, &B, false, &mut out));
    assert_eq!(out, b"get a b");
}

#[test]
fn what_a_server_lacks_is_not_asked() {
    let (mut pending, mut out) = (Pending::default(), Vec::new());
    assert!(pending.ask(0, &A, false, &mut out));
    assert!(!pending.ask(1, &Command::Lease { key: b"a", seconds: 1 }, false, &mut out));
    assert!(pending.ask(2, &B, false, &mut out));
    pending.close(&mut out);
    assert_eq!(out, b"get a b\r\n");
    assert_eq!(pending.drain().collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn long_lines_are_split() {
    let keys: Vec<Vec<u8>> = (0..1000).map(|key| format!("{key:0100}").into_bytes()).collect();
    let commands: Vec<Command> = keys.iter().map(|key| Command::Get { key, meta: false }).collect();
    let mut connection = Connection::asking(&commands);
    let mut answer = Vec::new();
    for line in connection.out.split_inclusive(|byte| *byte == b'\n') {
        assert!(line.len() <= LONGEST_LINE);
        assert!(line.len() > LONGEST_LINE - 101 || line.ends_with(format!("{:0100}\r\n", 999).as_bytes()));
        answer.extend_from_slice(b"END\r\n");
    }
    let (answers, left) = connection.all(&answer);
    assert!(left.is_empty());
    assert_eq!(answers, (0..1000).map(|question| (question, Reply::Miss)).collect::<Vec<_>>());
}

#[test]
fn the_keys_between_were_missed() {
    let mut connection = Connection::asking(&[A, B, C, A, B, Command::Noop]);
    let bytes = b"VALUE c 0 1\r\nx\r\nVALUE a 0 1\r\ny\r\nEND\r\nMN\r\n";
    assert_eq!(connection.next(bytes), Ok(Some((0, Reply::Miss, 0))));
    assert_eq!(connection.next(bytes), Ok(Some((1, Reply::Miss, 0))));
    assert_eq!(connection.next(bytes), Ok(Some((2, hit(b"x"), 16))));
    assert_eq!(connection.next(&bytes[16..]), Ok(Some((3, hit(b"y"), 16))));
    assert_eq!(connection.next(&bytes[32..]), Ok(Some((4, Reply::Miss, 5))));
    assert_eq!(connection.next(&bytes[37..]), Ok(Some((5, Reply::Noop, 4))));
    assert!(connection.pending.is_empty());
}

#[test]
fn a_key_asked_twice_is_answered_twice() {
    let mut connection = Connection::asking(&[A, A, B, A]);
    let (answers, left) =
        connection.all(b"VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n2\r\nVALUE a 0 1\r\n3\r\nEND\r\n");
    assert_eq!(answers, [(0, hit(b"1")), (1, hit(b"2")), (2, Reply::Miss), (3, hit(b"3"))]);
    assert!(left.is_empty());
}

#[test]
fn a_refused_line_refuses_every_question_that_is_left() {
    let mut connection = Connection::asking(&[A, B, C, Command::Noop]);
    let (answers, left) = connection.all(b"VALUE a 0 1\r\nx\r\nSERVER_ERROR out\r\nMN\r\n");
    let refused = Reply::Refused(b"SERVER_ERROR out");
    assert_eq!(answers, [(0, hit(b"x")), (1, refused), (2, refused), (3, Reply::Noop)]);
    assert!(left.is_empty());
}

#[test]
fn no_miss_is_concluded_from_nonsense() {
    for bytes in [
        &b"VALUE d 0 1\r\nx\r\n"[..],
        b"VALUE c 0 9223372036854775808\r\n",
        b"VALUE c x 1\r\n",
        b"VALUE c 0 1 1\r\n",
        b"STORED\r\n",
        b"END\n",
    ] {
        let mut connection = Connection::asking(&[A, B, C]);
        let error = connection.next(bytes);
        assert!(error.is_err(), "{} gave {error:?}", bytes.escape_ascii());
        assert_eq!(connection.next(b"END\r\n"), error, "what was nonsense stays nonsense");
        assert!(!connection.pending.is_empty());
        assert_eq!(connection.pending.drain().collect::<Vec<_>>(), [0, 1, 2]);
        assert!(connection.pending.is_empty());
    }
}

#[test]
fn a_value_of_the_next_line_is_not_looked_for_in_this_one() {
    let mut connection = Connection::asking(&[A, B, Command::Noop, C]);
    assert!(connection.next(b"VALUE c 0 1\r\n").is_err());
}

#[test]
fn bytes_that_nobody_asked_for_are_nonsense() {
    let mut connection = Connection::asking(&[]);
    assert_eq!(connection.next(b""), Ok(None));
    assert!(connection.next(b"E").is_err());
}

#[test]
fn behind_a_refused_store_nothing_is_read() {
    let mut connection = Connection::asking(&[SET, Command::Noop]);
    let bytes = b"CLIENT_ERROR bad command line format\r\nERROR\r\nMN\r\n";
    let refused = Reply::Refused(b"CLIENT_ERROR bad command line format");
    assert_eq!(connection.next(bytes), Ok(Some((0, refused, 38))));
    assert!(connection.next(&bytes[38..]).is_err());
    assert_eq!(connection.pending.drain().collect::<Vec<_>>(), [1]);

    let mut last = Connection::asking(&[SET]);
    assert_eq!(last.next(b"ERROR\r\n"), Ok(Some((0, Reply::Refused(b"ERROR"), 7))));
    assert!(!last.pending.is_empty(), "the connection must not be kept");
    assert!(last.next(b"").is_err());
}

#[test]
fn drained_it_is_as_new_and_keeps_its_memory() {
    let mut connection = Connection::asking(&[A, B, C, B, A]);
    // One more is known to be missed, which must not be told of the questions that come after.
    assert_eq!(connection.next(b"VALUE c 0 1\r\n"), Ok(Some((0, Reply::Miss, 0))));
    let memory = connection.pending.questions.capacity();
    for _ in 0..100 {
        connection.pending.drain().for_each(drop);
        connection.out.clear();
        for question in 0..5 {
            let command = connection.commands[question];
            assert!(connection.pending.ask(question, &command, false, &mut connection.out));
        }
        connection.pending.close(&mut connection.out);
        let (answers, _) = connection.all(b"VALUE a 0 1\r\nx\r\nEND\r\n");
        assert_eq!((answers.len(), answers[0], answers[4]), (5, (0, hit(b"x")), (4, Reply::Miss)));
        assert!(connection.pending.ask(5, &A, false, &mut connection.out));
    }
    assert_eq!(connection.pending.questions.capacity(), memory);
}

/// Everything in the transcripts, on one connection, a byte at a time.
#[test]
fn the_transcripts_in_one_stream() {
    let limits = Limits::default();
    for with_meta in [false, true] {
        let usable = |exchange: &&Exchange| {
            exchange.meta == with_meta && !ends_connection(&exchange.command, &exchange.reply)
        };
        let exchanges: Vec<&Exchange> = STORY.iter().chain(ANSWERS).filter(usable).collect();
        let (mut pending, mut out, mut stream) = (Pending::default(), Vec::new(), Vec::new());
        for (question, exchange) in exchanges.iter().enumerate() {
            assert!(pending.ask(question, &exchange.command, with_meta, &mut out));
            // One question a line: the answers were written down so.
            pending.close(&mut out);
            stream.extend_from_slice(exchange.received);
        }
        let (mut start, mut answered) = (0, 0);
        for end in 0..=stream.len() {
            let bytes = &stream[start..end];
            let next = pending.next(bytes, with_meta, &limits, |question: usize| exchanges[question].command);
            if let Some((question, reply, taken)) = next.expect("it makes sense") {
                assert_eq!((question, reply, taken), (answered, exchanges[answered].reply, bytes.len()));
                start = end;
                answered += 1;
            }
        }
        assert!(pending.is_empty());
        assert_eq!(answered, exchanges.len());
    }
}

#[test]
fn nonsense_is_nonsense_in_a_stream_too() {
    for (command, meta, bytes) in NONSENSE {
        let (mut pending, mut out) = (Pending::default(), Vec::new());
        if pending.ask((), command, *meta, &mut out) {
            pending.close(&mut out);
            assert!(pending.next(bytes, *meta, &Limits::default(), |()| *command).is_err());
            assert_eq!(pending.drain().count(), 1);
        }
    }
}

/// What a server that holds `present` answers to a buffer of `get` lines and `mn`.
fn serve(out: &[u8], present: &[bool; 4]) -> Vec<u8> {
    let mut answer = Vec::new();
    let lines = out.strip_suffix(b"\r\n").unwrap_or_default().split(|byte| *byte == b'\n');
    for line in lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        match line.strip_prefix(b"get ") {
            Some(keys) => {
                for key in keys.split(|byte| *byte == b' ') {
                    if present[usize::from(key[0] - b'a')] {
                        answer.extend_from_slice(b"VALUE ");
                        answer.extend_from_slice(key);
                        answer.extend_from_slice(b" 0 5\r\nEND\r\n\r\n");
                    }
                }
                answer.extend_from_slice(b"END\r\n");
            }
            None if line == b"mn" => answer.extend_from_slice(b"MN\r\n"),
            None => panic!("a line that no server knows: {}", line.escape_ascii()),
        }
    }
    answer
}

/// One of four keys, of a length that makes lines split; or no get at all.
fn questions() -> impl Strategy<Value = Vec<Option<Vec<u8>>>> {
    let key = (0u8..4, prop_oneof![Just(1usize), Just(200)]).prop_map(|(key, len)| vec![b'a' + key; len]);
    proptest::collection::vec(proptest::option::weighted(0.9, key), 1..60)
}

fn commands(questions: &[Option<Vec<u8>>]) -> Vec<Command<'_>> {
    questions
        .iter()
        .map(|key| key.as_ref().map_or(Command::Noop, |key| Command::Get { key, meta: false }))
        .collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_question_gets_its_own_answer(
        questions in questions(),
        present in any::<[bool; 4]>(),
        pieces in proptest::collection::vec(1usize..40, 1..20),
    ) {
        let commands = commands(&questions);
        let mut connection = Connection::asking(&commands);
        let stream = serve(&connection.out, &present);
        let (mut start, mut end, mut answered) = (0, 0, 0);
        for piece in pieces.iter().cycle() {
            end = (end + piece).min(stream.len());
            while let Some((question, reply, taken)) = connection.next(&stream[start..end]).unwrap() {
                let expected = match &questions[question] {
                    None => Reply::Noop,
                    Some(key) if present[usize::from(key[0] - b'a')] => hit(b"END\r\n"),
                    Some(_) => Reply::Miss,
                };
                prop_assert_eq!((question, reply), (answered, expected));
                answered += 1;
                start += taken;
            }
            if end == stream.len() {
                break;
            }
        }
        prop_assert_eq!((start, answered), (stream.len(), questions.len()));
        prop_assert!(connection.pending.is_empty());
    }

    #[test]
    fn foreign_bytes_end_and_answer_nothing_twice(
        names in proptest::collection::vec(0usize..6, 0..12),
        bytes in prop_oneof![answerish(), proptest::collection::vec(any::<u8>(), 0..60)],
        torn in any::<bool>(),
    ) {
        let kinds = [A, B, C, Command::Noop, Command::Stats { group: b"" }, Command::Fetch { key: b"a" }];
        let asked: Vec<Command> = names.iter().map(|name| kinds[*name]).collect();
        let mut connection = Connection::asking(&asked);
        let (mut left, mut answered) = (bytes.as_slice(), 0);
        loop {
            match connection.next(left) {
                Ok(Some((question, _, taken))) => {
                    prop_assert_eq!(question, answered);
                    answered += 1;
                    // A caller that loses bytes gets nonsense, not a crash.
                    let lost = usize::from(torn && taken < left.len());
                    left = &left[taken + lost..];
                }
                Ok(None) if torn && !left.is_empty() => left = &left[1..],
                Ok(None) | Err(_) => break,
            }
        }
        prop_assert_eq!(connection.pending.drain().collect::<Vec<_>>(), (answered..asked.len()).collect::<Vec<_>>());
    }

    /// A line of one key is read as a single answer is.
    #[test]
    fn alone_it_is_a_parser(bytes in answerish()) {
        let mut connection = Connection::asking(&[A]);
        let parsed = parse(&A, false, &bytes, &Limits::default());
        prop_assert_eq!(connection.next(&bytes), parsed.map(|some| some.map(|(reply, taken)| (0, reply, taken))));
    }
}
