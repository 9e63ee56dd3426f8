//! What the processes of a machine share: the table, the servers' epochs and the stripes, as
//! docs/one-view.md describes them. Every access is one indivisible step, as it is on the machine.

use std::collections::BTreeMap;

use memcache::rules::health::Incarnation;
use memcache::rules::view::{ServerView, State};

use crate::calls::Key;

/// One server as the table names it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub view: ServerView,
    pub incarnation: Option<Incarnation>,
    /// Milliseconds since 1970.
    pub since: u64,
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
    pub entries: Vec<Entry>,
    pub generation: u64,
    /// When the daemon was last at work; 0: it ended.
    pub heartbeat: u64,
    pub settling: bool,
    pub bound: u64,
    pub epochs: Vec<u64>,
    /// Grows with every change of an epoch.
    pub changes: u64,
    pub stripes: BTreeMap<Key, Holder>,
}

impl Board {
    pub fn new(servers: usize, bound: u64) -> Board {
        let entry = Entry { view: ServerView::default(), incarnation: None, since: 0, epoch: 0 };
        Board {
            entries: vec![entry; servers],
            generation: 1,
            heartbeat: 0,
            settling: false,
            bound,
            epochs: vec![0; servers],
            changes: 0,
            stripes: BTreeMap::new(),
        }
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

    /// Compare and exchange. Whether it was `from`.
    pub fn turn_epoch(&mut self, server: usize, from: u64, to: u64) -> bool {
        let was = self.epochs[server] == from;
        if was && from != to {
            self.epochs[server] = to;
            self.changes += 1;
        }
        was
    }

    /// A server as somebody sees it who trusts this mode.
    pub fn seen(&self, server: usize, mode: Mode) -> ServerView {
        let Entry { view, epoch, .. } = &self.entries[server];
        let now = self.epochs[server];
        if mode == Mode::Attended || now == *epoch {
            return *view;
        }
        let state = if now % 2 == 1 { State::Down } else { State::Returned };
        // Another life than the table's: whoever rests on what it held must see that.
        let incarnation = view.incarnation.wrapping_add((now.wrapping_sub(*epoch)) as u16).max(1);
        ServerView { state, incarnation, held_back: false, ..*view }
    }
}
