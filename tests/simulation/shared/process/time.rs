//! What a process does as time passes: it looks, gives up, and tries what is down.

use super::*;

impl Process {
    pub fn arm(&mut self, net: &mut Net) {
        let busy = !self.idle() || self.errand.is_some();
        if busy && !self.armed {
            self.armed = true;
            let wake = if self.idle() { net.now + LOOK } else { self.carrier.deadline.min(net.now + LOOK) };
            net.at(wake, Event::Timer(self.id));
        }
    }

    pub fn timer(&mut self, net: &mut Net, board: &mut Board) {
        self.armed = false;
        if !self.idle() && net.now >= self.carrier.deadline {
            self.end(net, board, Outcome::Timeout);
        }
        match self.step {
            Step::Queued(..) => self.queue(net, board),
            Step::Calming(_) => self.calm_down(net, board),
            Step::Working if !self.held.is_empty() => {
                self.look(net, board);
                self.go_on(net, board);
            }
            _ => {}
        }
        for server in 0..self.own.len() {
            let link = self.carrier.links[server].as_ref();
            let late = link.is_some_and(|link| link.owes() && link.owed_since + self.patience() <= net.now);
            if late && matches!(self.step, Step::Working) {
                self.lose(net, board, server, true, true);
            }
        }
        self.tend(net, board);
    }

    /// Trials that this process makes, while nobody attends the table, and proofs.
    pub(super) fn tend(&mut self, net: &mut Net, board: &mut Board) {
        if let Some((server, epoch, errand)) = &mut self.errand {
            let overslept = net.now > errand.deadline();
            if !errand.judge(net, &self.view) {
                return;
            }
            let (server, epoch, good) =
                (*server, *epoch, !overslept && errand.outcome() == Some(Outcome::Done));
            let trial = matches!(errand.work, Work::Trial(_));
            errand.close(net);
            self.errand = None;
            board.tried_server(server, self.id);
            if trial && good && board.mode(net.now) == Mode::Unattended {
                net.note(|| format!("p{} brings s{server} back", self.id));
                board.turn_epoch(server, epoch, epoch + 1);
            } else if !trial && !good {
                self.doubt(board, server);
            }
        }
        self.prove(net, board);
        self.calm_down(net, board);
        if self.errand.is_none() && self.idle() {
            self.try_one(net, board);
        }
    }

    /// Rides along with calls: one server that is down, and due.
    pub fn try_one(&mut self, net: &mut Net, board: &mut Board) {
        if self.errand.is_some() || board.mode(net.now) != Mode::Unattended {
            return;
        }
        self.look(net, board);
        for server in 0..self.view.pool.servers().len() {
            let epoch = self.epochs[server];
            let down = self.view.state(ServerId(server as u16)) == State::Down;
            let own = &mut self.own[server];
            let since = net.stamp();
            let (of, since, due) = own.fallen.filter(|f| f.0 == epoch).unwrap_or((epoch, since, net.now));
            own.fallen = down.then_some((of, since, due));
            if !down || net.now < due {
                continue;
            }
            let holder = Holder {
                process: self.id,
                deadline: net.now + self.view.pool.options.timeout.as_micros() as u64,
            };
            if self.planted != Planted::TrialsTogether && !board.try_server(server, holder, net.now) {
                continue;
            }
            own.fallen = Some((of, since, net.now + 100_000));
            let entry = &board.entries[server];
            let live = ServerView { state: State::Steady, ..entry.view };
            let mut health = Health::resume(live, entry.incarnation, Instant(0));
            let settings = Settings::new(&self.view.pool.options);
            for event in [HealthEvent::Refused, HealthEvent::MissedWrite, HealthEvent::TrialBegun] {
                health.on(Instant(net.now), event, &settings);
            }
            let rejoin = Rejoin::new(&self.view, ServerId(server as u16), &health, since);
            let time = self.timeout();
            self.send_errand(net, server, Work::Trial(Box::new(rejoin)), time);
            return self.arm(net);
        }
    }
}
