//! How often a connection of this process came to another phase: whoever shows sockets compares one number.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Connection, Phase};

static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Grows with every change of a phase. What a client's connections were under a number they still are under it: nobody else
/// changes them.
pub(in crate::client) fn changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}

impl Connection {
    /// The next phase begins.
    #[cold]
    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        CHANGES.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::client) fn dialing(&self) -> bool {
        matches!(self.phase, Phase::Dialing(_))
    }

    pub(in crate::client) fn greeting(&self) -> bool {
        matches!(self.phase, Phase::Greeting(..))
    }

    pub(in crate::client) fn ready(&self) -> bool {
        matches!(self.phase, Phase::Ready(_))
    }
}
