//! The daemon: watchers for the servers, and the one hand that writes the table.

use std::sync::Arc;
use std::time::Duration;

use memcache::rules::operation::Outcome;
use memcache::rules::pool::{Pool, ServerId};
use memcache::rules::probe::Probe;
use memcache::rules::time::Instant;
use memcache::rules::view::{ServerView, State, View};
use memcache::rules::watcher::{Failing, Moment, Order, Published, Settings, Task, Watcher};

use super::board::{Board, Entry, Holder, mark};
use super::errand::{Errand, Work};
use super::faults::Planted;
use super::sweeper::{self, Sweeper};
use crate::net::{ConnId, Delivery, Net};

/// How far a daemon is on its way to an attended table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// It says that it is settling.
    Announce,
    /// It reads the epochs.
    Read,
    /// It publishes what they mean, and reads them once more.
    Publish,
    Attended,
}

/// Its number among those who try a server.
const DAEMON: usize = usize::MAX;

pub struct Daemon {
    pool: Arc<Pool>,
    watchers: Vec<Watcher>,
    view: View,
    errands: Vec<Option<Errand>>,
    stage: Stage,
    first_owner: usize,
    /// The last heartbeat that it wrote.
    beat: u64,
    /// What moves copies, if the pool is swept.
    pub sweeper: Option<Sweeper>,
    pub planted: Planted,
    /// It is to die between the two halves of its next change of a state.
    pub dies_halfway: bool,
    pub dead: bool,
}

mod lists;

fn settings(pool: &Pool, board: &Board) -> Settings {
    let mut settings = Settings::new(&pool.options, Duration::from_millis(50), 2, 2);
    settings.health.swept = board.swept;
    settings
}

fn moment(net: &Net) -> Moment {
    Moment { clock: Instant(net.now), stamp: net.stamp() }
}

impl Daemon {
    /// A daemon that begins, with what the one before it published.
    pub fn new(net: &Net, board: &Board, first_owner: usize, planted: Planted) -> Daemon {
        let pool = Arc::clone(&board.list);
        let settings = settings(&pool, board);
        let entries = board.entries.iter().zip(&board.epochs).take(board.listed());
        let watchers = entries.map(|(entry, epoch)| {
            let published = Published {
                view: entry.view,
                incarnation: entry.incarnation,
                since: entry.since,
                reason: String::new(),
                epoch: entry.epoch,
            };
            Watcher::resume(settings, Order::Up, moment(net), Instant(net.now), published, *epoch)
        });
        let watchers: Vec<_> = watchers.collect();
        let mut view = View::new(Arc::clone(&pool));
        view.set_previous(board.previous.clone());
        Daemon {
            errands: watchers.iter().map(|_| None).collect(),
            watchers,
            view,
            sweeper: board.swept.then(|| Sweeper::new(board, planted)),
            pool,
            stage: Stage::Announce,
            first_owner,
            beat: net.now,
            planted,
            dies_halfway: false,
            dead: false,
        }
    }

    pub fn attended(&self) -> bool {
        self.stage == Stage::Attended
    }

    fn look(&mut self, net: &Net) {
        self.view.refresh(self.view.generation + 1, self.watchers.iter().map(Watcher::view));
        self.view.now = net.stamp();
    }

    /// It was stopped for longer than clients wait: they have judged by themselves meanwhile.
    fn overslept(&self, net: &Net, board: &Board) -> bool {
        self.planted != Planted::NoSettling && net.now > self.beat + board.bound
    }

    /// What its loop does each time.
    pub fn turn(&mut self, net: &mut Net, board: &mut Board) {
        if self.stage != Stage::Announce && self.overslept(net, board) {
            net.note(|| "DAEMON finds that it slept".to_string());
            self.stage = Stage::Announce;
        }
        match self.stage {
            Stage::Announce if self.planted == Planted::NoSettling => self.attend(net, board),
            Stage::Announce => {
                board.settling = true;
                self.beat(net, board);
                self.stage = Stage::Read;
            }
            Stage::Read => {
                self.beat(net, board);
                self.settle(net, board);
                self.stage = Stage::Publish;
            }
            Stage::Publish => {
                self.beat(net, board);
                for server in 0..self.watchers.len() {
                    self.publish(net, board, server);
                    if self.dead {
                        return;
                    }
                }
                if self.settle(net, board) {
                    return;
                }
                self.attend(net, board);
            }
            Stage::Attended => {
                self.beat(net, board);
                self.watch(net, board);
            }
        }
    }

    fn attend(&mut self, net: &mut Net, board: &mut Board) {
        board.settling = false;
        self.beat(net, board);
        self.stage = Stage::Attended;
        net.note(|| "DAEMON attends".to_string());
    }

    fn beat(&mut self, net: &Net, board: &mut Board) {
        self.beat = net.now;
        board.heartbeat = net.now.max(1);
    }

    /// Whether an epoch was another than it knew.
    fn settle(&mut self, net: &mut Net, board: &mut Board) -> bool {
        if let Some(sweeper) = &mut self.sweeper {
            sweeper.begin_anew();
        }
        self.drop_errands(net, board);
        let mut news = false;
        for server in 0..self.watchers.len() {
            news |= self.watchers[server].settle(moment(net), board.epochs[server]);
        }
        news
    }

    /// What they find out was so before.
    fn drop_errands(&mut self, net: &mut Net, board: &mut Board) {
        for server in 0..self.watchers.len() {
            if let Some(mut errand) = self.errands[server].take() {
                errand.close(net);
                board.tried_server(server, DAEMON);
                self.watchers[server].dropped(moment(net));
            }
        }
    }

    fn watch(&mut self, net: &mut Net, board: &mut Board) {
        let now = moment(net);
        for server in 0..self.watchers.len() {
            // A change that was never answered may be executed at any time: its process said so.
            let epoch = board.epochs[server];
            if epoch > self.watchers[server].epoch() && self.watchers[server].settle(now, epoch) {
                self.publish(net, board, server);
            }
        }
        for server in 0..self.watchers.len() {
            if self.dead {
                return;
            }
            if self.watchers[server].tick(now) {
                self.publish(net, board, server);
            }
            let timeout = self.pool.options.timeout.as_micros() as u64;
            let patience = self.pool.options.patience().as_micros() as u64;
            if let Some(task) = self.watchers[server].task(now) {
                let holder = Holder { process: DAEMON, deadline: net.now + timeout };
                let alone = task == Task::Probe
                    || self.planted == Planted::TrialsTogether
                    || board.try_server(server, holder, net.now);
                if !alone {
                    self.watchers[server].dropped(now);
                    continue;
                }
                self.look(net);
                let id = ServerId(server as u16);
                let (work, time) = match task {
                    Task::Probe => (Work::Probe(Box::new(Probe::new(&self.view, id))), patience),
                    Task::Trial => {
                        (Work::Trial(Box::new(self.watchers[server].trial(&self.view, id))), timeout)
                    }
                };
                if let Some(mut old) = self.errands[server].take() {
                    old.close(net);
                }
                let owner = self.first_owner + server;
                let mut errand = Errand::new(owner, work, self.watchers.len(), net.now + time, patience);
                errand.pump(net, &self.view);
                self.errands[server] = Some(errand);
            }
            self.finish(net, board, server);
        }
        self.sweep(net, board);
    }

    /// A client had trouble with a server.
    pub fn told(&mut self, net: &Net, server: usize) {
        if let Some(watcher) = self.watchers.get_mut(server) {
            watcher.told(moment(net));
        }
    }

    pub fn deliver(&mut self, net: &mut Net, board: &mut Board, conn: ConnId, delivery: &Delivery) {
        let owner = net.owner(conn);
        if let Some(sweeper) = self.sweeper.as_mut().filter(|_| owner >= sweeper::OWNERS) {
            sweeper.deliver(net, board, conn, delivery);
            return;
        }
        let server = owner - self.first_owner;
        if server >= self.watchers.len() {
            return;
        }
        self.view.now = net.stamp();
        if self.stage == Stage::Attended && !self.overslept(net, board) {
            // (Else others may have had the turn to try it meanwhile, and all of it is dropped.)
            if let Some(errand) = &mut self.errands[server] {
                errand.deliver(net, &self.view, conn, delivery);
            }
            self.finish(net, board, server);
            // A failed probe is repeated at once.
            self.watch(net, board);
        }
    }

    fn finish(&mut self, net: &mut Net, board: &mut Board, server: usize) {
        let Some(errand) = &mut self.errands[server] else { return };
        if !errand.judge(net, &self.view) {
            return;
        }
        let Some(mut errand) = self.errands[server].take() else { return };
        errand.close(net);
        board.tried_server(server, DAEMON);
        let (now, watcher) = (moment(net), &mut self.watchers[server]);
        let news = match (&errand.work, errand.outcome()) {
            (Work::Probe(probe), Some(Outcome::Done)) => watcher.probed(now, Ok(probe.greeting())),
            (Work::Probe(_), _) => watcher.probed(now, Err(errand.failing.unwrap_or(Failing::Silent))),
            (Work::Trial(rejoin), outcome) => watcher.tried(now, rejoin, outcome),
        };
        if news {
            self.publish(net, board, server);
        }
    }

    /// Going down, the epoch first; coming back, the table first.
    fn publish(&mut self, net: &mut Net, board: &mut Board, server: usize) {
        let watcher = &self.watchers[server];
        let (epoch, was) = (watcher.epoch(), board.epochs[server]);
        let down = watcher.state() == State::Down;
        net.note(|| format!("DAEMON publishes s{server} as {:?}, epoch {epoch}", watcher.view().state));
        if down {
            board.epochs[server] = epoch.max(was);
            if std::mem::take(&mut self.dies_halfway) {
                return self.dead = true;
            }
        }
        board.entries[server] = Entry {
            view: ServerView { incarnation: mark(server, epoch), ..watcher.view() },
            incarnation: watcher.incarnation(),
            since: watcher.since(),
            epoch,
        };
        board.generation += 1;
        if !down {
            if std::mem::take(&mut self.dies_halfway) {
                return self.dead = true;
            }
            // Not over another's word.
            if was <= epoch {
                board.epochs[server] = epoch;
            }
        }
        self.show_sweeper(net);
    }

    /// An administrator's order, or its end.
    pub fn drain(&mut self, net: &mut Net, board: &mut Board, server: usize, on: bool) {
        let order = if on { Order::Draining } else { Order::Up };
        if server < self.watchers.len() && self.watchers[server].order(moment(net), order) {
            self.publish(net, board, server);
        }
    }

    /// It ends, or is killed: what it had under way goes.
    pub fn close(&mut self, net: &mut Net) {
        for mut errand in self.errands.iter_mut().filter_map(Option::take) {
            errand.close(net);
        }
        if let Some(sweeper) = &mut self.sweeper {
            sweeper.close(net);
        }
    }
}
