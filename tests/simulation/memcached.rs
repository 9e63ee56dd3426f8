//! A memcached as the rules meet it: what each [`Command`](memcache::rules::wire::Command) does to
//! the contents and what it answers, by a clock that is handed in. One life of one process: a
//! restart is a new one. Compared with the real program, command by command, in `model_vs_real`.

use std::collections::BTreeMap;

use memcache::rules::wire::{Direction, Lease, Verb};

use super::message::{Answer, Ask, Bytes};

mod meta;

/// An exptime above this many seconds is a date.
const MONTH: i64 = 60 * 60 * 24 * 30;
const NOT_A_NUMBER: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub data: Bytes,
    pub flags: u32,
    pub cas: u64,
    /// The second since 1970 in which it is gone; `None`: never.
    pub expires: Option<i64>,
    /// Somebody was told that it is for them to fetch it anew (`W`): others are told so (`Z`).
    pub taken: bool,
    /// It was marked as stale (`X`).
    pub stale: bool,
    /// When it was stored: milliseconds since 1970.
    pub stored: u64,
}

impl Item {
    /// An item without data whose lease is out.
    pub fn is_stub(&self) -> bool {
        self.taken && self.data.is_empty()
    }
}

/// One life of a server's process.
#[derive(Clone, Debug)]
pub struct Memcached {
    pub items: BTreeMap<Bytes, Item>,
    /// When it was last asked something: milliseconds since 1970.
    clock: u64,
    pub pid: u64,
    pub started_unix: i64,
    pub meta: bool,
    cas: u64,
    flush_at: Option<i64>,
}

impl Memcached {
    pub fn new(pid: u64, unix_millis: u64, meta: bool) -> Memcached {
        let started_unix = (unix_millis / 1000) as i64;
        Memcached {
            items: BTreeMap::new(),
            clock: unix_millis,
            pid,
            started_unix,
            meta,
            cas: 0,
            flush_at: None,
        }
    }

    /// What a key holds at that time, stubs included.
    pub fn item(&self, key: &[u8], unix_millis: u64) -> Option<&Item> {
        let now = (unix_millis / 1000) as i64;
        self.items.get(key).filter(|item| item.expires.is_none_or(|at| at > now))
    }

    /// Executes a command.
    pub fn execute(&mut self, unix_millis: u64, ask: &Ask) -> Answer {
        self.clock = unix_millis;
        let now = (unix_millis / 1000) as i64;
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            self.items.clear();
        }
        if !self.meta && ask.needs_meta() {
            return Answer::Refused("ERROR");
        }
        match ask {
            Ask::Get { key, meta } => self.get(now, key, *meta && self.meta, false),
            Ask::Fetch { key } => self.get(now, key, self.meta, true),
            Ask::Lease { key, seconds } => self.lease(now, key, *seconds),
            Ask::GetAndTouch { key, exptime } => {
                // The value is handed out even when its new expiry time is over at once.
                let found = self.get(now, key, self.meta, false);
                if let Some(item) = self.live(now, key) {
                    item.expires = expiry(now, *exptime);
                }
                found
            }
            Ask::Store { verb, key, flags, exptime, value } => {
                self.store(now, *verb, key, *flags, *exptime, value)
            }
            Ask::StoreLeased { key, flags, exptime, value, lease } => match self.live(now, key) {
                None => Answer::NotFound,
                Some(item) if item.cas != *lease => Answer::Exists,
                Some(_) => self.put(now, key, value.clone(), *flags, expiry(now, *exptime)),
            },
            Ask::EndLease { key, lease } => match self.live(now, key) {
                None => Answer::NotFound,
                Some(item) if item.cas != *lease => Answer::Exists,
                Some(_) => self.delete(now, key),
            },
            Ask::Invalidate { key, cas } => match self.live(now, key) {
                None => Answer::NotFound,
                Some(item) if item.cas != *cas => Answer::Exists,
                Some(_) => self.invalidate(now, key, None),
            },
            Ask::Delete { key } => self.delete(now, key),
            Ask::Arithmetic { direction, key, delta } => self.arithmetic(now, *direction, key, *delta),
            Ask::Touch { key, exptime } => match self.live(now, key) {
                None => Answer::NotFound,
                Some(item) => {
                    item.expires = expiry(now, *exptime);
                    Answer::Touched
                }
            },
            Ask::FlushAll { delay: 0 } => {
                self.items.clear();
                Answer::Ok
            }
            Ask::FlushAll { delay } => {
                self.flush_at = Some(now + i64::from(*delay));
                Answer::Ok
            }
            Ask::Meta { letter, key, flags, value } => {
                self.meta_command(now, *letter, key, flags, value.as_ref())
            }
            Ask::Version => Answer::Version,
            Ask::Stats => Answer::Stats(self.stats(now)),
            Ask::Dump { bucket, of } => Answer::Keys(self.keys(now, *bucket, *of)),
            Ask::Noop if self.meta => Answer::Noop,
            Ask::Noop => Answer::Refused("ERROR"),
        }
    }

    fn live(&mut self, now: i64, key: &Bytes) -> Option<&mut Item> {
        if self.items.get(key).is_some_and(|item| item.expires.is_some_and(|at| at <= now)) {
            self.items.remove(key);
        }
        self.items.get_mut(key)
    }

    fn get(&mut self, now: i64, key: &Bytes, meta: bool, full: bool) -> Answer {
        let Some(item) = self.live(now, key) else { return Answer::Miss };
        let (taken, stale) = (meta && item.taken, meta && item.stale);
        // Whoever sees something stale first by `mg` is to fetch it anew.
        let won = stale && !taken;
        item.taken |= won;
        let lease = if won { Some(Lease::Won) } else { taken.then_some(Lease::Taken) };
        Answer::Value {
            data: item.data.clone(),
            flags: item.flags,
            cas: if full { item.cas } else { 0 },
            ttl: item.expires.filter(|_| full && meta).map(|at| (at - now) as u32),
            ttl_known: full && meta,
            lease,
            stale,
        }
    }

    fn lease(&mut self, now: i64, key: &Bytes, seconds: u32) -> Answer {
        if self.live(now, key).is_some() {
            return self.get(now, key, true, true);
        }
        let cas = self.stub(key, expiry(now, i64::from(seconds)));
        let (data, ttl_known, lease) = (Bytes::new(), true, Some(Lease::Won));
        Answer::Value { data, flags: 0, cas, ttl: None, ttl_known, lease, stale: false }
    }

    /// Leaves a stub; tells its CAS value.
    fn stub(&mut self, key: &Bytes, expires: Option<i64>) -> u64 {
        let cas = self.next_cas();
        let (data, stored) = (Bytes::new(), self.clock);
        let stub = Item { data, flags: 0, cas, expires, taken: true, stale: false, stored };
        self.items.insert(key.clone(), stub);
        cas
    }

    fn store(
        &mut self,
        now: i64,
        verb: Verb,
        key: &Bytes,
        flags: u32,
        exptime: i64,
        value: &Bytes,
    ) -> Answer {
        let expires = expiry(now, exptime);
        let old = self.live(now, key).map(|item| item.clone());
        match (verb, old) {
            (Verb::Set, _) | (Verb::Add, None) | (Verb::Replace, Some(_)) => {
                self.put(now, key, value.clone(), flags, expires)
            }
            (Verb::Cas(cas), Some(old)) if old.cas == cas => {
                self.put(now, key, value.clone(), flags, expires)
            }
            (Verb::Cas(_), Some(_)) => Answer::Exists,
            (Verb::Cas(_), None) => Answer::NotFound,
            (Verb::Append, Some(mut old)) => {
                old.data.extend_from_slice(value);
                self.put(now, key, old.data, old.flags, old.expires)
            }
            (Verb::Prepend, Some(old)) => {
                let mut data = value.clone();
                data.extend_from_slice(&old.data);
                self.put(now, key, data, old.flags, old.expires)
            }
            (Verb::Add | Verb::Replace | Verb::Append | Verb::Prepend, _) => Answer::NotStored,
        }
    }

    /// What is stored already expired is answered as stored and is gone.
    fn put(&mut self, now: i64, key: &Bytes, data: Bytes, flags: u32, expires: Option<i64>) -> Answer {
        let cas = self.next_cas();
        if expires.is_some_and(|at| at <= now) {
            self.items.remove(key);
        } else {
            let (taken, stale, stored) = (false, false, self.clock);
            self.items.insert(key.clone(), Item { data, flags, cas, expires, taken, stale, stored });
        }
        Answer::Stored
    }

    /// Marks what is there as stale, and gives it this expiry time if any.
    fn invalidate(&mut self, now: i64, key: &Bytes, exptime: Option<i64>) -> Answer {
        let cas = self.cas + 1;
        let Some(item) = self.live(now, key) else { return Answer::NotFound };
        if let Some(exptime) = exptime {
            item.expires = expiry(now, exptime);
        }
        (item.stale, item.taken, item.cas) = (true, false, cas);
        self.cas = cas;
        Answer::Deleted
    }

    fn delete(&mut self, now: i64, key: &Bytes) -> Answer {
        let there = self.live(now, key).is_some();
        self.items.remove(key);
        if there { Answer::Deleted } else { Answer::NotFound }
    }

    /// A result that is shorter than what was there is padded with spaces.
    fn arithmetic(&mut self, now: i64, direction: Direction, key: &Bytes, delta: u64) -> Answer {
        let cas = self.cas + 1;
        let Some(item) = self.live(now, key) else { return Answer::NotFound };
        let Some(old) = number(&item.data) else { return Answer::Refused(NOT_A_NUMBER) };
        let new = match direction {
            Direction::Incr => old.wrapping_add(delta),
            Direction::Decr => old.saturating_sub(delta),
        };
        let mut data = Bytes::from_slice(new.to_string().as_bytes());
        if data.len() > item.data.len() {
            // Too long for its place: what is stored is a new item.
            (item.taken, item.stale) = (false, false);
        }
        while data.len() < item.data.len() {
            data.push(b' ');
        }
        item.data = data;
        item.cas = cas;
        self.cas = cas;
        Answer::Number(new)
    }

    fn stats(&self, now: i64) -> Vec<u8> {
        let uptime = now - self.started_unix;
        format!("STAT pid {}\r\nSTAT uptime {uptime}\r\nSTAT time {now}\r\nSTAT version 1.6.18\r\n", self.pid)
            .into_bytes()
    }

    /// The keys of one bucket, stubs among them.
    fn keys(&self, now: i64, bucket: u8, of: u8) -> Vec<Bytes> {
        let live = self.items.iter().filter(|(_, item)| item.expires.is_none_or(|at| at > now));
        let of_bucket = |key: &Bytes| key.iter().map(|byte| u32::from(*byte)).sum::<u32>() % u32::from(of);
        live.map(|(key, _)| key.clone()).filter(|key| of_bucket(key) == u32::from(bucket)).collect()
    }

    fn next_cas(&mut self) -> u64 {
        self.cas += 1;
        self.cas
    }
}

/// What the server takes for a number: space, digits, and then the end, or a space and anything.
pub fn number(data: &[u8]) -> Option<u64> {
    let data = data.trim_ascii_start();
    let digits = data.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = data.split_at(digits);
    if number.is_empty() || rest.first().is_some_and(|b| !b.is_ascii_whitespace()) {
        return None;
    }
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// The second in which an item is gone. Negative: at once.
fn expiry(now: i64, exptime: i64) -> Option<i64> {
    match exptime {
        0 => None,
        ..0 => Some(now),
        1..=MONTH => Some(now + exptime),
        _ => Some(exptime),
    }
}
