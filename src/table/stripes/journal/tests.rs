//! Journals in memory: what is noted is read, and whatever is damaged is not believed.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;

use super::*;
use crate::table::words::{LoadWord, StoreWord};

/// A journal of its own.
struct Place {
    heads: [AtomicU64; 2],
    index: Vec<AtomicU64>,
    keys: Vec<AtomicU64>,
}

impl Place {
    fn new(index: usize, keys: usize) -> Place {
        let words = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Place { heads: [const { AtomicU64::new(0) }; 2], index: words(index), keys: words(keys) }
    }

    fn journal(&self) -> Journal<'_, AtomicU64> {
        Journal { name: &self.heads[0], state: &self.heads[1], index: &self.index, keys: &self.keys }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        self.heads.iter().chain(&self.index).chain(&self.keys).nth(at).expect("it has so many")
    }

    /// What is read of it, from the beginning.
    fn read(&self, tag: u16) -> Result<(BTreeSet<Vec<u8>>, bool), Spoilt> {
        let (mut keys, mut dealt) = (BTreeSet::new(), vec![false; self.index.len()]);
        let whole = self.journal().read(NAME, tag, &mut dealt, &mut |key| {
            assert!(keys.insert(key.to_vec()), "twice");
        })?;
        Ok((keys, whole))
    }
}

const NAME: u64 = 7 << 48 | 3;

fn set(keys: &[&[u8]]) -> BTreeSet<Vec<u8>> {
    keys.iter().map(|key| key.to_vec()).collect()
}

#[test]
fn what_is_noted_is_read_once_however_often_it_was_noted() {
    let place = Place::new(16, 64);
    assert_eq!((name(7, 3), place.journal().note(NAME, b"early")), (NAME, Noted::Nowhere));
    let tag = place.journal().open(NAME);
    let long = [b'k'; LONGEST_KEY];
    for _ in 0..3 {
        for key in [b"one".as_slice(), b"two", b"12345678", b"123456789", b"\0\n ", &long] {
            assert_eq!(place.journal().note(NAME, key), Noted::Done);
        }
    }
    assert_eq!(place.journal().note(NAME, b""), Noted::Done, "no server takes it");
    assert_eq!(place.journal().note(NAME, &[0; 251]), Noted::Done);
    assert_eq!(place.journal().note(NAME + 2, b"one"), Noted::Nowhere, "another epoch's");
    let expected = set(&[b"one", b"two", b"12345678", b"123456789", b"\0\n ", &long]);
    assert_eq!(place.read(tag), Ok((expected, true)));
}

#[test]
fn what_comes_later_is_read_later_and_nothing_after_the_close() {
    let place = Place::new(16, 64);
    let (journal, mut dealt) = (place.journal(), vec![false; 16]);
    let tag = journal.open(NAME);
    let mut read = |place: &Place| {
        let mut keys = Vec::new();
        let whole = place.journal().read(NAME, tag, &mut dealt, &mut |key| keys.push(key.to_vec()));
        assert_eq!(whole, Ok(true));
        keys
    };
    journal.note(NAME, b"one");
    assert_eq!(read(&place), [b"one"]);
    journal.note(NAME, b"one");
    journal.note(NAME, b"two");
    journal.close(NAME, tag).expect("it is open");
    assert_eq!(journal.note(NAME, b"one"), Noted::Closed, "whether it was seen nobody can say");
    assert_eq!((journal.note(NAME, b"three"), journal.note_all(NAME)), (Noted::Closed, Noted::Closed));
    assert_eq!(read(&place), [b"two"]);
    assert_eq!((journal.close(NAME, tag), journal.commit(NAME, tag)), (Err(Spoilt), Ok(())));
    assert_eq!(journal.note(NAME, b"three"), Noted::Closed);
    assert_eq!(journal.over(), tag);
    assert_eq!((journal.note(NAME, b"three"), journal.note_all(NAME)), (Noted::Nowhere, Noted::Nowhere));
    let next = journal.open(NAME + 2);
    assert_ne!(tag, next);
    assert_eq!(place.read(tag), Err(Spoilt));
}

#[test]
fn what_does_not_fit_spoils_it() {
    for place in [Place::new(4, 64), Place::new(64, 4)] {
        let tag = place.journal().open(NAME);
        for number in 0..4 {
            assert_eq!(place.journal().note(NAME, format!("key {number}").as_bytes()), Noted::Done);
        }
        assert_eq!(place.read(tag).map(|(keys, whole)| (keys.len(), whole)), Ok((4, true)));
        assert_eq!(place.journal().note(NAME, b"key 2"), Noted::Done);
        assert!(place.read(tag).is_ok(), "it was there");
        assert_eq!(place.journal().note(NAME, b"key 5"), Noted::Done, "the server will be flushed");
        assert_eq!((place.read(tag), place.journal().close(NAME, tag)), (Err(Spoilt), Err(Spoilt)));
    }
    let place = Place::new(4, 4);
    let tag = place.journal().open(NAME);
    assert_eq!((place.journal().note_all(NAME), place.read(tag)), (Noted::Done, Err(Spoilt)));
    assert_eq!(place.journal().note(NAME, b"key"), Noted::Done);
}

#[test]
fn tags_come_around() {
    let place = Place::new(2, 2);
    let tags: BTreeSet<u16> = (0..70_000).map(|_| place.journal().open(NAME)).collect();
    assert_eq!((tags.len(), tags.first()), (usize::from(u16::MAX), Some(&1)));
}

#[test]
fn room_that_somebody_reserved_and_did_not_fill_is_seen() {
    let place = Place::new(8, 16);
    let journal = place.journal();
    let tag = journal.open(NAME);
    journal.note(NAME, b"one");
    assert_eq!(journal.reserve(tag, 20), Some(Some(1)));
    journal.note(NAME, b"two");
    journal.close(NAME, tag).expect("it is open");
    assert_eq!(place.read(tag), Ok((set(&[b"one", b"two"]), false)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever words are damaged: it is refused, or not whole, or every key that was noted is read.
    #[test]
    fn a_damaged_one_is_not_believed(
        count in 0..12_usize,
        damages in prop::collection::vec((0..2 + 16 + 64_usize, any::<u64>(), 0..4_u8), 1..4),
    ) {
        let place = Place::new(16, 64);
        let tag = place.journal().open(NAME);
        let keys: Vec<Vec<u8>> = (0..count).map(|n| format!("key {}", "x".repeat(n * 3)).into_bytes()).collect();
        for key in &keys {
            prop_assert_eq!(place.journal().note(NAME, key), Noted::Done);
        }
        for (at, value, kind) in damages {
            let word = place.word(at);
            match kind {
                0 => word.set(0),
                1 => word.set(u64::MAX),
                2 => word.set(word.get() ^ 1 << (value % 64)),
                _ => word.set(value),
            }
        }
        // It ends, and what it says is kept.
        let late = place.journal().note(NAME, b"late");
        let read = place.journal().close(NAME, tag).and_then(|()| place.read(tag));
        let committed = place.journal().commit(NAME, tag).is_ok();
        if let (Ok((read, true)), true) = (read, committed) {
            let missing: Vec<_> = keys.iter().filter(|key| !read.contains(*key)).collect();
            prop_assert!(missing.is_empty(), "{:?} of {:?}", missing, read);
            prop_assert!(late != Noted::Done || read.contains(b"late".as_slice()));
        }
    }
}
