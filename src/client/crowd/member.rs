//! What a crowd knows of its operations beside what every driver does, and what it tells of them.

use super::latency::Latency;
use crate::rules::operation::{Operation, Outcome};

/// What a crowd's operations can tell of themselves.
pub(crate) trait Member: Operation {
    /// Whose it is, and which of his.
    fn about(&self) -> About;
    /// A command that reads and can be asked of another server in this one's stead, as often as need be: it is the same
    /// each time. `false`: this one is waited for.
    fn may_go_elsewhere(&self) -> bool {
        false
    }
    /// A read of its key by the same owner may be sent as soon as this was, to servers that are all steady. `false`: when
    /// it is over.
    fn may_be_followed(&self) -> bool {
        true
    }
    /// What has the same commands for the same tags, and is otherwise nothing: it stands in for one that is over while
    /// answers to it are outstanding. Of one that may go elsewhere there is such a one.
    fn ghost(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

/// Whose a job is, and which of his.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct About {
    /// Its owner.
    pub(crate) owner: u32,
    /// Tells the owner from others that had his number before.
    pub(crate) life: u32,
    /// Which one of his.
    pub(crate) number: u32,
}

/// What became of a job.
pub(crate) enum Ended<O> {
    /// It came to its end.
    Whole(O, Outcome),
    /// Its time was up.
    Late(About),
}

/// What is known of the traffic with one server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// Commands that were handed to its connection.
    pub(crate) asked: u64,
    /// Answers that came.
    pub(crate) answered: u64,
    /// Commands that were lost with a connection.
    pub(crate) lost: u64,
    /// How long the answers took.
    pub(crate) latency: Latency,
}

impl Traffic {
    /// Adds another loop's.
    pub(crate) fn add(&mut self, other: &Traffic) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.lost += other.lost;
        self.latency.add(&other.latency);
    }
}
