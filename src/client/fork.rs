//! Fork, noticed without a system call.
//!
//! A child shares its parent's sockets: whatever it sent over one would arrive between the
//! parent's commands, and it would steal the parent's answers. So a client remembers in which
//! process it made its connections, as a number that a child's first act raises. Asking the kernel
//! for the process id would cost a system call an operation.

use std::sync::atomic::{AtomicU64, Ordering};

static EPOCH: AtomicU64 = AtomicU64::new(0);

/// Tells that this is a forked child. Meant for `pthread_atfork`: it is async-signal-safe.
pub fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
}

/// Which process this is, counted in forks since the first.
pub(super) fn epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}
