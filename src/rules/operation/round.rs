//! A round: a handful of questions to a handful of servers, asked at once.
//!
//! Rounds are barriers. A new one begins when every question of the last one is settled, so a tag
//! is simply the question's index, and nobody has to tell an old answer from a new one. A failed
//! connection settles its questions too, so a round never outlives its servers.

use smallvec::SmallVec;

use super::{Failure, Tag};
use crate::rules::pool::ServerId;
use crate::rules::wire::Reply;

/// What became of one question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Not answered yet.
    Open,
    /// Stored, deleted, touched.
    Yes,
    /// Counted: the new value.
    Number(u64),
    /// The server has no such value.
    NotFound,
    /// The condition did not hold.
    NotStored,
    /// The CAS value is another one.
    Exists,
    /// The server will not do it.
    Refused,
    /// It cannot be asked about such a key, so it holds nothing under it.
    Unsupported,
    /// Certainly not executed.
    Unsent,
    /// Executed, or still to be, or never.
    Unanswered,
}

impl Fate {
    /// What a reply means for a question that changes something.
    pub(super) fn of(reply: &Reply<'_>) -> Fate {
        match reply {
            Reply::Stored | Reply::Deleted | Reply::Touched | Reply::Ok => Fate::Yes,
            Reply::Number(value) => Fate::Number(*value),
            Reply::NotFound | Reply::Miss => Fate::NotFound,
            Reply::NotStored => Fate::NotStored,
            Reply::Exists => Fate::Exists,
            Reply::Refused(_) => Fate::Refused,
            Reply::Unsupported => Fate::Unsupported,
            // The parser gives a reply of the question's own kind; these are answers to others.
            Reply::Value(_) | Reply::Version(_) | Reply::Stats(_) | Reply::Meta { .. } | Reply::Noop => {
                Fate::Refused
            }
        }
    }

    /// There will be no answer.
    pub(super) fn lost(self) -> bool {
        matches!(self, Fate::Unsent | Fate::Unanswered)
    }
}

impl From<Failure> for Fate {
    fn from(failure: Failure) -> Fate {
        match failure {
            Failure::Unsent => Fate::Unsent,
            Failure::Unanswered => Fate::Unanswered,
        }
    }
}

/// One question of a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Leg<Job> {
    pub(super) server: ServerId,
    pub(super) job: Job,
    pub(super) fate: Fate,
}

/// The questions of one round, in the order in which they are sent.
#[derive(Clone, Debug)]
pub(super) struct Round<Job> {
    legs: SmallVec<[Leg<Job>; 2]>,
    asked: usize,
    open: usize,
}

impl<Job: Copy> Round<Job> {
    #[inline(always)]
    pub(super) fn new() -> Round<Job> {
        Round { legs: SmallVec::new(), asked: 0, open: 0 }
    }

    /// Forgets the last round.
    pub(super) fn clear(&mut self) {
        debug_assert_eq!(self.open, 0, "a round ends when every question is settled");
        self.legs.clear();
        self.asked = 0;
    }

    /// Adds a question.
    #[inline(always)]
    pub(super) fn ask(&mut self, server: ServerId, job: Job) {
        self.legs.push(Leg { server, job, fate: Fate::Open });
        self.open += 1;
    }

    /// The next question that was not sent.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(ServerId, Tag)> {
        let leg = self.legs.get(self.asked)?;
        self.asked += 1;
        Some((leg.server, (self.asked - 1) as Tag))
    }

    pub(super) fn job(&self, tag: Tag) -> (ServerId, Job) {
        let leg = &self.legs[tag as usize];
        (leg.server, leg.job)
    }

    /// Settles one question. True when it was the round's last.
    #[inline(always)]
    pub(super) fn settle(&mut self, tag: Tag, fate: Fate) -> bool {
        let leg = &mut self.legs.as_mut_slice()[tag as usize];
        debug_assert_eq!(leg.fate, Fate::Open, "one answer a question");
        leg.fate = fate;
        self.open -= 1;
        self.open == 0
    }

    pub(super) fn legs(&self) -> &[Leg<Job>] {
        &self.legs
    }

    /// What became of the question to one server; `None` when it was not asked.
    pub(super) fn fate(&self, server: ServerId) -> Option<Fate> {
        self.legs.iter().find(|leg| leg.server == server).map(|leg| leg.fate)
    }

    /// Every question ended so.
    #[inline]
    pub(super) fn all(&self, fate: Fate) -> bool {
        self.legs.iter().all(|leg| leg.fate == fate)
    }

    pub(super) fn any_lost(&self) -> bool {
        self.legs.iter().any(|leg| leg.fate.lost())
    }
}
