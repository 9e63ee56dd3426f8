//! What a read found displaced is moved within its call, as src/client/repair.rs does it where there are no stripes: then
//! the lease alone keeps it from beating somebody else.

use super::*;

/// A read that is over but for what it moves.
pub struct Repair {
    read: Task,
    outcome: Outcome,
}

impl Driver {
    /// A call has come to its end. Whether it goes on with the move of what it read.
    pub(super) fn begins_repair(&mut self, carrier: usize, outcome: Outcome) -> bool {
        if !self.repairs {
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
        // Without backups there is no lease, and nothing would keep it from beating a delete.
        let safe = self.view.pool.options.backups || self.planted == Planted::RepairWithoutLease;
        if !in_time || !safe || self.view.state(server) == State::Down {
            return false;
        }
        self.net.note(|| format!("carrier {carrier} moves k{key}, which it read on s{}", server.0));
        self.moves += 1;
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
