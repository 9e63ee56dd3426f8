//! The journals of a stripes file: found by those who note keys, kept by the daemon.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::Stripes;
use super::epoch::Epoch;
use super::journal::{self, Journal, Noted, Spoilt};
use super::layout::{
    INDEXES_AT, JOURNAL_KEYS, JOURNAL_WORDS, JOURNALS, JOURNALS_AT, KEYS_AT, journal as head,
};

impl Stripes {
    fn journal(&self, number: usize) -> Journal<'_, AtomicU64> {
        let words = self.map.words();
        let at = (JOURNALS_AT + number * head::SIZE) / 8;
        Journal {
            name: &words[at + head::NAME / 8],
            state: &words[at + head::STATE / 8],
            index: &words[INDEXES_AT / 8 + number * JOURNAL_KEYS..][..JOURNAL_KEYS],
            keys: &words[KEYS_AT / 8 + number * JOURNAL_WORDS..][..JOURNAL_WORDS],
        }
    }

    fn journal_of(&self, name: u64) -> Option<Journal<'_, AtomicU64>> {
        let acquire = std::sync::atomic::Ordering::Acquire;
        (0..JOURNALS).map(|number| self.journal(number)).find(|journal| journal.name.load(acquire) == name)
    }

    /// Notes a key that is about to be changed without the server of this slot, which is down in this epoch.
    /// Under the key's stripe, and before anything is sent.
    ///
    /// [`Noted::Nowhere`]: no journal is kept for it in this epoch, and there is nothing to wait for.
    pub fn note(&self, slot: u16, epoch: Epoch, key: &[u8]) -> Noted {
        let name = journal::name(slot, epoch.number());
        self.journal_of(name).map_or(Noted::Nowhere, |journal| journal.note(name, key))
    }

    /// The same for a change of all keys, or of unknown ones.
    pub fn note_all(&self, slot: u16, epoch: Epoch) -> Noted {
        let name = journal::name(slot, epoch.number());
        self.journal_of(name).map_or(Noted::Nowhere, |journal| journal.note_all(name))
    }

    /// Whether a journal is kept for that server in this epoch.
    pub fn is_noted(&self, slot: u16, epoch: Epoch) -> bool {
        self.journal_of(journal::name(slot, epoch.number())).is_some()
    }

    /// The daemon's: opens a journal for the server of a slot, before it publishes it as down in this epoch. `None`: there
    /// is no free one.
    pub fn open_journal(self: &Arc<Self>, slot: u16, epoch: Epoch) -> Option<JournalKeeper> {
        let name = journal::name(slot, epoch.number());
        let free =
            |number: &usize| self.journal(*number).name.load(std::sync::atomic::Ordering::Acquire) == 0;
        let number = (0..JOURNALS).find(free)?;
        let tag = self.journal(number).open(name);
        let (stripes, dealt) = (Arc::clone(self), vec![false; JOURNAL_KEYS].into());
        Some(JournalKeeper { stripes, number, name, tag, dealt })
    }

    /// The daemon's, when it takes the file into use: the journals of the one before it are nobody's. Their servers owe a
    /// flush.
    pub(super) fn end_journals(&self) {
        for number in 0..JOURNALS {
            self.journal(number).over();
        }
    }
}

/// A journal that the daemon keeps. When it is dropped nobody notes anything in it any more: by then the server is
/// published as returned, or it will be flushed.
#[derive(Debug)]
pub struct JournalKeeper {
    stripes: Arc<Stripes>,
    number: usize,
    name: u64,
    tag: u16,
    /// Which words of the index were read.
    dealt: Box<[bool]>,
}

impl JournalKeeper {
    fn journal(&self) -> Journal<'_, AtomicU64> {
        self.stripes.journal(self.number)
    }

    /// Reads the keys that were noted since the last reading. Whether that is all that was begun to be noted, which means
    /// something when it is closed.
    ///
    /// # Errors
    /// It is not to be believed.
    pub fn read(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<bool, Spoilt> {
        let journal = self.stripes.journal(self.number);
        journal.read(self.name, self.tag, &mut self.dealt, each)
    }

    /// Nothing more is noted: who wants to waits. To be followed by [`JournalKeeper::commit`] soon, or by its end.
    ///
    /// # Errors
    /// It is not to be believed.
    pub fn close(&self) -> Result<(), Spoilt> {
        self.journal().close(self.name, self.tag)
    }

    /// All keys are dealt with, and the server is about to be published.
    ///
    /// # Errors
    /// It is not to be believed: the server must not be published.
    pub fn commit(&self) -> Result<(), Spoilt> {
        self.journal().commit(self.name, self.tag)
    }
}

impl Drop for JournalKeeper {
    fn drop(&mut self) {
        // Damaged names are given back when the file is taken into use anew.
        if self.journal().name.load(std::sync::atomic::Ordering::Acquire) == self.name {
            self.journal().over();
        }
    }
}
