//! One server of a handle: its struct, its timeout, its connection.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::time::Duration;

use libc::{addrinfo, timeval};

use super::address;
use super::buffer_type::memcache_buf;
use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{NO, guard};
use super::list::{Linked, tailq_entry};
use super::memcache::{Cache, memcache, span};
use super::types::u_int32_t;
use crate::rules::address::Address;
use crate::rules::pool::Options;
use crate::rules::view::{Meta, ServerView, State};

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
    /// The socket, -1 when closed; as of the handle's last call.
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
    /// Private: its socket is without TCP_NODELAY.
    pub _nagle: c_char,
}

impl Linked for memcache_server {
    unsafe fn links(element: *mut Self) -> *mut tailq_entry<Self> {
        // SAFETY: a live struct, by the caller's promise.
        unsafe { &raw mut (*element).entries }
    }
}

pub(super) const UP: c_char = b'u' as c_char;
pub(super) const DOWN: c_char = b'd' as c_char;
pub(super) const UNTRIED: c_char = b't' as c_char;
pub(super) const UNKNOWN_HOST: c_char = b'n' as c_char;

/// What stands in a struct.
fn read<'a>(server: *mut memcache_server) -> &'a memcache_server {
    // SAFETY: a server of a list, that nobody writes to while a call is at work.
    unsafe { &*server }
}

/// How long a call to this server may take.
pub(super) fn timeout_of(server: *mut memcache_server) -> Duration {
    span_of(read(server).tv)
}

/// Whether the program, or the operator, has it in use.
pub(super) fn is_in_use(server: *mut memcache_server) -> bool {
    read(server)._deactivated == 0
}

/// Whether it shows as down although the program has it in use.
pub(super) fn has_failed(server: *mut memcache_server) -> bool {
    is_in_use(server) && read(server).active == DOWN
}

/// A timeout; the default for one that is not set.
pub(super) fn span_of(tv: timeval) -> Duration {
    match (u64::try_from(tv.tv_sec), u32::try_from(tv.tv_usec)) {
        (Ok(sec), Ok(usec)) if (sec, usec) != (0, 0) => {
            Duration::from_secs(sec) + Duration::from_micros(usec.into())
        }
        _ => Options::default().timeout,
    }
}

/// Whether what is sent to it leaves at once.
pub(super) fn has_nodelay(server: *mut memcache_server) -> bool {
    read(server)._nagle == 0
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

/// Which servers the program's own hash and find functions give, within one call.
pub(super) struct Chooser {
    ctxt: Context,
    cache: Cache,
    /// The call changes something, and a server is down that the program's find function may pass by.
    may_pass_by: bool,
}

impl Chooser {
    /// `mutates`: the call changes something. A find function of the program's may choose by what the structs show: it
    /// is as of now.
    pub(super) fn begin(ctxt: Context, cache: Cache, mutates: bool) -> Chooser {
        let failed = ctxt.finds_servers_itself() && cache.try_those_that_failed();
        Chooser { ctxt, cache, may_pass_by: failed && mutates }
    }

    /// The server for a key.
    pub(super) fn server_for(&self, key: &[u8]) -> Option<*mut memcache_server> {
        let (ctxt, cache, mc) = (self.ctxt, self.cache, self.cache.as_ptr());
        let (hash, find) = (ctxt.hash_function(), ctxt.find_function());
        // SAFETY: the context's functions, called with what their types ask for.
        let found = unsafe {
            let hash = hash(ctxt.as_ptr().cast(), mc.cast(), key.as_ptr().cast(), key.len());
            if !ctxt.finds_servers_itself() {
                // Nothing is diverted: nobody would know what to do about it when a server that failed is back.
                return in_order(cache, hash)?.find(|server| is_in_use(*server));
            }
            find(ctxt.as_ptr().cast(), mc.cast(), hash)
        };
        let found = found.cast::<memcache_server>();
        let found = cache.servers().find(|server| *server == found)?;
        if self.may_pass_by {
            cache.note_passed_by(found);
        }
        Some(found)
    }
}

/// The servers of the list from a hash's slot on; `None`: there are none.
fn in_order(cache: Cache, hash: u32) -> Option<impl Iterator<Item = *mut memcache_server>> {
    let first = (hash as usize).checked_rem(cache.servers().count())?;
    Some(cache.servers().skip(first).chain(cache.servers().take(first)))
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
        in_order(cache, hash)?.find(|server| cache.is_usable(*server)).map(|server| server.cast())
    })
}

/// A struct that names no server yet.
pub(super) fn fresh(tv: timeval) -> memcache_server {
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
        _nagle: 0,
    }
}

/// What `active` says of a server.
pub(super) fn activity(known: ServerView) -> c_char {
    match (known.state, known.meta) {
        (State::Down, _) => DOWN,
        (_, Meta::Unknown) => UNTRIED,
        _ => UP,
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
            if let Some(cache) = Cache::new(ms.as_ref()?._owner)
                && !cache.gives_up_unlisted(ms)
            {
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
/// a key's copies are while servers are down follows from the key, not from its hash alone; and where a
/// hash function of the program's chooses, calls keep to the server though it failed: see mcHashKey.)
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
