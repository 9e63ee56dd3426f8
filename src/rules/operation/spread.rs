//! Spread: the same command to every place of a key: delete (rule 3) and touch.

use super::round::{Fate, Round};
use super::{Attempts, Failure, Operation, Outcome, Tag, expiry, refused, writable};
use crate::rules::bytes::Bytes;
use crate::rules::hash::KeyHash;
use crate::rules::places::Placement;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// Whether copies of the key are moved to acting, and to the mirror: not everything that belongs there is there.
fn targets(view: &View, placement: &Placement) -> (bool, bool) {
    let is_target = |holder: Option<ServerId>| holder.is_some_and(|server| !view.complete(server));
    (is_target(placement.acting()), is_target(placement.mirror))
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
    /// The one that copies are moved to; every place while all servers are steady.
    Target,
    /// Copies are moved to acting and to the mirror, from either to the other: the mirror, once more.
    Again,
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
        let (to_acting, to_mirror) = targets(view, &placement);
        let target = if to_acting { placement.acting() } else { placement.mirror.filter(|_| to_mirror) };
        if target.is_none() {
            self.stage = Stage::Target;
        }
        for &server in &placement.places {
            let asked = match self.stage {
                Stage::Origins => Some(server) != target,
                Stage::Again => placement.mirror == Some(server),
                _ => target.is_none_or(|target| target == server),
            };
            if asked {
                self.round.ask(server, self.exptime(view, &placement, server));
            }
        }
        if self.round.legs().is_empty() {
            // There is no other place.
            self.plan(view, Stage::Target);
        }
    }

    /// Whether copies are moved to the mirror too.
    fn comes_again(&self, view: &View) -> bool {
        Placement::of(view, &self.key).is_some_and(|placement| targets(view, &placement) == (true, true))
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
            Stage::Origins => self.plan(view, Stage::Target),
            Stage::Target if self.comes_again(view) => self.plan(view, Stage::Again),
            _ => self.stage = Stage::Over(self.end()),
        }
    }

    /// The key is one that acting cannot be asked about. That another place cannot be is no matter:
    /// it holds nothing under such a key.
    fn acting_unable(&self, view: &View) -> bool {
        let acting = Placement::of(view, &self.key).and_then(|placement| placement.acting());
        acting.and_then(|acting| self.round.fate(acting)) == Some(Fate::Unsupported)
    }

    /// A complete home knows whether the key exists; without one, or when it did not answer, whoever has it does.
    fn found_by_round(&self, view: &View) -> bool {
        let home = Placement::of(view, &self.key).map(|placement| placement.home);
        let answered = |home: &ServerId| self.round.fate(*home).is_some_and(|fate| !fate.lost());
        let decides = home.filter(|home| view.complete(*home) && answered(home));
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

    fn keys(&self, tell: &mut dyn FnMut(&[u8])) -> bool {
        tell(&self.key);
        true
    }
}
