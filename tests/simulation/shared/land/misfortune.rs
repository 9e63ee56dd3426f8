//! What happens to a machine: the faults, and their ends.

use super::*;

impl Land {
    /// A server fails that holds a value of these keys which a call may leave: it may be the only copy already.
    pub(super) fn disturb(&mut self, server: usize, held: u64) {
        let now = self.net.now;
        for (key, (truth, failed)) in self.keys.iter_mut().zip(&mut self.holders_failed).enumerate() {
            if truth.copies & (1 << server) != 0 || held & (1 << key) != 0 {
                failed.push((now, server));
            }
            truth.fault(server);
        }
    }

    /// The keys of which a server holds a value that counts, or is about to: one bit each.
    pub(super) fn held_by(&self, server: usize) -> u64 {
        let keys = 0..self.keys.len();
        keys.filter(|key| self.holders(*key as Key) & (1 << server) != 0).fold(0, |held, key| held | 1 << key)
    }

    pub fn inflict(&mut self, fault: Fault) {
        self.net.note(|| format!("{fault:?}"));
        let held = fault.server().map_or(0, |server| self.held_by(server));
        match fault {
            Fault::Crash(s) => self.net.crash(s),
            Fault::Restart(s) => {
                self.net.crash(s);
                self.net.start(s);
            }
            Fault::Cut(s) => self.net.cut(s, Cut::Silent),
            Fault::Refuse(s) => self.net.cut(s, Cut::Refusing),
            Fault::Hang(s) => self.net.hang(s),
            Fault::Break(s) => self.net.break_one(s),
            Fault::CutFrom(s, process) => self.net.cut_from(s, process),
            Fault::Drain(s) => self.drain(s, true),
            Fault::DaemonStops => self.daemon_stopped = true,
            Fault::DaemonDies => self.end_daemon(),
            Fault::DaemonDiesHalfway => {
                self.daemon.iter_mut().for_each(|daemon| daemon.dies_halfway = true);
            }
            Fault::DaemonResigns => {
                self.end_daemon();
                self.board.heartbeat = 0;
            }
            Fault::ProcessStops(id) => {
                self.stopped[id] = true;
                self.active[id].iter_mut().for_each(|active| active.stopped = true);
            }
            Fault::ProcessDies(id) => self.kill(id),
        }
        if let Fault::Crash(s) | Fault::Restart(s) | Fault::Cut(s) | Fault::Refuse(s) | Fault::Hang(s) = fault
        {
            self.disturb(s, held);
        }
        self.after();
    }

    fn drain(&mut self, server: usize, on: bool) {
        if let Some(daemon) = self.daemon.as_mut().filter(|daemon| daemon.attended()) {
            daemon.drain(&mut self.net, &mut self.board, server, on);
        }
    }

    fn kill(&mut self, id: usize) {
        self.stopped[id] = false;
        self.processes[id].die(&mut self.net);
        // A stripe whose owner is gone is taken over at once.
        self.board.trials.iter_mut().flatten().filter(|h| h.process == id).for_each(|h| h.deadline = 0);
        self.board.stripes.values_mut().filter(|h| h.process == id).for_each(|h| h.deadline = 0);
        self.tokens[id] = None;
        let active = self.active[id].take();
        self.flushed_late |= active.as_ref().is_some_and(|active| active.call == Call::FlushAll);
        if let Some(active) = active
            && let (true, false, Some(key)) = (active.entered, active.overtaken, active.call.changes())
        {
            let key = usize::from(key);
            self.writers[key] -= 1;
            self.doubtful[key] = true;
            self.keys[key].unanswered();
        }
        let count = self.processes.len();
        self.processes[id] = Process::new(id, count + id, &self.board, self.planted);
    }

    pub fn relieve(&mut self, fault: Fault) {
        match fault {
            Fault::Crash(s) => self.net.start(s),
            Fault::Cut(s) | Fault::Refuse(s) | Fault::CutFrom(s, _) => self.net.heal(s),
            Fault::Hang(s) => self.net.wake(s),
            Fault::Drain(s) => self.drain(s, false),
            Fault::DaemonStops => {
                self.daemon_stopped = false;
                self.net.note(|| "DAEMON goes on".to_string());
                self.resume_events();
            }
            Fault::DaemonDies | Fault::DaemonDiesHalfway | Fault::DaemonResigns => {
                self.end_daemon();
                self.start_daemon();
            }
            Fault::ProcessStops(id) => {
                self.stopped[id] = false;
                self.net.note(|| format!("p{id} goes on"));
                self.resume_events();
            }
            Fault::Restart(_) | Fault::Break(_) | Fault::ProcessDies(_) => {}
        }
        self.after();
    }
}
