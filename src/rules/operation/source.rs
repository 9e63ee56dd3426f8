//! Who holds an outcome that the others are still to get.

use crate::rules::pool::ServerId;
use crate::rules::view::{State, View};

/// A server in one of its lives. What it was seen to hold is gone when it is met in another one, or
/// goes down; a restart that nobody saw fall leaves it live and empty (rule 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    pub(super) server: ServerId,
    life: u16,
}

impl Source {
    /// `server` in the life that `view` shows. Taken before a command is sent to it.
    pub(super) fn of(view: &View, server: ServerId) -> Source {
        Source { server, life: view.server(server).incarnation }
    }

    /// Before anybody was asked.
    pub(super) fn nobody() -> Source {
        Source { server: ServerId(0), life: 0 }
    }

    /// Whether it still is in that life. One that nobody had met was steady, and to meet it for the
    /// first time changes nothing; had it been restarted since, it would not be steady any more.
    pub(super) fn intact(self, view: &View) -> bool {
        let now = view.server(self.server);
        match self.life {
            0 => now.state == State::Steady,
            life => now.state != State::Down && now.incarnation == life,
        }
    }
}
