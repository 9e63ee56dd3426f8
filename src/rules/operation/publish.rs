//! Publish: the outcome of an operation that one server decided goes to the other places.
//!
//! What the outcome is, only the server that decided knows: its copy is fetched with flags and
//! remaining time to live, and [`Put`] where the rules place it. Where the remaining time cannot be
//! told (no meta commands) the other places are cleared instead: one right copy, and no copy that
//! outlives it.
//!
//! A copy that a client marked as stale (`md I`) is not fetched to be stored elsewhere, where it would pass for a fresh one:
//! the others are cleared, and whoever reads it next is told that it is his turn to fetch a new one, as if we had not read it.

use super::bring::Copied;
use super::put::Put;
use super::round::{Fate, Round};
use super::source::Source;
use super::{Attempts, Failure, Outcome, Tag, expiry, writable};
use crate::rules::bytes::Bytes;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Lease, Reply};

/// How publishing ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Every place has the outcome, or nothing.
    Published,
    /// The source went down, or was restarted, before its copy was read; nothing was changed elsewhere.
    SourceLost,
    /// It could not be done.
    Failed(Outcome),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Job {
    Fetch,
    Delete,
    /// The turn that fetching it took away is given back, unless it is another value by now.
    Invalidate(u64),
}

#[derive(Clone, Debug)]
enum Stage<'a> {
    Begin,
    Fetching,
    Putting(Box<Put<'a>>),
    Clearing,
    Over(End),
}

/// The way of an outcome to the other places.
#[derive(Clone, Debug)]
pub(super) struct Publish<'a> {
    key: Bytes<'a>,
    source: Source,
    stage: Stage<'a>,
    round: Round<Job>,
    generation: u64,
    attempts: Attempts,
    /// Fetching the copy with this CAS value took the turn to fetch a new one.
    turn: Option<u64>,
    /// Other places were cleared: if the source is lost now, it is not as if nothing had happened.
    cleared: bool,
}

impl<'a> Publish<'a> {
    pub(super) fn new(key: impl Into<Bytes<'a>>, source: Source) -> Publish<'a> {
        let round = Round::new();
        Publish {
            key: key.into(),
            source,
            stage: Stage::Begin,
            round,
            generation: 0,
            attempts: Attempts::default(),
            turn: None,
            cleared: false,
        }
    }

    pub(super) fn end(&self) -> Option<End> {
        match self.stage {
            Stage::Over(end) => Some(end),
            _ => None,
        }
    }

    fn begin(&mut self, view: &View) {
        self.generation = view.generation;
        self.round.clear();
        self.stage = match writable(view, &self.key) {
            Err(outcome) => Stage::Over(End::Failed(outcome)),
            Ok(_) if !self.source.intact(view) => Stage::Over(self.source_lost()),
            Ok(placement) if placement.places.iter().all(|place| *place == self.source.server) => {
                Stage::Over(End::Published)
            }
            Ok(_) => {
                self.round.ask(self.source.server, Job::Fetch);
                Stage::Fetching
            }
        };
    }

    /// What was stored there may have been the only copy of the outcome, and what was elsewhere before is gone.
    fn source_lost(&self) -> End {
        if self.cleared { End::Failed(Outcome::Unavailable) } else { End::SourceLost }
    }

    fn begin_again(&mut self, view: &View) {
        if self.attempts.spent(view, self.generation) {
            self.stage = Stage::Over(End::Failed(Outcome::Unavailable));
        } else {
            self.begin(view);
        }
    }

    fn fetched(&mut self, view: &View, reply: &Reply<'_>) {
        if !self.source.intact(view) {
            // An empty server's miss must not clear the copies that are left.
            return self.stage = Stage::Over(self.source_lost());
        }
        match reply {
            Reply::Value(value) if value.stale => {
                if value.lease == Some(Lease::Won) {
                    self.turn = Some(value.cas);
                }
                self.clear_others(view);
            }
            Reply::Value(value) if !value.is_stub() && value.ttl_known => {
                let Some(Copied { data, flags, ttl }) = Copied::of(value) else {
                    return self.stage = Stage::Over(End::Failed(Outcome::Unavailable));
                };
                let put = Put::new(self.key.clone(), flags, expiry::remaining(view, ttl), data);
                self.stage = Stage::Putting(Box::new(put.from(self.source)));
                self.settle_put();
            }
            Reply::Refused(_) => self.stage = Stage::Over(End::Failed(Outcome::Unavailable)),
            // How long it has to live is unknown, so it cannot be copied; and to clear acting would
            // hide it behind a steady home's miss. What acting has stays: the caller is told so.
            Reply::Value(value) if !value.is_stub() && !self.source_acts(view) => {
                self.stage = Stage::Over(End::Failed(Outcome::Unavailable));
            }
            _ => self.clear_others(view),
        }
    }

    fn source_acts(&self, view: &View) -> bool {
        writable(view, &self.key).is_ok_and(|placement| placement.acting() == Some(self.source.server))
    }

    fn clear_others(&mut self, view: &View) {
        self.generation = view.generation;
        self.round.clear();
        let Ok(placement) = writable(view, &self.key) else {
            return self.stage = Stage::Over(End::Failed(Outcome::Unavailable));
        };
        for &server in placement.places.iter().filter(|place| **place != self.source.server) {
            self.round.ask(server, Job::Delete);
        }
        self.cleared |= !self.round.legs().is_empty();
        if let Some(cas) = self.turn {
            self.round.ask(self.source.server, Job::Invalidate(cas));
        }
        self.stage = if self.round.legs().is_empty() { Stage::Over(End::Published) } else { Stage::Clearing };
    }

    fn judge_clearing(&mut self, view: &View) {
        if self.round.any_lost() || self.generation != view.generation {
            return self.begin_again(view);
        }
        let stuck = self.round.legs().iter().any(|leg| leg.fate == Fate::Refused);
        self.stage = Stage::Over(if stuck { End::Failed(Outcome::Refused) } else { End::Published });
    }

    fn settle_put(&mut self) {
        if let Stage::Putting(put) = &self.stage {
            match put.outcome() {
                Some(Outcome::Stored) => self.stage = Stage::Over(End::Published),
                Some(outcome) => self.stage = Stage::Over(End::Failed(outcome)),
                None => {}
            }
        }
    }

    pub(super) fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        if let Stage::Begin = self.stage {
            self.begin(view);
        }
        match &mut self.stage {
            Stage::Putting(put) => {
                let next = put.next(view);
                self.settle_put();
                next
            }
            Stage::Over(_) => None,
            _ => self.round.next(),
        }
    }

    pub(super) fn command(&self, tag: Tag) -> Command<'_> {
        match &self.stage {
            Stage::Putting(put) => put.command(tag),
            _ => match self.round.job(tag).1 {
                Job::Fetch => Command::Fetch { key: &self.key },
                Job::Delete => Command::Delete { key: &self.key },
                Job::Invalidate(cas) => Command::Invalidate { key: &self.key, cas },
            },
        }
    }

    pub(super) fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        match &mut self.stage {
            Stage::Putting(put) => {
                put.answer(view, tag, reply);
                self.settle_put();
            }
            Stage::Fetching => {
                self.round.settle(tag, Fate::Yes);
                self.fetched(view, reply);
            }
            _ => {
                if self.round.settle(tag, Fate::of(reply)) {
                    self.judge_clearing(view);
                }
            }
        }
    }

    pub(super) fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        match &mut self.stage {
            Stage::Putting(put) => {
                put.fail(view, tag, failure);
                self.settle_put();
            }
            Stage::Fetching => {
                self.round.settle(tag, failure.into());
                self.begin_again(view);
            }
            _ => {
                if self.round.settle(tag, failure.into()) {
                    self.judge_clearing(view);
                }
            }
        }
    }
}
