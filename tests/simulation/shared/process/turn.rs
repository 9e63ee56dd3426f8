//! A key's turn: it is waited for, taken over from who is gone or late, and proved then.

use super::*;

impl Process {
    pub(super) fn queue(&mut self, net: &mut Net, board: &mut Board) {
        let Step::Queued(_, key) = self.step else { return };
        let holder = board.stripes.get(&key).copied();
        if holder.is_some_and(|holder| holder.deadline >= net.now) {
            return;
        }
        board.stripes.insert(key, Holder { process: self.id, deadline: self.carrier.deadline });
        self.stripe = Some(key);
        let Step::Queued(task, key) = std::mem::replace(&mut self.step, Step::Idle) else { return };
        let Some(holder) = holder.filter(|_| self.planted != Planted::NoProof) else {
            self.overtook.extend(holder.map(|holder| holder.process));
            return self.enter(net, board, task);
        };
        net.note(|| format!("p{} takes the stripe of k{key} over from p{}", self.id, holder.process));
        self.overtook.push(holder.process);
        self.follow_list(net, board);
        self.look(net, board);
        // What the other had sent may lie in a socket: who answers questions that were asked since has
        // executed it.
        let places = if board.swept {
            self.view.pool.ids().filter(|id| self.view.live(*id)).map(ServerId::index).collect()
        } else {
            let places = Placement::of(&self.view, key_bytes(key)).map(|placement| placement.places);
            places.into_iter().flatten().map(ServerId::index).collect()
        };
        self.step = Step::Proving(task, places);
        self.prove(net, board);
    }

    pub(super) fn prove(&mut self, net: &mut Net, board: &mut Board) {
        let Step::Proving(_, places) = &mut self.step else { return };
        if self.errand.is_some() {
            return;
        }
        let Some(server) = places.pop() else {
            let Step::Proving(task, _) = std::mem::replace(&mut self.step, Step::Idle) else { return };
            return self.enter(net, board, task);
        };
        self.view.now = net.stamp();
        let probe = Work::Probe(Box::new(Probe::new(&self.view, ServerId(server as u16))));
        self.send_errand(net, server, probe, self.patience());
    }

    pub(super) fn send_errand(&mut self, net: &mut Net, server: usize, work: Work, time: u64) {
        let owner = self.errand_owner;
        let mut errand = Errand::new(owner, work, self.own.len(), net.now + time, self.patience());
        errand.pump(net, &self.view);
        self.errand = Some((server, self.epochs[server], errand));
    }

    /// The stripe, if it is still this process's own.
    pub(super) fn let_go(&mut self, board: &mut Board) {
        if let Some(key) = self.stripe.take()
            && board.stripes.get(&key).is_some_and(|holder| holder.process == self.id)
        {
            board.stripes.remove(&key);
        }
    }
}
