//! Sweeps, as far as the loop has to do with them: what is to be swept is begun here, and what comes of it published.
//!
//! [`Sweep`] knows what is to be done next; the threads of the [`Crew`] do it. This looks after both whenever the loop comes
//! around, and at least at every heartbeat, so nothing here has an alarm of its own.
//!
//! **Who is swept.** A pool all of whose servers have meta commands and give lists of their keys. When that begins to be so,
//! time alone makes no server steady any more; when it ends, because another kind of server joined, the pool stays swept until every server
//! is steady: what was written on stand-ins meanwhile has no cap, and only the sweep finds it.

mod support;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::support::Support;
use super::Daemon;
use crate::rules::pool::ServerId;
use crate::rules::sweep::{Goal, Sweep, Tick};
use crate::rules::view::{State, View};
use crate::table::{Progress, Trust, identity};
use crate::watch::journal;
use crate::watch::server::Watched;
use crate::watch::sweep::counts::{Counts, read};
use crate::watch::sweep::crew::{Crew, Job, Told};
use crate::watch::sweep::marker::Holder;
use crate::watch::sweep::walk::{Order, Walked};
use crate::watch::system::moment;

/// How often what is done is published, and logged.
const PUBLISH: Duration = Duration::from_secs(1);
const LOG: Duration = Duration::from_secs(10);
/// How long after a walk that failed the server is walked again: at first, and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long the daemon waits at its end for threads in the middle of something.
const END: Duration = Duration::from_millis(200);
/// How long it is waited for calls that were under way, beyond the longest of them.
const GRACE: Duration = Duration::from_secs(1);

/// A walk that was given out.
struct Walk {
    server: ServerId,
    begun: Tick,
    /// `None`: it waits until `not_before`, for the last one failed.
    job: Option<Job>,
    not_before: Instant,
}

/// A sweep under way.
struct Run {
    since: Instant,
    since_unix: u64,
    published: Instant,
    logged: Instant,
    /// Walks that came to their end.
    done: u32,
    /// The servers that it is for, by their keys, as long as that is not reached.
    wanted: BTreeSet<u64>,
}

/// What the loop keeps of its sweeps.
pub(super) struct Sweeps {
    rules: Sweep,
    told: UnboundedSender<Told>,
    inbox: Option<UnboundedReceiver<Told>>,
    support: Support,
    run: Option<Run>,
    counts: Arc<Counts>,
    marker: Option<Job>,
    /// Whose the marker is; `None`: nobody knows yet.
    holder: Option<Holder>,
    calm: Option<Job>,
    calm_not_before: Instant,
    walks: Vec<Walk>,
    /// How much of the time walks take, in percent: those under way go by it too.
    share: Arc<AtomicU32>,
    /// How long the next failure of this server's walk makes it wait, and what was said of the last, by its key.
    failures: HashMap<u64, (Duration, String)>,
}

impl Sweeps {
    pub(super) fn new() -> Sweeps {
        let (told, inbox) = unbounded_channel();
        Sweeps {
            rules: Sweep::new(),
            told,
            inbox: Some(inbox),
            support: Support::default(),
            run: None,
            counts: Arc::default(),
            marker: None,
            holder: None,
            calm: None,
            calm_not_before: Instant::now(),
            walks: Vec::new(),
            share: Arc::new(AtomicU32::new(100)),
            failures: HashMap::new(),
        }
    }

    /// Where the threads tell what they found; once.
    pub(super) fn inbox(&mut self) -> Option<UnboundedReceiver<Told>> {
        self.inbox.take()
    }

    /// How the servers are seen has changed.
    pub(super) fn see(&mut self, view: &View, servers: &[Watched]) {
        let epochs = servers.iter().map(|watched| watched.watcher.epoch());
        self.rules.see(view, epochs, |server| servers[server.index()].watcher.kept());
    }

    /// Another list of servers: ids mean others, and threads have clients of the old one.
    pub(super) fn relist(&mut self) {
        self.rules.relist();
        self.stop();
    }

    /// The daemon was not at its post: whatever was done may have been done too early.
    pub(super) fn begin_anew(&mut self) {
        self.rules.begin_anew();
    }

    /// All threads end, and the sweep is begun anew when there is something to be swept.
    pub(super) fn stop(&mut self) {
        for walk in std::mem::take(&mut self.walks) {
            self.rules.walked(walk.server, walk.begun, false);
        }
        (self.calm, self.marker, self.holder) = (None, None, None);
    }

    /// The daemon ends. What a thread is in the middle of it may end: what it holds others would wait for.
    pub(super) fn end(self) {
        let walks = self.walks.into_iter().filter_map(|walk| walk.job);
        Job::end(walks.chain(self.calm).chain(self.marker).collect(), END);
    }
}

impl Daemon {
    /// Somebody asks for a sweep: of the whole pool, or of what belongs on `only`.
    pub(super) fn sweep(&mut self, only: Option<usize>) {
        let what = match only.and_then(|index| self.servers.get(index)) {
            Some(watched) => format!("what belongs on {}", watched.title()),
            None => format!("the pool {}", self.plan.file.pool.name),
        };
        log::info!("a program asks for a sweep of {what}");
        if self.sweeping.on {
            self.sweeps.rules.request(only.map(|index| ServerId(index as u16)));
        } else {
            log::warn!("that cannot be: nobody sweeps this pool");
        }
    }

    fn crew(&self) -> Crew {
        let trust = self.plan.owner.map_or_else(Trust::default, |(user, _)| Trust::default().also(user));
        let (pool, table) = (Arc::new(self.plan.file.pool.clone()), self.plan.table.clone());
        Crew { pool, table, trust, told: self.sweeps.told.clone() }
    }

    /// Does what is to be done for sweeps at this moment.
    pub(super) fn drive_sweep(&mut self) {
        // Clients judge by themselves, or nothing is decided: then nothing is moved.
        if self.ledger.is_none() || self.unsettled.is_some() || self.isolated {
            return self.sweeps.stop();
        }
        self.note_support();
        self.drop_stale();
        while self.sweeping.on
            && let Some(goal) = self.sweeps.rules.reached()
        {
            self.reached(goal);
        }
        if !self.sweeping.on || !self.sweeps.rules.is_wanted() {
            return self.finish();
        }
        self.begin_run();
        self.note_goals();
        self.begin_threads();
        self.tell_progress();
    }

    /// What a thread tells.
    pub(super) fn learn_of_sweep(&mut self, told: Told) {
        match told {
            Told::Supported(server, answer) => self.sweeps.support.answered(server, answer),
            Told::Marked(holder) => self.marked(holder),
            Told::Calm(tick, Some(items)) => {
                self.sweeps.calm = None;
                self.sweeps.rules.calmed(tick);
                self.sweeps.counts.keys_total.store(items, Relaxed);
            }
            Told::Calm(_, None) => {
                self.sweeps.calm = None;
                self.sweeps.calm_not_before = Instant::now() + AGAIN.0;
                log::debug!("calls are still under way that began before the sweep");
            }
            Told::Walked(server, begun, walked) => self.walked(server, begun, walked),
        }
    }

    /// Walks that mean nothing any more, and threads that will never tell anything.
    fn drop_stale(&mut self) {
        let Sweeps { rules, walks, calm, marker, .. } = &mut self.sweeps;
        for walk in walks.iter_mut() {
            if walk.job.as_mut().is_some_and(Job::is_lost) {
                rules.walked(walk.server, walk.begun, false);
            }
        }
        walks.retain(|walk| rules.walks(walk.server, walk.begun));
        for job in [calm, marker] {
            job.take_if(Job::is_lost);
        }
    }

    fn marked(&mut self, holder: Holder) {
        match &holder {
            Holder::Ours => {}
            Holder::Other(other) => {
                // Whoever can write to the servers can have written it, however long it is.
                let other: String = other.chars().take(200).collect();
                log::info!("the pool {} is swept by another daemon: {other}", self.pool_name());
            }
            Holder::Unknown => log::warn!(
                "cannot tell other machines' daemons that this one sweeps (no server stores it); it goes on"
            ),
        }
        self.sweeps.holder = Some(holder);
    }

    fn pool_name(&self) -> &str {
        &self.plan.file.pool.name
    }

    /// There is something to be swept.
    fn begin_run(&mut self) {
        if self.sweeps.run.is_some() {
            return;
        }
        let now = Instant::now();
        self.sweeps.counts = Arc::default();
        self.sweeps.failures.clear();
        self.sweeps.run = Some(Run {
            since: now,
            since_unix: identity::unix_millis(),
            published: now,
            logged: now,
            done: 0,
            wanted: BTreeSet::new(),
        });
        let wanted = self.view.borrow().pool.ids().filter(|&id| self.sweeps.rules.is_goal(id));
        let mut what: Vec<_> = wanted.map(|id| self.servers[id.index()].server.name.clone()).collect();
        if self.sweeping.previous.is_some() {
            what.push("the changed list of servers".to_owned());
        }
        let left = self.sweeps.rules.left();
        log::info!("sweep begins: for {}; servers to be walked: {left}", what.join(", "));
        self.publish_progress();
    }

    /// Another server can be to be completed by now: all are walked for it in the same sweep.
    fn note_goals(&mut self) {
        let Some(run) = &mut self.sweeps.run else { return };
        let wanted = self.view.borrow().pool.ids().filter(|&id| self.sweeps.rules.is_goal(id));
        run.wanted.extend(wanted.map(|id| self.servers[id.index()].key));
    }

    fn begin_threads(&mut self) {
        if self.sweeps.marker.is_none() {
            self.sweeps.marker = Some(self.crew().mark());
        }
        if self.sweeps.calm.is_none()
            && Instant::now() >= self.sweeps.calm_not_before
            && let Some(tick) = self.sweeps.rules.wants_calm()
        {
            let longest = self.longest_call().saturating_duration_since(tokio::time::Instant::now());
            let sites = self.servers.iter().filter_map(Watched::sites);
            let sites = sites.map(|sites| Arc::from(&*sites)).collect();
            self.sweeps.calm = Some(self.crew().calm(tick, longest + GRACE, sites));
        }
        match &self.sweeps.holder {
            Some(Holder::Ours | Holder::Unknown) => self.begin_walks(),
            None => {}
            // Those that are walked already are begun anew, should the other one vanish.
            Some(Holder::Other(_)) => {
                for walk in std::mem::take(&mut self.sweeps.walks) {
                    self.sweeps.rules.walked(walk.server, walk.begun, false);
                }
            }
        }
    }

    fn begin_walks(&mut self) {
        let most = self.plan.file.watch.sweep_servers.max(1) as usize;
        self.sweeps.share.store(self.plan.file.watch.sweep_share, Relaxed);
        let at_work = |walks: &[Walk]| walks.iter().filter(|walk| walk.job.is_some()).count();
        while at_work(&self.sweeps.walks) < most
            && let Some((server, begun)) = self.sweeps.rules.next_walk()
        {
            let not_before = Instant::now();
            self.sweeps.walks.push(Walk { server, begun, job: None, not_before });
            self.begin_due(most);
        }
        self.begin_due(most);
    }

    /// Begins the walks whose time has come.
    fn begin_due(&mut self, most: usize) {
        let now = Instant::now();
        let mut free =
            most.saturating_sub(self.sweeps.walks.iter().filter(|walk| walk.job.is_some()).count());
        for at in 0..self.sweeps.walks.len() {
            let Walk { server, begun, ref job, not_before } = self.sweeps.walks[at];
            if free == 0 || job.is_some() || now < not_before {
                continue;
            }
            free -= 1;
            let pool = Arc::clone(&self.view.borrow().pool);
            let goals = pool.ids().map(|id| self.sweeps.rules.is_goal(id)).collect();
            let address = self.servers[server.index()].server.address.clone();
            let order = Order { source: server, address, goals, share: Arc::clone(&self.sweeps.share) };
            let counts = Arc::clone(&self.sweeps.counts);
            self.sweeps.walks[at].job = Some(self.crew().walk(order, begun, counts));
        }
    }

    /// A walk is over.
    fn walked(&mut self, server: ServerId, begun: Tick, walked: Walked) {
        let Some(at) = self.sweeps.walks.iter().position(|walk| (walk.server, walk.begun) == (server, begun))
        else {
            return;
        };
        drop(self.sweeps.walks.swap_remove(at));
        self.sweeps.rules.walked(server, begun, walked.is_ok());
        let watched = &self.servers[server.index()];
        match walked {
            Ok(whole) => {
                self.sweeps.failures.remove(&watched.key);
                if let Some(run) = &mut self.sweeps.run {
                    run.done += 1;
                }
                log::debug!("{}: walked from beginning to end", watched.title());
                if !whole.exact {
                    let title = watched.title();
                    log::warn!("{title}: lists its keys only by age, so keys in use may have been passed by");
                }
            }
            Err(why) => {
                let (wait, said) =
                    self.sweeps.failures.entry(watched.key).or_insert((AGAIN.0, String::new()));
                if *said != why {
                    log::warn!("{}: not swept yet: {why}", watched.title());
                    *said = why;
                }
                let not_before = Instant::now() + *wait;
                *wait = (*wait * 2).min(AGAIN.1);
                self.walk_later(server, not_before);
            }
        }
    }

    /// The server is walked again, but not at once: until then the walk counts as given out.
    fn walk_later(&mut self, server: ServerId, not_before: Instant) {
        let mut given = Vec::new();
        while let Some((other, begun)) = self.sweeps.rules.next_walk() {
            let not_before = if other == server { not_before } else { Instant::now() };
            given.push(Walk { server: other, begun, job: None, not_before });
            if other == server {
                break;
            }
        }
        self.sweeps.walks.extend(given);
    }

    /// What a sweep was for is reached.
    fn reached(&mut self, goal: Goal) {
        match goal {
            Goal::List => self.forget_previous(),
            Goal::Server(server) => {
                let now = moment();
                if let Some(run) = &mut self.sweeps.run {
                    run.wanted.remove(&self.servers[server.index()].key);
                }
                if self.servers[server.index()].watcher.swept(now) {
                    self.publish(now);
                }
            }
        }
    }

    /// There is nothing to be swept, or nobody may.
    fn finish(&mut self) {
        self.sweeps.stop();
        let Some(run) = self.sweeps.run.take() else { return };
        let lasted = journal::span(run.since.elapsed());
        let is_down = |key: &u64| {
            self.by_key.get(key).is_some_and(|&at| self.servers[at].watcher.state() == State::Down)
        };
        let what = match self.sweeping.on {
            false => "sweep is given up",
            true if run.wanted.iter().any(is_down) => "sweep is broken off",
            true => "sweep is over",
        };
        log::info!("{what}: {} in {lasted}", figures(&self.sweeps.counts));
        self.sweeping.progress = None;
        self.publish(moment());
    }

    fn tell_progress(&mut self) {
        let Some(run) = &mut self.sweeps.run else { return };
        if run.logged.elapsed() >= LOG {
            run.logged = Instant::now();
            let (counts, left) = (&self.sweeps.counts, self.sweeps.rules.left());
            let total = read(&counts.keys_total).max(read(&counts.keys));
            log::info!("sweep: {} of about {total} keys, servers left: {left}", figures(counts));
        }
        if run.published.elapsed() >= PUBLISH {
            self.publish_progress();
        }
    }

    fn publish_progress(&mut self) {
        let Some(run) = &mut self.sweeps.run else { return };
        run.published = Instant::now();
        let (counts, left) = (&self.sweeps.counts, self.sweeps.rules.left() as u32);
        let keys = read(&counts.keys);
        self.sweeping.progress = Some(Progress {
            began: run.since_unix,
            updated: identity::unix_millis(),
            sources: run.done + left,
            sources_done: run.done,
            keys,
            keys_total: match read(&counts.keys_total) {
                0 => 0,
                total => total.max(keys),
            },
            moved: read(&counts.moved),
            bytes: read(&counts.bytes),
            refused: read(&counts.refused),
        });
        self.publish(moment());
    }
}

/// What was done, for a log line.
fn figures(counts: &Counts) -> String {
    let (keys, moved) = (read(&counts.keys), read(&counts.moved));
    let mib = read(&counts.bytes) as f64 / f64::from(1 << 20);
    let refused = match read(&counts.refused) {
        0 => String::new(),
        refused => format!(", {refused} refused"),
    };
    format!("{keys} keys looked at, {moved} copies moved ({mib:.1} MiB){refused}")
}
