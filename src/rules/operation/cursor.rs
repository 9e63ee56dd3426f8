//! Where one read is: which place was asked, and which is next (rule 1).
//!
//! A place that is unreachable is passed by (rule 18): the other places hold every acknowledged value,
//! so a hit there is the answer at once. That they miss it proves nothing: then the place that was passed
//! by is asked after all, which means that the command waits in the driver. When it had to be waited
//! for and does not have the key either, everything may have changed meanwhile, and the read begins anew.
//!
//! While a changed list of servers is swept, every place is asked twice before a miss is one: a call that began under the
//! list before ends under it, and can move a copy from a place that was not asked yet to one that was.

use super::{Attempts, Outcome};
use crate::rules::places::{self, Placement};
use crate::rules::pool::{ReadBackup, ServerId};
use crate::rules::view::{State, View};

/// No place.
const NONE: u16 = u16::MAX;

/// One key's way through its places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    /// The generation of the view whose places are being asked.
    generation: u64,
    /// Which place was asked last.
    place: u16,
    /// The first of the places that were passed by.
    passed_by: u16,
    /// The first place is asked once more: a copy may have moved while the later ones were asked.
    confirming: bool,
    /// Every place was asked once, and is asked again because of the list before.
    again: bool,
    /// The place that was passed by is asked after all.
    waiting: bool,
    /// Every place is asked in its turn, unreachable or not.
    insists: bool,
    /// A place cannot be asked about this key at all.
    unable: bool,
    attempts: Attempts,
    /// The index of the server that was asked last.
    server: u16,
    /// The life that it was known in when it was asked; 0: nobody had met it.
    life: u16,
}

impl Cursor {
    /// For a read that changes nothing.
    pub(super) fn new() -> Cursor {
        Cursor {
            generation: 0,
            place: 0,
            passed_by: NONE,
            confirming: false,
            again: false,
            waiting: false,
            insists: false,
            unable: false,
            attempts: Attempts::default(),
            server: 0,
            life: 0,
        }
    }

    /// Of a read that changes nothing and asks the key's home first, as it does while that is steady.
    #[inline(always)]
    pub(super) fn at_home(view: &View, key: &[u8]) -> Option<Cursor> {
        let home = places::home(&view.pool, key)?;
        if !Cursor::new().begins_at(view, home) {
            return None;
        }
        let life = view.server(home).incarnation;
        Some(Cursor { generation: view.generation, server: home.0, life, ..Cursor::new() })
    }

    /// Whether a steady home is asked first, and alone.
    #[inline(always)]
    fn begins_at(&self, view: &View, home: ServerId) -> bool {
        view.state(home) == State::Steady && !self.passes_by(view, home)
    }

    /// For a read that changes what it finds: it waits where a write would.
    pub(super) fn insisting() -> Cursor {
        Cursor { insists: true, ..Cursor::new() }
    }

    /// The place that was asked last has the value, and a copy is wanted at acting, which was asked and has none.
    #[inline]
    pub(super) fn displaced(&self, view: &View, key: &[u8]) -> bool {
        self.is_late() && self.is_wanted_at_acting(view, key)
    }

    /// A later place than the first is asked.
    #[inline]
    pub(super) fn is_late(&self) -> bool {
        self.place > 0
    }

    #[cold]
    fn is_wanted_at_acting(&self, view: &View, key: &[u8]) -> bool {
        self.passed_by == NONE
            && !self.confirming
            && Placement::of(view, key)
                .and_then(|placement| placement.acting())
                .is_some_and(|acting| acting != self.server() && !view.complete(acting))
    }

    /// The server that was asked last.
    pub(super) fn server(&self) -> ServerId {
        ServerId(self.server)
    }

    /// The life that it was known in when it was asked: the one that answers, or an older.
    pub(super) fn life(&self, view: &View) -> u16 {
        let now = view.server(self.server());
        match self.life {
            // Met since. It was steady, so had it been restarted since, it would not be steady now.
            0 if now.state == State::Steady => now.incarnation,
            life => life,
        }
    }

    /// Whom to ask first: home alone while it is steady, else the first of the places.
    #[inline(always)]
    pub(super) fn begin(&mut self, view: &View, key: &[u8]) -> Result<ServerId, Outcome> {
        let Cursor { insists, attempts, server, life, .. } = *self;
        *self = Cursor { generation: view.generation, insists, attempts, server, life, ..Cursor::new() };
        let home = places::home(&view.pool, key).ok_or(Outcome::Unavailable)?;
        if self.begins_at(view, home) {
            return Ok(self.ask(view, home));
        }
        self.begin_elsewhere(view, key)
    }

    #[cold]
    fn begin_elsewhere(&mut self, view: &View, key: &[u8]) -> Result<ServerId, Outcome> {
        let placement = Placement::of(view, key).ok_or(Outcome::Unavailable)?;
        self.from(view, &placement, 0, placement.places.len()).ok_or(Outcome::Unavailable)
    }

    fn passes_by(&self, view: &View, server: ServerId) -> bool {
        view.any_unreachable() && !self.insists && view.unreachable(server)
    }

    fn ask(&mut self, view: &View, server: ServerId) -> ServerId {
        self.server = server.0;
        self.life = view.server(server).incarnation;
        server
    }

    fn ask_place(&mut self, view: &View, placement: &Placement, place: usize) -> Option<ServerId> {
        let server = *placement.places.get(place)?;
        self.place = place as u16;
        Some(self.ask(view, server))
    }

    /// The next of the first `end` places, from `place` on, that can be reached; when there is none, the
    /// first that was passed by. `None`: all were asked.
    fn from(&mut self, view: &View, placement: &Placement, place: usize, end: usize) -> Option<ServerId> {
        for place in place..end {
            if !self.passes_by(view, placement.places[place]) {
                return self.ask_place(view, placement, place);
            }
            self.passed_by = self.passed_by.min(place as u16);
        }
        if self.passed_by == NONE {
            return None;
        }
        self.waiting = true;
        self.ask_place(view, placement, usize::from(self.passed_by))
    }

    /// The place that was asked cannot be asked about this key: that no place has it will not be
    /// taken for a miss. Tell [`Cursor::missed`] then: a later place may be able.
    pub(super) fn unable(&mut self) {
        self.unable = true;
    }

    /// The place that was asked does not have it: whom to ask next, or the answer.
    pub(super) fn missed(&mut self, view: &View, key: &[u8]) -> Result<ServerId, Outcome> {
        self.go_on(view, key).map_err(|outcome| match outcome {
            Outcome::Miss if self.unable => Outcome::Refused,
            outcome => outcome,
        })
    }

    fn go_on(&mut self, view: &View, key: &[u8]) -> Result<ServerId, Outcome> {
        if self.generation != view.generation {
            return self.begin_again(view, key);
        }
        let home_is_enough = view.pool.options.read_backup == ReadBackup::Recovering;
        if view.all_steady() && home_is_enough && self.place == 0 {
            return Err(Outcome::Miss);
        }
        let placement = Placement::of(view, key).ok_or(Outcome::Unavailable)?;
        let home_complete = view.complete(placement.home);
        if home_complete && home_is_enough && self.server() == placement.home {
            return Err(Outcome::Miss);
        }
        if self.waiting && !self.unable {
            // While it was waited for, a copy may have come to a place that was asked before.
            return self.begin(view, key);
        }
        // A steady home's later places hold nothing of their own: only its mirror is worth asking.
        let home_asked = home_complete && self.passed_by == NONE;
        let worth = if home_asked { placement.places.len().min(2) } else { placement.places.len() };
        if self.confirming || self.waiting || worth < 2 {
            return Err(given_up(view, &placement));
        }
        if let Some(server) = self.from(view, &placement, usize::from(self.place) + 1, worth) {
            return Ok(server);
        }
        if view.previous().is_some()
            && !std::mem::replace(&mut self.again, true)
            && let Some(server) = self.from(view, &placement, 0, worth)
        {
            return Ok(server);
        }
        self.confirming = true;
        self.ask_place(view, &placement, 0).ok_or(Outcome::Unavailable)
    }

    /// The place that was asked did not answer; the view shows what became of it.
    pub(super) fn lost(&mut self, view: &View, key: &[u8]) -> Result<ServerId, Outcome> {
        self.begin_again(view, key)
    }

    fn begin_again(&mut self, view: &View, key: &[u8]) -> Result<ServerId, Outcome> {
        if self.attempts.spent(view, self.generation) {
            return Err(Outcome::Unavailable);
        }
        self.begin(view, key)
    }
}

/// Nobody has it, as far as anybody could be asked.
fn given_up(view: &View, placement: &Placement) -> Outcome {
    if view.cut_off_from(placement.home) { Outcome::Unavailable } else { Outcome::Miss }
}
