//! How long a connection may owe something, and what its silence says.

use super::Connection;
use crate::rules::operation::Tag;
use crate::rules::time::Instant;

impl Connection {
    /// Its server had all the patience there is, even if bytes trickle in. `for_others`: see
    /// [`Connection::convicted`].
    pub(in crate::client) fn overdue(&self, now: Instant, for_others: bool) -> bool {
        let hearings = if for_others { self.terms.hearings } else { 1 };
        now >= self.asked + self.terms.patience * hearings && !self.waits()
    }

    /// Nothing came in time, and that is its server's fault. `for_others`: the verdict is the machine's.
    pub(in crate::client) fn convicted(&mut self, now: Instant, for_others: bool) -> bool {
        let hearings = if for_others { self.terms.hearings } else { 1 };
        self.silence.convicts(now, self.terms.patience, hearings)
    }

    /// One of `these` commands was sent, or partly, and is not answered.
    pub(in crate::client) fn unanswered(&self, these: impl Fn(Tag) -> bool) -> bool {
        let sent = self.outbox.sent();
        self.ready()
            && self.pending.questions().take_while(|asked| asked.start < sent).any(|asked| these(asked.tag))
    }

    /// The commands that were composed for it and not answered.
    #[cfg(feature = "programs")]
    pub(in crate::client) fn pending_tags(&self) -> impl Iterator<Item = Tag> {
        // (Those of a greeting are nobody's.)
        self.pending.questions().take(if self.ready() { usize::MAX } else { 0 }).map(|asked| asked.tag)
    }

    /// The oldest command was sent as a whole: what is awaited is its answer, whatever else is sent meanwhile.
    pub(super) fn owes_an_answer(&self) -> bool {
        let sent = self.outbox.sent();
        self.pending.second().is_some_and(|second| second.start <= sent)
    }

    /// Its server has its patience once more: what was sent could be executed after anything that is sent
    /// elsewhere.
    pub(in crate::client) fn endure(&mut self, now: Instant) {
        self.silence.broken(now);
        self.endures = true;
    }

    /// Whether an answer is waited for that was due.
    pub(in crate::client) fn endures(&self) -> bool {
        self.endures
    }

    /// Bytes came.
    pub(in crate::client) fn moved(&mut self, now: Instant) {
        self.endures = false;
        self.silence.broken(now);
    }
}
