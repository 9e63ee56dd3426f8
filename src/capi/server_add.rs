//! Adding servers to a handle, in the five ways that the old interface has.

use std::ffi::{CStr, c_char, c_int};
use std::time::Duration;

use libc::timeval;

use super::address;
use super::constants::*;
use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::error::unless_replaced;
use super::guard::{FAILED, bytes, guard};
use super::handle;
use super::memcache::{Cache, memcache};
use super::server::{UNKNOWN_HOST, free, fresh, memcache_server};
use crate::rules::pool::Server;

/// What was missing for a server to be added, as mc_server_add tells it.
#[derive(Clone, Copy)]
enum NotAdded {
    Memory = -1,
    HostCopy = -2,
    PortCopy = -3,
    UnknownHost = -4,
    Room = -5,
}

/// A server's struct with its texts.
fn named(ctxt: Context, tv: timeval, host: &[u8], port: &[u8]) -> Result<*mut memcache_server, NotAdded> {
    const HERE: &CStr = c"mc_server_add";
    let server = ctxt.allocate(HERE, fresh(tv)).ok_or(NotAdded::Memory)?;
    let Some(hostname) = ctxt.copy_text(HERE, host) else {
        // SAFETY: fresh from this context, and in no list.
        unsafe { free(ctxt, server) };
        return Err(NotAdded::HostCopy);
    };
    // SAFETY: a fresh struct.
    unsafe { (*server).hostname = hostname };
    let Some(port) = ctxt.copy_text(HERE, port) else {
        // SAFETY: as above; its host goes with it.
        unsafe { free(ctxt, server) };
        return Err(NotAdded::PortCopy);
    };
    // SAFETY: a fresh struct.
    unsafe { (*server).port = port };
    Ok(server)
}

/// A server of a pool file becomes visible in the list. Its name is looked up when the handle is first used: one
/// that does not resolve today leaves its slot in the pool.
pub(super) fn append_configured(
    ctxt: Context,
    cache: Cache,
    configured: &Server,
    timeout: Duration,
) -> Option<()> {
    let (host, port) = handle::texts(configured);
    let tv = timeval {
        tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
        tv_usec: timeout.subsec_micros().into(),
    };
    let server = named(ctxt, tv, &host, &port).ok()?;
    // SAFETY: fresh from this context, and in no list.
    if unsafe { cache.append(ctxt, server) } {
        return Some(());
    }
    // SAFETY: as above.
    unsafe { free(ctxt, server) };
    None
}

/// Resolves a server and puts it into the list. On failure it is the caller's still.
fn adopt(ctxt: Context, cache: Cache, server: *mut memcache_server) -> Result<(), NotAdded> {
    // SAFETY: a live struct whose texts end in a NUL.
    let (host, port) = unsafe { (CStr::from_ptr((*server).hostname), CStr::from_ptr((*server).port)) };
    match address::resolve(host, port) {
        Ok(resolved) => {
            // SAFETY: a live struct that nobody else uses; an older list is its own.
            unsafe {
                if !(*server).hostinfo.is_null() {
                    libc::freeaddrinfo((*server).hostinfo);
                }
                (*server).hostinfo = resolved.hostinfo;
                (*server).num_addrs = resolved.count;
            }
        }
        Err(why) => {
            // SAFETY: as above.
            unsafe { (*server).active = UNKNOWN_HOST };
            ctxt.raise(c"mc_server_add", MCM_ERR_NET_HOST, format_args!("{why}"));
            return Err(NotAdded::UnknownHost);
        }
    }
    // SAFETY: a live struct of this context that is in no list.
    if unsafe { cache.append(ctxt, server) } { Ok(()) } else { Err(NotAdded::Room) }
}

fn or_default<'a>(text: &'a [u8], default: &'a [u8]) -> &'a [u8] {
    if text.is_empty() { default } else { text }
}

/// Adds a server by its texts: what every mc_server_add but add3 does.
fn add(ctxt: Context, cache: Cache, host: &[u8], port: &[u8]) -> c_int {
    if cache.handle().has_file() {
        cache.ignores_a_server(ctxt);
        return 0;
    }
    let host = or_default(host, address::DEFAULT_HOST);
    let port = or_default(port, address::DEFAULT_PORT_TEXT);
    // SAFETY: a live struct.
    let tv = unsafe { (*cache.as_ptr()).tv };
    unless_replaced(|| {
        let server = named(ctxt, tv, host, port).map_err(|why| why as c_int)?;
        adopt(ctxt, cache, server).map_err(|why| {
            // SAFETY: fresh from this context, and in no list.
            unsafe { free(ctxt, server) };
            why as c_int
        })
    })
}

/// The bytes before a text's NUL; none for NULL.
///
/// # Safety
/// `text` is NULL or ends in a NUL and stays as it is while `'a` lasts.
unsafe fn text<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: the caller's promise.
    if text.is_null() { &[] } else { unsafe { CStr::from_ptr(text) }.to_bytes() }
}

/// Bytes of a length, up to a NUL among them; none for NULL.
///
/// # Safety
/// `start` is NULL or points to `len` readable bytes that stay as they are while `'a` lasts.
unsafe fn text_of<'a>(start: *const c_char, len: usize) -> &'a [u8] {
    // SAFETY: the caller's promise.
    let all = unsafe { bytes(start.cast(), len) }.unwrap_or_default();
    &all[..memchr::memchr(0, all).unwrap_or(all.len())]
}

/// Adds a server to a handle. hostname: a name, an address, or a unix socket as /path or unix:/path;
/// NULL or empty: localhost. port: a number or a service's name; NULL or empty: 11211. Both end in a
/// NUL and are copied. Adding the same server several times gives it a weight. Nothing is connected
/// yet.
///
/// 0: added (or ignored, in a process that has a pool file in MEMCACHE_POOL). -1: no memory, or mc is
/// NULL; -2, -3: no memory for the host, the port; -4: the host does not resolve; -5: the list could
/// not grow. The list is as it was after a failure. A handler's retcode replaces each but 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_add(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    hostname: *const c_char,
    port: *const c_char,
) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context, handle and texts.
        unsafe { Some(add(Context::new(ctxt)?, Cache::new(mc)?, text(hostname), text(port))) }
    })
}

/// See mcm_server_add.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_add(
    mc: *mut memcache,
    hostname: *const c_char,
    port: *const c_char,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_add(mc_global_ctxt(), mc, hostname, port) }
}

/// As mcm_server_add, for texts of a length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_add2(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    hostname: *const c_char,
    hostname_len: usize,
    port: *const c_char,
    port_len: usize,
) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context, handle and texts.
        unsafe {
            let (ctxt, cache) = (Context::new(ctxt)?, Cache::new(mc)?);
            Some(add(ctxt, cache, text_of(hostname, hostname_len), text_of(port, port_len)))
        }
    })
}

/// See mcm_server_add2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_add2(
    mc: *mut memcache,
    hostname: *const c_char,
    hostname_len: usize,
    port: *const c_char,
    port_len: usize,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_add2(mc_global_ctxt(), mc, hostname, hostname_len, port, port_len) }
}

/// Adds a server that mc_server_new made. Its hostname and port are NULL or memory of the context's
/// allocator (mc_strdup); NULL stands for the default. Returns as mc_server_add, and -1 when ms is
/// NULL or was added before. After 0 the struct belongs to the handle; else it is still yours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_add3(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    ms: *mut memcache_server,
) -> c_int {
    const HERE: &CStr = c"mc_server_add3";
    guard(FAILED, || {
        // SAFETY: the caller's context, handle and server.
        let (ctxt, cache, server) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?, ms.as_mut()?) };
        if !server._owner.is_null() {
            return None;
        }
        if cache.handle().has_file() {
            cache.ignores_a_server(ctxt);
            cache.keep_unlisted(server);
            return Some(0);
        }
        let copy = |text, why: NotAdded| ctxt.copy_text(HERE, text).ok_or(why as c_int);
        Some(unless_replaced(|| {
            if server.hostname.is_null() {
                server.hostname = copy(address::DEFAULT_HOST, NotAdded::HostCopy)?;
            }
            if server.port.is_null() {
                server.port = copy(address::DEFAULT_PORT_TEXT, NotAdded::PortCopy)?;
            }
            adopt(ctxt, cache, ms).map_err(|why| why as c_int)
        }))
    })
}

/// See mcm_server_add3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_add3(mc: *mut memcache, ms: *mut memcache_server) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_add3(mc_global_ctxt(), mc, ms) }
}

/// As mcm_server_add, for one text: host:port, host, [v6]:port, a v6 address, /path or unix:/path. NULL
/// or empty: localhost:11211.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_add4(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    hostport: *const c_char,
) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context, handle and text.
        let (ctxt, cache, text) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?, text(hostport)) };
        let (host, port) = address::split(text);
        Some(add(ctxt, cache, host, port))
    })
}

/// See mcm_server_add4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_add4(mc: *mut memcache, hostport: *const c_char) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_add4(mc_global_ctxt(), mc, hostport) }
}

/// As mcm_server_add4, for a text of a length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_add5(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    hostport: *const c_char,
    hostlen: usize,
) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context, handle and text.
        let (ctxt, cache, text) =
            unsafe { (Context::new(ctxt)?, Cache::new(mc)?, text_of(hostport, hostlen)) };
        let (host, port) = address::split(text);
        Some(add(ctxt, cache, host, port))
    })
}

/// See mcm_server_add5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_add5(mc: *mut memcache, hostport: *const c_char, hostlen: usize) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_add5(mc_global_ctxt(), mc, hostport, hostlen) }
}
