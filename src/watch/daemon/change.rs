//! The pool file as the daemon goes by it: read again, and followed.

use sd_notify::NotifyState;

use super::{Daemon, terms};
use crate::watch::journal;
use crate::watch::ledger::Ledger;
use crate::watch::pool_file::{Plan, Reading};
use crate::watch::roster;
use crate::watch::system::moment;

impl Daemon {
    /// Somebody asks for the pool file to be read.
    pub(super) fn reload(&mut self, why: &'static str) {
        tell_that_it_reloads();
        self.source.read(why);
    }

    /// It was read.
    pub(super) fn change(&mut self, why: &str, read: Reading) {
        tell_that_it_reloads();
        match read {
            Ok(plan) => self.follow(plan, why),
            Err(messages) => {
                let path = self.source.path().display();
                log::error!("cannot use what is in {path} now; the pool stays as it is:");
                messages.iter().for_each(|message| log::error!("{message}"));
            }
        }
        journal::tell(&[NotifyState::Ready]);
    }

    fn follow(&mut self, mut plan: Plan, why: &str) {
        log::info!("{} is read again: {why}", self.source.path().display());
        if plan.table != self.plan.table {
            let (old, new) = (self.plan.table.display(), plan.table.display());
            log::error!("the table stays at {old}; to have it at {new}, restart memcache-watchd");
            plan.table = self.plan.table.clone();
        }
        let other_files = terms(&plan) != terms(&self.plan);
        let now = moment();
        let old = std::mem::take(&mut self.servers);
        let stripes = self.ledger.as_ref().map(Ledger::stripes);
        self.servers = roster::change(&plan, old, stripes, now, &mut self.next_key);
        // What the keys are that a server may hold is not known across a change of lists.
        self.servers.iter_mut().for_each(|watched| watched.forget_changes(now));
        self.plan = plan;
        self.index();
        self.publish(now);
        if other_files {
            self.renew();
        }
    }
}

/// systemd waits for [`NotifyState::Ready`] then.
fn tell_that_it_reloads() {
    let reloading = [NotifyState::monotonic_usec_now().ok(), Some(NotifyState::Reloading)];
    journal::tell(&reloading.into_iter().flatten().collect::<Vec<_>>());
}
