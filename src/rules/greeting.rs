//! Greeting: what every new connection asks first. `stats` tells which life of the process this
//! is, `mn` whether it has the meta commands.

use super::health::Incarnation;
use super::wire::{Command, Reply};

/// A greeting under way on one connection.
#[derive(Clone, Debug, Default)]
pub struct Greeting {
    answers: u8,
    incarnation: Option<Incarnation>,
    meta: bool,
}

impl Greeting {
    /// The commands to send, in this order, in one go.
    pub const COMMANDS: [Command<'static>; 2] = [Command::Stats { group: b"" }, Command::Noop];

    /// Takes the answers in their order. True when it was the last.
    pub fn answer(&mut self, reply: &Reply<'_>) -> bool {
        let _ = (self.answers, self.incarnation, self.meta);
        todo!("{reply:?}")
    }
    /// The command whose answer is awaited.
    pub fn awaited(&self) -> Command<'static> {
        Self::COMMANDS[usize::from(self.answers).min(1)]
    }
    /// Which life; `None` when the server would not tell.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation
    }
    /// Whether it has the meta commands.
    pub fn meta(&self) -> bool {
        self.meta
    }
}
