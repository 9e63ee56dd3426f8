//! What the processes of a machine share: the table, the servers' epochs and the stripes, as
//! docs/one-view.md describes them. Every access is one indivisible step, as it is on the machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use memcache::rules;
use memcache::rules::address::Address;
use memcache::rules::health::Incarnation;
use memcache::rules::pool::Pool;
use memcache::rules::time::Stamp;
use memcache::rules::view::{ServerView, State};

use crate::calls::Key;

/// One server as the table names it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub view: ServerView,
    pub incarnation: Option<Incarnation>,
    pub since: Stamp,
    pub epoch: u64,
}

/// Who is believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Attended,
    Settling,
    Unattended,
}

/// Who holds a stripe.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    pub process: usize,
    pub deadline: u64,
}

pub struct Board {
    /// The servers in use: the first so many of all that there are. Each has its number in every list.
    pub list: Arc<Pool>,
    /// The list before, while what it placed is swept.
    pub previous: Option<Arc<Pool>>,
    /// Grows with every change of the list.
    pub lineup: u64,
    /// Somebody sweeps.
    pub swept: bool,
    /// Servers and lists that were swept.
    pub sweeps: u64,
    pub lists_swept: u64,
    pub entries: Vec<Entry>,
    pub generation: u64,
    /// When the daemon was last at work; 0: it ended.
    pub heartbeat: u64,
    pub settling: bool,
    pub bound: u64,
    pub epochs: Vec<u64>,
    pub stripes: BTreeMap<Key, Holder>,
    /// Who tries each server: one at a time, or the flush of one empties what another has brought back.
    pub trials: Vec<Option<Holder>>,
}

/// What tells a server's life from its other ones and from those of others: it is another after every fall, whoever
/// saw it, and whether the process or only its contents are new.
pub fn mark(server: usize, epoch: u64) -> u16 {
    // As the plan names them; it is enough that they differ.
    rules::mark::mark(&Address::Tcp { host: "127.0.0.1".to_string(), port: 11211 + server as u16 }, epoch)
}

impl Board {
    /// `servers`: all that there are, in the list or not.
    pub fn new(list: Arc<Pool>, servers: usize, bound: u64, swept: bool) -> Board {
        let entry =
            Entry { view: ServerView::default(), incarnation: None, since: Stamp::default(), epoch: 0 };
        Board {
            list,
            previous: None,
            lineup: 0,
            swept,
            sweeps: 0,
            lists_swept: 0,
            entries: vec![entry; servers],
            generation: 1,
            heartbeat: 0,
            settling: false,
            bound,
            epochs: vec![0; servers],
            stripes: BTreeMap::new(),
            trials: vec![None; servers],
        }
    }

    /// How many servers are in use.
    pub fn listed(&self) -> usize {
        self.list.servers().len()
    }

    pub fn mode(&self, now: u64) -> Mode {
        if self.heartbeat == 0 || now > self.heartbeat + self.bound {
            Mode::Unattended
        } else if self.settling {
            Mode::Settling
        } else {
            Mode::Attended
        }
    }

    /// A server's epoch: the file's, unless the table names a later one (then its writer died before it stored that).
    pub fn epoch(&self, server: usize) -> u64 {
        self.epochs[server].max(self.entries[server].epoch)
    }

    /// Compare and exchange: from what everybody takes for the epoch.
    pub fn turn_epoch(&mut self, server: usize, from: u64, to: u64) {
        if self.epoch(server) == from {
            self.epochs[server] = to;
        }
    }

    /// Whether nobody else tries a server at the moment; then `holder` does.
    pub fn try_server(&mut self, server: usize, holder: Holder, now: u64) -> bool {
        let free =
            self.trials[server].is_none_or(|other| other.process == holder.process || other.deadline < now);
        if free {
            self.trials[server] = Some(holder);
        }
        free
    }

    pub fn tried_server(&mut self, server: usize, process: usize) {
        if self.trials[server].is_some_and(|holder| holder.process == process) {
            self.trials[server] = None;
        }
    }

    /// A server as somebody sees it who trusts this mode.
    pub fn seen(&self, server: usize, mode: Mode) -> ServerView {
        let Entry { view, epoch, .. } = &self.entries[server];
        let now = self.epoch(server);
        if mode == Mode::Attended || now == *epoch {
            return *view;
        }
        let state = if now % 2 == 1 { State::Down } else { State::Returned };
        let incarnation = mark(server, now);
        ServerView { state, incarnation, held_back: false, ..*view }
    }
}
