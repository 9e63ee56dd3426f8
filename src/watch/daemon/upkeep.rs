//! The daemon and its files: that they are there, that it is seen at work, and what happens when it was not.

use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::time::Instant as Alarm;

use super::{Daemon, terms};
use crate::table::{Lock, Settling};
use crate::watch::ledger::{Begun, Ledger, epoch_in};
use crate::watch::roster;
use crate::watch::server::Watched;
use crate::watch::system::moment;

/// Rounds of settling after which whoever changes epochs all the time is no longer waited for.
const ROUNDS: u32 = 16;
/// What a program may have made its timeout, whatever the pool says, when a stripes file is lost under its call.
const LONGEST_CALL: Duration = Duration::from_secs(2);

impl Daemon {
    /// The heartbeat, and what it finds out.
    pub(super) fn beat(&mut self) {
        let Some(ledger) = &mut self.ledger else { return };
        if let Err(settling) = ledger.beat() {
            log::warn!(
                "was stopped or stuck, and clients may have judged by themselves: everything is proved anew"
            );
            return self.settle(Some(settling));
        }
        if self.unsettled.is_some_and(|until| Alarm::now() >= until) {
            self.unsettled = None;
            return self.settle(None);
        }
        // A client that took this daemon for gone, a moment too late to be seen when it settled.
        let changes = ledger.stripes().changes();
        if changes != self.changes {
            self.changes = changes;
            if !knows_all(ledger, &self.servers) {
                log::warn!("a client gave up a server by itself: everything is proved anew");
                self.settle(None);
            }
        }
    }

    /// When every call is over that was begun before now.
    pub(super) fn longest_call(&self) -> Alarm {
        Alarm::now() + self.plan.file.pool.options.timeout.max(LONGEST_CALL)
    }

    /// Learns what happened while nobody looked after the table, and then says that it is attended.
    pub(super) fn settle(&mut self, settling: Option<Settling>) {
        let Some(ledger) = &mut self.ledger else { return };
        let mut settling = settling.unwrap_or_else(|| ledger.settle());
        // What is under way was asked before, and may have been answered before.
        let now = moment();
        for watched in &mut self.servers {
            watched.drop_question(now);
            watched.forget_changes(now);
        }
        self.sweeps.begin_anew();
        for round in 1.. {
            let now = moment();
            if let Some(ledger) = &self.ledger {
                for watched in &mut self.servers {
                    let epoch = epoch_in(ledger.stripes(), watched.slot, watched.watcher.epoch());
                    watched.watcher.settle(now, epoch);
                }
            }
            self.publish(now);
            let Some(ledger) = &mut self.ledger else { return };
            if !knows_all(ledger, &self.servers) && round < ROUNDS {
                continue;
            }
            if self.unsettled.is_some() {
                break;
            }
            match ledger.attend(settling) {
                Ok(()) => break,
                Err(next) => settling = next,
            }
        }
        self.wake_all();
    }

    /// Looks whether clients still find the files, as they are to be.
    pub(super) fn look(&mut self) {
        match &self.ledger {
            Some(ledger) if !ledger.is_in_place() => {
                log::warn!(
                    "somebody removed or replaced the files beside {}; they are made anew",
                    self.plan.table.display()
                );
                self.remake();
            }
            Some(ledger) if *ledger.terms() != terms(&self.plan) => self.renew(),
            Some(_) => {}
            None => self.remake(),
        }
        self.hear();
    }

    /// Makes the files anew where clients find none, or others than ours: whoever has the old ones judges by himself
    /// from now on, as he does who finds none.
    fn remake(&mut self) {
        self.listener = None;
        if let Some(ledger) = self.ledger.take() {
            drop(ledger.resign());
        }
        let lock = Lock::take(&self.plan.table).map_err(|error| error.to_string());
        let made = lock.and_then(|lock| self.make(lock));
        self.take_over(made, "clients judge by themselves until that is mended");
    }

    /// Makes files with other permissions. Until they are made the old ones do.
    pub(super) fn renew(&mut self) {
        let Some(ledger) = &self.ledger else { return };
        let lock = ledger.lock();
        let made = self.make(lock);
        self.take_over(made, "the files keep the permissions they have until that is mended");
    }

    fn take_over(&mut self, made: Result<Ledger, String>, meanwhile: &str) {
        match made {
            Ok(ledger) => {
                self.ledger = Some(ledger);
                self.trouble.clear();
                log::info!("the table {} is made anew", self.plan.table.display());
                self.settle(None);
                self.hear();
            }
            Err(trouble) if trouble == self.trouble => log::debug!("{trouble}; as before"),
            Err(trouble) => {
                log::error!("{trouble}; {meanwhile}");
                self.trouble = trouble;
            }
        }
    }

    fn make(&mut self, lock: Lock) -> Result<Ledger, String> {
        let terms = terms(&self.plan);
        let begun = Begun::new(lock, &terms)?;
        let now = moment();
        if begun.stripes.is_new() {
            log::warn!(
                "the stripes file was lost, and with it what clients know of the servers: all are proved anew"
            );
            for watched in &mut self.servers {
                let epoch = roster::beyond(&begun.stripes, watched.slot, watched.watcher.epoch(), false);
                watched.watcher.settle(now, epoch);
            }
            self.unsettled = Some(self.longest_call());
        }
        let (plan, servers, sweeping) = (&self.plan, &self.servers, &self.sweeping);
        let first = roster::snapshot(plan, servers, sweeping, begun.stripes.id(), now);
        begun.finish(terms, &first)
    }

    /// Makes the socket for reports, if clients do not find it.
    pub(super) fn hear(&mut self) {
        let Some(ledger) = &mut self.ledger else { return };
        if ledger.is_heard() {
            return;
        }
        let heard = ledger.hear().and_then(|socket| {
            UnixDatagram::from_std(socket).map_err(|error| format!("cannot listen to reports: {error}"))
        });
        match heard {
            Ok(listener) => {
                self.listener = Some(listener);
                self.deaf.clear();
            }
            Err(why) => {
                self.listener = None;
                if why != self.deaf {
                    log::warn!("{why}; goes on without what clients report, by its own probes");
                }
                self.deaf = why;
            }
        }
    }
}

/// Whether no server has an epoch that the daemon does not know.
fn knows_all(ledger: &Ledger, servers: &[Watched]) -> bool {
    servers.iter().all(|watched| {
        let epoch = watched.watcher.epoch();
        epoch_in(ledger.stripes(), watched.slot, epoch) <= epoch
    })
}
