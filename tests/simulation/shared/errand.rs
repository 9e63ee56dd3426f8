//! A probe or a trial under way: questions over connections of its own, which are not greeted.

use std::collections::VecDeque;

use memcache::rules::operation::{Failure, Operation, Outcome, Tag};
use memcache::rules::probe::Probe;
use memcache::rules::rejoin::Rejoin;
use memcache::rules::view::View;
use memcache::rules::watcher::Failing;

use crate::message::Ask;
use crate::net::{ConnId, Delivery, Net};

pub enum Work {
    Probe(Box<Probe>),
    Trial(Box<Rejoin>),
}

struct Line {
    conn: ConnId,
    connected: bool,
    asked: VecDeque<Tag>,
    owed_since: u64,
}

pub struct Errand {
    owner: usize,
    pub work: Work,
    lines: Vec<Option<Line>>,
    deadline: u64,
    patience: u64,
    /// What went wrong first.
    pub failing: Option<Failing>,
}

impl Errand {
    pub fn new(owner: usize, work: Work, servers: usize, deadline: u64, patience: u64) -> Errand {
        let lines = (0..servers).map(|_| None).collect();
        Errand { owner, work, lines, deadline, patience, failing: None }
    }

    fn operation(&mut self) -> &mut dyn Operation {
        match &mut self.work {
            Work::Probe(probe) => probe.as_mut(),
            Work::Trial(rejoin) => rejoin.as_mut(),
        }
    }

    pub fn outcome(&self) -> Option<Outcome> {
        match &self.work {
            Work::Probe(probe) => probe.outcome(),
            Work::Trial(rejoin) => rejoin.outcome(),
        }
    }

    pub fn deadline(&self) -> u64 {
        self.deadline
    }

    pub fn pump(&mut self, net: &mut Net, view: &View) {
        while let Some((server, tag)) = self.operation().next(view) {
            let (server, owner) = (server.index(), self.owner);
            let ask = Ask::of(&self.operation().command(tag));
            let now = net.now;
            let line = self.lines[server].get_or_insert_with(|| Line {
                conn: net.connect(server, owner),
                connected: false,
                asked: VecDeque::new(),
                owed_since: now,
            });
            line.asked.push_back(tag);
            line.owed_since = now;
            if line.connected {
                net.send(line.conn, ask);
            }
        }
    }

    pub fn deliver(&mut self, net: &mut Net, view: &View, conn: ConnId, delivery: &Delivery) {
        let server = net.server_of(conn);
        let Some(line) = self.lines[server].as_mut().filter(|line| line.conn == conn) else { return };
        match delivery {
            Delivery::Connected => {
                line.connected = true;
                line.owed_since = net.now;
                if let Some(tag) = line.asked.front().copied() {
                    let ask = Ask::of(&self.operation().command(tag));
                    net.send(conn, ask);
                }
            }
            Delivery::Refused => self.lose(net, view, server, Failing::Refused),
            Delivery::Lost => self.lose(net, view, server, Failing::Broken),
            Delivery::Answer(answer) => {
                if let Some(tag) = line.asked.pop_front() {
                    self.operation().answer(view, tag, &answer.reply());
                }
            }
        }
        self.pump(net, view);
    }

    fn lose(&mut self, net: &mut Net, view: &View, server: usize, failing: Failing) {
        let Some(line) = self.lines[server].take() else { return };
        net.reset(line.conn);
        self.failing.get_or_insert(failing);
        for tag in line.asked {
            self.operation().fail(view, tag, Failure::Unanswered);
        }
    }

    /// Ends what has been silent for too long. Whether it is over.
    pub fn judge(&mut self, net: &mut Net, view: &View) -> bool {
        for server in 0..self.lines.len() {
            let late = |line: &Line| !line.asked.is_empty() && net.now >= line.owed_since + self.patience;
            if self.lines[server].as_ref().is_some_and(late) || net.now >= self.deadline {
                self.lose(net, view, server, Failing::Silent);
            }
        }
        self.pump(net, view);
        self.outcome().is_some() || net.now >= self.deadline
    }

    pub fn close(&mut self, net: &mut Net) {
        for line in self.lines.iter_mut().filter_map(Option::take) {
            net.reset(line.conn);
        }
    }
}
