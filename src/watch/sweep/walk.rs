//! A walk: every key that one server holds is looked at, and has its copies moved where the rules place them.
//!
//! It goes by a client like every other process of the machine: it follows the table, takes the keys' stripes, and what
//! it moves is decided by [`Move`](crate::rules::operation::Move) under the view of that moment. The view at the beginning of a part
//! only tells which keys need not be looked at.
//!
//! A walk is whole when every key was looked at and nothing is left to be moved. What a server would not take, or what
//! could not be asked for in several tries, makes it one that is not; it is then begun anew some time later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::{Duration, Instant};

use super::counts::{Counts, add};
use super::dump::{Dump, Settings, Trouble};
use super::line::Entry;
use super::pace::Pace;
use super::part::{END, Part};
use crate::client::{Client, resolve};
use crate::rules::address::Address;
use crate::rules::key;
use crate::rules::operation::{Found, Many, Moves, Outcome, concerns};
use crate::rules::pool::ServerId;

/// Bytes of keys that one walk keeps at a time.
const ROOM: usize = 32 << 20;
/// A copy that could not be asked for is tried so often.
const TRIES: u8 = 5;
/// How long to wait before what could not be asked for is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// Copies that cannot be moved: with so many there is no use in going on.
const TOO_MANY: u64 = 1_000;
/// What begins so is this library's own, lives for a short time, and belongs where it is.
const OURS: &[u8] = b"libmemcache:";
/// What a server holds for an item beside its key and its value, in bytes: memcached 1.6 on a machine of 64 bits, without flags.
const HEADER: u32 = 59;

/// What is to be walked.
pub struct Order {
    /// The server.
    pub source: ServerId,
    /// Where it is.
    pub address: Address,
    /// Which servers are to be completed although they are steady, by their number.
    pub goals: Vec<bool>,
    /// How much of the time it may take, in percent; it can change meanwhile.
    pub share: Arc<AtomicU32>,
}

/// What came of a walk: every key was looked at and is where it belongs, or why not, in words for a person.
pub type Walked = Result<Whole, String>;

/// A walk that came to its end.
#[derive(Clone, Copy, Debug)]
pub struct Whole {
    /// Every key was listed that was there all the time; otherwise some in use may have been passed by.
    pub exact: bool,
}

/// A walk under way.
pub struct Walk {
    order: Order,
    client: Client,
    counts: Arc<Counts>,
    pace: Pace,
    stop: Arc<AtomicBool>,
    /// The batch: keys with what the server holds for them and how often they were tried. Used again and again.
    batch: Vec<Found>,
    about: Vec<(u32, u8)>,
    filled: usize,
    /// What could not be asked for.
    again: Vec<(Found, u32, u8)>,
    refused: u64,
    failed: u64,
}

impl Walk {
    /// `client` is the walk's own, and follows the pool's table.
    pub fn new(order: Order, client: Client, counts: Arc<Counts>, stop: Arc<AtomicBool>) -> Walk {
        let pace = Pace::new(Arc::clone(&order.share), Arc::clone(&stop));
        Walk {
            order,
            client,
            counts,
            pace,
            stop,
            batch: Vec::new(),
            about: Vec::new(),
            filled: 0,
            again: Vec::new(),
            refused: 0,
            failed: 0,
        }
    }

    /// From beginning to end; or until it is told to stop.
    pub fn run(mut self) -> Walked {
        let sites: Arc<[_]> = resolve(&self.order.address)?.into();
        let mut part = Part::new(ROOM);
        let mut exact = true;
        // A list that may miss keys is walked twice: what moved about the first time hardly does so again.
        for _ in 0..2 {
            let mut dump = Dump::new(Arc::clone(&sites), Settings::default(), Arc::clone(&self.stop));
            while self.next_part(&mut dump, &mut part)? {
                self.work_through(&part, dump.seen())?;
            }
            exact = dump.exact();
            if exact {
                break;
            }
        }
        match (self.refused, self.failed) {
            (0, 0) => Ok(Whole { exact }),
            (0, failed) => Err(format!("{failed} copies could not be moved, for servers did not answer")),
            (refused, _) => Err(format!("{refused} copies were refused where they belong")),
        }
    }

    fn next_part(&mut self, dump: &mut Dump, part: &mut Part) -> Result<bool, String> {
        let begin = Instant::now();
        let view = self.client.view().clone();
        self.look_at_list()?;
        let (source, goals) = (self.order.source, &self.order.goals);
        let wanted = |id: ServerId| goals.get(id.index()).is_some_and(|wanted| *wanted);
        // A key that cannot be asked for, neither as it is nor in base64, is nobody's of ours.
        let is_ours = |key: &[u8]| !key.starts_with(OURS) && key::check_binary(key).is_ok();
        let mut filter = |key: &[u8], _: &Entry| is_ours(key) && concerns(&view, key, source, &wanted);
        let more = dump.next_part(part, &mut filter).map_err(|trouble: Trouble| trouble.to_string())?;
        self.rest(begin)?;
        Ok(more)
    }

    /// With another list of servers the ids mean others.
    fn look_at_list(&self) -> Result<(), String> {
        let same = self.client.lineup() == 0;
        if same { Ok(()) } else { Err("the list of servers changed".to_owned()) }
    }

    fn rest(&self, begin: Instant) -> Result<(), String> {
        if self.pace.rest(begin.elapsed()) { Ok(()) } else { Err(Trouble::Stopped.to_string()) }
    }

    /// Moves what a part holds, which stands for its share of the `seen` keys of the server.
    fn work_through(&mut self, part: &Part, seen: u64) -> Result<(), String> {
        let (from, until) = part.range();
        let share = (until - from) as f64 / END as f64 * seen as f64;
        let (mut done, mut told) = (0u64, 0);
        let mut tell = |counts: &Counts, done: u64| {
            let all = (share * done as f64 / part.keys().max(1) as f64).round() as u64;
            add(&counts.keys, all.saturating_sub(told));
            told = told.max(all);
        };
        for (key, bytes) in part.iter() {
            self.put(key, self.order.source, bytes, 0);
            if self.filled >= self.pace.batch() {
                done += self.filled as u64;
                self.move_batch()?;
                tell(&self.counts, done);
            }
        }
        self.move_batch()?;
        tell(&self.counts, part.keys().max(1));
        while !self.again.is_empty() {
            if !self.pace.wait(AGAIN) {
                return Err(Trouble::Stopped.to_string());
            }
            for (found, bytes, tries) in std::mem::take(&mut self.again) {
                self.put(&found.key, found.server, bytes, tries);
                if self.filled >= self.pace.batch() {
                    self.move_batch()?;
                }
            }
            self.move_batch()?;
        }
        Ok(())
    }

    fn put(&mut self, key: &[u8], server: ServerId, bytes: u32, tries: u8) {
        match self.batch.get_mut(self.filled) {
            Some(found) => {
                found.key.clear();
                found.key.extend_from_slice(key);
                found.server = server;
                self.about[self.filled] = (bytes, tries);
            }
            None => {
                self.batch.push(Found { key: key.to_vec(), server });
                self.about.push((bytes, tries));
            }
        }
        self.filled += 1;
    }

    /// Moves what was put together, and rests.
    fn move_batch(&mut self) -> Result<(), String> {
        if self.filled == 0 {
            return Ok(());
        }
        let begin = Instant::now();
        let count = std::mem::take(&mut self.filled);
        let found = &self.batch[..count];
        let mut many = Many::new(Moves(found));
        self.client.run(&mut many);
        for ((index, found), (bytes, tries)) in found.iter().enumerate().zip(&self.about) {
            match many.outcome_of(index) {
                Some(Outcome::Stored) => {
                    add(&self.counts.moved, 1);
                    let value = bytes.saturating_sub(HEADER + found.key.len() as u32);
                    add(&self.counts.bytes, value.into());
                }
                Some(Outcome::NotStored) => {}
                Some(Outcome::Refused) => {
                    add(&self.counts.refused, 1);
                    self.refused += 1;
                    if let Some(why) = many.refusal_of(index) {
                        log::debug!("{}: refused: {}", found.key.escape_ascii(), why.escape_ascii());
                    }
                }
                _ if *tries + 1 < TRIES => self.again.push((found.clone(), *bytes, tries + 1)),
                _ => self.failed += 1,
            }
        }
        for message in self.client.take_messages() {
            log::debug!("the sweep's client: {message}");
        }
        self.look_at_list()?;
        if self.failed > TOO_MANY || self.again.len() as u64 > TOO_MANY {
            return Err("too many copies could not be moved, for servers did not answer".to_owned());
        }
        if count >= self.pace.batch() {
            self.pace.took(begin.elapsed());
        }
        self.rest(begin)
    }
}
