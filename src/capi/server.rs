//! Servers: adding them to a handle, and one server's struct.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::time::Duration;

use libc::{addrinfo, timeval};

use super::address;
use super::buffer_type::memcache_buf;
use super::constants::*;
use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{FAILED, NO, bytes, guard};
use super::handle;
use super::list::{Linked, tailq_entry};
use super::memcache::{Cache, memcache, span};
use super::types::u_int32_t;
use crate::rules::address::Address;
use crate::rules::pool::{Options, Server};

/// One server of a handle.
#[repr(C)]
#[derive(Debug)]
pub struct memcache_server {
    /// The program's own.
    pub misc: *mut c_void,
    /// The host's name or address, or unix:/path.
    pub hostname: *mut c_char,
    /// The port as text.
    pub port: *mut c_char,
    /// The socket, -1 when closed. As of the last change of the server's state.
    pub fd: c_int,
    /// The server's timeout; see mc_server_timeout.
    pub tv: timeval,
    /// 'u' up, 'd' down, 't' not tried yet, 'n' no such host.
    pub active: c_char,
    /// What the name resolved to when the server was added. NULL for a unix socket.
    pub hostinfo: *mut addrinfo,
    /// How many addresses that are.
    pub num_addrs: u_int32_t,
    /// Not used.
    pub rbuf: *mut memcache_buf,
    /// Not used.
    pub wbuf: *mut memcache_buf,
    /// Not used.
    pub _last_hash: u_int32_t,
    /// Not used.
    pub soff: usize,
    /// Not used.
    pub startoff: usize,
    /// The links of the handle's server_list.
    pub entries: tailq_entry<memcache_server>,
    /// Private.
    pub _owner: *mut memcache,
    /// Private.
    pub _id: u16,
    /// Private: the program took it out of use.
    pub _deactivated: c_char,
}

impl Linked for memcache_server {
    unsafe fn links(element: *mut Self) -> *mut tailq_entry<Self> {
        // SAFETY: a live struct, by the caller's promise.
        unsafe { &raw mut (*element).entries }
    }
}

pub(super) const DOWN: c_char = b'd' as c_char;
pub(super) const UNTRIED: c_char = b't' as c_char;
pub(super) const UNKNOWN_HOST: c_char = b'n' as c_char;

/// How long a call to this server may take.
pub(super) fn timeout_of(server: *mut memcache_server) -> Duration {
    // SAFETY: a server of a list.
    let tv = unsafe { (*server).tv };
    match (u64::try_from(tv.tv_sec), u32::try_from(tv.tv_usec)) {
        (Ok(sec), Ok(usec)) if (sec, usec) != (0, 0) => {
            Duration::from_secs(sec) + Duration::from_micros(usec.into())
        }
        _ => Options::default().timeout,
    }
}

/// Where a server listens; `None` when its struct names nothing that could be an address.
pub(super) fn address_of(server: *mut memcache_server) -> Option<Address> {
    // SAFETY: a server of a list, whose texts are NULL or end in a NUL.
    let (host, port, info) = unsafe { ((*server).hostname, (*server).port, (*server).hostinfo) };
    if host.is_null() {
        return None;
    }
    // SAFETY: as above.
    let host = unsafe { CStr::from_ptr(host) }.to_str().ok()?;
    if host.starts_with('/') {
        return format!("unix:{host}").parse().ok();
    }
    if host.starts_with("unix:") {
        return host.parse().ok();
    }
    let port = match address::port_of(info) {
        Some(port) => port,
        // SAFETY: as above.
        None if !port.is_null() => unsafe { CStr::from_ptr(port) }.to_str().ok()?.parse().ok()?,
        None => crate::rules::address::DEFAULT_PORT,
    };
    Some(Address::Tcp { host: host.to_owned(), port })
}

/// The server that the program's own hash and find functions give for a key.
pub(super) fn chosen_by_program(ctxt: Context, cache: Cache, key: &[u8]) -> Option<*mut memcache_server> {
    let mc = cache.as_ptr();
    let (hash, find) = (ctxt.hash_function(), ctxt.find_function());
    // SAFETY: the context's functions, called with what their types ask for.
    let found = unsafe {
        let hash = hash(ctxt.as_ptr().cast(), mc.cast(), key.as_ptr().cast(), key.len());
        find(ctxt.as_ptr().cast(), mc.cast(), hash)
    };
    let found = found.cast::<memcache_server>();
    cache.servers().find(|server| *server == found)
}

/// The default of mcServerFind: the hash's slot, or the next one of the list that is not down.
pub(super) unsafe extern "C-unwind" fn find_live(
    _ctxt: *const c_void,
    mc: *mut c_void,
    hash: u_int32_t,
) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: a find function is called with a handle.
        let cache = unsafe { Cache::new(mc.cast()) }?;
        let count = cache.servers().count();
        let first = (hash as usize).checked_rem(count)?;
        let in_order = cache.servers().skip(first).chain(cache.servers().take(first));
        in_order.into_iter().find(|server| cache.is_usable(*server)).map(|server| server.cast())
    })
}

fn fresh(tv: timeval) -> memcache_server {
    memcache_server {
        misc: ptr::null_mut(),
        hostname: ptr::null_mut(),
        port: ptr::null_mut(),
        fd: -1,
        tv,
        active: UNTRIED,
        hostinfo: ptr::null_mut(),
        num_addrs: 0,
        rbuf: ptr::null_mut(),
        wbuf: ptr::null_mut(),
        _last_hash: 0,
        soff: 0,
        startoff: 0,
        entries: tailq_entry { tqe_next: ptr::null_mut(), tqe_prev: ptr::null_mut() },
        _owner: ptr::null_mut(),
        _id: 0,
        _deactivated: 0,
    }
}

/// Frees a server's struct.
///
/// # Safety
/// It came from this context, is in no list, and nobody uses it any more.
pub(super) unsafe fn free(ctxt: Context, server: *mut memcache_server) {
    // SAFETY: the caller's promise.
    unsafe {
        if !(*server).hostinfo.is_null() {
            libc::freeaddrinfo((*server).hostinfo);
        }
        ctxt.free((*server).hostname);
        ctxt.free((*server).port);
        ctxt.free(server);
    }
}

/// Why a server was not added, as mc_server_add tells it.
#[derive(Clone, Copy)]
enum NotAdded {
    NoMemory = -1,
    NoHostCopy = -2,
    NoPortCopy = -3,
    NoSuchHost = -4,
    NoRoom = -5,
}

/// A server's struct with its texts.
fn named(ctxt: Context, tv: timeval, host: &[u8], port: &[u8]) -> Result<*mut memcache_server, NotAdded> {
    const HERE: &CStr = c"mc_server_add";
    let server = ctxt.allocate(HERE, fresh(tv)).ok_or(NotAdded::NoMemory)?;
    let Some(hostname) = ctxt.copy_text(HERE, host) else {
        // SAFETY: fresh from this context, and in no list.
        unsafe { free(ctxt, server) };
        return Err(NotAdded::NoHostCopy);
    };
    // SAFETY: a fresh struct.
    unsafe { (*server).hostname = hostname };
    let Some(port) = ctxt.copy_text(HERE, port) else {
        // SAFETY: as above; its host goes with it.
        unsafe { free(ctxt, server) };
        return Err(NotAdded::NoPortCopy);
    };
    // SAFETY: a fresh struct.
    unsafe { (*server).port = port };
    Ok(server)
}

/// A server of a pool file becomes visible in the list. It is resolved when it is connected to: a
/// name that does not resolve today leaves its slot in the pool.
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
            return Err(NotAdded::NoSuchHost);
        }
    }
    // SAFETY: a live struct of this context that is in no list.
    if unsafe { cache.append(ctxt, server) } { Ok(()) } else { Err(NotAdded::NoRoom) }
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
    let added = named(ctxt, tv, host, port).and_then(|server| {
        adopt(ctxt, cache, server).inspect_err(|_| {
            // SAFETY: fresh from this context, and in no list.
            unsafe { free(ctxt, server) };
        })
    });
    added.map_or_else(|why| why as c_int, |()| 0)
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
/// not grow. The list is as it was after a failure.
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
        if !server._owner.is_null() || cache.handle().ignored.contains(&ms) {
            return None;
        }
        if cache.handle().has_file() {
            cache.ignores_a_server(ctxt);
            cache.handle().ignored.push(ms);
            return Some(0);
        }
        if server.hostname.is_null() {
            match ctxt.copy_text(HERE, address::DEFAULT_HOST) {
                Some(copy) => server.hostname = copy,
                None => return Some(NotAdded::NoHostCopy as c_int),
            }
        }
        if server.port.is_null() {
            match ctxt.copy_text(HERE, address::DEFAULT_PORT_TEXT) {
                Some(copy) => server.port = copy,
                None => return Some(NotAdded::NoPortCopy as c_int),
            }
        }
        Some(adopt(ctxt, cache, ms).map_or_else(|why| why as c_int, |()| 0))
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

/// A server's struct for mc_server_add3; NULL when there is no memory. Free it with mc_server_free
/// unless it was added.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_new(ctxt: *const memcache_ctxt) -> *mut memcache_server {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context.
        let ctxt = unsafe { Context::new(ctxt) }?;
        ctxt.allocate(c"mc_server_new", fresh(span(0, 0)))
    })
}

/// See mcm_server_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_new() -> *mut memcache_server {
    // SAFETY: the global context is always valid.
    unsafe { mcm_server_new(mc_global_ctxt()) }
}

/// Frees a server with its texts. NULL is fine. One that is in a handle's list is taken out first,
/// which changes where keys live. (mc_free frees the servers of its list; there is no need to.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_free(ctxt: *const memcache_ctxt, ms: *mut memcache_server) {
    guard((), || {
        // SAFETY: the caller's context and server; its owner is NULL or a live handle.
        unsafe {
            let ctxt = Context::new(ctxt)?;
            if let Some(cache) = Cache::new(ms.as_ref()?._owner) {
                cache.take_out(ms);
            }
            free(ctxt, ms);
        }
        Some(())
    });
}

/// See mcm_server_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_free(ms: *mut memcache_server) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_free(mc_global_ctxt(), ms) }
}

/// Sets one server's timeout in seconds and microseconds; 0, 0 is the default. 1, or 0 when ms is NULL
/// or a number is negative. See mc_timeout.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_timeout(
    ctxt: *const memcache_ctxt,
    ms: *mut memcache_server,
    sec: c_int,
    usec: c_int,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context and server.
        let (_, server) = unsafe { (Context::new(ctxt)?, ms.as_mut()?) };
        if sec < 0 || usec < 0 {
            return None;
        }
        server.tv = span(sec, usec);
        Some(1)
    })
}

/// See mcm_server_timeout.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_timeout(ms: *mut memcache_server, sec: c_int, usec: c_int) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_timeout(mc_global_ctxt(), ms, sec, usec) }
}

/// The server for a hash, by the context's mcServerFind; NULL when none is usable. By default the
/// server at hash % num_servers, or, while that is down, the next one of the list that is not. (Where
/// a key's copies are while servers are down follows from the key, not from its hash alone.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_find(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    hash: u_int32_t,
) -> *mut memcache_server {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context and handle.
        let (context, _) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        // SAFETY: the context's find function.
        Some(unsafe { context.find_function()(ctxt.cast(), mc.cast(), hash) }.cast())
    })
}

/// See mcm_server_find.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_find(mc: *mut memcache, hash: u_int32_t) -> *mut memcache_server {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_find(mc_global_ctxt(), mc, hash) }
}

/// Closes a server's connection; its next use connects again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_disconnect(ctxt: *const memcache_ctxt, ms: *mut memcache_server) {
    guard((), || {
        // SAFETY: the caller's context and server; its owner is NULL or a live handle.
        let (_, cache) = unsafe { (Context::new(ctxt)?, Cache::new(ms.as_ref()?._owner)?) };
        cache.disconnect(ms);
        Some(())
    });
}

/// See mcm_server_disconnect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_disconnect(ms: *mut memcache_server) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_disconnect(mc_global_ctxt(), ms) }
}

/// Closes the connections to every server of a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_disconnect_all(ctxt: *const memcache_ctxt, mc: *const memcache) {
    guard((), || {
        // SAFETY: the caller's context and handle.
        let (_, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        cache.servers().for_each(|server| cache.disconnect(server));
        Some(())
    });
}

/// See mcm_server_disconnect_all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_disconnect_all(mc: *const memcache) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_disconnect_all(mc_global_ctxt(), mc) }
}
