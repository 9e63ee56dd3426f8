//! A thread does not end in the middle of a call.
//!
//! pthread_cancel(3) unwinds a thread that comes to close(2), getaddrinfo(3), open(2) and the like, and an unwinding that is no
//! panic ends the process where it comes to a boundary that stops panics. So a cancelled thread ends when its call is over,
//! as soon as it comes to such a function of its own.

use std::ffi::c_int;

/// While it lives its thread is not cancelled. They nest: a handler or hook may make calls. Costs some 140 instructions and
/// no system call.
pub(crate) struct Whole {
    before: c_int,
}

/// As in <pthread.h>; musl has a third state, which is as good to go back to.
const PTHREAD_CANCEL_DISABLE: c_int = 1;

// SAFETY: POSIX has it so, and any state may be set at any time.
#[cfg(not(miri))]
unsafe extern "C" {
    safe fn pthread_setcancelstate(state: c_int, before: &mut c_int) -> c_int;
}

/// Miri has no such function, nor does it cancel a thread.
#[cfg(miri)]
fn pthread_setcancelstate(_: c_int, _: &mut c_int) -> c_int {
    0
}

impl Whole {
    pub(crate) fn begin() -> Whole {
        let mut before = PTHREAD_CANCEL_DISABLE;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before);
        Whole { before }
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        pthread_setcancelstate(self.before, &mut 0);
    }
}
