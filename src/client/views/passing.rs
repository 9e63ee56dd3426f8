//! What a call changes while a server is out of reach that may keep what it holds (docs/one-view.md): the keys are noted in
//! that server's journal before anything is sent that passes it by.
//!
//! A journal is found by the server's slot and odd epoch, not by what the table says: it is opened before that epoch is, and
//! is over only when the even one that follows was published and stored. So who finds none has nothing to note: the
//! server will be flushed, or its return stands in the table for his next look.

use std::sync::Arc;

use super::Views;
use crate::client::{LOOK, clock};
use crate::rules::operation::Operation;
use crate::rules::places;
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;
use crate::rules::view::State;
use crate::table::{Attendance, Epoch, Noted, Stripes};

/// How often an epoch that others change all the time is looked at once more.
const LOOKS: u32 = 8;

/// What the call at work changes.
#[derive(Default)]
pub(super) struct Changing {
    /// The keys, one behind the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Keys that it does not tell.
    unknown: bool,
    /// When the call must be over.
    until: Instant,
    /// It sent nothing yet.
    begins: bool,
    /// It must not begin: its time was over while it waited.
    overdue: bool,
}

impl Changing {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        (self.unknown, self.overdue) = (false, false);
    }

    fn is_nothing(&self) -> bool {
        self.ends.is_empty() && !self.unknown
    }

    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.bytes[begin..*end])
    }

    pub(super) fn begins(&mut self, begins: bool) {
        self.begins = begins;
    }
}

/// A server's journal, as one looks for it.
struct Journal {
    stripes: Arc<Stripes>,
    slot: u16,
    epoch: Epoch,
}

/// It came too late to be noted.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Late {
    /// The epoch of the journal.
    epoch: Epoch,
    /// The server is about to come back; else the journal is damaged.
    closed: bool,
}

impl Views {
    /// The call that is about to begin changes what the operation tells, and must be over then. Its stripes are held.
    pub(in crate::client) fn changes(&mut self, operation: &(impl Operation + ?Sized), until: Instant) {
        let changing = &mut self.changing;
        changing.clear();
        let agrees = self.ledger.as_ref().is_some_and(|ledger| ledger.stripes().is_some());
        if !agrees || !self.view.pool.options.backups {
            return;
        }
        changing.until = until;
        let all = operation.keys(&mut |key| {
            let room = changing.bytes.try_reserve(key.len()).and_then(|()| changing.ends.try_reserve(1));
            if room.is_err() {
                // As if it told none: then all that it may have changed is emptied.
                return changing.unknown = true;
            }
            changing.bytes.extend_from_slice(key);
            changing.ends.push(changing.bytes.len());
        });
        changing.unknown |= !all;
    }

    /// Whether the call must end without having sent anything.
    pub(in crate::client) fn is_overdue(&self) -> bool {
        self.changing.overdue
    }

    /// Notes what the call changes for every server that it passes by. True: that took time, and all is to be looked
    /// at once more.
    pub(super) fn note_passing(&mut self) -> bool {
        let mut waited = false;
        for server in (0..self.known.len()).map(|index| ServerId(index as u16)) {
            if self.changing.is_nothing() || self.view.live(server) {
                continue;
            }
            let Some(late) = self.note(server, true) else { continue };
            self.wait_until_noted(server, late);
            waited = true;
        }
        waited
    }

    /// Notes the keys of the call, those alone that the server may hold if it is `passed_by`. `None`: that is done, or need
    /// not be.
    fn note(&self, server: ServerId, passed_by: bool) -> Option<Late> {
        let Journal { stripes, slot, epoch } = self.journal(server)?;
        let mut noted = Noted::Done;
        if self.changing.unknown {
            noted = stripes.note_all(slot, epoch);
        }
        let mut keys = self.changing.keys().filter(|key| !passed_by || self.may_hold(server, key));
        while noted == Noted::Done
            && let Some(key) = keys.next()
        {
            noted = stripes.note(slot, epoch, key);
        }
        let late = matches!(noted, Noted::Closed | Noted::Damaged);
        late.then_some(Late { epoch, closed: noted == Noted::Closed })
    }

    fn journal(&self, server: ServerId) -> Option<Journal> {
        let epochs = self.epochs(server)?;
        let epoch = epochs.now().filter(|epoch| epoch.is_odd())?;
        let there = epochs.stripes.is_noted(epochs.slot, epoch);
        there.then(|| Journal { stripes: Arc::clone(epochs.stripes), slot: epochs.slot, epoch })
    }

    /// Whether a server that is down may hold a copy of a key: not where its home and its backup are others that were complete
    /// before it fell, and are. (One that became complete since was completed without it.)
    fn may_hold(&self, server: ServerId, key: &[u8]) -> bool {
        let entry = |id: ServerId| {
            let address = &self.view.pool.server(id).address;
            self.ledger.as_ref().filter(|_| self.by_table)?.entry(id.index(), address)
        };
        let Some(fell) = entry(server).filter(|entry| entry.state == State::Down) else { return true };
        let owners = places::owners(&self.view.pool, key);
        let complete = |id: &ServerId| {
            let before = entry(*id).is_some_and(|entry| fell.since.is_after(entry.since));
            *id != server && self.view.complete(*id) && before
        };
        !owners.is_some_and(|(home, backup)| complete(&home) && backup.as_ref().is_some_and(complete))
    }

    /// The server is about to come back: there is word of it soon. If that does not come, it has to be emptied, unless nothing
    /// was sent yet.
    fn wait_until_noted(&mut self, server: ServerId, late: Late) {
        loop {
            let now = clock::now();
            let attendance = self.attendance(now);
            let attended = matches!(attendance, Some(Attendance::Attended | Attendance::Settling));
            let waits = attended && late.closed;
            if waits && now < self.changing.until {
                std::thread::sleep(LOOK);
            } else if waits && self.changing.begins {
                self.changing.clear();
                self.changing.overdue = true;
                return;
            } else {
                return self.outdo(server, late.epoch, now);
            }
            if self.note(server, true) != Some(late) {
                return;
            }
        }
    }

    fn outdo(&self, server: ServerId, epoch: Epoch, now: Instant) {
        if let Some(epochs) = self.epochs(server) {
            self.known[server.index()].outdo(epochs, epoch, now, &self.settings);
        }
    }

    /// A change that was sent to a server and given up may be executed there later. When this returns it is certain that
    /// the server is emptied after that, or that the key is deleted on it.
    pub(super) fn leave_doubt(&self, server: ServerId, now: Instant) {
        let known = &self.known[server.index()];
        for _ in 0..LOOKS {
            let Some(epochs) = self.epochs(server) else { return };
            known.leave_doubt(epochs, now, &self.settings);
            // It is down by the daemon's word perhaps, and comes back with what it holds.
            match self.note(server, false) {
                Some(late) => self.outdo(server, late.epoch, now),
                _ if epochs.now().is_some_and(Epoch::usable) => {}
                _ => return,
            }
        }
    }
}
