//! Replies to meta commands: a word of two letters, a length where data follows, then flags of one
//! letter each, some with text behind it. Flags come in the order in which they were asked for, but
//! that is not promised: here their order does not matter, and letters that nobody asked for are
//! passed over (a later server may have more to tell).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::parse::{Limits, Nonsense, Parsed, data, decimal, is_refusal, length, line};
use super::{Command, Lease, Reply, Value, Verb};
use crate::rules::key::{MAX_BINARY_KEY_LEN, MAX_KEY_LEN};

const WRONG_KEY: Nonsense = Nonsense("a value under another key than the one that was asked for");

/// What was asked for to be told with an answer, so that it can be known from an answer to
/// something else: a flag and its text.
#[derive(Clone, Copy)]
pub(super) struct Proof<'a> {
    letter: u8,
    text: &'a [u8],
}

impl<'a> Proof<'a> {
    /// `k`: the key itself.
    pub(super) fn key(key: &'a [u8]) -> Proof<'a> {
        Proof { letter: b'k', text: key }
    }

    /// `O`: a text of the asker's.
    pub(super) fn opaque(text: &'a [u8]) -> Proof<'a> {
        Proof { letter: b'O', text }
    }

    /// Of an answer without a value 1.6.18 gives the proof too; later ones may not.
    pub(super) fn check<'b>(self, words: impl Iterator<Item = &'b [u8]>) -> Result<(), Nonsense> {
        let mut told = words.filter_map(|word| word.split_first()).filter(|word| *word.0 == self.letter);
        if told.all(|(_, text)| self.fits(text)) { Ok(()) } else { Err(WRONG_KEY) }
    }

    /// Whether this is what was asked for. A key that a client of any kind stored in base64 is told in base64, also when it
    /// was asked for as it is.
    fn fits(self, text: &[u8]) -> bool {
        text == self.text || (self.letter == b'k' && is_coded(text, self.text))
    }
}

/// Whether `text` is `key` in base64.
#[cold]
fn is_coded(text: &[u8], key: &[u8]) -> bool {
    let mut coded = [0; MAX_KEY_LEN];
    let len =
        if key.len() <= MAX_BINARY_KEY_LEN { STANDARD.encode_slice(key, &mut coded).ok() } else { None };
    len.is_some_and(|len| coded[..len] == *text)
}

/// The answer to `mg`. `full`: `t` and `c` were asked for beside `f` and the proof.
pub(super) fn value<'b>(proof: Proof<'_>, full: bool, bytes: &'b [u8], limits: &Limits) -> Parsed<'b> {
    let Some(line) = line(bytes, limits)? else { return Ok(None) };
    let mut words = line.text.split(|byte| *byte == b' ');
    match words.next() {
        Some(b"EN") => proof.check(words).map(|()| Some((Reply::Miss, line.end))),
        Some(b"VA") => {
            let len = length(words.next(), limits)?;
            let value = flags(proof, full, words)?;
            let Some((data, end)) = data(bytes, line.end, len)? else { return Ok(None) };
            Ok(Some((Reply::Value(Value { data, ..value }), end)))
        }
        _ if is_refusal(line.text) => Ok(Some((Reply::Refused(line.text), line.end))),
        _ => Err(Nonsense("a line that is no answer to a meta get")),
    }
}

/// The first line of a value: the value without its data, where that begins, and how long it is.
pub(super) fn opened(
    proof: Proof<'_>,
    full: bool,
    bytes: &[u8],
    limits: &Limits,
) -> Option<(Value<'static>, usize, usize)> {
    let line = line(bytes, limits).ok()??;
    let mut words = line.text.split(|byte| *byte == b' ');
    words.next().filter(|word| *word == b"VA")?;
    let len = length(words.next(), limits).ok()?;
    let value = flags(proof, full, words).ok()?;
    Some((value, line.end, len))
}

/// The answer to a meta command that was passed on: whatever it is. Where the key is asked for with it and told, it is
/// that one, in base64 or as it is; with a value it must be told.
pub(super) fn any<'b>(
    (letter, flags): (u8, &[u8]),
    (key, name): (&[u8], &[u8]),
    bytes: &'b [u8],
    limits: &Limits,
) -> Parsed<'b> {
    let Some(line) = line(bytes, limits)? else { return Ok(None) };
    let asked = letter != b'e' && flags.split(|byte| *byte == b' ').any(|word| word.first() == Some(&b'k'));
    let words =
        || line.text.split(|byte| *byte == b' ').skip(1).filter(|word| asked && word.starts_with(b"k"));
    let fits = |word: &[u8]| word[1..] == *name || Proof::key(key).fits(&word[1..]);
    if !words().all(fits) {
        return Err(WRONG_KEY);
    }
    let mut all = line.text.split(|byte| *byte == b' ');
    match all.next() {
        Some(b"VA") => {
            let len = length(all.next(), limits)?;
            if asked && words().next().is_none() {
                return Err(Nonsense("a value without what was asked for beside it"));
            }
            let Some((data, end)) = data(bytes, line.end, len)? else { return Ok(None) };
            Ok(Some((Reply::Meta { line: line.text, data: Some(data) }, end)))
        }
        Some(b"HD" | b"EN" | b"NF" | b"NS" | b"EX" | b"ME") => {
            Ok(Some((Reply::Meta { line: line.text, data: None }, line.end)))
        }
        _ if is_refusal(line.text) => Ok(Some((Reply::Refused(line.text), line.end))),
        _ => Err(Nonsense("a line that is no answer to a meta command")),
    }
}

/// A value's flags; every one that was asked for must be there.
fn flags<'b>(
    proof: Proof<'_>,
    full: bool,
    words: impl Iterator<Item = &'b [u8]>,
) -> Result<Value<'static>, Nonsense> {
    let mut value = Value { ttl_known: false, ..Value::default() };
    let (mut proven, mut flags_seen, mut cas_seen) = (false, false, false);
    for word in words {
        let Some((letter, text)) = word.split_first() else { continue };
        match letter {
            letter if *letter == proof.letter && !proof.fits(text) => return Err(WRONG_KEY),
            letter if *letter == proof.letter => proven = true,
            b'f' => {
                let flags = decimal(text).and_then(|flags| u32::try_from(flags).ok());
                value.flags = flags.ok_or(Nonsense("flags that are no number of 32 bits"))?;
                flags_seen = true;
            }
            b'c' => {
                value.cas = decimal(text).ok_or(Nonsense("a CAS value that is no number of 64 bits"))?;
                cas_seen = true;
            }
            b't' => {
                value.ttl = time_to_live(text)?;
                value.ttl_known = true;
            }
            b'W' => value.lease = Some(Lease::Won),
            b'Z' => value.lease = Some(Lease::Taken),
            // It is read as classic clients read it.
            b'X' => value.stale = true,
            _ => {}
        }
    }
    if proven && flags_seen && (!full || (cas_seen && value.ttl_known)) {
        Ok(value)
    } else {
        Err(Nonsense("a value without what was asked for beside it"))
    }
}

/// `-1`: never.
fn time_to_live(text: &[u8]) -> Result<Option<u32>, Nonsense> {
    if text == b"-1" {
        return Ok(None);
    }
    let seconds = decimal(text).and_then(|seconds| u32::try_from(seconds).ok());
    seconds.map(Some).ok_or(Nonsense("a remaining time to live that is no number of seconds"))
}

/// The answer to `ms` and `md`, of which nothing but the word was asked for.
pub(super) fn done<'b>(command: &Command<'_>, text: &[u8]) -> Option<Reply<'b>> {
    let stores = matches!(command, Command::Store { .. } | Command::StoreLeased { .. });
    let compares = matches!(
        command,
        Command::StoreLeased { .. }
            | Command::EndLease { .. }
            | Command::Invalidate { .. }
            | Command::Store { verb: Verb::Cas(_), .. }
    );
    match text {
        b"HD" if stores => Some(Reply::Stored),
        b"HD" => Some(Reply::Deleted),
        b"NS" if stores => Some(Reply::NotStored),
        b"EX" if compares => Some(Reply::Exists),
        b"NF" if compares || !stores => Some(Reply::NotFound),
        _ => None,
    }
}
