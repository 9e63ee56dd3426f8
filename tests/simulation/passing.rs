//! Clients' own meta commands: what is passed on, what each does to one key by itself, and what its answer means.

use memcache::rules::bytes::Bytes as Lent;
use memcache::rules::operation::{Outcome, Pass, Passed};
use memcache::rules::wire::{Direction, Verb};

use super::calls::{Held, Key, Mark, Results, Token, expires, held, key_bytes, piece_bytes, value_bytes};
use super::memcached::number;
use super::message::Bytes;
use super::task::Seen;
use super::truth::same_value;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passing {
    /// `mg` that touches what it finds, leaves a stub where it finds nothing, asks whether little time is left.
    Get { touch: Option<i64>, vivify: Option<i64>, recache: Option<i64> },
    /// `ms`. `late`: with a CAS value that was overtaken it stores what counts as stale.
    Store { verb: Verb, version: u32, flags: u32, exptime: i64, compared: Option<Token>, late: bool },
    /// `md`. `marks`: it deletes nothing, but marks it as stale, perhaps with a new expiry time.
    Delete { marks: bool, touch: Option<i64>, compared: Option<Token> },
    /// `ma`. `initial`: what it makes where it finds nothing, and for how long.
    Count { direction: Direction, delta: u64, initial: Option<(u64, i64)>, touch: Option<i64> },
}

impl Passing {
    pub fn value(&self) -> &'static [u8] {
        match *self {
            Passing::Store { verb: Verb::Append | Verb::Prepend, version, .. } => piece_bytes(version),
            Passing::Store { version, .. } => value_bytes(version),
            _ => b"",
        }
    }

    /// Nothing is left of what was there, whatever was found.
    pub fn deletes(&self) -> bool {
        matches!(self, Passing::Delete { marks: false, compared: None, .. })
    }

    fn compared(&self) -> Option<&Token> {
        match self {
            Passing::Store { compared, .. } | Passing::Delete { compared, .. } => compared.as_ref(),
            Passing::Get { .. } | Passing::Count { .. } => None,
        }
    }

    fn letter(&self) -> u8 {
        match self {
            Passing::Get { .. } => b'g',
            Passing::Store { .. } => b's',
            Passing::Delete { .. } => b'd',
            Passing::Count { .. } => b'a',
        }
    }

    fn words(&self) -> String {
        let word =
            |letter: char, number: Option<i64>| number.map(|n| format!(" {letter}{n}")).unwrap_or_default();
        match *self {
            Passing::Get { touch, vivify, recache } => {
                format!(" v f c t{}{}{}", word('T', touch), word('N', vivify), word('R', recache))
            }
            Passing::Store { verb, flags, exptime, late, .. } => {
                let mode = match verb {
                    Verb::Set | Verb::Cas(_) => 'S',
                    Verb::Add => 'E',
                    Verb::Replace => 'R',
                    Verb::Append => 'A',
                    Verb::Prepend => 'P',
                };
                format!(" c F{flags} T{exptime} M{mode}{}", if late { " I" } else { "" })
            }
            Passing::Delete { marks, touch, .. } => {
                format!("{}{}", if marks { " I" } else { "" }, word('T', touch))
            }
            Passing::Count { direction, delta, initial, touch } => {
                let mode = if direction == Direction::Decr { 'D' } else { 'I' };
                let initial = initial.map(|(initial, exptime)| format!(" N{exptime} J{initial}"));
                format!(" v t c D{delta} M{mode}{}{}", initial.unwrap_or_default(), word('T', touch))
            }
        }
    }

    pub fn operation(&self, key: Key) -> Pass<'static> {
        let value = matches!(self, Passing::Store { .. }).then(|| Lent::from(self.value()));
        Pass::new(Passed {
            letter: self.letter(),
            key: key_bytes(key).into(),
            name: key_bytes(key).into(),
            flags: self.words().into_bytes().into(),
            cas: self.compared().map(|token| token.token),
            value,
            changes: true,
        })
    }

    // ---- what it does by itself

    pub fn on_nothing(&self, now: i64, all: &mut Results) {
        all.push(match *self {
            Passing::Get { vivify: Some(exptime), .. } => {
                let stub =
                    Held { data: Bytes::new(), flags: 0, expires: expires(exptime, now), mark: Mark::Stub };
                (Outcome::Done, Some(stub))
            }
            Passing::Get { .. } => (Outcome::Miss, None),
            Passing::Store { verb: Verb::Set, compared: Some(_), .. }
            | Passing::Store { verb: Verb::Replace, compared: Some(_), .. } => (Outcome::NotFound, None),
            Passing::Store { verb: Verb::Set | Verb::Add, flags, exptime, .. } => {
                (Outcome::Stored, held(self.value(), flags, exptime, now))
            }
            Passing::Store { .. } => (Outcome::NotStored, None),
            Passing::Delete { .. } | Passing::Count { initial: None, .. } => (Outcome::NotFound, None),
            Passing::Count { initial: Some((initial, exptime)), .. } => {
                (Outcome::Number(initial), held(initial.to_string().as_bytes(), 0, exptime, now))
            }
        });
    }

    pub fn on_value(&self, old: &Held, now: i64, all: &mut Results) {
        let until = |touch: Option<i64>| touch.map_or(old.expires, |exptime| expires(exptime, now));
        let matches = self.compared().is_none_or(|token| token.names(old));
        if self.compared().is_some() {
            all.push((Outcome::Exists, Some(old.clone())));
        }
        match *self {
            Passing::Get { touch, .. } => {
                let outcome = if old.mark == Mark::Stub { Outcome::Done } else { Outcome::Hit };
                all.push((outcome, Some(Held { expires: until(touch), ..old.clone() })));
            }
            Passing::Store { verb: Verb::Add, .. } => all.push((Outcome::NotStored, Some(old.clone()))),
            Passing::Store { verb, flags, exptime, late, .. } => {
                let joined = match verb {
                    Verb::Append => Some([&old.data[..], self.value()].concat()),
                    Verb::Prepend => Some([self.value(), &old.data[..]].concat()),
                    _ => None,
                };
                let stored = match joined {
                    Some(data) => Some(Held { data: data.into(), mark: Mark::Fresh, ..old.clone() }),
                    None => held(self.value(), flags, exptime, now),
                };
                if matches {
                    all.push((Outcome::Stored, stored));
                }
                if late {
                    let data = self.value().into();
                    let late = Held { data, flags, expires: old.expires, mark: Mark::Stale };
                    all.push((Outcome::Stored, Some(late)));
                }
            }
            Passing::Delete { marks: false, .. } if matches => all.push((Outcome::Deleted, None)),
            Passing::Delete { touch, .. } if matches => {
                let mark = if old.mark == Mark::Fresh { Mark::Stale } else { old.mark };
                all.push((Outcome::Deleted, Some(Held { expires: until(touch), mark, ..old.clone() })));
            }
            Passing::Delete { .. } => {}
            Passing::Count { direction, delta, touch, .. } => {
                if number(&old.data).is_none() {
                    all.push((Outcome::Refused, Some(old.clone())));
                }
                let Some(n) = number(&old.data).or_else(|| super::calls::padded_number(&old.data)) else {
                    return;
                };
                let n = match direction {
                    Direction::Incr => n.wrapping_add(delta),
                    Direction::Decr => n.saturating_sub(delta),
                };
                // A number that does not fit in its place loses its mark, and keeps its expiry time.
                for (mark, expires) in
                    [(old.mark, until(touch)), (Mark::Fresh, old.expires), (Mark::Fresh, until(touch))]
                {
                    let data = n.to_string().as_bytes().into();
                    all.push((Outcome::Number(n), Some(Held { data, flags: old.flags, expires, mark })));
                }
            }
        }
    }

    // ---- what its answer means

    /// The outcome of an answer, and the value in it.
    pub fn read(&self, reply: &[u8]) -> (Outcome, Option<Seen>) {
        let end = reply.windows(2).position(|two| two == b"\r\n").expect("an answer ends its line");
        let mut words = reply[..end].split(|byte| *byte == b' ');
        let (word, words) = (words.next().unwrap_or_default(), words.collect::<Vec<_>>());
        let flag = |letter: u8| words.iter().find_map(|word| word.strip_prefix(&[letter]));
        let int = |letter: u8| {
            let text = std::str::from_utf8(flag(letter)?).ok()?;
            text.parse::<u64>().ok()
        };
        let outcome = match word {
            b"EN" => Outcome::Miss,
            b"NF" => Outcome::NotFound,
            b"NS" => Outcome::NotStored,
            b"EX" => Outcome::Exists,
            b"HD" if self.letter() == b's' => Outcome::Stored,
            b"HD" => Outcome::Deleted,
            b"VA" => Outcome::Hit,
            _ => panic!("an answer to a meta command: {}", String::from_utf8_lossy(reply)),
        };
        if outcome != Outcome::Hit {
            return (outcome, None);
        }
        let data = Bytes::from_slice(&reply[end + 2..reply.len() - 2]);
        if self.letter() == b'a' {
            return (Outcome::Number(number(&data).expect("a number")), None);
        }
        let marked = |letter: u8| words.contains(&&[letter][..]);
        if data.is_empty() && (marked(b'W') || marked(b'Z')) {
            return (Outcome::Done, None);
        }
        let (flags, cas) = (int(b'f').expect("flags") as u32, int(b'c').expect("a CAS token"));
        (Outcome::Hit, Some(Seen { data, flags, cas, stale: Some(marked(b'X')) }))
    }
}

impl Token {
    /// Whether it can be that of this value.
    pub fn names(&self, held: &Held) -> bool {
        same_value(&self.seen, &held.data) && self.stale == (held.mark == Mark::Stale)
    }
}
