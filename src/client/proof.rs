//! The proof of a turn that was taken over (docs/one-view.md, "What a stripe cannot hold back").
//!
//! What a dead or late owner of a stripe has sent may lie unread in a server's sockets, for as long as that server
//! hangs. One that answers questions which were asked since has read them. So every live server is asked a
//! [`Probe`] before anything is sent under such a turn, all at once: many keys share a stripe, and whose places
//! the owner wrote to is not known. Of one that does not answer everybody is told that it must be emptied; one that
//! cannot be asked, for want of something on this machine, has proved nothing, and is not to blame.

use std::sync::Arc;

use rustix::event::PollFlags;

use super::clock;
use super::connection::{Connection, Loss, Terms};
use super::exchange::{Exchange, Lost, Welcome, Witness};
use super::views::Views;
use super::wait::Watch;
use crate::rules::greeting::Greeting;
use crate::rules::operation::{Failure, NO_MEMORY, Operation, Outcome, Tag};
use crate::rules::pool::ServerId;
use crate::rules::probe::Probe;
use crate::rules::time::Instant;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// The probes of several servers at once. A tag's lower half is a probe's place, its upper half the probe's own.
struct Proof {
    probes: Vec<Probe>,
    /// There was no memory for a question, or for its answer.
    no_memory: bool,
}

impl Proof {
    fn of(&self, tag: Tag) -> &Probe {
        &self.probes[tag as usize & 0xffff]
    }

    fn of_mut(&mut self, tag: Tag) -> &mut Probe {
        &mut self.probes[tag as usize & 0xffff]
    }
}

impl Operation for Proof {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        let asks = |(at, probe): (u32, &mut Probe)| {
            let (server, tag) = probe.next(view)?;
            Some((server, tag << 16 | at))
        };
        (0..).zip(&mut self.probes).find_map(asks)
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        self.of(tag).command(tag >> 16)
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        self.no_memory |= *reply == Reply::Refused(NO_MEMORY);
        self.of_mut(tag).answer(view, tag >> 16, reply);
    }

    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        self.of_mut(tag).fail(view, tag >> 16, failure);
    }

    fn outcome(&self) -> Option<Outcome> {
        self.probes.iter().all(|probe| probe.outcome().is_some()).then_some(Outcome::Done)
    }

    /// Probe values are nobody's data.
    fn mutates(&self) -> bool {
        false
    }
}

/// What happens on a proof's connections is between the servers and itself.
struct Asking<'a> {
    view: &'a View,
    unasked: &'a mut Vec<ServerId>,
}

impl Witness for Asking<'_> {
    fn view(&self) -> &View {
        self.view
    }
    fn met(&mut self, _: &Connection, _: &Greeting, _: Instant) -> Welcome {
        Welcome::Use
    }
    fn answered(&mut self, _: ServerId, _: Instant) {}
    fn lost(&mut self, server: ServerId, loss: Loss, _: Lost, _: Instant) -> bool {
        if loss == Loss::Local {
            self.unasked.push(server);
        }
        false
    }
}

/// The proof of one turn, under way.
pub(super) struct Proving {
    exchange: Exchange,
    proof: Proof,
    /// Those that could not be asked for want of something on this machine: descriptors, ports, a name's address.
    unasked: Vec<ServerId>,
    deadline: Instant,
}

impl Proving {
    /// Begins. It must be over by `deadline`.
    pub(super) fn new(views: &mut Views, terms: &[Terms], deadline: Instant, now: Instant) -> Proving {
        views.refresh(now);
        views.tell_time();
        let connections = (0..).map(ServerId).zip(terms).map(|(server, terms)| {
            let hearings = if views.waits() { 1 } else { terms.hearings };
            let terms = Terms { greets: false, patience: terms.patience * hearings, ..*terms };
            Connection::new(server, Arc::clone(views.known(server)), terms)
        });
        let exchange = Exchange::new(connections.collect());
        let view = views.view();
        let live = view.pool.ids().filter(|&server| view.live(server));
        let probes = live.map(|server| Probe::new(view, server)).collect();
        let proof = Proof { probes, no_memory: false };
        Proving { exchange, proof, unasked: Vec::new(), deadline }
    }

    /// Says what there is to say. Whether it is over, or its time is.
    pub(super) fn ask(&mut self, views: &Views, now: Instant) -> bool {
        let in_time = now < self.deadline;
        if in_time {
            let witness = &mut Asking { view: views.view(), unasked: &mut self.unasked };
            self.exchange.pump(&mut self.proof, witness, now);
        }
        !in_time || self.proof.outcome().is_some()
    }

    /// Adds the sockets to watch. How many.
    pub(super) fn watch<'a>(&'a self, watch: &mut Watch<'a>) -> usize {
        self.exchange.watch(watch)
    }

    /// When it has something to do even if nothing comes. At once, while nothing is asked.
    pub(super) fn due(&self) -> Instant {
        self.exchange.due().map_or(Instant(0), |due| due.min(self.deadline))
    }

    /// Takes in what was seen of its sockets.
    pub(super) fn hear(&mut self, seen: &[(usize, PollFlags)], views: &Views, now: Instant) {
        self.exchange.note(seen);
        let witness = &mut Asking { view: views.view(), unasked: &mut self.unasked };
        self.exchange.serve(&mut self.proof, witness, now);
        self.exchange.judge(&mut self.proof, witness, now);
    }

    /// Says which servers must be emptied. Whether everything was proved in time: if not, the turn is to stay taken, and
    /// who takes it next proves it.
    pub(super) fn end(mut self, views: &mut Views, now: Instant) -> bool {
        self.exchange.close(true);
        let failed = self.proof.probes.iter().filter(|probe| probe.outcome() == Some(Outcome::Unavailable));
        for server in failed.map(Probe::server).filter(|server| !self.unasked.contains(server)) {
            views.doubt(server, now);
        }
        self.proof.outcome().is_some() && self.unasked.is_empty() && !self.proof.no_memory
    }
}

/// Proves that nothing of an earlier owner is still to be executed, or says which servers must be emptied. Whether
/// that was done before the deadline; see [`Proving::end`].
pub(super) fn prove(views: &mut Views, terms: &[Terms], deadline: Instant) -> bool {
    let mut now = clock::now();
    let mut proving = Proving::new(views, terms, deadline, now);
    while !proving.ask(views, now) {
        let mut watch = Watch::default();
        proving.watch(&mut watch);
        let seen = watch.wait(proving.due().since(now));
        now = clock::now();
        proving.hear(&seen, views, now);
    }
    proving.end(views, now)
}
