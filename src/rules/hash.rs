//! The key hash: CRC-32, continuable from its state, so that rehashing copies no key.
//!
//! A CRC is its own state: the checksum of `key + "foo"` follows from the checksum of `key` and the
//! three bytes. So a hash is kept whole (32 bits) and only [`KeyHash::value`] cuts it down to the
//! 15 bits that choose a slot.

use std::sync::LazyLock;

use crc32fast::Hasher;

/// A CRC-32 (IEEE) under way over a key and what rehashing appends to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyHash(u32);

impl KeyHash {
    /// Over a key.
    #[inline(always)]
    pub fn of(key: &[u8]) -> KeyHash {
        // Whoever makes a hasher asks what this machine can do.
        static FRESH: LazyLock<Hasher> = LazyLock::new(Hasher::new);
        let mut hasher = FRESH.clone();
        hasher.update(key);
        KeyHash(hasher.finalize())
    }

    /// Over the same bytes and `more` behind them.
    pub fn and(self, more: &[u8]) -> KeyHash {
        let mut hasher = Hasher::new_with_initial(self.0);
        hasher.update(more);
        KeyHash(hasher.finalize())
    }

    /// All of its 32 bits.
    pub fn whole(self) -> u32 {
        self.0
    }

    /// `(crc >> 16) & 0x7fff`, with 0 as 1: the value that chooses a slot. 1 to 32,767.
    ///
    /// The 0 that becomes 1 is libmemcache's. libmemcached leaves it 0, so that one key in 32,768
    /// has its home elsewhere there: slot 0 instead of slot 1.
    #[inline(always)]
    pub fn value(self) -> u32 {
        ((self.0 >> 16) & 0x7fff).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_value_is_the_upper_half_of_crc_32_without_its_top_bit() {
        // CRC-32's published check value is 0xcbf43926.
        assert_eq!(KeyHash::of(b"123456789"), KeyHash(0xcbf4_3926));
        assert_eq!(KeyHash::of(b"123456789").value(), 0x4bf4);
        assert_eq!(KeyHash::of(b""), KeyHash(0));
    }

    #[test]
    fn a_value_of_zero_becomes_one() {
        assert_eq!(KeyHash(0x0000_ffff).value(), 1);
        assert_eq!(KeyHash(0x8000_ffff).value(), 1);
        assert_eq!(KeyHash(0x0001_0000).value(), 1);
        assert_eq!(KeyHash(0x0002_0000).value(), 2);
        assert_eq!(KeyHash(u32::MAX).value(), 0x7fff);
    }

    proptest! {
        #[test]
        fn going_on_equals_hashing_the_whole(key: Vec<u8>, more: Vec<u8>) {
            let whole = [key.as_slice(), more.as_slice()].concat();
            prop_assert_eq!(KeyHash::of(&key).and(&more), KeyHash::of(&whole));
            prop_assert_eq!(KeyHash::of(&whole), KeyHash(bit_by_bit(&whole)));
        }
    }

    /// CRC-32 by its definition, as a second opinion.
    fn bit_by_bit(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| (c >> 1) ^ if c & 1 == 1 { 0xedb8_8320 } else { 0 })
        })
    }
}
