//! Move: a copy is brought to where the rules place it (rules 6 to 8): by the sweep, for every key that it finds, and after a
//! read that found its value at a later place.
//!
//! ```text
//! lease (acting and mirror, but the one it was found on) -> both have it ----------------------+
//!   -> fetch (where it was found, else the places in their order) -> store under the leases --+-> delete where it was
//!   -> no place has it: leases ended -----------------------------------------------------------> found, unless that
//!                                                                                                 is acting or mirror
//! ```
//!
//! **It never beats a newer write or a delete.** On one machine the key's stripe is held meanwhile. Others remove the
//! stub when they write or delete, and the store under the lease fails. So the lease comes first and the source is
//! read after it; and deletes reach the places that copies come from before those that they go to ([`Spread`](super::Spread)).
//!
//! **A complete home knows.** What it does not have exists nowhere: what the others hold of it then was left over by an
//! eviction. It is looked at, gets no stub and loses one that it has: what it decides alone would take that for a value.
//!
//! **Every place's copy is as good as another one's**: a write stores on acting and mirror and deletes on all the others, so
//! what a place holds is the newest value. What a server holds that is no place (`found` may be one) may be of any age:
//! it is nobody's source, and is deleted.
//!
//! What a client marked as stale (`md I`) is not moved: its mark would be lost, and it pass for fresh. Where it may not stay it
//! is deleted, and then it is a miss.
//!
//! Where it was found is the only server that is cleared: a sweep looks at every server, and so meets with every copy
//! that should not be there.
//!
//! Without meta commands a remaining time to live cannot be told, nor a lease be had: then nothing is moved, and it ends
//! as refused. In a pool without backups readers send classic gets, to which a stub is a value; there the copy is added
//! (`add`), which cannot beat a newer write, and the stripe alone keeps it from beating a delete.

use smallvec::SmallVec;

use super::bring::{Copied, LEASE_SECONDS, LOOKS};
use super::round::{Fate, Round};
use super::{Attempts, Failure, Operation, Outcome, Parts, Tag, UNABLE, expiry, refused, writable};
use crate::rules::bytes::Bytes;
use crate::rules::places::Placement;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Lease, Reply, Verb};

/// Whether a copy of a key that was found on a server may have to be moved, as things stand: it is none of its places, or one
/// of these is not complete. `wanted`: servers that are to be completed although they count as complete.
pub fn concerns(view: &View, key: &[u8], found: ServerId, wanted: &dyn Fn(ServerId) -> bool) -> bool {
    Placement::of(view, key).is_some_and(|placement| {
        !placement.places.contains(&found)
            || placement.places.iter().any(|&place| !view.complete(place))
            || placement.holders().any(wanted)
    })
}

/// A key, and the server on which it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The key.
    pub key: Vec<u8>,
    /// The server.
    pub server: ServerId,
}

/// Moves of many keys, for [`Many`](super::Many).
#[derive(Clone, Copy, Debug)]
pub struct Moves<'a>(pub &'a [Found]);

impl<'a> Parts for Moves<'a> {
    type Part = Move<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn key(&self, index: usize) -> &[u8] {
        &self.0[index].key
    }

    fn moves(&self) -> bool {
        true
    }

    fn part(&self, index: usize) -> Move<'a> {
        let Found { key, server } = &self.0[index];
        Move::new(key, *server)
    }
}

/// Whether what this server does not have exists nowhere.
fn knows(view: &View, placement: &Placement, server: ServerId) -> bool {
    placement.home == server && view.complete(server)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Job {
    /// Is it there? If not, a stub takes its place, whose CAS value is the lease.
    Lease,
    /// Is it there?
    Look,
    /// A stub that its owner left behind is taken away.
    TakeOver(u64),
    Fetch,
    /// `None`: where there is nothing.
    Store(Option<u64>, i64),
    EndLease(u64),
    Delete,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Begin,
    /// Acting and mirror are asked whether they have it.
    Leasing,
    /// Stubs of somebody who is gone are taken away.
    TakingOver,
    /// The source of this number is asked for the copy.
    Searching(usize),
    Storing,
    /// There is nothing to be moved: stubs are taken away.
    EndingLeases,
    Clearing,
    Over(Outcome),
}

/// A server that is to get a copy.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    server: ServerId,
    /// The stub that holds its place; `None` in a pool without backups.
    lease: Option<u64>,
}

/// Brings acting's and mirror's copies of a key. Ends as Stored (a copy was moved), NotStored (there was nothing to be
/// moved), Refused (a server would not take it, or a source cannot tell how long it lives), Unavailable.
#[derive(Debug)]
pub struct Move<'a> {
    key: Bytes<'a>,
    found: ServerId,
    stage: Stage,
    round: Round<Job>,
    wanted: SmallVec<[Wanted; 2]>,
    /// Somebody else's stubs, by server.
    taken: SmallVec<[(ServerId, u64); 2]>,
    /// Leases that were had, also under an earlier plan: the stubs may be there still.
    leases: SmallVec<[(ServerId, u64); 2]>,
    sources: SmallVec<[ServerId; 4]>,
    copy: Copied,
    /// A complete home does not have it.
    gone: bool,
    /// Where it was found there is nothing but a stub: it is a holder that lacks it.
    lacks: bool,
    /// The source that was asked last has a stub.
    stub: bool,
    /// A server will not do it.
    refused: bool,
    moved: bool,
    generation: u64,
    attempts: Attempts,
    looks: u16,
    refusal: Vec<u8>,
}

impl<'a> Move<'a> {
    /// `found`: the server on which the key was found.
    pub fn new(key: impl Into<Bytes<'a>>, found: ServerId) -> Move<'a> {
        Move {
            key: key.into(),
            found,
            stage: Stage::Begin,
            round: Round::new(),
            wanted: SmallVec::new(),
            taken: SmallVec::new(),
            leases: SmallVec::new(),
            sources: SmallVec::new(),
            copy: Copied::default(),
            gone: false,
            lacks: false,
            stub: false,
            refused: false,
            moved: false,
            generation: 0,
            attempts: Attempts::default(),
            looks: 0,
            refusal: Vec::new(),
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.stage = Stage::Over(outcome);
    }

    fn placement(&mut self, view: &View) -> Option<Placement> {
        if self.found.index() >= view.pool.servers().len() {
            // The list became shorter before the key's turn came: its number is nobody's now.
            self.end(Outcome::Unavailable);
            return None;
        }
        match writable(view, &self.key) {
            Ok(placement) => Some(placement),
            Err(outcome) => {
                self.end(outcome);
                None
            }
        }
    }

    fn plan(&mut self, view: &View) {
        let Some(placement) = self.placement(view) else { return };
        self.generation = view.generation;
        self.wanted.clear();
        self.taken.clear();
        (self.gone, self.refused) = (false, false);
        self.sources = placement.places.iter().copied().filter(|&place| place != self.found).collect();
        if placement.places.contains(&self.found) {
            self.sources.insert(0, self.found);
        }
        let spared = (!self.lacks).then_some(self.found);
        self.ask_holders(view, &placement, placement.holders().filter(|&server| Some(server) != spared));
    }

    /// Asks acting and mirror, or those of them that had somebody else's stub.
    fn ask_holders(&mut self, view: &View, placement: &Placement, holders: impl Iterator<Item = ServerId>) {
        self.round.clear();
        self.stage = Stage::Leasing;
        for server in holders {
            // Readers of a pool without backups send classic gets, to which a stub is an empty value.
            let no_stub = knows(view, placement, server) || !view.pool.options.backups;
            self.round.ask(server, if no_stub { Job::Look } else { Job::Lease });
        }
        if self.round.legs().is_empty() {
            self.leased(view);
        }
    }

    fn plan_again(&mut self, view: &View) {
        if self.attempts.spent(view, self.generation) {
            self.end(Outcome::Unavailable);
        } else {
            self.plan(view);
        }
    }

    /// A round is over.
    fn judge(&mut self, view: &View) {
        if matches!(self.stage, Stage::Over(_)) {
            return;
        }
        if self.round.any_lost() || self.generation != view.generation {
            return self.plan_again(view);
        }
        match self.stage {
            Stage::Leasing => self.leased(view),
            Stage::TakingOver => self.plan_again(view),
            Stage::Searching(at) => self.missed(view, at),
            Stage::Storing => self.stored(view),
            Stage::EndingLeases => self.clear(view),
            Stage::Clearing => self.cleared(),
            Stage::Begin | Stage::Over(_) => {}
        }
    }

    /// Who has it and who is to get it is known.
    fn leased(&mut self, view: &View) {
        if !self.taken.is_empty() {
            return self.wait_for_others(view);
        }
        if self.gone || self.refused {
            self.end_leases(view);
        } else if self.wanted.is_empty() {
            self.clear(view);
        } else {
            self.search(view, 0);
        }
    }

    /// Somebody else is moving it at this moment, or was when he died.
    fn wait_for_others(&mut self, view: &View) {
        let taken = std::mem::take(&mut self.taken);
        if self.looks < LOOKS {
            self.looks += 1;
            let Some(placement) = self.placement(view) else { return };
            return self.ask_holders(view, &placement, taken.iter().map(|taken| taken.0));
        }
        self.looks = 0;
        self.round.clear();
        taken.iter().for_each(|&(server, lease)| self.round.ask(server, Job::TakeOver(lease)));
        self.stage = Stage::TakingOver;
    }

    /// The source of this number has nothing.
    fn missed(&mut self, view: &View, at: usize) {
        let Some(placement) = self.placement(view) else { return };
        let stub = std::mem::take(&mut self.stub) && self.sources[at] == self.found;
        if stub && !self.lacks && placement.holders().any(|holder| holder == self.found) {
            // It had a stub that somebody left behind, and is to get what the others have.
            self.lacks = true;
            return self.plan(view);
        }
        self.search(view, at + 1);
    }

    /// Asks the source of this number, or finds that there is nothing to be moved.
    fn search(&mut self, view: &View, at: usize) {
        let is_wanted = |server: ServerId| self.wanted.iter().any(|wanted| wanted.server == server);
        let next = (at..self.sources.len()).find(|&at| !is_wanted(self.sources[at]));
        self.round.clear();
        match next {
            Some(at) => {
                self.round.ask(self.sources[at], Job::Fetch);
                self.stage = Stage::Searching(at);
            }
            None => self.end_leases(view),
        }
    }

    fn end_leases(&mut self, view: &View) {
        self.round.clear();
        for Wanted { server, lease } in std::mem::take(&mut self.wanted) {
            if let Some(lease) = lease {
                self.round.ask(server, Job::EndLease(lease));
            }
        }
        self.stage = Stage::EndingLeases;
        if self.round.legs().is_empty() {
            self.clear(view);
        }
    }

    /// The copy is in hand.
    fn store(&mut self, view: &View) {
        let Some(placement) = self.placement(view) else { return };
        self.round.clear();
        let exptime = expiry::remaining(view, self.copy.ttl);
        for &Wanted { server, lease } in &self.wanted {
            self.round.ask(server, Job::Store(lease, expiry::on_server(view, &placement, server, exptime)));
        }
        self.stage = Stage::Storing;
    }

    fn stored(&mut self, view: &View) {
        let fates = || self.round.legs().iter().map(|leg| leg.fate);
        self.moved |= fates().any(|fate| fate == Fate::Yes);
        if fates().any(|fate| matches!(fate, Fate::Refused | Fate::Unsupported)) {
            self.refused = true;
            let fate = |wanted: &Wanted| self.round.fate(wanted.server);
            self.wanted.retain(|wanted| matches!(fate(wanted), Some(Fate::Refused | Fate::Unsupported)));
            self.end_leases(view);
        } else if fates().all(|fate| fate == Fate::Yes) {
            self.clear(view);
        } else {
            // Somebody wrote or deleted it meanwhile, and that counts; or the stub's time was over.
            self.plan_again(view);
        }
    }

    fn clear(&mut self, view: &View) {
        if self.refused {
            // What it was found on keeps its copy: it may be the only one.
            return self.end(Outcome::Refused);
        }
        let Some(placement) = self.placement(view) else { return };
        if placement.holders().any(|holder| holder == self.found) || !view.live(self.found) {
            return self.cleared();
        }
        self.round.clear();
        self.round.ask(self.found, Job::Delete);
        self.stage = Stage::Clearing;
    }

    fn cleared(&mut self) {
        let stuck = self.round.legs().iter().any(|leg| leg.job == Job::Delete && leg.fate == Fate::Refused);
        self.end(match (stuck, self.moved) {
            (true, _) => Outcome::Refused,
            (false, true) => Outcome::Stored,
            (false, false) => Outcome::NotStored,
        });
    }

    /// A source will not give it away: leases that were had for it are ended.
    fn refuse(&mut self, view: &View) {
        self.refused = true;
        if self.generation == view.generation {
            self.end_leases(view);
        }
    }

    /// What acting or mirror says of itself.
    fn holder_answered(&mut self, view: &View, server: ServerId, reply: &Reply<'_>) {
        let placement = Placement::of(view, &self.key);
        let knows = placement.is_some_and(|placement| knows(view, &placement, server));
        match reply {
            // Ours from before it was complete, or somebody else's, who asks anew: no good comes of any.
            Reply::Value(value) if value.is_stub() && knows => {
                self.gone = true;
                self.wanted.push(Wanted { server, lease: Some(value.cas) });
            }
            Reply::Value(value) if !value.is_stub() => {}
            Reply::Value(value) => {
                let ours = value.lease == Some(Lease::Won) || self.leases.contains(&(server, value.cas));
                if ours {
                    self.leases.push((server, value.cas));
                    self.wanted.push(Wanted { server, lease: Some(value.cas) });
                } else {
                    self.taken.push((server, value.cas));
                }
            }
            Reply::Miss if knows => self.gone = true,
            Reply::Miss => self.wanted.push(Wanted { server, lease: None }),
            _ => self.refused = true,
        }
    }

    fn source_answered(&mut self, view: &View, reply: &Reply<'_>) {
        match reply {
            // It would be taken for a fresh one where it came to.
            Reply::Value(value) if value.stale => {}
            Reply::Value(value) if !value.is_stub() && value.ttl_known => {
                let Some(copy) = Copied::of(value) else { return self.refuse(view) };
                self.copy = copy;
                if self.generation == view.generation {
                    self.store(view);
                }
            }
            Reply::Value(value) if !value.is_stub() => {
                self.refusal = UNABLE.to_vec();
                self.refuse(view);
            }
            Reply::Value(_) => self.stub = true,
            Reply::Refused(_) => self.refuse(view),
            _ => {}
        }
    }
}

impl Operation for Move<'_> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        if self.stage == Stage::Begin {
            self.plan(view);
        }
        if matches!(self.stage, Stage::Over(_)) { None } else { self.round.next() }
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        let key = &*self.key;
        let Copied { data, flags, .. } = &self.copy;
        match self.round.job(tag).1 {
            Job::Lease => Command::Lease { key, seconds: LEASE_SECONDS },
            Job::Look | Job::Fetch => Command::Fetch { key },
            Job::TakeOver(lease) | Job::EndLease(lease) => Command::EndLease { key, lease },
            Job::Store(Some(lease), exptime) => {
                Command::StoreLeased { key, flags: *flags, exptime, value: data, lease }
            }
            Job::Store(None, exptime) => {
                Command::Store { verb: Verb::Add, key, flags: *flags, exptime, value: data }
            }
            Job::Delete => Command::Delete { key },
        }
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        let (server, job) = self.round.job(tag);
        if let Some(text) = refused(reply) {
            self.refusal = text.to_vec();
        }
        let stage = self.stage;
        let over = self.round.settle(tag, Fate::of(reply));
        match job {
            Job::Lease | Job::Look => self.holder_answered(view, server, reply),
            Job::Fetch => self.source_answered(view, reply),
            _ => {}
        }
        // (A copy that came began the next round.)
        if over && self.stage == stage {
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

    fn keys(&self, _: &mut dyn FnMut(&[u8])) -> bool {
        true
    }
}
