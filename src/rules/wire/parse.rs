//! Bytes as replies.

use super::{Command, Reply};

/// How much a parser takes in before it calls an answer nonsense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The longest value, in bytes.
    pub value: usize,
    /// The longest line, in bytes, without its end.
    pub line: usize,
    /// The longest block of statistics, in bytes.
    pub stats: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // 1 GiB is the largest item that a memcached can be configured for (-I).
        Limits { value: 1 << 30, line: 2048, stats: 1 << 20 }
    }
}

/// What came cannot be the answer to what was asked: the connection is out of step or its peer is
/// no memcached, and must be dropped. Says why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonsense(pub &'static str);

/// Reads the reply to `command` (single: not of a joined `get` line, see [`super::pending`]) at the
/// start of `bytes`: the reply and how many bytes it took, `None` while it is not whole.
pub fn parse<'b>(
    command: &Command<'_>,
    meta: bool,
    bytes: &'b [u8],
    limits: &Limits,
) -> Result<Option<(Reply<'b>, usize)>, Nonsense> {
    todo!("{command:?} {meta} {bytes:?} {limits:?}")
}
