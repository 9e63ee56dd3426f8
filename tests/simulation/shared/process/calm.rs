//! Calm: every call is over that was under way, and what it sent is executed: src/client/calm.rs.

use super::*;

/// How far the wait is.
pub(super) struct Calm {
    /// Stripes that were held when it began, and were not seen free since.
    pending: Vec<Key>,
    /// Stripes that were taken over from somebody who is gone.
    taken: Vec<Key>,
    /// Servers that are still to be proved, because of that.
    unproved: Vec<usize>,
}

impl Process {
    /// Begins to wait. It ends as `Done`, or as `Timeout`.
    pub fn wait_for_calm(&mut self, net: &mut Net, board: &mut Board) {
        self.carrier.begun = net.now;
        self.carrier.deadline = net.now + self.timeout();
        self.follow_list(net, board);
        self.look(net, board);
        let pending = board.stripes.keys().copied().collect();
        self.step = Step::Calming(Calm { pending, taken: Vec::new(), unproved: Vec::new() });
        self.calm_down(net, board);
        self.arm(net);
    }

    pub(super) fn calm_down(&mut self, net: &mut Net, board: &mut Board) {
        let Step::Calming(calm) = &mut self.step else { return };
        if self.errand.is_some() {
            return;
        }
        if !calm.pending.is_empty() {
            let (id, deadline) = (self.id, self.carrier.deadline);
            let mut taken = Vec::new();
            calm.pending.retain(|key| match board.stripes.get(key).copied() {
                None => false,
                Some(holder) if holder.deadline >= net.now => true,
                Some(holder) => {
                    self.overtook.push(holder.process);
                    board.stripes.insert(*key, Holder { process: id, deadline });
                    taken.push(*key);
                    false
                }
            });
            calm.taken.extend(taken);
            if !calm.pending.is_empty() {
                return;
            }
            if !calm.taken.is_empty() && self.planted != Planted::NoProof {
                let taken = calm.taken.clone();
                net.note(|| format!("CALM takes over the stripes of {taken:?}"));
                // By the list of now: those who had them may have gone by it.
                self.look_anew(net, board);
                let live = self.view.pool.ids().filter(|id| self.view.live(*id));
                let unproved = live.map(ServerId::index).collect();
                let Step::Calming(calm) = &mut self.step else { return };
                calm.unproved = unproved;
            }
        }
        let Step::Calming(calm) = &mut self.step else { return };
        if let Some(server) = calm.unproved.pop() {
            self.view.now = net.stamp();
            let probe = Work::Probe(Box::new(Probe::new(&self.view, ServerId(server as u16))));
            return self.send_errand(net, server, probe, self.patience());
        }
        self.end(net, board, Outcome::Done);
    }

    /// Stripes that it took over: given back when all servers are proved, else left to whoever takes them next.
    pub(super) fn leave_calm(&mut self, board: &mut Board, outcome: Outcome) {
        let Step::Calming(calm) = &mut self.step else { return };
        for key in calm.taken.drain(..).filter(|_| outcome == Outcome::Done) {
            if board.stripes.get(&key).is_some_and(|holder| holder.process == self.id) {
                board.stripes.remove(&key);
            }
        }
    }
}
