//! The turns of a crowd's jobs: whose it is, and what becomes of one whose time is up.

use super::jobs::{self, NONE};
use super::lines::Turn;
use super::{About, Crowd, Member};
use crate::client::exchange::Witness;
use crate::client::proof::Proving;
use crate::client::{LOOK, clock, fork};
use crate::rules::time::Instant;

impl<O: Member> Crowd<O> {
    /// Whether a change of a key can be more than one command, or others are to be kept from it.
    pub(super) fn takes_turns(&self) -> bool {
        self.pool.options.backups || self.views.stripes().is_some() || !self.views.view().all_steady()
    }

    /// Whether the owner has a change in this line that a read of now could overtake.
    pub(super) fn is_behind(&mut self, stripe: u32, about: About) -> bool {
        let Some(line) = self.jobs.lines.get(stripe) else { return false };
        let running = matches!(line.turn, Turn::Had(_));
        let mut at = line.first;
        // What was sent already comes before it, as long as all servers that it could ask are steady.
        let passes = running && self.views.view().all_steady();
        let mut first = true;
        while let Some(job) = self.jobs.job(at) {
            let theirs = job.operation.about();
            let sent = first && passes && job.operation.may_be_followed();
            if theirs.owner == about.owner && theirs.life == about.life && !sent {
                return true;
            }
            first = false;
            at = job.behind;
        }
        false
    }

    /// Whether the owner has anything in this line.
    pub(super) fn has_one_in(&mut self, stripe: u32, about: About) -> bool {
        let mut at = self.jobs.lines.first(stripe);
        while let Some(job) = self.jobs.job(at) {
            let theirs = job.operation.about();
            if (theirs.owner, theirs.life) == (about.owner, about.life) {
                return true;
            }
            at = job.behind;
        }
        false
    }

    /// Ends the jobs whose time is up.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(slot) = self.jobs.overdue() {
            let changes = self.jobs.job(slot).is_some_and(|job| job.changes);
            let mut back = Vec::new();
            self.exchange.withdraw(|tag| {
                let is_its = jobs::slot_of(tag) == slot;
                back.extend(is_its.then_some(tag));
                is_its
            });
            let was = self.jobs.retire(slot);
            back.into_iter().for_each(|tag| self.jobs.withdrawn(tag));
            // Nothing more of a change may reach a server, and what may be executed yet is told to everybody, before its turn
            // is given back. Of a read it does not matter.
            while changes && let Some(server) = self.exchange.debtors(|tag| jobs::slot_of(tag) == slot) {
                self.exchange.give_up_on(server, &mut self.jobs, &mut self.views, now);
            }
            self.pass_on_time_up(slot, now);
            self.jobs.let_go(slot, was);
        }
    }

    /// The time of the first of a line is up. Those behind it that came as long ago have waited for nothing else, and
    /// their time is up too.
    fn pass_on_time_up(&mut self, slot: u32, now: Instant) {
        let Some((line, mut at)) = self.jobs.job(slot).map(|job| (job.line, job.behind)) else { return };
        if line == NONE || self.jobs.lines.first(line) != slot {
            return;
        }
        let timeout = self.pool.options.timeout;
        while let Some(job) = self.jobs.job(at) {
            let (behind, late) = (job.behind, now >= job.arrived + timeout);
            if late {
                self.jobs.give_up(at);
            }
            at = behind;
        }
    }

    /// Takes the turns that are wanted and can be had.
    pub(super) fn take_turns(&mut self, now: Instant) {
        self.end_proofs(now);
        if self.jobs.lines.wanted.is_empty() {
            return;
        }
        self.views.refresh(now);
        if self.is_outdated() {
            // Nobody goes to work before the list has changed, and no proof is begun that would keep it from that.
            self.look_at = now + LOOK;
            return;
        }
        let mut wanted = std::mem::replace(&mut self.jobs.lines.wanted, std::mem::take(&mut self.wanted));
        let stripes = self.views.stripes().cloned();
        for at in wanted.drain(..) {
            let first = self.jobs.lines.first(at);
            let deadline = self.renewed(first, now);
            let Some(line) = self.jobs.lines.get(at) else { continue };
            let Turn::Wanted { waited } = line.turn else { continue };
            if std::mem::replace(&mut line.round, self.round) == self.round {
                continue;
            }
            let Some(stripes) = &stripes else {
                line.turn = Turn::Had(None);
                self.go(first, now);
                continue;
            };
            match stripes.look(at, clock::millis(deadline), waited, fork::epoch()) {
                None => {
                    line.turn = Turn::Wanted { waited: true };
                    self.jobs.lines.wanted.push(at);
                    self.look_at = now + LOOK;
                }
                Some(kept) if kept.taken_over() => {
                    // Who had it before may have gone by a list that was published before he was gone, and no sooner.
                    self.views.refresh(now);
                    if self.views.relisted() {
                        // By the old list a server that joined would not be asked. So it stays taken, unproved.
                        line.turn = Turn::Wanted { waited: true };
                        self.jobs.lines.wanted.push(at);
                        self.look_at = now + LOOK;
                        continue;
                    }
                    let proving = Proving::new(&mut self.views, &self.terms, deadline, now);
                    line.turn = Turn::Proving(kept, Box::new(proving));
                    self.jobs.lines.proving += 1;
                    if self.jobs.job(first).is_some_and(|job| job.deadline != deadline) {
                        self.jobs.renew(first, deadline);
                    }
                }
                Some(kept) => {
                    line.turn = Turn::Had(Some(kept));
                    self.go(first, now);
                }
            }
        }
        self.wanted = wanted;
    }

    /// When the time of the first of a line is up, if it is its turn now. As for every caller, what it waited for others
    /// counts; but who sent several at once about one key did not wait for anybody before the last of them.
    fn renewed(&mut self, slot: u32, now: Instant) -> Instant {
        match self.jobs.job(slot) {
            Some(job) if !job.follows_own => job.deadline,
            _ => now + self.pool.options.timeout,
        }
    }

    /// It is the turn of the first of a line.
    fn go(&mut self, slot: u32, now: Instant) {
        if self.jobs.job(slot).is_some_and(|job| job.follows_own && job.arrived != now) {
            self.jobs.renew(slot, now + self.pool.options.timeout);
        }
        self.fresh.push(slot);
    }

    fn end_proofs(&mut self, now: Instant) {
        if self.jobs.lines.proving == 0 {
            return;
        }
        let mut over = Vec::new();
        for (at, line) in self.jobs.lines.proofs() {
            if let Turn::Proving(_, proving) = &mut line.turn
                && proving.ask(&self.views, now)
            {
                over.push(at);
            }
        }
        if !over.is_empty() {
            // Of a server that did not prove anything, what those change who wait for it is noted, as before any change.
            self.views.changes(&self.jobs, now + self.pool.options.timeout);
        }
        for at in over {
            let Some(line) = self.jobs.lines.get(at) else { continue };
            let (first, turn) =
                (line.first, std::mem::replace(&mut line.turn, Turn::Wanted { waited: true }));
            let Turn::Proving(mut kept, proving) = turn else { continue };
            self.jobs.lines.proving -= 1;
            if proving.end(&mut self.views, now) {
                kept.proved();
                if let Some(line) = self.jobs.lines.get(at) {
                    line.turn = Turn::Had(Some(kept));
                }
                // Its time goes on: the stripe's is over at the same moment.
                self.fresh.push(first);
            } else {
                self.jobs.lines.wanted.push(at);
                self.jobs.give_up(first);
            }
        }
    }
}
