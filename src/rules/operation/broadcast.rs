//! Broadcast: one question to every live server, or to one: flush_all, version, stats.
//!
//! A flush of all servers is asked three times while a server is not steady: a copy that was read before its source was
//! flushed must not stay where it was stored after its target was, as with a delete of one key ([`Spread`](super::Spread)).
//! When the view changed meanwhile it begins anew; and a list of servers that is no longer the pool's is not enough: the
//! flush goes on with the other one.

use super::round::{Fate, Round};
use super::{Failure, Operation, Outcome, Tag};
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// What is asked of the servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Everywhere<'a> {
    /// Drop everything, `delay` seconds from now. A server that is down owes a flush before it is
    /// used again, so it need not be asked.
    FlushAll { delay: u32 },
    /// The version text.
    Version,
    /// Statistics; an empty group for the general ones.
    Stats { group: &'a [u8] },
}

/// Takes each server's answer.
pub type Sink<'a> = &'a mut dyn FnMut(ServerId, Result<&[u8], Outcome>);

/// How often a server whose connection broke is asked again.
const ATTEMPTS: u8 = 2;
/// How often all servers are flushed once more because copies may be on their way.
const AGAIN: u8 = 2;
/// How often all servers are flushed once more because the view changed.
const ROUNDS: u8 = 8;

/// Asks every live server, or one, and hands out each answer: the text (empty for flush_all), or why
/// there is none. Ends as Done when every server that was asked did it, else as the last that did not.
pub struct Broadcast<'a, S = Sink<'a>> {
    what: Everywhere<'a>,
    only: Option<ServerId>,
    sink: S,
    begun: bool,
    /// Every server was flushed once.
    repeats: bool,
    /// How often all were flushed once more because copies may be on their way.
    again: u8,
    /// The pool's list of servers is waited for.
    waits: bool,
    /// Of the view under which the round began, and how many were begun because it had changed.
    generation: u64,
    rounds: u8,
    round: Round<u8>,
    failure: Option<Outcome>,
    over: bool,
    refusal: Vec<u8>,
}

impl<'a> Broadcast<'a> {
    /// `only`: one server, live or not; `None`: every live one.
    pub fn new(what: Everywhere<'a>, only: Option<ServerId>, sink: Sink<'a>) -> Broadcast<'a> {
        Broadcast::into(what, only, sink)
    }
}

impl<'a, S: FnMut(ServerId, Result<&[u8], Outcome>)> Broadcast<'a, S> {
    /// As [`Broadcast::new`], with a sink of its own.
    pub fn into(what: Everywhere<'a>, only: Option<ServerId>, sink: S) -> Broadcast<'a, S> {
        let (round, refusal) = (Round::new(), Vec::new());
        Broadcast {
            what,
            only,
            sink,
            begun: false,
            repeats: false,
            again: 0,
            waits: false,
            generation: 0,
            rounds: 0,
            round,
            failure: None,
            over: false,
            refusal,
        }
    }

    fn begin(&mut self, view: &View) {
        self.begun = true;
        self.generation = view.generation;
        let only = self.only;
        for server in view.pool.ids().filter(|id| only.is_none_or(|only| only == *id)) {
            let live = view.live(server);
            if live && !self.passes_by(view, server) {
                self.round.ask(server, 0);
            } else if live || only.is_some() || view.isolated() {
                self.fail_server(server, Outcome::Unavailable);
            }
        }
        if self.round.legs().is_empty() {
            self.over = true;
            self.failure.get_or_insert(Outcome::Unavailable);
        }
    }

    /// What only one server can tell is not waited for: the caller is told at once that it cannot be
    /// reached. A flush waits, as every change does.
    fn passes_by(&self, view: &View, server: ServerId) -> bool {
        !self.mutates() && view.unreachable(server)
    }

    fn fail_server(&mut self, server: ServerId, outcome: Outcome) {
        self.failure = Some(outcome);
        self.tell(server, Err(outcome));
    }

    /// Each server's answer is handed out once.
    fn tell(&mut self, server: ServerId, answer: Result<&[u8], Outcome>) {
        if !self.repeats {
            (self.sink)(server, answer);
        }
    }

    fn settle(&mut self, view: &View, tag: Tag, fate: Fate) {
        if self.round.settle(tag, fate) {
            self.over = !self.repeat(view);
        }
    }

    /// Whether servers are flushed once more.
    fn repeat(&mut self, view: &View) -> bool {
        let flushes_all = matches!(self.what, Everywhere::FlushAll { .. }) && self.only.is_none();
        if !flushes_all || self.failure.is_some() {
            return false;
        }
        self.repeats = true;
        self.round.clear();
        if view.outdated {
            self.waits = true;
            return true;
        }
        if self.generation != view.generation && self.rounds < ROUNDS {
            (self.generation, self.again) = (view.generation, 0);
            self.rounds += 1;
        } else if view.all_steady() || self.again == AGAIN {
            return false;
        } else {
            self.again += 1;
        }
        view.pool.ids().filter(|&server| view.live(server)).for_each(|server| self.round.ask(server, 0));
        !self.round.legs().is_empty()
    }

    /// A server that went down under a flush is flushed before it comes back; any other question
    /// to it stays without an answer.
    fn lost(&mut self, view: &View, server: ServerId) {
        let flushed_later = matches!(self.what, Everywhere::FlushAll { .. })
            && self.only.is_none()
            && !view.live(server)
            && !view.isolated();
        if flushed_later {
            self.tell(server, Ok(b""));
        } else {
            self.fail_server(server, Outcome::Unavailable);
        }
    }
}

impl<S: FnMut(ServerId, Result<&[u8], Outcome>)> Operation for Broadcast<'_, S> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        if !self.begun {
            self.begin(view);
        }
        if self.waits && !view.outdated {
            self.waits = false;
            // Whatever it was before: it is another list.
            self.generation = view.generation.wrapping_sub(1);
            self.over = !self.repeat(view);
        }
        self.round.next()
    }

    fn command(&self, _tag: Tag) -> Command<'_> {
        match self.what {
            Everywhere::FlushAll { delay } => Command::FlushAll { delay },
            Everywhere::Version => Command::Version,
            Everywhere::Stats { group } => Command::Stats { group },
        }
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        let server = self.round.job(tag).0;
        match reply {
            Reply::Ok => self.tell(server, Ok(b"")),
            Reply::Version(text) | Reply::Stats(text) => self.tell(server, Ok(text)),
            Reply::Refused(text) => {
                self.refusal = text.to_vec();
                self.fail_server(server, Outcome::Refused);
            }
            _ => self.fail_server(server, Outcome::Unavailable),
        }
        self.settle(view, tag, Fate::of(reply));
    }

    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        let (server, attempt) = self.round.job(tag);
        let again = attempt < ATTEMPTS || (self.mutates() && view.unreachable(server));
        if view.live(server) && !self.passes_by(view, server) && again {
            self.round.ask(server, attempt.saturating_add(1));
        } else {
            self.lost(view, server);
        }
        self.settle(view, tag, failure.into());
    }

    fn outcome(&self) -> Option<Outcome> {
        self.over.then(|| self.failure.unwrap_or(Outcome::Done))
    }

    fn refusal(&self) -> Option<&[u8]> {
        (!self.refusal.is_empty()).then_some(&self.refusal)
    }

    fn mutates(&self) -> bool {
        matches!(self.what, Everywhere::FlushAll { .. })
    }
}
