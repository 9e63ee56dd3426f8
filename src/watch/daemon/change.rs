//! The pool file as the daemon goes by it: read again, and followed.
//!
//! A list that places keys elsewhere than the one before it is published together with that one, until a sweep has moved
//! everything (rule 7). There is one list before it and no more: another change waits until the first one is swept.
//! Where nobody can sweep, keys that a new list places elsewhere are missed once.

use std::sync::Arc;

use sd_notify::NotifyState;

use super::{Daemon, terms};
use crate::config::Order;
use crate::rules::pool::place_alike;
use crate::rules::view::State;
use crate::table::{ServerEntry, Snapshot};
use crate::watch::journal;
use crate::watch::ledger::Ledger;
use crate::watch::pool_file::{Plan, Reading};
use crate::watch::roster::{self, Sweeping};
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
        plan.settings.health.swept = self.sweeping.on;
        let other_files = terms(&plan) != terms(&self.plan);
        let plan = self.change_list(plan);
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

    /// What is followed now of a plan; and what is to be swept by that.
    fn change_list(&mut self, plan: Plan) -> Plan {
        let alike = place_alike(&plan.file.pool, &self.plan.file.pool);
        if !alike && self.sweeping.previous.is_some() {
            log::info!(
                "the list of servers changes once more; that is followed when the change before is swept"
            );
            let now = plan.with_list(&self.plan.file.pool, &self.plan.file.orders);
            self.next_plan = Some(plan);
            return now;
        }
        self.next_plan = None;
        if !alike && self.sweeping.on {
            self.sweeping.previous = Some(Arc::new(self.plan.file.pool.clone()));
        }
        plan
    }

    /// Everything is where the current list places it: the one before it is forgotten, and what waited for that is
    /// followed.
    pub(super) fn forget_previous(&mut self) {
        self.sweeping.previous = None;
        self.view.borrow_mut().set_previous(None);
        log::info!("the change of the list of servers is swept: every copy is where the list places it");
        self.publish(moment());
        if let Some(plan) = self.next_plan.take() {
            self.follow(plan, "it had changed during the sweep");
        }
    }
}

/// What a daemon goes by that begins with this plan, after one that published `old`.
pub(super) fn take_over(mut plan: Plan, old: Option<&Snapshot>) -> (Plan, Sweeping, Option<Plan>) {
    let Some(old) = old else { return (plan, Sweeping::default(), None) };
    let mut sweeping = Sweeping { on: old.swept, ..Sweeping::default() };
    plan.settings.health.swept = sweeping.on;
    sweeping.previous = old.previous.as_ref().and_then(|list| list.pool().ok()).map(Arc::new);
    let Some(listed) = old.current.pool().ok().filter(|list| !place_alike(&plan.file.pool, list)) else {
        return (plan, sweeping, None);
    };
    if sweeping.previous.is_some() {
        let in_force: Vec<Order> = old.current.servers.iter().map(ordered).collect();
        return (plan.with_list(&listed, &in_force), sweeping, Some(plan));
    }
    if sweeping.on {
        sweeping.previous = Some(Arc::new(listed));
    }
    (plan, sweeping, None)
}

/// What was ordered for a server when it was published.
fn ordered(entry: &ServerEntry) -> Order {
    match entry.state {
        State::Down if entry.ordered => Order::Down,
        State::Draining if entry.ordered => Order::Draining,
        _ => Order::Up,
    }
}

/// systemd waits for [`NotifyState::Ready`] then.
fn tell_that_it_reloads() {
    let reloading = [NotifyState::monotonic_usec_now().ok(), Some(NotifyState::Reloading)];
    journal::tell(&reloading.into_iter().flatten().collect::<Vec<_>>());
}
