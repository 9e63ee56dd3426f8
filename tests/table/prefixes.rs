//! A writer killed between any two of its stores, exhaustively: the stores of several
//! publications are recorded, and after each one of them a reader looks.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use memcache::table::buffers::{self, TRIES};
use memcache::table::identity::Process;
use memcache::table::layout::{FILE_BYTES, Header, SHAPE, header};
use memcache::table::words::{LoadWord, StoreWord};
use memcache::table::{Fault, decode, encode};

use super::sample;

thread_local! {
    static STORES: RefCell<Vec<(usize, u64)>> = const { RefCell::new(Vec::new()) };
}

/// A word that records what is stored, and where.
struct Recorded {
    index: usize,
}

impl LoadWord for Recorded {
    fn get(&self) -> u64 {
        panic!("publishing loads nothing: the writer knows what it wrote")
    }

    fn acquire_fence() {}
}

impl StoreWord for Recorded {
    fn set(&self, value: u64) {
        STORES.with_borrow_mut(|stores| stores.push((self.index, value)));
    }

    fn set_release(&self, value: u64) {
        self.set(value);
    }

    fn release_fence() {}
}

/// The stores of whatever `write` does.
fn record(write: impl FnOnce(&[Recorded])) -> Vec<(usize, u64)> {
    let words: Vec<_> = (0..FILE_BYTES / 8).map(|index| Recorded { index }).collect();
    write(&words);
    STORES.take()
}

fn publish(words: &[Recorded], generation: u64, number: u64) {
    let mut body = Vec::new();
    encode(&sample::snapshot(number), &mut body).expect("it fits");
    buffers::publish(words, &SHAPE, generation, &body).expect("it fits");
}

/// What a reader that comes at this moment reads: generation and number, or why not.
fn read(words: &[AtomicU64], body: &mut Vec<u8>) -> Result<(u64, u64), Fault> {
    Header::read(words)?;
    let generation = buffers::read(words, &SHAPE, body, TRIES)?.generation;
    decode(generation, body).map(|snapshot| (generation, sample::whole(&snapshot)))
}

fn region() -> Vec<AtomicU64> {
    (0..FILE_BYTES / 8).map(|_| AtomicU64::new(0)).collect()
}

fn head() -> Header {
    let writer = Process { pid: 5, start: 6 };
    Header { created: 1, boot: [2, 3], namespace: 4, writer, bound: 1_000 }
}

#[test]
fn a_writer_that_dies_anywhere_leaves_the_last_good_snapshot() {
    let words = region();
    let mut body = Vec::new();
    // A table that is being made has no name yet. Nevertheless: refused up to its last store.
    let made = record(|words| {
        head().write(words).expect("a header");
        publish(words, 41, 1);
    });
    let (last, before) = made.split_last().expect("stores");
    for (index, value) in before {
        words[*index].store(*value, Ordering::Relaxed);
        let early = read(&words, &mut body);
        assert!(
            matches!(
                early,
                Err(Fault::Foreign | Fault::Version(0) | Fault::Size(0) | Fault::Header | Fault::Empty)
            ),
            "{early:?}"
        );
    }
    words[last.0].store(last.1, Ordering::Relaxed);
    assert_eq!(read(&words, &mut body), Ok((41, 1)));

    let mut stores = 0;
    for (generation, number) in (42..).zip([2, 3, 12]) {
        let before = read(&words, &mut body).expect("the last good one");
        let published = record(|words| publish(words, generation, number));
        let (last, others) = published.split_last().expect("stores");
        for (index, value) in others {
            words[*index].store(*value, Ordering::Relaxed);
            assert_eq!(read(&words, &mut body).as_ref(), Ok(&before));
        }
        assert_eq!(last.0, header::GENERATION / 8, "the word that makes it valid comes last");
        words[last.0].store(last.1, Ordering::Relaxed);
        assert_eq!(read(&words, &mut body), Ok((generation, number)));
        stores += published.len();
    }
    assert!(stores > 3 * 2_000, "every word of every body was a place to die");
}

/// Should a publication stop half-way, the next one of the same writer starts over.
#[test]
fn a_publication_that_stopped_half_way_is_overwritten_by_the_next() {
    let words = region();
    let mut body = Vec::new();
    let replay = |stores: &[(usize, u64)]| {
        stores.iter().for_each(|(index, value)| words[*index].store(*value, Ordering::Relaxed));
    };
    replay(&record(|words| head().write(words).expect("a header")));
    replay(&record(|words| publish(words, 1, 1)));
    let half = record(|words| publish(words, 2, 2));
    let next = record(|words| publish(words, 2, 3));
    for length in (0..half.len()).step_by(97) {
        replay(&half[..length]);
        assert_eq!(read(&words, &mut body), Ok((1, 1)));
        replay(&next);
        assert_eq!(read(&words, &mut body), Ok((2, 3)));
        replay(&record(|words| publish(words, 1, 1)));
    }
}
