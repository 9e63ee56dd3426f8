//! Operations: what one call of a program asks of which servers, and what the answers mean.
//!
//! An operation is a state machine without input or output. A driver (the blocking client, the
//! proxy, the simulator) takes from it who is to be asked ([`Operation::next`]) and what
//! ([`Operation::command`]), and tells it what came back ([`Operation::answer`]) or that nothing
//! will ([`Operation::fail`]). It decides with the [`View`] it is handed each time. When a server
//! fails, or the view changed while it was at work, it plans anew and goes on: an operation is
//! finished when the view and the answers agree.
//!
//! The driver's side of the contract:
//! - after `new` and after every `answer` and `fail`, call `next` until it gives `None`;
//! - every tag that `next` gave gets exactly one `answer` or one `fail`;
//! - before a `fail` that a dead server caused, the view already shows what became of the server;
//! - when `outcome` is not `None` the operation is over, and no tag is outstanding, or the
//!   answers to those that are do not matter (the driver drops their connections);
//! - when time is up, drop it: every tag without an answer is a server that counts as down.

mod bring;
mod broadcast;
mod conditional;
mod counter;
mod delete;
mod read;
mod round;
mod touch;
mod write;

use super::pool::ServerId;
use super::view::View;
use super::wire::{Command, Reply};

/// Names one outstanding command of one operation.
pub type Tag = u32;

/// Why a command will not be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Not a byte of it was sent: it was certainly not executed.
    Unsent,
    /// It was sent, or partly: it may have been executed, may still be, or never was.
    Unanswered,
}

/// How a call ended: the reasons of rule 15.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The value was found.
    Hit,
    /// There is no such value.
    Miss,
    /// Stored, on every server that should have it.
    Stored,
    /// The condition did not hold.
    NotStored,
    /// The CAS value was another one.
    Exists,
    /// There is nothing under that key.
    NotFound,
    /// Deleted on every place.
    Deleted,
    /// Its expiry time was changed.
    Touched,
    /// The counter's new value.
    Number(u64),
    /// Done on every live server.
    Done,
    /// A server refused the command; its text is in [`Operation::refusal`].
    Refused,
    /// The server that knows could not be asked, or whether it did what it was asked is unknown.
    Unavailable,
    /// The call's time was up.
    Timeout,
}

/// What one call does. See the module's contract.
pub trait Operation {
    /// Whom to ask next, under which tag. `None`: nothing to send at the moment.
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)>;

    /// The command behind a tag that `next` gave and that is not yet answered. May be asked again
    /// and again: when it is composed, and as the question that an answer belongs to.
    fn command(&self, tag: Tag) -> Command<'_>;

    /// A server's answer.
    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>);

    /// There will be no answer.
    fn fail(&mut self, view: &View, tag: Tag, failure: Failure);

    /// How it ended; `None` while it is at work.
    fn outcome(&self) -> Option<Outcome>;

    /// The text of the server that refused.
    fn refusal(&self) -> Option<&[u8]> {
        None
    }

    /// Whether it changes anything on a server: then a server that is down meanwhile owes a flush.
    fn mutates(&self) -> bool {
        true
    }
}
