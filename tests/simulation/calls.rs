//! What a program asks for in a simulated world, and what each call does to one key by itself: the
//! sequential history that every answer must fit into.

use memcache::rules::operation::Outcome;
use memcache::rules::wire::{Direction, Verb};
use smallvec::SmallVec;
use std::sync::LazyLock;

use super::memcached::number;
use super::message::{Bytes, show};
use super::passing::Passing;

/// Index of a key of the world.
pub type Key = u8;

/// The operations borrow keys and values for as long as they live; these tables outlive them all.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| (0..64).map(|n| format!("k{n}")).collect());
static VALUES: LazyLock<Vec<String>> = LazyLock::new(|| (0..8192).map(|n| (n * 1000).to_string()).collect());
static PIECES: LazyLock<Vec<String>> = LazyLock::new(|| (0..8192).map(|n| format!(".{n}")).collect());

pub fn key_bytes(key: Key) -> &'static [u8] {
    KEYS[usize::from(key)].as_bytes()
}

/// Which key of the world these bytes are; `None`: none of them.
pub fn key_of(bytes: &[u8]) -> Option<Key> {
    KEYS.iter().position(|key| key.as_bytes() == bytes).map(|index| index as Key)
}

/// The value of the n-th write of a world: a number, far enough from the others that counting
/// never leads from one to the next.
pub fn value_bytes(version: u32) -> &'static [u8] {
    VALUES[version as usize % VALUES.len()].as_bytes()
}

/// What the n-th append adds.
pub fn piece_bytes(version: u32) -> &'static [u8] {
    PIECES[version as usize % PIECES.len()].as_bytes()
}

/// What a key holds. `None`: nothing.
pub type State = Option<Held>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    pub data: Bytes,
    pub flags: u32,
    /// The second since 1970 in which it is gone.
    pub expires: Option<i64>,
    pub mark: Mark,
}

/// What a client's own meta command made of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// It is as good as any.
    Fresh,
    /// It is stale, and may be read as that; or missed, for nobody copies it to where it belongs.
    Stale,
    /// It is none: a stub, which may be missed too.
    Stub,
}

/// A CAS token that a read handed out, with what it read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub token: u64,
    pub seen: Bytes,
    pub stale: bool,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Get {
        keys: SmallVec<[Key; 4]>,
        with_cas: bool,
    },
    Store {
        verb: Verb,
        key: Key,
        version: u32,
        flags: u32,
        exptime: i64,
    },
    /// A cas with the token that a read handed out.
    Cas {
        key: Key,
        version: u32,
        flags: u32,
        exptime: i64,
        token: Token,
    },
    Delete {
        key: Key,
    },
    Count {
        key: Key,
        direction: Direction,
        delta: u64,
    },
    Touch {
        key: Key,
        exptime: i64,
    },
    GetAndTouch {
        key: Key,
        exptime: i64,
    },
    /// A client's own meta command.
    Pass {
        key: Key,
        passing: Passing,
    },
    FlushAll,
    /// Asks every live server for its version.
    Versions,
}

impl Call {
    /// The key whose turn it needs.
    pub fn changes(&self) -> Option<Key> {
        match *self {
            Call::Get { .. } | Call::FlushAll | Call::Versions => None,
            Call::Store { key, .. }
            | Call::Cas { key, .. }
            | Call::Delete { key }
            | Call::Count { key, .. }
            | Call::Touch { key, .. }
            | Call::GetAndTouch { key, .. }
            | Call::Pass { key, .. } => Some(key),
        }
    }

    pub fn value(&self) -> &'static [u8] {
        match *self {
            Call::Store { verb: Verb::Append | Verb::Prepend, version, .. } => piece_bytes(version),
            Call::Store { version, .. } | Call::Cas { version, .. } => value_bytes(version),
            Call::Pass { ref passing, .. } => passing.value(),
            _ => b"",
        }
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = show(self.value());
        match self {
            Call::Get { keys, with_cas } => write!(f, "get{} {keys:?}", if *with_cas { "s" } else { "" }),
            Call::Store { verb, key, flags, exptime, .. } => {
                write!(f, "{verb:?} k{key} {value} flags {flags} exptime {exptime}")
            }
            Call::Cas { key, token: Token { token, seen, .. }, .. } => {
                write!(f, "Cas k{key} {value} token {token:#x} of {}", show(seen))
            }
            Call::Pass { key, passing } => write!(f, "pass k{key} {value} {passing:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Whether something that expires is there at a time: yes, no, or (within the slack that seconds
/// and moved copies leave) either.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alive {
    Yes,
    Perhaps,
    No,
}

/// A copy that is moved has its remaining life rounded to seconds, each time.
const SLACK: i64 = 3;

fn alive(state: &State, span: (i64, i64)) -> Alive {
    let alive = match state.as_ref().map(|held| held.expires) {
        None => Alive::No,
        Some(None) => Alive::Yes,
        Some(Some(at)) if at > span.1 + SLACK => Alive::Yes,
        Some(Some(at)) if at + SLACK < span.0 => Alive::No,
        Some(Some(_)) => Alive::Perhaps,
    };
    let marked = state.as_ref().is_some_and(|held| held.mark != Mark::Fresh);
    if marked && alive == Alive::Yes { Alive::Perhaps } else { alive }
}

/// Whether a read between these seconds may find that state as a value, and as a miss.
pub fn may_be_seen(state: &State, span: (i64, i64)) -> (bool, bool) {
    let alive = alive(state, span);
    (alive != Alive::No, alive != Alive::Yes)
}

pub type Results = SmallVec<[(Outcome, State); 4]>;

/// Every way in which `call`, executed once between these seconds, may end on `state`.
pub fn results(call: &Call, state: &State, span: (i64, i64)) -> Results {
    let mut all = Results::new();
    let alive = alive(state, span);
    if alive != Alive::No {
        on_value(call, state.as_ref().expect("a value"), span.0, &mut all);
    }
    if alive != Alive::Yes {
        on_nothing(call, span.0, &mut all);
    }
    all
}

fn on_nothing(call: &Call, now: i64, all: &mut Results) {
    let result = match call {
        Call::Store { verb: Verb::Set | Verb::Add, flags, exptime, .. } => {
            (Outcome::Stored, held(call.value(), *flags, *exptime, now))
        }
        Call::Store { .. } => (Outcome::NotStored, None),
        // A token of a value that is gone: nothing there, or (rule 10) another server's life.
        Call::Cas { .. } => {
            all.push((Outcome::Exists, None));
            (Outcome::NotFound, None)
        }
        Call::Pass { passing, .. } => return passing.on_nothing(now, all),
        Call::Get { .. } | Call::GetAndTouch { .. } => (Outcome::Miss, None),
        Call::FlushAll | Call::Versions => (Outcome::Done, None),
        Call::Delete { .. } | Call::Count { .. } | Call::Touch { .. } => (Outcome::NotFound, None),
    };
    all.push(result);
}

fn on_value(call: &Call, old: &Held, now: i64, all: &mut Results) {
    let same = || Some(old.clone());
    // To join something to it makes a new item of it, and one that has no mark.
    let with = |data: Bytes| Some(Held { data, mark: Mark::Fresh, ..old.clone() });
    match call {
        Call::Store { verb: Verb::Set | Verb::Replace, flags, exptime, .. } => {
            all.push((Outcome::Stored, held(call.value(), *flags, *exptime, now)));
        }
        Call::Store { verb: Verb::Append, .. } => {
            all.push((Outcome::Stored, with([&old.data[..], call.value()].concat().into())));
        }
        Call::Store { verb: Verb::Prepend, .. } => {
            all.push((Outcome::Stored, with([call.value(), &old.data[..]].concat().into())));
        }
        Call::Store { verb: Verb::Add | Verb::Cas(_), .. } => all.push((Outcome::NotStored, same())),
        Call::Cas { flags, exptime, token, .. } => {
            if token.names(old) {
                all.push((Outcome::Stored, held(call.value(), *flags, *exptime, now)));
            }
            all.push((Outcome::Exists, same()));
        }
        Call::Delete { .. } => all.push((Outcome::Deleted, None)),
        Call::Count { direction, delta, .. } => {
            if number(&old.data).is_none() {
                all.push((Outcome::Refused, same()));
            }
            if let Some(n) = number(&old.data).or_else(|| padded_number(&old.data)) {
                let n = match direction {
                    Direction::Incr => n.wrapping_add(*delta),
                    Direction::Decr => n.saturating_sub(*delta),
                };
                let counted = with(n.to_string().as_bytes().into());
                // As long as it has room where it is, it keeps its mark.
                let marked = counted.clone().map(|held| Held { mark: old.mark, ..held });
                all.extend((old.mark != Mark::Fresh).then_some((Outcome::Number(n), marked)));
                all.push((Outcome::Number(n), counted));
            }
        }
        Call::Touch { exptime, .. } => {
            all.push((Outcome::Touched, Some(Held { expires: expires(*exptime, now), ..old.clone() })));
        }
        Call::GetAndTouch { exptime, .. } => {
            all.push((Outcome::Hit, Some(Held { expires: expires(*exptime, now), ..old.clone() })));
        }
        Call::Get { .. } => all.push((Outcome::Hit, same())),
        Call::Pass { passing, .. } => passing.on_value(old, now, all),
        Call::FlushAll => all.push((Outcome::Done, None)),
        Call::Versions => all.push((Outcome::Done, same())),
    }
}

/// A number to which something was appended is none, unless it had been counted down and padded: the
/// server stops reading at the space (`9 .5` counts on from 9). The truth knows of no padding.
pub fn padded_number(data: &[u8]) -> Option<u64> {
    number(data.split(|b| *b == b'.').next()?)
}

pub fn held(data: &[u8], flags: u32, exptime: i64, now: i64) -> State {
    Some(Held { data: data.into(), flags, expires: expires(exptime, now), mark: Mark::Fresh })
}

pub fn expires(exptime: i64, now: i64) -> Option<i64> {
    (exptime != 0).then_some(if exptime > 60 * 60 * 24 * 30 { exptime } else { now + exptime })
}
