//! Greeting: what every new connection asks first. `stats` tells which life of the process this
//! is, `mn` whether it has the meta commands.
//!
//! A feature is tried, never read off a version string, and a server that will not tell which life
//! this is can still be used: the rules then take every reconnection for a possible restart.

use super::health::Incarnation;
use super::wire::{Command, Reply, stats};

/// A greeting under way on one connection.
#[derive(Clone, Debug, Default)]
pub struct Greeting {
    answers: u8,
    incarnation: Option<Incarnation>,
    uptime: u64,
    meta: bool,
}

impl Greeting {
    /// The commands to send, in this order, in one go.
    pub const COMMANDS: [Command<'static>; 2] = [Command::Stats { group: b"" }, Command::Noop];

    /// Takes the answers in their order. True when it was the last.
    pub fn answer(&mut self, reply: &Reply<'_>) -> bool {
        match (self.answers, reply) {
            (0, Reply::Stats(block)) => {
                self.uptime = stats::number(block, b"uptime").unwrap_or(u64::MAX);
                self.incarnation = life(block, self.uptime);
            }
            (1, reply) => self.meta = *reply == Reply::Noop,
            _ => {}
        }
        self.answers = self.answers.saturating_add(1);
        usize::from(self.answers) >= Self::COMMANDS.len()
    }
    /// The command whose answer is awaited.
    pub fn awaited(&self) -> Command<'static> {
        Self::COMMANDS[usize::from(self.answers).min(1)]
    }
    /// Which life; `None` when the server would not tell.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation
    }
    /// The age of the process when it answered, in whole seconds, as it says; `u64::MAX` when it would not tell.
    pub fn uptime(&self) -> u64 {
        self.uptime
    }
    /// Whether it has the meta commands.
    pub fn meta(&self) -> bool {
        self.meta
    }
}

/// Which life a block of general statistics is from; `None` when it does not say, or what it says
/// cannot be: no process is 0, and none started before 1970.
fn life(block: &[u8], uptime: u64) -> Option<Incarnation> {
    let pid = stats::number(block, b"pid").filter(|pid| *pid != 0)?;
    let start = stats::number(block, b"time")?.checked_sub(uptime)?;
    (start > 0).then_some(Incarnation { pid, start })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greet(stats: &[u8], noop: Reply<'_>) -> Greeting {
        let mut greeting = Greeting::default();
        assert_eq!(greeting.awaited(), Command::Stats { group: b"" });
        assert!(!greeting.answer(&Reply::Stats(stats)));
        assert_eq!(greeting.awaited(), Command::Noop);
        assert!(greeting.answer(&noop));
        greeting
    }

    #[test]
    fn tells_the_life_and_the_features() {
        let block = b"STAT pid 42\r\nSTAT uptime 100\r\nSTAT time 1000100\r\n";
        let greeting = greet(block, Reply::Noop);
        assert_eq!(greeting.incarnation(), Some(Incarnation { pid: 42, start: 1_000_000 }));
        assert!(greeting.meta());
        assert!(!greet(block, Reply::Refused(b"ERROR")).meta());
    }

    #[test]
    fn a_life_that_cannot_be_is_none() {
        for block in [
            &b""[..],
            b"STAT uptime 100\r\nSTAT time 1000100\r\n",
            b"STAT pid 42\r\nSTAT time 1000100\r\n",
            b"STAT pid 42\r\nSTAT uptime 100\r\n",
            b"STAT pid 0\r\nSTAT uptime 100\r\nSTAT time 1000100\r\n",
            b"STAT pid 42\r\nSTAT uptime 101\r\nSTAT time 100\r\n",
            b"STAT pid 42\r\nSTAT uptime 100\r\nSTAT time 100\r\n",
            b"STAT pid -42\r\nSTAT uptime 100\r\nSTAT time 1000100\r\n",
            b"STAT pid 42\r\nSTAT uptime 1.5\r\nSTAT time 1000100\r\n",
            b"STAT pid 42\r\nSTAT uptime 100\r\nSTAT time 18446744073709551616\r\n",
        ] {
            assert_eq!(greet(block, Reply::Noop).incarnation(), None, "{}", block.escape_ascii());
        }
    }

    #[test]
    fn a_server_that_refuses_everything_is_still_greeted() {
        let mut greeting = Greeting::default();
        assert!(!greeting.answer(&Reply::Refused(b"ERROR")));
        assert!(greeting.answer(&Reply::Refused(b"ERROR")));
        assert_eq!((greeting.incarnation(), greeting.meta()), (None, false));
    }

    #[test]
    fn an_answer_too_many_changes_nothing() {
        let mut greeting = greet(b"", Reply::Noop);
        for _ in 0..300 {
            assert!(greeting.answer(&Reply::Refused(b"ERROR")));
        }
        assert!(greeting.meta());
    }
}
