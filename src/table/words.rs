//! What a load and a store of the table are. The protocol is written against these traits, so
//! that the same code runs on mapped memory, on a vector under Miri, and on loom's atomics.
//!
//! A reader's loads are all relaxed, with fences where order matters. That is no weaker (a relaxed
//! load and an acquire fence behind it synchronise as an acquire load does, and cost the same), and it is what Rust
//! guarantees on read-only memory: there, only relaxed loads are certain to be plain loads.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// A word that can be read.
pub trait LoadWord {
    /// A relaxed load.
    fn get(&self) -> u64;
    /// What was loaded before it is no newer than what is loaded after it.
    fn acquire_fence();
}

/// A word that can be written too.
pub trait StoreWord: LoadWord {
    /// A relaxed store.
    fn set(&self, value: u64);
    /// A store that nothing stored before it is seen later than.
    fn set_release(&self, value: u64);
    /// What was stored before it is seen no later than what is stored after it.
    fn release_fence();
}

/// A word that several processes change: the stripes file's.
pub trait SharedWord: StoreWord {
    /// Compare and exchange, sequentially consistent; what stood there when it was not `from`.
    fn exchange(&self, from: u64, to: u64) -> Result<u64, u64>;
    /// Adds 1, sequentially consistent.
    fn add_one(&self);
    /// Of two participants that each store, come here, and then load what the other stores, at least one
    /// sees the other.
    fn full_fence();
}

impl SharedWord for AtomicU64 {
    #[inline]
    fn exchange(&self, from: u64, to: u64) -> Result<u64, u64> {
        self.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
    }

    #[inline]
    fn add_one(&self) {
        self.fetch_add(1, Ordering::SeqCst);
    }

    #[inline]
    fn full_fence() {
        fence(Ordering::SeqCst);
    }
}

impl LoadWord for AtomicU64 {
    #[inline]
    fn get(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }

    #[inline]
    fn acquire_fence() {
        fence(Ordering::Acquire);
    }
}

impl StoreWord for AtomicU64 {
    #[inline]
    fn set(&self, value: u64) {
        self.store(value, Ordering::Relaxed);
    }

    #[inline]
    fn set_release(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    #[inline]
    fn release_fence() {
        fence(Ordering::Release);
    }
}

/// A word that cannot be stored to: what a read-only map consists of. (A store through a plain
/// `&AtomicU64`, which is safe code, would kill the process there.)
#[derive(Debug)]
#[repr(transparent)]
pub struct ReadOnly(AtomicU64);

impl LoadWord for ReadOnly {
    #[inline]
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    fn acquire_fence() {
        fence(Ordering::Acquire);
    }
}
