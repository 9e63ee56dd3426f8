//! The flags of a meta command, as words of one letter and perhaps a token behind it.
//!
//! What an operation of the rules can do it does: then the flags of the answer are written here, in the order in which they
//! were asked for. What only the server that decides can tell is passed on ([`Pass`](crate::rules::operation::Pass)).

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::numbers::{short, signed, unsigned};
use super::request::Words;
use crate::rules::key::MAX_KEY_LEN;
use crate::rules::wire::{Direction, Lease, Value, Verb};

/// Why a line is refused, in memcached's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wrong(pub(super) &'static [u8]);

const DUPLICATE: Wrong = Wrong(b"CLIENT_ERROR duplicate flag");
const INVALID: Wrong = Wrong(b"CLIENT_ERROR invalid flag");
const EITHER: Wrong = Wrong(b"CLIENT_ERROR invalid or duplicate flag");
const BAD_TOKEN: Wrong = Wrong(b"CLIENT_ERROR bad token in command line format");
const BAD_LINE: Wrong = Wrong(b"CLIENT_ERROR bad command line format");
const BAD_DELTA: Wrong = Wrong(b"CLIENT_ERROR invalid numeric delta value");
const BAD_INITIAL: Wrong = Wrong(b"CLIENT_ERROR invalid numeric initial value");
const LONG_OPAQUE: Wrong = Wrong(b"CLIENT_ERROR opaque token too long");
const BAD_KEY: Wrong = Wrong(b"CLIENT_ERROR error decoding key");
const MODE_LENGTH: Wrong = Wrong(b"CLIENT_ERROR incorrect length for M token");
const SET_MODE: Wrong = Wrong(b"CLIENT_ERROR invalid mode for ms M token");
const COUNT_MODE: Wrong = Wrong(b"CLIENT_ERROR invalid mode for ma M token");

/// Bits behind the last whole byte are nobody's business.
const DECODER: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// More flags than these no line may have.
const MOST_WORDS: usize = 20;
const LONG_FLAGS: Wrong = Wrong(b"CLIENT_ERROR options flags are too long");
const LONG_FLAGS_TOO: Wrong = Wrong(b"CLIENT_ERROR options flags too long");

/// The longest opaque token, in bytes.
const LONGEST_OPAQUE: usize = 31;

/// Letters that memcached 1.6.18 takes in any meta command, of use there or not.
const KNOWN: &[u8] = b"ILPbcfhklqstuv";

/// What the flags of one command say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags<'b> {
    /// All of them, as they were written.
    text: &'b [u8],
    pub(super) quiet: bool,
    /// The key is in base64.
    pub(super) coded: bool,
    pub(super) value: bool,
    pub(super) cas: Option<u64>,
    pub(super) exptime: Option<i64>,
    pub(super) client_flags: u32,
    pub(super) mode: u8,
    pub(super) delta: u64,
    /// A letter was given that only the server that decides can do anything with.
    pub(super) special: bool,
    /// A letter was given that changes what is found.
    pub(super) changes: bool,
}

impl<'b> Flags<'b> {
    /// Reads the flags of the command with this second letter.
    pub(super) fn read(command: u8, key: &[u8], text: &'b [u8]) -> Result<Flags<'b>, Wrong> {
        let mut flags = Flags { text, delta: 1, ..Flags::default() };
        let (duplicate, invalid) =
            if matches!(command, b'g' | b's') { (DUPLICATE, INVALID) } else { (EITHER, EITHER) };
        if command != b'e' && Words::of(text).count() > MOST_WORDS {
            return Err(if command == b'g' { LONG_FLAGS } else { LONG_FLAGS_TOO });
        }
        let mut seen = 0u128;
        for word in Words::of(text) {
            let bit = 1u128.checked_shl(u32::from(word[0])).unwrap_or(0);
            if bit == 0 {
                return Err(invalid);
            }
            if seen & bit != 0 {
                return Err(duplicate);
            }
            seen |= bit;
        }
        for word in Words::of(text) {
            flags.take(command, word[0], &word[1..]).map_err(|wrong| match wrong {
                COUNT_MODE | LONG_OPAQUE => wrong,
                _ if duplicate == EITHER => EITHER,
                wrong => wrong,
            })?;
        }
        if flags.coded {
            let mut raw = [0; MAX_KEY_LEN];
            flags.key(key, &mut raw).ok_or(if duplicate == EITHER { EITHER } else { BAD_KEY })?;
            // Whether a key was stored coded, and is told so, the server knows.
            flags.special = true;
        }
        Ok(flags)
    }

    fn take(&mut self, command: u8, letter: u8, token: &[u8]) -> Result<(), Wrong> {
        match letter {
            b'q' => self.quiet = true,
            b'b' => self.coded = true,
            b'v' => self.value = true,
            // It finds out when it has counted.
            b'O' if token.len() > LONGEST_OPAQUE && command == b'a' => self.special = true,
            b'O' if token.len() > LONGEST_OPAQUE => return Err(LONG_OPAQUE),
            b'k' | b'O' => {}
            b'T' => {
                self.exptime = Some(short(token).ok_or(BAD_TOKEN)?);
                self.changes = true;
                self.special |= matches!(command, b'd' | b'a');
            }
            b'C' => {
                self.cas = Some(unsigned(token).ok_or(BAD_TOKEN)?);
                self.special |= command != b's';
            }
            b'F' => self.client_flags = unsigned(token).ok_or(BAD_LINE)? as u32,
            b'D' => self.delta = unsigned(token).ok_or(BAD_DELTA)?,
            b'M' => {
                let [mode] = token else { return Err(MODE_LENGTH) };
                self.mode = *mode;
                self.check_mode(command)?;
            }
            b'N' => {
                signed(token).ok_or(BAD_TOKEN)?;
                self.special = true;
                self.changes = true;
            }
            b'R' => {
                signed(token).ok_or(BAD_TOKEN)?;
                self.special |= command == b'g';
                self.changes |= command == b'g';
            }
            b'J' => {
                unsigned(token).ok_or(BAD_INITIAL)?;
                self.special |= command == b'a';
            }
            b'I' => self.special |= matches!(command, b's' | b'd'),
            b'c' => self.special |= matches!(command, b's' | b'a'),
            b't' => self.special |= command == b'a',
            b'h' | b'l' => self.special |= command == b'g',
            letter if KNOWN.contains(&letter) => {}
            _ => return Err(INVALID),
        }
        Ok(())
    }

    fn check_mode(&self, command: u8) -> Result<(), Wrong> {
        let known: &[u8] = match command {
            b's' => b"EARPS",
            b'a' => b"ID+-",
            _ => return Ok(()),
        };
        let wrong = if command == b's' { SET_MODE } else { COUNT_MODE };
        if known.contains(&self.mode) { Ok(()) } else { Err(wrong) }
    }

    /// The key's bytes; `None`: it is no base64.
    pub(super) fn key<'k>(&self, key: &'k [u8], raw: &'k mut [u8; MAX_KEY_LEN]) -> Option<&'k [u8]> {
        if !self.coded {
            return Some(key);
        }
        // As memcached decodes: what is no letter of base64 is passed over.
        let mut letters = [0; MAX_KEY_LEN];
        let mut count = 0;
        for byte in key.iter().filter(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte)) {
            *letters.get_mut(count)? = *byte;
            count += 1;
        }
        let padding = letters[..count].iter().position(|byte| *byte == b'=');
        let end = padding.map_or(count, |at| (at / 4 + 1) * 4).min(count);
        let len = DECODER.decode_slice(&letters[..end], raw).ok().filter(|len| *len > 0 && count % 4 == 0)?;
        Some(&raw[..len])
    }

    /// How `ms` stores; `None` for one that goes by what is passed on.
    pub(super) fn verb(&self) -> Verb {
        match (self.mode, self.cas) {
            (_, Some(token)) => Verb::Cas(token),
            (b'E', _) => Verb::Add,
            (b'A', _) => Verb::Append,
            (b'P', _) => Verb::Prepend,
            (b'R', _) => Verb::Replace,
            _ => Verb::Set,
        }
    }

    /// Whether `ms` stores whatever is there.
    pub(super) fn stores_anyway(&self) -> bool {
        self.verb() == Verb::Set
    }

    /// A compare-and-swap in another mode than set is the server's own business.
    pub(super) fn mixes(&self) -> bool {
        self.cas.is_some() && !matches!(self.mode, 0 | b'S')
    }

    /// Which way `ma` counts.
    pub(super) fn direction(&self) -> Direction {
        if matches!(self.mode, b'D' | b'-') { Direction::Decr } else { Direction::Incr }
    }

    /// Appends the flags as a server is to see them: without those that are ours to deal with.
    pub(super) fn passed_on(&self, out: &mut Vec<u8>) {
        for word in Words::of(self.text).filter(|word| !matches!(word[0], b'q' | b'C')) {
            out.push(b' ');
            out.extend_from_slice(word);
        }
    }
}

/// Appends those flags of an answer that say what the client knows: its key, its token.
pub(super) fn echo(text: &[u8], key: &[u8], out: &mut Vec<u8>) {
    let coded = Words::of(text).any(|word| word[0] == b'b');
    for word in Words::of(text) {
        match word[0] {
            b'O' => words(out, &[b" ", word]),
            b'k' => words(out, &[b" k", key, if coded { b" b" } else { b"" }]),
            _ => {}
        }
    }
}

/// Appends the whole answer to `mg` with a value.
pub(super) fn value(text: &[u8], key: &[u8], found: &Value<'_>, out: &mut Vec<u8>) {
    let wants_value = Words::of(text).any(|word| word[0] == b'v');
    if wants_value {
        out.extend_from_slice(b"VA ");
        number(out, found.data.len());
    } else {
        out.extend_from_slice(b"HD");
    }
    for word in Words::of(text) {
        match word[0] {
            b'O' => words(out, &[b" ", word]),
            b'k' => words(out, &[b" k", key]),
            b'f' => flag(out, b" f", found.flags),
            b's' => flag(out, b" s", found.data.len()),
            b'c' => flag(out, b" c", found.cas),
            b't' => match found.ttl {
                Some(ttl) => flag(out, b" t", ttl),
                None => words(out, &[b" t-1"]),
            },
            _ => {}
        }
    }
    let marks: &[u8] = match (found.lease, found.stale) {
        (Some(Lease::Won), true) => b" X W",
        (Some(Lease::Won), false) => b" W",
        (Some(Lease::Taken), true) => b" Z X",
        (Some(Lease::Taken), false) => b" Z",
        (None, true) => b" X",
        (None, false) => b"",
    };
    words(out, &[marks, b"\r\n"]);
    if wants_value {
        words(out, &[found.data, b"\r\n"]);
    }
}

fn flag(out: &mut Vec<u8>, letter: &[u8], value: impl itoa::Integer) {
    out.extend_from_slice(letter);
    number(out, value);
}

pub(super) fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(super) fn words(out: &mut Vec<u8>, words: &[&[u8]]) {
    words.iter().for_each(|word| out.extend_from_slice(word));
}
