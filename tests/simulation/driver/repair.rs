//! What a read found displaced is moved within its call, without any turn at its key: a planted fault. The lease alone does
//! not keep it from taking a counted value from under a counter (world 89,296 of when that was no fault yet).

use super::*;

/// A read that is over but for what it moves.
pub struct Repair {
    read: Task,
    outcome: Outcome,
}

impl Driver {
    /// A call has come to its end. Whether it goes on with the move of what it read.
    pub(super) fn begins_repair(&mut self, carrier: usize, outcome: Outcome) -> bool {
        if self.planted != Planted::RepairWithoutTurn {
            return false;
        }
        let c = &mut self.carriers[carrier];
        let Some(task) = c.task.as_mut().filter(|task| !task.mutates()) else { return false };
        let over =
            c.trial_of.is_none() && c.repair.is_none() && matches!(outcome, Outcome::Hit | Outcome::Done);
        if !over {
            return false;
        }
        let Some(&(key, server)) = task.displaced().first() else { return false };
        let in_time = c.deadline.saturating_sub(self.net.now) > self.net.now - c.begun;
        if !in_time || self.view.state(server) == State::Down {
            return false;
        }
        self.net.note(|| format!("carrier {carrier} moves k{key}, which it read on s{}", server.0));
        let read = c.task.replace(Task::moving(key, server));
        c.repair = read.map(|read| Repair { read, outcome });
        true
    }

    /// The read is what the call was.
    pub(super) fn end_repair(&mut self, carrier: usize) -> Option<Outcome> {
        let Repair { read, outcome } = self.carriers[carrier].repair.take()?;
        self.carriers[carrier].task = Some(read);
        Some(outcome)
    }
}
