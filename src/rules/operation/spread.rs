//! Spread: the same command to every place of a key: delete (rule 3) and touch.

use super::round::{Fate, Round};
use super::{Attempts, Failure, Operation, Outcome, Tag, expiry, refused, writable};
use crate::rules::bytes::Bytes;
use crate::rules::hash::KeyHash;
use crate::rules::places::Placement;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// Whether copies of the key are moved to this server: it is to hold one, and not everything that belongs on it is there.
fn is_target(view: &View, placement: &Placement, server: ServerId) -> bool {
    !view.complete(server) && placement.holders().any(|holder| holder == server)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Delete,
    Touch { exptime: i64 },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Begin,
    /// Every place that a copy may be on its way from. Only while a server is not steady: a delete that met the place
    /// first that the copy is going to would miss it (rule 8).
    Origins,
    /// The places that a copy may be on its way to; every place while all servers are steady.
    Targets,
    Over(Outcome),
}

/// Deletes or touches a key on every place. Ends as Deleted, Touched, NotFound, Refused, Unavailable.
pub struct Spread<'a> {
    key: Bytes<'a>,
    what: What,
    stage: Stage,
    round: Round<i64>,
    generation: u64,
    attempts: Attempts,
    /// A place whose word counts had it, now or before the plan was made anew.
    found: bool,
    refusal: Vec<u8>,
}

impl<'a> Spread<'a> {
    fn new(key: impl Into<Bytes<'a>>, what: What) -> Spread<'a> {
        let round = Round::new();
        let refusal = Vec::new();
        Spread {
            key: key.into(),
            what,
            stage: Stage::Begin,
            round,
            generation: 0,
            attempts: Attempts::default(),
            found: false,
            refusal,
        }
    }

    /// Deletes a key.
    pub fn delete(key: impl Into<Bytes<'a>>) -> Spread<'a> {
        Spread::new(key, What::Delete)
    }

    /// Gives a key a new expiry time; see [`Write::new`](super::Write::new).
    pub fn touch(key: impl Into<Bytes<'a>>, exptime: i64) -> Spread<'a> {
        Spread::new(key, What::Touch { exptime })
    }

    fn exptime(&self, view: &View, placement: &Placement, server: ServerId) -> i64 {
        match self.what {
            What::Delete => 0,
            What::Touch { exptime } => expiry::on_server(view, placement, server, exptime),
        }
    }

    fn plan(&mut self, view: &View, stage: Stage) {
        self.round.clear();
        self.generation = view.generation;
        self.stage = stage;
        let placement = match writable(view, &self.key) {
            Ok(placement) => placement,
            Err(outcome) => return self.stage = Stage::Over(outcome),
        };
        let in_one = !placement.places.iter().any(|&server| is_target(view, &placement, server));
        if in_one {
            self.stage = Stage::Targets;
        }
        let targets = self.stage == Stage::Targets;
        for &server in &placement.places {
            if in_one || targets == is_target(view, &placement, server) {
                self.round.ask(server, self.exptime(view, &placement, server));
            }
        }
        if self.round.legs().is_empty() {
            // Copies go to every place there is.
            self.plan(view, Stage::Targets);
        }
    }

    /// A round is over.
    fn judge(&mut self, view: &View) {
        self.found |= self.found_by_round(view);
        if self.round.any_lost() || self.generation != view.generation {
            if self.attempts.spent(view, self.generation) {
                return self.stage = Stage::Over(Outcome::Unavailable);
            }
            return self.plan(view, Stage::Origins);
        }
        if self.round.legs().iter().any(|leg| leg.fate == Fate::Refused) || self.acting_unable(view) {
            return self.stage = Stage::Over(Outcome::Refused);
        }
        match self.stage {
            Stage::Origins => self.plan(view, Stage::Targets),
            _ => self.stage = Stage::Over(self.end()),
        }
    }

    /// The key is one that acting cannot be asked about. That another place cannot be is no matter:
    /// it holds nothing under such a key.
    fn acting_unable(&self, view: &View) -> bool {
        let acting = Placement::of(view, &self.key).and_then(|placement| placement.acting());
        acting.and_then(|acting| self.round.fate(acting)) == Some(Fate::Unsupported)
    }

    /// A complete home knows whether the key exists; without one, whoever has it does.
    fn found_by_round(&self, view: &View) -> bool {
        let home = Placement::of(view, &self.key).map(|placement| placement.home);
        let decides = home.filter(|home| view.complete(*home));
        self.round
            .legs()
            .iter()
            .any(|leg| leg.fate == Fate::Yes && decides.is_none_or(|home| home == leg.server))
    }

    fn end(&self) -> Outcome {
        match (self.found, self.what) {
            (false, _) => Outcome::NotFound,
            (true, What::Delete) => Outcome::Deleted,
            (true, What::Touch { .. }) => Outcome::Touched,
        }
    }
}

impl Operation for Spread<'_> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        if self.stage == Stage::Begin {
            self.plan(view, Stage::Origins);
        }
        self.round.next()
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        match self.what {
            What::Delete => Command::Delete { key: &self.key },
            What::Touch { .. } => Command::Touch { key: &self.key, exptime: self.round.job(tag).1 },
        }
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        if let Some(text) = refused(reply) {
            self.refusal = text.to_vec();
        }
        if self.round.settle(tag, Fate::of(reply)) {
            self.judge(view);
        }
    }

    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        if self.round.settle(tag, failure.into()) {
            self.judge(view);
        }
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
}
