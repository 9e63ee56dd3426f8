//! How long a server has owed something without a sign of life, and whether that is its fault.
//!
//! On a machine that was suspended, or has no processor to spare, this process wakes late, and what
//! it finds silent had no more time than it had itself. Such a verdict would empty a healthy server
//! when it returns. So one that comes much too late is not passed: the server is heard once more.

use std::time::Duration;

use crate::rules::time::Instant;

/// A server's silence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    since: Instant,
    heard_again: bool,
}

impl Silence {
    /// It owes something from now on, or gave a sign of life.
    pub(super) fn broken(&mut self, now: Instant) {
        *self = Silence { since: now, heard_again: false };
    }

    /// For how long by now.
    pub(super) fn lasts(self, now: Instant) -> Duration {
        now.since(self.since)
    }

    /// When it is too long for this patience.
    pub(super) fn due(self, patience: Duration) -> Instant {
        self.since + patience
    }

    /// It is too long by now. Whether that is the server's fault: not when we come so late that we
    /// cannot have been running ourselves. Once; then it has the same patience again.
    pub(super) fn convicts(&mut self, now: Instant, patience: Duration) -> bool {
        let late = now.since(self.due(patience)) > patience / 2;
        if late && !self.heard_again {
            *self = Silence { since: now, heard_again: true };
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(75);

    fn at(millis: u64) -> Instant {
        Instant(millis * 1000)
    }

    #[test]
    fn who_is_judged_in_time_is_convicted() {
        let mut silence = Silence::default();
        silence.broken(at(1000));
        assert_eq!(silence.due(PATIENCE), at(1075));
        assert!(silence.convicts(at(1076), PATIENCE));
    }

    #[test]
    fn who_is_judged_by_a_sleeper_is_heard_once_more_and_no_more() {
        let mut silence = Silence::default();
        silence.broken(at(1000));
        assert!(!silence.convicts(at(9000), PATIENCE), "the judge slept for eight seconds");
        assert_eq!(silence.due(PATIENCE), at(9075));
        assert!(silence.convicts(at(99_000), PATIENCE), "once");
        silence.broken(at(99_000));
        assert!(!silence.convicts(at(199_000), PATIENCE), "a sign of life begins it anew");
    }
}
