//! Where a client's view of its servers comes from; the only place that knows.
//!
//! - An attended table ([`ledger`]): its states are the view, and nothing that this process meets with
//!   changes them (rule 18; `by_table`). What cannot be reached is reported, passed by, and waited for.
//! - Else the registry of this process, which judges by what its calls meet with (`by_ourselves`), on top of
//!   the table's last word and of what the other processes found (`agreement`).

mod agreement;
mod by_ourselves;
mod by_table;
mod ledger;
mod passing;

use std::sync::Arc;

pub use ledger::TableAt;

use self::by_ourselves::Held;
use self::ledger::{Ledger, Standing};
use self::passing::Changing;
use super::clock;
use super::connection::{Connection, Loss};
use super::exchange::{Lost, Planned, Welcome, Witness};
use super::registry::{self, Known};
use crate::rules::greeting::Greeting;
use crate::rules::health::Settings;
use crate::rules::pool::{Pool, Server, ServerId};
use crate::rules::time::Instant;
use crate::rules::view::{Meta, ServerView, State, View};
use crate::table::{Attendance, Stripes, identity};

pub(super) use self::by_ourselves::Begun;

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
    /// How often the view was made.
    made: u64,
    /// The call at work changes something: what is down meanwhile owes a flush.
    mutating: bool,
    changing: Changing,
    ledger: Option<Ledger>,
    /// The states are the table's.
    by_table: bool,
    /// The table is attended, or will be in a moment: nothing is diverted but by its word.
    waits: bool,
    /// This process judged by itself since the table was attended last.
    judged: bool,
    /// How often an epoch had changed when they were last looked at.
    changes: u64,
    /// When it is next worth a look whose turn it is to try a server.
    turns_again: Instant,
    /// The table's list is not the one that this client goes by.
    relisted: bool,
    /// When the view was last told the time of day.
    told: Instant,
    /// The server that the call at work is to try, although it counts as out of reach.
    tried: Option<ServerId>,
    /// A server of the view is out of reach.
    any_unreachable: bool,
    scratch: Vec<ServerView>,
}

/// In microseconds.
const SECOND: u64 = 1_000_000;

impl Views {
    pub(super) fn new(pool: Arc<Pool>, table: Option<TableAt>) -> Views {
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
            made: 0,
            mutating: false,
            changing: Changing::default(),
            ledger: table.map(Ledger::new),
            by_table: false,
            waits: false,
            judged: false,
            changes: 0,
            turns_again: Instant(0),
            relisted: false,
            told: Instant(0),
            tried: None,
            any_unreachable: false,
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

    pub(super) fn set_settings(&mut self, settings: Settings) {
        self.settings = Settings { swept: self.view.swept, ..settings };
    }

    /// Whether nothing is diverted but by the table's word.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// The stripes in which this pool's writers, and those who move its copies, take turns at a key.
    pub(super) fn stripes(&self) -> Option<&Arc<Stripes>> {
        self.ledger.as_ref()?.stripes()
    }

    /// Whether the table is attended; `None`: there is no table, or nothing was ever read of it.
    pub(super) fn attendance(&self, now: Instant) -> Option<Attendance> {
        self.ledger.as_ref()?.attendance(now)
    }

    /// Grows when the view is made anew, and when there is reason to.
    pub(super) fn edition(&self) -> u64 {
        self.made.wrapping_add(registry::revision())
    }

    /// Whether there is something to tell a person.
    pub(super) fn has_messages(&self) -> bool {
        self.ledger.as_ref().is_some_and(Ledger::has_messages)
    }

    /// What there is to tell a person.
    pub(super) fn take_messages(&mut self) -> Vec<String> {
        self.ledger.as_mut().map(|ledger| std::mem::take(ledger.messages())).unwrap_or_default()
    }

    /// Whether the table's list is not the one that this client goes by.
    pub(super) fn relisted(&self) -> bool {
        self.relisted
    }

    /// The table's list, when it is not the one that this client goes by.
    pub(super) fn other_list(&self) -> Option<Pool> {
        self.ledger.as_ref().filter(|_| self.relisted)?.snapshot().current.pool().ok()
    }

    /// Goes on with another list. `settings`: its own.
    pub(super) fn relist(&mut self, pool: Arc<Pool>, settings: Settings, now: Instant) {
        let old = self.view.pool.servers();
        let of = |server: &Server| old.iter().position(|old| old.address == server.address);
        let held = pool.servers().iter().map(|server| self.held[of(server)?]).collect();
        self.known = known_servers(&pool);
        self.held = held;
        self.settings = settings;
        let time = self.view.now;
        self.view = View::new(pool);
        self.generation += 1;
        (self.view.generation, self.view.now) = (self.generation, time);
        self.tried = None;
        // Nothing is in the new view yet, whether or not there is news.
        self.seen = 0;
        self.turn_page(now);
        self.refresh(now);
    }

    /// A call begins. Every server that is down has missed its write on record when this returns, or
    /// is live and seen so: a server that came back between the look at it and the record
    /// would otherwise be taken for one that missed nothing.
    pub(super) fn begin(&mut self, mutating: bool, now: Instant) {
        self.begin_beside(mutating, false, now);
    }

    /// As [`Views::begin`], for the calls of an event loop. `at_work`: others of them that change something have begun, and what they
    /// sent cannot be taken back.
    pub(super) fn begin_beside(&mut self, mutating: bool, at_work: bool, now: Instant) {
        self.mutating = mutating;
        if !mutating {
            self.changing.clear();
        }
        self.changing.begins(!at_work);
        self.refresh(now);
        if self.any_unreachable {
            self.try_again(now);
        }
        if self.view.all_steady() {
            self.keep_time(now);
        } else {
            self.tell_time();
            self.record_missed(now);
            self.refresh(now);
        }
        self.changing.begins(false);
    }

    /// Whether [`Views::begin`] would change nothing: every server is steady, nobody has news of any, and there is no table to
    /// look at.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.ledger.is_none()
            && registry::revision() == self.seen
            && self.view.all_steady()
            && !self.any_unreachable
            && self.tried.is_none()
    }

    /// As [`Views::begin`], of a quiet view.
    #[inline]
    pub(super) fn begin_quietly(&mut self, mutating: bool, now: Instant) {
        self.mutating = mutating;
        self.keep_time(now);
    }

    /// The call is over.
    pub(super) fn end(&mut self, now: Instant) {
        self.changing.clear();
        if self.tried.is_some() {
            self.not_tried(now);
        }
    }

    /// The server that the call at work is to try.
    #[cfg(feature = "programs")]
    pub(super) fn tried(&self) -> Option<ServerId> {
        self.tried
    }

    /// Makes the view show what is known now. When nothing changed it costs one load of the
    /// registry's revision, and two of the table where there is one. Whether something may have.
    #[inline]
    pub(super) fn refresh(&mut self, now: Instant) -> bool {
        // Without a table nobody else has anything to say.
        let news = self.ledger.is_some() || registry::revision() != self.seen;
        if news {
            self.refresh_all(now);
        }
        news
    }

    fn refresh_all(&mut self, mut now: Instant) {
        while self.refresh_once(now) {
            now = clock::now();
        }
    }

    /// Whether so much time passed that it is to be done once more.
    #[inline]
    fn refresh_once(&mut self, now: Instant) -> bool {
        if self.ledger.as_mut().is_some_and(|ledger| ledger.look(now)) {
            self.turn_page(now);
        }
        if !self.waits {
            self.hear_others(now);
        }
        loop {
            let revision = registry::revision();
            if revision == self.seen {
                return false;
            }
            self.seen = revision;
            self.reload();
            if self.record_missed(now) {
                return true;
            }
        }
    }

    /// The table says something else, or is attended, or no longer.
    #[cold]
    fn turn_page(&mut self, now: Instant) {
        let Some(ledger) = &self.ledger else { return };
        let standing = ledger.standing();
        self.waits = matches!(standing, Standing::Attended | Standing::Settling);
        // Who judged by himself keeps to what he had while the table settles; who did not, to the table.
        let judged = self.judged && standing != Standing::Attended;
        self.judged = judged || standing == Standing::Unattended;
        self.by_table = self.waits && !self.judged;
        let adopts = standing == Standing::Unattended;
        self.relisted = ledger.standing() != Standing::Absent && !ledger.lists(&self.view.pool);
        self.view.outdated = self.relisted;
        let previous = ledger.snapshot().previous.as_ref().filter(|_| !self.relisted);
        if !ledger::is_same(previous, self.view.previous()) {
            let previous = previous.and_then(|list| list.pool().ok());
            self.view.set_previous(previous.map(Arc::new));
            self.generation += 1;
        }
        self.seen = 0;
        if adopts {
            self.adopt(now);
        }
    }

    #[cold]
    fn reload(&mut self) {
        self.made += 1;
        self.scratch.clear();
        match (self.by_table, self.waits) {
            (true, _) => self.read_table(),
            (false, true) => self.read_agreement(),
            (false, false) => self.read_registry(),
        }
        self.any_unreachable = self.scratch.iter().any(|seen| seen.unreachable);
        let old = self.view.pool.ids().map(|id| self.view.server(id));
        if old.zip(&self.scratch).any(|(old, new)| upsets(old, *new)) {
            self.generation += 1;
        }
        self.view.refresh(self.generation, self.scratch.iter().copied());
        if !self.view.all_steady() {
            self.tell_time();
        }
    }

    /// The rules need the time of day, to the moment while a server is not steady.
    pub(super) fn tell_time(&mut self) {
        self.view.now = identity::stamp();
    }

    /// At other times it is only for expiry times, which are in seconds.
    #[inline]
    fn keep_time(&mut self, now: Instant) {
        if now.0.saturating_sub(self.told.0) >= SECOND {
            self.told = now;
            self.tell_time();
        }
    }
}

fn known_servers(pool: &Pool) -> Vec<Arc<Known>> {
    pool.servers().iter().map(|server| registry::known(&pool.name, &server.address)).collect()
}

/// Whether a change of one server upsets plans. To learn more of it does not, nor whether it can be reached:
/// an operation that planned to ask it waits for that.
fn upsets(old: ServerView, new: ServerView) -> bool {
    old.state != new.state
        || (old.incarnation != 0 && old.incarnation != new.incarnation)
        || (old.meta != Meta::Unknown && old.meta != new.meta)
}

impl Witness for Views {
    #[inline]
    fn view(&self) -> &View {
        &self.view
    }

    fn met(&mut self, connection: &Connection, greeting: &Greeting, now: Instant) -> Welcome {
        if self.by_table {
            self.identify(connection, greeting, now)
        } else {
            self.meet(connection, greeting, now)
        }
    }

    #[inline(always)]
    fn answered(&mut self, server: ServerId, now: Instant) {
        self.known[server.index()].answered(now, &self.settings);
    }

    fn lost(&mut self, server: ServerId, loss: Loss, what: Lost, now: Instant) -> bool {
        // Who judges is who does so now, not when the call began.
        self.refresh(now);
        if what.late {
            self.doubt(server, now);
        }
        if self.waits {
            self.out_of_reach(server, loss, what, now)
        } else {
            self.lose(server, loss, what.doubt, now);
            false
        }
    }

    fn judges_for_others(&self) -> bool {
        !self.waits && self.ledger.is_some()
    }

    fn endures(&mut self, server: ServerId, now: Instant) -> bool {
        self.refresh(now);
        self.waits && self.keeps_silent(server, now)
    }

    /// Without a table there is no heartbeat to compare it with.
    #[inline(always)]
    fn time_since(&self, asked: Instant) -> Instant {
        if self.ledger.is_some() { clock::now() } else { asked }
    }

    #[inline]
    fn look(&mut self, now: Instant) -> bool {
        self.refresh(now)
    }

    fn outlived(&self, server: ServerId, life: u16) -> bool {
        let seen = self.view.server(server);
        seen.state == State::Down || seen.incarnation != life
    }

    fn waits_for(&mut self, server: ServerId, now: Instant) {
        if self.waits {
            self.hasten(server, now);
        }
    }

    fn may_try(&mut self, server: ServerId, now: Instant) -> bool {
        !self.waits || self.claim(server, now)
    }

    fn moved_on(&self, server: ServerId, planned: Option<Planned>) -> bool {
        self.view.state(server) == State::Down
            || planned.is_some_and(|planned| planned.generation != self.view.generation)
    }
}
