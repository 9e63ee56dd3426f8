//! The codec against the transcripts, and against bytes nobody wrote down.

use proptest::prelude::*;

use super::compose::{Unsupported, compose};
use super::parse::{Limits, ends_connection, parse};
use super::transcripts::{ANSWERS, Exchange, NONSENSE, STORY};
use super::{Command, Direction, Lease, Reply, Value, Verb, stats};

fn exchanges() -> impl Iterator<Item = &'static Exchange> {
    STORY.iter().chain(ANSWERS)
}

fn composed(command: &Command<'_>, meta: bool) -> Vec<u8> {
    let mut out = Vec::new();
    compose(command, meta, &mut out).expect("every server has this command");
    out
}

#[test]
fn commands_are_composed_as_written_down() {
    for exchange in exchanges() {
        let sent = composed(&exchange.command, exchange.meta);
        assert_eq!(sent.escape_ascii().to_string(), exchange.sent.escape_ascii().to_string());
    }
}

#[test]
fn commands_are_appended() {
    let mut out = b"before".to_vec();
    compose(&Command::Version, true, &mut out).unwrap();
    compose(&Command::Noop, true, &mut out).unwrap();
    assert_eq!(out, b"beforeversion\r\nmn\r\n");
}

#[test]
fn without_meta_commands_nothing_is_written() {
    for command in [
        Command::Lease { key: b"a", seconds: 5 },
        Command::StoreLeased { key: b"a", flags: 0, exptime: 0, value: b"x", lease: 1 },
        Command::EndLease { key: b"a", lease: 1 },
        Command::Invalidate { key: b"a", cas: 1 },
    ] {
        let mut out = b"before".to_vec();
        assert_eq!(compose(&command, false, &mut out), Err(Unsupported));
        assert_eq!(out, b"before");
    }
}

#[test]
fn a_key_that_is_not_plain_goes_to_no_server_without_meta_commands_and_not_beyond_its_limit() {
    let longest = [b' '; 186];
    let kinds = (0..16).map(|kind| Owned { kind, ..Owned::default() });
    for (owned, key) in kinds.flat_map(|owned| [(owned.clone(), &longest[..]), (owned, b"a b")]) {
        let owned = Owned { key: key.to_vec(), ..owned };
        let mut out = b"before".to_vec();
        assert_eq!(compose(&owned.command(), false, &mut out), Err(Unsupported));
        assert_eq!(out, b"before");
        assert_eq!(compose(&owned.command(), true, &mut out), Ok(()));
        assert!(out.starts_with(b"beforem"), "a meta command: {}", out.escape_ascii());
        for invalid in [&[b' '; 187][..], &[b'k'; 251]] {
            let owned = Owned { key: invalid.to_vec(), ..owned.clone() };
            for meta in [false, true] {
                let len = out.len();
                assert_eq!(compose(&owned.command(), meta, &mut out), Err(Unsupported));
                assert_eq!(out.len(), len);
            }
        }
    }
}

/// However a command goes, plain or coded, classic or meta, it names the same expiry time.
#[test]
fn expiry_times_agree_on_every_path() {
    for (exptime, sent) in [
        (0, "0"),
        (1, "1"),
        (-1, "-1"),
        (-2, "-1"),
        (i64::MIN, "-1"),
        (60 * 60 * 24 * 30, "2592000"),
        (1_800_000_000, "1800000000"),
        (i64::from(i32::MAX), "2147483647"),
        (i64::from(i32::MAX) + 1, "2147483647"),
        (1 << 32 | 5, "2147483647"),
        (i64::MAX, "2147483647"),
    ] {
        for (kind, key, meta) in [4u8, 5, 6, 7, 10, 11, 15]
            .into_iter()
            .flat_map(|kind| [(kind, "plain", false), (kind, "plain", true), (kind, "co ded", true)])
        {
            let owned = Owned { kind, key: key.into(), exptime, number: 77, ..Owned::default() };
            let mut out = Vec::new();
            if compose(&owned.command(), meta, &mut out).is_err() {
                assert_eq!((kind, meta), (11, false), "a lease, and only without meta commands");
                continue;
            }
            let line = String::from_utf8(out).expect("text");
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let flag = words.iter().find_map(|word| word.strip_prefix('T'));
            let told = match words[0] {
                "gat" => words[1],
                "touch" => words[2],
                "set" | "add" | "replace" | "cas" => words[3],
                _ => flag.unwrap_or("nothing"),
            };
            assert_eq!(told, sent, "{line}");
        }
    }
}

#[test]
fn answers_are_read_whole_and_in_pieces() {
    let limits = Limits::default();
    for Exchange { command, meta, received, reply, .. } in exchanges() {
        let whole = Ok(Some((*reply, received.len())));
        assert_eq!(parse(command, *meta, received, &limits), whole, "{}", received.escape_ascii());
        for cut in 0..received.len() {
            let piece = &received[..cut];
            assert_eq!(parse(command, *meta, piece, &limits), Ok(None), "{}", piece.escape_ascii());
        }
        for more in [&b"END\r\n"[..], b"\r\n", b"\0", b"VALUE a 0 1\r\n", received] {
            let bytes = [*received, more].concat();
            assert_eq!(parse(command, *meta, &bytes, &limits), whole, "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn nonsense_is_called_nonsense() {
    for (command, meta, bytes) in NONSENSE {
        let parsed = parse(command, *meta, bytes, &Limits::default());
        assert!(parsed.is_err(), "{} gave {parsed:?}", bytes.escape_ascii());
    }
}

#[test]
fn limits_are_exact() {
    let limits = Limits { value: 3, line: 12, stats: 24 };
    let get = Command::Get { key: b"a", meta: false };
    let three = b"VALUE a 0 3\r\nabc\r\nEND\r\n";
    assert!(matches!(parse(&get, false, three, &limits), Ok(Some((Reply::Value(_), 23)))));
    assert!(parse(&get, false, b"VALUE a 0 4\r\n", &limits).is_err());

    assert_eq!(parse(&get, false, b"ERROR 789012\r", &limits), Ok(None));
    assert!(matches!(parse(&get, false, b"ERROR 789012\r\n", &limits), Ok(Some((Reply::Refused(_), 14)))));
    assert!(parse(&get, false, b"ERROR 7890123\r", &limits).is_err());

    let stats = Command::Stats { group: b"" };
    let two = b"STAT a 12345\r\n".repeat(2);
    assert_eq!(parse(&stats, false, &two[..24], &limits), Ok(None));
    assert!(parse(&stats, false, &two, &limits).is_err());
}

#[test]
fn an_endless_line_ends() {
    let endless = vec![b'x'; Limits::default().line + 2];
    for exchange in STORY {
        assert!(parse(&exchange.command, exchange.meta, &endless, &Limits::default()).is_err());
    }
}

#[test]
fn limits_without_limit_do_not_overflow() {
    let limits = Limits { value: usize::MAX, line: usize::MAX, stats: usize::MAX };
    let get = Command::Get { key: b"a", meta: true };
    for len in [u64::MAX, u64::MAX - 1, u64::MAX - 20, 1 << 63] {
        for (bytes, meta) in
            [(format!("VALUE a 0 {len}\r\nx"), false), (format!("VA {len} f0 ka\r\nx"), true)]
        {
            assert!(!matches!(parse(&get, meta, bytes.as_bytes(), &limits), Ok(Some(_))), "{bytes}");
        }
    }
}

#[test]
fn only_a_refused_store_ends_a_connection_and_not_for_want_of_memory() {
    let store = Command::Store { verb: Verb::Set, key: b"a", flags: 0, exptime: 0, value: b"x" };
    assert!(ends_connection(&store, &Reply::Refused(b"ERROR")));
    assert!(ends_connection(&store, &Reply::Refused(b"CLIENT_ERROR bad command line format")));
    assert!(!ends_connection(&store, &Reply::Refused(b"SERVER_ERROR object too large for cache")));
    assert!(!ends_connection(&store, &Reply::NotStored));
    assert!(!ends_connection(&Command::Noop, &Reply::Refused(b"ERROR")));
}

#[test]
fn statistics_are_read_by_line() {
    let block = b"STAT pid 42\r\nnoise\r\nSTAT argv a  b\r\nSTAT none \r\nSTAT bare\r\nITEM a [1 b]\r\nSTAT pid 43\r\nSTAT x 1";
    let lines: Vec<(&[u8], &[u8])> = stats::lines(block).collect();
    assert_eq!(lines, [(&b"pid"[..], &b"42"[..]), (b"argv", b"a  b"), (b"none", b""), (b"pid", b"43")]);
    assert_eq!(stats::number(block, b"pid"), Some(42));
    for name in [&b"argv"[..], b"none", b"bare", b"x", b"pi", b""] {
        assert_eq!(stats::number(block, name), None);
    }
    assert_eq!(stats::lines(b"").count(), 0);
}

/// A command that owns its texts.
#[derive(Clone, Debug, Default)]
struct Owned {
    kind: u8,
    key: Vec<u8>,
    value: Vec<u8>,
    flags: u32,
    exptime: i64,
    number: u64,
    meta: bool,
}

prop_compose! {
    fn owned()(
        kind in 0u8..20,
        key in prop_oneof![
            proptest::collection::vec(0x21u8..0x7f, 1..250),
            proptest::collection::vec(any::<u8>(), 1..187),
        ],
        value in proptest::collection::vec(any::<u8>(), 0..300),
        flags in any::<u32>(),
        exptime in any::<i64>(),
        number in any::<u64>(),
        meta in any::<bool>(),
    ) -> Owned {
        Owned { kind, key, value, flags, exptime, number, meta }
    }
}

impl Owned {
    fn command(&self) -> Command<'_> {
        let Owned { key, value, flags, exptime, number, .. } = self;
        let (key, value, flags, exptime) = (key.as_slice(), value.as_slice(), *flags, *exptime);
        let store = |verb| Command::Store { verb, key, flags, exptime, value };
        match self.kind {
            0 => Command::Get { key, meta: true },
            1 => Command::Get { key, meta: false },
            2 => Command::Fetch { key },
            3 => Command::Lease { key, seconds: flags },
            4 => Command::GetAndTouch { key, exptime },
            5 => store(Verb::Set),
            6 => store(Verb::Add),
            7 => store(Verb::Replace),
            8 => store(Verb::Append),
            9 => store(Verb::Prepend),
            10 => store(Verb::Cas(*number)),
            11 => Command::StoreLeased { key, flags, exptime, value, lease: *number },
            12 => Command::EndLease { key, lease: *number },
            13 => Command::Delete { key },
            14 => Command::Arithmetic { direction: Direction::Decr, key, delta: *number },
            15 => Command::Touch { key, exptime },
            16 => Command::FlushAll { delay: flags },
            17 => Command::Stats { group: key },
            18 => Command::Invalidate { key, cas: *number },
            _ => Command::Noop,
        }
    }

    /// What a server that has the value (or the lease) answers, and what that means. Which flags
    /// and numbers to give is read off the command's own line, as a server would.
    fn served(&self, sent: &[u8]) -> (Vec<u8>, Reply<'_>) {
        let line = sent.split(|byte| *byte == b'\r').next().unwrap();
        let mut words = line.split(|byte| *byte == b' ');
        let name = words.next().unwrap();
        let (len, key) = (self.value.len(), self.key.as_slice());
        let mut value = Value { data: &self.value, flags: self.flags, ..Value::default() };
        let mut head = Vec::new();
        match name {
            b"get" | b"gat" | b"gets" => {
                head.extend_from_slice(b"VALUE ");
                head.extend_from_slice(key);
                head.extend_from_slice(format!(" {} {len}", self.flags).as_bytes());
                if name == b"gets" {
                    value.cas = self.number;
                    head.extend_from_slice(format!(" {}", self.number).as_bytes());
                }
                ([&head, &b"\r\n"[..], &self.value, b"\r\nEND\r\n"].concat(), Reply::Value(value))
            }
            b"mg" if self.kind == 15 => (b"HD\r\n".to_vec(), Reply::Touched),
            b"mg" => {
                head.extend_from_slice(format!("VA {len}").as_bytes());
                for flag in words.skip(1) {
                    let text = match flag[0] {
                        b'k' => {
                            head.extend_from_slice(&[b" k", key].concat());
                            String::new()
                        }
                        b'f' => format!(" f{}", self.flags),
                        b't' => {
                            (value.ttl, value.ttl_known) = (Some(7), true);
                            " t7".to_string()
                        }
                        b'c' => {
                            value.cas = self.number;
                            format!(" c{}", self.number)
                        }
                        b'O' => format!(" {}", std::str::from_utf8(flag).unwrap()),
                        b'N' => {
                            value.lease = Some(Lease::Taken);
                            " Z".to_string()
                        }
                        b'v' | b'T' | b'b' => String::new(),
                        other => panic!("no server knows the flag {}", other.escape_ascii()),
                    };
                    head.extend_from_slice(text.as_bytes());
                }
                ([&head, &b"\r\n"[..], &self.value, b"\r\n"].concat(), Reply::Value(value))
            }
            b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => {
                (b"STORED\r\n".to_vec(), Reply::Stored)
            }
            b"ma" => {
                let number = self.number.to_string();
                (format!("VA {}\r\n{number}\r\n", number.len()).into_bytes(), Reply::Number(self.number))
            }
            b"ms" => (b"HD\r\n".to_vec(), Reply::Stored),
            b"md" => (b"HD\r\n".to_vec(), Reply::Deleted),
            b"delete" => (b"DELETED\r\n".to_vec(), Reply::Deleted),
            b"touch" => (b"TOUCHED\r\n".to_vec(), Reply::Touched),
            b"decr" => (format!("{}\r\n", self.number).into_bytes(), Reply::Number(self.number)),
            b"flush_all" => (b"OK\r\n".to_vec(), Reply::Ok),
            b"stats" => (b"END\r\n".to_vec(), Reply::Stats(b"")),
            b"mn" => (b"MN\r\n".to_vec(), Reply::Noop),
            other => panic!("no server knows {}", other.escape_ascii()),
        }
    }
}

/// Bytes that look more like answers than random ones do.
pub(super) fn answerish() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&[u8]] = &[
        b"VALUE ",
        b"VA ",
        b"EN",
        b"END\r\n",
        b"\r\n",
        b"\n",
        b" ",
        b"a",
        b"b",
        b"ka ",
        b"f0 ",
        b"t-1 ",
        b"c1 ",
        b"W",
        b"0 ",
        b"1",
        b"9223372036854775808",
        b"STAT a 1\r\n",
        b"STORED\r\n",
        b"HD\r\n",
        b"VALUE a 0 1\r\nx\r\n",
        b"VALUE b 0 0\r\n\r\n",
        b"SERVER_ERROR x\r\n",
        b"ERROR\r\n",
        b"VA 1 f0 t-1 c1 ka\r\nx\r\n",
        b"\0",
    ];
    let word = proptest::sample::select(WORDS);
    proptest::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

/// Failures are printed, not written to files.
pub(super) fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_asked_is_answered(owned in owned(), cut in any::<proptest::sample::Index>()) {
        let command = owned.command();
        let mut sent = Vec::new();
        if compose(&command, owned.meta, &mut sent).is_err() {
            let needed = !crate::rules::key::is_plain(&owned.key) || matches!(owned.kind, 3 | 11 | 12 | 18);
            prop_assert!(needed && !owned.meta && sent.is_empty());
            return Ok(());
        }
        let (answer, reply) = owned.served(&sent);
        let limits = Limits::default();
        prop_assert_eq!(parse(&command, owned.meta, &answer, &limits), Ok(Some((reply, answer.len()))));
        let piece = &answer[..cut.index(answer.len())];
        prop_assert_eq!(parse(&command, owned.meta, piece, &limits), Ok(None));
    }

    #[test]
    fn foreign_bytes_do_no_harm(
        owned in owned(),
        bytes in prop_oneof![answerish(), proptest::collection::vec(any::<u8>(), 0..100)],
        short in any::<bool>(),
    ) {
        let mut owned = owned;
        if short {
            owned.key = b"a".to_vec();
        }
        let limits = Limits { value: 100, line: 40, stats: 60 };
        let parsed = parse(&owned.command(), owned.meta, &bytes, &limits);
        if let Ok(Some((_, taken))) = parsed {
            prop_assert!(taken > 0 && taken <= bytes.len());
            // No byte less would have done, and none more changes it.
            prop_assert_eq!(parse(&owned.command(), owned.meta, &bytes[..taken], &limits), parsed);
            prop_assert_eq!(parse(&owned.command(), owned.meta, &bytes[..taken - 1], &limits), Ok(None));
        }
    }
}

/// A server that is out of step is found out by the key, whatever the command was.
#[test]
fn the_answer_to_a_meta_command_that_was_passed_on_is_about_its_key() {
    let (key, name) = (&b"a b"[..], &b"YSBi"[..]);
    let command = |letter, flags| Command::Meta { letter, key, name, flags, value: None };
    let reads = |command: Command<'_>, bytes: &[u8]| parse(&command, true, bytes, &Limits::default()).is_ok();
    for letter in [b'g', b'd', b'a'] {
        let asked = command(letter, b" b v k");
        for good in ["VA 1 kYSBi b\r\nx\r\n", "HD kYSBi b\r\n", "HD\r\n", "EN\r\n", "NF kYSBi b\r\n"] {
            assert!(reads(asked, good.as_bytes()), "{good:?}");
        }
        for bad in ["VA 1 kother\r\nx\r\n", "VA 1 t5\r\nx\r\n", "HD kother\r\n", "NF kYSBj b\r\n"] {
            assert!(!reads(asked, bad.as_bytes()), "{bad:?}");
        }
        assert!(reads(command(letter, b" v t"), b"VA 1 t5 kother\r\nx\r\n"), "it was not asked for");
    }
    assert!(reads(command(b'e', b""), b"ME key exp=-1\r\n"));
}
