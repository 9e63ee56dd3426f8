//! What a server does with a client's own meta commands: flags that change something take effect in the order in which they
//! are written, and what they ask for is told in that order too.

use super::*;

/// The flags of one command.
#[derive(Clone, Copy)]
struct Flags<'a>(&'a [u8]);

impl<'a> Flags<'a> {
    fn words(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        self.0
            .split(|byte| *byte == b' ')
            .filter_map(|word| word.split_first().map(|(letter, text)| (*letter, text)))
    }

    /// An answer that tells nothing but what it is an answer to.
    fn bare(self, word: &str, key: &Bytes) -> Answer {
        let mut line = Line(word.as_bytes().to_vec());
        if self.has(b'k') {
            line.word(b'k', String::from_utf8_lossy(key));
        }
        Answer::Meta { line: line.0, data: None }
    }

    fn has(self, letter: u8) -> bool {
        self.words().any(|word| word.0 == letter)
    }

    fn number(self, letter: u8) -> Option<i64> {
        self.words().find(|word| word.0 == letter).map(|word| int(word.1))
    }

    fn mode(self) -> u8 {
        self.words().find(|word| word.0 == b'M').and_then(|word| word.1.first().copied()).unwrap_or(b'S')
    }

    /// The CAS value to compare with; 0 is none.
    fn cas(self) -> Option<u64> {
        let text = self.words().find(|word| word.0 == b'C')?.1;
        let cas = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("a CAS value");
        (cas != 0).then_some(cas)
    }
}

fn int(text: &[u8]) -> i64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("a number")
}

/// An answer's line under way.
struct Line(Vec<u8>);

impl Line {
    /// Begins the answer to a command that found something: with its value or without.
    fn of(data: Option<&Bytes>) -> Line {
        Line(data.map_or("HD".to_string(), |data| format!("VA {}", data.len())).into_bytes())
    }

    fn word(&mut self, letter: u8, text: impl ToString) {
        self.0.extend_from_slice(&[b' ', letter]);
        self.0.extend_from_slice(text.to_string().as_bytes());
    }

    fn mark(&mut self, letter: u8) {
        self.0.extend_from_slice(&[b' ', letter]);
    }
}

impl Memcached {
    pub(super) fn meta_command(
        &mut self,
        now: i64,
        letter: u8,
        key: &Bytes,
        flags: &[u8],
        value: Option<&Bytes>,
    ) -> Answer {
        let flags = Flags(flags);
        match (letter, value) {
            (b'g', None) => self.meta_get(now, key, flags),
            (b's', Some(value)) => self.meta_set(now, key, flags, value),
            (b'd', None) => self.meta_delete(now, key, flags),
            (b'a', None) => self.meta_arithmetic(now, key, flags),
            _ => Answer::Refused("ERROR"),
        }
    }

    fn meta_get(&mut self, now: i64, key: &Bytes, flags: Flags<'_>) -> Answer {
        let created = self.live(now, key).is_none();
        match flags.number(b'N') {
            Some(_) if created => _ = self.stub(key, None),
            None if created => return flags.bare("EN", key),
            _ => {}
        }
        let item = self.items.get_mut(key).expect("it is there, or was made");
        let data = flags.has(b'v').then(|| item.data.clone());
        let mut line = Line::of(data.as_ref());
        let taken = item.taken && !created;
        let mut won = created;
        for (letter, text) in flags.words() {
            match letter {
                b'T' => item.expires = expiry(now, int(text)),
                b'N' if created => item.expires = expiry(now, int(text)),
                b'R' => {
                    let (until, limit) = (item.expires, expiry(now, int(text)));
                    won |= !taken && !created && until.zip(limit).is_some_and(|(at, limit)| at < limit);
                }
                b's' => line.word(b's', item.data.len()),
                b't' => line.word(b't', item.expires.map_or(-1, |at| at - now)),
                b'c' => line.word(b'c', item.cas),
                b'f' => line.word(b'f', item.flags),
                b'k' => line.word(b'k', String::from_utf8_lossy(key)),
                _ => {}
            }
        }
        if taken {
            line.mark(b'Z');
        }
        if item.stale {
            line.mark(b'X');
            won |= !taken;
        }
        if won {
            line.mark(b'W');
        }
        item.taken |= won;
        Answer::Meta { line: line.0, data }
    }

    fn meta_set(&mut self, now: i64, key: &Bytes, flags: Flags<'_>, value: &Bytes) -> Answer {
        let client_flags = flags.number(b'F').unwrap_or(0) as u32;
        let exptime = flags.number(b'T').unwrap_or(0);
        let joins = matches!(flags.mode(), b'A' | b'P');
        let old = self.live(now, key).cloned();
        let verb = match (flags.mode(), flags.cas()) {
            (b'E', _) => Verb::Add,
            (_, Some(cas)) if joins && old.as_ref().is_some_and(|old| old.cas != cas) => Verb::Cas(cas),
            (b'A', _) => Verb::Append,
            (b'P', _) => Verb::Prepend,
            (_, Some(cas)) => Verb::Cas(cas),
            (b'R', _) => Verb::Replace,
            _ => Verb::Set,
        };
        let answer = match (verb, old) {
            // What comes too late may be stored all the same, as what is stale already.
            (Verb::Cas(cas), Some(old)) if flags.has(b'I') && !joins && cas < old.cas => {
                let stored = self.put(now, key, value.clone(), client_flags, old.expires);
                let item = self.items.get_mut(key).expect("it was just stored");
                (item.taken, item.stale) = (old.taken, true);
                stored
            }
            (verb, _) => self.store(now, verb, key, client_flags, exptime, value),
        };
        let (word, cas) = match answer {
            Answer::Stored => ("HD", self.cas),
            Answer::Exists => ("EX", 0),
            Answer::NotFound => ("NF", 0),
            _ => ("NS", 0),
        };
        let mut line = Line(word.as_bytes().to_vec());
        for (letter, _) in flags.words() {
            match letter {
                b'c' => line.word(b'c', cas),
                b'k' => line.word(b'k', String::from_utf8_lossy(key)),
                _ => {}
            }
        }
        Answer::Meta { line: line.0, data: None }
    }

    fn meta_delete(&mut self, now: i64, key: &Bytes, flags: Flags<'_>) -> Answer {
        let Some(item) = self.live(now, key) else { return flags.bare("NF", key) };
        if flags.cas().is_some_and(|wanted| wanted != item.cas) {
            return flags.bare("EX", key);
        }
        if flags.has(b'I') {
            self.invalidate(now, key, flags.number(b'T'));
        } else {
            self.delete(now, key);
        }
        flags.bare("HD", key)
    }

    fn meta_arithmetic(&mut self, now: i64, key: &Bytes, flags: Flags<'_>) -> Answer {
        let direction = if matches!(flags.mode(), b'D' | b'-') { Direction::Decr } else { Direction::Incr };
        let old = self.live(now, key).cloned();
        let created = old.is_none();
        let room = old.as_ref().map(|old| old.data.len());
        let number = match (old, flags.number(b'N')) {
            (None, None) => return flags.bare("NF", key),
            (None, Some(_)) => {
                let initial = flags.number(b'J').unwrap_or(0) as u64;
                self.put(now, key, initial.to_string().as_bytes().into(), 0, None);
                initial
            }
            // That nothing is no number is found out first.
            (Some(old), _) if !old.data.is_empty() && flags.cas().is_some_and(|cas| cas != old.cas) => {
                return flags.bare("EX", key);
            }
            (Some(_), _) => {
                let delta = flags.number(b'D').unwrap_or(1) as u64;
                match self.arithmetic(now, direction, key, delta) {
                    Answer::Number(number) => number,
                    other => return other,
                }
            }
        };
        let item = self.items.get_mut(key).expect("it was counted, or made");
        // In 1.6.18 a new expiry time is lost on the item that a longer number takes the place of.
        let replaced = room.is_some_and(|room| item.data.len() > room);
        let mut expires = item.expires;
        let data = flags.has(b'v').then(|| Bytes::from_slice(number.to_string().as_bytes()));
        let mut line = Line::of(data.as_ref());
        for (letter, text) in flags.words() {
            match letter {
                b'T' => expires = expiry(now, int(text)),
                b'N' if created => expires = expiry(now, int(text)),
                b't' => line.word(b't', expires.map_or(-1, |at| at - now)),
                b'c' => line.word(b'c', item.cas),
                b'k' => line.word(b'k', String::from_utf8_lossy(key)),
                _ => {}
            }
        }
        if !replaced {
            item.expires = expires;
        }
        Answer::Meta { line: line.0, data }
    }
}
