//! The view while the table is attended: its states, and nothing else diverts (rule 18).
//!
//! A server that the table calls live and that this process cannot reach is reported to the daemon and is
//! *unreachable* for this process: reads pass it by, changes wait for the table's word.

use super::{Views, upsets};
use crate::client::connection::{Connection, Loss};
use crate::client::exchange::{Lost, Welcome};
use crate::client::trouble::Word;
use crate::rules::greeting::Greeting;
use crate::rules::health::Incarnation;
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;
use crate::rules::view::State;
use crate::table::{Notice, notice};

impl Views {
    pub(super) fn read_table(&mut self) {
        let Some(ledger) = &self.ledger else { return };
        let servers = self.view.pool.ids().zip(self.view.pool.servers()).zip(&self.known);
        self.scratch.extend(servers.map(|((id, server), known)| {
            // A call that is under way ends under its own list, also when one of it is in no list any more.
            let Some(entry) = ledger.entry(id.index(), &server.address) else { return self.view.server(id) };
            let mut seen = entry.view();
            // Of what the table does not know yet, its word is awaited.
            let passed_by = known.is_out_of_reach(Word::of(entry)) || ledger.is_ahead(entry);
            seen.unreachable = seen.state != State::Down && self.tried != Some(id) && passed_by;
            seen
        }));
        self.view.swept = ledger.snapshot().swept;
    }

    /// What the table says of a server; `None`: it knows it no more.
    fn word(&self, server: ServerId) -> Option<Word> {
        self.ledger.as_ref()?.word(server.index(), &self.view.pool.server(server).address)
    }

    /// A connection was greeted: by the life that the table names, or by another one, of which nothing is
    /// known yet but that what the table says is not true of it.
    pub(super) fn identify(&mut self, connection: &Connection, greeting: &Greeting, now: Instant) -> Welcome {
        self.refresh(now);
        let server = connection.server();
        let told = if self.by_table {
            let address = &self.view.pool.server(server).address;
            let ledger = self.ledger.as_ref();
            ledger.and_then(|ledger| ledger.entry(server.index(), address)?.incarnation)
        } else {
            self.known[server.index()].incarnation()
        };
        let met = greeting.incarnation();
        if told.is_some_and(|told| met.is_none_or(|met| !told.same_as(met))) || self.is_another(server, met) {
            return Welcome::Refuse;
        }
        self.tried = self.tried.filter(|tried| *tried != server);
        self.known[server.index()].reached();
        self.refresh(now);
        let seen = self.view.server(server);
        if seen.state == State::Down || upsets(connection.planned().seen, seen) {
            Welcome::Replan
        } else {
            Welcome::Use
        }
    }

    /// Whether this process met another life in the epoch that it is in.
    pub(super) fn is_another(&self, server: ServerId, met: Option<Incarnation>) -> bool {
        let (Some(epochs), Some(met)) = (self.epochs(server), met) else { return false };
        self.known[server.index()].meets_another(epochs, met)
    }

    /// A call waits for a server: it is tried after a quarter of a call's time, however long others leave it alone.
    pub(super) fn hasten(&mut self, server: ServerId, now: Instant) {
        if let Some(word) = self.word(server) {
            self.known[server.index()].hasten(word, now + self.view.pool.options.timeout / 4);
        }
    }

    /// A connection was lost. Whether what was not sent over it waits: when it is bound to go there.
    pub(super) fn out_of_reach(&mut self, server: ServerId, loss: Loss, what: Lost, now: Instant) -> bool {
        let Some(word) = self.word(server) else { return false };
        let tried = self.tried == Some(server);
        let known = &self.known[server.index()];
        let news = match loss {
            Loss::Outdated | Loss::Outlived => false,
            // Want of something on this machine is no news to anybody, but it does keep us from the server.
            Loss::Local | Loss::NoMemory => {
                if what.bound {
                    known.unreached(word, now);
                }
                false
            }
            Loss::Broken => {
                known.broke(word, now);
                true
            }
            Loss::Refused | Loss::Silent | Loss::Stranger => {
                // Who tried in vain says so once more: the first word may have been lost.
                known.unreached(word, now) || tried || what.waited || what.late
            }
        };
        if news {
            self.report(server);
        }
        if tried {
            self.tried = None;
            self.seen = 0;
        }
        self.refresh(now);
        let seen = self.view.server(server);
        // Down by now: the operation plans anew.
        what.bound && seen.state != State::Down
    }

    /// It owes the answer to a change for too long. The change could be executed at any time, so its connection is
    /// not given up as long as there is time; but for everybody else the server is out of reach. `false`: the table
    /// knows it no more.
    pub(super) fn keeps_silent(&mut self, server: ServerId, now: Instant) -> bool {
        let Some(word) = self.word(server) else { return false };
        self.known[server.index()].unreached(word, now);
        self.report(server);
        if self.tried == Some(server) {
            self.tried = None;
            self.seen = 0;
        }
        self.refresh(now);
        true
    }

    /// Tells the daemon.
    pub(super) fn report(&self, server: ServerId) {
        if let Some(ledger) = &self.ledger {
            let address = self.view.pool.server(server).address.clone();
            // One that is lost costs time: the daemon probes by itself too.
            notice::send(ledger.path(), &Notice::Failed(address));
        }
    }

    /// A call begins: a server that counts as out of reach may be due to be tried again, by this call.
    pub(super) fn try_again(&mut self, now: Instant) {
        let due = self.view.pool.ids().find(|&id| self.view.server(id).unreachable && self.is_due(id, now));
        if let Some(server) = due.filter(|&server| self.claim(server, now)) {
            self.tried = Some(server);
            self.seen = 0;
            self.refresh(now);
        }
    }

    fn is_due(&self, server: ServerId, now: Instant) -> bool {
        let due = |word| self.known[server.index()].is_due(word, now);
        self.word(server).is_some_and(due) && !self.is_news(server)
    }

    /// Whether this call is to try a server for which commands wait.
    pub(super) fn claim(&self, server: ServerId, now: Instant) -> bool {
        let claim = |word| self.known[server.index()].claim(word, now);
        !self.is_news(server) && self.word(server).is_none_or(claim)
    }

    /// The call had no use for the server that it was to try.
    pub(super) fn not_tried(&mut self, now: Instant) {
        if let Some(server) = self.tried.take() {
            self.known[server.index()].unclaim(now);
            self.seen = 0;
        }
    }
}
