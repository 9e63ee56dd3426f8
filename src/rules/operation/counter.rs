//! Counter: incr and decr, at most once (rule 9).
//!
//! While home is steady the same delta goes to acting and mirror at once: additions commute, so two
//! servers that take them in different orders agree in the end. While it is not, the value is
//! brought to acting first, acting counts, and the others get the outcome. A delta is never sent
//! again to a server that may have executed it: when acting dies in mid-flight, the mirror's
//! answer tells whether it counted.

use smallvec::SmallVec;

use super::bring::Bring;
use super::publish::{End, Publish};
use super::round::{Fate, Round};
use super::source::Source;
use super::spread::Spread;
use super::{Attempts, Failure, Operation, Outcome, Tag, decides_alone, refused, writable};
use crate::rules::bytes::Bytes;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Direction, Reply};

enum Stage<'a> {
    Begin,
    Bringing(Box<Bring<'a>>),
    Counting,
    /// The others get what the source has; then it ends with this outcome.
    Publishing(Box<Publish<'a>>, Outcome),
    /// A steady home has no such counter: nobody keeps one.
    Clearing(Box<Spread<'a>>),
    Over(Outcome),
}

/// Adds to or subtracts from a counter. Ends as Number, NotFound, Refused (not a number), Unavailable
/// (whether it counted is unknown).
pub struct Counter<'a> {
    direction: Direction,
    key: Bytes<'a>,
    delta: u64,
    stage: Stage<'a>,
    round: Round<()>,
    /// Who decides, and who counts beside it.
    decider: Source,
    mirror: Option<Source>,
    /// Other places may hold a copy too. They are cleared when acting and mirror have the outcome, not
    /// at once: until then theirs may be the only second copy.
    others: bool,
    /// Servers that certainly counted, with the value they came to.
    counted: SmallVec<[(Source, u64); 2]>,
    generation: u64,
    attempts: Attempts,
    refusal: Vec<u8>,
}

impl<'a> Counter<'a> {
    /// `incr` wraps at 2^64, `decr` stops at 0.
    pub fn new(direction: Direction, key: impl Into<Bytes<'a>>, delta: u64) -> Counter<'a> {
        Counter {
            direction,
            key: key.into(),
            delta,
            stage: Stage::Begin,
            round: Round::new(),
            decider: Source::nobody(),
            mirror: None,
            others: false,
            counted: SmallVec::new(),
            generation: 0,
            attempts: Attempts::default(),
            refusal: Vec::new(),
        }
    }

    fn begin(&mut self, view: &View) {
        let placement = match writable(view, &self.key) {
            Ok(placement) => placement,
            Err(outcome) => return self.stage = Stage::Over(outcome),
        };
        let Some(decider) = decides_alone(view, &placement) else {
            return self.stage = Stage::Bringing(Box::new(Bring::new(self.key.clone())));
        };
        self.count(view, decider, placement.mirror);
        self.others = placement.places.len() > self.round.legs().len();
    }

    /// Sends the delta to `decider`, and to `mirror` beside it.
    fn count(&mut self, view: &View, decider: ServerId, mirror: Option<ServerId>) {
        self.generation = view.generation;
        self.round.clear();
        self.counted.clear();
        self.others = false;
        self.decider = Source::of(view, decider);
        self.mirror = mirror.map(|mirror| Source::of(view, mirror));
        self.round.ask(decider, ());
        if let Some(mirror) = mirror {
            self.round.ask(mirror, ());
        }
        self.stage = Stage::Counting;
    }

    fn begin_again(&mut self, view: &View) {
        if self.attempts.spent(view, self.generation) {
            self.stage = Stage::Over(Outcome::Unavailable);
        } else {
            self.begin(view);
        }
    }

    fn publish(&mut self, source: Source, outcome: Outcome) {
        self.stage = Stage::Publishing(Box::new(Publish::new(self.key.clone(), source)), outcome);
    }

    /// Every server that was asked has answered, or will not.
    fn judge(&mut self, view: &View) {
        for leg in self.round.legs() {
            if let Fate::Number(value) = leg.fate {
                let source = [Some(self.decider), self.mirror].into_iter().flatten();
                self.counted.extend(source.filter(|s| s.server == leg.server).map(|s| (s, value)));
            }
        }
        let mirror = self.mirror.and_then(|mirror| self.round.fate(mirror.server));
        match (self.round.fate(self.decider.server), mirror) {
            (Some(Fate::Number(value)), mirror) => self.decider_counted(view, value, mirror),
            (Some(fate), Some(Fate::Number(value))) => self.mirror_counted(view, fate, value),
            (Some(Fate::NotFound), _) => self.not_found(view),
            (Some(fate), _) if fate.lost() => self.nobody_counted(view),
            _ => self.stage = Stage::Over(Outcome::Refused),
        }
    }

    fn decider_counted(&mut self, view: &View, value: u64, mirror: Option<Fate>) {
        let mirrored = match mirror {
            Some(Fate::Number(other)) => value != 0 || other == 0 || self.direction == Direction::Incr,
            // Where the decider is the only place there is nobody to tell.
            None => writable(view, &self.key)
                .is_ok_and(|placement| placement.places.as_slice() == [self.decider.server]),
            Some(_) => false,
        };
        if mirrored && !self.others && self.generation == view.generation {
            self.stage = Stage::Over(Outcome::Number(value));
        } else {
            self.publish(self.decider, Outcome::Number(value));
        }
    }

    /// The mirror counted and the decider did not, or will not say.
    fn mirror_counted(&mut self, view: &View, decider: Fate, value: u64) {
        let Some(mirror) = self.mirror else { return };
        let complete = view.complete(self.decider.server);
        match decider {
            // A steady home's miss is the truth; the mirror's copy was left over.
            Fate::NotFound if complete => {
                self.stage = Stage::Clearing(Box::new(Spread::delete(self.key.clone())))
            }
            fate if fate.lost() || !complete => self.publish(mirror, Outcome::Number(value)),
            // The decider holds something that is no number: so does the mirror from now on.
            _ => self.publish(self.decider, Outcome::Refused),
        }
    }

    fn not_found(&mut self, view: &View) {
        if self.generation != view.generation {
            return self.begin_again(view);
        }
        let nobody = self.round.legs().iter().all(|leg| leg.fate == Fate::NotFound);
        self.stage = if nobody && !self.others {
            Stage::Over(Outcome::NotFound)
        } else {
            Stage::Clearing(Box::new(Spread::delete(self.key.clone())))
        };
    }

    /// No live server is known to have counted.
    fn nobody_counted(&mut self, view: &View) {
        let sources = [Some(self.decider), self.mirror];
        let unknown = sources
            .into_iter()
            .flatten()
            .any(|source| self.round.fate(source.server) == Some(Fate::Unanswered) && source.intact(view));
        if !unknown {
            // What may have counted is down, and its copy given up: no live server knows of it.
            return self.begin_again(view);
        }
        let source =
            if self.decider.intact(view) { self.decider } else { self.mirror.unwrap_or(self.decider) };
        self.publish(source, Outcome::Unavailable);
    }

    /// The source died before its copy was read: another server that counted has it still.
    fn source_lost(&mut self, view: &View, outcome: Outcome) {
        if outcome == Outcome::Refused {
            return self.stage = Stage::Over(outcome);
        }
        match self.counted.iter().copied().find(|(server, _)| server.intact(view)) {
            Some((server, value)) => self.publish(server, Outcome::Number(value)),
            None => self.nobody_counted(view),
        }
    }

    /// Goes on when the machine of the present stage is at its end.
    fn proceed(&mut self, view: &View) {
        match &self.stage {
            Stage::Bringing(bring) => match bring.end() {
                Some(Ok(server)) => self.count(view, server, None),
                Some(Err(outcome)) => self.stage = Stage::Over(outcome),
                None => {}
            },
            Stage::Publishing(publish, outcome) => match (publish.end(), *outcome) {
                (Some(End::Published), outcome) => self.stage = Stage::Over(outcome),
                (Some(End::SourceLost), outcome) => self.source_lost(view, outcome),
                (Some(End::Failed(_)), _) => self.stage = Stage::Over(Outcome::Unavailable),
                (None, _) => {}
            },
            Stage::Clearing(delete) => match delete.outcome() {
                Some(Outcome::Deleted | Outcome::NotFound) => self.stage = Stage::Over(Outcome::NotFound),
                Some(outcome) => self.stage = Stage::Over(outcome),
                None => {}
            },
            Stage::Begin | Stage::Counting | Stage::Over(_) => {}
        }
    }
}

impl Operation for Counter<'_> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        loop {
            let next = match &mut self.stage {
                Stage::Begin => {
                    self.begin(view);
                    continue;
                }
                Stage::Bringing(bring) => bring.next(view),
                Stage::Counting => self.round.next(),
                Stage::Publishing(publish, _) => publish.next(view),
                Stage::Clearing(delete) => delete.next(view),
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
        let key = &*self.key;
        match &self.stage {
            Stage::Bringing(bring) => bring.command(),
            Stage::Publishing(publish, _) => publish.command(tag),
            Stage::Clearing(delete) => delete.command(tag),
            Stage::Counting => Command::Arithmetic { direction: self.direction, key, delta: self.delta },
            Stage::Begin | Stage::Over(_) => Command::Fetch { key },
        }
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        match &mut self.stage {
            Stage::Bringing(bring) => bring.answer(view, reply),
            Stage::Publishing(publish, _) => publish.answer(view, tag, reply),
            Stage::Clearing(delete) => delete.answer(view, tag, reply),
            Stage::Counting => {
                if let Some(text) = refused(reply) {
                    self.refusal = text.to_vec();
                }
                if self.round.settle(tag, Fate::of(reply)) {
                    self.judge(view);
                }
            }
            Stage::Begin | Stage::Over(_) => {}
        }
        self.proceed(view);
    }

    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        match &mut self.stage {
            Stage::Bringing(bring) => bring.fail(view, failure),
            Stage::Publishing(publish, _) => publish.fail(view, tag, failure),
            Stage::Clearing(delete) => delete.fail(view, tag, failure),
            Stage::Counting => {
                if self.round.settle(tag, failure.into()) {
                    self.judge(view);
                }
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
        Some(&self.key)
    }
}
