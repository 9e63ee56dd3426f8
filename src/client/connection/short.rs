//! What the short way asks of a connection: see `exchange/short.rs`.

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::{Composed, Connection, Loss, Phase, ended};
use crate::rules::operation::Tag;
use crate::rules::time::Instant;
use crate::rules::wire::{Command, Reply};

impl Connection {
    /// Whether it is ready, owes nothing, was in use a moment ago, and nothing speaks for another server at its other end.
    #[inline]
    pub(in crate::client) fn is_at_rest(&self, now: Instant) -> bool {
        self.ready() && !self.owes() && !self.lacking && !self.was_idle(now)
    }

    /// Composes a command. False: not this one, and nothing was.
    #[inline(always)]
    pub(in crate::client) fn say(&mut self, command: &Command<'_>) -> bool {
        self.said = self.outbox.composed();
        self.inbox.has_room() && self.outbox.say(&self.pending, command, self.meta)
    }

    /// Sends what was said. False: the kernel did not take all of it.
    #[inline(always)]
    pub(in crate::client) fn send_all(&mut self) -> Result<bool, Loss> {
        let Phase::Ready(socket) = &self.phase else { return Ok(false) };
        match self.outbox.send_copied(socket) {
            Ok(()) => Ok(!self.outbox.unsent()),
            Err(Errno::INTR | Errno::AGAIN | Errno::NOBUFS) => Ok(false),
            Err(error) => Err(ended(error)),
        }
    }

    /// As [`Connection::receive`], of one that was at rest. How many bytes came.
    #[inline(always)]
    pub(in crate::client) fn receive_first(&mut self, wait: bool) -> Result<usize, Loss> {
        debug_assert!(!self.inbox.holds_a_part(), "nothing was awaited");
        let Phase::Ready(socket) = &self.phase else { return Ok(0) };
        let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        match recv(socket, self.inbox.own_room(), flags) {
            Ok((_, 0)) => Err(Loss::Broken),
            Ok((_, came)) => Ok(came),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(ended(error)),
        }
    }

    /// What was said awaits its answer, and is to be sent as far as it was not yet. `asked`: when it was said.
    #[cold]
    pub(in crate::client) fn remember(&mut self, tag: Tag, asked: Instant) {
        self.asked = asked;
        self.silence.broken(asked);
        self.pending.remember(Composed { tag, start: self.said });
        self.dirty = self.outbox.unsent();
    }

    /// The answer to what was said, if what came begins with all of it, and how many bytes it took.
    #[inline(always)]
    pub(in crate::client) fn whole_answer(&mut self, command: &Command<'_>) -> Option<(Reply<'_>, usize)> {
        self.pending.whole(command, self.meta, self.inbox.all(), &self.terms.limits)
    }
}
