//! Read: the values of one key or of many, each from the first of its places that has it.
//!
//! Every key goes its own way ([`Cursor`]); the driver joins what goes to one server at one time.
//!
//! A value that was found at a later place is wanted at acting: [`Operation::displaced`] tells the driver, who may have it
//! moved ([`Move`](super::Move)), so that the next read of it asks one server.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use smallvec::SmallVec;

use super::cursor::Cursor;
use super::{Failure, NO_MEMORY, Operation, Outcome, Tag, cas, refused};
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply, Value};

/// The keys of one read, and where their values go.
pub trait Batch {
    /// How many keys.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// One key; always the same for the same index.
    fn key(&self, index: usize) -> &[u8];
    /// Memory for the `len` bytes of a key's value, which is then settled without its data; see
    /// [`Operation::room`].
    fn room(&mut self, _index: usize, _len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        None
    }
    /// A key's answer: its value, or why there is none (Miss, Unavailable, Refused). At most once
    /// per key, never for one whose time is up.
    fn settle(&mut self, index: usize, answer: Result<&Value<'_>, Outcome>);
}

impl<B: Batch + ?Sized> Batch for &mut B {
    fn len(&self) -> usize {
        (**self).len()
    }
    fn key(&self, index: usize) -> &[u8] {
        (**self).key(index)
    }
    fn room(&mut self, index: usize, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        (**self).room(index, len)
    }
    fn settle(&mut self, index: usize, answer: Result<&Value<'_>, Outcome>) {
        (**self).settle(index, answer);
    }
}

/// Reads every key of a batch. Ends as the one key did, or as `Done` for several.
pub struct Read<'a, B = &'a mut dyn Batch> {
    batch: B,
    /// Values are handed out with their CAS tokens.
    with_cas: bool,
    /// Stubs are values where no move of ours leaves any: in a pool without backups.
    shows_stubs: bool,
    /// In a pool with backups values are told from the stubs of a lease.
    meta: bool,
    keys: usize,
    /// Of the keys that were asked for, in their order.
    cursors: SmallVec<[Cursor; 1]>,
    /// Keys that are to be asked (again), with the server.
    again: SmallVec<[(ServerId, Tag); 2]>,
    /// Keys that were missed under a list of servers that is no longer the pool's.
    held_back: SmallVec<[Tag; 2]>,
    /// Keys whose values are wanted at acting, with the server that has them.
    displaced: SmallVec<[(Tag, ServerId); 2]>,
    open: usize,
    last: Outcome,
    refusal: Vec<u8>,
    lent: PhantomData<&'a ()>,
}

impl<'a> Read<'a> {
    /// Reads values and flags.
    pub fn new(batch: &'a mut dyn Batch) -> Read<'a> {
        Read::of(batch, false)
    }

    /// Reads CAS tokens too.
    pub fn with_cas(batch: &'a mut dyn Batch) -> Read<'a> {
        Read::of(batch, true)
    }
}

impl<B: Batch> Read<'_, B> {
    /// As [`Read::new`] or [`Read::with_cas`], with a batch of its own: [`Read::batch`].
    pub fn of(batch: B, with_cas: bool) -> Self {
        let keys = batch.len();
        Read::begun_by_none(SmallVec::with_capacity(keys), keys, batch, with_cas)
    }

    /// The same of a batch of any size. `None`: there is no memory for it.
    pub fn with_room(batch: B, with_cas: bool) -> Option<Self> {
        let (keys, mut cursors) = (batch.len(), SmallVec::new());
        cursors.try_reserve_exact(keys).ok()?;
        Some(Read::begun_by_none(cursors, keys, batch, with_cas))
    }

    fn begun_by_none(cursors: SmallVec<[Cursor; 1]>, keys: usize, batch: B, with_cas: bool) -> Self {
        Read {
            batch,
            with_cas,
            shows_stubs: false,
            meta: false,
            keys,
            cursors,
            again: SmallVec::new(),
            held_back: SmallVec::new(),
            displaced: SmallVec::new(),
            open: keys,
            last: Outcome::Done,
            refusal: Vec::new(),
            lent: PhantomData,
        }
    }

    /// Where the values go.
    pub fn batch(&mut self) -> &mut B {
        &mut self.batch
    }

    /// A stub that a client of the pool left for itself is shown to others as the empty value with a mark that it is to
    /// them. Not in a pool with backups, where it can be a move's.
    #[must_use]
    pub fn showing_stubs(self) -> Self {
        Read { shows_stubs: true, ..self }
    }

    /// A read with the same commands: to tell by it what an answer to this one is, when this one is over.
    pub fn ghost(&self, batch: B) -> Self {
        Read { meta: self.meta, ..Read::of(batch, self.with_cas) }
    }

    #[inline(always)]
    fn settle(&mut self, tag: Tag, answer: Result<&Value<'_>, Outcome>) {
        self.open -= 1;
        self.last = answer.as_ref().map_or_else(|outcome| *outcome, |_| Outcome::Hit);
        self.batch.settle(tag as usize, answer);
    }

    /// Goes on with one key.
    fn proceed(&mut self, view: &View, tag: Tag, step: Result<ServerId, Outcome>) {
        let noted = match step {
            Ok(server) => self.again.try_reserve(1).map(|()| self.again.push((server, tag))),
            Err(Outcome::Miss) if view.outdated => {
                self.held_back.try_reserve(1).map(|()| self.held_back.push(tag))
            }
            Err(outcome) => return self.settle(tag, Err(outcome)),
        };
        if noted.is_err() {
            self.refusal = NO_MEMORY.to_vec();
            self.settle(tag, Err(Outcome::Refused));
        }
    }

    /// The next key that is asked for the first time.
    #[inline(always)]
    fn begin(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        self.meta = view.pool.options.backups;
        while self.cursors.len() < self.keys {
            let tag = self.cursors.len() as Tag;
            if let Some(cursor) = Cursor::at_home(view, self.batch.key(tag as usize)) {
                self.cursors.push(cursor);
                return Some((cursor.server(), tag));
            }
            if let Some(server) = self.begin_elsewhere(view, tag) {
                return Some((server, tag));
            }
        }
        None
    }

    /// The next key, whose home is not steady. `None`: nobody is to be asked.
    #[cold]
    fn begin_elsewhere(&mut self, view: &View, tag: Tag) -> Option<ServerId> {
        let mut cursor = Cursor::new();
        let step = cursor.begin(view, self.batch.key(tag as usize));
        self.cursors.push(cursor);
        step.map_err(|outcome| self.settle(tag, Err(outcome))).ok()
    }

    /// What was held back begins anew when the view is that of the pool's list again.
    #[cold]
    fn resume(&mut self, view: &View) {
        if view.outdated {
            return;
        }
        for tag in std::mem::take(&mut self.held_back) {
            let step = self.cursors[tag as usize].begin(view, self.batch.key(tag as usize));
            self.proceed(view, tag, step);
        }
    }
}

impl<B: Batch> Operation for Read<'_, B> {
    #[inline(always)]
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        if let Some(first) = self.begin(view) {
            return Some(first);
        }
        if !self.held_back.is_empty() {
            self.resume(view);
        }
        self.again.pop()
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        let key = self.batch.key(tag as usize);
        if self.with_cas { Command::Fetch { key } } else { Command::Get { key, meta: self.meta } }
    }

    fn room(&mut self, tag: Tag, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        self.batch.room(tag as usize, len)
    }

    #[inline(always)]
    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        match reply {
            // What nearly always comes: a value where it belongs, and nothing is to be made of its token.
            Reply::Value(value)
                if value.lease.is_none() && !self.with_cas && !self.cursors[tag as usize].is_late() =>
            {
                self.settle(tag, Ok(value));
            }
            _ => self.answer_with_care(view, tag, reply),
        }
    }

    fn fail(&mut self, view: &View, tag: Tag, _failure: Failure) {
        let step = self.cursors[tag as usize].lost(view, self.batch.key(tag as usize));
        self.proceed(view, tag, step);
    }

    #[inline(always)]
    fn outcome(&self) -> Option<Outcome> {
        (self.open == 0).then_some(if self.keys == 1 { self.last } else { Outcome::Done })
    }

    fn refusal(&self) -> Option<&[u8]> {
        (!self.refusal.is_empty()).then_some(&self.refusal)
    }

    fn mutates(&self) -> bool {
        false
    }

    fn displaced(&self, tell: &mut dyn FnMut(&[u8], ServerId)) {
        self.displaced.iter().for_each(|&(tag, server)| tell(self.batch.key(tag as usize), server));
    }
}

impl<B: Batch> Read<'_, B> {
    /// As [`Operation::answer`], whatever it is.
    #[inline(never)]
    fn answer_with_care(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        match reply {
            Reply::Value(value) if !value.is_stub() || (self.shows_stubs && !view.pool.options.backups) => {
                let cursor = &self.cursors[tag as usize];
                if cursor.displaced(view, self.batch.key(tag as usize))
                    && self.displaced.try_reserve(1).is_ok()
                {
                    self.displaced.push((tag, cursor.server()));
                }
                let mut value = *value;
                if self.with_cas {
                    // Not the life that is known now: an answer can come after news of a restart.
                    value.cas = cas::token(cursor.life(view), value.cas);
                }
                self.settle(tag, Ok(&value));
            }
            Reply::Refused(text) => {
                self.refusal = text.to_vec();
                self.settle(tag, Err(Outcome::Refused));
            }
            _ => {
                if let Some(text) = refused(reply) {
                    self.refusal = text.to_vec();
                    self.cursors[tag as usize].unable();
                }
                let step = self.cursors[tag as usize].missed(view, self.batch.key(tag as usize));
                self.proceed(view, tag, step);
            }
        }
    }
}
