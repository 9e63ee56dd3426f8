//! How a connection ends, and how it rests between two calls.

use std::time::Duration;

use rustix::event::PollFlags;
use rustix::net::{connect_unspec, sockopt};

use super::{Composed, Connection, Phase};
use crate::rules::operation::{Failure, Tag};
use crate::rules::time::Instant;

impl Connection {
    /// Ends it. Appends every command that was composed for it and not answered to `lost`, oldest first;
    /// those that were held back are still there. What lies unsent in the kernel dies with it (rule 17).
    pub(in crate::client) fn lose(&mut self, lost: &mut Vec<(Tag, Failure)>) {
        let sent = self.outbox.sent();
        if self.ready() {
            for Composed { tag, start } in self.pending.drain() {
                lost.push((tag, if start >= sent { Failure::Unsent } else { Failure::Unanswered }));
            }
        }
        let (held, parked) = (std::mem::take(&mut self.held), self.parked);
        self.close(true);
        (self.held, self.parked) = (held, parked);
    }

    /// Closes it. `reset`: and lets nothing more arrive at the server.
    pub(in crate::client) fn close(&mut self, reset: bool) {
        if let Some(socket) = self.socket().filter(|_| reset) {
            // Disconnected and not only closed, with linger 0: a forked child, or a program that was
            // started without regard to CLOEXEC, may have a descriptor of it still, and as long as
            // it has, closing ends nothing. Linger for where there is nothing to disconnect. Should
            // both fail, the connection is closed all the same.
            let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
            let _ = connect_unspec(socket);
        }
        if self.dialing() {
            self.known.dialled(false);
        }
        self.enter(Phase::Closed);
        self.pending.drain().for_each(drop);
        self.held.clear();
        (self.parked, self.endures) = (false, false);
        self.outbox.clear();
        self.placing = None;
        self.dirty = false;
        self.ready = PollFlags::empty();
        self.give_back();
    }

    /// The call is over, and nothing is outstanding.
    #[inline]
    pub(in crate::client) fn rest(&mut self, now: Instant) {
        self.used = now;
        self.give_back();
    }

    #[inline(always)]
    fn give_back(&mut self) {
        self.inbox.rest();
        self.outbox.rest();
    }
}
