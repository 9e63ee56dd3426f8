//! The short way of the everyday call: one command to one server over a connection that is at rest, sent as a whole, and its
//! answer received as a whole.
//!
//! It decides nothing and knows no failure. Where anything is otherwise it has done what [`Exchange::pump`] and
//! [`Exchange::read`] would have done so far, and the call goes on with those: a command is remembered as soon as
//! there is something to remember it for.

use super::{Exchange, Witness};
use crate::client::Whole;
use crate::client::busy::Busy;
use crate::client::clock;
use crate::client::connection::{Connection, Loss};
use crate::rules::operation::{Operation, Tag};
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;

impl Exchange {
    /// Begins an operation by the short way, where it can be gone. Waits for one answer, for no longer than the server's
    /// patience. The time by then; `None`: nothing was waited for.
    #[inline(always)]
    pub(in crate::client) fn go_short(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        busy: &mut Busy,
        now: Instant,
    ) -> Option<Instant> {
        let (server, tag) = operation.next(witness.view())?;
        let another = operation.next(witness.view());
        let Some(connection) = self.at_rest(server, witness, now).filter(|_| another.is_none()) else {
            self.go_long((server, tag), another, operation, witness, now);
            return None;
        };
        let command = operation.command(tag);
        if !connection.say(&command) {
            self.go_long((server, tag), None, operation, witness, now);
            return None;
        }
        let sent = connection.send_all();
        if sent != Ok(true) {
            self.send_the_rest(tag, server.index(), sent, operation, witness, now);
            return None;
        }
        let received = busy.receive(now, |wait| connection.receive_first(wait));
        if let Ok(came @ 1..) = received {
            let later = witness.time_since(now);
            let outlived = witness.look(later) && witness.outlived(server, connection.life());
            if !outlived
                && let Some((reply, taken)) = connection.whole_answer(&command)
                && taken == came
            {
                witness.answered(server, later);
                operation.answer(witness.view(), tag, &reply);
                connection.rest(later);
                return Some(later);
            }
        }
        let later = clock::now();
        connection.remember(tag, now);
        self.busy.push(server.index());
        self.told_the_rest(server.index(), received.map(|came| came > 0), operation, witness, later);
        Some(later)
    }

    /// A server's connection, if a command can be sent over it at once.
    #[inline(always)]
    fn at_rest(&mut self, server: ServerId, witness: &impl Witness, now: Instant) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(server.index())?;
        let rests = connection.is_at_rest(now)
            && !witness.outlived(server, connection.life())
            && !witness.view().unreachable(server);
        rests.then_some(connection)
    }

    /// There is more to do than the short way can.
    #[inline(never)]
    fn go_long(
        &mut self,
        (server, tag): (ServerId, Tag),
        another: Option<(ServerId, Tag)>,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        let _whole = Whole::begin();
        self.hand_over(server, tag, operation, witness, now);
        if let Some((server, tag)) = another
            && operation.outcome().is_none()
        {
            self.hand_over(server, tag, operation, witness, now);
        }
    }

    /// The kernel did not take all of a command.
    #[cold]
    fn send_the_rest(
        &mut self,
        tag: Tag,
        index: usize,
        sent: Result<bool, Loss>,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        let _whole = Whole::begin();
        self.connections[index].remember(tag, now);
        self.busy.push(index);
        if let Err(loss) = sent {
            self.lose(index, loss, operation, witness, now);
        }
    }

    /// Another answer came than the short way takes, or none.
    #[inline(never)]
    fn told_the_rest(
        &mut self,
        index: usize,
        received: Result<bool, Loss>,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        let _whole = Whole::begin();
        self.told(index, received, operation, witness, now);
    }
}
