//! Journals under every order of loads and stores: what was noted before the journal was closed is read after that, whoever notes
//! at the same time; what was noted in an earlier use of it never shows in a later one.

use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use memcache::table::stripes::journal::{Journal, Noted};

use super::{Word, model};

const NAME: u64 = 7 << 48 | 3;
const NEXT: u64 = 7 << 48 | 5;

/// A journal of few words.
struct Place {
    heads: [Word; 2],
    index: [Word; 3],
    keys: [Word; 3],
}

impl Place {
    fn new() -> Arc<Place> {
        let word = |_| Word(AtomicU64::new(0));
        Arc::new(Place { heads: [0, 1].map(word), index: [0, 1, 2].map(word), keys: [0, 1, 2].map(word) })
    }

    fn journal(&self) -> Journal<'_, Word> {
        Journal { name: &self.heads[0], state: &self.heads[1], index: &self.index, keys: &self.keys }
    }

    /// The keys that are new, by their first byte; and whether that is all. `None`: it is not believed.
    fn read(&self, name: u64, tag: u16, dealt: &mut [bool; 3]) -> Option<(Vec<u8>, bool)> {
        let mut keys = Vec::new();
        let whole = self.journal().read(name, tag, dealt, &mut |key| keys.push(key[0])).ok()?;
        Some((keys, whole))
    }
}

fn note(place: &Arc<Place>, key: u8) -> thread::JoinHandle<Noted> {
    let place = place.clone();
    thread::spawn(move || place.journal().note(NAME, &[key]))
}

/// Two note while the daemon reads, closes, reads and commits.
fn all_that_was_noted_is_read(keys: [u8; 2], preemptions: usize) {
    model(Some(preemptions), move || {
        let place = Place::new();
        let tag = place.journal().open(NAME);
        let writers = keys.map(|key| note(&place, key));
        let mut dealt = [false; 3];
        let (mut read, _) = place.read(NAME, tag, &mut dealt).expect("nothing is wrong");
        place.journal().close(NAME, tag).expect("it is open");
        let (rest, _) = place.read(NAME, tag, &mut dealt).expect("nothing is wrong");
        read.extend(rest);
        for (writer, key) in writers.into_iter().zip(keys) {
            match writer.join().expect("a writer") {
                Noted::Done => assert!(read.contains(&key), "{key} was noted, and not read"),
                noted => assert_eq!(noted, Noted::Closed),
            }
        }
        place.journal().commit(NAME, tag).expect("it is closed");
    });
}

#[test]
fn two_note_two_keys_while_it_is_closed() {
    all_that_was_noted_is_read([1, 2], 3);
}

#[test]
fn two_note_the_same_key_while_it_is_closed() {
    all_that_was_noted_is_read([1, 1], 3);
}

/// What is read as whole needs no second look: whoever notes is done, or knows that he is not.
#[test]
fn whoever_finds_it_closed_knows_it() {
    model(None, || {
        let place = Place::new();
        let tag = place.journal().open(NAME);
        let writer = note(&place, 1);
        place.journal().close(NAME, tag).expect("it is open");
        let (read, whole) = place.read(NAME, tag, &mut [false; 3]).expect("nothing is wrong");
        match writer.join().expect("a writer") {
            Noted::Done => assert!(read == [1] && whole),
            noted => assert_eq!(noted, Noted::Closed),
        }
    });
}

/// One who is late finds that it is over, or is heard in time; the next use of it has nothing of his.
#[test]
fn a_late_one_does_not_reach_into_the_next_use_of_it() {
    model(Some(3), || {
        let place = Place::new();
        place.journal().open(NAME);
        let writer = note(&place, 1);
        place.journal().over();
        let tag = place.journal().open(NEXT);
        assert_eq!(place.journal().note(NEXT, &[2]), Noted::Done);
        place.journal().close(NEXT, tag).expect("it is open");
        let noted = writer.join().expect("a writer");
        assert!(matches!(noted, Noted::Done | Noted::Nowhere), "{noted:?}");
        // What he wrote over another one's key is seen: then nothing of it is believed.
        if let Some((read, _)) = place.read(NEXT, tag, &mut [false; 3]) {
            assert_eq!(read, [2]);
        }
    });
}
