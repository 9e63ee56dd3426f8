//! What the processes of a machine agree on about a server while nobody watches it (docs/one-view.md): the
//! table's last word, and the server's epoch in the stripes file.
//!
//! The health of a server *rests on* an epoch. Whoever finds another one there takes it for what somebody
//! else found; whoever finds a server down says so there before a write passes it by.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Inner, Known};
use crate::rules::health::{Health, Incarnation, Settings};
use crate::rules::mark::mark;
use crate::rules::time::Instant;
use crate::rules::view::{ServerView, State};
use crate::table::{Epoch, ServerEntry, Stands, Stripes, identity};

/// Which words of a table something was taken from: when the file was made, and the generation. Larger is
/// later.
pub(in crate::client) type Basis = (u64, u64);

/// One server's epoch, where it stands.
#[derive(Clone, Copy)]
pub(in crate::client) struct Epochs<'a> {
    pub(in crate::client) stripes: &'a Arc<Stripes>,
    pub(in crate::client) slot: u16,
    /// The one that the table names. When the file has an older one, the table's writer ended before he could
    /// store it there.
    pub(in crate::client) told: Epoch,
}

impl Epochs<'_> {
    /// What everybody takes for the epoch; `None`: what stands there cannot be believed.
    pub(in crate::client) fn now(&self) -> Option<Epoch> {
        Some(self.stripes.epoch(self.slot).ok()?.max(self.told))
    }

    /// Before a change: the file must not have an older one than the table.
    fn catch_up(&self) {
        if self.stripes.epoch(self.slot).is_ok_and(|epoch| epoch < self.told) {
            // A later one that stands there by now is found by the change.
            let _ = self.stripes.set(self.slot, self.told);
        }
    }
}

/// What is known together with others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreed {
    /// The table's words that the health was last taken from.
    basis: Basis,
    /// The epoch that it rests on; `None`: there is none, and this process has its own view.
    rests: Option<Epoch>,
    /// The state that everybody knows of, before what this process found alone.
    state: State,
    /// The life that this process met in an epoch.
    met: Option<(Epoch, Incarnation)>,
}

impl Agreed {
    /// Whether anything was ever agreed on.
    pub(super) fn any(&self) -> bool {
        self.basis != Basis::default() || self.rests.is_some() || self.met.is_some()
    }
}

/// What became of the wish to pass a server by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::client) enum Diverted {
    /// Everybody knew, or there is nobody to tell.
    Before,
    /// It is told now: whether it may be done depends on a second look at the heartbeat.
    Now,
    /// Somebody else was first, and his word counts.
    Overruled,
}

impl Inner {
    /// Only this process knows that it is down.
    pub(super) fn untold(&self) -> bool {
        self.health.state() == State::Down && self.agreed.rests.is_some_and(Epoch::usable)
    }

    fn resume(&mut self, health: Health, settings: &Settings) {
        self.trial += u64::from(std::mem::take(&mut self.trying));
        self.health = health;
        self.broke = false;
        self.agreed.state = self.health.state();
        self.alarm = self.health.next_change(settings).map_or(u64::MAX, |at| at.0);
    }

    /// What somebody else found and said by `epoch`.
    fn follow(&mut self, epoch: Epoch, now: Instant, settings: &Settings) {
        let seen = ServerView { held_back: false, ..self.health.view() };
        let health = if epoch.is_odd() {
            Health::resume(ServerView { state: State::Down, ..seen }, self.health.incarnation(), now)
        } else {
            // In which life it came back, its next greeting tells.
            Health::resume(ServerView { state: State::Returned, incarnation: 0, ..seen }, None, now)
        };
        self.resume(health, settings);
        self.agreed.rests = Some(epoch);
    }

    /// What stands where an epoch was to be changed counts.
    fn learn(&mut self, stands: Stands, now: Instant, settings: &Settings) {
        match stands {
            Stands::Epoch(epoch) if self.agreed.rests.is_some_and(|rests| epoch > rests) => {
                self.follow(epoch, now, settings);
            }
            // It cannot grow any more, or cannot be believed: there is nothing left to agree by.
            Stands::Epoch(_) | Stands::Nothing(_) => self.agreed.rests = None,
        }
    }

    /// Whether it rests on what everybody takes for the epoch.
    fn is_current(&self, epochs: Option<Epochs<'_>>) -> bool {
        let (Some(rests), Some(epochs)) = (self.agreed.rests, epochs) else { return true };
        epochs.now().is_none_or(|epoch| epoch <= rests)
    }

    /// Somebody else has said something of it that is not known here yet.
    pub(super) fn overruled(
        &mut self,
        epochs: Option<Epochs<'_>>,
        now: Instant,
        settings: &Settings,
    ) -> bool {
        let (Some(rests), Some(epochs)) = (self.agreed.rests, epochs) else { return false };
        match epochs.now() {
            Some(epoch) if epoch > rests => {
                epochs.stripes.pass_on();
                self.follow(epoch, now, settings);
                true
            }
            _ => false,
        }
    }

    /// It was brought back: everybody may use it.
    pub(super) fn tell_return(&mut self, epochs: Option<Epochs<'_>>, now: Instant, settings: &Settings) {
        let (Some(rests), Some(epochs)) = (self.agreed.rests, epochs) else { return };
        if self.health.state() == State::Down {
            return;
        }
        if rests.is_odd() {
            epochs.catch_up();
            match epochs.stripes.make_even(epochs.slot, rests) {
                Ok(()) => self.agreed.rests = Some(rests.back()),
                Err(stands) => return self.learn(stands, now, settings),
            }
        }
        self.agreed.state = self.health.state();
    }

    /// A younger process of it was met.
    pub(super) fn tell_restart(&mut self, epochs: Option<Epochs<'_>>, now: Instant, settings: &Settings) {
        let (Some(rests), Some(epochs)) = (self.agreed.rests, epochs) else { return };
        epochs.catch_up();
        match epochs.stripes.restarted(epochs.slot, rests) {
            Ok(()) => {
                self.agreed.rests = Some(rests.back());
                self.agreed.state = self.health.state();
            }
            Err(stands) => self.learn(stands, now, settings),
        }
    }
}

impl Known {
    /// How it is seen. Where there is an epoch, the mark is that of everybody who knows of it.
    pub(super) fn seen(&self, inner: &Inner) -> ServerView {
        let seen = inner.health.view();
        let incarnation =
            inner.agreed.rests.map_or(seen.incarnation, |epoch| mark(&self.address, epoch.number()));
        ServerView { incarnation, ..seen }
    }

    /// The table is no longer attended: its last word, and the epoch, are what this process goes on from. Once
    /// for each of the table's words. Whether the epoch tells news.
    pub(in crate::client) fn adopt(
        &self,
        entry: &ServerEntry,
        basis: Basis,
        epochs: Option<Epochs<'_>>,
        now: Instant,
        settings: &Settings,
    ) -> bool {
        if self.inner.read(|inner| inner.agreed.basis >= basis) {
            return false;
        }
        let epoch = epochs.and_then(|epochs| epochs.now());
        self.change(|inner| {
            if inner.agreed.basis >= basis {
                return (false, false);
            }
            let before = self.seen(inner);
            let seen = entry.view();
            // What is left of its window ends when it was to end. (One that is down owes a flush that comes after now.)
            let published =
                entry.since.of_this_boot(identity::clock()).filter(|_| seen.state == State::Returned);
            let since = published.map_or(now, |since| since.min(now));
            inner.resume(Health::resume(seen, entry.incarnation, since), settings);
            inner.agreed.basis = basis;
            inner.agreed.rests = epoch;
            let news = epoch.filter(|epoch| epoch.number() != entry.epoch);
            if let Some(epoch) = news {
                inner.follow(epoch, now, settings);
            }
            (news.is_some(), self.seen(inner) != before)
        })
    }

    /// Some epoch changed: whether it is this one.
    pub(in crate::client) fn follow(&self, epochs: Epochs<'_>, now: Instant, settings: &Settings) -> bool {
        let Some(epoch) = epochs.now() else { return false };
        let is_new = |inner: &Inner| inner.agreed.rests.is_some_and(|rests| epoch > rests);
        self.inner.read(is_new)
            && self.change(|inner| {
                let new = is_new(inner);
                if new {
                    inner.follow(epoch, now, settings);
                }
                (new, new)
            })
    }

    /// A write is about to pass it by, because this process found it down.
    pub(in crate::client) fn divert(
        &self,
        epochs: Epochs<'_>,
        now: Instant,
        settings: &Settings,
    ) -> Diverted {
        if !self.untold.load(Ordering::Acquire) {
            return Diverted::Before;
        }
        self.change(|inner| {
            let Some(rests) = inner.agreed.rests.filter(|_| inner.untold()) else {
                return (Diverted::Before, false);
            };
            epochs.catch_up();
            match epochs.stripes.make_odd(epochs.slot, rests) {
                Ok(()) => {
                    inner.agreed.rests = Some(rests.down());
                    (Diverted::Now, false)
                }
                Err(stands) => {
                    inner.learn(stands, now, settings);
                    (Diverted::Overruled, true)
                }
            }
        })
    }

    /// Its epoch is odd when this returns, or cannot be (docs/one-view.md, "The doubt").
    pub(in crate::client) fn leave_doubt(&self, epochs: Epochs<'_>, now: Instant, settings: &Settings) {
        self.change(|inner| {
            epochs.catch_up();
            // Whatever another one makes of it meanwhile does not empty the server after this.
            while let Some(epoch) = epochs.now().filter(|epoch| epoch.usable()) {
                let news = match epochs.stripes.make_odd(epochs.slot, epoch) {
                    Ok(()) => epoch.down(),
                    Err(Stands::Epoch(found)) if found > epoch => continue,
                    Err(_) => return ((), false),
                };
                let rests = inner.agreed.rests.is_some_and(|rests| news > rests);
                if rests {
                    inner.follow(news, now, settings);
                }
                return ((), rests);
            }
            ((), false)
        });
    }

    /// Something passed it by, or may be executed by it, that its journal cannot tell any more: it is to be emptied, whatever
    /// is known of this odd epoch.
    pub(in crate::client) fn outdo(
        &self,
        epochs: Epochs<'_>,
        epoch: Epoch,
        now: Instant,
        settings: &Settings,
    ) {
        self.change(|inner| {
            epochs.catch_up();
            let news = epoch.back().down();
            let told = epochs.stripes.make_odder(epochs.slot, epoch).is_ok();
            let follows = told && inner.agreed.rests.is_some_and(|rests| news > rests);
            if follows {
                inner.follow(news, now, settings);
            }
            ((), follows)
        });
    }

    /// A life of it was met. Whether this process met another one in the same epoch before: then it was restarted, and
    /// whoever brought it back, or names the second life, does not know of the first. Its epoch is made the next one, and
    /// what is known of it is waited for.
    pub(in crate::client) fn meets_another(&self, epochs: Epochs<'_>, life: Incarnation) -> bool {
        let Some(epoch) = epochs.now().filter(|epoch| epoch.usable()) else { return false };
        self.change(|inner| match inner.agreed.met.filter(|(of, _)| *of == epoch) {
            Some((_, met)) if !met.same_as(life) => {
                epochs.catch_up();
                // Where it cannot be done, somebody else has done it.
                let _ = epochs.stripes.restarted(epochs.slot, epoch);
                (true, false)
            }
            Some(_) => (false, false),
            None => {
                inner.agreed.met = Some((epoch, life));
                (false, false)
            }
        })
    }

    /// It was told, and nobody objected.
    pub(in crate::client) fn diverted(&self) {
        self.change(|inner| {
            inner.agreed.state = State::Down;
            ((), false)
        });
    }

    /// The state that everybody knew of, and whether that is all there is to it: this process found nothing
    /// alone, and nobody else anything new.
    pub(in crate::client) fn agreed(&self, epochs: Option<Epochs<'_>>) -> (ServerView, bool) {
        let epoch = epochs.and_then(|epochs| epochs.now());
        self.inner.read(|inner| {
            let seen = self.seen(inner);
            let alone = seen.state == State::Down && inner.agreed.state != State::Down;
            let news = inner.agreed.rests.is_some_and(|rests| epoch.is_some_and(|epoch| epoch > rests));
            (
                ServerView { state: if alone { inner.agreed.state } else { seen.state }, ..seen },
                !alone && !news,
            )
        })
    }

    /// Whether the trial of this number is still the one that counts.
    pub(in crate::client) fn on_trial(&self, number: u64, epochs: Option<Epochs<'_>>) -> bool {
        self.inner.read(|inner| {
            let under_way = inner.trying && inner.trial == number && inner.health.state() == State::Down;
            under_way && inner.is_current(epochs)
        })
    }

    /// The life that it was last met in.
    pub(in crate::client) fn incarnation(&self) -> Option<Incarnation> {
        self.inner.read(|inner| inner.health.incarnation())
    }
}
