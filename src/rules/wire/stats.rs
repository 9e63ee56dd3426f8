//! The lines of a statistics block.
//!
//! A block is kept as the bytes that came: most readers want two numbers of it, and a table built
//! for them would cost more than looking twice.

use super::parse::decimal;

/// The names and values of a block, in order. A line that is not `STAT name value` is skipped.
pub fn lines(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    block.split(|byte| *byte == b'\n').filter_map(|line| {
        let rest = line.strip_suffix(b"\r")?.strip_prefix(b"STAT ")?;
        let space = memchr::memchr(b' ', rest)?;
        Some((&rest[..space], &rest[space + 1..]))
    })
}

/// The value of one statistic as a number; `None` when there is no such statistic or its value is
/// no decimal number of 64 bits.
pub fn number(block: &[u8], name: &[u8]) -> Option<u64> {
    lines(block).find(|line| line.0 == name).and_then(|line| decimal(line.1))
}

/// Whether a line can stand in a block: `STAT …`, and the lines of `stats cachedump` and
/// `stats detail dump`.
pub(super) fn is_line(text: &[u8]) -> bool {
    text.starts_with(b"STAT ") || text.starts_with(b"ITEM ") || text.starts_with(b"PREFIX ")
}
