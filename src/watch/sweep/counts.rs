//! What the walks of a sweep have done so far: for people.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts that the threads add to and the loop reads.
#[derive(Debug, Default)]
pub struct Counts {
    /// Keys that were looked at.
    pub keys: AtomicU64,
    /// Keys that there are to look at, as far as the servers say.
    pub keys_total: AtomicU64,
    /// Copies that were moved.
    pub moved: AtomicU64,
    /// Bytes of their values.
    pub bytes: AtomicU64,
    /// Copies that a server would not take.
    pub refused: AtomicU64,
}

/// Adds to one of them.
pub(super) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

/// Reads one of them.
pub fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
