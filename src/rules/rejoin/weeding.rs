//! Weeding: some keys are deleted on a server that keeps what else it holds.

use super::super::operation::{Failure, Operation, Outcome, Tag};
use super::super::pool::ServerId;
use super::super::view::View;
use super::super::wire::{Command, Reply};

/// Deletes keys on one server, all at once. Ends as `Done` when none of them is there any more, else as `Unavailable`, or as
/// `Refused` by the server.
#[derive(Debug)]
pub struct Weeding<'a> {
    server: ServerId,
    keys: &'a [Vec<u8>],
    asked: usize,
    answered: usize,
    failure: Option<Outcome>,
}

impl<'a> Weeding<'a> {
    /// On this server, whatever the view says of it.
    pub fn new(server: ServerId, keys: &'a [Vec<u8>]) -> Weeding<'a> {
        Weeding { server, keys, asked: 0, answered: 0, failure: None }
    }
}

impl Operation for Weeding<'_> {
    fn next(&mut self, _: &View) -> Option<(ServerId, Tag)> {
        if self.asked == self.keys.len() || self.failure.is_some() {
            return None;
        }
        self.asked += 1;
        Some((self.server, self.asked as Tag - 1))
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        Command::Delete { key: self.keys.get(tag as usize).map_or(b"", |key| key) }
    }

    fn answer(&mut self, _: &View, _: Tag, reply: &Reply<'_>) {
        self.answered += 1;
        match reply {
            // Of a key that the server cannot be asked for it holds nothing.
            Reply::Deleted | Reply::NotFound | Reply::Unsupported => {}
            Reply::Refused(_) => self.failure = Some(Outcome::Refused),
            _ => self.failure = Some(Outcome::Unavailable),
        }
    }

    fn fail(&mut self, _: &View, _: Tag, _: Failure) {
        self.failure = Some(Outcome::Unavailable);
    }

    fn outcome(&self) -> Option<Outcome> {
        self.failure.or((self.answered == self.keys.len()).then_some(Outcome::Done))
    }

    /// What is deleted was overwritten elsewhere.
    fn mutates(&self) -> bool {
        false
    }
}
