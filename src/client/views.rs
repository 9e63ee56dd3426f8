//! Where a client's view of its servers comes from: the registry of this process. The only place
//! that knows; a shared table will be another such place.

use std::sync::Arc;

use super::clock;
use super::connection::{Connection, Loss};
use super::exchange::{Welcome, Witness};
use super::registry::{self, Known};
use crate::rules::greeting::Greeting;
use crate::rules::health::{Event, Settings};
use crate::rules::operation::Outcome;
use crate::rules::pool::{Pool, ServerId};
use crate::rules::rejoin::Rejoin;
use crate::rules::time::Instant;
use crate::rules::view::{Meta, ServerView, State, View};

/// A client's view, and the way to what it is a view of.
pub(super) struct Views {
    view: View,
    known: Vec<Arc<Known>>,
    /// The servers that this client was told to take for down, by server.
    held: Vec<Option<Held>>,
    settings: Settings,
    /// The registry's revision that the view was made from.
    seen: u64,
    /// Grows when something changed of *this* pool's servers that a plan could rest on.
    generation: u64,
    /// The call at work changes something: what is down meanwhile owes a flush.
    mutating: bool,
    scratch: Vec<ServerView>,
}

/// A server that is taken for down.
#[derive(Clone, Copy)]
struct Held {
    since: Instant,
    /// A write went elsewhere.
    missed_write: bool,
}

/// A server's trial as its driver needs it.
pub(super) struct Begun {
    pub(super) number: u64,
    pub(super) rejoin: Rejoin,
}

impl Views {
    pub(super) fn new(pool: Arc<Pool>) -> Views {
        let known = known_servers(&pool);
        let held = vec![None; pool.servers().len()];
        let settings = Settings::new(&pool.options);
        let mut views = Views {
            view: View::new(pool),
            known,
            held,
            settings,
            seen: 0,
            generation: 0,
            mutating: false,
            scratch: Vec::new(),
        };
        views.refresh(clock::now());
        views
    }

    pub(super) fn known(&self, server: ServerId) -> &Arc<Known> {
        &self.known[server.index()]
    }

    /// This is a forked child now: what it knows is its own.
    pub(super) fn renew(&mut self) {
        self.known = known_servers(&self.view.pool);
        self.seen = 0;
    }

    /// Whether a server is held down.
    pub(super) fn held(&self, server: ServerId) -> bool {
        self.held.get(server.index()).is_some_and(Option::is_some)
    }

    /// Takes a server for down whatever is known of it. False: it was before.
    pub(super) fn hold(&mut self, server: ServerId, now: Instant) -> bool {
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
    pub(super) fn release(&mut self, server: ServerId, now: Instant) {
        let Some(held) = self.held.get_mut(server.index()).and_then(Option::take) else { return };
        if held.missed_write {
            self.known[server.index()].passed_by(held.since, now, &self.settings);
        }
        self.mutating = false;
        self.seen = 0;
        self.refresh(now);
    }

    pub(super) fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// A call begins. Every server that is down has missed its write on record when this returns, or
    /// is live and seen so: a server that came back between the look at it and the record
    /// would otherwise be taken for one that missed nothing.
    pub(super) fn begin(&mut self, mutating: bool, now: Instant) {
        self.mutating = mutating;
        self.refresh(now);
        if !self.view.all_steady() {
            self.tell_time();
            self.record_missed(now);
            self.refresh(now);
        }
    }

    /// Makes the view show what is known now. Costs one load when nothing changed.
    pub(super) fn refresh(&mut self, now: Instant) {
        loop {
            let revision = registry::revision();
            if revision == self.seen {
                return;
            }
            self.seen = revision;
            self.reload();
            self.record_missed(now);
        }
    }

    fn reload(&mut self) {
        self.scratch.clear();
        self.scratch.extend(self.known.iter().map(|known| known.view()));
        for (seen, _) in self.scratch.iter_mut().zip(&self.held).filter(|(_, held)| held.is_some()) {
            seen.state = State::Down;
        }
        let old = self.view.pool.ids().map(|id| self.view.server(id));
        if old.zip(&self.scratch).any(|(old, new)| upsets(old, *new)) {
            self.generation += 1;
        }
        self.view.refresh(self.generation, self.scratch.iter().copied());
        if !self.view.all_steady() {
            self.tell_time();
        }
    }

    fn record_missed(&mut self, now: Instant) {
        if !self.mutating || self.view.all_steady() || self.view.isolated() {
            return;
        }
        for (id, (known, held)) in self.view.pool.ids().zip(self.known.iter().zip(&mut self.held)) {
            if !self.view.live(id) {
                held.iter_mut().for_each(|held| held.missed_write = true);
                known.missed_write(now, &self.settings);
            }
        }
    }

    /// The rules need the time of day while a server is not steady.
    pub(super) fn tell_time(&mut self) {
        self.view.unix_millis = clock::unix_millis();
    }

    /// Lets time do its work on a server. A trial, when one is due and `may_try`.
    pub(super) fn alarm(&mut self, server: ServerId, may_try: bool, now: Instant) -> Option<Begun> {
        let known = &self.known[server.index()];
        if !known.alarmed(now) || self.held(server) {
            return None;
        }
        if self.view.live(server) {
            known.tell(now, Event::Tick, &self.settings);
            return None;
        }
        let begun = may_try.then(|| known.begin_trial(now, &self.settings)).flatten()?;
        let ago = now.since(begun.given_up).as_millis();
        let since = self.view.unix_millis.saturating_sub(u64::try_from(ago).unwrap_or(u64::MAX));
        Some(Begun { number: begun.number, rejoin: Rejoin::new(&self.view, server, &begun.health, since) })
    }

    /// Reports a trial that is over; one that is not counts as failed.
    pub(super) fn end_trial(&mut self, number: u64, rejoin: &Rejoin, outcome: Option<Outcome>, now: Instant) {
        let event = match outcome {
            Some(Outcome::Done) => Event::Rejoined { incarnation: rejoin.incarnation(), meta: rejoin.meta() },
            Some(_) if rejoin.held_back() => Event::HeldBack,
            _ => Event::TrialFailed,
        };
        self.known[rejoin.server().index()].end_trial(number, now, event, &self.settings);
    }

    /// It cannot be reached at all, as was found out before any call.
    pub(super) fn unreachable(&mut self, server: ServerId, now: Instant) {
        self.known[server.index()].tell(now, Event::Refused, &self.settings);
    }
}

fn known_servers(pool: &Pool) -> Vec<Arc<Known>> {
    pool.servers().iter().map(|server| registry::known(&pool.name, &server.address)).collect()
}

/// Whether a change of one server upsets plans. To learn more of it does not.
fn upsets(old: ServerView, new: ServerView) -> bool {
    old.state != new.state
        || (old.incarnation != 0 && old.incarnation != new.incarnation)
        || (old.meta != Meta::Unknown && old.meta != new.meta)
}

impl Witness for Views {
    fn view(&self) -> &View {
        &self.view
    }

    fn met(&mut self, connection: &Connection, greeting: &Greeting, now: Instant) -> Welcome {
        let server = connection.server();
        let counts = self.known[server.index()].met(now, connection.begun(), greeting, &self.settings);
        self.refresh(now);
        let seen = self.view.server(server);
        if !counts {
            Welcome::Drop
        } else if seen.state == State::Down || upsets(connection.planned(), seen) {
            // Another client may have given it up while it was greeted.
            Welcome::Replan
        } else {
            Welcome::Use
        }
    }

    fn answered(&mut self, server: ServerId, now: Instant) {
        self.known[server.index()].answered(now, &self.settings);
    }

    fn lost(&mut self, server: ServerId, loss: Loss, doubt: bool, now: Instant) {
        let known = &self.known[server.index()];
        match loss {
            Loss::Local | Loss::Outdated => {}
            Loss::Refused => known.tell(now, Event::Refused, &self.settings),
            Loss::Silent => known.tell(now, Event::Silent, &self.settings),
            Loss::Broken => known.tell(now, Event::Broken, &self.settings),
        }
        if doubt {
            known.doubted(now, &self.settings);
        }
        self.refresh(now);
    }
}
