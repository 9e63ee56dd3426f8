//! The handle: struct memcache, its making and its end.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};

use libc::timeval;

use super::constants::MCM_ERR_ASSERT;
use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::guard;
use super::handle::{Handle, NOT_IN_POOL, Private};
use super::list::{self, tailq_head};
use super::server::{self, memcache_server};
use super::types::u_int32_t;

/// A handle on a pool of servers. One thread at a time may use it; any number of handles may be used
/// at once, in as many threads. A debug build of the library notices two threads in one handle:
/// the second call raises ASSERT, does nothing and fails. Callbacks, error handlers and hooks may use
/// the handle that called them, in the same thread.
///
/// After fork() a child may go on with its parent's handles, and so may the parent: the child makes
/// connections of its own. Not with a handle that another thread was inside of at that moment; and a child
/// that a callback, handler or hook forks uses handles of its own, and does not return from it.
/// Made by mc_new, freed by mc_free.
#[repr(C)]
#[derive(Debug)]
pub struct memcache {
    /// The program's own.
    pub misc: *mut std::ffi::c_void,
    /// The timeout of servers that are added from now on; see mc_timeout.
    pub tv: timeval,
    /// How many servers there are in the list.
    pub num_servers: u_int32_t,
    /// The servers in their order, and a NULL. NULL while there are none.
    pub servers: *mut *mut memcache_server,
    /// The same servers as a tail queue.
    pub server_list: tailq_head<memcache_server>,
    /// Private.
    pub _handle: *mut std::ffi::c_void,
}

const TWO_THREADS: &str = "a struct memcache is used by two threads at once: give each thread its own, \
                           or let them take turns";

/// A caller's handle, for the length of one call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Cache(NonNull<memcache>);

impl Cache {
    /// `None` for NULL, and, in a debug build, after raising ASSERT, when another thread is inside.
    ///
    /// # Safety
    /// `mc` is NULL or came from mcm_new and was not freed, and no other thread uses it meanwhile.
    pub(super) unsafe fn new(mc: *const memcache) -> Option<Cache> {
        let cache = NonNull::new(mc.cast_mut()).map(Cache)?;
        // SAFETY: the caller's promise; these two fields are never changed, and a handle is freed by
        // mcm_free only, which takes its mark away.
        let (free, ctxt) = unsafe {
            let private = (*cache.as_ptr())._handle.cast::<Private>();
            ((*private).turn.take(), (*private).ctxt)
        };
        if !free {
            ctxt.raise(c"mc", MCM_ERR_ASSERT, format_args!("{TWO_THREADS}"));
        }
        free.then_some(cache)
    }

    /// A fresh handle without servers; `None` when there is no memory, which is raised.
    pub(super) fn make(ctxt: Context, function: &CStr) -> Option<Cache> {
        let fresh = memcache {
            misc: ptr::null_mut(),
            tv: timeval { tv_sec: 0, tv_usec: 0 },
            num_servers: 0,
            servers: ptr::null_mut(),
            server_list: tailq_head { tqh_first: ptr::null_mut(), tqh_last: ptr::null_mut() },
            _handle: ptr::null_mut(),
        };
        let mc = ctxt.allocate(function, fresh)?;
        // SAFETY: a fresh struct.
        unsafe {
            list::init(&raw mut (*mc).server_list);
            (*mc)._handle = Box::into_raw(Box::new(Private::new(ctxt))).cast();
        }
        // SAFETY: it is complete now.
        unsafe { Cache::new(mc) }
    }

    pub(super) fn as_ptr(self) -> *mut memcache {
        self.0.as_ptr()
    }

    /// What is behind it. No code of the program's may run while the reference is used.
    pub(super) fn handle<'a>(self) -> &'a mut Handle {
        // SAFETY: the promise of `new`: set by mcm_new and nobody else's. Every use of the reference ends
        // within the call that the handle was given to.
        unsafe { &mut (*(*self.as_ptr())._handle.cast::<Private>()).handle }
    }

    /// The context that it was made with.
    pub(super) fn ctxt(self) -> Context {
        // SAFETY: as in `handle`; never changed.
        unsafe { (*(*self.as_ptr())._handle.cast::<Private>()).ctxt }
    }

    /// The servers of the list, in order.
    pub(super) fn servers(self) -> impl Iterator<Item = *mut memcache_server> {
        // SAFETY: the promise of `new`; the list is ours.
        unsafe { list::iter(&raw const (*self.as_ptr()).server_list) }
    }

    /// Appends a server. False when the array cannot grow; the list is unchanged then.
    ///
    /// # Safety
    /// `server` is a live struct of this context that is in no list.
    pub(super) unsafe fn append(self, ctxt: Context, server: *mut memcache_server) -> bool {
        let mc = self.as_ptr();
        // SAFETY: the promises of `new` and of the caller. The array has one place more than there
        // are servers, for its NULL.
        unsafe {
            let count = (*mc).num_servers as usize;
            let size = (count + 2) * size_of::<*mut memcache_server>();
            let Some(grown) = ctxt.realloc(c"mc_server_add", (*mc).servers.cast(), size) else {
                return false;
            };
            (*mc).servers = grown.as_ptr().cast();
            (*mc).servers.add(count).write(server);
            (*mc).servers.add(count + 1).write(ptr::null_mut());
            (*mc).num_servers += 1;
            list::append(&raw mut (*mc).server_list, server);
            (*server)._owner = mc;
            (*server)._nagle |= std::ffi::c_char::from(!self.handle().chosen.nodelay);
        }
        self.handle().list_changed();
        true
    }

    /// Keeps a server that is in no list, to be freed with the handle unless the program frees it before.
    pub(super) fn keep_unlisted(self, server: &mut memcache_server) {
        (server._owner, server._id) = (self.as_ptr(), NOT_IN_POOL);
        self.handle().unlisted.push(server);
    }

    /// Whether a server was kept in no list; it is given up then, for the program to free.
    pub(super) fn gives_up_unlisted(self, server: *mut memcache_server) -> bool {
        let Handle { unlisted, alone, .. } = self.handle();
        let Some(at) = unlisted.iter().position(|kept| *kept == server) else { return false };
        unlisted.swap_remove(at);
        alone.remove(&server);
        true
    }

    /// Takes a server out of the list.
    ///
    /// # Safety
    /// `server` is in this list.
    pub(super) unsafe fn take_out(self, server: *mut memcache_server) {
        let mc = self.as_ptr();
        // SAFETY: the promises of `new` and of the caller; the array ends in a NULL that moves along.
        unsafe {
            list::remove(&raw mut (*mc).server_list, server);
            (*server)._owner = ptr::null_mut();
            let mut place = (*mc).servers;
            while !(*place).is_null() && *place != server {
                place = place.add(1);
            }
            while !(*place).is_null() {
                *place = *place.add(1);
                place = place.add(1);
            }
            (*mc).num_servers -= 1;
        }
        self.handle().list_changed();
    }
}

/// A new handle. NULL when there is no memory. It has no servers and the timeouts are 0, the
/// defaults: a call may take 500 ms, a connection 100 ms to be made. Free it with mc_free.
///
/// When the environment names a pool file (MEMCACHE_POOL=/path/pool.toml; ignored under setuid), the
/// handle's servers are those of the file, with its backups and timeouts, and the program's own
/// mc_server_add calls are accepted and ignored. A file that cannot be used is told to the error
/// handler (SERV_LIST at ERR level, one line per problem), and the handle has no servers: its calls
/// answer -1, "no server". It is not NULL, because to programs that means "out of memory", and
/// some do not look; and it never falls back to the program's own servers, which the operator did
/// not mean.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_new(ctxt: *const memcache_ctxt) -> *mut memcache {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context.
        let ctxt = unsafe { Context::new(ctxt) }?;
        let cache = Cache::make(ctxt, c"mc_new")?;
        cache.adopt_pool_file(ctxt);
        Some(cache.as_ptr())
    })
}

/// See mcm_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_new() -> *mut memcache {
    // SAFETY: the global context is always valid.
    unsafe { mcm_new(mc_global_ctxt()) }
}

/// Frees a handle, its servers and their connections. NULL is fine. ctxt is the one it was made with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_free(ctxt: *const memcache_ctxt, mc: *mut memcache) {
    guard((), || {
        // SAFETY: the caller's context and handle.
        let (ctxt, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        // SAFETY: nobody uses the handle any more; each part came from this context or, the
        // private one, from mcm_new's Box.
        unsafe {
            let private = Box::from_raw((*mc)._handle.cast::<Private>());
            private.turn.forget();
            for server in cache.servers().chain(private.handle.unlisted.iter().copied()) {
                server::free(ctxt, server);
            }
            ctxt.free((*mc).servers);
            ctxt.free(mc);
            drop(private);
        }
        Some(())
    });
}

/// See mcm_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_free(mc: *mut memcache) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_free(mc_global_ctxt(), mc) }
}

/// Seconds and microseconds as a struct timeval; less than nothing is nothing.
pub(super) fn span(sec: c_int, usec: c_int) -> timeval {
    if sec < 0 || usec < 0 {
        return timeval { tv_sec: 0, tv_usec: 0 };
    }
    let (sec, usec) = (i64::from(sec), i64::from(usec));
    timeval { tv_sec: sec + usec / 1_000_000, tv_usec: usec % 1_000_000 }
}

/// Sets the timeout of the servers that are added from now on, in seconds and microseconds. 0, 0 or
/// less is the default, 500 ms. A call ends within the longest timeout of its handle's servers,
/// however many of them it has to ask. (A server that joins the pool of a file has the longest timeout of those
/// that were there.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_timeout(ctxt: *const memcache_ctxt, mc: *mut memcache, sec: c_int, usec: c_int) {
    guard((), || {
        // SAFETY: the caller's context and handle.
        let (_, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        // SAFETY: a live struct.
        unsafe { (*cache.as_ptr()).tv = span(sec, usec) };
        Some(())
    });
}

/// See mcm_timeout.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_timeout(mc: *mut memcache, sec: c_int, usec: c_int) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_timeout(mc_global_ctxt(), mc, sec, usec) }
}
