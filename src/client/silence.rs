//! How long a server has owed something without a sign of life, and whether that is its fault.
//!
//! A verdict on a healthy server costs what it holds: it is flushed when it returns. And a machine that has no
//! processor to spare makes healthy servers silent, for longer than a short patience. So who is about to judge
//! for all processes of the machine hears a server several times before he does: over the same connection, because what was sent
//! over it can still be executed, and must not be overtaken by what is sent over another one.
//!
//! A process that wakes late, because it was suspended or stopped, had no more time than what it finds silent. A
//! verdict that comes much too late is not passed: the server is heard once more, whoever judges.

use std::time::Duration;

use crate::rules::time::Instant;

/// A server's silence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    since: Instant,
    /// How often it was heard in vain.
    heard: u32,
    heard_again: bool,
}

impl Silence {
    /// It owes something from now on, or gave a sign of life.
    pub(super) fn broken(&mut self, now: Instant) {
        *self = Silence { since: now, ..Silence::default() };
    }

    /// For how long by now, since it was heard last.
    pub(super) fn lasts(self, now: Instant) -> Duration {
        now.since(self.since)
    }

    /// Whether hardly anything of this patience was spent on it.
    #[inline]
    pub(super) fn is_young(self, now: Instant, patience: Duration) -> bool {
        now <= self.since || self.lasts(now) <= patience / 16
    }

    /// When it is too long for this patience.
    pub(super) fn due(self, patience: Duration) -> Instant {
        self.since + patience
    }

    /// It is too long by now. Whether that is the server's fault: not before it was heard so often, and not when
    /// we come so late that we cannot have been running ourselves. The latter once. Else it has the same
    /// patience again.
    pub(super) fn convicts(&mut self, now: Instant, patience: Duration, hearings: u32) -> bool {
        let late = now.since(self.due(patience)) > patience / 2;
        let again = late && !self.heard_again;
        let heard = self.heard + u32::from(!again);
        let convicted = !again && heard >= hearings;
        if !convicted {
            *self = Silence { since: now, heard, heard_again: self.heard_again || again };
        }
        convicted
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
        assert!(silence.convicts(at(1076), PATIENCE, 1));
    }

    #[test]
    fn who_is_judged_by_a_sleeper_is_heard_once_more_and_no_more() {
        let mut silence = Silence::default();
        silence.broken(at(1000));
        assert!(!silence.convicts(at(9000), PATIENCE, 1), "the judge slept for eight seconds");
        assert_eq!(silence.due(PATIENCE), at(9075));
        assert!(silence.convicts(at(99_000), PATIENCE, 1), "once");
        silence.broken(at(99_000));
        assert!(!silence.convicts(at(199_000), PATIENCE, 1), "a sign of life begins it anew");
    }

    #[test]
    fn who_judges_for_others_hears_it_several_times() {
        let mut silence = Silence::default();
        silence.broken(at(1000));
        assert!(!silence.convicts(at(1075), PATIENCE, 3) && !silence.convicts(at(1150), PATIENCE, 3));
        assert_eq!(silence.due(PATIENCE), at(1225));
        assert!(silence.convicts(at(1225), PATIENCE, 3));
        silence.broken(at(2000));
        assert!(!silence.convicts(at(2075), PATIENCE, 3), "a sign of life begins it anew");
        assert!(!silence.convicts(at(9000), PATIENCE, 3) && !silence.convicts(at(9075), PATIENCE, 3));
        assert!(silence.convicts(at(9150), PATIENCE, 3), "who slept heard nothing meanwhile");
    }
}
