//! Conditional: add, replace, cas, append, prepend.
//!
//! One server decides (acting, or who [`Bring`] says); the others then get the outcome, never the
//! condition (rule 10). Two servers that were both asked could answer differently.

use super::bring::Bring;
use super::publish::{End, Publish};
use super::put::Put;
use super::source::Source;
use super::{Attempts, Failure, Operation, Outcome, Tag, cas, decides_alone, expiry, refused, writable};
use crate::rules::bytes::Bytes;
use crate::rules::hash::KeyHash;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply, Verb};

#[expect(
    clippy::large_enum_variant,
    reason = "the large variant is the usual one, and boxing it would allocate"
)]
#[derive(Clone, Debug)]
enum Stage<'a> {
    Begin,
    Bringing(Box<Bring<'a>>),
    Deciding {
        server: Source,
        verb: Verb,
        exptime: i64,
        asked: bool,
    },
    /// Stored by the server that decided; the others get the value.
    Putting(Put<'a>),
    /// The others get what came of it; then it ends with this outcome.
    Publishing(Box<Publish<'a>>, Outcome),
    Over(Outcome),
}

/// Stores a value if a condition holds. Ends as Stored, NotStored, Exists, NotFound, Refused, Unavailable.
pub struct Conditional<'a> {
    verb: Verb,
    key: Bytes<'a>,
    flags: u32,
    exptime: i64,
    value: Bytes<'a>,
    /// A token from elsewhere is compared all the same.
    compares: bool,
    stage: Stage<'a>,
    generation: u64,
    /// A copy was moved to who decides, and to nobody else yet.
    brought: bool,
    attempts: Attempts,
    refusal: Vec<u8>,
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
        let (stage, refusal) = (Stage::Begin, Vec::new());
        Conditional {
            verb,
            key: key.into(),
            flags,
            exptime,
            value: value.into(),
            compares: false,
            stage,
            generation: 0,
            brought: false,
            attempts: Attempts::default(),
            refusal,
        }
    }

    /// A token from elsewhere, which names nothing that is there any more, is still compared: so that the caller learns
    /// whether there is anything (Exists) or not (NotFound).
    #[must_use]
    pub fn comparing(self) -> Conditional<'a> {
        Conditional { compares: true, ..self }
    }

    fn begin(&mut self, view: &View) {
        match writable(view, &self.key) {
            Err(outcome) => self.stage = Stage::Over(outcome),
            Ok(placement) => match decides_alone(view, &placement) {
                Some(server) => self.decide(view, server),
                None => self.stage = Stage::Bringing(Box::new(Bring::new(self.key.clone()))),
            },
        }
    }

    fn begin_again(&mut self, view: &View) {
        if self.attempts.spent(view, self.generation) {
            self.stage = Stage::Over(Outcome::Unavailable);
        } else {
            self.begin(view);
        }
    }

    fn decide(&mut self, view: &View, server: ServerId) {
        self.generation = view.generation;
        let exptime = match writable(view, &self.key) {
            Ok(placement) => expiry::on_server(view, &placement, server, self.exptime),
            Err(outcome) => return self.stage = Stage::Over(outcome),
        };
        let verb = match self.verb {
            Verb::Cas(token) => match cas::value(view, server, token) {
                Some(value) => Verb::Cas(value),
                None if self.compares => Verb::Cas(cas::NEVER),
                None => return self.stage = Stage::Over(Outcome::Exists),
            },
            verb => verb,
        };
        let server = Source::of(view, server);
        self.stage = Stage::Deciding { server, verb, exptime, asked: false };
    }

    /// The server that decided has answered.
    fn decided(&mut self, view: &View, server: Source, reply: &Reply<'_>) {
        let ended = |outcome| Stage::Over(outcome);
        // What was brought to acting alone is to be on the mirror too: a walk may have been here already.
        let key = self.key.clone();
        let published = |outcome| Stage::Publishing(Box::new(Publish::new(key.clone(), server)), outcome);
        self.stage = match reply {
            Reply::Stored if matches!(self.verb, Verb::Append | Verb::Prepend) => {
                Stage::Publishing(Box::new(Publish::new(self.key.clone(), server)), Outcome::Stored)
            }
            Reply::Stored => Stage::Putting(
                Put::new(self.key.clone(), self.flags, self.exptime, self.value.clone()).from(server),
            ),
            Reply::Refused(_) | Reply::Unsupported => {
                self.refusal = refused(reply).unwrap_or_default().to_vec();
                ended(Outcome::Refused)
            }
            // A condition that did not hold changed nothing: under a newer view it is asked anew.
            _ if self.generation != view.generation => return self.begin_again(view),
            Reply::NotStored if self.brought => published(Outcome::NotStored),
            Reply::Exists if self.brought => published(Outcome::Exists),
            Reply::NotStored => ended(Outcome::NotStored),
            Reply::Exists => ended(Outcome::Exists),
            _ => ended(Outcome::NotFound),
        };
    }

    /// The server that was to decide did not answer.
    fn undecided(&mut self, view: &View, server: Source, failure: Failure) {
        if failure == Failure::Unanswered && server.intact(view) {
            // It lives and may have done it: that is for the caller to find out, but whatever it
            // has now, the others get too.
            self.stage =
                Stage::Publishing(Box::new(Publish::new(self.key.clone(), server)), Outcome::Unavailable);
        } else {
            // Not executed; or executed on a copy that is given up: no other place knows of it.
            self.begin_again(view);
        }
    }

    /// Goes on when the machine of the present stage is at its end.
    fn proceed(&mut self, view: &View) {
        match &self.stage {
            Stage::Bringing(bring) => match bring.end() {
                Some(Ok(server)) => {
                    self.brought |= bring.moved();
                    self.decide(view, server);
                }
                Some(Err(outcome)) => self.stage = Stage::Over(outcome),
                None => {}
            },
            Stage::Putting(put) => {
                if let Some(outcome) = put.outcome() {
                    self.stage = Stage::Over(outcome);
                }
            }
            Stage::Publishing(publish, outcome) => match (publish.end(), *outcome) {
                (Some(End::Published), outcome) => self.stage = Stage::Over(outcome),
                // Whatever it did, its copy is given up, and no other place knows of it.
                (Some(End::SourceLost), _) => self.begin_again(view),
                (Some(End::Failed(_)), _) => self.stage = Stage::Over(Outcome::Unavailable),
                (None, _) => {}
            },
            Stage::Begin | Stage::Deciding { .. } | Stage::Over(_) => {}
        }
    }
}

impl Operation for Conditional<'_> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        loop {
            let next = match &mut self.stage {
                Stage::Begin => {
                    self.begin(view);
                    continue;
                }
                Stage::Bringing(bring) => bring.next(view),
                Stage::Deciding { server, asked, .. } => {
                    (!std::mem::replace(asked, true)).then_some((server.server, 0))
                }
                Stage::Putting(put) => put.next(view),
                Stage::Publishing(publish, _) => publish.next(view),
                Stage::Over(_) => None,
            };
            if next.is_some() {
                return next;
            }
            let before = std::mem::discriminant(&self.stage);
            self.proceed(view);
            if before == std::mem::discriminant(&self.stage) {
                return None;
            }
        }
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        match &self.stage {
            Stage::Bringing(bring) => bring.command(),
            Stage::Putting(put) => put.command(tag),
            Stage::Publishing(publish, _) => publish.command(tag),
            Stage::Deciding { verb, exptime, .. } => Command::Store {
                verb: *verb,
                key: &self.key,
                flags: self.flags,
                exptime: *exptime,
                value: &self.value,
            },
            Stage::Begin | Stage::Over(_) => Command::Fetch { key: &self.key },
        }
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        match &mut self.stage {
            Stage::Bringing(bring) => bring.answer(view, reply),
            Stage::Putting(put) => put.answer(view, tag, reply),
            Stage::Publishing(publish, _) => publish.answer(view, tag, reply),
            Stage::Deciding { server, .. } => {
                let server = *server;
                self.decided(view, server, reply);
            }
            Stage::Begin | Stage::Over(_) => {}
        }
        self.proceed(view);
    }

    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        match &mut self.stage {
            Stage::Bringing(bring) => bring.fail(view, failure),
            Stage::Putting(put) => put.fail(view, tag, failure),
            Stage::Publishing(publish, _) => publish.fail(view, tag, failure),
            Stage::Deciding { server, .. } => {
                let server = *server;
                self.undecided(view, server, failure);
            }
            Stage::Begin | Stage::Over(_) => {}
        }
        self.proceed(view);
    }

    fn outcome(&self) -> Option<Outcome> {
        match self.stage {
            Stage::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn refusal(&self) -> Option<&[u8]> {
        (!self.refusal.is_empty()).then_some(&self.refusal)
    }

    fn hashes(&self, tell: &mut dyn FnMut(KeyHash)) {
        tell(KeyHash::of(&self.key));
    }

    fn keys(&self, tell: &mut dyn FnMut(&[u8])) -> bool {
        tell(&self.key);
        true
    }
}
