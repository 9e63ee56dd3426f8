//! What the processes of a machine agree on while nobody attends the table: its last word and the epochs.

use super::Views;
use crate::client::clock;
use crate::client::registry::{Diverted, Epochs};
use crate::client::trouble::Word;
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;
use crate::rules::view::State;

impl Views {
    /// The epoch of a server of ours; `None`: this process has its own view of it.
    pub(super) fn epochs(&self, server: ServerId) -> Option<Epochs<'_>> {
        let ledger = self.ledger.as_ref()?;
        ledger.epochs(ledger.entry(server.index(), &self.view.pool.server(server).address))
    }

    /// Goes on from the table's last word.
    pub(super) fn adopt(&mut self, now: Instant) {
        let Some(ledger) = &self.ledger else { return };
        // Another client of this process may have done this earlier: the epochs are looked at once more.
        self.changes = ledger.stripes().map_or(0, |stripes| stripes.changes().wrapping_sub(1));
        self.view.swept = ledger.snapshot().swept;
        // Where somebody sweeps, copies on stand-ins have no cap: only the sweep makes a server steady.
        self.settings.swept = self.view.swept;
        let mut news = false;
        for (id, server) in self.view.pool.ids().zip(self.view.pool.servers()) {
            if let Some(entry) = ledger.entry(id.index(), &server.address) {
                let known = &self.known[id.index()];
                news |= known.adopt(entry, ledger.basis(), self.epochs(id), now, &self.settings);
            }
        }
        if let Some(stripes) = ledger.stripes().filter(|_| news) {
            stripes.pass_on();
        }
    }

    /// Takes in what other processes found. One load when they found nothing.
    #[inline]
    pub(super) fn hear_others(&mut self, now: Instant) {
        let Some(stripes) = self.ledger.as_ref().and_then(|ledger| ledger.stripes()) else { return };
        let changes = stripes.changes();
        if changes != self.changes {
            self.changes = changes;
            self.take_in_others(now);
        }
    }

    #[cold]
    fn take_in_others(&mut self, now: Instant) {
        let Some(stripes) = self.stripes() else { return };
        let mut news = false;
        for id in self.view.pool.ids() {
            let known = &self.known[id.index()];
            news |= self.epochs(id).is_some_and(|epochs| known.follow(epochs, now, &self.settings));
        }
        if news {
            // Before it is acted upon: who changed it may have died before he could say so.
            stripes.pass_on();
        }
        self.is_attended_by_now();
    }

    /// While the table is settling: what this process had in common with the others. What it found
    /// alone, or they since, waits for the table.
    pub(super) fn read_agreement(&mut self) {
        let Some(ledger) = &self.ledger else { return };
        let servers = self.view.pool.ids().zip(self.view.pool.servers()).zip(&self.known);
        self.scratch.extend(servers.map(|((id, server), known)| {
            let entry = ledger.entry(id.index(), &server.address);
            let (mut seen, complete) = known.agreed(ledger.epochs(entry));
            let out_of_reach = entry.is_some_and(|entry| known.is_out_of_reach(Word::of(entry)));
            seen.unreachable =
                seen.state != State::Down && self.tried != Some(id) && (out_of_reach || !complete);
            seen
        }));
    }

    /// Whether somebody found something new about a server, of which the table's word is awaited: until then it is
    /// not tried.
    pub(super) fn is_news(&self, server: ServerId) -> bool {
        if !self.by_table {
            return !self.known[server.index()].agreed(self.epochs(server)).1;
        }
        let address = &self.view.pool.server(server).address;
        let ledger = self.ledger.as_ref();
        ledger.is_some_and(|it| it.entry(server.index(), address).is_some_and(|entry| it.is_ahead(entry)))
    }

    /// Writes are about to pass by the servers that this process found down: the others are told first.
    pub(super) fn divert(&mut self, now: Instant) {
        let mut told = Vec::new();
        for id in self.view.pool.ids().filter(|&id| !self.view.live(id)) {
            let known = &self.known[id.index()];
            let diverted = self.epochs(id).map(|epochs| known.divert(epochs, now, &self.settings));
            if diverted == Some(Diverted::Now) {
                told.push(id);
            }
        }
        // Another client of this process may have said so a moment ago, after our first look.
        let moved = self.ledger.as_ref().and_then(|ledger| ledger.stripes());
        let moved = moved.is_some_and(|stripes| stripes.changes() != self.changes);
        if moved && !self.is_attended_by_now() {
            told.into_iter().for_each(|id| self.known[id.index()].diverted());
        }
    }

    /// A change was sent to a server and its answer is given up: it may be executed at any time, also after the next
    /// one of whoever has the key's turn next. So the server must be emptied after it, and everybody is told
    /// before the turn is over, attended or not.
    pub(in crate::client) fn doubt(&mut self, server: ServerId, now: Instant) {
        if self.epochs(server).is_none() {
            return;
        }
        self.leave_doubt(server, now);
        if self.waits {
            self.report(server);
        } else if !self.is_attended_by_now() {
            self.known[server.index()].diverted();
        }
        self.refresh(now);
    }

    /// The second look: somebody changed an epoch, which ends with a full fence. Of this look and a daemon
    /// that settles and then reads the epochs, at least one sees the other.
    pub(super) fn is_attended_by_now(&mut self) -> bool {
        let now = clock::now();
        if self.ledger.as_mut().is_some_and(|ledger| ledger.look_twice(now)) {
            self.turn_page(now);
        }
        self.waits
    }
}
