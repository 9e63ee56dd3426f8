//! Pass: a meta command of a client's own, with flags that only the server that decides can answer.
//!
//! As in [`Conditional`](super::Conditional) one server decides (acting, or who [`Bring`] says); it is sent what the client
//! wrote, and its answer is the client's. When it changed something, the others get what came of it.
//!
//! A delete that it did, and one that found nothing and compared nothing, is done on every place in the order of
//! [`Spread`]: others may be moving copies of the key. Expiry times in it are no later than in any other call ([`expiry`]).
//!
//! CAS values in it are tokens, both ways ([`cas`]).

use super::bring::Bring;
use super::publish::{End, Publish};
use super::source::Source;
use super::spread::Spread;
use super::{Attempts, Failure, Operation, Outcome, Tag, cas, decides_alone, expiry, refused, writable};
use crate::rules::bytes::Bytes;
use crate::rules::hash::KeyHash;
use crate::rules::pool::ServerId;
use crate::rules::view::{State, View};
use crate::rules::wire::{Command, Reply};

enum Stage<'a> {
    Begin,
    Bringing(Box<Bring<'a>>),
    Deciding {
        server: Source,
        asked: bool,
    },
    /// The others get what came of it; then it ends with this outcome.
    Publishing(Box<Publish<'a>>, Outcome),
    /// It is deleted on every place.
    Clearing(Box<Spread<'a>>),
    Over(Outcome),
}

/// What is passed on.
#[derive(Clone, Debug)]
pub struct Passed<'a> {
    /// The second letter of the command's name.
    pub letter: u8,
    /// The key's bytes.
    pub key: Bytes<'a>,
    /// The key as it is written in the command: in base64 when the flags say so.
    pub name: Bytes<'a>,
    /// The flags but for `q`, which would leave us without an answer, and `C`.
    pub flags: Bytes<'a>,
    /// The CAS token of `C`.
    pub cas: Option<u64>,
    /// The value of `ms`.
    pub value: Option<Bytes<'a>>,
    /// Whether it changes what it finds.
    pub changes: bool,
}

/// Passes a command to the server that decides. Ends as Done (the answer is [`Pass::reply`]), Refused, Unavailable.
pub struct Pass<'a> {
    passed: Passed<'a>,
    /// The flags as they are sent.
    sent: Vec<u8>,
    stage: Stage<'a>,
    /// A copy was brought to the server that decides.
    brought: bool,
    generation: u64,
    attempts: Attempts,
    reply: Vec<u8>,
    refusal: Vec<u8>,
}

impl<'a> Pass<'a> {
    /// A command to be passed on.
    pub fn new(passed: Passed<'a>) -> Pass<'a> {
        Pass {
            passed,
            sent: Vec::new(),
            stage: Stage::Begin,
            brought: false,
            generation: 0,
            attempts: Attempts::default(),
            reply: Vec::new(),
            refusal: Vec::new(),
        }
    }

    /// The answer, with its line ends.
    pub fn reply(&self) -> &[u8] {
        &self.reply
    }

    fn begin(&mut self, view: &View) {
        match writable(view, &self.passed.key) {
            Err(outcome) => self.stage = Stage::Over(outcome),
            Ok(placement) => match decides_alone(view, &placement) {
                Some(server) => self.decide(view, server),
                None => self.stage = Stage::Bringing(Box::new(Bring::new(self.passed.key.clone()))),
            },
        }
    }

    fn begin_again(&mut self, view: &View) {
        if self.attempts.spent(view, self.generation) {
            self.stage = Stage::Over(Outcome::Unavailable);
        } else {
            self.begin(view);
        }
    }

    fn decide(&mut self, view: &View, server: ServerId) {
        self.generation = view.generation;
        self.sent.clear();
        let Passed { letter, flags, .. } = &self.passed;
        match writable(view, &self.passed.key) {
            Ok(placement) => expiry::in_flags(view, &placement, server, (*letter, flags), &mut self.sent),
            Err(outcome) => return self.stage = Stage::Over(outcome),
        }
        if let Some(token) = self.passed.cas {
            // One from elsewhere is compared all the same: the server says whether there is anything.
            // And 0 is nobody's, but means something to some commands.
            let value = if token == 0 { 0 } else { cas::value(view, server, token).unwrap_or(cas::NEVER) };
            self.sent.extend_from_slice(b" C");
            self.sent.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        }
        self.stage = Stage::Deciding { server: Source::of(view, server), asked: false };
    }

    /// Whether it is a delete proper.
    fn deletes(&self) -> bool {
        let marks = || self.passed.flags.split(|byte| *byte == b' ').any(|word| word.first() == Some(&b'I'));
        self.passed.letter == b'd' && !marks()
    }

    fn decided(&mut self, view: &View, server: Source, reply: &Reply<'_>) {
        let Reply::Meta { line, data } = *reply else {
            self.refusal = refused(reply).unwrap_or_default().to_vec();
            return self.stage = Stage::Over(Outcome::Refused);
        };
        let done = matches!(line.get(..2), Some(b"HD" | b"VA"));
        if !done && self.generation != view.generation {
            // What did not hold, or was not there, changed nothing: under a newer view it is asked anew.
            return self.begin_again(view);
        }
        self.tell(life(view, server), line, data);
        if self.deletes() && (done || (line.starts_with(b"NF") && self.passed.cas.is_none())) {
            let places = writable(view, &self.passed.key).map(|placement| placement.places);
            let alone = done && places.is_ok_and(|places| places.as_slice() == [server.server]);
            let clearing = || Stage::Clearing(Box::new(Spread::delete(self.passed.key.clone())));
            return self.stage = if alone { Stage::Over(Outcome::Done) } else { clearing() };
        }
        // What was brought to acting alone is to be on the mirror too: a walk may have been here already.
        self.stage = if (done && self.passed.changes) || self.brought {
            Stage::Publishing(Box::new(Publish::new(self.passed.key.clone(), server)), Outcome::Done)
        } else {
            Stage::Over(Outcome::Done)
        };
    }

    /// The answer, with CAS values as tokens.
    fn tell(&mut self, life: u16, line: &[u8], data: Option<&[u8]>) {
        self.reply.clear();
        for word in line.split(|byte| *byte == b' ') {
            if !self.reply.is_empty() {
                self.reply.push(b' ');
            }
            let value =
                word.strip_prefix(b"c").and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            match value {
                Some(value) => {
                    self.reply.push(b'c');
                    let token = if value == 0 { 0 } else { cas::token(life, value) };
                    self.reply.extend_from_slice(itoa::Buffer::new().format(token).as_bytes());
                }
                None => self.reply.extend_from_slice(word),
            }
        }
        self.reply.extend_from_slice(b"\r\n");
        if let Some(data) = data {
            self.reply.extend_from_slice(data);
            self.reply.extend_from_slice(b"\r\n");
        }
    }

    /// The server that was to decide did not answer: as in a conditional operation.
    fn undecided(&mut self, view: &View, server: Source, failure: Failure) {
        if failure == Failure::Unanswered && server.intact(view) && self.passed.changes {
            let publish = Publish::new(self.passed.key.clone(), server);
            self.stage = Stage::Publishing(Box::new(publish), Outcome::Unavailable);
        } else {
            self.begin_again(view);
        }
    }

    fn proceed(&mut self, view: &View) {
        match &self.stage {
            Stage::Bringing(bring) => match bring.end() {
                Some(Ok(server)) => {
                    self.brought |= bring.moved();
                    self.decide(view, server);
                }
                Some(Err(outcome)) => self.stage = Stage::Over(outcome),
                None => {}
            },
            Stage::Publishing(publish, outcome) => match (publish.end(), *outcome) {
                (Some(End::Published), outcome) => self.stage = Stage::Over(outcome),
                (Some(End::SourceLost), Outcome::Done) => self.begin_again(view),
                (Some(End::SourceLost), outcome) => self.stage = Stage::Over(outcome),
                (Some(End::Failed(_)), _) => self.stage = Stage::Over(Outcome::Unavailable),
                (None, _) => {}
            },
            Stage::Clearing(delete) => match delete.outcome() {
                Some(Outcome::Deleted | Outcome::NotFound) => self.stage = Stage::Over(Outcome::Done),
                Some(outcome) => {
                    self.refusal = delete.refusal().unwrap_or_default().to_vec();
                    self.stage = Stage::Over(outcome);
                }
                None => {}
            },
            Stage::Begin | Stage::Deciding { .. } | Stage::Over(_) => {}
        }
    }
}

/// The life that a server answered in. One that nobody had met was steady: to meet it changes nothing.
fn life(view: &View, server: Source) -> u16 {
    let now = view.server(server.server);
    if server.intact(view) && now.state != State::Down { now.incarnation } else { 0 }
}

impl Operation for Pass<'_> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        loop {
            let next = match &mut self.stage {
                Stage::Begin => {
                    self.begin(view);
                    continue;
                }
                Stage::Bringing(bring) => bring.next(view),
                Stage::Deciding { server, asked } => {
                    (!std::mem::replace(asked, true)).then_some((server.server, 0))
                }
                Stage::Publishing(publish, _) => publish.next(view),
                Stage::Clearing(delete) => delete.next(view),
                Stage::Over(_) => None,
            };
            if next.is_some() {
                return next;
            }
            let before = std::mem::discriminant(&self.stage);
            self.proceed(view);
            if before == std::mem::discriminant(&self.stage) {
                return None;
            }
        }
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        match &self.stage {
            Stage::Bringing(bring) => bring.command(),
            Stage::Publishing(publish, _) => publish.command(tag),
            Stage::Clearing(delete) => delete.command(tag),
            Stage::Begin | Stage::Deciding { .. } | Stage::Over(_) => Command::Meta {
                letter: self.passed.letter,
                key: &self.passed.key,
                name: &self.passed.name,
                flags: &self.sent,
                value: self.passed.value.as_deref(),
            },
        }
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        match &mut self.stage {
            Stage::Bringing(bring) => bring.answer(view, reply),
            Stage::Publishing(publish, _) => publish.answer(view, tag, reply),
            Stage::Clearing(delete) => delete.answer(view, tag, reply),
            Stage::Deciding { server, .. } => {
                let server = *server;
                self.decided(view, server, reply);
            }
            Stage::Begin | Stage::Over(_) => {}
        }
        self.proceed(view);
    }

    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        match &mut self.stage {
            Stage::Bringing(bring) => bring.fail(view, failure),
            Stage::Publishing(publish, _) => publish.fail(view, tag, failure),
            Stage::Clearing(delete) => delete.fail(view, tag, failure),
            Stage::Deciding { server, .. } => {
                let server = *server;
                self.undecided(view, server, failure);
            }
            Stage::Begin | Stage::Over(_) => {}
        }
        self.proceed(view);
    }

    fn outcome(&self) -> Option<Outcome> {
        match self.stage {
            Stage::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn refusal(&self) -> Option<&[u8]> {
        (!self.refusal.is_empty()).then_some(&self.refusal)
    }

    fn hashes(&self, tell: &mut dyn FnMut(KeyHash)) {
        tell(KeyHash::of(&self.passed.key));
    }

    fn keys(&self, tell: &mut dyn FnMut(&[u8])) -> bool {
        tell(&self.passed.key);
        true
    }
}
