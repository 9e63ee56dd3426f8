//! The loop: everything that changes is changed here.
//!
//! Whatever happens (a task's news, a datagram, a signal, a moment that was waited for) is taken in by the one server that
//! it concerns, and what others see of it is published before anything else is looked at.

mod change;
mod sweep;
mod upkeep;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::getpid;
use sd_notify::NotifyState;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant as Alarm, MissedTickBehavior, interval, sleep_until};

use self::sweep::Sweeps;
use super::carrier::SharedView;
use super::journal;
use super::ledger::{Begun, Ledger, Terms};
use super::pool_file::{Follower, Plan, Source};
use super::roster::{self, Sweeping};
use super::server::{News, Watched};
use super::system::{Asked, Signals, moment, prepare, readable, tick};
use crate::rules::address::Address;
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;
use crate::rules::view::View;
use crate::rules::watcher::{Moment, Task};
use crate::table::{Fault, Settings as TableSettings};
use crate::table::{Lock, Notice, Reader, Refusal, Snapshot, Trust, notice};

/// How the daemon ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It was asked to.
    Asked,
    /// The files cannot be made.
    Files,
    /// The pool file cannot be used.
    PoolFile,
    /// Another process watches the pool.
    Watched,
}

impl End {
    /// The exit status that says so. 2 is of wrong arguments.
    pub fn status(self) -> u8 {
        match self {
            End::Asked => 0,
            End::Files => 1,
            End::PoolFile => 3,
            End::Watched => 4,
        }
    }
}

/// What a refusal says when another process has the lock; it says it in words alone.
const TAKEN: &str = " already has a writer, ";

/// How the daemon ends that cannot begin, and why.
type Failed = (End, String);

/// How often it is looked whether the files are still in place.
const LOOK: Duration = Duration::from_secs(1);
/// Datagrams that are read before the loop looks at anything else.
const AT_ONCE: usize = 64;

/// Watches the pool in that file until a signal ends it.
pub fn run(pool: PathBuf) -> End {
    let mut source = Source::new(pool);
    let plan = match source.read() {
        Ok(plan) => plan,
        Err(messages) => {
            messages.iter().for_each(|message| log::error!("{message}"));
            return End::PoolFile;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            log::error!("cannot begin: {error}");
            return End::Files;
        }
    };
    prepare();
    let tasks = tokio::task::LocalSet::new();
    let end = tasks.block_on(&runtime, async move {
        // Signals first: one that comes early must not end a daemon that is about to take the pool over.
        let signals = Signals::new().map_err(|message| (End::Files, message));
        let begun = signals.and_then(|signals| Ok((Daemon::begin(source, plan)?, signals)));
        match begun {
            Ok((daemon, signals)) => daemon.watch(signals).await,
            Err((end, message)) => {
                log::error!("{message}");
                end
            }
        }
    });
    drop(tasks);
    // A lookup can hang for half a minute; nobody waits for it.
    runtime.shutdown_background();
    end
}

fn terms(plan: &Plan) -> Terms {
    Terms { table: plan.table.clone(), mode: plan.file.watch.mode, owner: plan.owner }
}

struct Daemon {
    source: Follower,
    plan: Plan,
    servers: Vec<Watched>,
    by_key: HashMap<u64, usize>,
    by_address: HashMap<Address, usize>,
    next_key: u64,
    view: SharedView,
    /// When which server has something to do; more often than needed does no harm.
    alarms: BinaryHeap<Reverse<(Instant, usize)>>,
    /// `None`: they were taken away, and cannot be made anew. Nobody can be told anything then, so nothing is asked.
    ledger: Option<Ledger>,
    listener: Option<UnixDatagram>,
    /// The changes of epochs that are known.
    changes: u64,
    /// Until then the table stays settling: calls are under way that hold stripes of a file that is lost.
    unsettled: Option<Alarm>,
    /// What was said last about files that cannot be made.
    trouble: String,
    /// What was said last about a socket that cannot be made.
    deaf: String,
    isolated: bool,
    sweeping: Sweeping,
    sweeps: Sweeps,
    /// A plan with yet another list of servers: it waits until the change before is swept.
    next_plan: Option<Plan>,
    news: UnboundedSender<News>,
    inbox: Option<UnboundedReceiver<News>>,
    /// What systemd was told last.
    status: String,
}

impl Daemon {
    fn begin(source: Source, plan: Plan) -> Result<Daemon, Failed> {
        let terms = terms(&plan);
        let files =
            |message: String| (if message.contains(TAKEN) { End::Watched } else { End::Files }, message);
        let lock = Lock::take(&plan.table).map_err(|error| files(error.to_string()))?;
        let old = inherited(&plan);
        let (plan, sweeping, next_plan) = change::take_over(plan, old.as_ref());
        let begun = Begun::new(lock, &terms).map_err(files)?;
        let now = moment();
        let servers = roster::begin(&plan, old.as_ref(), &begun.stripes, now);
        let first = roster::snapshot(&plan, &servers, &sweeping, begun.stripes.id(), now);
        let lost = begun.stripes.is_new() && old.as_ref().is_some_and(|old| old.stripes != 0);
        let ledger = begun.finish(terms, &first).map_err(files)?;
        let (news, inbox) = unbounded_channel();
        let view = Rc::new(RefCell::new(View::new(Arc::new(plan.file.pool.clone()))));
        let mut daemon = Daemon {
            next_key: servers.len() as u64,
            source: Follower::new(source),
            plan,
            servers,
            by_key: HashMap::new(),
            by_address: HashMap::new(),
            view,
            alarms: BinaryHeap::new(),
            ledger: Some(ledger),
            listener: None,
            changes: 0,
            unsettled: None,
            trouble: String::new(),
            deaf: String::new(),
            isolated: false,
            sweeping,
            sweeps: Sweeps::new(),
            next_plan,
            news,
            inbox: Some(inbox),
            status: String::new(),
        };
        let (pid, pool) = (getpid().as_raw_nonzero(), &daemon.plan.file.pool);
        let (name, table) = (pool.name.clone(), daemon.plan.table.display());
        let count = journal::census(daemon.servers.iter().map(|watched| watched.watcher.state()));
        let continued = if old.is_some() { ", going on from the table that was there" } else { "" };
        log::info!("process {pid} watches the pool {name}, in the table {table}{continued}: {count}");
        daemon.index();
        daemon.unsettled = lost.then(|| daemon.longest_call());
        daemon.settle(None);
        daemon.hear();
        Ok(daemon)
    }

    async fn watch(mut self, mut signals: Signals) -> End {
        let Some(mut inbox) = self.inbox.take() else { return End::Files };
        let Some(mut sweeps) = self.sweeps.inbox() else { return End::Files };
        let mut heartbeat = interval(TableSettings::default().beat());
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut dog = journal::watchdog().map(interval);
        let mut reads = Alarm::now() + self.plan.settings.interval;
        journal::tell(&[NotifyState::Ready]);
        loop {
            self.serve_due();
            self.drive_sweep();
            let next = self.next_alarm();
            tokio::select! {
                biased;
                _ = heartbeat.tick() => self.beat(),
                // Whatever else there is to do: who looks after this daemon is told that it lives.
                _ = tick(dog.as_mut()) => journal::tell(&[NotifyState::Watchdog]),
                asked = signals.next() => match asked {
                    Asked::End => break,
                    Asked::Reload => self.reload("a signal asks for it"),
                },
                Some(news) = inbox.recv() => self.learn(news),
                Some(told) = sweeps.recv() => self.learn_of_sweep(told),
                _ = readable(self.listener.as_ref()) => self.listen(),
                _ = sleep_until(next) => {}
                _ = looks.tick() => self.look(),
                _ = sleep_until(reads) => {
                    reads = Alarm::now() + self.plan.settings.interval;
                    self.source.look();
                }
                (why, read) = self.source.done() => self.change(why, read),
            }
        }
        self.end()
    }

    fn end(mut self) -> End {
        journal::tell(&[NotifyState::Stopping]);
        self.sweeps.end();
        let mut longest = Duration::ZERO;
        if let Some(ledger) = self.ledger.take() {
            longest = ledger.longest();
            drop(ledger.resign());
        }
        log::info!("ends; the table stays, and clients judge by themselves");
        log::info!("the longest time between two heartbeats was {}", journal::span(longest));
        End::Asked
    }

    /// Which server is which; and all of them have something to do.
    fn index(&mut self) {
        let servers = self.servers.iter().enumerate();
        self.by_key = servers.clone().map(|(index, server)| (server.key, index)).collect();
        self.by_address = servers.map(|(index, server)| (server.server.address.clone(), index)).collect();
        let pool = Arc::new(self.plan.file.pool.clone());
        let mut view = View::new(pool);
        view.set_previous(self.sweeping.previous.clone());
        view.generation = self.view.borrow().generation;
        view.swept = self.sweeping.on;
        let before = self.view.replace(view);
        let pool = &self.plan.file.pool;
        let same_list = (before.pool.slots(), before.pool.servers()) == (pool.slots(), pool.servers());
        if !same_list {
            self.sweeps.relist();
        } else if (&before.pool.name, &before.pool.options) != (&pool.name, &pool.options) {
            // What is under way goes by the options of before; what it is for stays.
            self.sweeps.stop();
        }
        self.wake_all();
    }

    fn wake_all(&mut self) {
        self.alarms = (0..self.servers.len()).map(|index| Reverse((Instant(0), index))).collect();
    }

    /// When something is to be done even if nothing happens.
    fn next_alarm(&self) -> Alarm {
        let due = self.alarms.peek().filter(|_| self.ledger.is_some());
        let wait = due.map_or(Duration::from_secs(3600), |Reverse((due, _))| due.since(moment().clock));
        Alarm::now() + wait
    }

    fn serve_due(&mut self) {
        let now = moment();
        while let Some(&Reverse((due, index))) = self.alarms.peek()
            && due <= now.clock
            && self.ledger.is_some()
        {
            self.alarms.pop();
            self.serve(index, now);
        }
    }

    /// Does what is to be done for one server.
    fn serve(&mut self, index: usize, now: Moment) {
        let Some(watched) = self.servers.get_mut(index) else { return };
        watched.resolve(now.clock, &self.news);
        let changed = watched.watcher.tick(now);
        let task = watched.watcher.task(now);
        if changed {
            self.publish(now);
        }
        let (id, limit) = (ServerId(index as u16), self.plan.deadline);
        match task {
            Some(Task::Probe) => self.servers[index].probe(now.clock, id, &self.view, limit, &self.news),
            Some(Task::Trial) => self.try_again(index, now),
            None => {}
        }
        if let Some(due) = self.servers[index].watcher.due() {
            self.alarms.push(Reverse((due, index)));
        }
    }

    fn try_again(&mut self, index: usize, now: Moment) {
        let turn = self.ledger.as_ref().and_then(|ledger| ledger.turn_to_try(self.servers[index].slot));
        match turn {
            Some(turn) => {
                let sites = self.servers.iter().map(Watched::sites).collect();
                let (id, limit) = (ServerId(index as u16), self.plan.deadline);
                self.servers[index].try_again(id, &self.view, limit, sites, turn, &self.news);
            }
            // A client that judged by itself is at it, or died over it.
            None => drop(self.servers[index].watcher.dropped(now)),
        }
    }

    fn learn(&mut self, news: News) {
        // A daemon that was stopped learns of that first: what was found before then no longer counts.
        self.beat();
        let Some(&index) = self.by_key.get(&news.server) else { return };
        let now = moment();
        if self.servers[index].learn(now, news.ticket, news.found, &self.news) {
            self.publish(now);
        }
        self.servers[index].give_turn_back();
        if self.ledger.is_some() {
            self.serve(index, now);
        }
    }

    /// Reads what clients report.
    fn listen(&mut self) {
        let mut room = [0; notice::LONGEST + 1];
        for _ in 0..AT_ONCE {
            let Some(listener) = &self.listener else { return };
            let length = match listener.try_recv(&mut room) {
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) => return log::debug!("a datagram was lost: {error}"),
            };
            match notice::parse(&room[..length]) {
                Some(Notice::Failed(address)) => {
                    let Some(&index) = self.by_address.get(&address) else { continue };
                    let now = moment();
                    self.servers[index].watcher.told(now);
                    if self.ledger.is_some() {
                        self.serve(index, now);
                    }
                }
                Some(Notice::Reload) => self.reload("a program asks for it"),
                Some(Notice::Sweep(None)) => self.sweep(None),
                Some(Notice::Sweep(Some(address))) => {
                    let Some(&index) = self.by_address.get(&address) else { continue };
                    self.sweep(Some(index));
                }
                None => {}
            }
        }
    }

    /// What others see has changed.
    fn publish(&mut self, now: Moment) {
        let generation = self.view.borrow().generation + 1;
        let views: Vec<_> = self.servers.iter().map(|watched| watched.watcher.view()).collect();
        self.view.borrow_mut().refresh(generation, views.into_iter());
        self.sweeps.see(&self.view.borrow(), &self.servers);
        if let Some(ledger) = &mut self.ledger {
            let (plan, servers, sweeping) = (&self.plan, &self.servers, &self.sweeping);
            let snapshot = roster::snapshot(plan, servers, sweeping, ledger.stripes().id(), now);
            let keeps = plan.keeps() && self.unsettled.is_none() && snapshot.previous.is_none();
            note_changes(ledger, &mut self.servers, keeps);
            match ledger.publish(&snapshot) {
                Ok(()) => self.servers.iter_mut().for_each(Watched::told),
                Err(fault) => log::error!("cannot publish: {fault}"),
            }
        }
        self.servers.iter_mut().for_each(Watched::note);
        self.note_isolation();
        let status = journal::census(self.servers.iter().map(|watched| watched.watcher.state()));
        if status != self.status {
            journal::tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    fn note_isolation(&mut self) {
        let isolated = self.view.borrow().isolated();
        if isolated != self.isolated {
            self.isolated = isolated;
            if isolated {
                log::warn!(
                    "most servers are down at once: the network of this machine is the likelier fault, so \
                     nothing is flushed or diverted until more of them answer"
                );
            } else {
                log::info!("most servers answer again");
            }
        }
    }
}

/// What is changed without a server that fell just now is noted, if it may keep the rest.
fn note_changes(ledger: &Ledger, servers: &mut [Watched], keeps: bool) {
    for watched in servers {
        if watched.watcher.take_fall() && keeps {
            let journal = ledger.open_journal(watched.slot, watched.watcher.epoch());
            if journal.is_none() {
                log::info!("{}: what is changed without it cannot be noted", watched.title());
            }
            watched.note_changes(journal);
        }
    }
}

/// What the daemon before this one published, if that can be read.
fn inherited(plan: &Plan) -> Option<Snapshot> {
    let trust = plan.owner.map_or_else(Trust::default, |(user, _)| Trust::default().also(user));
    let mut snapshot = Snapshot::default();
    let read = Reader::open(&plan.table, trust).and_then(|mut reader| reader.snapshot(&mut snapshot));
    match read {
        Ok(_) => Some(snapshot),
        Err(Refusal { fault: Fault::Missing, .. }) => None,
        Err(refusal) => {
            log::warn!("{refusal}; whatever the servers owe is unknown, and every one begins as steady");
            None
        }
    }
}
