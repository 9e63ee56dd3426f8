//! Taking servers out of use and back, as a program decides.
//!
//! A server that is out of use counts as down in this handle: its keys go where those of a server that
//! failed would, every other key stays where it is. When a write passed it by, it is down until a trial,
//! which rides along with the next calls, has emptied it: nothing old is ever read.

use std::ffi::{CStr, c_int};

use super::constants::*;
use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{FAILED, guard};
use super::memcache::{Cache, memcache};
use super::server::{DOWN, UNKNOWN_HOST, UNTRIED, memcache_server};

const UNKNOWN: c_int = -1;
const NEVER_ADDED: c_int = -2;
const UP_ALREADY: c_int = -3;

/// Whether a pool file says which servers are in use; then the handler is told.
fn belongs_to_the_operator(ctxt: Context, cache: Cache, function: &CStr) -> bool {
    let file = cache.handle().has_file();
    if file {
        let what = format_args!("a pool file names the servers: the program cannot take them out of use");
        ctxt.raise_at(function, MCM_ERR_MC_SERV_LIST, MCM_ERR_LVL_NOTICE, what);
    }
    file
}

fn activate(ctxt: Context, cache: Cache, server: *mut memcache_server) -> c_int {
    if !cache.servers().any(|one| one == server) {
        return NEVER_ADDED;
    }
    // SAFETY: a server of the list; the reference ends before the program's code can run.
    let (active, deactivated) = unsafe { ((*server).active, (*server)._deactivated != 0) };
    match active {
        UNKNOWN_HOST => return UNKNOWN,
        DOWN => {}
        _ => return UP_ALREADY,
    }
    if !deactivated || belongs_to_the_operator(ctxt, cache, c"mc_server_activate") {
        return 0; // It failed: it is tried again by itself, and used when it can be.
    }
    // SAFETY: a server of the list.
    unsafe { ((*server)._deactivated, (*server).active) = (0, UNTRIED) };
    cache.pass_use_on(server);
    if ctxt.places_keys_itself() {
        cache.empty(server);
    }
    0
}

/// Takes a server that mc_server_deactivate took out back into use. It is not connected to here; what it
/// holds from before is flushed by one of the next calls, and then it is used. One that failed by itself
/// needs no call: it is tried again and used as soon as it can be. 0; -1: its host is unknown, or
/// a pointer is NULL; -2: it was never added to this handle; -3: it is up already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_activate(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    ms: *mut memcache_server,
) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context and handle.
        let (ctxt, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        (!ms.is_null()).then(|| activate(ctxt, cache, ms))
    })
}

/// See mcm_server_activate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_activate(mc: *mut memcache, ms: *mut memcache_server) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_activate(mc_global_ctxt(), mc, ms) }
}

/// Takes every server that is down back into use; see mcm_server_activate. 0, or -1 when a pointer is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_activate_all(ctxt: *const memcache_ctxt, mc: *mut memcache) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context and handle.
        let (ctxt, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        for server in cache.servers() {
            activate(ctxt, cache, server);
        }
        Some(0)
    })
}

/// See mcm_server_activate_all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_activate_all(mc: *mut memcache) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_activate_all(mc_global_ctxt(), mc) }
}

/// Takes a server out of use: closes its connection and marks it down, until mc_server_activate. In a
/// process with a pool file in MEMCACHE_POOL this is ignored: its operator decides.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_deactivate(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    ms: *mut memcache_server,
) {
    guard((), || {
        // SAFETY: the caller's context and handle.
        let (ctxt, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        let known = cache.servers().any(|one| one == ms);
        if !known || belongs_to_the_operator(ctxt, cache, c"mc_server_deactivate") {
            return None;
        }
        // SAFETY: a server of the list.
        unsafe { ((*ms)._deactivated, (*ms).active, (*ms).fd) = (1, DOWN, -1) };
        cache.pass_use_on(ms);
        Some(())
    });
}

/// See mcm_server_deactivate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_deactivate(mc: *mut memcache, ms: *mut memcache_server) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_deactivate(mc_global_ctxt(), mc, ms) }
}
