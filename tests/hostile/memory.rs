//! How much memory a call takes: what its thread has of the allocator at most, Rust's and that of the C interface.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::c_void;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn tally(bytes: isize) {
    // A thread that is ending has no counters any more, and makes no calls.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        PEAK.set(PEAK.get().max(live.get()));
    });
}

/// Runs it; how much it had at most.
pub fn measured<T>(body: impl FnOnce() -> T) -> (T, usize) {
    LIVE.set(0);
    PEAK.set(0);
    let given = body();
    (given, PEAK.get().max(0) as usize)
}

/// The system's allocator, which counts for each thread.
pub struct Measuring;

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Measuring {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        tally(layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        tally(-(layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(block, layout) }
    }
}

fn size(block: *mut c_void) -> isize {
    // SAFETY: NULL, or a block of malloc's.
    unsafe { libc::malloc_usable_size(block) as isize }
}

pub unsafe extern "C-unwind" fn malloc(bytes: usize) -> *mut c_void {
    // SAFETY: malloc has no requirements.
    let block = unsafe { libc::malloc(bytes) };
    tally(size(block));
    block
}

pub unsafe extern "C-unwind" fn realloc(block: *mut c_void, bytes: usize) -> *mut c_void {
    tally(-size(block));
    // SAFETY: as the caller promised.
    let block = unsafe { libc::realloc(block, bytes) };
    tally(size(block));
    block
}

pub unsafe extern "C-unwind" fn free(block: *mut c_void) {
    tally(-size(block));
    // SAFETY: as the caller promised.
    unsafe { libc::free(block) }
}
