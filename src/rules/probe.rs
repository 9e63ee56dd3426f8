//! Probe: does a live server still do what it is there for (rule 13)?
//!
//! A server whose `version` answers and whose `set` hangs is of no use, so a probe stores a value of
//! its own and reads it back. Before that it greets, over a connection made for it: that shows that
//! new connections are accepted, and which life of the process this is, so that a restart between
//! two probes is found (rule 5).
//!
//! The questions are those of a trial too ([`Rejoin`](super::rejoin::Rejoin)), which asks them several times
//! and then decides about a flush. They are written once, as an `Examination`.

use std::fmt::Write;

use super::greeting::Greeting;
use super::operation::{Failure, Operation, Outcome, Tag};
use super::pool::ServerId;
use super::time::Stamp;
use super::view::View;
use super::wire::{Command, Reply, Verb};

/// Seconds a probe's value stays on the server.
const PROBE_SECONDS: i64 = 10;
/// Probe values in one examination that may be gone when they are read back: somebody's flush
/// took them. A server that keeps nothing fails all the same.
pub(super) const MISSES: u32 = 3;

/// What is being asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Who are you?
    Greet,
    /// A probe's first half.
    Store,
    /// A probe's second half.
    Load,
}

/// What an answer showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding<'r> {
    /// Nothing yet: there is another question.
    More,
    /// The value that was stored came back.
    Good,
    /// The server refused with this line.
    Refused(&'r [u8]),
    /// It does not do what it is there for.
    Ill(&'static str),
}

/// A greeting and any number of probe values, one question at a time.
#[derive(Debug)]
pub(super) struct Examination {
    step: Step,
    begun: Stamp,
    greeting: Greeting,
    good: u32,
    misses: u32,
    proved_from: Stamp,
    name: String,
    key: String,
    value: String,
}

impl Examination {
    /// Begins with the greeting. `salt` tells this one from others that begin in the same millisecond.
    pub(super) fn new(now: Stamp, salt: u64) -> Examination {
        // Several clients probe one server at once. Those that share even both numbers share
        // their keys and values too, and then cannot tell (and need not) whose value they read.
        let name = format!("libmemcache:probe:{:x}:{salt:x}", now.unix_millis);
        Examination {
            step: Step::Greet,
            begun: now,
            greeting: Greeting::default(),
            good: 0,
            misses: 0,
            proved_from: Stamp::default(),
            name,
            key: String::new(),
            value: String::new(),
        }
    }

    /// When it began.
    pub(super) fn begun(&self) -> Stamp {
        self.begun
    }

    /// What the server said of itself.
    pub(super) fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Whether it said it.
    pub(super) fn greeted(&self) -> bool {
        self.step != Step::Greet
    }

    /// How many values came back.
    pub(super) fn good(&self) -> u32 {
        self.good
    }

    /// When the first of those was begun to be stored.
    pub(super) fn proved_from(&self) -> Stamp {
        self.proved_from
    }

    /// Begins another probe value.
    pub(super) fn again(&mut self, now: Stamp) {
        if self.good == 0 {
            self.proved_from = now;
        }
        self.key.clear();
        let _ = write!(self.key, "{}:{}", self.name, self.good);
        self.value.clear();
        let _ = write!(self.value, "probe {} of {}", self.good, self.proved_from.unix_millis);
        self.step = Step::Store;
    }

    /// The question that is to be asked, or was.
    pub(super) fn command(&self) -> Command<'_> {
        let (key, value) = (self.key.as_bytes(), self.value.as_bytes());
        match self.step {
            Step::Greet => self.greeting.awaited(),
            Step::Store => Command::Store { verb: Verb::Set, key, flags: 0, exptime: PROBE_SECONDS, value },
            Step::Load => Command::Get { key, meta: false },
        }
    }

    /// Takes the answer to it.
    pub(super) fn answer<'r>(&mut self, now: Stamp, reply: &Reply<'r>) -> Finding<'r> {
        match (self.step, reply) {
            (Step::Greet, reply) => {
                if self.greeting.answer(reply) {
                    self.again(now);
                }
                Finding::More
            }
            (Step::Store, Reply::Stored) => {
                self.step = Step::Load;
                Finding::More
            }
            (Step::Load, Reply::Value(value)) if value.data == self.value.as_bytes() => {
                self.good += 1;
                Finding::Good
            }
            (Step::Load, Reply::Miss) if self.misses < MISSES => {
                self.misses += 1;
                self.again(now);
                Finding::More
            }
            (_, Reply::Refused(line)) => Finding::Refused(line),
            (Step::Load, _) => Finding::Ill("it did not give back the probe value that it stored"),
            (Step::Store, _) => Finding::Ill("it did not store a probe value"),
        }
    }

    /// What it means that the question was not answered.
    pub(super) fn unanswered(&self) -> &'static str {
        match self.step {
            Step::Greet => "it did not answer the greeting",
            Step::Store | Step::Load => "it did not answer a probe",
        }
    }
}

/// The probe of one live server. An [`Operation`] that asks one question at a time, of that server alone, over a
/// connection that the driver makes for it and does not greet.
///
/// It ends as `Done`; as `Refused` when the server refused to store or to give back the value (that
/// is an answer, and clients get the same one: a server that is full and evicts nothing must not lose
/// what it holds for it); else as `Unavailable`, and [`Probe::reason`] says why.
#[derive(Debug)]
pub struct Probe {
    server: ServerId,
    examination: Examination,
    tag: Tag,
    asked: bool,
    over: Option<Outcome>,
    reason: &'static str,
}

impl Probe {
    /// A probe of `server`.
    pub fn new(view: &View, server: ServerId) -> Probe {
        Probe {
            server,
            examination: Examination::new(view.now, u64::from(server.0)),
            tag: 0,
            asked: false,
            over: None,
            reason: "being probed",
        }
    }

    /// The server.
    pub fn server(&self) -> ServerId {
        self.server
    }

    /// What it said of itself; of a probe that ended well.
    pub fn greeting(&self) -> &Greeting {
        self.examination.greeting()
    }

    /// How it ended, in a few words for a message.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    fn end(&mut self, outcome: Outcome, reason: &'static str) {
        self.over = Some(outcome);
        self.reason = reason;
    }

    /// Whether `tag` is the question that is outstanding; then it no longer is.
    fn take(&mut self, tag: Tag) -> bool {
        let ours = self.over.is_none() && self.asked && tag == self.tag;
        self.asked &= !ours;
        ours
    }
}

impl Operation for Probe {
    fn next(&mut self, _: &View) -> Option<(ServerId, Tag)> {
        if self.asked || self.over.is_some() {
            return None;
        }
        self.asked = true;
        self.tag = self.tag.wrapping_add(1);
        Some((self.server, self.tag))
    }

    fn command(&self, _: Tag) -> Command<'_> {
        self.examination.command()
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        if !self.take(tag) {
            return;
        }
        match self.examination.answer(view.now, reply) {
            Finding::More => {}
            Finding::Good => self.end(Outcome::Done, "it works"),
            Finding::Refused(_) => self.end(Outcome::Refused, "it refused a probe"),
            Finding::Ill(reason) => self.end(Outcome::Unavailable, reason),
        }
    }

    fn fail(&mut self, _: &View, tag: Tag, _: Failure) {
        if self.take(tag) {
            self.end(Outcome::Unavailable, self.examination.unanswered());
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        self.over
    }

    /// Probe values are nobody's data.
    fn mutates(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rules::health::Incarnation;
    use crate::rules::pool::{Options, Pool};
    use crate::rules::wire::Value;

    const STATS: &[u8] = b"STAT pid 42\r\nSTAT uptime 100\r\nSTAT time 1000100\r\n";

    struct Story {
        view: View,
        probe: Probe,
    }

    impl Story {
        fn begin() -> Story {
            let mut view = View::new(Arc::new(Pool::new("p", Options::default(), Vec::new())));
            view.now = Stamp::of_wall_clock(1_764_000_000_000);
            let probe = Probe::new(&view, ServerId(3));
            Story { view, probe }
        }

        fn ask(&mut self) -> Tag {
            let (server, tag) = self.probe.next(&self.view).expect("a question");
            assert_eq!(server, ServerId(3));
            assert_eq!(self.probe.next(&self.view), None, "one question at a time");
            tag
        }

        fn answer(&mut self, reply: Reply<'_>) -> &mut Self {
            let tag = self.ask();
            self.probe.answer(&self.view, tag, &reply);
            self
        }

        fn greeted() -> Story {
            let mut story = Story::begin();
            story.answer(Reply::Stats(STATS)).answer(Reply::Noop);
            story
        }

        /// The value that it stores.
        fn store(&mut self) -> Vec<u8> {
            let tag = self.ask();
            let Command::Store { verb: Verb::Set, exptime: PROBE_SECONDS, value, .. } =
                self.probe.command(tag)
            else {
                panic!("{:?} stores nothing that expires", self.probe.command(tag))
            };
            let value = value.to_vec();
            self.probe.answer(&self.view, tag, &Reply::Stored);
            value
        }

        fn give_back(&mut self, data: &[u8]) -> &mut Self {
            self.answer(Reply::Value(Value { data, ..Value::default() }))
        }

        fn ends(&mut self, outcome: Outcome, reason: &str) {
            assert_eq!((self.probe.outcome(), self.probe.reason()), (Some(outcome), reason));
            assert_eq!(self.probe.next(&self.view), None);
        }
    }

    #[test]
    fn it_greets_stores_and_reads_back() {
        let mut story = Story::greeted();
        let value = story.store();
        story.give_back(&value).ends(Outcome::Done, "it works");
        let life = Incarnation { pid: 42, start: 1_000_000 };
        assert_eq!(story.probe.greeting().incarnation(), Some(life));
        assert!(story.probe.greeting().meta() && !story.probe.mutates());
    }

    #[test]
    fn a_value_that_a_flush_took_is_stored_again_but_not_for_ever() {
        let mut story = Story::greeted();
        for _ in 0..MISSES {
            story.store();
            story.answer(Reply::Miss);
        }
        let value = story.store();
        story.give_back(&value).ends(Outcome::Done, "it works");

        let mut story = Story::greeted();
        for _ in 0..=MISSES {
            story.store();
            story.answer(Reply::Miss);
        }
        story.ends(Outcome::Unavailable, "it did not give back the probe value that it stored");
    }

    #[test]
    fn another_value_is_a_fault_and_a_refusal_is_an_answer() {
        let mut story = Story::greeted();
        story.store();
        let fault = "it did not give back the probe value that it stored";
        story.give_back(b"another").ends(Outcome::Unavailable, fault);
        let mut story = Story::greeted();
        story.answer(Reply::Exists).ends(Outcome::Unavailable, "it did not store a probe value");
        let mut story = Story::greeted();
        story.answer(Reply::Refused(b"SERVER_ERROR out of memory storing object"));
        story.ends(Outcome::Refused, "it refused a probe");
    }

    #[test]
    fn silence_at_any_point_ends_it() {
        let mut story = Story::begin();
        let tag = story.ask();
        story.probe.fail(&story.view, tag + 1, Failure::Unanswered);
        assert_eq!(story.probe.outcome(), None, "that was another's");
        story.probe.fail(&story.view, tag, Failure::Unanswered);
        story.ends(Outcome::Unavailable, "it did not answer the greeting");
        let mut story = Story::greeted();
        let tag = story.ask();
        story.probe.fail(&story.view, tag, Failure::Unanswered);
        story.ends(Outcome::Unavailable, "it did not answer a probe");
    }
}
