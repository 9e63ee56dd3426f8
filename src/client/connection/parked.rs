//! Commands that wait for the table's word about a server that cannot be reached (rule 18): no lost
//! connection fails them, and it is the exchange that says when the server is tried again.

use super::{Connection, Phase};
use crate::client::exchange::Planned;
use crate::rules::operation::{Failure, Tag};
use crate::rules::time::Instant;

impl Connection {
    /// Takes in a command for a server that cannot be reached, and asks nobody.
    pub(in crate::client) fn hold_back(&mut self, tag: Tag, planned: Planned) {
        if self.ready() {
            // Whoever met with the failure did so over a connection like this one.
            self.close(true);
        }
        if self.held.is_empty() {
            self.planned = planned;
        }
        self.held.push(tag);
        self.parked = true;
    }

    /// What it holds back waits for the table's word. What is not `bound` to go there is appended to `lost`.
    pub(in crate::client) fn park(
        &mut self,
        lost: &mut Vec<(Tag, Failure)>,
        mut bound: impl FnMut(Tag) -> bool,
    ) {
        self.held.retain(|&tag| {
            let stays = bound(tag);
            if !stays {
                lost.push((tag, Failure::Unsent));
            }
            stays
        });
        self.parked = !self.held.is_empty();
    }

    /// Takes back commands that were held back.
    #[cfg(feature = "programs")]
    pub(in crate::client) fn withdraw(&mut self, mut whose: impl FnMut(Tag) -> bool) {
        self.held.retain(|&tag| !whose(tag));
        self.parked &= !self.held.is_empty();
    }

    /// What the commands that wait for the table's word rest on; `None`: none does.
    pub(in crate::client) fn promised(&self) -> Option<Planned> {
        self.parked.then_some(self.planned)
    }

    /// Whether what it holds back waits for the table's word.
    pub(in crate::client) fn parked(&self) -> bool {
        self.parked
    }

    /// Parked, and nobody tries to reach the server.
    pub(in crate::client) fn waits(&self) -> bool {
        self.parked && matches!(self.phase, Phase::Closed)
    }

    /// Tries to reach the server, for the commands that wait.
    pub(in crate::client) fn redial(&mut self, now: Instant) {
        self.begin(now);
        self.dirty = true;
    }

    /// Appends the commands that were held back to `lost`.
    pub(in crate::client) fn surrender(&mut self, lost: &mut Vec<(Tag, Failure)>) {
        self.parked = false;
        lost.extend(self.held.drain(..).map(|tag| (tag, Failure::Unsent)));
    }
}
