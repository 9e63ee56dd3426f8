//! One connection to one server: what is to be sent, what was received, what is owed.
//!
//! It knows no operation and decides nothing: it says what came and why it ended. The socket is in
//! blocking mode with a receive timeout, so that the one thing a call usually does, waiting
//! for one server's answer, is one system call; everything else is done with MSG_DONTWAIT.

mod ending;
mod parked;
mod patience;
mod phases;
mod placing;
mod receiving;
mod short;

use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};

pub(super) use self::phases::changes;
use self::placing::Placing;
use super::dial::{Dial, set_call};
use super::exchange::Planned;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::registry::{Known, Lookup};
use super::silence::Silence;
use crate::rules::greeting::Greeting;
use crate::rules::operation::{NO_MEMORY, Operation, Tag};
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;
use crate::rules::wire::parse::Limits;
use crate::rules::wire::pending::Pending;
use crate::rules::wire::{Command, Reply};

/// A connection that was not used for this long is looked at before it is used again: servers
/// close idle connections, and one that restarted closed them all.
const IDLE: Duration = Duration::from_secs(1);

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loss {
    /// It could not be made for want of something on this machine: file descriptors, ports, memory.
    Local,
    /// There is no memory for what came.
    NoMemory,
    /// What it was greeted with was too long on its way; that says nothing about the server.
    Outdated,
    /// It was greeted by another life of the server than the one that the table names.
    Stranger,
    /// Its server went down meanwhile, or began another life.
    Outlived,
    /// It could not be made.
    Refused,
    /// Nothing came for too long.
    Silent,
    /// It ended, or what came over it made no sense.
    Broken,
}

/// How one server's connections are used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// How long a connection may take to be made.
    pub(super) connect: Duration,
    /// How long the server may owe something without sending a byte.
    pub(super) patience: Duration,
    /// How long a whole call may take.
    pub(super) call: Duration,
    /// How often it is heard that long before who judges for the whole machine takes it for hung.
    pub(super) hearings: u32,
    /// What an answer may be at most.
    pub(super) limits: Limits,
    /// Whether a new connection first asks who the server is.
    pub(super) greets: bool,
    /// Whether what is sent leaves at once (TCP_NODELAY).
    pub(super) nodelay: bool,
    /// Who looks up a name that leads nowhere.
    pub(super) lookup: Lookup,
}

/// A command that was composed.
#[derive(Clone, Copy)]
struct Composed {
    tag: Tag,
    /// Where it begins, counted in bytes over the connection's life.
    start: u64,
}

enum Phase {
    Closed,
    /// Being made.
    Dialing(Dial),
    /// The server is asked who it is; commands are held back.
    Greeting(OwnedFd, Greeting),
    /// In use.
    Ready(OwnedFd),
}

/// One connection. See the module.
pub(super) struct Connection {
    server: ServerId,
    known: Arc<Known>,
    terms: Terms,
    phase: Phase,
    meta: bool,
    /// The mark of its server's life that it was made in.
    life: u16,
    outbox: Outbox,
    /// Where the command begins that was composed last by the short way.
    said: u64,
    inbox: Inbox,
    /// A value that is being received into memory of the operation's.
    placing: Option<Placing>,
    pending: Pending<Composed>,
    /// Commands that wait for the connection to be ready.
    held: Vec<Tag>,
    /// What the first of them rests on.
    planned: Planned,
    /// They wait for the table's word about a server that cannot be reached (rule 18), and no lost
    /// connection fails them.
    parked: bool,
    /// When it was begun to be made.
    begun: Instant,
    /// Since when something is owed without a pause.
    asked: Instant,
    /// Nothing moved while something was owed.
    silence: Silence,
    /// That was for too long, and the answer is waited for all the same.
    endures: bool,
    used: Instant,
    /// Its server is not able to take something that was asked of it. Another one may be in its place by now.
    lacking: bool,
    /// What poll said last.
    pub(super) ready: PollFlags,
    /// Something was added that was not tried to be sent.
    pub(super) dirty: bool,
}

impl Connection {
    /// A connection that is made when it is first used.
    pub(super) fn new(server: ServerId, known: Arc<Known>, terms: Terms) -> Connection {
        Connection {
            server,
            known,
            terms,
            phase: Phase::Closed,
            meta: false,
            life: 0,
            outbox: Outbox::default(),
            said: 0,
            inbox: Inbox::default(),
            placing: None,
            pending: Pending::default(),
            held: Vec::new(),
            planned: Planned::default(),
            parked: false,
            begun: Instant(0),
            asked: Instant(0),
            silence: Silence::default(),
            endures: false,
            used: Instant(0),
            lacking: false,
            ready: PollFlags::empty(),
            dirty: false,
        }
    }

    pub(super) fn server(&self) -> ServerId {
        self.server
    }

    /// Whether it leads to the server that is known as this.
    pub(super) fn is_to(&self, known: &Arc<Known>) -> bool {
        Arc::ptr_eq(&self.known, known)
    }

    /// Its server has this number from now on: the list changed around it.
    pub(super) fn renumber(&mut self, server: ServerId) {
        self.server = server;
    }

    /// The socket of an established connection.
    pub(super) fn socket(&self) -> Option<&OwnedFd> {
        match &self.phase {
            Phase::Greeting(socket, _) | Phase::Ready(socket) => Some(socket),
            Phase::Closed | Phase::Dialing(_) => None,
        }
    }

    /// The socket to watch, and for what.
    pub(super) fn watched(&self) -> Option<(&OwnedFd, PollFlags)> {
        match &self.phase {
            Phase::Closed => None,
            Phase::Dialing(dial) => Some((dial.socket()?, PollFlags::OUT)),
            Phase::Greeting(socket, _) | Phase::Ready(socket) if self.unsent() => {
                Some((socket, PollFlags::IN | PollFlags::OUT))
            }
            Phase::Greeting(socket, _) | Phase::Ready(socket) => Some((socket, PollFlags::IN)),
        }
    }

    /// When it was begun to be made.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// The mark of its server's life that it was made in.
    #[inline]
    pub(super) fn life(&self) -> u16 {
        self.life
    }

    /// It was greeted in this life of its server.
    pub(super) fn lives(&mut self, life: u16) {
        self.life = life;
    }

    fn unsent(&self) -> bool {
        self.outbox.unsent()
    }

    /// Whether something is outstanding.
    pub(super) fn owes(&self) -> bool {
        !self.pending.is_empty() || !self.held.is_empty() || self.unsent()
    }

    /// Whether an answer is all that is awaited, and since `now`.
    pub(super) fn only_answers(&self, now: Instant) -> bool {
        self.ready() && !self.unsent() && !self.endures && self.silence.is_young(now, self.terms.patience)
    }

    /// When its silence is too long, or dialing has something to do.
    pub(super) fn due(&self) -> Instant {
        match &self.phase {
            Phase::Dialing(dial) => dial.due(),
            Phase::Closed if self.parked => Instant(u64::MAX),
            _ => self.silence.due(self.terms.patience),
        }
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Other terms from now on.
    pub(super) fn set_terms(&mut self, terms: Terms) {
        let nodelay = std::mem::replace(&mut self.terms, terms).nodelay;
        if let Some(socket) = self.socket() {
            if nodelay != terms.nodelay {
                // A unix socket has no such option, and needs none.
                let _ = sockopt::set_tcp_nodelay(socket, terms.nodelay);
            }
            // A socket that takes no timeout is found out by the poll before it.
            let _ = set_patience(socket, terms.patience);
            let _ = set_call(socket, terms.call);
        }
    }

    /// Takes in a command: into the buffer, or held back until the connection is ready. `planned`: what it rests on.
    ///
    /// # Errors
    /// What is to be told in the server's stead: it has no meta commands, or there is no memory.
    pub(super) fn ask(
        &mut self,
        tag: Tag,
        command: &Command<'_>,
        planned: Planned,
        now: Instant,
    ) -> Result<(), Reply<'static>> {
        if !self.owes() {
            self.begin(now);
        }
        self.dirty = true;
        if self.ready() {
            // Room for a short answer too: what became of a change must not be unknown for want of memory.
            let has_room = self.inbox.make_room();
            let asked = if has_room { self.compose(tag, command) } else { Err(Reply::Refused(NO_MEMORY)) };
            self.lacking |= asked == Err(Reply::Unsupported);
            return asked;
        }
        if self.held.is_empty() {
            self.planned = planned;
        }
        self.held.try_reserve(1).map_err(|_| Reply::Refused(NO_MEMORY))?;
        self.held.push(tag);
        Ok(())
    }

    /// Whether it is ready and owes something.
    #[inline]
    pub(super) fn is_at_work(&self) -> bool {
        self.ready() && !self.pending.is_empty()
    }

    /// As [`Connection::ask`], of one that is at work.
    #[inline(always)]
    pub(super) fn ask_more(&mut self, tag: Tag, command: &Command<'_>) -> bool {
        self.dirty = true;
        self.compose(tag, command).is_ok()
    }

    /// The first command after a rest.
    fn begin(&mut self, now: Instant) {
        self.silence.broken(now);
        self.asked = now;
        if self.ready() && (self.lacking || self.was_idle(now)) && self.closed_meanwhile() {
            self.close(false);
        }
        if let Phase::Closed = self.phase {
            self.lacking = false;
            let limit = self.terms.connect.min(self.terms.patience);
            self.begun = now;
            let sites = self.known.sites_to_dial(self.terms.lookup, now);
            self.enter(Phase::Dialing(Dial::new(sites, now, limit, self.terms.call)));
        }
    }

    /// Whether it was not used for [`IDLE`].
    #[inline(always)]
    fn was_idle(&self, now: Instant) -> bool {
        now.0.saturating_sub(self.used.0) > IDLE.as_micros() as u64
    }

    /// Nobody owes anything here, so whatever can be read is an end, or nonsense.
    fn closed_meanwhile(&self) -> bool {
        let Phase::Ready(socket) = &self.phase else { return false };
        let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        !matches!(recv(socket, &mut [0u8; 1][..], peek), Err(Errno::AGAIN | Errno::INTR))
    }

    #[inline(always)]
    fn compose(&mut self, tag: Tag, command: &Command<'_>) -> Result<(), Reply<'static>> {
        if !self.outbox.make_room(&mut self.pending, command) {
            return Err(Reply::Refused(NO_MEMORY));
        }
        let composed = Composed { tag, start: self.outbox.composed() };
        let asked = self.outbox.ask(&mut self.pending, (composed, tag), command, self.meta);
        if asked { Ok(()) } else { Err(Reply::Unsupported) }
    }

    /// What the commands that are held back rest on.
    pub(super) fn planned(&self) -> Planned {
        self.planned
    }

    /// Takes out the commands that were held back; give the list back with [`Connection::spare`].
    pub(super) fn take_held(&mut self) -> Vec<Tag> {
        self.parked = false;
        std::mem::take(&mut self.held)
    }

    /// Gives back a list for its memory.
    pub(super) fn spare(&mut self, mut list: Vec<Tag>) {
        if self.held.is_empty() {
            list.clear();
            self.held = list;
        }
    }

    /// Goes on with dialing. True: it is established now, and greets when it should.
    pub(super) fn dial(&mut self, now: Instant) -> Result<bool, Loss> {
        let Phase::Dialing(dial) = &mut self.phase else { return Ok(false) };
        let Some(socket) = dial.step(now)? else { return Ok(false) };
        self.known.dialled(true);
        set_patience(&socket, self.terms.patience).map_err(|_| Loss::Local)?;
        if !self.terms.nodelay {
            // It was made with it; a unix socket has no such option, and needs none.
            let _ = sockopt::set_tcp_nodelay(&socket, false);
        }
        self.dirty = true;
        self.used = now;
        if !self.terms.greets {
            self.meta = false;
            self.silence.broken(now);
            self.enter(Phase::Ready(socket));
            return Ok(true);
        }
        // Silence goes on counting from the beginning: a server that is cut off and one that
        // accepts and hangs cost a call the same.
        for (tag, command) in (0..).zip(&Greeting::COMMANDS) {
            self.outbox.ask(&mut self.pending, (Composed { tag, start: 0 }, tag), command, false);
        }
        self.enter(Phase::Greeting(socket, Greeting::default()));
        Ok(true)
    }

    /// Sends what the kernel takes.
    #[inline]
    pub(super) fn flush(&mut self, operation: &(impl Operation + ?Sized), now: Instant) -> Result<(), Loss> {
        self.outbox.close(&mut self.pending);
        let (Phase::Greeting(socket, _) | Phase::Ready(socket)) = &self.phase else { return Ok(()) };
        while self.outbox.unsent() {
            let owes_an_answer = self.owes_an_answer();
            match self.outbox.send(socket, |tag| operation.command(tag).value()) {
                Ok(()) => {
                    if self.ready() && !owes_an_answer {
                        self.silence.broken(now);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN | Errno::NOBUFS) => return Ok(()),
                Err(error) => return Err(ended(error)),
            }
        }
        Ok(())
    }
}

/// What an error of an established connection says. One that this machine gave up was not ended by its server,
/// which may still execute what it was sent.
fn ended(error: Errno) -> Loss {
    match error {
        Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::NETUNREACH => Loss::Silent,
        // A value that is not the one of before: see `Outbox::send`.
        Errno::INVAL => Loss::Local,
        _ => Loss::Broken,
    }
}

/// The receive timeout; the kernel takes zero for "for ever".
fn set_patience(socket: &OwnedFd, patience: Duration) -> Result<(), Errno> {
    let patience = patience.clamp(Duration::from_millis(1), Duration::from_secs(24 * 3600));
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Recv, Some(patience))
}

#[cfg(test)]
mod tests;
