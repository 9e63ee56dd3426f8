//! Which keys may be sent.

/// The longest key, in bytes; memcached's own limit.
pub const MAX_KEY_LEN: usize = 250;

/// Why a key may not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// It is empty.
    Empty,
    /// It is longer than [`MAX_KEY_LEN`].
    TooLong { len: usize },
    /// It has a space, a control character or a NUL at `position`, counted from 1.
    BadByte { position: usize, byte: u8 },
}

/// Checks a key before any byte of it is sent.
pub fn check(key: &[u8]) -> Result<(), KeyError> {
    todo!("{key:?}")
}
