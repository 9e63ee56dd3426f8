//! The view without an attended table: the registry's, which judges by what the calls of this process
//! meet with.

use std::time::Duration;

use super::ledger::Standing;
use super::{Views, upsets};
use crate::client::clock;
use crate::client::connection::{Connection, Loss};
use crate::client::exchange::Welcome;
use crate::client::messages::Cause;
use crate::client::trial::TurnToTry;
use crate::rules::greeting::Greeting;
use crate::rules::health::Event;
use crate::rules::operation::Outcome;
use crate::rules::pool::ServerId;
use crate::rules::rejoin::Rejoin;
use crate::rules::time::{Instant, Stamp};
use crate::rules::view::State;
use crate::table::identity;

/// How long a process keeps from looking again after it found that another one tries a server.
const TURNS_AGAIN: Duration = Duration::from_millis(10);

/// A server that is taken for down.
#[derive(Clone, Copy)]
pub(in crate::client) struct Held {
    since: Instant,
    /// A write went elsewhere.
    missed_write: bool,
}

/// A server's trial as its driver needs it.
pub(in crate::client) struct Begun {
    pub(in crate::client) number: u64,
    pub(in crate::client) rejoin: Rejoin,
}

impl Views {
    pub(in crate::client) fn read_registry(&mut self) {
        self.scratch.extend(self.known.iter().map(|known| known.view()));
        for (seen, _) in self.scratch.iter_mut().zip(&self.held).filter(|(_, held)| held.is_some()) {
            seen.state = State::Down;
        }
    }

    pub(in crate::client) fn meet(
        &mut self,
        connection: &Connection,
        greeting: &Greeting,
        now: Instant,
    ) -> Welcome {
        let server = connection.server();
        let known = &self.known[server.index()];
        let counts = known.met(now, connection.begun(), greeting, self.epochs(server), &self.settings)
            && !self.is_another(server, greeting.incarnation());
        self.refresh(now);
        let seen = self.view.server(server);
        if !counts {
            Welcome::Drop
        } else if seen.state == State::Down || upsets(connection.planned().seen, seen) {
            // Another client may have given it up while it was greeted.
            Welcome::Replan
        } else {
            Welcome::Use
        }
    }

    pub(in crate::client) fn lose(&mut self, server: ServerId, loss: Loss, doubt: bool, now: Instant) {
        let known = &self.known[server.index()];
        match loss {
            Loss::Local | Loss::NoMemory | Loss::Outdated | Loss::Stranger | Loss::Outlived => {}
            Loss::Refused => known.tell(now, Event::Refused, &self.settings),
            Loss::Silent => known.tell(now, Event::Silent, &self.settings),
            Loss::Broken => known.tell(now, Event::Broken, &self.settings),
        }
        if doubt {
            known.doubted(now, &self.settings);
        }
        self.refresh(now);
    }

    /// Whether a server is held down.
    pub(in crate::client) fn held(&self, server: ServerId) -> bool {
        self.held.get(server.index()).is_some_and(Option::is_some)
    }

    /// Where there is a table no client diverts on its own: the daemon is told instead, and the person.
    pub(in crate::client) fn may_not_hold(&mut self, server: ServerId) -> bool {
        let Some(ledger) = &mut self.ledger else { return false };
        if ledger.standing() == Standing::Absent || server.index() >= self.known.len() {
            return false;
        }
        ledger.tell(Cause::Hold, |path| {
            format!(
                "the table {}: it alone says which servers are used; one that a program takes out is \
                 reported to memcache-watchd, and used as before until the table says otherwise \
                 (`memcachectl down` takes it out for everybody)",
                path.display()
            )
        });
        self.report(server);
        true
    }

    /// Takes a server for down whatever is known of it. False: it was before.
    pub(in crate::client) fn hold(&mut self, server: ServerId, now: Instant) -> bool {
        let Some(held) = self.held.get_mut(server.index()).filter(|held| held.is_none()) else {
            return false;
        };
        *held = Some(Held { since: now, missed_write: false });
        self.mutating = false; // no call is at work
        self.seen = 0;
        self.refresh(now);
        true
    }

    /// Sees a server as it is again. If a write passed it by, it is down until a trial has emptied it.
    pub(in crate::client) fn release(&mut self, server: ServerId, now: Instant) {
        let Some(held) = self.held.get_mut(server.index()).and_then(Option::take) else { return };
        if held.missed_write {
            self.known[server.index()].passed_by(held.since, now, &self.settings);
        }
        self.mutating = false;
        self.seen = 0;
        self.refresh(now);
    }

    /// A change passes a server by that a program took for down: it is down until a trial has emptied it.
    pub(in crate::client) fn pass_by(&mut self, server: ServerId, now: Instant) {
        let known = &self.known[server.index()];
        known.missed_write(now, &self.settings);
        if known.view().state != State::Down {
            // It came back a moment ago.
            known.passed_by(now, now, &self.settings);
        }
        self.refresh(now);
    }

    /// Before a change is sent that passes a server by. True: it took time, and all is to be looked at once more.
    pub(in crate::client) fn record_missed(&mut self, now: Instant) -> bool {
        if self.mutating && !self.view.all_steady() && self.note_passing() {
            return true;
        }
        let passes_by = self.mutating && !self.view.all_steady() && !self.view.isolated();
        if !passes_by || self.waits {
            return false;
        }
        self.divert(now);
        if self.waits {
            return false;
        }
        for (id, (known, held)) in self.view.pool.ids().zip(self.known.iter().zip(&mut self.held)) {
            if !self.view.live(id) {
                held.iter_mut().for_each(|held| held.missed_write = true);
                known.missed_write(now, &self.settings);
            }
        }
        false
    }

    /// Lets time do its work on a server. A trial, when one is due and `may_try`.
    pub(in crate::client) fn alarm(
        &mut self,
        server: ServerId,
        may_try: bool,
        now: Instant,
    ) -> Option<(Begun, TurnToTry)> {
        let known = &self.known[server.index()];
        if !known.alarmed(now) || self.held(server) || self.ordered_down(server) {
            return None;
        }
        if self.view.live(server) {
            known.tell(now, Event::Tick, &self.settings);
            return None;
        }
        if !may_try || now < self.turns_again || !known.may_be_tried(now) {
            return None;
        }
        let Some(turn) = self.turn_to_try(server) else {
            self.turns_again = now + TURNS_AGAIN;
            return None;
        };
        let known = &self.known[server.index()];
        let begun = known.begin_trial(now, &self.settings)?;
        let given_up = identity::stamp().before(now.since(begun.given_up));
        let since = Stamp { boot_millis: clock::millis(begun.given_up), ..given_up };
        let rejoin = Rejoin::new(&self.view, server, &begun.health, since);
        Some((Begun { number: begun.number, rejoin }, turn))
    }

    /// `None`: another process tries it.
    fn turn_to_try(&self, server: ServerId) -> Option<TurnToTry> {
        let Some(epochs) = self.epochs(server) else { return Some(TurnToTry::free()) };
        TurnToTry::take(epochs.stripes, epochs.slot)
    }

    /// Whether the table's last word is that it is not to be used: then nobody brings it back but an administrator.
    fn ordered_down(&self, server: ServerId) -> bool {
        let address = &self.view.pool.server(server).address;
        let entry = self.ledger.as_ref().and_then(|ledger| ledger.entry(server.index(), address));
        // One that was drained and then failed holds nothing that anybody reads.
        entry.is_some_and(|entry| entry.ordered) && !self.view.live(server)
    }

    /// Whether a trial counts: it is the one under way, and nobody has said anything new of its server.
    pub(in crate::client) fn on_trial(&self, server: ServerId, number: u64) -> bool {
        self.known[server.index()].on_trial(number, self.epochs(server))
    }

    /// Reports a trial that is over; one that is not counts as failed.
    pub(in crate::client) fn end_trial(
        &mut self,
        number: u64,
        rejoin: &Rejoin,
        outcome: Option<Outcome>,
        now: Instant,
    ) {
        // Once the table is attended, or settles, its writer alone brings servers back.
        let event = match outcome.filter(|_| !self.waits) {
            Some(Outcome::Done) => Event::Rejoined { incarnation: rejoin.incarnation(), meta: rejoin.meta() },
            Some(_) if rejoin.held_back() => Event::HeldBack,
            _ => Event::TrialFailed,
        };
        self.known[rejoin.server().index()].end_trial(
            number,
            now,
            event,
            self.epochs(rejoin.server()),
            &self.settings,
        );
        if matches!(event, Event::Rejoined { .. }) {
            self.is_attended_by_now();
        }
    }

    /// It has no address, as was found out before any call. Where it is this process alone that judges by that, it is down: nobody
    /// misses it, and the calls about its keys go elsewhere. Where there is a table it is not: what this process finds is
    /// told to all others then, who may have its address, and the server be emptied.
    pub(in crate::client) fn has_no_address(&mut self, server: ServerId, now: Instant) {
        if self.attendance(now).is_some() {
            return;
        }
        self.known[server.index()].tell(now, Event::Refused, &self.settings);
    }
}
