//! The panic boundary, and what a call answers that could not do its work.
//!
//! An ordinary function around a closure, so that rustfmt, cbindgen and a reader see through it.
//! The closure answers `None` when a pointer is NULL that must not be; that and a panic give the
//! fallback, which follows from the return type alone.
//!
//! Nor does a thread end in the middle of it: see [`Whole`].

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use super::turn::Marks;
use crate::client::Whole;

/// A call that answers how it went: negative is failure.
pub(super) const FAILED: c_int = -1;

/// A call that answers yes or no, or how many: no, none.
pub(super) const NO: c_int = 0;

/// Runs `body`; no panic leaves it, and it runs to its end. A panic's message was printed by the panic hook by then.
pub(super) fn guard<T>(fallback: T, body: impl FnOnce() -> Option<T>) -> T {
    let _whole = Whole::begin();
    everyday_guard(fallback, body)
}

/// As [`guard`], for a call that nearly always comes to no place where a thread is cancelled. What it does else begins a
/// [`Whole`] of its own: the client where it leaves the everyday way, and whoever runs code of the program's.
#[inline(always)]
pub(super) fn everyday_guard<T>(fallback: T, body: impl FnOnce() -> Option<T>) -> T {
    let _marks = Marks::now();
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Some(answer)) => answer,
        Ok(None) => fallback,
        Err(payload) => {
            // Whatever was thrown may panic again when it is dropped: better a leak.
            std::mem::forget(payload);
            fallback
        }
    }
}

/// The bytes that a C caller points at; `None` for NULL, unless there are none to point at.
///
/// # Safety
/// `start` is NULL or points to `len` readable bytes that stay as they are while `'a` lasts.
pub(super) unsafe fn bytes<'a>(start: *const std::ffi::c_void, len: usize) -> Option<&'a [u8]> {
    match (start.is_null(), len) {
        (_, 0) => Some(&[]),
        (true, _) => None,
        // A length above the address space is a caller's mistake; a slice of it would be undefined.
        (false, len) if len > isize::MAX as usize => None,
        // SAFETY: the caller's promise.
        (false, len) => Some(unsafe { slice::from_raw_parts(start.cast(), len) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_gives_the_fallback_even_when_its_payload_panics_too() {
        struct Grenade;
        impl Drop for Grenade {
            fn drop(&mut self) {
                panic!("the payload of a panic was dropped");
            }
        }
        assert_eq!(guard(FAILED, || std::panic::panic_any(Grenade)), FAILED);
        assert_eq!(guard(FAILED, || None), FAILED);
        assert_eq!(guard(FAILED, || Some(3)), 3);
    }
}
