//! An operation together with what it was asked for and what it found.
//!
//! Operations borrow the batch that takes their values, and a simulated world has many at work at
//! once, so a task could not own both. [`Window`] has no bytes of its own: it shows the batch of the
//! task whose operation is being called, which [`Task`] puts there for the length of each call.

use std::cell::RefCell;

use memcache::rules::operation::{
    Batch, Broadcast, Conditional, Counter, Everywhere, Failure, GetAndTouch, Move, Operation, Outcome, Pass,
    Read, Spread, Tag, Write,
};
use memcache::rules::pool::ServerId;
use memcache::rules::rejoin::Rejoin;
use memcache::rules::view::View;
use memcache::rules::wire::{Reply, Value, Verb};
use smallvec::SmallVec;

use super::calls::{Call, Key, Token, key_bytes, key_of};
use super::message::{Ask, Bytes, show};
use super::passing::Passing;

/// A value that was found.
#[derive(Clone, Debug)]
pub struct Seen {
    pub data: Bytes,
    pub flags: u32,
    pub cas: u64,
    /// Whether it was marked as stale; `None`: a classic answer does not tell.
    pub stale: Option<bool>,
}

impl Seen {
    /// The CAS token that came with it.
    pub fn token(&self) -> Token {
        Token { token: self.cas, seen: self.data.clone(), stale: self.stale == Some(true) }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stale = if self.stale == Some(true) { ", marked as stale" } else { "" };
        write!(f, "{:?} flags {}{stale}", show(&self.data), self.flags)
    }
}

/// One key's answer, as the operation gave it.
#[derive(Clone, Debug)]
pub struct Settled {
    pub key: Key,
    pub answer: Result<Seen, Outcome>,
}

#[derive(Default)]
struct Shown {
    /// Its values come in answers that do not tell whether they are stale.
    classic: bool,
    keys: SmallVec<[Key; 4]>,
    settled: SmallVec<[Settled; 4]>,
}

thread_local! {
    static SHOWN: RefCell<Shown> = RefCell::default();
}

/// The batch of the task that is being called.
struct Window;

impl Batch for Window {
    fn len(&self) -> usize {
        SHOWN.with_borrow(|shown| shown.keys.len())
    }

    fn key(&self, index: usize) -> &[u8] {
        key_bytes(SHOWN.with_borrow(|shown| shown.keys[index]))
    }

    fn settle(&mut self, index: usize, answer: Result<&Value<'_>, Outcome>) {
        SHOWN.with_borrow_mut(|shown| {
            let answer = answer.map(|value| Seen {
                data: Bytes::from_slice(value.data),
                flags: value.flags,
                cas: value.cas,
                stale: (!shown.classic || value.stale).then_some(value.stale),
            });
            let key = shown.keys[index];
            shown.settled.push(Settled { key, answer });
        });
    }
}

enum Work {
    Call(Box<dyn Operation>),
    Pass(Box<Pass<'static>>, Key, Passing),
    Trial(Box<Rejoin>),
}

/// An operation at work.
pub struct Task {
    work: Work,
    shown: Shown,
    set: bool,
    moves: bool,
}

impl Task {
    pub fn of(call: &Call) -> Task {
        let mut shown = Shown::default();
        if let Call::Pass { key, passing } = call {
            let work = Work::Pass(Box::new(passing.operation(*key)), *key, passing.clone());
            return Task { work, shown, set: false, moves: false };
        }
        match call {
            Call::Get { keys, .. } => shown.keys.extend_from_slice(keys),
            Call::GetAndTouch { key, .. } => shown.keys.push(*key),
            _ => {}
        }
        SHOWN.set(shown);
        // A value without bytes takes no memory: nothing is leaked.
        let window = Box::leak(Box::new(Window));
        let value = call.value();
        let work: Box<dyn Operation> = match *call {
            Call::Get { with_cas: false, .. } => Box::new(Read::new(window)),
            Call::Get { with_cas: true, .. } => Box::new(Read::with_cas(window)),
            Call::Store { verb: Verb::Set, key, flags, exptime, .. } => {
                Box::new(Write::new(key_bytes(key), flags, exptime, value))
            }
            Call::Store { verb, key, flags, exptime, .. } => {
                Box::new(Conditional::new(verb, key_bytes(key), flags, exptime, value))
            }
            Call::Cas { key, flags, exptime, ref token, .. } => {
                Box::new(Conditional::new(Verb::Cas(token.token), key_bytes(key), flags, exptime, value))
            }
            Call::Pass { .. } => unreachable!("it was dealt with"),
            Call::Delete { key } => Box::new(Spread::delete(key_bytes(key))),
            Call::Count { key, direction, delta } => Box::new(Counter::new(direction, key_bytes(key), delta)),
            Call::Touch { key, exptime } => Box::new(Spread::touch(key_bytes(key), exptime)),
            Call::GetAndTouch { key, exptime } => Box::new(GetAndTouch::new(key_bytes(key), exptime, window)),
            Call::FlushAll | Call::Versions => {
                let sink = Box::leak(Box::new(|_: ServerId, _: Result<&[u8], Outcome>| {}));
                let flush = *call == Call::FlushAll;
                let what = if flush { Everywhere::FlushAll { delay: 0 } } else { Everywhere::Version };
                Box::new(Broadcast::new(what, None, sink))
            }
        };
        let set = matches!(call, Call::Store { .. });
        Task { work: Work::Call(work), shown: SHOWN.take(), set, moves: false }
    }

    pub fn trial(rejoin: Rejoin) -> Task {
        Task { work: Work::Trial(Box::new(rejoin)), shown: Shown::default(), set: false, moves: false }
    }

    /// Any operation.
    pub fn by(operation: Box<dyn Operation>) -> Task {
        Task { work: Work::Call(operation), shown: Shown::default(), set: false, moves: false }
    }

    /// The move of a copy that was found on a server.
    pub fn moving(key: Key, found: ServerId) -> Task {
        let work = Work::Call(Box::new(Move::new(key_bytes(key), found)));
        Task { work, shown: Shown::default(), set: false, moves: true }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut dyn Operation) -> T) -> T {
        SHOWN.set(std::mem::take(&mut self.shown));
        let result = match &mut self.work {
            Work::Call(operation) => act(operation.as_mut()),
            Work::Pass(operation, ..) => act(operation.as_mut()),
            Work::Trial(rejoin) => act(rejoin.as_mut()),
        };
        self.shown = SHOWN.take();
        result
    }

    pub fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        self.with(|operation| operation.next(view))
    }

    pub fn ask(&mut self, tag: Tag) -> Ask {
        let ask = self.with(|operation| Ask::of(&operation.command(tag)));
        self.shown.classic |= matches!(ask, Ask::Get { meta: false, .. });
        ask
    }

    pub fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        self.with(|operation| operation.answer(view, tag, reply));
    }

    pub fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        self.with(|operation| operation.fail(view, tag, failure));
    }

    pub fn outcome(&self) -> Option<Outcome> {
        match &self.work {
            Work::Call(operation) => operation.outcome(),
            Work::Pass(operation, _, passing) => match operation.outcome() {
                Some(Outcome::Done) => Some(passing.read(operation.reply()).0),
                other => other,
            },
            Work::Trial(rejoin) => rejoin.outcome(),
        }
    }

    pub fn mutates(&self) -> bool {
        match &self.work {
            Work::Call(operation) => operation.mutates(),
            Work::Pass(operation, ..) => operation.mutates(),
            Work::Trial(_) => false,
        }
    }

    /// It stores a value.
    pub fn is_set(&self) -> bool {
        self.set
    }

    /// It moves a copy.
    pub fn is_move(&self) -> bool {
        self.moves
    }

    /// The keys whose values were read at a later place than acting, and where.
    pub fn displaced(&mut self) -> SmallVec<[(Key, ServerId); 1]> {
        let mut found = SmallVec::new();
        self.with(|operation| {
            operation.displaced(&mut |key, server| found.extend(key_of(key).map(|key| (key, server))));
        });
        found
    }

    /// The trial, when it is one.
    pub fn rejoin(&self) -> Option<&Rejoin> {
        match &self.work {
            Work::Trial(rejoin) => Some(rejoin),
            Work::Call(_) | Work::Pass(..) => None,
        }
    }

    /// What was found since it was last asked.
    pub fn take_settled(&mut self) -> SmallVec<[Settled; 4]> {
        if let Work::Pass(operation, key, passing) = &self.work
            && operation.outcome() == Some(Outcome::Done)
            && let Some(seen) = passing.read(operation.reply()).1
        {
            self.shown.settled.push(Settled { key: *key, answer: Ok(seen) });
        }
        std::mem::take(&mut self.shown.settled)
    }
}
