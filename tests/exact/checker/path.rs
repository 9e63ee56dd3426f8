//! One possible order of a key's changes: what is there now, what reads may still find, and which calls have no place yet.

use super::steps::{apply, is_blind, left_by};
use super::{Call, State};

/// A state of the key, and until when a read may have begun that still finds it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Link {
    pub state: State,
    pub until: u64,
}

/// A change that has no place yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Waiting {
    pub call: usize,
    /// It has no answer, and a later change was acknowledged: it will never have a place.
    pub gone: bool,
}

/// The last plain store that found its place: what came before it made no difference, so that a store that was under way
/// then may still be put there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Barrier {
    pub at: u64,
    pub until: u64,
    pub link: usize,
}

/// One possible order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    /// The last is what is there now.
    pub links: Vec<Link>,
    pub waiting: Vec<Waiting>,
    pub barrier: Option<Barrier>,
}

impl Path {
    pub fn new(state: State, waiting: Vec<Waiting>) -> Path {
        Path { links: vec![Link { state, until: u64::MAX }], waiting, barrier: None }
    }

    pub fn state(&self) -> State {
        self.links.last().expect("there is always a state").state
    }

    pub fn waits(&self, call: usize) -> bool {
        self.waiting.iter().any(|waiting| waiting.call == call && !waiting.gone)
    }

    /// The path on which `call` comes now.
    pub fn placed(&self, calls: &[Call], call: usize, now: u64) -> Option<Path> {
        let state = apply(&calls[call], self.state())?;
        let mut path = self.without(calls, call);
        let answered = !calls[call].failed();
        let same = state == self.state();
        if answered {
            let overwritten = self.links.len() - usize::from(same);
            path.overwrite(overwritten, calls[call].end);
            if let Some(barrier) = &mut path.barrier {
                barrier.until = barrier.until.min(calls[call].end);
            }
        }
        if !same {
            path.links.push(Link { state, until: u64::MAX });
        }
        if answered && is_blind(&calls[call]) {
            let link = path.links.len() - 1;
            path.barrier = Some(Barrier { at: now, until: calls[call].end, link });
        }
        Some(path)
    }

    /// The path on which the plain store `call` came just before the last one.
    pub fn slipped_in(&self, calls: &[Call], call: usize) -> Option<Path> {
        let before = self.barrier.filter(|barrier| calls[call].start < barrier.at)?;
        let mut path = self.without(calls, call);
        path.overwrite(before.link, calls[call].end);
        let link = Link { state: left_by(&calls[call]), until: before.until };
        path.links.insert(before.link, link);
        path.barrier = Some(Barrier { link: before.link + 1, ..before });
        Some(path)
    }

    /// Reads that begin after `end` do not find the first `count` states.
    fn overwrite(&mut self, count: usize, end: u64) {
        self.links[..count].iter_mut().for_each(|link| link.until = link.until.min(end));
    }

    /// `call` has its place: what was without an answer before it began takes effect no longer, if it was acknowledged.
    fn without(&self, calls: &[Call], call: usize) -> Path {
        let mut path = self.clone();
        path.waiting.retain(|waiting| waiting.call != call);
        if !calls[call].failed() {
            for waiting in &mut path.waiting {
                let other = &calls[waiting.call];
                waiting.gone |= other.failed() && other.end < calls[call].start;
            }
        }
        path
    }

    /// Whether everything that is possible on `other` is possible here too.
    pub fn covers(&self, other: &Path, calls: &[Call]) -> bool {
        self.state() == other.state() && self.leaves_as_much_as(other, calls) && self.shows_as_much_as(other)
    }

    /// Whether the same calls wait, and perhaps more without an answer. On all paths they are in the same order.
    fn leaves_as_much_as(&self, other: &Path, calls: &[Call]) -> bool {
        let mut others = other.waiting.iter().peekable();
        let same_or_unanswered = |it: &Waiting| others.next_if_eq(&it).is_some() || calls[it.call].failed();
        self.waiting.iter().all(same_or_unanswered) && others.next().is_none()
    }

    /// Whether a read finds all that it finds on `other`, and stores slip in as well.
    fn shows_as_much_as(&self, other: &Path) -> bool {
        let last = |path: &Path| path.barrier.filter(|barrier| barrier.link + 1 == path.links.len());
        let slips = match (last(self), last(other)) {
            (_, None) if other.barrier.is_none() => true,
            (Some(own), Some(others)) => own.at >= others.at && own.until >= others.until,
            _ => return self.barrier == other.barrier && self.links == other.links,
        };
        let shown =
            |link: &Link| self.links.iter().any(|own| own.state == link.state && own.until >= link.until);
        slips && other.links.iter().all(shown)
    }

    /// This path and another one that has come to the same as one: it shows what either shows. That is more than
    /// there can be, and never less.
    pub fn merge(&mut self, other: &Path) {
        let own_last = self.links.pop().expect("there is always a state");
        for link in &other.links[..other.links.len() - 1] {
            match self.links.iter_mut().find(|own| own.state == link.state) {
                Some(own) => own.until = own.until.max(link.until),
                None => self.links.push(*link),
            }
        }
        self.links.push(own_last);
        self.barrier = match (self.barrier, other.barrier) {
            (Some(own), Some(others)) => {
                let (at, until) = (own.at.max(others.at), own.until.max(others.until));
                Some(Barrier { at, until, link: self.links.len() - 1 })
            }
            (own, others) => own.or(others).map(|barrier| Barrier { link: self.links.len() - 1, ..barrier }),
        };
    }

    /// Whether a call waits that is no plain store.
    pub fn waits_with_condition(&self, calls: &[Call]) -> bool {
        self.waiting.iter().any(|it| !it.gone && !is_blind(&calls[it.call]))
    }
}
