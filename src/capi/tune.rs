//! The four functions that the old header declared and no library had: names are resolved anew, and
//! sockets may wait.

use std::ffi::{CStr, c_int};

use super::address;
use super::constants::MCM_ERR_NET_HOST;
use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{FAILED, guard};
use super::memcache::{Cache, memcache};
use super::server::{UNKNOWN_HOST, UNTRIED, memcache_server};

/// Sets TCP_NODELAY of every server, those to be added too.
pub(super) fn set_nodelay(cache: Cache, enabled: bool) {
    for server in cache.servers() {
        // SAFETY: a server of the list.
        unsafe { (*server)._nagle = (!enabled).into() };
    }
    let handle = cache.handle();
    handle.chosen.nodelay = enabled;
    handle.terms_changed();
}

/// Resolves one server's name anew. Without an answer what was known before stays.
fn resolve(ctxt: Context, server: &mut memcache_server) -> bool {
    if server.hostname.is_null() || server.port.is_null() {
        return false;
    }
    // SAFETY: a live struct whose texts end in a NUL.
    let (host, port) = unsafe { (CStr::from_ptr(server.hostname), CStr::from_ptr(server.port)) };
    match address::resolve(host, port) {
        Ok(resolved) => {
            // SAFETY: it came from getaddrinfo, and nobody else uses it.
            unsafe {
                if !server.hostinfo.is_null() {
                    libc::freeaddrinfo(server.hostinfo);
                }
            }
            (server.hostinfo, server.num_addrs) = (resolved.hostinfo, resolved.count);
            if server.active == UNKNOWN_HOST {
                server.active = UNTRIED;
            }
            true
        }
        Err(why) => {
            ctxt.raise(c"mc_server_reset_dns", MCM_ERR_NET_HOST, format_args!("{why}"));
            false
        }
    }
}

/// Resolves the names of all servers anew; the next call connects to where they are now. It takes as
/// long as the system's resolver does. Keys live where they lived: a server is its name, not its
/// address. 0; -1 when a pointer is NULL, or when a name did not resolve: the error handler gets NET_HOST
/// for each, and what was known of it stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_reset_all_dns(ctxt: *const memcache_ctxt, mc: *mut memcache) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context and handle.
        let (ctxt, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        let mut complete = true;
        for server in cache.servers() {
            // SAFETY: a server of the list.
            complete &= resolve(ctxt, unsafe { &mut *server });
        }
        cache.handle().list_changed();
        complete.then_some(0)
    })
}

/// See mcm_server_reset_all_dns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_reset_all_dns(mc: *mut memcache) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_reset_all_dns(mc_global_ctxt(), mc) }
}

/// Resolves one server's name anew, as mcm_server_reset_all_dns; the handle it was added to connects
/// to all its servers anew.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_reset_dns(ctxt: *const memcache_ctxt, ms: *mut memcache_server) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context and server; its owner is NULL or a live handle.
        let (ctxt, server) = unsafe { (Context::new(ctxt)?, ms.as_mut()?) };
        let resolved = resolve(ctxt, server);
        // SAFETY: as above.
        if let Some(cache) = unsafe { Cache::new(server._owner) } {
            cache.handle().list_changed();
        }
        resolved.then_some(0)
    })
}

/// See mcm_server_reset_dns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_reset_dns(ms: *mut memcache_server) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_reset_dns(mc_global_ctxt(), ms) }
}

/// Whether what is sent to the servers of a handle leaves at once (TCP_NODELAY; preset: it does), or may
/// wait until what was sent before is acknowledged: enable is 1 or 0. For the servers of its list and those
/// added later, from now on. Of no effect on unix sockets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_nodelay_enable(ctxt: *const memcache_ctxt, mc: *mut memcache, enable: c_int) {
    guard((), || {
        // SAFETY: the caller's context and handle.
        let (_, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        set_nodelay(cache, enable != 0);
        Some(())
    });
}

/// See mcm_nodelay_enable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_nodelay_enable(mc: *mut memcache, enable: c_int) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_nodelay_enable(mc_global_ctxt(), mc, enable) }
}

/// As mcm_nodelay_enable, for one server. Where the same server is in the list several times, the last
/// one of them counts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_nodelay_enable(
    ctxt: *const memcache_ctxt,
    ms: *mut memcache_server,
    enable: c_int,
) {
    guard((), || {
        // SAFETY: the caller's context and server; its owner is NULL or a live handle.
        let (_, server) = unsafe { (Context::new(ctxt)?, ms.as_mut()?) };
        server._nagle = (enable == 0).into();
        // SAFETY: as above.
        if let Some(cache) = unsafe { Cache::new(server._owner) } {
            cache.handle().terms_changed();
        }
        Some(())
    });
}

/// See mcm_server_nodelay_enable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_nodelay_enable(ms: *mut memcache_server, enable: c_int) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_nodelay_enable(mc_global_ctxt(), ms, enable) }
}
