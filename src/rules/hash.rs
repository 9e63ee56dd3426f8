//! The key hash: CRC-32, continuable from its state, so that rehashing copies no key.

/// A CRC-32 (IEEE) under way over a key and what rehashing appends to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyHash(u32);

impl KeyHash {
    /// Over a key.
    pub fn of(key: &[u8]) -> KeyHash {
        todo!("{key:?}")
    }
    /// Over the same bytes and `more` behind them.
    pub fn and(self, more: &[u8]) -> KeyHash {
        todo!("{more:?}")
    }
    /// `(crc >> 16) & 0x7fff`, with 0 as 1: the value that chooses a slot. 1 to 32,767.
    pub fn value(self) -> u32 {
        todo!()
    }
}
