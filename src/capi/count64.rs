//! Counters of 64 bits, with a result apart from the value.

use std::ffi::{c_char, c_int};

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::memcache::{Cache, memcache};
use super::reason::{everyday_reason_guard, mc_reason};
use super::types::u_int64_t;
use crate::rules::operation::{Counter, Operation, Outcome};
use crate::rules::wire::Direction;

use mc_reason::*;

/// What a counting call is given beside its direction.
#[derive(Clone, Copy)]
struct Count {
    key: *const c_char,
    key_len: usize,
    delta: u_int64_t,
    value: *mut u_int64_t,
}

/// Counts.
///
/// # Safety
/// The pointers are what [`mcm_incr64`] asks for.
unsafe fn count(
    ctxt: Context,
    cache: Cache,
    direction: Direction,
    count: Count,
) -> Result<mc_reason, mc_reason> {
    // SAFETY: NULL or the caller's variable.
    let mut value = unsafe { count.value.as_mut() };
    if let Some(value) = value.as_deref_mut() {
        *value = 0;
    }
    // SAFETY: the caller's key.
    let key = unsafe { cache.key(ctxt, count.key, count.key_len)? };
    let mut counter = Counter::new(direction, key, count.delta);
    let reason = cache.call(ctxt, key, &mut counter);
    match (counter.outcome(), value) {
        (Some(Outcome::Number(number)), Some(value)) if reason == MC_REASON_NUMBER => *value = number,
        _ => {}
    }
    // Before it counts, a counter that is not at home is looked for.
    if reason == MC_REASON_MISS {
        cache.handle().last.set_for(MC_REASON_NOT_FOUND, key);
        return Ok(MC_REASON_NOT_FOUND);
    }
    Ok(reason)
}

/// Adds delta to a number that is stored as decimal text, of 64 bits; it wraps around at 2^64. A key as
/// for mc_store. MC_REASON_NUMBER: *value is the new number; value may be NULL. MC_REASON_NOT_FOUND: there
/// is no such key, and none is made. MC_REASON_REFUSED: what is stored is no number. In every case but
/// the first *value is 0. MC_REASON_UNAVAILABLE and MC_REASON_TIMEOUT: it is unknown whether it counted;
/// a delta is never sent again to a server that may have taken it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_incr64(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    delta: u_int64_t,
    value: *mut u_int64_t,
) -> c_int {
    let counting = Count { key, key_len, delta, value };
    // SAFETY: the caller's context, handle, key and variable.
    unsafe { everyday_reason_guard(ctxt, mc, |ctxt, cache| count(ctxt, cache, Direction::Incr, counting)) }
}

/// See mcm_incr64.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_incr64(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    delta: u_int64_t,
    value: *mut u_int64_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_incr64(mc_global_ctxt(), mc, key, key_len, delta, value) }
}

/// Subtracts delta; a number stops at 0. As mcm_incr64.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_decr64(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    delta: u_int64_t,
    value: *mut u_int64_t,
) -> c_int {
    let counting = Count { key, key_len, delta, value };
    // SAFETY: the caller's context, handle, key and variable.
    unsafe { everyday_reason_guard(ctxt, mc, |ctxt, cache| count(ctxt, cache, Direction::Decr, counting)) }
}

/// See mcm_decr64.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_decr64(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    delta: u_int64_t,
    value: *mut u_int64_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_decr64(mc_global_ctxt(), mc, key, key_len, delta, value) }
}
