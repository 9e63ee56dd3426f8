//! What can happen to a server, as its health takes it in.

use super::Incarnation;

/// What an administrator wants of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// It is used while it is well.
    #[default]
    Up,
    /// It gets no new keys; what it holds is still read for a while, and then it goes down.
    Draining,
    /// It is not used.
    Down,
}

/// What an observer can meet with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A good answer on an established connection.
    Answered,
    /// A new connection could not be made.
    Refused,
    /// It owed an answer (or a connection) longer than patience allows.
    Silent,
    /// An established connection ended, or what came over it made no sense.
    Broken,
    /// A new connection was made to a live server, and greeted.
    Met {
        /// Which life; `None` when it would not tell.
        incarnation: Option<Incarnation>,
        /// Whether it has the meta commands.
        meta: bool,
    },
    /// While it is down a write went elsewhere, or a write to it was never answered: it owes a
    /// flush (rules 4, 17). Without effect on a live server.
    MissedWrite,
    /// A trial of a down server begins. One at a time: see [`Health::trial_due`](super::Health::trial_due). The
    /// [`Rejoin`](crate::rules::rejoin::Rejoin) is made from the health as it is right after this event.
    TrialBegun,
    /// The trial failed.
    TrialFailed,
    /// The trial's probes were good, but the server must be flushed and most others seem down, so it
    /// was not (rule 14). It stays down; but as it answers, it no longer counts among those that seem
    /// down: else a pool in which most servers owe a flush would wait for itself.
    HeldBack,
    /// The trial passed: its probes were good, and it was flushed if it owed a flush. Whether it is
    /// steady (it missed nothing and it is the same process) or returned is decided here.
    Rejoined {
        /// Which life; `None` when it would not tell.
        incarnation: Option<Incarnation>,
        /// Whether it has the meta commands.
        meta: bool,
    },
    /// The trial passed, and in place of a flush those keys alone were deleted that were changed meanwhile: it is returned, and
    /// everything that it holds is right.
    Kept {
        /// Which life.
        incarnation: Option<Incarnation>,
        /// Whether it has the meta commands.
        meta: bool,
    },
    /// Time passed (a returned server turns steady after the window, a draining one has been drained).
    Tick,
    /// It does not do what it is there for: what exactly, in a few words.
    Failed(&'static str),
    /// An administrator ordered it. To be told again after every fall of a server that is not to be up.
    Ordered(Order),
    /// The sweep is over for it: everything that belongs on it is there, or, of one that drains, elsewhere.
    Swept,
    /// Others, whose word counts, brought it back, or met it restarted: it may be used and is not complete.
    Returned,
}
