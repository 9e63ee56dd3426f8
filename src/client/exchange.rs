//! An exchange: one operation and the connections that carry it. No step of it ever waits, except
//! the one receive that a caller asks to.
//!
//! Every command an operation gives is composed at once and everything is sent before anything is
//! awaited. Answers are told as they come, and the commands that follow from them leave at
//! once. A call's exchange and a trial's are the same thing; they differ in their [`Witness`].

mod ending;
mod in_turn;
mod losing;
#[cfg(feature = "programs")]
mod shared;
mod short;
mod witness;

use rustix::event::PollFlags;

use super::clock;
use super::connection::{Connection, Loss};
use super::wait::Watch;
use crate::rules::operation::{Failure, Operation, Tag};
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;

pub(super) use self::witness::{Lost, Planned, Welcome, Witness};

/// The connections of an exchange. See the module.
pub(super) struct Exchange {
    connections: Vec<Connection>,
    /// Those with something outstanding, by index.
    busy: Vec<usize>,
    /// Commands were handed over since this was looked at last.
    handed: bool,
    /// Reused, so that a failure allocates nothing once warm.
    lost: Vec<(Tag, Failure)>,
}

impl Exchange {
    /// With these connections, in the order of the pool.
    pub(super) fn new(connections: Vec<Connection>) -> Exchange {
        let busy = Vec::with_capacity(connections.len());
        Exchange { connections, busy, handed: false, lost: Vec::new() }
    }

    pub(super) fn connection(&mut self, server: ServerId) -> Option<&mut Connection> {
        self.connections.get_mut(server.index())
    }

    pub(super) fn connections(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.connections.iter_mut()
    }

    /// Gives its connections away.
    pub(super) fn into_connections(self) -> impl Iterator<Item = Connection> {
        self.connections.into_iter()
    }

    /// Whether nothing is outstanding.
    pub(super) fn idle(&self) -> bool {
        self.busy.is_empty()
    }

    /// Takes the operation's commands and sends them, until it has no more to say.
    pub(super) fn pump(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        self.take(operation, witness, now);
        let mut at = 0;
        while at < self.busy.len() && operation.outcome().is_none() {
            let index = self.busy[at];
            at += 1;
            if !std::mem::take(&mut self.connections[index].dirty) {
                continue;
            }
            if let Err(loss) = self.push(index, operation, witness, now) {
                self.lose(index, loss, operation, witness, now);
                // The operation went elsewhere, perhaps to a connection that was passed already.
                at = 0;
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, operation: &mut (impl Operation + ?Sized), witness: &mut impl Witness, now: Instant) {
        while let Some((server, tag)) = operation.next(witness.view()) {
            self.hand_over(server, tag, operation, witness, now);
        }
    }

    /// Gives a command to its server's connection.
    #[inline(always)]
    fn hand_over(
        &mut self,
        server: ServerId,
        tag: Tag,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        let Some(connection) = self.connections.get_mut(server.index()) else {
            // Of no server of this pool; nothing was sent.
            return operation.fail(witness.view(), tag, Failure::Unsent);
        };
        self.handed = true;
        if connection.is_at_work() && connection.ask_more(tag, &operation.command(tag)) {
            return;
        }
        self.hand_to(server, tag, operation, witness, now);
    }

    /// As [`Exchange::hand_over`], to whoever is not at work already.
    #[inline(never)]
    fn hand_to(
        &mut self,
        server: ServerId,
        tag: Tag,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        let connection = &mut self.connections[server.index()];
        let owes = connection.owes();
        if !owes && !self.busy.contains(&server.index()) {
            self.busy.push(server.index());
        }
        let planned = Planned::by(witness.view(), server);
        if connection.ready() && !owes && witness.outlived(server, connection.life()) {
            connection.close(true);
        }
        if planned.seen.unreachable && !owes {
            connection.hold_back(tag, planned);
            witness.waits_for(server, now);
        } else if let Err(reply) = connection.ask(tag, &operation.command(tag), planned, now) {
            operation.answer(witness.view(), tag, &reply);
        }
    }

    /// Moves one connection's outgoing side.
    #[inline]
    fn push(
        &mut self,
        index: usize,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) -> Result<(), Loss> {
        if self.connections[index].dialing() && self.connections[index].dial(now)? {
            self.connections[index].dirty = false;
            if self.connections[index].ready() {
                self.release(index, operation, witness, now);
            }
        }
        if self.outlived(index, witness) {
            return Err(Loss::Outlived);
        }
        self.connections[index].flush(operation, now)
    }

    /// Whether a connection was made in another life of its server than it is in by the view.
    #[inline]
    fn outlived(&self, index: usize, witness: &impl Witness) -> bool {
        let connection = &self.connections[index];
        connection.ready() && witness.outlived(connection.server(), connection.life())
    }

    /// The connection is ready: what was held back is composed.
    #[cold]
    fn release(
        &mut self,
        index: usize,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        let held = self.connections[index].take_held();
        for &tag in &held {
            if operation.outcome().is_some() {
                break;
            }
            let planned = self.connections[index].planned();
            if let Err(reply) = self.connections[index].ask(tag, &operation.command(tag), planned, now) {
                operation.answer(witness.view(), tag, &reply);
                self.take(operation, witness, now);
            }
        }
        self.connections[index].spare(held);
    }

    /// The connection was greeted, and what was planned for its server no longer holds.
    #[cold]
    fn recall(
        &mut self,
        index: usize,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        let held = self.connections[index].take_held();
        for &tag in &held {
            if operation.outcome().is_some() {
                break;
            }
            operation.fail(witness.view(), tag, Failure::Unsent);
            self.take(operation, witness, now);
        }
        self.connections[index].spare(held);
    }

    /// Whether commands wait for the table's word, or for an answer that was due.
    pub(super) fn parked(&self) -> bool {
        let waits = |connection: &Connection| connection.parked() || connection.endures();
        self.busy.iter().any(|&index| waits(&self.connections[index]))
    }

    /// Whether all that is outstanding waits for the table's word, and no server owes an answer or a connection.
    pub(super) fn awaits_nobody(&self) -> bool {
        let idles = |connection: &Connection| connection.waits() || !connection.owes();
        self.busy.iter().all(|&index| idles(&self.connections[index]))
    }

    /// Looks what became of the servers that connections lead to, or wait for, after the view was refreshed: what
    /// no longer holds is taken back, and who may be tried is tried.
    pub(super) fn reconsider(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        for at in 0..self.busy.len() {
            let index = self.busy[at];
            let outlived = self.outlived(index, witness);
            let connection = &mut self.connections[index];
            if !connection.owes() || operation.outcome().is_some() {
                continue;
            }
            if outlived || witness.moved_on(connection.server(), connection.promised()) {
                self.abandon(index, Loss::Outlived, operation, witness, now);
            } else if connection.waits() && witness.may_try(connection.server(), now) {
                connection.redial(now);
            }
        }
    }

    /// Receives once over one connection, and tells the operation what came. `wait`: see
    /// [`Connection::receive`]. Whether anything came.
    pub(super) fn read(
        &mut self,
        index: usize,
        wait: bool,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
    ) -> bool {
        let received = self.connections[index].receive(wait, operation);
        self.told(index, received, operation, witness, clock::now())
    }

    /// Tells the operation what was received over one connection. Whether anything was.
    fn told(
        &mut self,
        index: usize,
        received: Result<bool, Loss>,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) -> bool {
        let told = received.and_then(|came| {
            if came {
                self.connections[index].moved(now);
                self.digest(index, operation, witness, now)?;
            }
            Ok(came)
        });
        told.unwrap_or_else(|loss| {
            self.lose(index, loss, operation, witness, now);
            true
        })
    }

    fn digest(
        &mut self,
        index: usize,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) -> Result<(), Loss> {
        if self.connections[index].greeting() {
            let Some(greeting) = self.connections[index].greeted()? else { return Ok(()) };
            let welcome = witness.met(&self.connections[index], &greeting, now);
            let server = self.connections[index].server();
            self.connections[index].lives(witness.view().server(server).incarnation);
            match welcome {
                Welcome::Use => self.release(index, operation, witness, now),
                Welcome::Replan => self.recall(index, operation, witness, now),
                Welcome::Drop => return Err(Loss::Outdated),
                Welcome::Refuse => return Err(Loss::Stranger),
            }
        } else {
            // An answer is worth what its server is worth by now: one that fell since it was asked, and is back,
            // misses what it never lost.
            witness.look(now);
            if self.outlived(index, witness) {
                return Err(Loss::Outlived);
            }
        }
        let connection = &mut self.connections[index];
        let server = connection.server();
        let mut answered = false;
        while operation.outcome().is_none() {
            let (tag, reply) = match connection.next_everyday(operation) {
                Some(answer) => answer,
                None => match connection.next_answer(operation)? {
                    Some(answer) => answer,
                    None => break,
                },
            };
            if !std::mem::replace(&mut answered, true) {
                witness.answered(server, now);
            }
            operation.answer(witness.view(), tag, &reply);
        }
        if operation.outcome().is_some() {
            // What follows the last answer is nobody's: it ends the connection, not the call.
            return self.trailing(index, operation);
        }
        // What is asked now is not answered by what came before it was.
        self.take(operation, witness, now);
        Ok(())
    }

    /// The operation is over. Looks whether the connection is still in step, without any answer
    /// being told to anybody.
    fn trailing(&mut self, index: usize, operation: &mut (impl Operation + ?Sized)) -> Result<(), Loss> {
        let connection = &mut self.connections[index];
        if connection.owes() { Ok(()) } else { connection.next_answer(operation).map(drop) }
    }

    /// Adds the sockets to watch. How many.
    pub(super) fn watch<'a>(&'a self, watch: &mut Watch<'a>) -> usize {
        let watched = |&index: &usize| {
            let (socket, events) = self.connections[index].watched()?;
            watch.add(index, socket, events);
            Some(())
        };
        self.busy.iter().filter_map(watched).count()
    }

    /// Notes what was seen of the sockets that [`Exchange::watch`] added.
    pub(super) fn note(&mut self, seen: &[(usize, PollFlags)]) {
        for &(index, flags) in seen {
            self.connections[index].ready = flags;
        }
    }

    /// Somebody's time is up: of what was noted, only what came counts. Nothing is sent before the sockets are watched anew.
    pub(super) fn hush(&mut self) {
        self.busy.iter().for_each(|&index| self.connections[index].ready.remove(PollFlags::OUT));
    }

    /// Serves every connection that poll said is ready, each once.
    pub(super) fn serve(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        for at in 0..self.busy.len() {
            let index = self.busy[at];
            let ready = std::mem::replace(&mut self.connections[index].ready, PollFlags::empty());
            if ready.is_empty() || operation.outcome().is_some() {
                continue;
            }
            let dialing = self.connections[index].dialing();
            if (dialing || ready.contains(PollFlags::OUT))
                && let Err(loss) = self.push(index, operation, witness, now)
            {
                self.lose(index, loss, operation, witness, now);
                continue;
            }
            if !dialing && ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                self.read(index, false, operation, witness);
            }
        }
        self.tidy(now);
    }

    /// Ends what has been silent for too long. What lies in its socket is read before it is judged.
    pub(super) fn judge(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        for at in 0..self.busy.len() {
            let index = self.busy[at];
            let connection = &self.connections[index];
            if !connection.owes() || connection.due() > now || operation.outcome().is_some() {
                continue;
            }
            if connection.dialing() {
                if let Err(loss) = self.push(index, operation, witness, now) {
                    self.lose(index, loss, operation, witness, now);
                }
            } else if !self.read(index, false, operation, witness)
                && self.connections[index].convicted(now, witness.judges_for_others())
            {
                let change = self.connections[index].unanswered(|tag| operation.changes(tag));
                if change && witness.endures(self.connections[index].server(), now) {
                    self.connections[index].endure(now);
                } else {
                    self.lose(index, Loss::Silent, operation, witness, now);
                }
            }
        }
        self.tidy(now);
    }

    /// When [`Exchange::judge`] will have something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.busy.iter().map(|&index| self.connections[index].due()).min()
    }

    /// Lets go of the connections that owe nothing any more.
    fn tidy(&mut self, now: Instant) {
        let connections = &mut self.connections;
        self.busy.retain(|&index| {
            let owes = connections[index].owes();
            if !owes {
                connections[index].rest(now);
            }
            owes
        });
    }
}
