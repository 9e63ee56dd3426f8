//! What may be an answer to which question, said once more and without the reader's own words.

use memcache::rules::wire::parse::Limits;
use memcache::rules::wire::{Command, Reply, Value, Verb};

/// A reply is one that the question can have, and stands in the bytes that it took.
pub fn fits(asked: &Command<'_>, meta: bool, reply: &Reply<'_>, taken: &[u8], limits: &Limits) {
    let text = || format!("{reply:?} to {asked:?}, from {}", taken.escape_ascii());
    assert!(may_be(asked, reply), "{}", text());
    let begins = |words: &[&[u8]]| {
        let line = taken.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let word = line.split(|byte| matches!(byte, b' ' | b'\r')).next().unwrap_or_default();
        assert!(words.contains(&word), "{}", text());
    };
    match *reply {
        Reply::Value(value) => has(asked, meta, &value, taken, limits),
        // A key of a line with more keys is missed by what is told of a later one.
        Reply::Miss if taken.is_empty() => assert!(matches!(asked, Command::Get { .. }), "{}", text()),
        Reply::Miss => begins(&[b"END", b"EN"]),
        Reply::Stored => begins(&[b"STORED", b"HD"]),
        Reply::NotStored => begins(&[b"NOT_STORED", b"NS"]),
        Reply::Exists => begins(&[b"EXISTS", b"EX"]),
        Reply::NotFound => begins(&[b"NOT_FOUND", b"NF"]),
        Reply::Deleted => begins(&[b"DELETED", b"HD"]),
        Reply::Touched => begins(&[b"TOUCHED", b"HD"]),
        Reply::Ok => begins(&[b"OK", b"RESET"]),
        Reply::Noop => begins(&[b"MN"]),
        Reply::Number(number) => {
            let digits = taken.trim_ascii_end();
            let read = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            assert_eq!(read, Some(number), "{}", text());
        }
        Reply::Version(version) => assert_eq!(taken, [b"VERSION ", version, b"\r\n"].concat(), "{}", text()),
        Reply::Stats(lines) => {
            assert!(lines.len() <= limits.stats + limits.line + 2, "{} bytes", lines.len());
            assert_eq!(taken, [lines, b"END\r\n"].concat(), "{}", text());
        }
        Reply::Meta { line, data } => {
            let told = data.map_or(Vec::new(), |data| [data, b"\r\n"].concat());
            assert_eq!(taken, [line, b"\r\n", &told].concat(), "{}", text());
        }
        Reply::Refused(why) => {
            begins_with_refusal(why);
            // For all the rest of a line with more keys it stays where it is.
            assert!(taken.is_empty() || taken.ends_with(&[why, b"\r\n"].concat()), "{}", text());
        }
        Reply::Unsupported => unreachable!("{}", text()),
    }
}

fn begins_with_refusal(why: &[u8]) {
    let words: [&[u8]; 3] = [b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"];
    let word = why.split(|byte| *byte == b' ').next().unwrap_or_default();
    assert!(words.contains(&word), "{}", why.escape_ascii());
}

/// The protocol's grammar: doc/protocol.txt of memcached. Anything may be refused.
fn may_be(asked: &Command<'_>, reply: &Reply<'_>) -> bool {
    use Command as C;
    use Reply as R;
    match asked {
        _ if matches!(reply, R::Refused(_)) => true,
        C::Get { .. } | C::Fetch { .. } | C::Lease { .. } | C::GetAndTouch { .. } => {
            matches!(reply, R::Value(_) | R::Miss)
        }
        C::Store { verb: Verb::Cas(_), .. } | C::StoreLeased { .. } => {
            matches!(reply, R::Stored | R::NotStored | R::Exists | R::NotFound)
        }
        C::Store { .. } => matches!(reply, R::Stored | R::NotStored),
        C::EndLease { .. } | C::Invalidate { .. } => matches!(reply, R::Deleted | R::Exists | R::NotFound),
        C::Delete { .. } => matches!(reply, R::Deleted | R::NotFound),
        C::Arithmetic { .. } => matches!(reply, R::Number(_) | R::NotFound),
        C::Touch { .. } => matches!(reply, R::Touched | R::NotFound),
        C::FlushAll { .. } => matches!(reply, R::Ok),
        C::Version => matches!(reply, R::Version(_)),
        C::Stats { .. } => matches!(reply, R::Stats(_) | R::Ok),
        C::Meta { .. } => matches!(reply, R::Meta { .. }),
        C::Noop => matches!(reply, R::Noop),
    }
}

/// A value is told under the key that was asked for, and is what stands behind its line, as long as that says.
fn has(asked: &Command<'_>, meta: bool, value: &Value<'_>, taken: &[u8], limits: &Limits) {
    let text = || format!("{value:?} to {asked:?}, from {}", taken.escape_ascii());
    assert!(value.placed == 0 && value.data.len() <= limits.value, "{}", text());
    let end = taken.iter().position(|byte| *byte == b'\n').unwrap_or_else(|| panic!("no line: {}", text()));
    let (line, rest) = (&taken[..end - 1], &taken[end + 1..]);
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let length = value.data.len().to_string();
    let long = |word: &[u8]| {
        let digits = word.iter().position(|byte| *byte != b'0').map_or(&b"0"[..], |first| &word[first..]);
        assert_eq!(digits, length.as_bytes(), "{}", text());
    };
    let behind = rest.strip_prefix(value.data).and_then(|rest| rest.strip_prefix(b"\r\n"));
    let by_meta = match *asked {
        Command::Get { key, meta: wanted } => meta && (wanted || key.contains(&b' ')),
        _ => meta,
    };
    if by_meta {
        assert_eq!((words[0], behind), (&b"VA"[..], Some(&b""[..])), "{}", text());
        long(words[1]);
        let told = |word: &&[u8]| word.starts_with(b"k") || word.starts_with(b"O");
        assert!(words[2..].iter().any(told), "{}", text());
    } else {
        assert_eq!((words[0], words[1]), (&b"VALUE"[..], asked.key()), "{}", text());
        long(words[3]);
        assert!(matches!(behind, Some(b"" | b"END\r\n")), "{}", text());
        assert!(value.lease.is_none() && !value.ttl_known && !value.stale, "{}", text());
    }
}

/// What is not an answer yet can become one: its line is no longer than any, nor is what it announces.
pub fn waits(asked: &Command<'_>, unread: &[u8], limits: &Limits) {
    let line = limits.line + 2;
    let most = match asked {
        Command::Get { .. } | Command::Fetch { .. } | Command::Lease { .. } | Command::GetAndTouch { .. } => {
            line + limits.value + 2 + line
        }
        Command::Meta { .. } => line + limits.value + 2,
        Command::Stats { .. } => limits.stats + 2 * line,
        _ => line,
    };
    assert!(unread.len() < most, "{} bytes are no answer yet to {asked:?}", unread.len());
    let has_line = unread.iter().take(line).any(|byte| *byte == b'\n');
    assert!(has_line || unread.len() < line, "{} bytes, and no line among them", unread.len());
}
