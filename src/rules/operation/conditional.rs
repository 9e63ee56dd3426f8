//! Conditional: add, replace, cas, append, prepend, as acting decides ([`Decided`]).

use super::decided::{Decided, Question, Verdict};
use super::put::Put;
use super::source::Source;
use super::{Outcome, cas, expiry, writable};
use crate::rules::bytes::Bytes;
use crate::rules::key::is_plain;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply, Verb};

/// Stores a value if a condition holds. Ends as Stored, NotStored, Exists, NotFound, Refused, Unavailable.
pub type Conditional<'a> = Decided<'a, Condition<'a>>;

/// A value, and the condition under which it is stored.
pub struct Condition<'a> {
    /// With the token that a read handed out.
    verb: Verb,
    key: Bytes<'a>,
    flags: u32,
    exptime: i64,
    value: Bytes<'a>,
    /// A token from elsewhere is compared all the same.
    compares: bool,
    /// Verb and expiry time as the server that is asked gets them.
    sent: (Verb, i64),
}

impl<'a> Conditional<'a> {
    /// `verb` carries the CAS *token* that a read handed out. Append and prepend ignore `flags` and
    /// `exptime`, which see [`Write::new`](super::Write::new).
    pub fn new(
        verb: Verb,
        key: impl Into<Bytes<'a>>,
        flags: u32,
        exptime: i64,
        value: impl Into<Bytes<'a>>,
    ) -> Conditional<'a> {
        let (key, value, sent) = (key.into(), value.into(), (verb, exptime));
        Decided::of(Condition { verb, key, flags, exptime, value, compares: false, sent })
    }

    /// A token from elsewhere, which names nothing that is there any more, is still compared: so that the caller learns
    /// whether there is anything (Exists) or not (NotFound).
    #[must_use]
    pub fn comparing(mut self) -> Conditional<'a> {
        self.question.compares = true;
        self
    }
}

impl<'a> Question<'a> for Condition<'a> {
    fn key(&self) -> &Bytes<'a> {
        &self.key
    }

    fn address(&mut self, view: &View, server: ServerId) -> Result<(), Outcome> {
        let exptime = expiry::on_server(view, &writable(view, &self.key)?, server, self.exptime);
        let verb = match self.verb {
            Verb::Cas(token) => match cas::value(view, server, token) {
                Some(value) => Verb::Cas(value),
                None if self.compares => Verb::Cas(cas::NEVER),
                None => return Err(Outcome::Exists),
            },
            verb => verb,
        };
        self.sent = (verb, exptime);
        Ok(())
    }

    fn command(&self) -> Command<'_> {
        let (verb, exptime) = self.sent;
        Command::Store { verb, key: &self.key, flags: self.flags, exptime, value: &self.value }
    }

    fn may_drop(&self) -> bool {
        // A key that no line can hold goes by `ms`.
        !is_plain(&self.key)
    }

    fn judge(&mut self, _view: &View, _server: Source, overtaken: bool, reply: &Reply<'_>) -> Verdict<'a> {
        match reply {
            Reply::Stored if matches!(self.verb, Verb::Append | Verb::Prepend) => {
                Verdict::Changed(Outcome::Stored)
            }
            Reply::Stored => {
                Verdict::Stored(Put::new(self.key.clone(), self.flags, self.exptime, self.value.clone()))
            }
            Reply::Refused(_) | Reply::Unsupported => Verdict::Refused,
            // A condition that did not hold changed nothing: under a newer view it is asked anew.
            _ if overtaken => Verdict::Again,
            Reply::NotStored => Verdict::Unchanged(Outcome::NotStored),
            Reply::Exists => Verdict::Unchanged(Outcome::Exists),
            _ => Verdict::Absent(Outcome::NotFound),
        }
    }
}
