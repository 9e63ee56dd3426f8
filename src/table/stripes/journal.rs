//! Journals: which keys were changed while a server was out of reach (docs/one-view.md, "What a server may keep").
//!
//! The daemon opens a journal for a server and one odd epoch of it; every change that passes the server by is
//! noted there before it is sent. When the server comes back with what it held, the noted keys are deleted on it, and
//! the others stay.
//!
//! A set of keys with a bound, not a list of changes: a counter that is increased a million times is one key. Its
//! words: a **name** (whose journal it is; 0: nobody's), a **state**, an **index** (open addressing by the key's CRC-32)
//! and the **keys** themselves, side by side in whole words.
//!
//! **Anybody may die anywhere.** Who notes a key reserves room (one exchange of the state), writes the key, enters it into
//! the index (one exchange), and then looks whether the journal is still open: the daemon closes it first and reads it
//! then, so of the two at least one sees the other. Who died between the first and the third step has sent nothing; it is
//! seen that something is missing in the index, and the journal is not believed.
//!
//! **Any word can be anything.** What the index names is taken for a key only if it has the length and the checksum that the
//! index says, and the keys together must fill the room that was reserved. Else the server is flushed, as if there were no journal.

use super::super::buffers::check;
use super::super::words::SharedWord;

/// The longest key, in bytes.
pub const LONGEST_KEY: usize = 250;

/// Names the journal of a slot's server in an odd epoch. Never 0.
pub fn name(slot: u16, epoch: u64) -> u64 {
    u64::from(slot) << 48 | (epoch & super::Epoch::LAST)
}

/// What can be done with a journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Keys are noted.
    Open,
    /// It did not hold all of them: the server will be flushed.
    Spoilt,
    /// The daemon deals with the last ones.
    Closed,
    /// The server is about to be published as returned.
    Committed,
    /// It is nobody's.
    Over,
}

/// Bits 0-19: words of keys that are reserved; 20-23: the phase; 24-39: the tag, by which this use of the journal is told from
/// the ones before; 48-63: a check, as an epoch has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct State {
    used: u32,
    phase: Phase,
    tag: u16,
}

impl State {
    fn of(word: u64) -> Option<State> {
        let value = word & ((1 << 48) - 1);
        let phase = match value >> 20 & 0xf {
            0 => Phase::Open,
            1 => Phase::Spoilt,
            2 => Phase::Closed,
            3 => Phase::Committed,
            4 => Phase::Over,
            _ => return None,
        };
        let state = State { used: (value & 0xf_ffff) as u32, phase, tag: (value >> 24) as u16 };
        (state.word() == word).then_some(state)
    }

    fn word(self) -> u64 {
        let value = u64::from(self.tag) << 24 | (self.phase as u64) << 20 | u64::from(self.used);
        value | check(value) << 48
    }

    fn turned(self, phase: Phase) -> State {
        State { phase, ..self }
    }
}

/// A word of the index. Bits 0-15: the first word of the key; 16-23: its length; 24-47: the upper bits of its
/// CRC-32; 48-63: the tag, never 0. Those with another tag are nobody's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry(u64);

impl Entry {
    const FREE: Entry = Entry(0);

    fn new(tag: u16, hash: u32, length: usize, at: u32) -> Entry {
        let (hash, at) = (u64::from(hash >> 8), u64::from(at & 0xffff));
        Entry(u64::from(tag) << 48 | hash << 24 | (length as u64 & 0xff) << 16 | at)
    }

    fn tag(self) -> u16 {
        (self.0 >> 48) as u16
    }

    fn length(self) -> usize {
        (self.0 >> 16 & 0xff) as usize
    }

    fn at(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    fn names(self, hash: u32, length: usize) -> bool {
        self.0 >> 24 & 0xff_ffff == u64::from(hash >> 8) && self.length() == length
    }
}

/// What became of the wish to note a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noted {
    /// It is noted, or need not be: the server will be flushed.
    Done,
    /// This is not that server's journal, or no longer: the server's return is published, or it will be flushed.
    Nowhere,
    /// The server is about to come back: there is word of it soon.
    Closed,
    /// Its state is none. The server must be flushed, but that the daemon knows nobody can say.
    Damaged,
}

/// The journal is not to be believed, or was spoilt: the server must be flushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spoilt;

/// The words of one journal. The index and the keys can be of any size up to 65,536 words.
#[derive(Clone, Copy, Debug)]
pub struct Journal<'a, W> {
    /// Whose it is.
    pub name: &'a W,
    /// How it stands.
    pub state: &'a W,
    /// Where which key is.
    pub index: &'a [W],
    /// The keys.
    pub keys: &'a [W],
}

impl<W: SharedWord> Journal<'_, W> {
    /// Notes a key for the server of this [`name`], before a change of it is sent elsewhere. To be called under the key's
    /// stripe.
    pub fn note(&self, name: u64, key: &[u8]) -> Noted {
        let hash = crc32fast::hash(key);
        let mut reserved = None;
        loop {
            let state = match self.look(name) {
                Ok(state) => state,
                Err(noted) => return noted,
            };
            // No server takes such a key.
            if key.is_empty() || key.len() > LONGEST_KEY {
                return Noted::Done;
            }
            match self.place(state.tag, hash, key, &mut reserved) {
                Some(true) => {}
                // There is no room.
                Some(false) => self.spoil(name),
                None => continue,
            }
            W::full_fence();
            let now = State::of(self.state.get());
            if now.is_some_and(|now| (now.phase, now.tag) == (Phase::Open, state.tag)) {
                return Noted::Done;
            }
        }
    }

    /// What passes the server by now are changes of unknown keys.
    pub fn note_all(&self, name: u64) -> Noted {
        self.spoil(name);
        self.look(name).err().unwrap_or(Noted::Closed)
    }

    /// The state, if keys can be noted; else what that means for one who wants to.
    fn look(&self, name: u64) -> Result<State, Noted> {
        let state = State::of(self.state.get());
        W::acquire_fence();
        if self.name.get() != name {
            return Err(Noted::Nowhere);
        }
        let state = state.ok_or(Noted::Damaged)?;
        match state.phase {
            Phase::Open => Ok(state),
            Phase::Spoilt => Err(Noted::Done),
            Phase::Closed | Phase::Committed => Err(Noted::Closed),
            Phase::Over => Err(Noted::Nowhere),
        }
    }

    fn spoil(&self, name: u64) {
        while let Ok(state) = self.look(name) {
            if self.state.exchange(state.word(), state.turned(Phase::Spoilt).word()).is_ok() {
                return;
            }
        }
    }

    /// Enters a key, unless it is there. False: there is no room. `None`: the journal is no longer open.
    fn place(&self, tag: u16, hash: u32, key: &[u8], reserved: &mut Option<Entry>) -> Option<bool> {
        let mut step = 0;
        while step < self.index.len() {
            let word = &self.index[(hash as usize).wrapping_add(step) % self.index.len()];
            let found = Entry(word.get());
            W::acquire_fence();
            if found != Entry::FREE {
                // One of another use of this journal came late, or this one is: nobody takes what is not free.
                if found.tag() == tag && found.names(hash, key.len()) && self.holds(found, key) {
                    return Some(true);
                }
                step += 1;
                continue;
            }
            let entry = match *reserved {
                Some(entry) => entry,
                None => match self.reserve(tag, key.len())? {
                    Some(at) => {
                        self.write(at, key);
                        *reserved.insert(Entry::new(tag, hash, key.len(), at))
                    }
                    None => return Some(false),
                },
            };
            if word.exchange(found.0, entry.0).is_ok() {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Room for a key: its first word. `Some(None)`: there is none; `None`: the journal is no longer open.
    fn reserve(&self, tag: u16, length: usize) -> Option<Option<u32>> {
        loop {
            let state = State::of(self.state.get())?;
            if (state.phase, state.tag) != (Phase::Open, tag) {
                return None;
            }
            let used = state.used as usize + words(length);
            if used > self.keys.len() {
                return Some(None);
            }
            let next = State { used: used as u32, ..state };
            if self.state.exchange(state.word(), next.word()).is_ok() {
                return Some(Some(state.used));
            }
        }
    }

    fn write(&self, at: u32, key: &[u8]) {
        for (word, bytes) in self.keys[at as usize..].iter().zip(key.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.set(u64::from_ne_bytes(whole));
        }
    }

    /// The words of an entry's key; `None`: there are none.
    fn key(&self, entry: Entry) -> Option<&[W]> {
        let fits = (1..=LONGEST_KEY).contains(&entry.length());
        self.keys.get(entry.at()..entry.at() + words(entry.length())).filter(|_| fits)
    }

    fn holds(&self, entry: Entry, key: &[u8]) -> bool {
        let Some(place) = self.key(entry) else { return false };
        place.iter().zip(key.chunks(8)).all(|(word, bytes)| word.get().to_ne_bytes().starts_with(bytes))
    }

    // The daemon's side.

    /// Opens it, empty, under this name. Its tag.
    pub fn open(&self, name: u64) -> u16 {
        let before = self.over();
        self.index.iter().for_each(|word| word.set(0));
        let tag = before % u16::MAX + 1;
        self.swap(State { used: 0, phase: Phase::Open, tag });
        self.name.set_release(name);
        W::full_fence();
        tag
    }

    /// Whatever stands there: who is late with an exchange of his own finds this.
    fn swap(&self, state: State) {
        let mut found = self.state.get();
        while let Err(other) = self.state.exchange(found, state.word()) {
            found = other;
        }
    }

    /// Nothing more is noted in it. It can be read to the end now.
    ///
    /// # Errors
    /// It is not open.
    pub fn close(&self, name: u64, tag: u16) -> Result<(), Spoilt> {
        self.turn(name, tag, Phase::Open, Phase::Closed)
    }

    /// The server's return is about to be published.
    ///
    /// # Errors
    /// It is not closed, by whatever damage: the return must not be published.
    pub fn commit(&self, name: u64, tag: u16) -> Result<(), Spoilt> {
        self.turn(name, tag, Phase::Closed, Phase::Committed)
    }

    fn turn(&self, name: u64, tag: u16, from: Phase, to: Phase) -> Result<(), Spoilt> {
        loop {
            let state = State::of(self.state.get()).ok_or(Spoilt)?;
            if self.name.get() != name || (state.tag, state.phase) != (tag, from) {
                return Err(Spoilt);
            }
            if self.state.exchange(state.word(), state.turned(to).word()).is_ok() {
                W::full_fence();
                return Ok(());
            }
        }
    }

    /// Reads the keys that are not marked in `dealt` (one for each word of the index), and marks them. Whether that is all that there was
    /// room reserved for: if it is not when the journal is closed, somebody was at work, or died over it.
    ///
    /// # Errors
    /// It is spoilt, or damaged.
    pub fn read(
        &self,
        name: u64,
        tag: u16,
        dealt: &mut [bool],
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, Spoilt> {
        let state = State::of(self.state.get()).ok_or(Spoilt)?;
        let readable = matches!(state.phase, Phase::Open | Phase::Closed) && state.tag == tag;
        if !readable || self.name.get() != name {
            return Err(Spoilt);
        }
        W::full_fence();
        let (mut filled, mut room) = (0, [0; LONGEST_KEY.next_multiple_of(8)]);
        for (word, dealt) in self.index.iter().zip(dealt) {
            let entry = Entry(word.get());
            if entry.tag() != tag {
                continue;
            }
            W::acquire_fence();
            let place = self.key(entry).ok_or(Spoilt)?;
            filled += place.len();
            if std::mem::replace(dealt, true) {
                continue;
            }
            for (word, bytes) in place.iter().zip(room.chunks_mut(8)) {
                bytes.copy_from_slice(&word.get().to_ne_bytes());
            }
            let key = &room[..entry.length()];
            if !entry.names(crc32fast::hash(key), key.len()) {
                return Err(Spoilt);
            }
            each(key);
        }
        Ok(filled == state.used as usize)
    }

    /// It is nobody's any more. The tag that it had.
    pub fn over(&self) -> u16 {
        let tag = State::of(self.state.get()).map_or(0, |state| state.tag);
        self.swap(State { used: 0, phase: Phase::Over, tag });
        W::full_fence();
        self.name.set_release(0);
        tag
    }
}

fn words(length: usize) -> usize {
    length.div_ceil(8)
}

#[cfg(test)]
mod tests;
