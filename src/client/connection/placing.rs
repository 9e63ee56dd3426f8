//! A large value goes where the operation wants it, from the kernel at once.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::{Composed, Connection, Loss};
use crate::rules::operation::{Operation, Tag};
use crate::rules::wire::Reply;
use crate::rules::wire::pending::Opened;

/// So many bytes of a value must still be on their way: fewer come as soon with the answers beside them.
const WORTHWHILE: usize = 32 << 10;

/// A value that is received into memory of the operation's.
pub(super) struct Placing {
    tag: Tag,
    opened: Opened,
    filled: usize,
}

impl Placing {
    /// Whether all of its data came.
    pub(super) fn is_filled(&self) -> bool {
        self.filled == self.opened.len
    }

    /// How much of the answer came, but for what stands behind the data.
    #[cfg(test)]
    pub(super) fn came(&self) -> usize {
        self.opened.start + self.filled
    }

    /// Receives more of it.
    #[cold]
    pub(super) fn receive(
        &mut self,
        socket: &OwnedFd,
        flags: RecvFlags,
        operation: &mut (impl Operation + ?Sized),
    ) -> Result<Result<usize, Errno>, Loss> {
        let room = operation
            .room(self.tag, self.opened.len)
            .and_then(|room| room.get_mut(self.filled..self.opened.len));
        // Without the room nothing more can be read of this connection, which is not its server's fault.
        let received = recv(socket, room.ok_or(Loss::Local)?, flags).map(|((came, _), _)| came.len());
        self.filled += received.unwrap_or(0);
        Ok(received)
    }
}

impl Connection {
    /// More is to be received of an answer that is not whole. If what came is the beginning of a large value for which the operation has room,
    /// the rest is received there.
    #[cold]
    pub(super) fn place(&mut self, operation: &mut (impl Operation + ?Sized)) {
        if self.placing.is_some() || self.greeting() {
            return;
        }
        let (bytes, read) = self.inbox.unread();
        let question = |asked: Composed| operation.command(asked.tag);
        let Some((asked, opened)) = self.pending.opened(bytes, self.meta, &self.terms.limits, question)
        else {
            return;
        };
        let came = &bytes[opened.start..];
        if opened.len - came.len() < WORTHWHILE {
            return;
        }
        let Some(room) = operation.room(asked.tag, opened.len).filter(|room| room.len() == opened.len) else {
            return;
        };
        for (to, byte) in room.iter_mut().zip(came) {
            to.write(*byte);
        }
        *read += bytes.len();
        self.placing = Some(Placing { tag: asked.tag, opened, filled: came.len() });
    }

    /// The next whole answer, when it is of a value that is received into the operation's memory.
    #[cold]
    pub(super) fn placed(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
    ) -> Result<Option<(Tag, Reply<'_>)>, Loss> {
        let Some(placing) = self.placing.as_ref().filter(|placing| placing.is_filled()) else {
            return Ok(None);
        };
        let (bytes, read) = self.inbox.unread();
        let question = |asked: Composed| operation.command(asked.tag);
        match self.pending.next_behind(&placing.opened, bytes, self.meta, &self.terms.limits, question) {
            Ok(Some((asked, reply, taken))) => {
                *read += taken;
                self.placing = None;
                Ok(Some((asked.tag, reply)))
            }
            Ok(None) => Ok(None),
            Err(_) => Err(Loss::Broken),
        }
    }
}
