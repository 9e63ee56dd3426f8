//! What `values.h` does for the processes of `client.c`, for the plain clients: both find each other's values.

use crate::history::{State, printed};

/// The flags that a write stores.
pub fn flags_of(name: u64) -> u32 {
    (printed(0, name) >> 32) as u32
}

/// The value that a write stores: its key, its name, its length, and letters to fill it. Mostly short.
pub fn value_text(key: u32, name: u64) -> Vec<u8> {
    let print = printed(0, name);
    let long = print.is_multiple_of(64);
    let len = if long { 5000 + print / 64 % 15_000 } else { 60 + print / 64 % 400 };
    let mut value = format!("{key} {name:x} {len}|").into_bytes();
    let letters = (value.len() as u64..len).map(|at| b'a' + (print.wrapping_add(at) % 26) as u8);
    value.extend(letters);
    value
}

/// What a write appends.
pub fn piece(name: u64) -> String {
    format!("+{name:016x}|")
}

/// Bytes that are appended at once.
const PIECE: usize = 18;

/// What was found under a key.
pub fn read_value(key: u32, found: &[u8], flags: u32) -> State {
    value_of(key, found, flags).map_or(State::Garbled, State::Value)
}

fn value_of(key: u32, found: &[u8], flags: u32) -> Option<u64> {
    let head = found.split(|byte| *byte == b'|').next()?;
    let mut words = std::str::from_utf8(head).ok()?.split(' ');
    let of: u32 = words.next()?.parse().ok()?;
    let name = u64::from_str_radix(words.next()?, 16).ok()?;
    let stored = value_text(key, name);
    if of != key || flags != flags_of(name) || !found.starts_with(&stored) {
        return None;
    }
    let (pieces, rest) = found[stored.len()..].as_chunks::<PIECE>();
    if !rest.is_empty() {
        return None;
    }
    pieces.iter().try_fold(printed(0, name), |print, bytes| {
        let name = bytes.strip_prefix(b"+")?.strip_suffix(b"|")?;
        Some(printed(print, u64::from_str_radix(std::str::from_utf8(name).ok()?, 16).ok()?))
    })
}

/// A number as it is stored; decr leaves spaces behind it.
pub fn read_number(found: &[u8]) -> State {
    let text = std::str::from_utf8(found).ok().map(|text| text.trim_end_matches(' '));
    let number = text.and_then(|text| text.parse().ok());
    number.map_or(State::Garbled, State::Number)
}

#[test]
fn a_value_is_known_by_its_writes() {
    let stored = value_text(7, 0x1_0000_0001);
    let appended = [&stored[..], piece(5).as_bytes()].concat();
    let flags = flags_of(0x1_0000_0001);
    assert_eq!(read_value(7, &stored, flags), State::Value(printed(0, 0x1_0000_0001)));
    assert_eq!(read_value(7, &appended, flags), State::Value(printed(printed(0, 0x1_0000_0001), 5)));
    let garbled = [
        read_value(8, &stored, flags),
        read_value(7, &stored, flags ^ 1),
        read_value(7, &stored[..stored.len() - 1], flags),
        read_value(7, &appended[..appended.len() - 1], flags),
        read_value(7, b"", 0),
        read_number(b"12x"),
    ];
    assert_eq!(garbled, [State::Garbled; 6]);
    assert_eq!(read_number(b"12  "), State::Number(12));
}
