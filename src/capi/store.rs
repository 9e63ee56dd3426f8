//! Storing and deleting.

use std::ffi::{CStr, c_char, c_int, c_void};

use libc::time_t;

use super::constants::*;
use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::error::replaced;
use super::guard::{FAILED, bytes, guard};
use super::memcache::{Cache, memcache};
use super::types::u_int16_t;
use crate::rules::operation::{Conditional, Operation, Outcome, Spread, Write};
use crate::rules::wire::Verb;
use crate::rules::wire::parse::Limits;

/// What the old interface returns for what became of a call: see mcm_set.
const NOT_DONE: c_int = 1;
const UNEXPECTED: c_int = 2;
const REFUSED: c_int = 4;
const TOO_LONG: c_int = -REFUSED;

/// What a storage call returns.
fn folded(
    ctxt: Context,
    cache: Cache,
    function: &CStr,
    outcome: Outcome,
    operation: &dyn Operation,
) -> c_int {
    match outcome {
        Outcome::Stored => 0,
        Outcome::NotStored | Outcome::NotFound | Outcome::Exists => {
            let what = format_args!("not stored: the condition did not hold");
            replaced(cache.raise(ctxt, function, MCM_ERR_MC_STORE, what), NOT_DONE)
        }
        Outcome::Refused => cache.refused(ctxt, function, operation, REFUSED),
        Outcome::Unavailable | Outcome::Timeout => cache.unavailable(ctxt, function, outcome),
        _ => UNEXPECTED,
    }
}

/// What every storage call is given.
struct Item {
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int16_t,
}

/// Stores.
///
/// # Safety
/// The pointers are what [`mcm_set`] asks for.
unsafe fn store(function: &CStr, verb: Verb, item: Item) -> Option<c_int> {
    // SAFETY: the caller's promise.
    let (ctxt, cache) = unsafe { (Context::new(item.ctxt)?, Cache::new(item.mc)?) };
    // SAFETY: the caller's promise.
    let key = unsafe { bytes(item.key.cast(), item.key_len) }?;
    let refusal = cache.refuses_key(ctxt, function, key);
    if refusal != 0 {
        return Some(refusal);
    }
    let longest = Limits::default().value;
    if item.bytes > longest {
        // Not one byte of it is read: such a length is often a mistake, and nothing lies there.
        let what = format!("a value of {} bytes, {longest} are possible at most", item.bytes);
        cache.bad_value(format_args!("{what}"));
        let retcode = cache.raise(ctxt, function, MCM_ERR_MC_STORE, format_args!("{what}"));
        return Some(replaced(retcode, TOO_LONG));
    }
    // SAFETY: the caller's promise.
    let value = unsafe { bytes(item.val, item.bytes) }?;
    let flags = u32::from(item.flags);
    Some(match verb {
        Verb::Set => {
            let mut write = Write::new(key, flags, item.expire, value);
            let outcome = cache.run(ctxt, key, &mut write);
            folded(ctxt, cache, function, outcome, &write)
        }
        _ => {
            let mut conditional = Conditional::new(verb, key, flags, item.expire, value);
            let outcome = cache.run(ctxt, key, &mut conditional);
            folded(ctxt, cache, function, outcome, &conditional)
        }
    })
}

/// Stores a value, whatever is there.
///
/// key points to key_len bytes: 1 to MAX_KEY_LEN of them, none a space, a control character or a NUL.
/// val points to bytes bytes; it may be NULL when that is 0. expire: 0 never, up to 30 days in seconds
/// from now, above that in seconds since 1970, negative at once. flags are stored with the value.
///
/// 0: stored, in a pool with backups on both servers. 1: not stored. 2: an unexpected reply. 4: the server
/// refused, and its text went to the error handler (MC_STORE). -1: no server could be asked, or it
/// is not known whether it stored; or a pointer is NULL. -2: time was up; it may be stored still. -4:
/// the value is longer than 1 GiB, and nothing was sent (MC_STORE). A key that may not be sent: what the context's mcKeyValid returns (the position of the offending byte,
/// counted from 1), and the error handler gets PROTO. A handler's retcode replaces each but 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_set(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int16_t,
) -> c_int {
    let item = Item { ctxt, mc, key, key_len, val, bytes, expire, flags };
    // SAFETY: the caller's promise.
    guard(FAILED, || unsafe { store(c"mc_set", Verb::Set, item) })
}

/// See mcm_set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_set(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int16_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_set(mc_global_ctxt(), mc, key, key_len, val, bytes, expire, flags) }
}

/// Stores a value where nothing is stored yet. As mcm_set; 1 when the key exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_add(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int16_t,
) -> c_int {
    let item = Item { ctxt, mc, key, key_len, val, bytes, expire, flags };
    // SAFETY: the caller's promise.
    guard(FAILED, || unsafe { store(c"mc_add", Verb::Add, item) })
}

/// See mcm_add.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_add(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int16_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_add(mc_global_ctxt(), mc, key, key_len, val, bytes, expire, flags) }
}

/// Stores a value where one is stored already. As mcm_set; 1 when the key does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_replace(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int16_t,
) -> c_int {
    let item = Item { ctxt, mc, key, key_len, val, bytes, expire, flags };
    // SAFETY: the caller's promise.
    guard(FAILED, || unsafe { store(c"mc_replace", Verb::Replace, item) })
}

/// See mcm_replace.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_replace(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    val: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int16_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_replace(mc_global_ctxt(), mc, key, key_len, val, bytes, expire, flags) }
}

/// Deletes a key on every server that may hold it. hold is ignored: servers refuse one nowadays.
///
/// 0: deleted. 1: not found. -1: no server could be asked, or a pointer is NULL. -2: time was up. -4: a
/// server refused, and its text went to the error handler. A key that may not be sent: as mcm_set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_delete(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    hold: time_t,
) -> c_int {
    const HERE: &CStr = c"mc_delete";
    guard(FAILED, || {
        let _ = hold;
        // SAFETY: the caller's context, handle and key.
        let (ctxt, cache, key) =
            unsafe { (Context::new(ctxt)?, Cache::new(mc)?, bytes(key.cast(), key_len)?) };
        let refusal = cache.refuses_key(ctxt, HERE, key);
        if refusal != 0 {
            return Some(refusal);
        }
        let mut delete = Spread::delete(key);
        Some(match cache.run(ctxt, key, &mut delete) {
            Outcome::Deleted => 0,
            Outcome::NotFound | Outcome::Miss => NOT_DONE,
            Outcome::Refused => cache.refused(ctxt, HERE, &delete, -REFUSED),
            outcome => cache.unavailable(ctxt, HERE, outcome),
        })
    })
}

/// See mcm_delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_delete(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    hold: time_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_delete(mc_global_ctxt(), mc, key, key_len, hold) }
}
