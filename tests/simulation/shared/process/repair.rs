//! What a read found displaced is moved, within its call, if nobody else has the key's turn: src/client/repair.rs.

use super::*;

/// A read that is over but for what it moves.
pub(super) struct Repair {
    read: Task,
    outcome: Outcome,
}

impl Process {
    /// A call has come to its end. Whether it goes on with the move of what it read.
    pub(super) fn begins_repair(&mut self, net: &mut Net, board: &mut Board, outcome: Outcome) -> bool {
        let reads = self.carrier.task.as_ref().is_some_and(|task| !task.mutates());
        let working = matches!(self.step, Step::Working) && outcome == Outcome::Hit;
        if !self.repairs || !working || !reads || self.repair.is_some() {
            return false;
        }
        let displaced = self.carrier.task.as_mut().map(Task::displaced).unwrap_or_default();
        let Some(&(key, server)) = displaced.first() else { return false };
        let left = self.carrier.deadline.saturating_sub(net.now);
        let in_time = left > net.now - self.carrier.begun;
        if !in_time || self.view.any_unreachable() || self.lineup != board.lineup {
            return false;
        }
        if self.planted != Planted::RudeRepair {
            if board.stripes.contains_key(&key) {
                return false;
            }
            let holder = Holder { process: self.id, deadline: self.carrier.deadline };
            board.stripes.insert(key, holder);
            self.stripe = Some(key);
        }
        let before = self.view.generation;
        self.look(net, board);
        if self.view.generation != before || self.lineup != board.lineup {
            return false;
        }
        let id = self.id;
        net.note(|| format!("p{id} moves k{key}, which it read on s{}", server.0));
        let Some(read) = self.carrier.task.replace(Task::moving(key, server)) else { return false };
        self.repair = Some(Repair { read, outcome });
        self.repaired += 1;
        true
    }

    /// The read is what the call was.
    pub(super) fn end_repair(&mut self) -> Option<Outcome> {
        let Repair { read, outcome } = self.repair.take()?;
        self.carrier.task = Some(read);
        Some(outcome)
    }
}
