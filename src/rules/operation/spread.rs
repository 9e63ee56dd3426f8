//! Spread: the same command to every place of a key: delete (rule 3) and touch.

use super::round::{Fate, Round};
use super::{Attempts, Failure, Operation, Outcome, Tag, expiry, refused, writable};
use crate::rules::bytes::Bytes;
use crate::rules::places::Placement;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// In what order the places are asked. Others may be moving copies of the key meanwhile ([`Move`](super::Move)): a lease, then
/// what a place holds, then the store under the lease. A delete that is executed between the two at the target, or before at
/// the source, ends that; one that met the target before the lease, and the source after it was read, would miss the copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Nothing is moved: all at once.
    Once,
    /// Copies go to this place alone: it comes last.
    Last(ServerId),
    /// Copies go to acting and to the mirror, and from either to the other, which no order of the two is safe from. Each time
    /// that all places are asked, a copy that slips by is one that was moved between a place that was not asked yet and
    /// one that was. One move does that twice at most, when it is made anew over its own first copy.
    Thrice,
}

impl Way {
    fn of(view: &View, placement: &Placement) -> Way {
        if view.all_steady() {
            return Way::Once;
        }
        let complete = |holder: Option<ServerId>| holder.is_none_or(|server| view.complete(server));
        let no_others = placement.places.len() <= 1 + usize::from(placement.mirror.is_some());
        let nothing_moves = no_others && complete(placement.acting()) && complete(placement.mirror);
        let home_knows = placement.acting() == Some(placement.home) && view.complete(placement.home);
        let single = !view.pool.options.backups;
        match (placement.acting(), placement.mirror) {
            _ if nothing_moves || placement.places.len() < 2 => Way::Once,
            (_, Some(mirror)) if home_knows => Way::Last(mirror),
            (Some(acting), _) if single => Way::Last(acting),
            _ => Way::Thrice,
        }
    }

    /// The number of the last round; the first is 0.
    fn last(self) -> u8 {
        match self {
            Way::Once => 0,
            Way::Last(_) => 1,
            Way::Thrice => 2,
        }
    }

    fn asks(self, round: u8, server: ServerId) -> bool {
        match self {
            Way::Last(last) => (last == server) == (round == 1),
            _ => true,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Delete,
    Touch { exptime: i64 },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Begin,
    Round(u8),
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
    /// A complete home has answered, by this plan.
    told: bool,
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
            told: false,
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

    fn plan(&mut self, view: &View, number: u8) {
        self.round.clear();
        self.generation = view.generation;
        self.stage = Stage::Round(number);
        self.told &= number > 0;
        let placement = match writable(view, &self.key) {
            Ok(placement) => placement,
            Err(outcome) => return self.stage = Stage::Over(outcome),
        };
        let way = Way::of(view, &placement);
        for &server in placement.places.iter().filter(|&&server| way.asks(number, server)) {
            self.round.ask(server, self.exptime(view, &placement, server));
        }
    }

    /// Whether there is another round after this one.
    fn goes_on(&self, view: &View, number: u8) -> bool {
        Placement::of(view, &self.key).is_some_and(|placement| number < Way::of(view, &placement).last())
    }

    /// A round is over.
    fn judge(&mut self, view: &View) {
        self.found |= self.found_by_round(view);
        if self.round.any_lost() || self.generation != view.generation {
            if self.attempts.spent(view, self.generation) {
                return self.stage = Stage::Over(Outcome::Unavailable);
            }
            return self.plan(view, 0);
        }
        if self.round.legs().iter().any(|leg| leg.fate == Fate::Refused) || self.acting_unable(view) {
            return self.stage = Stage::Over(Outcome::Refused);
        }
        match self.stage {
            Stage::Round(number) if self.goes_on(view, number) => self.plan(view, number + 1),
            _ => self.stage = Stage::Over(self.end()),
        }
    }

    /// The key is one that acting cannot be asked about. That another place cannot be is no matter:
    /// it holds nothing under such a key.
    fn acting_unable(&self, view: &View) -> bool {
        let acting = Placement::of(view, &self.key).and_then(|placement| placement.acting());
        acting.and_then(|acting| self.round.fate(acting)) == Some(Fate::Unsupported)
    }

    /// A complete home knows whether the key exists, once it was asked; without one, or when it did not answer, whoever has
    /// it does.
    fn found_by_round(&mut self, view: &View) -> bool {
        let home = Placement::of(view, &self.key).map(|placement| placement.home);
        let home = home.filter(|home| view.complete(*home));
        let fate = home.and_then(|home| self.round.fate(home)).filter(|fate| !fate.lost());
        self.told |= fate.is_some();
        match fate {
            Some(fate) => fate == Fate::Yes,
            None if home.is_some() && self.told => false,
            None => self.round.legs().iter().any(|leg| leg.fate == Fate::Yes),
        }
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
            self.plan(view, 0);
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

    fn key(&self) -> Option<&[u8]> {
        Some(&self.key)
    }
}
