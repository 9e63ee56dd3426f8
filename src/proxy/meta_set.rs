//! `ms`, whose line is looked at in whole before its value is taken: no server may be sent one that it refuses, because it
//! would read the value as commands.
//!
//! The refusals, their order, and whether the value is then passed over or read as commands, are those of memcached 1.6.18.

use super::meta::{Flags, Wrong};
use super::numbers::short;
use super::request::{BAD_CHUNK, BAD_LINE, Block, ERROR, Limits, Meta, Parsed, Request, Words, block};

/// More words than this no line may have.
const MOST_WORDS: usize = 20;

/// `line`: what stands behind the name.
pub(super) fn parse<'b>(line: &'b [u8], bytes: &'b [u8], start: usize, limits: &Limits) -> Parsed<'b> {
    let refuse = |text| Parsed::Whole(Request::Say { text, noreply: false }, start);
    let mut words = Words::of(line);
    let Some(key) = words.next() else { return refuse(ERROR) };
    if key.len() > limits.key {
        return refuse(BAD_LINE);
    }
    let len = words.next().and_then(short).filter(|len| (0..=i64::from(i32::MAX) - 2).contains(len));
    let rest = words.rest().trim_ascii();
    if Words::of(rest).count() > MOST_WORDS {
        return refuse(b"CLIENT_ERROR options flags too long");
    }
    let Some(len) = len else { return refuse(BAD_LINE) };
    let len = len as usize;
    let flags = match Flags::read(b's', key, rest) {
        Ok(flags) => flags,
        Err(Wrong(text)) => return pass_over(text, bytes, start, len),
    };
    if len > limits.value {
        let key = if flags.stores_anyway() { key } else { b"" };
        return Parsed::Whole(Request::TooLarge { key, flags: rest, skip: len + 2, noreply: false }, start);
    }
    match block(bytes, start, len) {
        Block::More(all) => Parsed::More(all),
        Block::Bad(next) => Parsed::Whole(Request::Say { text: BAD_CHUNK, noreply: false }, next),
        Block::Value(value, next) => {
            Parsed::Whole(Request::Meta(Meta { letter: b's', key, flags: rest, value }), next)
        }
    }
}

/// The line is refused, and its value with it.
fn pass_over<'b>(text: &'static [u8], bytes: &'b [u8], start: usize, len: usize) -> Parsed<'b> {
    let all = start + len + 2;
    if bytes.len() >= all {
        return Parsed::Whole(Request::Say { text, noreply: false }, all);
    }
    // As much as the longest value is waited for; more is passed over as it comes.
    Parsed::Whole(Request::Skip { text, skip: len + 2 }, start)
}
