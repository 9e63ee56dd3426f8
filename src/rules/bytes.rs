//! The bytes that an operation is about: a key, a value.
//!
//! A program that calls and waits lends them for the call. A driver with many operations under way at once has them in
//! blocks of memory that it uses again and again: an operation then holds a share of its block, and as
//! long as it does nobody writes there. A share costs no allocation, and handing one on copies nothing.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// Bytes that are lent, or a share of a block of them.
#[derive(Clone, Debug)]
pub enum Bytes<'a> {
    /// Lent by the caller.
    Lent(&'a [u8]),
    /// Those of a block that stand in `range`.
    Shared {
        /// The block.
        block: Arc<Vec<u8>>,
        /// Which bytes of it.
        range: Range<usize>,
    },
}

impl Bytes<'static> {
    /// A part of a block; nothing where the block is shorter.
    pub fn of(block: &Arc<Vec<u8>>, range: Range<usize>) -> Bytes<'static> {
        Bytes::Shared { block: Arc::clone(block), range }
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Lent(bytes) => bytes,
            Bytes::Shared { block, range } => block.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl<'a> From<&'a [u8]> for Bytes<'a> {
    fn from(bytes: &'a [u8]) -> Bytes<'a> {
        Bytes::Lent(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Bytes<'a> {
    fn from(bytes: &'a [u8; N]) -> Bytes<'a> {
        Bytes::Lent(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Bytes<'a> {
    fn from(bytes: &'a Vec<u8>) -> Bytes<'a> {
        Bytes::Lent(bytes)
    }
}

impl<'a> From<Vec<u8>> for Bytes<'a> {
    fn from(bytes: Vec<u8>) -> Bytes<'a> {
        let range = 0..bytes.len();
        Bytes::Shared { block: Arc::new(bytes), range }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lent_and_shared_bytes_are_the_same_bytes() {
        let block = Arc::new(b"key value".to_vec());
        assert_eq!(&*Bytes::of(&block, 0..3), b"key");
        assert_eq!(&*Bytes::of(&block, 4..9), &*Bytes::from(b"value"));
        assert_eq!(&*Bytes::of(&block, 4..10), b"", "no panic for a range that is not there");
        assert_eq!(&*Bytes::from(b"ab".to_vec()).clone(), b"ab");
    }

    #[test]
    fn a_block_can_be_used_again_when_nobody_has_a_share() {
        let mut block = Arc::new(Vec::new());
        let share = Bytes::of(&block, 0..0);
        assert!(Arc::get_mut(&mut block).is_none());
        drop(share);
        assert!(Arc::get_mut(&mut block).is_some());
    }
}
