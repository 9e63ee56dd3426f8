//! Counters.

use std::ffi::{CStr, c_char};

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{bytes, guard};
use super::memcache::{Cache, memcache};
use super::types::u_int32_t;
use crate::rules::operation::{Counter, Outcome};
use crate::rules::wire::Direction;

/// Counts.
///
/// # Safety
/// The pointers are what [`mcm_incr`] asks for.
unsafe fn count(
    function: &CStr,
    direction: Direction,
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: u_int32_t,
) -> Option<u_int32_t> {
    // SAFETY: the caller's promise.
    let (ctxt, given) = unsafe { (Context::new(ctxt)?, (Cache::new(mc), bytes(key.cast(), key_len))) };
    ctxt.set_errnum(libc::EINVAL);
    let (cache, key) = (given.0?, given.1?);
    if cache.refuses_key(ctxt, function, key) != 0 {
        ctxt.set_errnum(libc::EINVAL);
        return None;
    }
    let mut counter = Counter::new(direction, key, u64::from(val));
    let outcome = cache.run(ctxt, key, &mut counter);
    let errnum = match outcome {
        Outcome::Number(_) => 0,
        Outcome::Miss | Outcome::NotFound => libc::ENOENT,
        Outcome::Refused => libc::EINVAL,
        Outcome::Timeout => libc::ETIMEDOUT,
        _ => libc::EHOSTUNREACH,
    };
    ctxt.set_errnum(errnum);
    match outcome {
        Outcome::Number(number) => return Some(number as u_int32_t), // the old interface has 32 bits
        Outcome::Miss | Outcome::NotFound => {}
        Outcome::Refused => {
            cache.refused(ctxt, function, &counter, 0);
        }
        outcome => {
            cache.unavailable(ctxt, function, outcome);
        }
    }
    // The handler may have counted too.
    ctxt.set_errnum(errnum);
    None
}

/// Adds val to a number that is stored as decimal text. key points to key_len bytes. Returns the new
/// number, its lower 32 bits; 0 when it did not count, and then ctxt->errnum tells why: ENOENT, there is
/// no such key (the error handler is not told); EINVAL, the key may not be sent, or the value is no
/// number; EHOSTUNREACH, no server could be asked; ETIMEDOUT, time was up, and it may have counted.
/// errnum is 0 when it did count.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_incr(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: u_int32_t,
) -> u_int32_t {
    // SAFETY: the caller's promise.
    guard(0, || unsafe { count(c"mc_incr", Direction::Incr, ctxt, mc, key, key_len, val) })
}

/// See mcm_incr.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_incr(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: u_int32_t,
) -> u_int32_t {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_incr(mc_global_ctxt(), mc, key, key_len, val) }
}

/// Subtracts val; a counter stops at 0. As mcm_incr.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_decr(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: u_int32_t,
) -> u_int32_t {
    // SAFETY: the caller's promise.
    guard(0, || unsafe { count(c"mc_decr", Direction::Decr, ctxt, mc, key, key_len, val) })
}

/// See mcm_decr.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_decr(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: u_int32_t,
) -> u_int32_t {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_decr(mc_global_ctxt(), mc, key, key_len, val) }
}
