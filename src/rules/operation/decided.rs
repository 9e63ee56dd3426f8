//! Decided: one server decides, and the others then get the outcome, never the condition (rule 10).
//!
//! The one is acting, or who [`Bring`] says. Two servers that were both asked could answer differently. What is asked is a
//! [`Question`]: [`Conditional`](super::Conditional) and [`Pass`](super::Pass) have theirs.

use super::bring::Bring;
use super::publish::{End, Publish};
use super::put::Put;
use super::source::Source;
use super::spread::Spread;
use super::{Attempts, Failure, Operation, Outcome, Tag, decides_alone, refused, writable};
use crate::rules::bytes::Bytes;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// What one server decides.
pub trait Question<'a> {
    /// The key that it is about.
    fn key(&self) -> &Bytes<'a>;

    /// Gets ready to be asked of this server. `Err`: there is no need to ask.
    fn address(&mut self, view: &View, server: ServerId) -> Result<(), Outcome>;

    /// The command that asks.
    fn command(&self) -> Command<'_>;

    /// What follows from the answer. `overtaken`: it was asked under an older view.
    fn judge(&mut self, view: &View, server: Source, overtaken: bool, reply: &Reply<'_>) -> Verdict<'a>;

    /// Whether who refuses it may have dropped what was there, as memcached does when it has no room for the value of an `ms`,
    /// in whatever mode: what it still has the others get then, and if it has nothing they keep nothing.
    fn may_drop(&self) -> bool;

    /// Whether it can change anything: if not, it is asked again when there is no answer.
    fn changes(&self) -> bool {
        true
    }
}

/// What follows from the answer of the server that decides.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and boxing it would allocate")]
#[derive(Debug)]
pub enum Verdict<'a> {
    /// It was stored: the others get it.
    Stored(Put<'a>),
    /// It was changed: the others get what came of it.
    Changed(Outcome),
    /// It was deleted, or there was nothing to delete: so it is on every place, in the order of [`Spread`], because others may be
    /// moving copies of the key.
    Deleted(Outcome),
    /// It is as it was.
    Unchanged(Outcome),
    /// There is nothing.
    Absent(Outcome),
    /// The server will not, or cannot.
    Refused,
    /// It is to be asked anew.
    Again,
}

#[expect(
    clippy::large_enum_variant,
    reason = "the large variant is the usual one, and boxing it would allocate"
)]
enum Stage<'a> {
    Begin,
    Bringing(Box<Bring<'a>>),
    Deciding {
        server: Source,
        asked: bool,
    },
    /// Stored by the server that decided; the others get the value.
    Putting(Put<'a>),
    /// The others get what came of it; then it ends with this outcome.
    Publishing(Box<Publish<'a>>, Outcome),
    /// It is deleted on every place; then it ends with this outcome.
    Deleting(Box<Spread<'a>>, Outcome),
    Over(Outcome),
}

/// A question on its way: to the server that decides, and what came of it to the others.
pub struct Decided<'a, Q> {
    pub(super) question: Q,
    stage: Stage<'a>,
    generation: u64,
    /// A copy was moved to who decides, and to nobody else yet.
    brought: bool,
    attempts: Attempts,
    refusal: Vec<u8>,
}

impl<'a, Q: Question<'a>> Decided<'a, Q> {
    pub(super) fn of(question: Q) -> Decided<'a, Q> {
        let (attempts, refusal) = (Attempts::default(), Vec::new());
        Decided { question, stage: Stage::Begin, generation: 0, brought: false, attempts, refusal }
    }

    fn begin(&mut self, view: &View) {
        match writable(view, self.question.key()) {
            Err(outcome) => self.stage = Stage::Over(outcome),
            Ok(placement) => match decides_alone(view, &placement) {
                Some(server) => self.ask(view, server),
                None => self.stage = Stage::Bringing(Box::new(Bring::new(self.question.key().clone()))),
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

    fn ask(&mut self, view: &View, server: ServerId) {
        self.generation = view.generation;
        self.stage = match self.question.address(view, server) {
            Ok(()) => Stage::Deciding { server: Source::of(view, server), asked: false },
            Err(outcome) => Stage::Over(outcome),
        };
    }

    fn publish(&mut self, server: Source, outcome: Outcome) {
        let publish = Publish::new(self.question.key().clone(), server);
        self.stage = Stage::Publishing(Box::new(publish), outcome);
    }

    /// The server that decided has answered.
    fn decided(&mut self, view: &View, server: Source, reply: &Reply<'_>) {
        let overtaken = self.generation != view.generation;
        match self.question.judge(view, server, overtaken, reply) {
            Verdict::Stored(put) => self.stage = Stage::Putting(put.from(server)),
            Verdict::Changed(outcome) => self.publish(server, outcome),
            Verdict::Deleted(outcome) => {
                let delete = Spread::delete(self.question.key().clone());
                self.stage = Stage::Deleting(Box::new(delete), outcome);
            }
            // What was brought to acting alone is to be on the mirror too: a walk may have been here already.
            Verdict::Unchanged(outcome) if self.brought => self.publish(server, outcome),
            Verdict::Unchanged(outcome) | Verdict::Absent(outcome) => self.stage = Stage::Over(outcome),
            Verdict::Refused => {
                self.refusal = refused(reply).unwrap_or_default().to_vec();
                let dropped = matches!(reply, Reply::Refused(_)) && self.question.may_drop();
                if dropped || self.brought {
                    self.publish(server, Outcome::Refused);
                } else {
                    self.stage = Stage::Over(Outcome::Refused);
                }
            }
            Verdict::Again => self.begin_again(view),
        }
    }

    /// The server that was to decide did not answer.
    fn undecided(&mut self, view: &View, server: Source, failure: Failure) {
        if failure == Failure::Unanswered && server.intact(view) && self.question.changes() {
            // It lives and may have done it: that is for the caller to find out, but whatever it
            // has now, the others get too.
            self.publish(server, Outcome::Unavailable);
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
                    self.ask(view, server);
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
                // The refusal stands, also where its server cannot say any more what it left.
                (Some(End::SourceLost | End::Failed(_)), Outcome::Refused) => {
                    self.stage = Stage::Over(Outcome::Refused);
                }
                // Whatever it did, its copy is given up, and no other place knows of it.
                (Some(End::SourceLost), _) => self.begin_again(view),
                (Some(End::Failed(_)), _) => self.stage = Stage::Over(Outcome::Unavailable),
                (None, _) => {}
            },
            Stage::Deleting(delete, outcome) => match delete.outcome() {
                Some(Outcome::Deleted | Outcome::NotFound) => self.stage = Stage::Over(*outcome),
                Some(outcome) => {
                    self.refusal = delete.refusal().unwrap_or_default().to_vec();
                    self.stage = Stage::Over(outcome);
                }
                None => {}
            },
            Stage::Begin | Stage::Deciding { .. } | Stage::Over(_) => {}
        }
    }
}

impl<'a, Q: Question<'a>> Operation for Decided<'a, Q> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        loop {
            let next = match &mut self.stage {
                Stage::Begin => {
                    self.begin(view);
                    continue;
                }
                Stage::Bringing(bring) => bring.next(view),
                Stage::Deciding { server, asked } => {
                    (!std::mem::replace(asked, true)).then_some((server.server, 0))
                }
                Stage::Putting(put) => put.next(view),
                Stage::Publishing(publish, _) => publish.next(view),
                Stage::Deleting(delete, _) => delete.next(view),
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
            Stage::Deleting(delete, _) => delete.command(tag),
            Stage::Begin | Stage::Deciding { .. } | Stage::Over(_) => self.question.command(),
        }
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        match &mut self.stage {
            Stage::Bringing(bring) => bring.answer(view, reply),
            Stage::Putting(put) => put.answer(view, tag, reply),
            Stage::Publishing(publish, _) => publish.answer(view, tag, reply),
            Stage::Deleting(delete, _) => delete.answer(view, tag, reply),
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
            Stage::Deleting(delete, _) => delete.fail(view, tag, failure),
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

    fn key(&self) -> Option<&[u8]> {
        Some(self.question.key())
    }
}
