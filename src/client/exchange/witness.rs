//! Who an exchange speaks with about its servers: a client's views, or, for a trial, nobody but itself.

use super::super::clock;
use super::super::connection::{Connection, Loss};
use crate::rules::greeting::Greeting;
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;
use crate::rules::view::{ServerView, View};

/// Who is told what the exchange meets with, and says how the servers are seen.
pub(in crate::client) trait Witness {
    /// The view to decide by.
    fn view(&self) -> &View;
    /// A new connection was greeted, for commands of a plan that saw the server as `planned`.
    fn met(&mut self, connection: &Connection, greeting: &Greeting, now: Instant) -> Welcome;
    /// A server gave a good answer.
    fn answered(&mut self, server: ServerId, now: Instant);
    /// A connection was lost. When this returns, the view shows what became of the server. Whether its
    /// commands that were not sent wait for the table's word instead of being failed.
    fn lost(&mut self, server: ServerId, loss: Loss, what: Lost, now: Instant) -> bool;
    /// Whether a server counts as down for the machine's other processes too as soon as it is told here that it is
    /// silent.
    fn judges_for_others(&self) -> bool {
        false
    }
    /// The time after an answer that came soon; `asked`: when it was asked for, which will do where nobody goes by the time.
    #[inline]
    fn time_since(&self, _asked: Instant) -> Instant {
        clock::now()
    }
    /// An answer came: the view shows what is known by now. Whether that may be something else than before.
    fn look(&mut self, _now: Instant) -> bool {
        false
    }
    /// Whether nothing is to be sent or believed any more over a connection that was made in the life of this
    /// mark: by the view, its server is in another one, or down.
    fn outlived(&self, _server: ServerId, _life: u16) -> bool {
        false
    }
    /// A server owes an answer to a change for too long. Whether that answer is waited for all the same, until there
    /// is word of the server.
    fn endures(&mut self, _server: ServerId, _now: Instant) -> bool {
        false
    }
    /// A command waits for a server that cannot be reached.
    fn waits_for(&mut self, _server: ServerId, _now: Instant) {}
    /// Whether a server for which commands wait may be tried now. Who is told so tries it.
    fn may_try(&mut self, _server: ServerId, _now: Instant) -> bool {
        true
    }
    /// Whether what was asked of a server no longer holds; `planned`: when commands that wait for it were
    /// planned.
    fn moved_on(&self, _server: ServerId, _planned: Option<Planned>) -> bool {
        false
    }
}

/// What a command rests on.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::client) struct Planned {
    /// How its server was seen.
    pub(in crate::client) seen: ServerView,
    /// The view's generation.
    pub(in crate::client) generation: u64,
}

impl Planned {
    pub(in crate::client) fn by(view: &View, server: ServerId) -> Planned {
        Planned { seen: view.server(server), generation: view.generation }
    }
}

/// What was lost with a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct Lost {
    /// A change was sent over it and never answered.
    pub(in crate::client) doubt: bool,
    /// And its server is still there to execute it.
    pub(in crate::client) late: bool,
    /// What was not sent waited for the table's word already.
    pub(in crate::client) waited: bool,
    /// What was not sent has no other place to go: it is part of a change, or waited already.
    pub(in crate::client) bound: bool,
}

/// What becomes of a connection that was greeted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::client) enum Welcome {
    /// It carries the commands that wait for it.
    Use,
    /// They no longer hold, whether this greeting shows it or another client found out before.
    Replan,
    /// Its greeting was too long on its way to tell anything: it is dropped, and a new one is made.
    Drop,
    /// The server is in another life than the table tells of. Nothing is sent to it.
    Refuse,
}
