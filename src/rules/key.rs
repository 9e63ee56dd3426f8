//! Which keys may be sent.
//!
//! A key goes into a line of text, so whatever ends a word or a line there would end the key, and
//! what follows it would be read as a command. The check stands before every composed command: a
//! key that it refuses costs no byte on the wire. Bytes from 0x80 on are fine: memcached takes
//! them as they are.

use std::fmt;

/// The longest key, in bytes; memcached's own limit.
pub const MAX_KEY_LEN: usize = 250;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
