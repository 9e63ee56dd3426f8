//! Sweep: which servers must be walked before which are steady again (rules 6 and 7).
//!
//! A *walk* looks at every key that one server holds and has each moved where the rules place it
//! ([`Move`](super::operation::Move)). A *goal* is what a sweep is for: a server that returned is to be steady, one that drains
//! is to be empty, a changed list of servers is to be the only one. A goal is reached when every server that may hold
//! something for it was walked, from beginning to end, since the goal was set. There is one clock for both, a number that grows
//! with every event: so walks serve all goals that were set before them, a goal that comes later costs the walks that
//! it needs and no more, and a walk that did not come to its end is just begun anew.
//!
//! **Before a walk, calm.** A call that began under an older view of the servers may still have a copy stored where the newer
//! view does not look for it. It replans at its next answer, unless its process is killed. So no walk begins
//! before every call that was under way when the goal was set is over, and what it sent is executed: the driver waits for
//! that ([`Sweep::wants_calm`]) and says since when it is so.
//!
//! Nor is a goal reached before that when a walk was broken off: what it was moving it may be moving still, and for that there is a
//! stub on the target, which is no value and must not be on a server that is called steady.
//!
//! **What need not be walked.** A server that comes back is empty, and what is written on it from then on is written by the
//! newer view: it holds nothing for goals that were set before. Not so while calls are under way that go by the list of
//! servers before: they end under that list, and store also on a server that came back since. One that is down holds nothing that anybody could move. Of
//! one that drains only what it holds itself matters.
//!
//! This is bookkeeping alone: it is told what is seen of the servers and what its driver did, and says what is to be done next.

use super::pool::ServerId;
use super::view::{State, View};

/// A point in the order of events.
pub type Tick = u64;

/// What a sweep is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goal {
    /// Everything that belongs on this server is to be there; or, of one that drains, elsewhere.
    Server(ServerId),
    /// Everything is to be where the current list of servers places it: the previous one is forgotten.
    List,
}

/// What is known of one server.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    state: State,
    epoch: u64,
    /// Everything that it held before then was looked at, or is gone; `None`: it was never walked.
    clean_since: Option<Tick>,
    /// Since when it is to be completed, or emptied.
    goal: Option<Tick>,
    /// The walk under way began then.
    walk: Option<Tick>,
    /// It is to be looked at once more when its goal is reached: somebody asked while it was under way.
    asked: bool,
    /// It drains, and everything that belonged on it was there before: its own walk moves all that would be missed.
    whole: bool,
}

/// The bookkeeping of a pool's sweeps.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    now: Tick,
    servers: Vec<Known>,
    /// Since when a changed list is to be swept.
    list: Option<Tick>,
    /// Calls that began before then are over.
    calm: Tick,
    /// A walk came to no end then, and what it was moving it may be moving still.
    broken_off: Tick,
}

impl Sweep {
    /// Of a pool of which nothing was seen yet.
    pub fn new() -> Sweep {
        Sweep::default()
    }

    fn tick(&mut self) -> Tick {
        self.now += 1;
        self.now
    }

    /// Takes in how the servers are seen: in the order of the pool, each with its epoch. `kept`: whether a server that came
    /// back kept its contents. To be told of every change.
    pub fn see(&mut self, view: &View, epochs: impl Iterator<Item = u64>, kept: impl Fn(ServerId) -> bool) {
        let now = self.tick();
        let first = self.servers.is_empty();
        let old_lists = self.list.is_some_and(|since| since > self.calm);
        self.servers.resize(view.pool.servers().len(), Known::default());
        for ((id, epoch), known) in view.pool.ids().zip(epochs).zip(&mut self.servers) {
            let (was, state) = (known.state, view.state(id));
            let another = !first && (epoch != known.epoch || (was == State::Down) != (state == State::Down));
            (known.state, known.epoch) = (state, epoch);
            if known.walk.is_some() && (another || state == State::Down) {
                self.broken_off = now;
            }
            if state == State::Down {
                *known = Known { state, epoch, ..Known::default() };
                continue;
            }
            if another {
                known.walk = None;
                known.clean_since = (!kept(id) && !old_lists).then_some(now);
            }
            known.whole =
                state == State::Draining && !first && !another && (was == State::Steady || known.whole);
            match state {
                State::Returned | State::Draining if another || was != state || known.goal.is_none() => {
                    known.goal = Some(now);
                }
                State::Steady if another || was != state => (known.goal, known.asked) = (None, false),
                _ => {}
            }
        }
        match view.previous() {
            Some(_) => drop(self.list.get_or_insert(now)),
            None => self.list = None,
        }
    }

    /// The list of servers changed: ids mean other servers now, and everything is to be looked at anew.
    pub fn relist(&mut self) {
        *self = Sweep { now: self.now + 1, ..Sweep::default() };
    }

    /// An administrator wants this server's copies to be looked at, or (`None`) those of all.
    pub fn request(&mut self, only: Option<ServerId>) {
        let now = self.tick();
        let all = self.servers.iter_mut().enumerate();
        for (_, known) in all.filter(|(index, _)| only.is_none_or(|only| only.index() == *index)) {
            match known.goal {
                _ if known.state == State::Down => {}
                None => known.goal = Some(now),
                // A goal that is set anew each time somebody asks might never be reached.
                Some(_) => known.asked = true,
            }
        }
    }

    /// Nobody looked after the servers for a while: whatever was done may have been done too early.
    pub fn begin_anew(&mut self) {
        let now = self.tick();
        for known in &mut self.servers {
            known.walk = None;
            known.clean_since = None;
            known.goal = known.goal.map(|_| now);
        }
        self.list = self.list.map(|_| now);
    }

    /// Whether there is anything to be swept.
    pub fn is_wanted(&self) -> bool {
        self.list.is_some() || self.servers.iter().any(|known| known.goal.is_some())
    }

    /// Whether keys are wanted at this server, or off it, although it is steady.
    pub fn is_goal(&self, server: ServerId) -> bool {
        self.servers.get(server.index()).is_some_and(|known| known.goal.is_some())
    }

    fn goals(&self) -> impl Iterator<Item = (Goal, Tick)> + '_ {
        let servers = self.servers.iter().enumerate();
        let servers = servers.filter_map(|(index, known)| {
            known.goal.map(|since| (Goal::Server(ServerId(index as u16)), since))
        });
        servers.chain(self.list.map(|since| (Goal::List, since)))
    }

    /// Whether this server must be walked for this goal, which was set then.
    fn needs(&self, goal: Goal, since: Tick, source: usize) -> bool {
        let known = &self.servers[source];
        if known.state == State::Down || known.clean_since.is_some_and(|clean| clean >= since) {
            return false;
        }
        match goal {
            Goal::List => true,
            // The others hold what it should have had, and perhaps alone.
            Goal::Server(server) => !self.servers[server.index()].whole || server.index() == source,
        }
    }

    /// Whether the driver is to see to it that every call is over that was begun before now: then it says
    /// so by [`Sweep::calmed`], with what this gave.
    pub fn wants_calm(&self) -> Option<Tick> {
        let waits = |since| since > self.calm;
        (self.goals().any(|(_, since)| waits(since)) || (self.is_wanted() && waits(self.broken_off)))
            .then_some(self.now)
    }

    /// Every call is over that began before `tick`.
    pub fn calmed(&mut self, tick: Tick) {
        self.calm = self.calm.max(tick);
    }

    /// A server that is to be walked now, and when the walk begins. It is under way until [`Sweep::walked`].
    pub fn next_walk(&mut self) -> Option<(ServerId, Tick)> {
        let goals: Vec<_> = self.goals().filter(|(_, since)| *since <= self.calm).collect();
        let wanted = |source: usize| goals.iter().any(|&(goal, since)| self.needs(goal, since, source));
        let source =
            (0..self.servers.len()).find(|&source| self.servers[source].walk.is_none() && wanted(source))?;
        let now = self.tick();
        self.servers[source].walk = Some(now);
        Some((ServerId(source as u16), now))
    }

    /// How many servers are still to be walked, those that are being walked among them.
    pub fn left(&self) -> usize {
        let goals: Vec<_> = self.goals().collect();
        let wanted = |source: &usize| goals.iter().any(|&(goal, since)| self.needs(goal, since, *source));
        (0..self.servers.len()).filter(wanted).count()
    }

    /// Whether the walk of this server that began then still means anything.
    pub fn walks(&self, server: ServerId, begun: Tick) -> bool {
        self.servers.get(server.index()).is_some_and(|known| known.walk == Some(begun))
    }

    /// A walk ended: every key was looked at and is where it belongs; or (`whole` is false) not.
    pub fn walked(&mut self, server: ServerId, begun: Tick, whole: bool) {
        if !self.walks(server, begun) {
            return;
        }
        let known = &mut self.servers[server.index()];
        known.walk = None;
        if whole {
            known.clean_since = known.clean_since.max(Some(begun));
        } else {
            self.broken_off = self.tick();
        }
    }

    /// A goal that is reached: it is no goal any more. To be asked until it gives `None`.
    pub fn reached(&mut self) -> Option<Goal> {
        let reached = self.goals().find(|&(goal, since)| {
            since.max(self.broken_off) <= self.calm
                && (0..self.servers.len()).all(|source| !self.needs(goal, since, source))
        });
        let (goal, _) = reached?;
        match goal {
            Goal::Server(server) => {
                let now = self.tick();
                let known = &mut self.servers[server.index()];
                known.goal = std::mem::take(&mut known.asked).then_some(now);
            }
            Goal::List => self.list = None,
        }
        Some(goal)
    }
}

#[cfg(test)]
mod tests;
