//! Storing, deleting and touching with a reason, for keys of any bytes and flags of 32 bits.

use std::ffi::{c_char, c_int, c_void};

use libc::time_t;

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard;
use super::memcache::{Cache, memcache};
use super::reason::{everyday_reason_guard, mc_reason, reason_guard};
use super::types::{u_int32_t, u_int64_t};
use crate::rules::operation::{Conditional, Spread, Write};
use crate::rules::wire::Verb;
use crate::rules::wire::parse::Limits;

/// What every storage call is given beside its verb.
#[derive(Clone, Copy)]
struct Item {
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int32_t,
}

/// The value that a C caller points at, if it can be stored anywhere.
///
/// # Safety
/// `value` is NULL or points to `bytes` readable bytes that stay as they are while `'a` lasts.
pub(super) unsafe fn value<'a>(
    cache: Cache,
    value: *const c_void,
    bytes: usize,
) -> Result<&'a [u8], mc_reason> {
    let most = Limits::default().value;
    if bytes > most {
        return Err(cache.bad_value(format_args!("the value has {bytes} bytes; at most {most} are allowed")));
    }
    // SAFETY: the caller's promise.
    let value = unsafe { guard::bytes(value, bytes) };
    value.ok_or_else(|| cache.bad_value(format_args!("the value is NULL and has {bytes} bytes")))
}

/// Stores.
///
/// # Safety
/// The pointers are what [`mcm_store`] asks for.
unsafe fn store(ctxt: Context, cache: Cache, verb: Verb, item: Item) -> Result<mc_reason, mc_reason> {
    // SAFETY: the caller's promise.
    let (value, key) =
        unsafe { (value(cache, item.value, item.bytes)?, cache.key(ctxt, item.key, item.key_len)?) };
    let (flags, expire) = (item.flags, item.expire);
    Ok(match verb {
        Verb::Set => cache.call(ctxt, key, &mut Write::new(key, flags, expire, value)),
        verb => cache.call(ctxt, key, &mut Conditional::new(verb, key, flags, expire, value)),
    })
}

/// Stores a value, whatever is there.
///
/// key points to key_len bytes: 1 to MAX_KEY_LEN of them; any bytes up to 186 to a server with meta
/// commands (memcached 1.6), else none a space, a control character or a NUL. value points to bytes
/// bytes; it may be NULL when that is 0. expire: 0 never, up to 30 days in seconds from now, above that in
/// seconds since 1970, negative at once. flags are stored with the value, all 32 bits.
///
/// MC_REASON_STORED: stored, in a pool with backups on both servers. MC_REASON_REFUSED: mc_reason_text
/// has the server's words. MC_REASON_UNAVAILABLE: no server could be asked, or it is unknown whether it
/// stored. MC_REASON_TIMEOUT: time was up; it may be stored still. MC_REASON_BAD_KEY,
/// MC_REASON_BAD_VALUE, MC_REASON_NO_SERVERS, MC_REASON_BAD_FILE: nothing was sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_store(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int32_t,
) -> c_int {
    let item = Item { key, key_len, value, bytes, expire, flags };
    // SAFETY: the caller's context, handle, key and value.
    unsafe { everyday_reason_guard(ctxt, mc, |ctxt, cache| store(ctxt, cache, Verb::Set, item)) }
}

/// See mcm_store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_store(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int32_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_store(mc_global_ctxt(), mc, key, key_len, value, bytes, expire, flags) }
}

/// Stores a value where nothing is stored yet. As mcm_store; MC_REASON_NOT_STORED when the key exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_store_add(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int32_t,
) -> c_int {
    let item = Item { key, key_len, value, bytes, expire, flags };
    // SAFETY: the caller's context, handle, key and value.
    unsafe { reason_guard(ctxt, mc, |ctxt, cache| store(ctxt, cache, Verb::Add, item)) }
}

/// See mcm_store_add.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_store_add(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int32_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_store_add(mc_global_ctxt(), mc, key, key_len, value, bytes, expire, flags) }
}

/// Stores a value where one is stored already. As mcm_store; MC_REASON_NOT_STORED when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_store_replace(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int32_t,
) -> c_int {
    let item = Item { key, key_len, value, bytes, expire, flags };
    // SAFETY: the caller's context, handle, key and value.
    unsafe { reason_guard(ctxt, mc, |ctxt, cache| store(ctxt, cache, Verb::Replace, item)) }
}

/// See mcm_store_replace.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_store_replace(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int32_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_store_replace(mc_global_ctxt(), mc, key, key_len, value, bytes, expire, flags) }
}

/// Appends bytes to a value; its flags and expiry time stay as they are. Otherwise as mcm_store.
/// MC_REASON_NOT_STORED when there is no value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_append(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
) -> c_int {
    let item = Item { key, key_len, value, bytes, expire: 0, flags: 0 };
    // SAFETY: the caller's context, handle, key and value.
    unsafe { reason_guard(ctxt, mc, |ctxt, cache| store(ctxt, cache, Verb::Append, item)) }
}

/// See mcm_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_append(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_append(mc_global_ctxt(), mc, key, key_len, value, bytes) }
}

/// Puts bytes in front of a value; its flags and expiry time stay as they are. Otherwise as mcm_store.
/// MC_REASON_NOT_STORED when there is no value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_prepend(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
) -> c_int {
    let item = Item { key, key_len, value, bytes, expire: 0, flags: 0 };
    // SAFETY: the caller's context, handle, key and value.
    unsafe { reason_guard(ctxt, mc, |ctxt, cache| store(ctxt, cache, Verb::Prepend, item)) }
}

/// See mcm_prepend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_prepend(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_prepend(mc_global_ctxt(), mc, key, key_len, value, bytes) }
}

/// Stores a value if it is still the one that mc_fetch handed out with the token cas. As mcm_store, and
/// MC_REASON_EXISTS: the value was changed since, or the server that handed out the token restarted or
/// another one stands in for it: fetch again. MC_REASON_NOT_FOUND: there is no value any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_cas(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int32_t,
    cas: u_int64_t,
) -> c_int {
    let item = Item { key, key_len, value, bytes, expire, flags };
    // SAFETY: the caller's context, handle, key and value.
    unsafe { reason_guard(ctxt, mc, |ctxt, cache| store(ctxt, cache, Verb::Cas(cas), item)) }
}

/// See mcm_cas.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_cas(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    bytes: usize,
    expire: time_t,
    flags: u_int32_t,
    cas: u_int64_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_cas(mc_global_ctxt(), mc, key, key_len, value, bytes, expire, flags, cas) }
}

/// Deletes a key on every server that may have it. MC_REASON_DELETED; MC_REASON_NOT_FOUND: there was
/// nothing. Below 0 as mcm_store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_remove(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
) -> c_int {
    // SAFETY: the caller's context, handle and key.
    unsafe {
        everyday_reason_guard(ctxt, mc, |ctxt, cache| {
            let key = cache.key(ctxt, key, key_len)?;
            Ok(cache.call(ctxt, key, &mut Spread::delete(key)))
        })
    }
}

/// See mcm_remove.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_remove(mc: *mut memcache, key: *const c_char, key_len: usize) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_remove(mc_global_ctxt(), mc, key, key_len) }
}

/// Gives a value a new expiry time, on every server that has it; expire as for mcm_store.
/// MC_REASON_TOUCHED; MC_REASON_NOT_FOUND: there is no value. Below 0 as mcm_store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_touch(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    expire: time_t,
) -> c_int {
    // SAFETY: the caller's context, handle and key.
    unsafe {
        reason_guard(ctxt, mc, |ctxt, cache| {
            let key = cache.key(ctxt, key, key_len)?;
            Ok(cache.call(ctxt, key, &mut Spread::touch(key, expire)))
        })
    }
}

/// See mcm_touch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_touch(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    expire: time_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_touch(mc_global_ctxt(), mc, key, key_len, expire) }
}
