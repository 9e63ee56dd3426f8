//! Where one read is: which place was asked, and which is next (rule 1).

use super::{Outcome, attempts};
use crate::rules::places::{self, Placement};
use crate::rules::pool::{ReadBackup, ServerId};
use crate::rules::view::{State, View};

/// One key's way through its places.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    /// The generation of the view whose places are being asked.
    generation: u64,
    /// Which place was asked last.
    place: u16,
    /// The first place is asked once more: a copy may have moved while the later ones were asked.
    confirming: bool,
    /// How often the read began anew.
    attempts: u16,
    /// The index of the server that was asked last.
    server: u16,
    /// The life that it was known in when it was asked; 0: nobody had met it.
    life: u16,
    /// A place cannot be asked about this key at all.
    unable: bool,
}

impl Cursor {
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

    /// Whom to ask first.
    pub(super) fn begin(&mut self, view: &View, key: &[u8]) -> Result<ServerId, Outcome> {
        self.generation = view.generation;
        self.place = 0;
        self.confirming = false;
        self.unable = false;
        let first = first(view, key).ok_or(Outcome::Unavailable)?;
        Ok(self.ask(view, first))
    }

    fn ask(&mut self, view: &View, server: ServerId) -> ServerId {
        self.server = server.0;
        self.life = view.server(server).incarnation;
        server
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
        if view.all_steady() && view.pool.options.read_backup == ReadBackup::Recovering {
            return Err(Outcome::Miss);
        }
        let placement = Placement::of(view, key).ok_or(Outcome::Unavailable)?;
        let home_steady = view.state(placement.home) == State::Steady;
        if home_steady && view.pool.options.read_backup == ReadBackup::Recovering {
            return Err(Outcome::Miss);
        }
        // A steady home's later places hold nothing of their own: only its backup is worth asking.
        let asked = if home_steady { placement.places.len().min(2) } else { placement.places.len() };
        if self.confirming || asked < 2 {
            return Err(given_up(view, &placement));
        }
        let next = usize::from(self.place) + 1;
        if next < asked {
            self.place = next as u16;
            return Ok(self.ask(view, placement.places[next]));
        }
        self.confirming = true;
        Ok(self.ask(view, placement.places[0]))
    }

    /// The place that was asked did not answer; the view shows what became of it.
    pub(super) fn lost(&mut self, view: &View, key: &[u8]) -> Result<ServerId, Outcome> {
        self.begin_again(view, key)
    }

    fn begin_again(&mut self, view: &View, key: &[u8]) -> Result<ServerId, Outcome> {
        self.attempts += 1;
        if self.attempts > attempts(view) {
            return Err(Outcome::Unavailable);
        }
        self.begin(view, key)
    }
}

/// Where reads begin: at home alone while it is steady, else at the acting server.
fn first(view: &View, key: &[u8]) -> Option<ServerId> {
    let home = places::home(&view.pool, key)?;
    if view.state(home) == State::Steady {
        return Some(home);
    }
    Placement::of(view, key)?.acting()
}

/// Nobody has it. While the pool is isolated that proves nothing: its home was not given up, only
/// out of reach.
fn given_up(view: &View, placement: &Placement) -> Outcome {
    if view.isolated() && !view.live(placement.home) { Outcome::Unavailable } else { Outcome::Miss }
}
