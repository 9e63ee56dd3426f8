//! Put: a copy goes to where the rules place it, and to nowhere else (rule 2).
//!
//! It is stored on acting and mirror and deleted on every other place, all at once; and again under
//! the newer view until the view and the answers agree. Storing the same value twice is harmless,
//! so what was lost on the way is simply done anew.

use std::borrow::Cow;

use super::round::{Fate, Round};
use super::{Failure, Outcome, Tag, attempts, expiry, refused, writable};
use crate::rules::places::Placement;
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
    /// A server refused to store: what it and the others keep must not be read as newer or older
    /// than it is, so it goes (rule 16). Ends with this outcome.
    Clearing(Outcome),
    Over(Outcome),
}

/// The way of one copy to its places.
#[derive(Clone, Debug)]
pub(super) struct Put<'a> {
    key: &'a [u8],
    flags: u32,
    exptime: i64,
    value: Cow<'a, [u8]>,
    /// A server that already has this copy.
    source: Option<ServerId>,
    stage: Stage,
    round: Round<Job>,
    generation: u64,
    attempts: u16,
    refusal: Vec<u8>,
}

impl<'a> Put<'a> {
    pub(super) fn new(key: &'a [u8], flags: u32, exptime: i64, value: Cow<'a, [u8]>) -> Put<'a> {
        Put {
            key,
            flags,
            exptime,
            value,
            source: None,
            stage: Stage::Begin,
            round: Round::new(),
            generation: 0,
            attempts: 0,
            refusal: Vec::new(),
        }
    }

    /// `source` has the copy already, and keeps it if it is acting or mirror.
    pub(super) fn from(self, source: ServerId) -> Put<'a> {
        Put { source: Some(source), ..self }
    }

    fn plan(&mut self, view: &View) {
        self.round.clear();
        self.generation = view.generation;
        self.stage = Stage::Storing;
        let placement = match writable(view, self.key) {
            Ok(placement) => placement,
            Err(outcome) => return self.stage = Stage::Over(outcome),
        };
        // A source that died took its copy along, and whatever it has when it comes back is flushed.
        self.source = self.source.filter(|source| view.live(*source));
        let acting = placement.acting();
        for &server in &placement.places {
            if Some(server) != acting && Some(server) != placement.mirror {
                self.round.ask(server, Job::Delete);
            } else if self.source != Some(server) {
                let exptime = expiry::on_server(view, &placement, server, self.exptime);
                self.round.ask(server, Job::Store { exptime });
            }
        }
        if self.round.legs().is_empty() {
            self.stage = Stage::Over(Outcome::Stored);
        }
    }

    fn plan_again(&mut self, view: &View) {
        self.attempts += 1;
        if self.attempts > attempts(view) {
            self.stage = Stage::Over(Outcome::Unavailable);
        } else {
            self.plan(view);
        }
    }

    /// A round is over.
    fn judge(&mut self, view: &View) {
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
        let failed = |fate: Option<Fate>| fate.is_some_and(|fate| fate != Fate::Yes);
        let Some(placement) = Placement::of(view, self.key) else {
            return self.plan_again(view);
        };
        let acting = placement.acting().and_then(|server| self.round.fate(server));
        if failed(acting) {
            let outcome = if acting == Some(Fate::NotStored) { Outcome::NotStored } else { Outcome::Refused };
            return self.clear(&placement.places, outcome);
        }
        let failures =
            self.round.legs().iter().filter(|leg| leg.fate != Fate::Yes && leg.fate != Fate::NotFound);
        let refusing: smallvec::SmallVec<[ServerId; 3]> = failures.map(|leg| leg.server).collect();
        if refusing.is_empty() {
            self.stage = Stage::Over(Outcome::Stored);
        } else {
            self.clear(&refusing, Outcome::Stored);
        }
    }

    fn clear(&mut self, servers: &[ServerId], outcome: Outcome) {
        self.round.clear();
        for &server in servers {
            self.round.ask(server, Job::Delete);
        }
        self.stage = Stage::Clearing(outcome);
    }

    pub(super) fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        if self.stage == Stage::Begin {
            self.plan(view);
        }
        self.round.next()
    }

    pub(super) fn command(&self, tag: Tag) -> Command<'_> {
        match self.round.job(tag).1 {
            Job::Store { exptime } => Command::Store {
                verb: Verb::Set,
                key: self.key,
                flags: self.flags,
                exptime,
                value: &self.value,
            },
            Job::Delete => Command::Delete { key: self.key },
        }
    }

    pub(super) fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
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
