//! The lines of a statistics block.

/// The names and values of a block, in order. A line that is not `STAT name value` is skipped.
pub fn lines(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    block.split(|b| *b == b'\n').filter_map(|_| None)
}

/// The value of one statistic as a number.
pub fn number(block: &[u8], name: &[u8]) -> Option<u64> {
    todo!("{block:?} {name:?}")
}
