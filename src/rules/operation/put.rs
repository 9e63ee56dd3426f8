//! Put: a copy goes to where the rules place it, and to nowhere else (rule 2).
//!
//! It is stored on acting and mirror, and then deleted on every other place; and again under the
//! newer view until the view and the answers agree. Storing the same value twice is harmless, so
//! what was lost on the way is simply done anew. The deletes wait for the stores: until both copies
//! are there, an older one on another place may be the last that a reader can find, and a
//! reader must find the old value or the new one. While every server is steady there is no other
//! place, and a write is its two stores and nothing else.

use super::round::{Fate, Round};
use super::source::Source;
use super::{Attempts, Failure, Outcome, Tag, expiry, refused, writable};
use crate::rules::bytes::Bytes;
use crate::rules::places::{self, Placement, Places};
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply, Verb};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Job {
    Store { exptime: i64 },
    Delete,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Begin,
    Storing,
    /// The places that should not have a copy, or would not take this one and must not keep an
    /// older (rule 16), are cleared. Ends with this outcome.
    Clearing(Outcome),
    Over(Outcome),
}

/// The way of one copy to its places.
#[derive(Clone, Debug)]
pub struct Put<'a> {
    key: Bytes<'a>,
    flags: u32,
    exptime: i64,
    value: Bytes<'a>,
    /// A server that already has this copy.
    source: Option<Source>,
    stage: Stage,
    round: Round<Job>,
    generation: u64,
    attempts: Attempts,
    refusal: Vec<u8>,
}

impl<'a> Put<'a> {
    #[inline(always)]
    pub(super) fn new(
        key: impl Into<Bytes<'a>>,
        flags: u32,
        exptime: i64,
        value: impl Into<Bytes<'a>>,
    ) -> Put<'a> {
        Put {
            key: key.into(),
            flags,
            exptime,
            value: value.into(),
            source: None,
            stage: Stage::Begin,
            round: Round::new(),
            generation: 0,
            attempts: Attempts::default(),
            refusal: Vec::new(),
        }
    }

    /// `source` has the copy already, and keeps it if it is acting or mirror.
    pub(super) fn from(self, source: Source) -> Put<'a> {
        Put { source: Some(source), ..self }
    }

    #[inline(never)]
    fn plan(&mut self, view: &View) {
        self.round.clear();
        self.generation = view.generation;
        self.stage = Stage::Storing;
        let placement = match writable(view, &self.key) {
            Ok(placement) => placement,
            Err(outcome) => return self.stage = Stage::Over(outcome),
        };
        // A source that died or was restarted took its copy along.
        self.source = self.source.filter(|source| source.intact(view));
        for server in placement.acting().into_iter().chain(placement.mirror) {
            if self.source.is_none_or(|source| source.server != server) {
                let exptime = expiry::on_server(view, &placement, server, self.exptime);
                self.round.ask(server, Job::Store { exptime });
            }
        }
        if self.round.legs().is_empty() {
            self.judge_stores(view);
        }
    }

    /// The first plan while every server is steady: the copies go to home and its backup.
    #[inline(always)]
    fn plan_at_home(&mut self, view: &View) {
        self.generation = view.generation;
        self.stage = Stage::Storing;
        let Some((home, backup)) = places::owners(&view.pool, &self.key) else {
            return self.stage = Stage::Over(Outcome::Unavailable);
        };
        let exptime = expiry::of_owner(view, self.exptime);
        self.round.ask(home, Job::Store { exptime });
        if let Some(backup) = backup {
            self.round.ask(backup, Job::Store { exptime });
        }
    }

    fn plan_again(&mut self, view: &View) {
        if self.attempts.spent(view, self.generation) {
            self.stage = Stage::Over(Outcome::Unavailable);
        } else {
            self.plan(view);
        }
    }

    /// A round is over.
    #[inline(always)]
    fn judge(&mut self, view: &View) {
        // While every server is steady there is no other place, and none to be found.
        let stored = matches!(self.stage, Stage::Storing) && self.round.all(Fate::Yes);
        if stored && view.all_steady() && self.generation == view.generation {
            self.stage = Stage::Over(Outcome::Stored);
        } else {
            self.judge_with_care(view);
        }
    }

    #[inline(never)]
    fn judge_with_care(&mut self, view: &View) {
        if self.round.any_lost() || self.generation != view.generation {
            return self.plan_again(view);
        }
        match self.stage {
            Stage::Storing => self.judge_stores(view),
            Stage::Clearing(outcome) => {
                // What would not go either leaves two different copies: nobody is told "stored".
                let stuck = self.round.legs().iter().any(|leg| leg.fate == Fate::Refused);
                self.stage = Stage::Over(if stuck { Outcome::Refused } else { outcome });
            }
            Stage::Begin | Stage::Over(_) => {}
        }
    }

    fn judge_stores(&mut self, view: &View) {
        // While every server is steady there is no other place, and none to be found.
        if view.all_steady() && self.round.all(Fate::Yes) {
            return self.stage = Stage::Over(Outcome::Stored);
        }
        let Some(placement) = Placement::of(view, &self.key) else {
            return self.plan_again(view);
        };
        // A source was not asked: it has its copy.
        let fate = |server| self.round.fate(server).unwrap_or(Fate::Yes);
        let took = |server| placement.holders().any(|holder| holder == server) && fate(server) == Fate::Yes;
        let acting = placement.acting().map_or(Fate::Refused, fate);
        let keeper = if acting == Fate::Yes { None } else { self.keeper(view, &placement) };
        match acting {
            _ if keeper.is_some() => {}
            Fate::Yes => {}
            Fate::NotStored => return self.clear(&placement.places, Outcome::NotStored),
            _ => return self.clear(&placement.places, Outcome::Refused),
        }
        let keeps = |server| took(server) || keeper == Some(server);
        let others: Places = placement.places.iter().copied().filter(|&server| !keeps(server)).collect();
        self.clear(&others, Outcome::Stored);
    }

    /// Who keeps the copy although acting would not take it: its source. There it was counted, or appended to, and a read finds
    /// it there, since the places before it are cleared. But not behind a complete home, whose miss is the answer to every read:
    /// there it would only come back when that one falls.
    fn keeper(&self, view: &View, placement: &Placement) -> Option<ServerId> {
        let source = self.source.map(|source| source.server)?;
        (!view.complete(placement.home) && placement.places.contains(&source)).then_some(source)
    }

    fn clear(&mut self, servers: &[ServerId], outcome: Outcome) {
        if servers.is_empty() {
            return self.stage = Stage::Over(outcome);
        }
        self.round.clear();
        for &server in servers {
            self.round.ask(server, Job::Delete);
        }
        // From here on it has no copy, and under a newer view it may be a place of one again.
        self.source = self.source.filter(|source| !servers.contains(&source.server));
        self.stage = Stage::Clearing(outcome);
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    #[inline(always)]
    pub(super) fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        if matches!(self.stage, Stage::Begin) {
            if view.all_steady() && self.source.is_none() {
                self.plan_at_home(view);
            } else {
                self.plan(view);
            }
        }
        self.round.next()
    }

    #[inline]
    pub(super) fn command(&self, tag: Tag) -> Command<'_> {
        match self.round.job(tag).1 {
            Job::Store { exptime } => Command::Store {
                verb: Verb::Set,
                key: &self.key,
                flags: self.flags,
                exptime,
                value: &self.value,
            },
            Job::Delete => Command::Delete { key: &self.key },
        }
    }

    #[inline(always)]
    pub(super) fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        match reply {
            Reply::Stored => {
                if self.round.settle(tag, Fate::Yes) {
                    self.judge(view);
                }
            }
            _ => self.answer_with_care(view, tag, reply),
        }
    }

    /// As [`Put::answer`], whatever it is.
    #[inline(never)]
    fn answer_with_care(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        if let Some(text) = refused(reply) {
            self.refusal = text.to_vec();
        }
        if self.round.settle(tag, Fate::of(reply)) {
            self.judge(view);
        }
    }

    pub(super) fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        if self.round.settle(tag, failure.into()) {
            self.judge(view);
        }
    }

    #[inline(always)]
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self.stage {
            Stage::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    pub(super) fn refusal(&self) -> &[u8] {
        &self.refusal
    }
}
