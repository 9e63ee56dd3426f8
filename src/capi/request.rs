//! Requests: the keys of one fetch, their responses, and who is told.

use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use super::constants::*;
use super::context::{Context, mc_global_ctxt, mcResCallback, memcache_ctxt};
use super::guard::{bytes, guard};
use super::landing::{self, Landings};
use super::list::{self, Linked, tailq_entry, tailq_head};
use super::types::{u_int16_t, u_int32_t};
use crate::rules::wire::Value;

/// A request: the keys of one fetch. Made by mc_req_new, freed by mc_req_free. It may be fetched
/// again and again.
#[repr(C)]
#[derive(Debug)]
pub struct memcache_req {
    /// The program's own.
    pub misc: *mut c_void,
    /// The responses, one for every key that was added: walk them with TAILQ_FOREACH.
    pub query: tailq_head<memcache_res>,
    /// The callbacks.
    pub cb: tailq_head<memcache_res_cb>,
    /// How many responses there are.
    pub num_keys: u_int16_t,
    /// Private.
    pub _removals: u_int32_t,
    /// Private.
    pub _fetches: u_int32_t,
}

/// One key of a request and what came of it.
#[repr(C)]
#[derive(Debug)]
pub struct memcache_res {
    /// The program's own.
    pub misc: *mut c_void,
    /// The key.
    pub key: *mut c_char,
    /// The key's length.
    pub len: usize,
    /// The key's hash.
    pub hash: u_int32_t,
    /// The value's full length. 0 when there is none.
    pub bytes: usize,
    /// The value. Set by the library, with a NUL behind it that is not counted; or set by the
    /// program, together with size, to where the value shall go.
    pub val: *mut c_void,
    /// 0: the library shall allocate val; it sets size = bytes. Else how much fits into the program's
    /// own val: at most so many bytes are copied there, and the rest is dropped.
    pub size: usize,
    /// The links of the request's query.
    pub entries: tailq_entry<memcache_res>,
    /// The flags that were stored with the value.
    pub flags: u_int16_t,
    /// MCM_RES_...
    pub _flags: c_char,
    /// Private: what val was when the library allocated it.
    pub _own: *mut c_void,
    /// Private: what size was then.
    pub _own_size: usize,
    /// Private: the program said who frees val.
    pub _told: c_char,
}

/// A callback that waits for a response.
#[repr(C)]
#[derive(Debug)]
pub struct memcache_res_cb {
    /// What the callback is given.
    pub misc: *mut c_void,
    /// What it was registered with.
    pub ctxt: *const memcache_ctxt,
    /// The request.
    pub req: *mut memcache_req,
    /// The response.
    pub res: *mut memcache_res,
    /// The callback.
    pub cb: mcResCallback,
    /// The links of the request's cb.
    pub entries: tailq_entry<memcache_res_cb>,
    /// Private: the last fetch it was told of.
    pub _told: u_int32_t,
}

impl Linked for memcache_res {
    unsafe fn links(element: *mut Self) -> *mut tailq_entry<Self> {
        // SAFETY: a live struct, by the caller's promise.
        unsafe { &raw mut (*element).entries }
    }
}

impl Linked for memcache_res_cb {
    unsafe fn links(element: *mut Self) -> *mut tailq_entry<Self> {
        // SAFETY: a live struct, by the caller's promise.
        unsafe { &raw mut (*element).entries }
    }
}

impl memcache_res {
    /// The key's bytes.
    pub(super) fn key_bytes(&self) -> &[u8] {
        // SAFETY: set by mc_req_add or mc_req_add_ref, whose callers keep it as it is.
        unsafe { bytes(self.key.cast(), self.len) }.unwrap_or_default()
    }

    pub(super) fn has(&self, flag: c_char) -> bool {
        self._flags & flag != 0
    }

    /// Whether `val` is what the library allocated. A program that freed it and made room of its own may
    /// have been given the same address for that: then the size is another one.
    fn is_allocated(&self) -> bool {
        !self.val.is_null() && self.val == self._own && (self.size == 0 || self.size == self._own_size)
    }

    /// Whether `val` is the library's: it allocated it, and nobody took it over or replaced it.
    fn owns_value(&self) -> bool {
        self.is_allocated() && !self.has(MCM_RES_NO_FREE_ON_DELETE)
    }

    /// Whether the program said where the value shall go.
    fn has_place(&self) -> bool {
        !self.val.is_null() && self.size > 0 && !self.is_allocated()
    }

    /// Whether the value goes with the response. The mark on what the library allocated does not pass on
    /// to what the program put in its place.
    fn frees_value(&self) -> bool {
        let marked = self._own.is_null() || self.is_allocated() || self._told != 0;
        self.has(MCM_RES_FREE_ON_DELETE) && marked
    }

    /// A fetch begins: what an earlier one found is gone.
    pub(super) fn begin(&mut self, ctxt: Context) {
        self._flags = (self._flags | MCM_RES_ATTEMPTED) & !MCM_RES_FOUND;
        self.bytes = 0;
        self.flags = 0;
        if !self.has_place() {
            if self.owns_value() {
                // SAFETY: from this context, and the library's still.
                unsafe { ctxt.free(self.val) };
            }
            (self.val, self.size, self._own) = (ptr::null_mut(), 0, ptr::null_mut());
        }
    }

    /// Where a value of that length is received at once.
    pub(super) fn room<'r>(
        &'r mut self,
        landings: &'r mut Landings,
        index: usize,
        len: usize,
    ) -> Option<&'r mut [MaybeUninit<u8>]> {
        if !self.has_place() {
            return landings.room(index, len);
        }
        // SAFETY: the program's own memory of `size` bytes.
        (len <= self.size).then(|| unsafe { landing::room(self.val, len) })
    }

    /// Takes the value in. False when there is no memory for it.
    pub(super) fn take(&mut self, landings: &mut Landings, index: usize, value: &Value<'_>) -> bool {
        if self.has_place() {
            let fits = value.data.len().min(self.size);
            // SAFETY: the program's own memory of `size` bytes.
            unsafe { ptr::copy_nonoverlapping(value.data.as_ptr(), self.val.cast(), fits) };
        } else {
            let Some(memory) = landings.take(index, value) else { return false };
            self.val = memory.as_ptr();
            (self._own, self._own_size, self.size) = (self.val, value.len(), value.len());
            if !self.has(MCM_RES_NO_FREE_ON_DELETE) {
                self._flags |= MCM_RES_FREE_ON_DELETE;
            }
        }
        self.bytes = value.len();
        self.flags = value.flags as u_int16_t; // the old interface has 16 bits of them
        self._flags |= MCM_RES_FOUND;
        true
    }
}

/// Frees a response that is in no request any more.
///
/// # Safety
/// It came from this context, and nobody uses it any more.
pub(super) unsafe fn free(ctxt: Context, res: *mut memcache_res) {
    // SAFETY: the caller's promise.
    unsafe {
        if (*res).frees_value() {
            ctxt.free((*res).val);
        }
        if (*res).has(MCM_RES_NEED_FREE_KEY) {
            ctxt.free((*res).key);
        }
        ctxt.free(res);
    }
}

/// A new request without keys; NULL when there is no memory. Free it with mc_req_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_req_new(ctxt: *const memcache_ctxt) -> *mut memcache_req {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context.
        let ctxt = unsafe { Context::new(ctxt) }?;
        let fresh = memcache_req {
            misc: ptr::null_mut(),
            query: tailq_head { tqh_first: ptr::null_mut(), tqh_last: ptr::null_mut() },
            cb: tailq_head { tqh_first: ptr::null_mut(), tqh_last: ptr::null_mut() },
            num_keys: 0,
            _removals: 0,
            _fetches: 0,
        };
        let req = ctxt.allocate(c"mc_req_new", fresh)?;
        // SAFETY: a fresh struct.
        unsafe {
            list::init(&raw mut (*req).query);
            list::init(&raw mut (*req).cb);
        }
        Some(req)
    })
}

/// See mcm_req_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_req_new() -> *mut memcache_req {
    // SAFETY: the global context is always valid.
    unsafe { mcm_req_new(mc_global_ctxt()) }
}

/// Adds a response for a key to a request.
///
/// # Safety
/// The pointers are what [`mcm_req_add`] asks for.
unsafe fn add(
    function: &CStr,
    ctxt: *const memcache_ctxt,
    req: *mut memcache_req,
    key: *const c_char,
    len: usize,
    copied: bool,
) -> Option<*mut memcache_res> {
    // SAFETY: the caller's promise.
    let (ctxt, request) = unsafe { (Context::new(ctxt)?, req.as_mut()?) };
    if key.is_null() || request.num_keys == u16::MAX {
        return None;
    }
    // SAFETY: the caller's promise.
    let text = unsafe { bytes(key.cast(), len) }?;
    let fresh = memcache_res {
        misc: ptr::null_mut(),
        key: key.cast_mut(),
        len,
        hash: crate::rules::hash::KeyHash::of(text).value(),
        bytes: 0,
        val: ptr::null_mut(),
        size: 0,
        entries: tailq_entry { tqe_next: ptr::null_mut(), tqe_prev: ptr::null_mut() },
        flags: 0,
        _flags: 0,
        _own: ptr::null_mut(),
        _own_size: 0,
        _told: 0,
    };
    let res = ctxt.allocate(function, fresh)?;
    if copied {
        let Some(copy) = ctxt.copy_text(function, text) else {
            // SAFETY: fresh from this context.
            unsafe { ctxt.free(res) };
            return None;
        };
        // SAFETY: a fresh struct.
        unsafe { ((*res).key, (*res)._flags) = (copy, MCM_RES_NEED_FREE_KEY) };
    }
    // SAFETY: the caller's request, and a fresh response that is in none.
    unsafe { list::append(&raw mut (*req).query, res) };
    request.num_keys += 1;
    Some(res)
}

/// Adds a key to a request, which copies it. key points to len bytes. The same key may be added several
/// times, and each gets its value. Returns its response, which belongs to the request; NULL when a
/// pointer is NULL, when there is no memory, or when the request has 65,535 keys already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_req_add(
    ctxt: *const memcache_ctxt,
    req: *mut memcache_req,
    key: *const c_char,
    len: usize,
) -> *mut memcache_res {
    // SAFETY: the caller's promise.
    guard(ptr::null_mut(), || unsafe { add(c"mc_req_add", ctxt, req, key, len, true) })
}

/// See mcm_req_add.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_req_add(
    req: *mut memcache_req,
    key: *const c_char,
    len: usize,
) -> *mut memcache_res {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_req_add(mc_global_ctxt(), req, key, len) }
}

/// As mcm_req_add, and keeps your pointer instead of a copy: the key must stay as it is for as long as
/// the response lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_req_add_ref(
    ctxt: *const memcache_ctxt,
    req: *mut memcache_req,
    key: *const c_char,
    len: usize,
) -> *mut memcache_res {
    // SAFETY: the caller's promise.
    guard(ptr::null_mut(), || unsafe { add(c"mc_req_add_ref", ctxt, req, key, len, false) })
}

/// See mcm_req_add_ref.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_req_add_ref(
    req: *mut memcache_req,
    key: *const c_char,
    len: usize,
) -> *mut memcache_res {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_req_add_ref(mc_global_ctxt(), req, key, len) }
}

/// Frees a request with its responses, the keys it copied, its callbacks, and every value that is
/// marked so (see mc_res_free_on_delete). NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_req_free(ctxt: *const memcache_ctxt, req: *mut memcache_req) {
    guard((), || {
        // SAFETY: the caller's context and request, which nobody uses any more.
        unsafe {
            let ctxt = Context::new(ctxt)?;
            let request = req.as_ref()?;
            list::iter(&request.cb).for_each(|cb| ctxt.free(cb));
            list::iter(&request.query).for_each(|res| free(ctxt, res));
            ctxt.free(req);
        }
        Some(())
    });
}

/// See mcm_req_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_req_free(req: *mut memcache_req) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_req_free(mc_global_ctxt(), req) }
}
