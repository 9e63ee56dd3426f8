//! One client process: a call at a time, by the table while it is attended, and by the epochs while it is not.

mod calm;
mod lists;
mod repair;
mod time;
mod turn;

use std::sync::Arc;

use memcache::rules::greeting::Greeting;
use memcache::rules::health::{Event as HealthEvent, Health, Incarnation, Settings};
use memcache::rules::operation::{Failure, Outcome, Tag};
use memcache::rules::places::Placement;
use memcache::rules::pool::ServerId;
use memcache::rules::probe::Probe;
use memcache::rules::rejoin::Rejoin;
use memcache::rules::time::{Instant, Stamp};
use memcache::rules::view::{ServerView, State, View};

use self::calm::Calm;
use self::repair::Repair;
use super::board::{Board, Holder, Mode};
use super::errand::{Errand, Work};
use super::faults::Planted;
use crate::calls::{Call, Key, key_bytes};
use crate::carrier::{Carrier, Link, Phase};
use crate::message::{Answer, Ask};
use crate::net::{ConnId, Delivery, Event, Net};
use crate::task::Task;

/// How often it looks at what others may have changed while it waits.
const LOOK: u64 = 1_000;
/// How long an unreachable server is left alone, at first and at most.
const WHILE: (u64, u64) = (10_000, 1_000_000);

/// What a process knows of one server by itself.
#[derive(Clone, Default)]
struct Own {
    /// Until when it is passed by, the last such span, and the epoch that was seen then.
    until: u64,
    span: u64,
    epoch: u64,
    /// The life that was met in an epoch.
    met: Option<(u64, Incarnation)>,
    breaks: u32,
    /// An epoch that says down: when it was seen first, and when the next trial is due.
    fallen: Option<(u64, Stamp, u64)>,
    /// A planted fault: it judges by itself.
    gone: bool,
}

/// How far a call is.
enum Step {
    Idle,
    /// It waits for the key's stripe.
    Queued(Task, Key),
    /// It took the stripe over, and proves the places first.
    Proving(Task, Vec<usize>),
    Working,
    /// It waits until every call is over that was under way.
    Calming(Calm),
}

pub struct Process {
    pub id: usize,
    pub carrier: Carrier,
    pub view: View,
    pub mode: Mode,
    /// Which list it goes by.
    lineup: u64,
    /// Calls take turns at a key.
    turns: bool,
    /// It moves what its reads find displaced.
    repairs: bool,
    repair: Option<Repair>,
    own: Vec<Own>,
    /// The epoch that each server was last seen in.
    epochs: Vec<u64>,
    held: Vec<(usize, Tag)>,
    step: Step,
    pub stripe: Option<Key>,
    errand: Option<(usize, u64, Errand)>,
    errand_owner: usize,
    pub planted: Planted,
    pub ended: Option<Outcome>,
    /// It has the stripe (or needs none), and its call begins to have effects.
    pub entered: bool,
    /// Whose calls it ended by taking a stripe over.
    pub overtook: Vec<usize>,
    pub repaired: u64,
    pub reports: Vec<usize>,
    pub broken: Option<String>,
    armed: bool,
}

impl Process {
    /// A process that begins with the board's list. Where somebody sweeps, its reads repair.
    pub fn new(id: usize, errand_owner: usize, board: &Board, planted: Planted) -> Process {
        let (pool, servers) = (Arc::clone(&board.list), board.epochs.len());
        Process {
            lineup: board.lineup,
            turns: board.swept || pool.options.backups,
            repairs: board.swept,
            repair: None,
            repaired: 0,
            id,
            carrier: Carrier::of(servers),
            view: View::new(pool),
            mode: Mode::Unattended,
            own: vec![Own::default(); servers],
            epochs: vec![0; servers],
            held: Vec::new(),
            step: Step::Idle,
            stripe: None,
            errand: None,
            errand_owner,
            planted,
            ended: None,
            entered: false,
            overtook: Vec::new(),
            reports: Vec::new(),
            broken: None,
            armed: false,
        }
    }

    pub fn patience(&self) -> u64 {
        self.view.pool.options.patience().as_micros() as u64
    }

    fn timeout(&self) -> u64 {
        self.view.pool.options.timeout.as_micros() as u64
    }

    // ---- how the servers are seen

    fn seen(&self, board: &Board, now: u64, server: usize) -> (ServerView, u64) {
        let mut seen = board.seen(server, self.mode);
        let own = &self.own[server];
        let epoch =
            if self.mode == Mode::Attended { board.entries[server].epoch } else { board.epoch(server) };
        let doubtful = self.mode == Mode::Attended
            && board.epochs[server] > epoch
            && board.epochs[server] % 2 == 1
            && self.planted != Planted::NoDoubts;
        let passed_by = self.mode != Mode::Unattended && own.until > now && own.epoch == epoch;
        seen.unreachable = doubtful || passed_by;
        let reads = self.carrier.task.as_ref().is_some_and(|task| !task.mutates());
        let hasty = seen.unreachable && reads && self.planted == Planted::HastyMiss;
        if hasty || (own.gone && own.epoch == epoch) {
            seen.state = State::Down;
        }
        if seen.state == State::Draining && self.planted == Planted::DrainingActs {
            seen.state = State::Steady;
        }
        (seen, epoch)
    }

    /// Looks at what is shared. What no longer holds is told to the operation.
    fn look(&mut self, net: &mut Net, board: &Board) {
        self.mode = board.mode(net.now);
        let mut failed = Vec::new();
        let mut news = false;
        let mut servers = Vec::new();
        news |= self.look_at_lists(board);
        for server in 0..self.view.pool.servers().len() {
            if server >= board.listed() {
                // It is in no list any more, and the call ends under its own.
                servers.push(self.view.server(ServerId(server as u16)));
                continue;
            }
            let (seen, epoch) = self.seen(board, net.now, server);
            let old = self.view.server(ServerId(server as u16));
            let another = epoch != std::mem::replace(&mut self.epochs[server], epoch);
            news |= another || old.state != seen.state || old.incarnation != seen.incarnation;
            if another && self.planted != Planted::OldConnections {
                // What was asked of the server as it was is not to be believed of it as it is.
                self.take_link(net, server, &mut failed);
            }
            servers.push(seen);
        }
        let generation = self.view.generation + u64::from(news);
        self.view.refresh(generation, servers.into_iter());
        self.view.now = net.stamp();
        if news {
            failed.extend(self.held.drain(..).map(|(_, tag)| (tag, Failure::Unsent)));
        }
        self.fail(failed);
    }

    fn take_link(&mut self, net: &mut Net, server: usize, failed: &mut Vec<(Tag, Failure)>) {
        if let Some(link) = self.carrier.links[server].take() {
            net.reset(link.conn);
            failed.extend(link.asked.iter().map(|tag| (*tag, Failure::Unanswered)));
            failed.extend(link.waiting.iter().map(|tag| (*tag, Failure::Unsent)));
        }
    }

    fn fail(&mut self, failed: Vec<(Tag, Failure)>) {
        for (tag, failure) in failed {
            if let Some(task) = self.carrier.task.as_mut().filter(|task| task.outcome().is_none()) {
                task.fail(&self.view, tag, failure);
            }
        }
    }

    // ---- calls

    pub fn begin(&mut self, net: &mut Net, board: &mut Board, call: &Call) {
        self.start(net, board, Task::of(call), call.changes());
    }

    /// A call, or a move, which needs this key's turn.
    pub fn start(&mut self, net: &mut Net, board: &mut Board, task: Task, key: Option<Key>) {
        self.carrier.begun = net.now;
        self.carrier.deadline = net.now + self.timeout();
        self.entered = false;
        let unruly =
            self.planted == Planted::NoStripes || (self.planted == Planted::MoveNoStripe && task.is_move());
        match key.filter(|_| self.turns) {
            Some(key) if !unruly => {
                self.step = Step::Queued(task, key);
                self.queue(net, board);
            }
            _ => self.enter(net, board, task),
        }
        self.arm(net);
    }

    fn enter(&mut self, net: &mut Net, board: &mut Board, task: Task) {
        self.follow_list(net, board);
        self.look(net, board);
        self.entered = true;
        self.step = Step::Working;
        self.carrier.task = Some(task);
        self.carrier.messages = 0;
        self.go_on(net, board);
    }

    pub fn idle(&self) -> bool {
        matches!(self.step, Step::Idle)
    }

    fn go_on(&mut self, net: &mut Net, board: &mut Board) {
        loop {
            self.view.now = net.stamp();
            // What was held back goes when its server can be reached again.
            let held = std::mem::take(&mut self.held);
            let (wait, free): (Vec<_>, Vec<_>) =
                held.into_iter().partition(|(server, _)| self.view.unreachable(ServerId(*server as u16)));
            self.held = wait;
            for (server, tag) in free {
                self.send(net, server, tag);
            }
            let Some(task) = &mut self.carrier.task else { return };
            let Some((server, tag)) = task.next(&self.view) else {
                if self.waits_for_the_list(board) {
                    self.follow_list(net, board);
                    self.look(net, board);
                    continue;
                }
                break;
            };
            if self.view.unreachable(server) {
                self.held.push((server.index(), tag));
                // Who waits tries it again while it has time left, however long others leave it alone.
                let soon = net.now + self.timeout() / 4;
                let own = &mut self.own[server.index()];
                own.until = own.until.min(soon);
            } else {
                self.send(net, server.index(), tag);
            }
        }
        if let Some(outcome) = self.carrier.task.as_ref().and_then(Task::outcome) {
            self.end(net, board, outcome);
        }
    }

    fn send(&mut self, net: &mut Net, server: usize, tag: Tag) {
        if self.view.state(ServerId(server as u16)) == State::Down {
            self.broken = Some(format!("an operation asks s{server}, which is down"));
        }
        self.carrier.messages += 1;
        let id = self.id;
        let planned = self.view.server(ServerId(server as u16));
        let link = self.carrier.links[server].get_or_insert_with(|| Link {
            conn: net.connect(server, id),
            phase: Phase::Connecting,
            meta: true,
            lost: false,
            waiting: Default::default(),
            asked: Default::default(),
            owed_since: net.now,
            begun: net.now,
            planned,
        });
        if !matches!(link.phase, Phase::Ready) {
            return link.waiting.push_back(tag);
        }
        if link.asked.is_empty() {
            link.owed_since = net.now;
        }
        let Some(task) = self.carrier.task.as_mut() else { return };
        let ask = task.ask(tag);
        if self.planted.clears_nothing(&self.view, task, &ask, ServerId(server as u16)) {
            task.answer(&self.view, tag, &Answer::Deleted.reply());
            return;
        }
        link.asked.push_back(tag);
        net.send(link.conn, ask);
    }

    // ---- what comes back

    pub fn deliver(&mut self, net: &mut Net, board: &mut Board, conn: ConnId, delivery: &Delivery) {
        if net.owner(conn) == self.errand_owner {
            if let Some((_, _, errand)) = self.errand.as_mut().filter(|it| net.now <= it.2.deadline()) {
                errand.deliver(net, &self.view, conn, delivery);
            }
            return self.tend(net, board);
        }
        let server = net.server_of(conn);
        if self.carrier.links[server].as_ref().is_none_or(|link| link.conn != conn) {
            return;
        }
        if self.carrier.task.is_some() && net.now > self.carrier.deadline {
            return self.end(net, board, Outcome::Timeout);
        }
        match delivery {
            Delivery::Connected => self.connected(net, server),
            Delivery::Refused => self.lose(net, board, server, true, false),
            Delivery::Lost => self.lost(net, board, server),
            Delivery::Answer(answer) => self.answered(net, board, server, conn, answer),
        }
    }

    fn connected(&mut self, net: &mut Net, server: usize) {
        let Some(link) = &mut self.carrier.links[server] else { return };
        link.owed_since = net.now;
        link.phase = Phase::Greeting(Greeting::default());
        for command in Greeting::COMMANDS {
            net.send(link.conn, Ask::of(&command));
        }
    }

    fn answered(&mut self, net: &mut Net, board: &mut Board, server: usize, conn: ConnId, answer: &Answer) {
        // An answer is worth what its server is worth when it comes: one that fell meanwhile and is back
        // misses what it never lost.
        if self.planted != Planted::LateLook {
            self.look(net, board);
        }
        let now = net.now;
        let Some(link) = self.carrier.links[server].as_mut().filter(|link| link.conn == conn) else {
            return self.go_on(net, board);
        };
        link.owed_since = now;
        if let Phase::Greeting(greeting) = &mut link.phase {
            if greeting.answer(&answer.reply()) {
                let life = greeting.incarnation();
                link.phase = Phase::Ready;
                self.greeted(net, board, server, life);
            }
            return;
        }
        let Some(tag) = link.asked.pop_front() else { return };
        self.own[server].breaks = 0;
        self.own[server].span = 0;
        if let Some(task) = &mut self.carrier.task {
            task.answer(&self.view, tag, &answer.reply());
        }
        self.go_on(net, board);
    }

    fn greeted(&mut self, net: &mut Net, board: &mut Board, server: usize, life: Option<Incarnation>) {
        let Some(life) = life else { return };
        let (entry, epoch) = (&board.entries[server], self.epochs[server]);
        let met = self.own[server].met.filter(|met| met.0 == epoch).map(|met| met.1);
        let known = if entry.epoch == epoch { entry.incarnation } else { met };
        let same = known.is_none_or(|known| known.same_as(life));
        let unattended = self.mode == Mode::Unattended;
        let another = met.is_some_and(|met| !met.same_as(life));
        if another || (unattended && !same) {
            // A younger process, which nobody saw fall; the table may name it without knowing that.
            board.turn_epoch(server, epoch, epoch + 2);
            self.look(net, board);
        }
        if !unattended && (known.is_none() || !same || another) {
            return self.lose(net, board, server, true, false);
        }
        if self.carrier.links[server].is_none() || self.epochs[server] != epoch {
            return self.go_on(net, board);
        }
        self.own[server].met = Some((epoch, met.unwrap_or(life)));
        let Some(link) = &mut self.carrier.links[server] else { return };
        for tag in std::mem::take(&mut link.waiting) {
            self.send(net, server, tag);
        }
        self.go_on(net, board);
    }

    fn lost(&mut self, net: &mut Net, board: &mut Board, server: usize) {
        let owes = self.carrier.links[server].as_ref().is_some_and(Link::owes);
        if owes {
            return self.lose(net, board, server, false, false);
        }
        if let Some(link) = self.carrier.links[server].take() {
            net.reset(link.conn);
        }
    }

    /// A change was sent and never answered, and may be executed at any time: the server must be emptied after it.
    fn doubt(&mut self, board: &mut Board, server: usize) {
        if self.planted != Planted::NoDoubts {
            let epoch = board.epoch(server);
            board.turn_epoch(server, epoch, epoch | 1);
        }
    }

    fn owes_change(&self, server: usize) -> bool {
        let asked = self.carrier.links[server].as_ref().is_some_and(|link| !link.asked.is_empty());
        asked && self.carrier.task.as_ref().is_some_and(Task::mutates)
    }

    /// A connection is gone. `failed`: the server is at fault, and not the connection alone.
    fn lose(&mut self, net: &mut Net, board: &mut Board, server: usize, failed: bool, silent: bool) {
        if silent && self.owes_change(server) {
            self.doubt(board, server);
        }
        let own = &mut self.own[server];
        own.breaks += 1;
        let failed = failed || own.breaks >= 2;
        let epoch = self.epochs[server];
        let mode = board.mode(net.now);
        if failed && mode == Mode::Unattended && self.planted != Planted::NoEpochs {
            if epoch.is_multiple_of(2) {
                board.turn_epoch(server, epoch, epoch + 1);
            }
        } else if failed && (self.planted == Planted::DivertsAlone || mode == Mode::Unattended) {
            (own.gone, own.epoch) = (true, epoch);
        } else if failed {
            own.span = (own.span * 2).clamp(WHILE.0, WHILE.1);
            (own.until, own.epoch) = (net.now + own.span, epoch);
            self.reports.push(server);
        }
        let mut lost = Vec::new();
        self.take_link(net, server, &mut lost);
        self.look(net, board);
        self.fail(lost);
        self.go_on(net, board);
    }

    // ---- the end

    fn end(&mut self, net: &mut Net, board: &mut Board, outcome: Outcome) {
        for server in 0..self.own.len() {
            if self.carrier.links[server].as_ref().is_none_or(|link| !link.owes()) {
                continue;
            }
            if outcome == Outcome::Timeout && self.owes_change(server) {
                self.doubt(board, server);
            }
            self.take_link(net, server, &mut Vec::new());
        }
        self.held.clear();
        self.leave_calm(board, outcome);
        if matches!(self.step, Step::Proving(..) | Step::Calming(_))
            && let Some((_, _, mut errand)) = self.errand.take()
        {
            errand.close(net);
        }
        if matches!(self.step, Step::Proving(..)) {
            // What the one before had sent is not known to be executed: who takes the stripe next proves that.
            self.stripe = None;
        }
        if self.begins_repair(net, board, outcome) {
            return self.go_on(net, board);
        }
        let outcome = self.end_repair().unwrap_or(outcome);
        self.step = Step::Idle;
        self.let_go(board);
        self.ended = Some(outcome);
    }

    /// Killed: nothing of it is left but its stripe, and what lies in the servers' sockets.
    pub fn die(&mut self, net: &mut Net) -> Option<Key> {
        for server in 0..self.own.len() {
            self.take_link(net, server, &mut Vec::new());
        }
        if let Some((_, _, errand)) = &mut self.errand {
            errand.close(net);
        }
        self.stripe
    }
}
