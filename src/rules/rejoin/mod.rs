//! Rejoin: the trial of a server that was down, and its return (rules 4, 13, 17).

use super::health::{Health, Incarnation};
use super::operation::{Failure, Operation, Outcome, Tag};
use super::pool::ServerId;
use super::view::View;
use super::wire::{Command, Reply};

/// The trial of one down server. An [`Operation`] that ends as `Done` (it may be used:
/// [`Rejoin::incarnation`] and [`Rejoin::meta`] go into `Event::Rejoined`) or as anything else (the trial failed).
pub struct Rejoin {
    server: ServerId,
}

impl Rejoin {
    /// A trial of `server`. `down_since_unix_millis`: when it went down, on the clock of [`View::unix_millis`].
    pub fn new(view: &View, server: ServerId, health: &Health, down_since_unix_millis: u64) -> Rejoin {
        let _ = (view, health, down_since_unix_millis);
        Rejoin { server }
    }
    /// The server on trial.
    pub fn server(&self) -> ServerId {
        self.server
    }
    /// Which life it was met in.
    pub fn incarnation(&self) -> Option<Incarnation> {
        todo!()
    }
    /// Whether it has the meta commands.
    pub fn meta(&self) -> bool {
        todo!()
    }
}

impl Operation for Rejoin {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        todo!("{view:?}")
    }
    fn command(&self, tag: Tag) -> Command<'_> {
        todo!("{tag}")
    }
    fn answer(&mut self, _: &View, tag: Tag, reply: &Reply<'_>) {
        todo!("{tag} {reply:?}")
    }
    fn fail(&mut self, _: &View, tag: Tag, failure: Failure) {
        todo!("{tag} {failure:?}")
    }
    fn outcome(&self) -> Option<Outcome> {
        todo!()
    }
}
