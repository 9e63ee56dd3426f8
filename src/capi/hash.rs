//! Hashes of keys, as programs may ask for them.

use std::ffi::{c_char, c_void};

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{bytes, guard};
use super::memcache::memcache;
use super::types::u_int32_t;
use crate::rules::hash::KeyHash;

/// The default of mcHashKey.
pub(super) unsafe extern "C-unwind" fn of_key(
    _ctxt: *const c_void,
    mc: *const c_void,
    key: *const c_char,
    len: usize,
) -> u_int32_t {
    guard(0, || {
        // SAFETY: NULL or a handle; a hash function is called with one.
        let servers = unsafe { mc.cast::<memcache>().as_ref() }.map(|mc| mc.num_servers);
        if servers.is_some_and(|count| count <= 1) {
            return Some(1);
        }
        // SAFETY: a hash function is called with `len` readable bytes.
        Some(KeyHash::of(unsafe { bytes(key.cast(), len) }?).value())
    })
}

/// The hash of a key, by the context's mcHashKey. The default is (crc32(key) >> 16) & 0x7fff, with
/// 0 as 1; and 1 at once when mc is not NULL and has at most one server. mc may be NULL; key points
/// to len bytes. 0 when ctxt or key is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_hash(
    ctxt: *const memcache_ctxt,
    mc: *const memcache,
    key: *const c_char,
    len: usize,
) -> u_int32_t {
    guard(0, || {
        // SAFETY: the caller's context.
        let hash = unsafe { Context::new(ctxt) }?.hash_function();
        if key.is_null() {
            return None;
        }
        // SAFETY: the context's hash function, with the caller's handle and key.
        Some(unsafe { hash(ctxt.cast(), mc.cast(), key, len) })
    })
}

/// See mcm_hash.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_hash(mc: *const memcache, key: *const c_char, len: usize) -> u_int32_t {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_hash(mc_global_ctxt(), mc, key, len) }
}

/// The hash of a key, whatever the number of servers: as mcm_hash with mc = NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_hash_key(
    ctxt: *const memcache_ctxt,
    key: *const c_char,
    len: usize,
) -> u_int32_t {
    // SAFETY: the caller's promise.
    unsafe { mcm_hash(ctxt, std::ptr::null(), key, len) }
}

/// See mcm_hash_key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_hash_key(key: *const c_char, len: usize) -> u_int32_t {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_hash_key(mc_global_ctxt(), key, len) }
}
