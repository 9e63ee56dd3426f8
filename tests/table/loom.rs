//! Every order of loads and stores that the memory model allows, for one writer and two readers:
//!
//! ```text
//! CARGO_PROFILE_RELEASE_LTO=off RUSTFLAGS='--cfg loom' \
//!     cargo test --release --target-dir target/loom --test table_loom
//! ```
//!
//! The protocol is the product's, on loom's atomics and a table of two words a body. A reader must get a whole
//! body of its generation, or learn that it was overtaken; never a mixture, and never "damaged",
//! which would make a client give up a table whose writer is merely at work.

#![cfg(loom)]

use std::sync::atomic::Ordering;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, fence};
use loom::thread;
use memcache::table::Fault;
use memcache::table::buffers::{self, HEAD_WORDS, Shape};
use memcache::table::words::{LoadWord, SharedWord, StoreWord};

#[path = "loom_journal.rs"]
mod journal;
#[path = "loom_stripes.rs"]
mod stripes;

struct Word(AtomicU64);

impl LoadWord for Word {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn acquire_fence() {
        fence(Ordering::Acquire);
    }
}

impl StoreWord for Word {
    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn set_release(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }

    fn release_fence() {
        fence(Ordering::Release);
    }
}

impl SharedWord for Word {
    fn exchange(&self, from: u64, to: u64) -> Result<u64, u64> {
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
    }

    fn add_one(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn full_fence() {
        fence(Ordering::SeqCst);
    }
}

const BODY_WORDS: usize = 2;
const SHAPE: Shape = Shape { generation: 0, buffers: [1, 1 + HEAD_WORDS + BODY_WORDS], most: BODY_WORDS };

fn region() -> Arc<Vec<Word>> {
    let words = 1 + 2 * (HEAD_WORDS + BODY_WORDS);
    Arc::new((0..words).map(|_| Word(AtomicU64::new(0))).collect())
}

fn publish(words: &[Word], generation: u64) {
    let body = [generation.to_ne_bytes(), generation.to_ne_bytes()].concat();
    buffers::publish(words, &SHAPE, generation, &body).expect("it fits");
}

/// One look, with so many tries: the generation that was read.
fn look(words: &[Word], tries: usize) -> Option<u64> {
    let mut body = Vec::new();
    match buffers::read(words, &SHAPE, &mut body, tries) {
        Ok(stamp) => {
            let expected = stamp.generation.to_ne_bytes();
            assert_eq!(body, [expected, expected].concat(), "torn");
            Some(stamp.generation)
        }
        Err(Fault::Busy) => None,
        Err(fault) => panic!("{fault:?} while nothing is wrong"),
    }
}

fn model(preemptions: Option<usize>, check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(check);
}

/// The writer goes around both buffers and overwrites the one that is being read.
#[test]
fn a_reader_gets_a_whole_body_or_learns_that_it_was_overtaken() {
    model(Some(3), || {
        let words = region();
        publish(&words, 1);
        let writer = thread::spawn({
            let words = words.clone();
            move || (2..=4).for_each(|generation| publish(&words, generation))
        });
        if let Some(generation) = look(&words, 2) {
            assert!((1..=4).contains(&generation));
        }
        writer.join().expect("the writer");
        assert_eq!(look(&words, 1), Some(4));
    });
}

/// What one reader saw, and then looks again: generations never go back.
#[test]
fn generations_never_go_back() {
    model(Some(2), || {
        let words = region();
        publish(&words, 1);
        let writer = thread::spawn({
            let words = words.clone();
            move || (2..=3).for_each(|generation| publish(&words, generation))
        });
        let first = look(&words, 2);
        let second = look(&words, 2);
        if let (Some(first), Some(second)) = (first, second) {
            assert!(first <= second, "{second} after {first}");
        }
        writer.join().expect("the writer");
    });
}

/// Readers neither disturb each other nor the writer.
#[test]
fn two_readers() {
    model(Some(2), || {
        let words = region();
        publish(&words, 1);
        let reader = thread::spawn({
            let words = words.clone();
            move || look(&words, 2)
        });
        let writer = thread::spawn({
            let words = words.clone();
            move || (2..=3).for_each(|generation| publish(&words, generation))
        });
        look(&words, 2);
        reader.join().expect("the reader");
        writer.join().expect("the writer");
    });
}

/// One publication cannot take the snapshot away that a reader reads: the first look always succeeds.
#[test]
fn one_publication_disturbs_nobody() {
    model(None, || {
        let words = region();
        publish(&words, 1);
        let writer = thread::spawn({
            let words = words.clone();
            move || publish(&words, 2)
        });
        assert!(look(&words, 1).is_some());
        writer.join().expect("the writer");
    });
}
