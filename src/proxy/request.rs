//! What a client of the proxy sends: bytes as requests.
//!
//! The parser is a function of the bytes at hand. It gives the request and how many bytes it took, or says how many are
//! needed; it keeps nothing, so a request may come in any number of pieces. What it refuses it refuses as memcached 1.6.18
//! does, in the same words, and goes on behind the same byte: a store whose line is refused has its value read as commands
//! there too.
//!
//! As in memcached: words are separated by spaces alone, a line ends with LF (and perhaps a CR before it) or at its first NUL,
//! `noreply` counts where it is the last word, and silences errors too.

use memchr::memchr;

use super::numbers::{short as exptime, signed, unsigned};
use crate::rules::wire::{Direction, Verb};

/// memcached's words for what it does not understand.
pub(super) const ERROR: &[u8] = b"ERROR";
pub(super) const BAD_LINE: &[u8] = b"CLIENT_ERROR bad command line format";
const BAD_EXPTIME: &[u8] = b"CLIENT_ERROR invalid exptime argument";
const BAD_DELTA: &[u8] = b"CLIENT_ERROR invalid numeric delta argument";
const BAD_DELETE: &[u8] = b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
pub(super) const BAD_CHUNK: &[u8] = b"CLIENT_ERROR bad data chunk";
pub(super) const TOO_LARGE: &[u8] = b"SERVER_ERROR object too large for cache";

/// How much of a client's is taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The longest key, in bytes.
    pub key: usize,
    /// The longest value, in bytes.
    pub value: usize,
    /// The longest line of a get, in bytes; of everything else [`SHORT_LINE`].
    pub line: usize,
}

/// The longest line that is not a get's, in bytes: memcached's own.
pub const SHORT_LINE: usize = 2048;

impl Default for Limits {
    fn default() -> Limits {
        Limits { key: 250, value: 1 << 20, line: 64 << 10 }
    }
}

/// The words of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words<'b>(&'b [u8]);

impl<'b> Iterator for Words<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let start = self.0.iter().position(|byte| *byte != b' ')?;
        let rest = &self.0[start..];
        let end = memchr(b' ', rest).unwrap_or(rest.len());
        self.0 = &rest[end..];
        Some(&rest[..end])
    }
}

impl<'b> Words<'b> {
    /// The words of a text.
    pub fn of(text: &'b [u8]) -> Words<'b> {
        Words(text)
    }

    /// The same without the spaces behind the last word: [`Words::rest`] is empty then once that was read.
    pub fn trimmed(self) -> Words<'b> {
        let end = self.0.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
        Words(&self.0[..end])
    }

    /// What was not read of it yet.
    pub fn rest(&self) -> &'b [u8] {
        self.0
    }
}

/// A meta command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta<'b> {
    /// The second letter of its name.
    pub letter: u8,
    /// The key as it was written.
    pub key: &'b [u8],
    /// The flags as they were written.
    pub flags: &'b [u8],
    /// The value of `ms`.
    pub value: &'b [u8],
}

/// What a client asks for.
#[allow(missing_docs, reason = "fields are told of with their variant")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'b> {
    /// get, gets, gat, gats. `touch`: the new expiry time.
    Get {
        keys: Words<'b>,
        cas: bool,
        touch: Option<i64>,
    },
    Store {
        verb: Verb,
        key: &'b [u8],
        flags: u32,
        exptime: i64,
        value: &'b [u8],
        noreply: bool,
    },
    Delete {
        key: &'b [u8],
        noreply: bool,
    },
    Arithmetic {
        direction: Direction,
        key: &'b [u8],
        delta: u64,
        noreply: bool,
    },
    Touch {
        key: &'b [u8],
        exptime: i64,
        noreply: bool,
    },
    FlushAll {
        delay: i64,
        noreply: bool,
    },
    Version,
    Stats {
        group: &'b [u8],
    },
    Quit,
    Meta(Meta<'b>),
    /// It is answered with this text and nothing else; empty: with nothing.
    Say {
        text: &'static [u8],
        noreply: bool,
    },
    /// A value that is not taken: what is under the key goes, as memcached has it, the value's `skip` bytes are passed over,
    /// and this is the answer. `key` is empty when nothing goes; `flags`: those of `ms`, as they were written.
    TooLarge {
        key: &'b [u8],
        flags: &'b [u8],
        skip: usize,
        noreply: bool,
    },
    /// It is answered with this text, and so many bytes behind it are passed over.
    Skip {
        text: &'static [u8],
        skip: usize,
    },
    /// The client is told this and its connection is closed.
    Close {
        text: &'static [u8],
    },
}

/// What the bytes at hand are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'b> {
    /// A request and how many bytes it took.
    Whole(Request<'b>, usize),
    /// So many bytes are needed in all, as far as is known by now.
    More(usize),
}

/// Reads the request at the start of `bytes`.
pub fn parse<'b>(bytes: &'b [u8], limits: &Limits) -> Parsed<'b> {
    let Some(end) = memchr(b'\n', bytes) else { return unended(bytes, limits) };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let line = memchr(0, line).map_or(line, |nul| &line[..nul]);
    let next = end + 1;
    let mut words = Words(line);
    let name = words.next().unwrap_or_default();
    let is_get = matches!(name, b"get" | b"gets" | b"gat" | b"gats" | b"bget");
    if end > if is_get { limits.line } else { limits.line.max(SHORT_LINE) } {
        return Parsed::Whole(TOO_LONG, next);
    }
    let request = match name {
        b"get" | b"gets" | b"bget" => get(words, name == b"gets", None),
        b"gat" | b"gats" => get_and_touch(words, name == b"gats"),
        b"set" => return store(Verb::Set, words, bytes, next, limits),
        b"add" => return store(Verb::Add, words, bytes, next, limits),
        b"replace" => return store(Verb::Replace, words, bytes, next, limits),
        b"append" => return store(Verb::Append, words, bytes, next, limits),
        b"prepend" => return store(Verb::Prepend, words, bytes, next, limits),
        b"cas" => return store(Verb::Cas(0), words, bytes, next, limits),
        b"ms" => return super::meta_set::parse(words.0, bytes, next, limits),
        b"mg" | b"md" | b"ma" | b"me" => meta(name[1], words),
        b"mn" => Request::Say { text: b"MN", noreply: false },
        b"incr" => arithmetic(Direction::Incr, words, limits),
        b"decr" => arithmetic(Direction::Decr, words, limits),
        b"delete" => delete(words, limits),
        b"touch" => touch(words, limits),
        b"flush_all" => flush_all(words),
        b"version" => Request::Version,
        b"verbosity" => verbosity(words),
        b"stats" => Request::Stats { group: trimmed(words.0) },
        b"quit" => Request::Quit,
        b"shutdown" => say(b"ERROR: shutdown not enabled"),
        _ => say(ERROR),
    };
    Parsed::Whole(request, next)
}

const TOO_LONG: Request<'static> = Request::Close { text: b"CLIENT_ERROR line too long" };

/// No line end yet.
fn unended<'b>(bytes: &'b [u8], limits: &Limits) -> Parsed<'b> {
    let start = bytes.iter().position(|byte| *byte != b' ').unwrap_or(bytes.len());
    let gets: [&[u8]; 4] = [b"get ", b"gets ", b"gat ", b"gats "];
    let is_get = start <= 100 && gets.iter().any(|name| bytes[start..].starts_with(name));
    let most = if is_get { limits.line } else { SHORT_LINE };
    if bytes.len() > most { Parsed::Whole(TOO_LONG, bytes.len()) } else { Parsed::More(bytes.len() + 1) }
}

fn say(text: &'static [u8]) -> Request<'static> {
    Request::Say { text, noreply: false }
}

fn trimmed(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// The words behind a command's name, up to `N`; `None`: there are more, or fewer than `least`.
fn words<'b, const N: usize>(words: Words<'b>, least: usize) -> Option<([&'b [u8]; N], usize, bool)> {
    let mut found: [&[u8]; N] = [b""; N];
    let mut count = 0;
    for word in words {
        *found.get_mut(count)? = word;
        count += 1;
    }
    let noreply = count > 0 && found[count - 1] == b"noreply";
    (count >= least).then_some((found, count, noreply))
}

fn get(keys: Words<'_>, cas: bool, touch: Option<i64>) -> Request<'_> {
    match { keys }.next() {
        Some(_) => Request::Get { keys, cas, touch },
        None => say(ERROR),
    }
}

fn get_and_touch(mut words: Words<'_>, cas: bool) -> Request<'_> {
    let Some(exptime) = words.next() else { return say(ERROR) };
    match self::exptime(exptime) {
        // Without a key it is answered as if there were one that is not there.
        Some(exptime) => Request::Get { keys: words, cas, touch: Some(exptime) },
        None => say(BAD_EXPTIME),
    }
}

fn is_key(key: &[u8], limits: &Limits) -> bool {
    key.len() <= limits.key
}

fn store<'b>(verb: Verb, line: Words<'b>, bytes: &'b [u8], start: usize, limits: &Limits) -> Parsed<'b> {
    let refuse = |text, noreply| Parsed::Whole(Request::Say { text, noreply }, start);
    let is_cas = matches!(verb, Verb::Cas(_));
    let least = if is_cas { 5 } else { 4 };
    let Some((word, count, noreply)) = words::<6>(line, least).filter(|words| words.1 <= least + 1) else {
        return refuse(ERROR, false);
    };
    let numbers = (unsigned(word[1]), exptime(word[2]), exptime(word[3]));
    let (Some(flags), Some(exptime), Some(len)) = numbers else { return refuse(BAD_LINE, noreply) };
    let cas = if is_cas { unsigned(word[4]) } else { Some(0) };
    let (Some(cas), true) = (cas, is_key(word[0], limits) && (0..=i64::from(i32::MAX) - 2).contains(&len))
    else {
        return refuse(BAD_LINE, noreply);
    };
    debug_assert!(count <= 6);
    let len = len as usize;
    if len > limits.value {
        let key = if verb == Verb::Set { word[0] } else { b"" };
        return Parsed::Whole(Request::TooLarge { key, flags: b"", skip: len + 2, noreply }, start);
    }
    match block(bytes, start, len) {
        Block::More(all) => Parsed::More(all),
        Block::Bad(next) => Parsed::Whole(Request::Say { text: BAD_CHUNK, noreply }, next),
        Block::Value(value, next) => {
            let verb = if is_cas { Verb::Cas(cas) } else { verb };
            // memcached cuts off what is above 32 bits.
            let flags = flags as u32;
            Parsed::Whole(Request::Store { verb, key: word[0], flags, exptime, value, noreply }, next)
        }
    }
}

/// The block of data behind a line.
pub(super) enum Block<'b> {
    Value(&'b [u8], usize),
    Bad(usize),
    More(usize),
}

pub(super) fn block(bytes: &[u8], start: usize, len: usize) -> Block<'_> {
    let (end, next) = (start + len, start + len + 2);
    match (bytes.get(start..end), bytes.get(end..next)) {
        (Some(value), Some(b"\r\n")) => Block::Value(value, next),
        (Some(_), Some(_)) => Block::Bad(next),
        _ => Block::More(next),
    }
}

fn arithmetic<'b>(direction: Direction, line: Words<'b>, limits: &Limits) -> Request<'b> {
    let Some(([key, delta, _], _, noreply)) = words::<3>(line, 2) else { return say(ERROR) };
    if !is_key(key, limits) {
        return Request::Say { text: BAD_LINE, noreply };
    }
    match unsigned(delta) {
        Some(delta) => Request::Arithmetic { direction, key, delta, noreply },
        None => Request::Say { text: BAD_DELTA, noreply },
    }
}

fn delete<'b>(line: Words<'b>, limits: &Limits) -> Request<'b> {
    let Some(([key, hold, _], count, noreply)) = words::<3>(line, 1) else { return say(ERROR) };
    let valid = match count {
        1 => true,
        2 => hold == b"0" || noreply,
        _ => hold == b"0" && noreply,
    };
    if !valid {
        return Request::Say { text: BAD_DELETE, noreply };
    }
    if is_key(key, limits) {
        Request::Delete { key, noreply }
    } else {
        Request::Say { text: BAD_LINE, noreply }
    }
}

fn touch<'b>(line: Words<'b>, limits: &Limits) -> Request<'b> {
    let Some(([key, exptime, _], _, noreply)) = words::<3>(line, 2) else { return say(ERROR) };
    if !is_key(key, limits) {
        return Request::Say { text: BAD_LINE, noreply };
    }
    match self::exptime(exptime) {
        Some(exptime) => Request::Touch { key, exptime, noreply },
        None => Request::Say { text: BAD_EXPTIME, noreply },
    }
}

fn flush_all(line: Words<'_>) -> Request<'_> {
    let Some(([delay, _], count, noreply)) = words::<2>(line, 0) else { return say(ERROR) };
    if count == usize::from(noreply) {
        return Request::FlushAll { delay: 0, noreply };
    }
    match signed(delay) {
        Some(delay) => Request::FlushAll { delay, noreply },
        None => Request::Say { text: BAD_EXPTIME, noreply },
    }
}

fn verbosity(line: Words<'_>) -> Request<'_> {
    let Some(([level, _], _, noreply)) = words::<2>(line, 1) else { return say(ERROR) };
    match unsigned(level) {
        Some(_) => Request::Say { text: b"OK", noreply },
        None => Request::Say { text: BAD_LINE, noreply },
    }
}

fn meta(letter: u8, mut words: Words<'_>) -> Request<'_> {
    match words.next() {
        Some(key) => Request::Meta(Meta { letter, key, flags: trimmed(words.0), value: b"" }),
        None if letter == b'e' => say(BAD_LINE),
        None => say(ERROR),
    }
}

#[cfg(test)]
mod tests;
