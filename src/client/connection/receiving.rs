//! What comes over a connection, and the answers in it.

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::{Composed, Connection, Loss, Phase, ended};
use crate::rules::greeting::Greeting;
use crate::rules::operation::{Operation, Tag};
use crate::rules::wire::Reply;

impl Connection {
    /// Receives once; with `wait`, for up to the terms' patience. False: nothing came, or a signal did.
    pub(in crate::client) fn receive(
        &mut self,
        wait: bool,
        operation: &mut (impl Operation + ?Sized),
    ) -> Result<bool, Loss> {
        if self.inbox.holds_a_part() {
            self.place(operation);
        }
        let (Phase::Greeting(socket, _) | Phase::Ready(socket)) = &self.phase else { return Ok(false) };
        let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        let received = match &mut self.placing {
            Some(placing) if !placing.is_filled() => placing.receive(socket, flags, operation)?,
            _ => {
                let room = self.inbox.room().ok_or(Loss::NoMemory)?;
                recv(socket, room, flags).map(|(_, came)| came)
            }
        };
        match received {
            Ok(0) => Err(Loss::Broken),
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(ended(error)),
        }
    }

    /// The next whole answer among the bytes that came, if it is one that nearly always comes.
    #[inline(always)]
    pub(in crate::client) fn next_everyday(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
    ) -> Option<(Tag, Reply<'_>)> {
        if self.placing.is_some() || self.outbox.borrows() {
            return None;
        }
        let (bytes, read) = self.inbox.unread();
        let question = |asked: Composed| operation.command(asked.tag);
        let (asked, reply, taken) =
            self.pending.next_everyday(bytes, self.meta, &self.terms.limits, question)?;
        *read += taken;
        Some((asked.tag, reply))
    }

    /// The next whole answer among the bytes that came.
    #[inline]
    pub(in crate::client) fn next_answer(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
    ) -> Result<Option<(Tag, Reply<'_>)>, Loss> {
        if self.placing.is_some() {
            return self.placed(operation);
        }
        let (bytes, read) = self.inbox.unread();
        let question = |asked: Composed| operation.command(asked.tag);
        match self.pending.next(bytes, self.meta, &self.terms.limits, question) {
            Ok(Some((asked, reply, taken))) => {
                *read += taken;
                if self.outbox.borrows() {
                    self.outbox.keep(asked.tag, operation.command(asked.tag).value());
                }
                Ok(Some((asked.tag, reply)))
            }
            Ok(None) => Ok(None),
            Err(_) => Err(Loss::Broken),
        }
    }

    /// Reads the answers to the greeting. When both are there, the connection is ready.
    pub(in crate::client) fn greeted(&mut self) -> Result<Option<Greeting>, Loss> {
        let Phase::Greeting(_, greeting) = &mut self.phase else { return Ok(None) };
        loop {
            let (bytes, read) = self.inbox.unread();
            let question = |asked: Composed| Greeting::COMMANDS[if asked.tag == 0 { 0 } else { 1 }];
            match self.pending.next(bytes, false, &self.terms.limits, question) {
                Err(_) => return Err(Loss::Broken),
                Ok(None) => return Ok(None),
                Ok(Some((_, reply, taken))) => {
                    *read += taken;
                    if greeting.answer(&reply) {
                        break;
                    }
                }
            }
        }
        let greeting = greeting.clone();
        self.meta = greeting.meta();
        if let Phase::Greeting(socket, _) = std::mem::replace(&mut self.phase, Phase::Closed) {
            self.enter(Phase::Ready(socket));
        }
        Ok(Some(greeting))
    }
}
