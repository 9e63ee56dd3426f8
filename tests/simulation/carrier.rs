//! What the driver keeps of each client: its connections, and the operation that they carry; and the
//! faults that can be planted in it.

use std::collections::VecDeque;

use memcache::rules::greeting::Greeting;
use memcache::rules::operation::Tag;
use memcache::rules::view::ServerView;

use super::driver::Repair;
use super::message::{Answer, Ask};
use super::net::ConnId;
use super::task::Task;

/// A known fault that is put into the world on purpose, so that the checks prove themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Planted {
    #[default]
    Nothing,
    /// A cut-off server comes back with what it had.
    NoFlush,
    /// A write deletes nothing on the other places.
    NoClearing,
    /// A delta whose answer was lost is sent again.
    BlindResend,
    /// What waited for a connection is sent although the view changed since it was planned.
    StaleSend,
    /// A read that asks its first place once more is told what it was told before.
    NoConfirming,
    /// A lease's stub is handed to reads as a value.
    StubIsValue,
    /// A copy that is marked as stale is copied, and the copy is not.
    StaleIsFresh,
    /// A read moves what it found where there are no turns.
    RepairWithoutTurn,
}

/// How a driver may behave where its contract leaves it free.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// An idle connection that the peer closed is noticed before anything is sent on it.
    pub notices_idle_loss: bool,
}

#[derive(Clone, Debug)]
pub enum Phase {
    Connecting,
    Greeting(Greeting),
    Ready,
}

#[derive(Clone, Debug)]
pub struct Link {
    pub conn: ConnId,
    pub phase: Phase,
    pub meta: bool,
    /// The peer closed it while nothing was under way.
    pub lost: bool,
    pub waiting: VecDeque<Tag>,
    pub asked: VecDeque<Tag>,
    pub owed_since: u64,
    pub begun: u64,
    /// How its server was seen when it was opened: what waits was planned with that.
    pub planned: ServerView,
}

impl Link {
    pub fn owes(&self) -> bool {
        !matches!(self.phase, Phase::Ready) || !self.asked.is_empty()
    }
}

/// Who carries one operation at a time: a client, or a trial of a down server.
#[derive(Default)]
pub struct Carrier {
    pub links: Vec<Option<Link>>,
    pub task: Option<Task>,
    pub deadline: u64,
    pub begun: u64,
    /// Messages of the operation at work.
    pub messages: u32,
    /// Whom a read asked about which key, for planted faults.
    pub asked_once: Vec<(usize, Tag, u64)>,
    pub armed: Option<u64>,
    pub trial_of: Option<usize>,
    /// A read that goes on with the move of what it found.
    pub repair: Option<Repair>,
}

impl Carrier {
    pub fn of(servers: usize) -> Carrier {
        Carrier { links: vec![None; servers], ..Carrier::default() }
    }
}

/// What a planted fault answers in the server's stead.
pub fn planted_answer(planted: Planted, trial: bool, ask: &Ask, task: Option<&Task>) -> Option<Answer> {
    let writes = task.is_some_and(Task::is_set);
    match (planted, ask) {
        (Planted::NoFlush, Ask::FlushAll { .. }) if trial => Some(Answer::Ok),
        (Planted::NoClearing, Ask::Delete { .. }) if writes => Some(Answer::Deleted),
        _ => None,
    }
}
