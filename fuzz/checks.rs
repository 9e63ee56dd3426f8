//! What is demanded of those who read foreign bytes, whatever the bytes: no panic, no step beyond the end,
//! an end; and that the same is read when the bytes come in pieces.
//!
//! Used by the targets of `make fuzz`, which let a fuzzer choose the bytes, and by `tests/hostile_bytes`.

#![allow(dead_code, reason = "every target uses its own part")]

#[path = "calls.rs"]
pub mod calls;
#[path = "liar.rs"]
mod liar;
#[path = "memory.rs"]
mod memory;
#[path = "reader.rs"]
mod reader;
#[path = "replies.rs"]
mod replies;
#[path = "tables.rs"]
pub mod tables;

use std::collections::VecDeque;

use memcache::proxy::request::{self, Parsed, Request, SHORT_LINE};
use memcache::rules::wire::parse::Limits;
use memcache::rules::wire::pending::Pending;
use memcache::rules::wire::{Command, Direction, Verb};

/// A client's bytes as the proxy reads them: request after request.
pub fn client_bytes(bytes: &[u8]) {
    let limits = request::Limits { key: 250, value: 64 << 10, line: 4096 };
    let mut rest = bytes;
    while !rest.is_empty() {
        match request::parse(rest, &limits) {
            Parsed::Whole(request, used) => {
                assert!((1..=rest.len()).contains(&used), "took {used} of {} bytes", rest.len());
                allowed(&request, &rest[..used], &limits);
                in_pieces(rest, used, &limits);
                rest = &rest[used..];
            }
            Parsed::More(needed) => {
                waits_for(needed, rest, &limits);
                return;
            }
        }
    }
}

/// Where the line that a request begins with ends, with its end.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n').map(|end| end + 1)
}

/// What is waited for is more than there is, and no more than a request may have: as long a line, as long a value.
fn waits_for(needed: usize, bytes: &[u8], limits: &request::Limits) {
    let has = bytes.len();
    assert!(needed > has, "needs {needed} bytes and has {has}");
    let most = match line_end(bytes) {
        Some(end) => end + limits.value + 2,
        None if bytes.trim_ascii_start().starts_with(b"g") => (has + 1).min(limits.line + 1),
        None => (has + 1).min(SHORT_LINE + 1),
    };
    assert!(needed <= most, "needs {needed} bytes, has {has}, may have {most}");
}

/// A request is no larger than its client may make it, and takes the bytes that it says.
fn allowed(request: &Request<'_>, bytes: &[u8], limits: &request::Limits) {
    let line = line_end(bytes).unwrap_or(bytes.len());
    let value = match *request {
        Request::Store { key, value, .. } => {
            assert!(key.len() <= limits.key, "a key of {} bytes", key.len());
            Some(value)
        }
        Request::Meta(meta) if meta.letter == b's' => Some(meta.value),
        // A value that was refused may have come, as long as it may be at all.
        Request::Say { .. } => return,
        Request::TooLarge { skip, .. } => {
            assert!(skip > limits.value + 2, "{skip} bytes are not too many");
            None
        }
        _ => None,
    };
    match value {
        Some(value) => {
            assert!(value.len() <= limits.value, "a value of {} bytes", value.len());
            assert_eq!([value, b"\r\n"].concat(), bytes[line..], "the value is what stands behind the line");
        }
        None => assert_eq!(bytes.len(), line, "one line"),
    }
}

/// A request that is not whole yet is no other one; but one that is refused is so before its value has come.
fn in_pieces(bytes: &[u8], used: usize, limits: &request::Limits) {
    let whole = plain(request::parse(bytes, limits));
    let line = line_end(bytes).unwrap_or(bytes.len());
    // A longer line is refused before its end has come, if it comes late.
    let early = |cut: &usize| *cut <= SHORT_LINE || (line..=used).contains(cut);
    let within_value = (line..used).step_by(1 + (used - line) / 24);
    let all = (0..used).step_by(1 + used / 24).chain(within_value).chain([used.saturating_sub(1), used]);
    for cut in all.filter(early) {
        match request::parse(&bytes[..cut], limits) {
            Parsed::More(needed) => waits_for(needed, &bytes[..cut], limits),
            other => assert_eq!(plain(other), whole, "from the first {cut} bytes of {used}"),
        }
    }
}

/// The same whether a value that nobody wants has come already, or is to be skipped.
fn plain(parsed: Parsed<'_>) -> Parsed<'_> {
    match parsed {
        Parsed::Whole(Request::Skip { text, skip }, used) => {
            Parsed::Whole(Request::Say { text, noreply: false }, used + skip)
        }
        other => other,
    }
}

const KEY: &[u8] = b"key";

/// All that a server can be asked, more or less.
const QUESTIONS: [Command<'static>; 20] = [
    Command::Get { key: KEY, meta: false },
    Command::Get { key: b"other", meta: false },
    Command::Get { key: KEY, meta: true },
    Command::Get { key: b"b\xe4r \n", meta: false },
    Command::Fetch { key: KEY },
    Command::Lease { key: KEY, seconds: 30 },
    Command::GetAndTouch { key: KEY, exptime: 5 },
    Command::Store { verb: Verb::Set, key: KEY, flags: 0, exptime: 0, value: b"abc" },
    Command::Store { verb: Verb::Cas(7), key: KEY, flags: 0, exptime: 0, value: b"abc" },
    Command::StoreLeased { key: KEY, flags: 0, exptime: 0, value: b"abc", lease: 5 },
    Command::EndLease { key: KEY, lease: 5 },
    Command::Invalidate { key: KEY, cas: 5 },
    Command::Delete { key: KEY },
    Command::Arithmetic { direction: Direction::Incr, key: KEY, delta: 1 },
    Command::Touch { key: KEY, exptime: 0 },
    Command::FlushAll { delay: 0 },
    Command::Version,
    Command::Stats { group: b"" },
    Command::Meta { letter: b'g', key: KEY, name: KEY, flags: b" v k O1", value: None },
    Command::Noop,
];

/// A server's answers: the first bytes choose what it was asked, the others are what it says.
pub fn server_bytes(bytes: &[u8]) {
    let Some((head, answers)) = bytes.split_first_chunk::<9>() else { return };
    let meta = head[0] & 1 == 0;
    let asked: Vec<usize> = head[1..].iter().map(|byte| usize::from(*byte) % QUESTIONS.len()).collect();
    let limits = Limits { value: 1 << 14, line: 2048, stats: 1 << 12 };
    let at_once = read(&asked, meta, answers, &limits, answers.len().max(1));
    for piece in [1, 2, 7, 61] {
        let in_pieces = read(&asked, meta, answers, &limits, piece);
        assert_eq!(in_pieces, at_once, "in pieces of {piece} bytes");
    }
}

/// What is read of answers that come in pieces; with the last word whether it made sense to the end.
fn read(asked: &[usize], meta: bool, answers: &[u8], limits: &Limits, piece: usize) -> Vec<String> {
    let mut pending = Pending::default();
    let mut sent = Vec::new();
    let mut waiting: VecDeque<usize> =
        asked.iter().copied().filter(|one| pending.ask(*one, &QUESTIONS[*one], meta, &mut sent)).collect();
    pending.close(&mut sent);
    let mut told = Vec::new();
    let (mut start, mut end) = (0, 0);
    loop {
        let unread = &answers[start..end];
        match pending.next(unread, meta, limits, |question| QUESTIONS[question]) {
            Ok(Some((question, reply, used))) => {
                assert_eq!(waiting.pop_front(), Some(question), "answers come in the order of the questions");
                assert!(used <= unread.len(), "took {used} of {} bytes", unread.len());
                replies::fits(&QUESTIONS[question], meta, &reply, &unread[..used], limits);
                told.push(format!("{question}: {reply:?}"));
                start += used;
            }
            Ok(None) => {
                match waiting.front() {
                    Some(question) => replies::waits(&QUESTIONS[*question], unread, limits),
                    None => assert!(unread.is_empty(), "nothing was asked, and {} bytes came", unread.len()),
                }
                if end == answers.len() {
                    return told;
                }
                end = (end + piece).min(answers.len());
            }
            Err(_) => {
                told.push("nonsense".to_owned());
                return told;
            }
        }
    }
}

/// A pool file: read, or refused with a place and a reason.
pub fn pool_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = memcache::config::parse("pool.toml", text) {
        assert!(!error.to_string().is_empty());
    }
}
