//! Which keys may be sent.
//!
//! A key goes into a line of text, so whatever ends a word or a line there would end the key, and
//! what follows it would be read as a command. The check stands before every composed command: a
//! key that it refuses costs no byte on the wire. Bytes from 0x80 on are fine: memcached takes
//! them as they are.
//!
//! A key that fails this check can still be sent to a server with meta commands, in base64: then
//! any bytes are fine, but fewer of them. Whether a key is sent plain or coded follows from its
//! bytes alone ([`is_plain`]), so every client and every server has one name for it.

use std::fmt;

/// The longest key, in bytes; memcached's own limit.
pub const MAX_KEY_LEN: usize = 250;

/// The longest key, in bytes, that is not plain: 62 groups of three bytes are 248 characters of
/// base64. One byte more would be 252 with its padding, without which memcached decodes nothing.
pub const MAX_BINARY_KEY_LEN: usize = MAX_KEY_LEN / 4 * 3;

/// Why a key may not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// It is empty.
    Empty,
    /// It is longer than [`MAX_KEY_LEN`].
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It has a space, a control character or a NUL at `position`, counted from 1.
    BadByte {
        /// The first such byte's position, counted from 1.
        position: usize,
        /// The byte itself.
        byte: u8,
    },
    /// It has a space, a control character or a NUL and is longer than [`MAX_BINARY_KEY_LEN`].
    BinaryTooLong {
        /// Its length in bytes.
        len: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            KeyError::Empty => write!(f, "the key is empty; a key has 1 to {MAX_KEY_LEN} bytes"),
            KeyError::TooLong { len } => {
                write!(f, "the key has {len} bytes; at most {MAX_KEY_LEN} are allowed")
            }
            KeyError::BadByte { position, byte } => {
                let what = match byte {
                    0 => "a NUL",
                    b' ' => "a space",
                    _ => "a control character",
                };
                write!(f, "byte {position} of the key is {what} (0x{byte:02x}); ")?;
                f.write_str("a key may have any bytes but spaces, control characters and NUL")
            }
            KeyError::BinaryTooLong { len } => {
                write!(f, "the key has {len} bytes, among them spaces, control characters or NUL; ")?;
                write!(f, "such a key may have at most {MAX_BINARY_KEY_LEN}")
            }
        }
    }
}

impl std::error::Error for KeyError {}

/// Checks a key before any byte of it is sent: 1 to [`MAX_KEY_LEN`] bytes, none of them a space, a
/// control character (below 0x20, or 0x7f) or a NUL.
pub fn check(key: &[u8]) -> Result<(), KeyError> {
    match key.len() {
        0 => return Err(KeyError::Empty),
        1..=MAX_KEY_LEN => {}
        len => return Err(KeyError::TooLong { len }),
    }
    match key.iter().position(|&byte| byte <= b' ' || byte == 0x7f) {
        None => Ok(()),
        Some(index) => Err(KeyError::BadByte { position: index + 1, byte: key[index] }),
    }
}

/// Checks a key that may be sent in base64 where the server can take that: 1 to [`MAX_KEY_LEN`] bytes
/// that are plain, or 1 to [`MAX_BINARY_KEY_LEN`] bytes of any kind. One that is not plain is
/// refused by a server without meta commands: by the operation, without a byte on the wire.
#[inline(always)]
pub fn check_binary(key: &[u8]) -> Result<(), KeyError> {
    match key.len() {
        1..=MAX_BINARY_KEY_LEN => Ok(()),
        _ => check_long(key),
    }
}

/// Of a key that is too long to be sent in base64.
#[cold]
fn check_long(key: &[u8]) -> Result<(), KeyError> {
    match check(key) {
        Err(KeyError::BadByte { .. }) => Err(KeyError::BinaryTooLong { len: key.len() }),
        checked => checked,
    }
}

/// Whether [`check`] lets the key pass: it is sent as it is, and any server can take it.
#[inline(always)]
pub fn is_plain(key: &[u8]) -> bool {
    match (key.first_chunk(), key.last_chunk()) {
        // Two looks see all of it; what stands in the middle, twice.
        (Some(first), Some(last)) if key.len() <= 16 => {
            suspects(*first) | suspects(*last) == 0 || bad_bytes(*first) | bad_bytes(*last) == 0
        }
        _ => is_plain_of_any_length(key),
    }
}

#[inline(never)]
fn is_plain_of_any_length(key: &[u8]) -> bool {
    let bad = match key.last_chunk() {
        // The last eight bytes are looked at whole, those before them again or not.
        Some(last) => key.chunks_exact(8).fold(bad_bytes(*last), |bad, bytes| {
            bad | bytes.first_chunk().map_or(0, |bytes| bad_bytes(*bytes))
        }),
        None => key.iter().fold(0, |bad, &byte| bad | u64::from((byte <= b' ') | (byte == 0x7f))),
    };
    bad == 0 && matches!(key.len(), 1..=MAX_KEY_LEN)
}

/// In each byte the lowest bit, and the highest.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
const TOPS: u64 = ONES << 7;

/// Of eight bytes at once: 0 when all of them are printable ASCII, as they are in nearly every key. Else one of them is none; which,
/// [`bad_bytes`] knows.
#[inline(always)]
fn suspects(bytes: [u8; 8]) -> u64 {
    let word = u64::from_ne_bytes(bytes);
    (word | word.wrapping_sub(ONES * 0x21) | word.wrapping_add(ONES)) & TOPS
}

/// Of eight bytes at once: 0 when none of them is a space or below, or 0x7f. A borrow from one byte to the next cannot hide
/// one, nor make one up alone.
#[inline(always)]
fn bad_bytes(bytes: [u8; 8]) -> u64 {
    let word = u64::from_ne_bytes(bytes);
    let delete = word ^ (ONES * 0x7f);
    ((word.wrapping_sub(ONES * 0x21) & !word) | (delete.wrapping_sub(ONES) & !delete)) & TOPS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_length_is_1_to_250() {
        assert_eq!(check(b""), Err(KeyError::Empty));
        assert_eq!(check(b"k"), Ok(()));
        assert_eq!(check(&[b'k'; 250]), Ok(()));
        assert_eq!(check(&[b'k'; 251]), Err(KeyError::TooLong { len: 251 }));
    }

    #[test]
    fn every_byte_is_allowed_or_refused_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for position in [1, 2, 250] {
                let mut key = [b'k'; 250];
                key[position - 1] = byte;
                let refused = matches!(byte, 0..=0x20 | 0x7f);
                let expected = if refused { Err(KeyError::BadByte { position, byte }) } else { Ok(()) };
                assert_eq!(check(&key), expected);
            }
        }
        assert_eq!(check(b"a b c"), Err(KeyError::BadByte { position: 2, byte: b' ' }), "the first one");
    }

    #[test]
    fn an_error_says_where_and_what_is_allowed() {
        let text = |key: &[u8]| check(key).expect_err("refused").to_string();
        assert_eq!(text(b""), "the key is empty; a key has 1 to 250 bytes");
        assert_eq!(text(&[b'k'; 300]), "the key has 300 bytes; at most 250 are allowed");
        let allowed = "; a key may have any bytes but spaces, control characters and NUL";
        assert_eq!(text(b"a b"), format!("byte 2 of the key is a space (0x20){allowed}"));
        assert_eq!(text(b"ab\r\n"), format!("byte 3 of the key is a control character (0x0d){allowed}"));
        assert_eq!(text(b"\0"), format!("byte 1 of the key is a NUL (0x00){allowed}"));
    }

    #[test]
    fn any_bytes_will_do_for_a_coded_key_up_to_186() {
        assert_eq!(MAX_BINARY_KEY_LEN, 186);
        assert_eq!(check_binary(b""), Err(KeyError::Empty));
        assert_eq!(check_binary(b"\0"), Ok(()));
        assert_eq!(check_binary(&[b'\n'; 186]), Ok(()));
        assert_eq!(check_binary(&[b'\n'; 187]), Err(KeyError::BinaryTooLong { len: 187 }));
        assert_eq!(check_binary(&[b'k'; 250]), Ok(()), "a plain key needs no code");
        assert_eq!(check_binary(&[b'k'; 251]), Err(KeyError::TooLong { len: 251 }));
        assert_eq!(
            check_binary(&[0; 200]).expect_err("refused").to_string(),
            "the key has 200 bytes, among them spaces, control characters or NUL; \
             such a key may have at most 186"
        );
    }

    proptest! {
        #[test]
        fn plain_is_what_the_check_lets_pass(key: Vec<u8>, plain in proptest::collection::vec(0x21u8..0x7f, 0..260)) {
            prop_assert_eq!(is_plain(&key), check(&key).is_ok());
            prop_assert_eq!(is_plain(&plain), check(&plain).is_ok());
            prop_assert!(check(&key).is_err() || check_binary(&key).is_ok());
        }
    }
}
