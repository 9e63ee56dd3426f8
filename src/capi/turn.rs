//! One thread at a time: how a debug build notices two threads in one handle.
//!
//! Every export runs in a guard and makes its handle a `Cache` first. That marks the handle as the
//! thread's own, and the guard in which it was marked takes the mark away. A thread that finds
//! another one's mark raises ASSERT and fails; nothing of the handle was touched by then. The same thread
//! may come back to a handle as often as it likes: callbacks, handlers and hooks may use it.
//!
//! In a forked child a handle that another thread was inside of keeps that mark, and rightly so: it
//! was copied in the middle of a change.
//!
//! Release builds do none of this. Marks are noted in a list that runs through the handles
//! themselves, so that the library, which may be unloaded, has no destructor of a thread's.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether marks are made at all.
const WATCHED: bool = cfg!(debug_assertions);

/// A handle's mark.
#[derive(Debug)]
pub(super) struct Turn {
    /// Which thread is inside; 0: none.
    owner: AtomicUsize,
    /// The mark that this thread made before; only the owner's.
    before: Cell<*const Turn>,
}

thread_local! {
    /// The mark that this thread made last.
    static LAST: Cell<*const Turn> = const { Cell::new(ptr::null()) };
}

/// A number that no other living thread has.
fn this_thread() -> usize {
    LAST.with(|last| ptr::from_ref(last) as usize)
}

impl Turn {
    pub(super) fn new() -> Turn {
        Turn { owner: AtomicUsize::new(0), before: Cell::new(ptr::null()) }
    }

    /// Marks it as this thread's, until the guard around it ends. False: another thread is inside.
    ///
    /// # Safety
    /// It stays where it is until the guard ends, or [`Turn::forget`] is called.
    pub(super) unsafe fn take(&self) -> bool {
        if !WATCHED {
            return true;
        }
        let me = this_thread();
        match self.owner.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {
                self.before.set(LAST.replace(self));
                true
            }
            Err(owner) => owner == me,
        }
    }

    /// It is about to be freed, by the thread inside.
    pub(super) fn forget(&self) {
        let mut last = LAST.get();
        if ptr::eq(last, self) {
            LAST.set(self.before.get());
            return;
        }
        // SAFETY: the list holds marks that are this thread's and whose handles live.
        while let Some(mark) = unsafe { last.as_ref() } {
            last = mark.before.get();
            if ptr::eq(last, self) {
                mark.before.set(self.before.get());
            }
        }
    }
}

/// The marks that were made before; ends those that come after it.
pub(super) struct Marks(*const Turn);

impl Marks {
    pub(super) fn now() -> Marks {
        Marks(if WATCHED { LAST.get() } else { ptr::null() })
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        while WATCHED && !ptr::eq(LAST.get(), self.0) {
            // SAFETY: as in `forget`.
            let Some(mark) = (unsafe { LAST.get().as_ref() }) else { break };
            LAST.set(mark.before.get());
            mark.owner.store(0, Ordering::Release);
        }
    }
}
