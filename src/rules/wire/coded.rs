//! Keys that no line of text can hold: in base64, by meta commands, whatever is asked.
//!
//! The server decodes the key before it looks, so a key is the same item however it was written;
//! and placement goes by its raw bytes. The answers are turned into the replies that the classic
//! commands would have had: nothing above this module knows how a key was sent.
//!
//! `k` is not asked for. memcached 1.6.18 forgets that a lease's stub was made under a coded key,
//! and tells the raw bytes of it, line ends and all, to whoever asks. So `O` does `k`'s service, with
//! the key's checksum: the server gives it back as it came.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::compose::{expiry, number, words};
use super::meta::{self, Proof};
use super::parse::{Limits, Nonsense, Parsed, data, decimal, is_refusal, length, line};
use super::{Command, Direction, Reply, Verb};
use crate::rules::key::{MAX_BINARY_KEY_LEN, MAX_KEY_LEN};

/// The longest decimal number, in bytes: 20 digits, and room for the spaces that `decr` leaves.
const LONGEST_NUMBER: usize = 64;

const _: () = assert!(MAX_BINARY_KEY_LEN.div_ceil(3) * 4 <= MAX_KEY_LEN);

/// What is given back with the answer.
fn mark(key: &[u8]) -> u32 {
    crc32fast::hash(key)
}

/// Appends a command's line, whose end is the caller's.
pub(super) fn write(command: &Command<'_>, out: &mut Vec<u8>) {
    match *command {
        Command::Get { key, .. } => get(out, key, b" v f"),
        Command::Fetch { key } => get(out, key, b" v f t c"),
        Command::Lease { key, seconds } => {
            get(out, key, b" v f t c");
            flag(out, b" N", expiry(i64::from(seconds).max(1)));
        }
        Command::GetAndTouch { key, exptime } => {
            get(out, key, b" v f");
            flag(out, b" T", expiry(exptime));
        }
        Command::Touch { key, exptime } => {
            get(out, key, b"");
            flag(out, b" T", expiry(exptime));
        }
        Command::Store { verb, key, flags, exptime, value } => {
            // What is appended to keeps its flags and its expiry time.
            let fresh = !matches!(verb, Verb::Append | Verb::Prepend);
            let kept = fresh.then_some((flags, exptime));
            store(out, key, kept, mode(verb), value.len());
        }
        Command::StoreLeased { key, flags, exptime, value, lease } => {
            store(out, key, Some((flags, exptime)), mode(Verb::Cas(lease)), value.len());
        }
        Command::Delete { key } => head(out, b"md ", key),
        Command::Invalidate { key, cas } => {
            head(out, b"md ", key);
            words(out, &[b" I"]);
            flag(out, b" C", cas);
        }
        Command::EndLease { key, lease } => {
            head(out, b"md ", key);
            flag(out, b" C", lease);
        }
        Command::Arithmetic { direction, key, delta } => {
            head(out, b"ma ", key);
            words(out, &[if direction == Direction::Incr { b" v MI" } else { b" v MD" }]);
            flag(out, b" D", delta);
        }
        // They have no key, or one that is written already, and are never of this form.
        Command::FlushAll { .. }
        | Command::Version
        | Command::Stats { .. }
        | Command::Meta { .. }
        | Command::Noop => {}
    }
}

/// The command's name and its key.
fn head(out: &mut Vec<u8>, name: &[u8], key: &[u8]) {
    words(out, &[name]);
    encoded(out, key);
    words(out, &[b" b"]);
}

fn encoded(out: &mut Vec<u8>, key: &[u8]) {
    let mut text = [0; MAX_KEY_LEN];
    // A key that is too long for the text was refused before.
    let len = STANDARD.encode_slice(key, &mut text).unwrap_or(0);
    words(out, &[&text[..len]]);
}

fn get(out: &mut Vec<u8>, key: &[u8], flags: &[u8]) {
    head(out, b"mg ", key);
    words(out, &[flags]);
    flag(out, b" O", mark(key));
}

fn flag(out: &mut Vec<u8>, letter: &[u8], value: impl itoa::Integer + TryInto<u16> + Copy) {
    words(out, &[letter]);
    number(out, value);
}

/// The flag that a verb is, and the CAS value it goes with.
fn mode(verb: Verb) -> (&'static [u8], Option<u64>) {
    match verb {
        Verb::Set => (b" MS", None),
        Verb::Add => (b" ME", None),
        Verb::Replace => (b" MR", None),
        Verb::Append => (b" MA", None),
        Verb::Prepend => (b" MP", None),
        Verb::Cas(cas) => (b" C", Some(cas)),
    }
}

/// `ms` up to the end of its line. `kept`: the flags and the expiry time that go with it.
fn store(
    out: &mut Vec<u8>,
    key: &[u8],
    kept: Option<(u32, i64)>,
    (mode, cas): (&[u8], Option<u64>),
    len: usize,
) {
    words(out, &[b"ms "]);
    encoded(out, key);
    flag(out, b" ", len);
    words(out, &[b" b"]);
    if let Some((flags, exptime)) = kept {
        flag(out, b" F", flags);
        flag(out, b" T", expiry(exptime));
    }
    words(out, &[mode]);
    if let Some(cas) = cas {
        number(out, cas);
    }
}

/// The answer to a command of this form.
pub(super) fn answer<'b>(command: &Command<'_>, bytes: &'b [u8], limits: &Limits) -> Parsed<'b> {
    let mut digits = itoa::Buffer::new();
    let proof = Proof::opaque(digits.format(mark(command.key())).as_bytes());
    match command {
        Command::Get { .. } | Command::GetAndTouch { .. } => meta::value(proof, false, bytes, limits),
        Command::Fetch { .. } | Command::Lease { .. } => meta::value(proof, true, bytes, limits),
        _ => short(command, proof, bytes, limits),
    }
}

/// An answer without a value, or with a number for one.
fn short<'b>(command: &Command<'_>, proof: Proof<'_>, bytes: &'b [u8], limits: &Limits) -> Parsed<'b> {
    let Some(line) = line(bytes, limits)? else { return Ok(None) };
    if is_refusal(line.text) {
        return Ok(Some((Reply::Refused(line.text), line.end)));
    }
    let mut words = line.text.split(|byte| *byte == b' ');
    let reply = match (command, words.next()) {
        (Command::Touch { .. }, Some(word @ (b"HD" | b"EN"))) => {
            proof.check(words)?;
            Some(if word == b"HD" { Reply::Touched } else { Reply::NotFound })
        }
        (Command::Arithmetic { .. }, Some(b"NF")) => Some(Reply::NotFound),
        (Command::Arithmetic { .. }, Some(b"VA")) => {
            let limits = Limits { value: limits.value.min(LONGEST_NUMBER), ..*limits };
            let len = length(words.next(), &limits)?;
            let Some((data, end)) = data(bytes, line.end, len)? else { return Ok(None) };
            let number = decimal(data.trim_ascii_end());
            let number = number.ok_or(Nonsense("a counter's value that is no number of 64 bits"))?;
            return Ok(Some((Reply::Number(number), end)));
        }
        (Command::Touch { .. } | Command::Arithmetic { .. }, _) => None,
        _ => meta::done(command, line.text),
    };
    let reply = reply.ok_or(Nonsense("a line that is no answer to what was asked"))?;
    Ok(Some((reply, line.end)))
}
