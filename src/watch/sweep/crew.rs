//! The crew: the threads of a sweep, and what they tell the loop.
//!
//! Each blocks as it likes and has a client of its own; the loop waits for none of them. A job that is dropped ends
//! soon: at its next look, a few milliseconds later when it is at work on a batch.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::SocketAddrAny;
use tokio::sync::mpsc::UnboundedSender;

use super::counts::Counts;
use super::dump::{Settings, Trouble, items, supported};
use super::marker::{Holder, Marker, name};
use super::walk::{Order, Walk, Walked};
use crate::client::{Client, TableAt};
use crate::rules::pool::{Pool, ServerId};
use crate::rules::sweep::Tick;
use crate::table::Trust;
use crate::watch::system::step_back;

/// The least time that a call of ours may take.
const LEAST: Duration = Duration::from_millis(500);
/// How long the last word of a thread may take to the loop.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// What a thread has to say.
#[derive(Debug)]
pub enum Told {
    /// Whether this server (by its key) gives lists of its keys.
    Supported(u64, Result<(), Trouble>),
    /// Every call is over that began before this tick; and how many items the servers hold. `None`: it is not known yet.
    Calm(Tick, Option<u64>),
    /// A walk is over.
    Walked(ServerId, Tick, Walked),
    /// The marker is somebody else's now, or ours.
    Marked(Holder),
}

/// A thread at work; told to stop when it is dropped.
#[derive(Debug)]
pub struct Job {
    stop: Arc<AtomicBool>,
    /// `None`: it could not be begun.
    thread: Option<JoinHandle<()>>,
    /// When it was first seen to have ended.
    ended: Option<Instant>,
}

impl Job {
    /// Tells it to stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Whether it ended and never will tell anything: it could not be begun, or panicked.
    pub fn is_lost(&mut self) -> bool {
        if !self.has_ended() {
            return false;
        }
        // What it told last may be on its way.
        self.ended.get_or_insert_with(Instant::now).elapsed() > ON_ITS_WAY
    }

    /// Waits until all of them have ended; no longer than `within`.
    pub fn end(jobs: Vec<Job>, within: Duration) {
        let until = Instant::now() + within;
        jobs.iter().for_each(Job::stop);
        while !jobs.iter().all(Job::has_ended) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a thread's client is opened with.
#[derive(Clone, Debug)]
pub struct Crew {
    /// The pool.
    pub pool: Arc<Pool>,
    /// Its table.
    pub table: PathBuf,
    /// Whose tables are believed.
    pub trust: Trust,
    /// Where what is found is told.
    pub told: UnboundedSender<Told>,
}

impl Crew {
    fn client(&self) -> Client {
        let at = TableAt { path: self.table.clone(), trust: self.trust.clone() };
        let mut client = Client::open_with_table(Arc::clone(&self.pool), Some(at));
        let options = &self.pool.options;
        // What a call holds while this process is stopped, others wait for: no longer than for another's call.
        client.set_timeouts(options.connect_timeout, options.timeout.max(LEAST));
        client
    }

    /// A thread, or none if this machine has no room for one; then `work` is dropped.
    fn begin(name: &str, work: impl FnOnce(Arc<AtomicBool>) + Send + 'static) -> Job {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || {
            step_back();
            work(flag);
        });
        Job { stop, thread: thread.ok(), ended: None }
    }

    /// Asks a server whether it gives lists of its keys.
    pub fn ask(&self, server: u64, sites: Arc<[SocketAddrAny]>) -> Job {
        let told = self.told.clone();
        Crew::begin("sweep-ask", move |stop| {
            // Without a receiver there is no daemon that could want to know; so everywhere here.
            let _ = told.send(Told::Supported(server, supported(&sites, &Settings::default(), &stop)));
        })
    }

    /// Waits until every call is over that began before `tick`, for `within` at most, and asks the servers for how much they hold.
    pub fn calm(&self, tick: Tick, within: Duration, servers: Vec<Arc<[SocketAddrAny]>>) -> Job {
        let crew = self.clone();
        Crew::begin("sweep-calm", move |stop| {
            let calm = crew.client().wait_for_calm(within);
            let count = |sites: &Arc<[SocketAddrAny]>| items(sites, &Settings::default(), &stop).unwrap_or(0);
            let held = calm.then(|| servers.iter().map(count).sum());
            let _ = crew.told.send(Told::Calm(tick, held));
        })
    }

    /// Walks a server.
    pub fn walk(&self, order: Order, begun: Tick, counts: Arc<Counts>) -> Job {
        let (crew, source) = (self.clone(), order.source);
        Crew::begin("sweep-walk", move |stop| {
            let walked = Walk::new(order, crew.client(), counts, stop).run();
            let _ = crew.told.send(Told::Walked(source, begun, walked));
        })
    }

    /// Keeps the marker.
    pub fn mark(&self) -> Job {
        let crew = self.clone();
        Crew::begin("sweep-mark", move |stop| {
            let marker = Marker::new(crew.client(), &crew.pool.name, name(&crew.table));
            marker.keep(stop, |holder| drop(crew.told.send(Told::Marked(holder))));
        })
    }
}
