//! Whether the pool can be swept: every server has meta commands and gives lists of its keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rules::view::{Meta, State};
use crate::watch::daemon::Daemon;
use crate::watch::server::Watched;
use crate::watch::sweep::crew::Job;
use crate::watch::sweep::dump::Trouble;
use crate::watch::system::moment;

/// How long after a server could not be asked it is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is known of one server's lists.
#[derive(Default)]
struct Lists {
    /// In this epoch it was asked.
    epoch: u64,
    answer: Option<Result<(), String>>,
    job: Option<Job>,
    /// It could not be asked, and is asked again then.
    again: Option<Instant>,
}

impl Lists {
    /// Whether it is to be asked now, and counts as asked then: once in each life, or once more after it could not be asked.
    fn is_to_be_asked(&mut self, epoch: u64) -> bool {
        if self.again.is_some_and(|again| Instant::now() < again) {
            return false;
        }
        let again = self.again.take().is_some();
        let asked = self.epoch == epoch && (self.job.is_some() || self.answer.is_some());
        self.epoch = epoch;
        again || !asked
    }
}

/// What is known of the servers' lists, by their keys.
#[derive(Default)]
pub(super) struct Support {
    servers: HashMap<u64, Lists>,
    /// Why the pool is not swept, as it was said last.
    said: String,
}

/// Why a pool is not swept.
enum Lacking {
    /// It is not known yet whether it can be.
    Answers,
    /// It cannot be, in words for a person.
    Means(String),
}

impl Support {
    /// A server answered, or could not be asked.
    pub(super) fn answered(&mut self, server: u64, answer: Result<(), Trouble>) {
        let Some(lists) = self.servers.get_mut(&server) else { return };
        lists.job = None;
        match answer {
            Err(trouble) if trouble.again() || trouble == Trouble::Stopped => {
                lists.again = Some(Instant::now() + AGAIN);
            }
            answer => lists.answer = Some(answer.map_err(|trouble| trouble.to_string())),
        }
    }

    /// What one server lacks.
    fn lacking(&self, watched: &Watched) -> Result<(), Lacking> {
        let view = watched.watcher.view();
        let name = &watched.server.name;
        match (view.meta, self.servers.get(&watched.key).and_then(|lists| lists.answer.as_ref())) {
            (Meta::No, _) => Err(Lacking::Means(format!("{name} has no meta commands"))),
            (_, Some(Err(why))) => Err(Lacking::Means(format!("{name} {why}"))),
            (Meta::Yes, Some(Ok(()))) => Ok(()),
            // One that went down before it could be asked.
            _ if view.state == State::Down => Err(Lacking::Means(format!("{name} was never asked"))),
            _ => Err(Lacking::Answers),
        }
    }
}

impl Daemon {
    /// Asks servers whether they give lists, and has the pool swept or not as they answer.
    pub(super) fn note_support(&mut self) {
        self.ask_for_lists();
        let support = &self.sweeps.support;
        let lacking = self.servers.iter().map(|watched| support.lacking(watched)).find_map(Result::err);
        let all_steady = self.view.borrow().all_steady();
        let on = match &lacking {
            None => true,
            Some(Lacking::Answers) => self.sweeping.on,
            Some(Lacking::Means(_)) => self.sweeping.on && !all_steady,
        };
        if let Some(Lacking::Means(why)) = lacking
            && !on
            && self.sweeps.support.said != why
        {
            log::info!("nobody sweeps this pool: {why}");
            self.sweeps.support.said = why;
        }
        if on != self.sweeping.on {
            if on {
                log::info!("the pool is swept: every server gives lists of its keys");
                self.sweeps.support.said.clear();
            }
            self.set_swept(on);
        }
    }

    fn ask_for_lists(&mut self) {
        let support = &mut self.sweeps.support;
        support.servers.retain(|key, _| self.by_key.contains_key(key));
        let live = |watched: &&Watched| {
            let view = watched.watcher.view();
            view.meta == Meta::Yes && view.state != State::Down
        };
        let mut due = Vec::new();
        for watched in self.servers.iter().filter(live) {
            let Some(sites) = watched.sites() else { continue };
            let lists = support.servers.entry(watched.key).or_default();
            if lists.job.as_mut().is_some_and(Job::is_lost) {
                (lists.job, lists.again) = (None, Some(Instant::now() + AGAIN));
            }
            if lists.is_to_be_asked(watched.watcher.epoch()) {
                due.push((watched.key, sites));
            }
        }
        for (key, sites) in due {
            let job = self.crew().ask(key, Arc::from(&*sites));
            if let Some(lists) = self.sweeps.support.servers.get_mut(&key) {
                lists.job = Some(job);
            }
        }
    }

    /// Somebody sweeps the pool from now on, or nobody does.
    fn set_swept(&mut self, on: bool) {
        self.sweeping.on = on;
        self.plan.settings.health.swept = on;
        for watched in &mut self.servers {
            watched.watcher.settings = self.plan.settings;
        }
        self.view.borrow_mut().swept = on;
        // Whatever was to become steady by time is looked at.
        self.wake_all();
        self.publish(moment());
    }
}
