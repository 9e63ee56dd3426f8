//! Whether a server that comes back must be emptied.

use super::Rejoin;
use crate::rules::health::Incarnation;

impl Rejoin {
    /// Whether it holds what this client may have replaced elsewhere. One that is certainly another
    /// process, started since, holds nothing; one that started before it went down may hold
    /// writes of a connection on which it was never greeted.
    pub(super) fn owes_flush(&self) -> bool {
        match (self.previous, self.incarnation()) {
            (Some(previous), Some(life)) if !previous.same_as(life) => {
                self.missed_write && !self.started_meanwhile(life)
            }
            _ => self.missed_write,
        }
    }

    /// Whether a life certainly began after the server went down. When it began it tells by its wall clock, which may be another than
    /// ours, and set; how old it is, by a clock that may have stood still as long as the process did. So both must say so. Both
    /// are whole seconds and jitter by one.
    fn started_meanwhile(&self, life: Incarnation) -> bool {
        let earliest_start = life.start.saturating_sub(1).saturating_mul(1000);
        let oldest = self.examination.greeting().uptime().saturating_add(1).saturating_mul(1000);
        let down_for = self.examination.begun().millis_since(self.down_since);
        earliest_start > self.down_since.unix_millis && oldest < down_for
    }
}
