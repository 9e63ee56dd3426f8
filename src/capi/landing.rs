//! The memory that values are handed out in: of the context's allocator, with a NUL behind each. A large value is received
//! into it at once, others are copied.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::slice;

use smallvec::SmallVec;

use super::context::{Context, with_nul};
use crate::rules::wire::Value;

/// For a value that is longer nothing is allocated before it came: its length is but a server's word.
const TRUSTED: usize = 16 << 20;

/// Memory for a value that did not come as a whole yet.
struct Landing {
    index: usize,
    memory: NonNull<c_void>,
    len: usize,
}

/// The memory of one call's values, each known by an index.
pub(super) struct Landings {
    ctxt: Context,
    /// One for each server that is sending a large value.
    open: SmallVec<[Landing; 1]>,
}

impl Landings {
    pub(super) fn new(ctxt: Context) -> Landings {
        Landings { ctxt, open: SmallVec::new() }
    }

    /// Memory for a value of that length: the same until it is taken, or another length is asked for.
    pub(super) fn room(&mut self, index: usize, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        let at = self.open.iter().position(|landing| landing.index == index);
        let at = match at.filter(|&at| self.open[at].len == len) {
            Some(at) => at,
            None => {
                at.into_iter().for_each(|at| self.let_go(at));
                let memory = if len > TRUSTED { None } else { self.ctxt.try_malloc_atomic(len + 1) }?;
                self.open.push(Landing { index, memory, len });
                self.open.len() - 1
            }
        };
        // SAFETY: memory of one byte more, which nobody else knows of.
        Some(unsafe { room(self.open[at].memory.as_ptr(), len) })
    }

    /// A value came: its memory, which is the caller's from now on. `None`: there is none to be had.
    pub(super) fn take(&mut self, index: usize, value: &Value<'_>) -> Option<NonNull<c_void>> {
        if !self.open.is_empty()
            && let Some(at) = self.open.iter().position(|landing| landing.index == index)
        {
            if value.placed == self.open[at].len {
                let landing = self.open.swap_remove(at);
                // SAFETY: its last byte, which is the one behind the value.
                unsafe { landing.memory.cast::<u8>().add(landing.len).write(0) };
                return Some(landing.memory);
            }
            self.let_go(at);
        }
        let memory = self.ctxt.try_malloc_atomic(value.data.len() + 1)?;
        // SAFETY: fresh memory of one byte more than the value.
        unsafe { with_nul(memory.as_ptr(), value.data) };
        Some(memory)
    }

    fn let_go(&mut self, at: usize) {
        let landing = self.open.swap_remove(at);
        // SAFETY: from this context, and never handed out.
        unsafe { self.ctxt.free(landing.memory.as_ptr()) };
    }
}

impl Drop for Landings {
    /// What was promised and did not come.
    fn drop(&mut self) {
        while !self.open.is_empty() {
            self.let_go(0);
        }
    }
}

/// The first `len` bytes of some memory, to receive into.
///
/// # Safety
/// There are so many, and nobody uses them as long as this is used.
pub(super) unsafe fn room<'m>(memory: *mut c_void, len: usize) -> &'m mut [MaybeUninit<u8>] {
    // SAFETY: the caller's promise; bytes that may be uninitialised have no other conditions.
    unsafe { slice::from_raw_parts_mut(memory.cast(), len) }
}
