//! The proof of a turn that was taken over (docs/one-view.md, "What a stripe cannot hold back").
//!
//! What a dead or late owner of a stripe has sent may lie unread in a server's sockets, for as long as that server
//! hangs. One that answers questions which were asked since has read them. So every live server is asked a
//! [`Probe`] before anything is sent under such a turn, all at once: many keys share a stripe, and whose places
//! the owner wrote to is not known. Of one that does not answer everybody is told that it must be emptied.

use std::sync::Arc;

use super::clock;
use super::connection::{Connection, Terms};
use super::exchange::{Exchange, Witness};
use super::trial::Private;
use super::views::Views;
use super::wait::Watch;
use crate::rules::operation::{Failure, Operation, Outcome, Tag};
use crate::rules::pool::ServerId;
use crate::rules::probe::Probe;
use crate::rules::time::Instant;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// The probes of several servers at once. A tag's lower half is a probe's place, its upper half the probe's own.
struct Proof(Vec<Probe>);

impl Proof {
    fn of(&self, tag: Tag) -> &Probe {
        &self.0[tag as usize & 0xffff]
    }

    fn of_mut(&mut self, tag: Tag) -> &mut Probe {
        &mut self.0[tag as usize & 0xffff]
    }
}

impl Operation for Proof {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        let asks = |(at, probe): (u32, &mut Probe)| {
            let (server, tag) = probe.next(view)?;
            Some((server, tag << 16 | at))
        };
        (0..).zip(&mut self.0).find_map(asks)
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        self.of(tag).command(tag >> 16)
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        self.of_mut(tag).answer(view, tag >> 16, reply);
    }

    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        self.of_mut(tag).fail(view, tag >> 16, failure);
    }

    fn outcome(&self) -> Option<Outcome> {
        self.0.iter().all(|probe| probe.outcome().is_some()).then_some(Outcome::Done)
    }

    /// Probe values are nobody's data.
    fn mutates(&self) -> bool {
        false
    }
}

/// Proves that nothing of an earlier owner is still to be executed, or says which servers must be emptied. Whether
/// that was done before the deadline: if not, the turn is to stay taken, and who takes it next proves it.
pub(super) fn prove(views: &mut Views, terms: &[Terms], deadline: Instant) -> bool {
    let mut now = clock::now();
    views.refresh(now);
    views.tell_time();
    let connections = (0..).map(ServerId).zip(terms).map(|(server, terms)| {
        let hearings = if views.waits() { 1 } else { terms.hearings };
        let terms = Terms { greets: false, patience: terms.patience * hearings, ..*terms };
        Connection::new(server, Arc::clone(views.known(server)), terms)
    });
    let mut exchange = Exchange::new(connections.collect());
    let view = views.view();
    let live = view.pool.ids().filter(|&server| view.live(server));
    let mut proof = Proof(live.map(|server| Probe::new(view, server)).collect());
    while now < deadline {
        let witness = &mut Private(views.view());
        exchange.pump(&mut proof, witness, now);
        if proof.outcome().is_some() {
            break;
        }
        let mut watch = Watch::default();
        exchange.watch(&mut watch);
        let until = exchange.due().map_or(deadline, |due| due.min(deadline));
        let seen = watch.wait(until.since(now));
        exchange.note(&seen);
        now = clock::now();
        exchange.serve(&mut proof, witness, now);
        exchange.judge(&mut proof, witness, now);
    }
    exchange.close(true);
    let over = proof.outcome().is_some();
    for probe in proof.0.iter().filter(|probe| probe.outcome() == Some(Outcome::Unavailable)) {
        views.doubt(probe.server(), now);
    }
    over
}
