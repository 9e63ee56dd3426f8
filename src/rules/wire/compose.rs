//! Commands as bytes.
//!
//! Classic commands everywhere, except where a meta command carries something the classic one
//! lacks: a remaining time to live, a lease, a mark that tells a stub from a value (rule 11). Each
//! meta get asks for `k`, the key, so that an answer can be told from an answer to something else.
//!
//! Bytes are only ever appended to the caller's buffer, so once that buffer is large enough
//! nothing here allocates.

use super::{Command, Direction, Verb, coded};
use crate::rules::key;

/// The server cannot be asked this: it needs meta commands and there are none; or the key is of
/// those that [`key::check_binary`] refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsupported;

/// How a command's key is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// In base64, by a meta command: see [`super::coded`].
    Coded,
}

/// Appends a command's bytes to `out`. `meta`: whether the server has meta commands. After an
/// error nothing was written.
///
/// An expiry time that does not fit the server's 32 bits is brought to the nearest one that does:
/// memcached 1.6.18 cuts the rest off, so that `-2^63` would mean "never" and `2^32 + 5` five
/// seconds. Every negative one means "at once" and is sent as -1.
///
/// A value must be no longer than [`super::parse::Limits::value`]: a server that is told of 2 GiB
/// refuses the line and takes the value's bytes for commands.
pub fn compose(command: &Command<'_>, meta: bool, out: &mut Vec<u8>) -> Result<(), Unsupported> {
    write(command, meta, form(command, meta)?, out);
    Ok(())
}

/// How a command's key is to be sent: one look at each of its bytes.
#[inline(always)]
pub(super) fn form(command: &Command<'_>, meta: bool) -> Result<Form, Unsupported> {
    let key = match *command {
        // What is asked every day.
        Command::Get { key, .. }
        | Command::Fetch { key }
        | Command::Store { key, .. }
        | Command::Delete { key }
        | Command::Arithmetic { key, .. }
            if key::is_plain(key) =>
        {
            return Ok(Form::Plain);
        }
        // Its key is written as it is to be sent.
        Command::Meta { .. } => return if meta { Ok(Form::Plain) } else { Err(Unsupported) },
        _ => command.key(),
    };
    // A command about a whole server has none.
    let plain = key.is_empty() || key::is_plain(key);
    if !meta && (!plain || meta_only(command)) {
        return Err(Unsupported);
    }
    match plain {
        true => Ok(Form::Plain),
        false if key.len() <= key::MAX_BINARY_KEY_LEN => Ok(Form::Coded),
        false => Err(Unsupported),
    }
}

/// Appends the bytes of a command whose form was found.
#[inline(always)]
pub(super) fn write(command: &Command<'_>, meta: bool, form: Form, out: &mut Vec<u8>) {
    line(command, meta, form, out);
    if let Some(value) = command.value() {
        words(out, &[value, b"\r\n"]);
    }
}

/// Appends a command's line: what follows is the value that it carries, and that one's line end.
#[inline(always)]
pub(super) fn line(command: &Command<'_>, meta: bool, form: Form, out: &mut Vec<u8>) {
    match form {
        Form::Plain => plain(command, meta, out),
        Form::Coded => coded::write(command, out),
    }
    words(out, &[b"\r\n"]);
}

/// The line of a command whose key is sent as it is, without its end.
#[inline(never)]
fn plain(command: &Command<'_>, meta: bool, out: &mut Vec<u8>) {
    match *command {
        Command::Get { key, meta: true } if meta => words(out, &[b"mg ", key, b" v f k"]),
        Command::Get { key, .. } => words(out, &[b"get ", key]),
        Command::Store { verb, key, flags, exptime, value } => {
            store(out, verb, key, (flags, exptime), value.len());
        }
        Command::Fetch { key } if meta => words(out, &[b"mg ", key, b" v f t c k"]),
        Command::Fetch { key } => words(out, &[b"gets ", key]),
        Command::Lease { key, seconds } => {
            words(out, &[b"mg ", key, b" v f t c k N"]);
            // To the server an expiry time, with the same 32 bits; and 0 would be a stub for ever.
            number(out, expiry(i64::from(seconds).max(1)));
        }
        Command::GetAndTouch { key, exptime } if meta => {
            words(out, &[b"mg ", key, b" v f k T"]);
            number(out, expiry(exptime));
        }
        Command::GetAndTouch { key, exptime } => {
            words(out, &[b"gat "]);
            number(out, expiry(exptime));
            words(out, &[b" ", key]);
        }
        Command::StoreLeased { key, flags, exptime, value, lease } => {
            words(out, &[b"ms ", key, b" "]);
            number(out, value.len());
            words(out, &[b" T"]);
            number(out, expiry(exptime));
            words(out, &[b" F"]);
            number(out, flags);
            words(out, &[b" C"]);
            number(out, lease);
        }
        Command::Invalidate { key, cas } => {
            words(out, &[b"md ", key, b" I C"]);
            number(out, cas);
        }
        Command::EndLease { key, lease } => {
            words(out, &[b"md ", key, b" C"]);
            number(out, lease);
        }
        Command::Delete { key } => words(out, &[b"delete ", key]),
        Command::Arithmetic { direction, key, delta } => {
            let verb: &[u8] = match direction {
                Direction::Incr => b"incr ",
                Direction::Decr => b"decr ",
            };
            words(out, &[verb, key, b" "]);
            number(out, delta);
        }
        Command::Touch { key, exptime } => {
            words(out, &[b"touch ", key, b" "]);
            number(out, expiry(exptime));
        }
        Command::FlushAll { delay: 0 } => words(out, &[b"flush_all"]),
        Command::FlushAll { delay } => {
            words(out, &[b"flush_all "]);
            number(out, expiry(delay.into()));
        }
        Command::Version => words(out, &[b"version"]),
        Command::Stats { group: b"" } => words(out, &[b"stats"]),
        Command::Stats { group } => words(out, &[b"stats ", group]),
        Command::Meta { letter, name, flags, value, .. } => {
            words(out, &[b"m", &[letter], b" ", name]);
            if let Some(value) = value {
                words(out, &[b" "]);
                number(out, value.len());
            }
            words(out, &[if flags.is_empty() || flags.starts_with(b" ") { b"" } else { b" " }, flags]);
        }
        Command::Noop => words(out, &[b"mn"]),
    }
}

/// Whether there is no classic command that does the same.
fn meta_only(command: &Command<'_>) -> bool {
    matches!(
        command,
        Command::Lease { .. }
            | Command::StoreLeased { .. }
            | Command::EndLease { .. }
            | Command::Invalidate { .. }
    )
}

/// A classic store's line.
#[inline(always)]
fn store(out: &mut Vec<u8>, verb: Verb, key: &[u8], (flags, exptime): (u32, i64), len: usize) {
    match verb {
        Verb::Set => words(out, &[b"set "]),
        Verb::Add => words(out, &[b"add "]),
        Verb::Replace => words(out, &[b"replace "]),
        Verb::Append => words(out, &[b"append "]),
        Verb::Prepend => words(out, &[b"prepend "]),
        Verb::Cas(_) => words(out, &[b"cas "]),
    }
    words(out, &[key]);
    lengths(out, flags, exptime, len);
    if let Verb::Cas(cas) = verb {
        words(out, &[b" "]);
        number(out, cas);
    }
}

/// Flags, expiry time and length of what is stored.
#[inline(always)]
fn lengths(out: &mut Vec<u8>, flags: u32, exptime: i64, len: usize) {
    if (flags, exptime) == (0, 0) {
        words(out, &[b" 0 0 "]);
    } else {
        words(out, &[b" "]);
        number(out, flags);
        words(out, &[b" "]);
        number(out, expiry(exptime));
        words(out, &[b" "]);
    }
    number(out, len);
}

/// What the server's 32 bits can hold of an expiry time.
pub(super) fn expiry(exptime: i64) -> i64 {
    exptime.clamp(-1, i32::MAX.into())
}

#[inline(always)]
pub(super) fn words(out: &mut Vec<u8>, words: &[&[u8]]) {
    for word in words {
        out.extend_from_slice(word);
    }
}

/// A number in decimal. Most are small: flags and expiry times of 0, lengths of three digits.
#[inline(always)]
pub(super) fn number<N: itoa::Integer + TryInto<u16> + Copy>(out: &mut Vec<u8>, number: N) {
    let digit = |number: u16| b'0' + (number % 10) as u8;
    match number.try_into() {
        Ok(small @ 0..10) => out.push(digit(small)),
        Ok(small @ 100..1000) => {
            out.extend_from_slice(&[digit(small / 100), digit(small / 10), digit(small)]);
        }
        _ => any_number(out, number),
    }
}

#[inline(never)]
fn any_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
