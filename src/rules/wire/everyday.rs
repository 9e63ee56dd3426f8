//! The answers that nearly always come, read in one go: whole, and letter by letter as they are expected.
//!
//! What differs in anything, by a further flag, another order, or because a piece of it did not come yet, is none of them, and
//! [`super::parse`] looks at it with care: that alone says what is nonsense. Nothing is judged here. What is taken here,
//! the careful look takes too, and reads the same in it; a test has both read the same bytes.

use super::parse::Limits;
use super::{Command, Reply, Value};
use crate::rules::key::MAX_KEY_LEN;

/// No line that is taken here is longer: two words, a key and four numbers.
const LONGEST_LINE: usize = MAX_KEY_LEN + 96;

/// So many digits fit into 64 bits whatever they are.
const SAFE_DIGITS: usize = 19;

/// The answer to a command whose key was sent as it is, and how many bytes it took; `None`: it is to be looked at with care.
#[inline(always)]
pub(super) fn answer<'b>(
    command: &Command<'_>,
    meta: bool,
    bytes: &'b [u8],
    limits: &Limits,
) -> Option<(Reply<'b>, usize)> {
    if limits.line < LONGEST_LINE {
        return None;
    }
    match *command {
        Command::Get { key, meta: true } if meta => meta_value(key, false, bytes, limits),
        Command::Fetch { key } if meta => meta_value(key, true, bytes, limits),
        Command::Get { key, .. } => alone(key, false, bytes, limits),
        Command::Fetch { key } => alone(key, true, bytes, limits),
        Command::Store { .. } => bytes.starts_with(b"STORED\r\n").then_some((Reply::Stored, 8)),
        Command::Delete { .. } => bytes.starts_with(b"DELETED\r\n").then_some((Reply::Deleted, 9)),
        Command::Arithmetic { .. } => {
            let mut scan = Scan { rest: bytes };
            let number = scan.number()?;
            scan.skip(b"\r\n")?;
            Some((Reply::Number(number), bytes.len() - scan.rest.len()))
        }
        _ => None,
    }
}

/// The value of a key that stands in a line with others, and how many bytes it took.
#[inline(always)]
pub(super) fn value_in_line<'b>(key: &[u8], bytes: &'b [u8], limits: &Limits) -> Option<(Reply<'b>, usize)> {
    if limits.line < LONGEST_LINE {
        return None;
    }
    value(key, false, bytes, limits)
}

/// `VALUE key flags length`, with `cas` behind it if it was asked for, and the value.
#[inline(always)]
fn value<'b>(key: &[u8], cas: bool, bytes: &'b [u8], limits: &Limits) -> Option<(Reply<'b>, usize)> {
    let mut scan = Scan { rest: behind(key, bytes.strip_prefix(b"VALUE ")?)? };
    let flags = scan.flags()?;
    let len = scan.length(limits)?;
    let cas = if cas { scan.behind_a_space()? } else { 0 };
    scan.skip(b"\r\n")?;
    let data = scan.data(len)?;
    Some((Reply::Value(Value { data, flags, cas, ..Value::default() }), bytes.len() - scan.rest.len()))
}

/// What follows `key` at the start of `bytes`. Short keys are compared where one stands: they are most, and a call costs more.
#[inline(always)]
fn behind<'b>(key: &[u8], bytes: &'b [u8]) -> Option<&'b [u8]> {
    let (found, rest) = bytes.split_at_checked(key.len())?;
    let same = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(first), Some(last)) if key.len() <= 16 => {
            found.first_chunk() == Some(first) && found.last_chunk() == Some(last)
        }
        _ => found == key,
    };
    same.then_some(rest)
}

/// A classic get's answer, to the end of its `END` line.
#[inline(always)]
fn alone<'b>(key: &[u8], cas: bool, bytes: &'b [u8], limits: &Limits) -> Option<(Reply<'b>, usize)> {
    const END: &[u8] = b"END\r\n";
    if bytes.first() == Some(&b'E') {
        return if bytes.starts_with(END) { Some((Reply::Miss, END.len())) } else { None };
    }
    let (reply, end) = value(key, cas, bytes, limits)?;
    if bytes.get(end..)?.starts_with(END) { Some((reply, end + END.len())) } else { None }
}

/// A meta get's answer, with its flags in the order in which they were asked for.
fn meta_value<'b>(key: &[u8], full: bool, bytes: &'b [u8], limits: &Limits) -> Option<(Reply<'b>, usize)> {
    let mut scan = Scan { rest: bytes };
    if scan.skip(b"EN\r\n").is_some() {
        return Some((Reply::Miss, 4));
    }
    scan.skip(b"VA ")?;
    let len = scan.length(limits)?;
    scan.skip(b" f")?;
    let mut value = Value { flags: scan.number()?.try_into().ok()?, ..Value::default() };
    if full {
        scan.skip(b" t")?;
        value.ttl = if scan.skip(b"-1").is_some() { None } else { Some(scan.number()?.try_into().ok()?) };
        value.ttl_known = true;
        scan.skip(b" c")?;
        value.cas = scan.number()?;
    }
    scan.skip(b" k")?;
    scan.rest = behind(key, scan.rest)?;
    scan.skip(b"\r\n")?;
    value.data = scan.data(len)?;
    Some((Reply::Value(value), bytes.len() - scan.rest.len()))
}

/// Bytes that are read from the front.
struct Scan<'b> {
    rest: &'b [u8],
}

impl<'b> Scan<'b> {
    /// Reads exactly this.
    #[inline(always)]
    fn skip(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// Reads a number up to what ends it.
    #[inline(always)]
    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        let mut digits = 0;
        for byte in self.rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            digits += 1;
        }
        self.rest = self.rest.get(digits..)?;
        if (1..=SAFE_DIGITS).contains(&digits) { Some(number) } else { None }
    }

    #[inline(always)]
    fn behind_a_space(&mut self) -> Option<u64> {
        self.skip(b" ")?;
        self.number()
    }

    /// Reads flags between two spaces.
    #[inline(always)]
    fn flags(&mut self) -> Option<u32> {
        // Most are of one digit.
        if let [b' ', digit @ b'0'..=b'9', b' ', rest @ ..] = self.rest {
            self.rest = rest;
            return Some(u32::from(digit - b'0'));
        }
        let flags = self.behind_a_space()?.try_into().ok()?;
        self.skip(b" ")?;
        Some(flags)
    }

    #[inline(always)]
    fn length(&mut self, limits: &Limits) -> Option<usize> {
        let len = usize::try_from(self.number()?).ok()?;
        (len <= limits.value).then_some(len)
    }

    /// Reads a value's bytes and their line end.
    #[inline(always)]
    fn data(&mut self, len: usize) -> Option<&'b [u8]> {
        let (data, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        self.skip(b"\r\n")?;
        Some(data)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::wire::parse::{Progress, with_care};
    use crate::rules::wire::{Direction, Verb};

    const KEY: &[u8] = b"a:key";
    const INCR: Command<'_> = Command::Arithmetic { direction: Direction::Incr, key: KEY, delta: 1 };
    const SET: Command<'_> = Command::Store { verb: Verb::Set, key: KEY, flags: 0, exptime: 0, value: b"v" };

    /// Commands, whether they go to a server with meta commands, and how a hit is told.
    fn hits(flags: u32, ttl: i64, cas: u64, data: &str) -> [(Command<'static>, bool, String); 7] {
        let len = data.len();
        let get = |meta| Command::Get { key: KEY, meta };
        let fetch = Command::Fetch { key: KEY };
        [
            (get(false), true, format!("VALUE a:key {flags} {len}\r\n{data}\r\nEND\r\n")),
            (fetch, false, format!("VALUE a:key {flags} {len} {cas}\r\n{data}\r\nEND\r\n")),
            (get(true), true, format!("VA {len} f{flags} ka:key\r\n{data}\r\n")),
            (fetch, true, format!("VA {len} f{flags} t{ttl} c{cas} ka:key\r\n{data}\r\n")),
            (SET, true, "STORED\r\n".to_owned()),
            (Command::Delete { key: KEY }, true, "DELETED\r\n".to_owned()),
            (INCR, false, format!("{}\r\n", cas % 1_000_000_000)),
        ]
    }

    fn careful<'b>(command: &Command<'_>, meta: bool, bytes: &'b [u8]) -> Option<(Reply<'b>, usize)> {
        with_care(&mut Progress::default(), command, meta, bytes, &Limits::default()).unwrap_or_default()
    }

    proptest! {
        #[test]
        fn what_is_taken_is_read_as_the_careful_look_reads_it(
            flags: u32, ttl in -1i64..5_000_000_000, cas: u64, data in "[ -~\r\n]{0,20}",
            cut in 0usize..80, changed in 0usize..80, byte: u8,
        ) {
            for (command, meta, whole) in hits(flags, ttl, cas, &data) {
                let whole = whole.as_bytes();
                let mut wrong = whole.to_vec();
                let at = changed % whole.len();
                wrong[at] = byte;
                for bytes in [whole, &wrong, &whole[..cut.min(whole.len())], b"END\r\n", b"EN\r\n"] {
                    let taken = answer(&command, meta, bytes, &Limits::default());
                    if taken.is_some() {
                        prop_assert_eq!(taken, careful(&command, meta, bytes));
                    }
                }
            }
        }
    }

    #[test]
    fn the_usual_answers_are_taken() {
        for (command, meta, whole) in hits(7, -1, 99, "data").into_iter().chain(hits(0, 60, 1, "")) {
            let taken = answer(&command, meta, whole.as_bytes(), &Limits::default());
            assert!(taken.is_some(), "{whole}");
            assert_eq!(taken, careful(&command, meta, whole.as_bytes()));
        }
    }

    #[test]
    fn what_a_limit_forbids_is_left_to_the_careful_look() {
        let short = Limits { line: 100, ..Limits::default() };
        let small = Limits { value: 3, ..Limits::default() };
        for (command, meta, whole) in hits(7, 60, 99, "data") {
            assert_eq!(answer(&command, meta, whole.as_bytes(), &short), None);
            let taken = answer(&command, meta, whole.as_bytes(), &small);
            assert!(taken.is_none_or(|(reply, _)| !matches!(reply, Reply::Value(_))));
        }
    }
}
