//! The memory of a C program's context: how much of it was asked for, and whether all of it comes back.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};

/// A value in pieces for which memory is had before it has come is no longer than this: what a server announces is
/// believed so far (`capi::landing`), and the values of these servers are shorter by far.
const LARGEST: usize = (16 << 20) + 1;

/// All that is had at a time: a value that is on its way from each of three servers, and what has come.
const MOST: i64 = 4 * LARGEST as i64;

/// Memory that was given and not freed, and its bytes; how many allocations there may be before one fails (below 0: any number).
static BLOCKS: AtomicI64 = AtomicI64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);
static UNTIL: AtomicI64 = AtomicI64::new(-1);

/// The largest block that was asked for since the calls began, and the most bytes that were there at a time. They are judged
/// at the end: no panic may go through the library.
static ASKED: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicI64 = AtomicI64::new(0);

/// From here on it is counted.
pub fn begin() {
    for count in [&BLOCKS, &BYTES, &HELD] {
        count.store(0, Relaxed);
    }
    ASKED.store(0, Relaxed);
    fail_after(None);
}

/// So many allocations from now one fails.
pub fn fail_after(count: Option<u32>) {
    UNTIL.store(count.map_or(-1, i64::from), Relaxed);
}

/// Nothing is left, and there never was too much.
pub fn end() {
    assert_eq!(BLOCKS.load(Relaxed), 0, "nothing is left behind");
    let (asked, held) = (ASKED.load(Relaxed), HELD.load(Relaxed));
    assert!(asked <= LARGEST, "{asked} bytes were asked for at once");
    assert!(held <= MOST, "{held} bytes were held at a time");
}

fn fails(size: usize) -> bool {
    ASKED.fetch_max(size, Relaxed);
    size > LARGEST || UNTIL.fetch_sub(1, Relaxed) == 0
}

/// So large a block is one more.
///
/// # Safety
/// `memory` is NULL or a block of malloc's.
unsafe fn counted(memory: *mut c_void) -> *mut c_void {
    if !memory.is_null() {
        // SAFETY: a live block.
        let size = unsafe { libc::malloc_usable_size(memory) } as i64;
        HELD.fetch_max(BYTES.fetch_add(size, Relaxed) + size, Relaxed);
        BLOCKS.fetch_add(1, Relaxed);
    }
    memory
}

/// It is none any more.
///
/// # Safety
/// `memory` is NULL or a block that was counted.
unsafe fn uncounted(memory: *mut c_void) {
    if !memory.is_null() {
        // SAFETY: a live block.
        BYTES.fetch_sub(unsafe { libc::malloc_usable_size(memory) } as i64, Relaxed);
        BLOCKS.fetch_sub(1, Relaxed);
    }
}

pub unsafe extern "C-unwind" fn give(size: usize) -> *mut c_void {
    if fails(size) {
        return null_mut();
    }
    // SAFETY: malloc takes any size.
    unsafe { counted(libc::malloc(size)) }
}

pub unsafe extern "C-unwind" fn give_more(memory: *mut c_void, size: usize) -> *mut c_void {
    if fails(size) {
        return null_mut();
    }
    // SAFETY: NULL, or what `give` gave; realloc of so little does not fail.
    unsafe {
        uncounted(memory);
        counted(libc::realloc(memory, size))
    }
}

pub unsafe extern "C-unwind" fn take(memory: *mut c_void) {
    // SAFETY: NULL, or what `give` gave.
    unsafe {
        uncounted(memory);
        libc::free(memory);
    }
}
