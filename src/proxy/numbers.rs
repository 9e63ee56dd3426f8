//! Numbers as memcached reads them: decimal digits with a sign before them, and nothing behind them.

/// A number of 64 bits that may be negative.
pub(super) fn signed(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// One of which memcached keeps the lower 32 bits: expiry times and lengths.
pub(super) fn short(word: &[u8]) -> Option<i64> {
    signed(word).map(|number| i64::from(number as i32))
}

/// A number of 64 bits that may not; "-0" neither.
pub(super) fn unsigned(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_memcached_reads_them() {
        assert_eq!((signed(b"-1"), signed(b"+7"), signed(b"08")), (Some(-1), Some(7), Some(8)));
        assert_eq!((signed(b""), signed(b"5abc"), signed(b"0x10"), signed(b"1 ")), (None, None, None, None));
        assert_eq!(
            (unsigned(b"18446744073709551615"), unsigned(b"18446744073709551616")),
            (Some(u64::MAX), None)
        );
        assert_eq!((unsigned(b"-1"), unsigned(b"+1"), unsigned(b"\xff")), (None, Some(1), None));
    }
}
