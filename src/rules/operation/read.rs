//! Read

use super::*;
use crate::rules::wire::Value;

/// The keys of one read, and where their values go.
pub trait Batch {
    /// How many keys.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// One key; always the same for the same index.
    fn key(&self, index: usize) -> &[u8];
    /// A key's answer: its value, or why there is none (Miss, Unavailable, Refused). At most once per
    /// key, never for one whose time is up.
    fn settle(&mut self, index: usize, answer: Result<Value<'_>, Outcome>);
}
