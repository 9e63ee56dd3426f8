//! Bytes as replies.
//!
//! A parser here is a function of the bytes at hand: it gives the reply and how many bytes it
//! took, or `None` while more must come. It keeps no buffer and copies nothing: a reply borrows
//! from the bytes. What is not the answer to the question that was asked is [`Nonsense`], and is
//! found as early as the bytes allow: a length is judged before its data is waited for.
//!
//! A value that comes in a thousand pieces costs a thousand looks at its short header; its data
//! is not looked at. A block of statistics has no length in front; [`Progress`] remembers how far
//! it was read, for whoever holds on to one ([`super::pending`] does).

use memchr::memchr;

use super::compose::{Form, form};
use super::meta::Proof;
use super::{Command, Reply, Value, Verb, coded, meta, stats};

/// How much a parser takes in before it calls an answer nonsense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The longest value, in bytes.
    pub value: usize,
    /// The longest line, in bytes, without its end.
    pub line: usize,
    /// The longest block of statistics, in bytes.
    pub stats: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // 1 GiB is the largest item that a memcached can be configured for (-I).
        Limits { value: 1 << 30, line: 2048, stats: 1 << 20 }
    }
}

/// What came cannot be the answer to what was asked: the connection is out of step or its peer is
/// no memcached, and must be dropped. Says why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonsense(pub &'static str);

/// A reply and how many bytes it took; `None` while it is not whole.
pub(super) type Parsed<'b> = Result<Option<(Reply<'b>, usize)>, Nonsense>;

/// How far an answer that is not whole yet was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Bytes of whole lines of a block of statistics.
    lines: usize,
}

/// Reads the reply to `command` (single: not of a joined `get` line, see [`super::pending`]) at the
/// start of `bytes`: the reply and how many bytes it took, `None` while it is not whole. `meta` is
/// what the command was composed with. A refusal may be the last that can be read of a connection:
/// see [`ends_connection`].
pub fn parse<'b>(
    command: &Command<'_>,
    meta: bool,
    bytes: &'b [u8],
    limits: &Limits,
) -> Result<Option<(Reply<'b>, usize)>, Nonsense> {
    const UNASKED: Nonsense = Nonsense("an answer to a command that this server was never sent");
    let form = form(command, meta).map_err(|_| UNASKED)?;
    resume(&mut Progress::default(), command, (form, meta), bytes, limits)
}

/// Whether the stream behind this reply can no longer be understood. A store whose line the server
/// did not accept (`ERROR`, `CLIENT_ERROR …`) has its value read as commands, and their number and
/// answers are anybody's guess. With `SERVER_ERROR …` (too large, out of memory) the server reads
/// the value and drops it, and so it does for some of the others; which ones is up to its version.
pub fn ends_connection(command: &Command<'_>, reply: &Reply<'_>) -> bool {
    let has_block = || {
        matches!(
            command,
            Command::Store { .. } | Command::StoreLeased { .. } | Command::Meta { value: Some(_), .. }
        )
    };
    matches!(reply, Reply::Refused(text) if has_block() && !text.starts_with(b"SERVER_ERROR"))
}

/// As [`parse`], from where the last look at a shorter piece of the same answer ended. The command was composed
/// in that form.
#[inline]
pub(super) fn resume<'b>(
    progress: &mut Progress,
    command: &Command<'_>,
    (form, meta): (Form, bool),
    bytes: &'b [u8],
    limits: &Limits,
) -> Parsed<'b> {
    match form {
        Form::Plain => with_care(progress, command, meta, bytes, limits),
        Form::Coded => coded::answer(command, bytes, limits),
    }
}

/// Any answer to a command whose key was sent as it is.
#[inline(never)]
pub(super) fn with_care<'b>(
    progress: &mut Progress,
    command: &Command<'_>,
    meta: bool,
    bytes: &'b [u8],
    limits: &Limits,
) -> Parsed<'b> {
    let value = |key, full| meta::value(Proof::key(key), full, bytes, limits);
    match *command {
        Command::Get { key, meta: true } if meta => value(key, false),
        Command::GetAndTouch { key, .. } if meta => value(key, false),
        Command::Fetch { key } if meta => value(key, true),
        Command::Lease { key, .. } => value(key, true),
        Command::Get { key, .. } | Command::GetAndTouch { key, .. } => classic(key, false, bytes, limits),
        Command::Fetch { key } => classic(key, true, bytes, limits),
        Command::Stats { .. } => block(progress, bytes, limits),
        Command::Meta { letter, key, name, flags, .. } => {
            meta::any((letter, flags), (key, name), bytes, limits)
        }
        _ => single(command, bytes, limits),
    }
}

/// An answer of one line.
fn single<'b>(command: &Command<'_>, bytes: &'b [u8], limits: &Limits) -> Parsed<'b> {
    let Some(line) = line(bytes, limits)? else { return Ok(None) };
    let reply = if is_refusal(line.text) {
        Some(Reply::Refused(line.text))
    } else {
        match *command {
            Command::Store { verb, .. } => stored(verb, line.text),
            Command::StoreLeased { .. } | Command::EndLease { .. } | Command::Invalidate { .. } => {
                meta::done(command, line.text)
            }
            Command::Delete { .. } => found(line.text, b"DELETED", Reply::Deleted),
            Command::Touch { .. } => found(line.text, b"TOUCHED", Reply::Touched),
            Command::Arithmetic { .. } if line.text == b"NOT_FOUND" => Some(Reply::NotFound),
            // `decr` leaves the length as it was and fills up with spaces.
            Command::Arithmetic { .. } => decimal(line.text.trim_ascii_end()).map(Reply::Number),
            Command::FlushAll { .. } => (line.text == b"OK").then_some(Reply::Ok),
            Command::Version => line.text.strip_prefix(b"VERSION ").map(Reply::Version),
            Command::Noop => (line.text == b"MN").then_some(Reply::Noop),
            _ => None,
        }
    };
    let reply = reply.ok_or(Nonsense("a line that is no answer to what was asked"))?;
    Ok(Some((reply, line.end)))
}

fn stored<'b>(verb: Verb, text: &[u8]) -> Option<Reply<'b>> {
    match (text, verb) {
        (b"STORED", _) => Some(Reply::Stored),
        (b"NOT_STORED", _) => Some(Reply::NotStored),
        (b"EXISTS", Verb::Cas(_)) => Some(Reply::Exists),
        (b"NOT_FOUND", Verb::Cas(_)) => Some(Reply::NotFound),
        _ => None,
    }
}

fn found<'b>(text: &[u8], yes: &[u8], reply: Reply<'b>) -> Option<Reply<'b>> {
    if text == yes { Some(reply) } else { (text == b"NOT_FOUND").then_some(Reply::NotFound) }
}

/// The answer to a classic get of one key, to the end of its `END` line.
fn classic<'b>(key: &[u8], cas: bool, bytes: &'b [u8], limits: &Limits) -> Parsed<'b> {
    let header = match head(bytes, cas, limits)? {
        None => return Ok(None),
        Some(Head::End(taken)) => return Ok(Some((Reply::Miss, taken))),
        Some(Head::Refused(text, taken)) => return Ok(Some((Reply::Refused(text), taken))),
        Some(Head::Value(header)) => header,
    };
    if header.key != key {
        return Err(Nonsense("a value under another key than the one that was asked for"));
    }
    let Some((value, data_end)) = header.value(bytes)? else { return Ok(None) };
    match head(bytes.get(data_end..).unwrap_or_default(), cas, limits)? {
        None => Ok(None),
        Some(Head::End(taken)) => Ok(Some((Reply::Value(value), data_end + taken))),
        // The server ran out of memory half way.
        Some(Head::Refused(text, taken)) => Ok(Some((Reply::Refused(text), data_end + taken))),
        Some(Head::Value(_)) => Err(Nonsense("more values than keys that were asked for")),
    }
}

/// What the next line of the answer to a classic get is, with the bytes it takes.
pub(super) enum Head<'b> {
    Value(Header<'b>),
    End(usize),
    Refused(&'b [u8], usize),
}

/// `VALUE key flags length [cas]`.
pub(super) struct Header<'b> {
    pub(super) key: &'b [u8],
    pub(super) flags: u32,
    pub(super) cas: u64,
    /// Where the data begins, and how long it is.
    pub(super) start: usize,
    pub(super) len: usize,
}

impl<'b> Header<'b> {
    /// The value and where the bytes behind it begin; `None` while its data is not whole.
    pub(super) fn value(&self, bytes: &'b [u8]) -> Result<Option<(Value<'b>, usize)>, Nonsense> {
        let Some((data, end)) = data(bytes, self.start, self.len)? else { return Ok(None) };
        Ok(Some((Value { data, flags: self.flags, cas: self.cas, ..Value::default() }, end)))
    }
}

/// Reads the next line of the answer to a classic get. `cas`: whether it was `gets`.
pub(super) fn head<'b>(bytes: &'b [u8], cas: bool, limits: &Limits) -> Result<Option<Head<'b>>, Nonsense> {
    const MALFORMED: Nonsense = Nonsense("a line that is neither a value's header nor the end of the answer");
    let Some(line) = line(bytes, limits)? else { return Ok(None) };
    if line.text == b"END" {
        return Ok(Some(Head::End(line.end)));
    }
    if is_refusal(line.text) {
        return Ok(Some(Head::Refused(line.text, line.end)));
    }
    let mut words = line.text.strip_prefix(b"VALUE ").ok_or(MALFORMED)?.split(|byte| *byte == b' ');
    let key = words.next().ok_or(MALFORMED)?;
    let flags = words.next().and_then(decimal).and_then(|flags| u32::try_from(flags).ok());
    let flags = flags.ok_or(MALFORMED)?;
    let len = length(words.next(), limits)?;
    let cas = if cas { words.next().and_then(decimal).ok_or(MALFORMED)? } else { 0 };
    if words.next().is_some() {
        return Err(MALFORMED);
    }
    Ok(Some(Head::Value(Header { key, flags, cas, start: line.end, len })))
}

/// Lines of statistics up to `END`.
fn block<'b>(progress: &mut Progress, bytes: &'b [u8], limits: &Limits) -> Parsed<'b> {
    let mut at = progress.lines.min(bytes.len());
    loop {
        if at > limits.stats {
            return Err(Nonsense("more statistics than are taken in"));
        }
        progress.lines = at;
        let Some(line) = line(&bytes[at..], limits)? else { return Ok(None) };
        let end = at + line.end;
        match line.text {
            b"END" => return Ok(Some((Reply::Stats(&bytes[..at]), end))),
            // `stats reset`, `stats detail on`.
            b"RESET" | b"OK" if at == 0 => return Ok(Some((Reply::Ok, end))),
            text if is_refusal(text) => return Ok(Some((Reply::Refused(text), end))),
            text if stats::is_line(text) => at = end,
            _ => return Err(Nonsense("a line that is no statistic")),
        }
    }
}

/// A line without its end, and where the next one begins.
pub(super) struct Line<'b> {
    pub(super) text: &'b [u8],
    pub(super) end: usize,
}

/// The line at the start of `bytes`; `None` while its end has not come.
pub(super) fn line<'b>(bytes: &'b [u8], limits: &Limits) -> Result<Option<Line<'b>>, Nonsense> {
    let longest = limits.line.saturating_add(2);
    match memchr(b'\n', &bytes[..bytes.len().min(longest)]) {
        Some(at) => {
            let text = bytes[..at].strip_suffix(b"\r");
            let text = text.ok_or(Nonsense("a line that ends without a carriage return"))?;
            Ok(Some(Line { text, end: at + 1 }))
        }
        None if bytes.len() >= longest => Err(Nonsense("a line longer than any answer")),
        None => Ok(None),
    }
}

/// `len` bytes of data from `start` on, and where the bytes behind their line end begin.
pub(super) fn data(bytes: &[u8], start: usize, len: usize) -> Result<Option<(&[u8], usize)>, Nonsense> {
    const ENDLESS: Nonsense = Nonsense("a value longer than memory");
    let end = start.checked_add(len).ok_or(ENDLESS)?;
    let next = end.checked_add(2).ok_or(ENDLESS)?;
    match (bytes.get(start..end), bytes.get(end..next)) {
        (Some(data), Some(b"\r\n")) => Ok(Some((data, next))),
        (Some(_), Some(_)) => Err(Nonsense("a value that does not end where its length says")),
        _ => Ok(None),
    }
}

/// The length of a value, judged before anybody waits for its data.
pub(super) fn length(word: Option<&[u8]>, limits: &Limits) -> Result<usize, Nonsense> {
    let len = word.and_then(decimal).ok_or(Nonsense("a value's length that is no number"))?;
    let len = usize::try_from(len).ok().filter(|len| *len <= limits.value);
    len.ok_or(Nonsense("a value longer than any that is taken in"))
}

/// `ERROR`, `CLIENT_ERROR …`, `SERVER_ERROR …`; some servers give a reason behind `ERROR` too.
pub(super) fn is_refusal(text: &[u8]) -> bool {
    let word = memchr(b' ', text).map_or(text, |space| &text[..space]);
    matches!(word, b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR")
}

/// Digits, and nothing but digits, as a number of 64 bits.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(digit.into())
    })
}
