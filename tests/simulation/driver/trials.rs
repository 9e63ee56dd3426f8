//! Trials of servers that are down, which ride along with calls.

use super::*;

impl Driver {
    pub(super) fn begin_trial(&mut self, server: usize) {
        let since = self.net.stamp_of(self.health[server].since().0.max(self.doubts[server]));
        self.tell(server, HealthEvent::TrialBegun);
        self.look();
        let rejoin = Rejoin::new(&self.view, ServerId(server as u16), &self.health[server], since);
        let free = self.carriers.iter().position(|c| c.trial_of == Some(server));
        let carrier = free.unwrap_or(self.carriers.len());
        if free.is_some() {
            self.abandon(carrier);
        } else {
            self.carriers.push(Carrier::of(self.health.len()));
        }
        self.carriers[carrier].trial_of = Some(server);
        let (owed, life) = (self.health[server].missed_write(), self.health[server].incarnation());
        self.net.note(|| {
            format!(
                "s{server} TRIAL begins, owes a flush: {owed}, down since {since:?}, last met as {life:?}"
            )
        });
        self.start(carrier, Task::trial(rejoin));
    }

    pub(super) fn end_trial(&mut self, carrier: usize, server: usize, outcome: Outcome) {
        let verdict = match self.carriers[carrier].task.as_ref().and_then(Task::rejoin) {
            Some(rejoin) if outcome == Outcome::Done => {
                HealthEvent::Rejoined { incarnation: rejoin.incarnation(), meta: rejoin.meta() }
            }
            Some(rejoin) if rejoin.held_back() => HealthEvent::HeldBack,
            _ => HealthEvent::TrialFailed,
        };
        self.net.note(|| format!("s{server} TRIAL ends: {outcome:?}"));
        self.abandon(carrier);
        self.tell(server, verdict);
    }

    /// Drops what a carrier does, without a word.
    pub fn abandon(&mut self, carrier: usize) {
        for server in 0..self.health.len() {
            if let Some(link) = self.carriers[carrier].links[server].take() {
                self.net.reset(link.conn);
            }
        }
        self.carriers[carrier].task = None;
        self.carriers[carrier].armed = None;
    }
}
