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
//! - a command for a server that the view calls unreachable is held back by the driver. When the
//!   server can be reached again it is sent; when the view's generation changes before that, it is told
//!   as `fail` with `Unsent`, and the operation plans anew. Reads pass such a server by, and give a
//!   command for it only when no other place had the key: to ask it then means to wait for it. What
//!   changes something does not look at the mark at all, and so waits too (rule 18);
//! - an operation of which nothing is outstanding and that gives no command and no outcome waits for the pool's list of
//!   servers ([`View::outdated`]): the driver changes over to it and calls `next` again;
//! - when `outcome` is not `None` the operation is over, and no tag is outstanding, or the
//!   answers to those that are do not matter (the driver drops their connections);
//! - when time is up, drop it: every tag without an answer is a server that counts as down.

mod bring;
mod broadcast;
mod cas;
mod conditional;
mod counter;
mod cursor;
mod decided;
mod expiry;
mod get_and_touch;
mod many;
mod mover;
mod pass;
mod publish;
mod put;
mod read;
mod round;
mod source;
mod spread;
mod write;

#[cfg(test)]
mod stories;

pub use broadcast::{Broadcast, Everywhere, Sink};
pub use conditional::{Condition, Conditional};
pub use counter::Counter;
pub use decided::Decided;
pub use get_and_touch::GetAndTouch;
pub use many::{Many, Parts};
pub use mover::{Found, Move, Moves, concerns};
pub use pass::{Pass, Passed, Relay};
pub use read::{Batch, Read};
pub use spread::Spread;
pub use write::Write;

use std::mem::MaybeUninit;

use super::hash::KeyHash;
use super::places::Placement;
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
    /// A server refused the command, or is not able to take such a key; why is in
    /// [`Operation::refusal`].
    Refused,
    /// The server that knows could not be asked, or whether it did what it was asked is unknown.
    Unavailable,
    /// The call's time was up.
    Timeout,
}

impl Outcome {
    /// Nothing may be concluded about the key: the call was not carried out, or nobody knows.
    pub fn is_failure(self) -> bool {
        matches!(self, Outcome::Refused | Outcome::Unavailable | Outcome::Timeout)
    }
}

/// What one call does. See the module's contract.
pub trait Operation {
    /// Whom to ask next, under which tag. `None`: nothing to send at the moment.
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)>;

    /// The command behind a tag that `next` gave and that is not yet answered. May be asked again
    /// and again: when it is composed, and as the question that an answer belongs to.
    fn command(&self, tag: Tag) -> Command<'_>;

    /// Where the value that answers this command is to be received, if there is memory for its `len` bytes by now: then it is
    /// told without its data ([`Value::placed`](super::wire::Value::placed)). Asked when the value's first line was read, and
    /// again whenever more of it comes: the same memory as long as the command is not answered or failed. What becomes of
    /// what was received in it then is the answer's to tell.
    fn room(&mut self, _tag: Tag, _len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        None
    }

    /// A server's answer.
    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>);

    /// There will be no answer.
    fn fail(&mut self, view: &View, tag: Tag, failure: Failure);

    /// How it ended; `None` while it is at work.
    fn outcome(&self) -> Option<Outcome>;

    /// The text of the server that refused, or ours for one that was not asked.
    fn refusal(&self) -> Option<&[u8]> {
        None
    }

    /// The key that it changes, if it is one, and known.
    fn key(&self) -> Option<&[u8]> {
        None
    }

    /// Tells the hash of every key that it changes: whose stripes are to be held while it is at work (rule 12).
    fn hashes(&self, tell: &mut dyn FnMut(KeyHash)) {
        if let Some(key) = self.key() {
            tell(KeyHash::of(key));
        }
    }

    /// Tells every key whose value it changes: what a server which it passes by must not keep. (To move a copy changes no
    /// value.) False: it changes others too, which it cannot tell.
    fn keys(&self, tell: &mut dyn FnMut(&[u8])) -> bool {
        self.key().map(tell).is_some()
    }

    /// Tells the keys whose values were read at a later place than acting, which is to have them, and from which server:
    /// to be asked when it is over.
    fn displaced(&self, _tell: &mut dyn FnMut(&[u8], ServerId)) {}

    /// Whether it changes anything on a server: then a server that is down meanwhile owes a flush.
    fn mutates(&self) -> bool {
        true
    }

    /// Whether this command is part of a change: of one that is never answered it is unknown what became of it.
    fn changes(&self, _tag: Tag) -> bool {
        self.mutates()
    }
}

/// The placement that a change of `key` may go by; or why none may be made: no server is live, or
/// most servers seem down and the change would pass by one of them (rule 14).
fn writable(view: &View, key: &[u8]) -> Result<Placement, Outcome> {
    let placement = Placement::of(view, key).ok_or(Outcome::Unavailable)?;
    if view.all_steady() {
        return Ok(placement);
    }
    if placement.places.is_empty() || view.keeps_changes_from(placement.home) {
        return Err(Outcome::Unavailable);
    }
    Ok(placement)
}

/// The server whose miss is a miss: a steady home, or the only place of a pool without backups.
/// `None`: what the later places hold must be brought to acting before it can decide; and where there
/// are none, a stub that a move left behind must be told from a value.
fn decides_alone(view: &View, placement: &Placement) -> Option<ServerId> {
    let home_complete = view.complete(placement.home);
    let no_stubs = !view.pool.options.backups;
    placement.acting().filter(|_| home_complete || (no_stubs && placement.places.len() == 1))
}

/// What is told of a server that was not asked: it is not able to take the key.
const UNABLE: &[u8] = b"the server has no meta commands (memcached 1.6 and later), \
which a key with spaces, control characters or NUL needs";

/// What is told of a server that was not asked, or whose answer was not taken in: that would take more memory than
/// this process can have. Its server is none the worse for it.
pub const NO_MEMORY: &[u8] = b"this process has no memory for it";

/// The text of a reply that refuses.
fn refused<'r>(reply: &Reply<'r>) -> Option<&'r [u8]> {
    match reply {
        Reply::Refused(text) => Some(text),
        Reply::Unsupported => Some(UNABLE),
        _ => None,
    }
}

/// How often an operation planned anew although nothing had changed.
///
/// Every such plan took a connection with it; a server loses at most two before it counts as down. A
/// plan that a newer view overtook is no failure of the operation. Nor is one that was made while a
/// server is unreachable: what goes there waits in the driver, and the call's deadline ends that.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts(u16);

impl Attempts {
    /// A plan made under the generation `planned` failed. Whether it was one too many.
    fn spent(&mut self, view: &View, planned: u64) -> bool {
        if planned == view.generation && !view.any_unreachable() {
            self.0 = self.0.saturating_add(1);
        }
        usize::from(self.0) > view.pool.servers().len() * 2 + 4
    }
}
