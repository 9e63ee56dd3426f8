//! One response of a request: what became of it, who frees its value, who is told of it.

use std::ffi::{c_int, c_void};
use std::ptr;

use super::constants::*;
use super::context::{Context, mc_global_ctxt, mcResCallback, memcache_ctxt};
use super::error::unless_replaced;
use super::guard::{FAILED, NO, guard};
use super::list::{self, tailq_entry};
use super::request::{free, memcache_req, memcache_res, memcache_res_cb};

/// Takes a response out of its request and frees it with its callbacks, its copied key and, when
/// marked so, its value. A callback may free its own response, or any other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_res_free(
    ctxt: *const memcache_ctxt,
    req: *mut memcache_req,
    res: *mut memcache_res,
) {
    guard((), || {
        // SAFETY: the caller's context and request.
        let (ctxt, request) = unsafe { (Context::new(ctxt)?, req.as_mut()?) };
        if res.is_null() {
            return None;
        }
        // SAFETY: the response is in this request, as its callbacks are.
        unsafe {
            for cb in list::iter(&request.cb) {
                if (*cb).res == res {
                    list::remove(&raw mut request.cb, cb);
                    ctxt.free(cb);
                }
            }
            list::remove(&raw mut request.query, res);
            free(ctxt, res);
        }
        request.num_keys = request.num_keys.saturating_sub(1);
        request._removals = request._removals.wrapping_add(1);
        Some(())
    });
}

/// See mcm_res_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_res_free(req: *mut memcache_req, res: *mut memcache_res) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_res_free(mc_global_ctxt(), req, res) }
}

/// Whether a fetch of the response was tried: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_res_attempted(ctxt: *const memcache_ctxt, res: *const memcache_res) -> c_int {
    guard(NO, || {
        let _ = ctxt;
        // SAFETY: the caller's response.
        Some(c_int::from(unsafe { res.as_ref() }?.has(MCM_RES_ATTEMPTED)))
    })
}

/// See mcm_res_attempted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_res_attempted(res: *const memcache_res) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_res_attempted(mc_global_ctxt(), res) }
}

/// Whether the last fetch of the response found a value: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_res_found(ctxt: *const memcache_ctxt, res: *const memcache_res) -> c_int {
    guard(NO, || {
        let _ = ctxt;
        // SAFETY: the caller's response.
        let res = unsafe { res.as_ref() }?;
        Some(c_int::from(res.has(MCM_RES_ATTEMPTED) && res.has(MCM_RES_FOUND)))
    })
}

/// See mcm_res_found.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_res_found(res: *const memcache_res) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_res_found(mc_global_ctxt(), res) }
}

/// Who frees the response's val. 1: it is freed with the response, by the context's free. 0: you own
/// it, also what later fetches allocate. By default the library frees what it allocated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_res_free_on_delete(
    ctxt: *const memcache_ctxt,
    res: *mut memcache_res,
    free_on_delete: c_int,
) {
    guard((), || {
        let _ = ctxt;
        // SAFETY: the caller's response.
        let res = unsafe { res.as_mut() }?;
        let (set, cleared) = match free_on_delete {
            0 => (MCM_RES_NO_FREE_ON_DELETE, MCM_RES_FREE_ON_DELETE),
            _ => (MCM_RES_FREE_ON_DELETE, MCM_RES_NO_FREE_ON_DELETE),
        };
        res._flags = (res._flags | set) & !cleared;
        res._told = 1;
        Some(())
    });
}

/// See mcm_res_free_on_delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_res_free_on_delete(res: *mut memcache_res, free_on_delete: c_int) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_res_free_on_delete(mc_global_ctxt(), res, free_on_delete) }
}

/// Has a function called once after every fetch of a response, found or not, when all reading is done.
/// misc is handed to it. 0, or -1 when a pointer but misc is NULL or there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_res_register_fetch_cb(
    ctxt: *const memcache_ctxt,
    req: *mut memcache_req,
    res: *mut memcache_res,
    cb: mcResCallback,
    misc: *mut c_void,
) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context and request.
        let (context, request) = unsafe { (Context::new(ctxt)?, req.as_mut()?) };
        if res.is_null() || cb.is_none() {
            return None;
        }
        let entries = tailq_entry { tqe_next: ptr::null_mut(), tqe_prev: ptr::null_mut() };
        let fresh = memcache_res_cb { misc, ctxt, req, res, cb, entries, _told: request._fetches };
        Some(unless_replaced(|| {
            let cb = context.allocate(c"mc_res_register_fetch_cb", fresh).ok_or(FAILED)?;
            // SAFETY: the caller's request, and a fresh struct that is in no list.
            unsafe { list::append(&raw mut request.cb, cb) };
            Ok(())
        }))
    })
}

/// See mcm_res_register_fetch_cb.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_res_register_fetch_cb(
    req: *mut memcache_req,
    res: *mut memcache_res,
    cb: mcResCallback,
    misc: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_res_register_fetch_cb(mc_global_ctxt(), req, res, cb, misc) }
}

/// Calls every callback of a request once. One may free responses, and with them callbacks that were
/// not called yet: then the walk begins anew, past those that were told of this fetch.
///
/// # Safety
/// `req` is a live request that the callbacks do not free.
pub(super) unsafe fn call_back(ctxt: Context, req: *mut memcache_req) {
    // SAFETY: the caller's promise; a callback's struct is read before it is called, and its
    // neighbour is used only when nothing was taken out meanwhile.
    unsafe {
        (*req)._fetches = (*req)._fetches.wrapping_add(1);
        let fetch = (*req)._fetches;
        let mut cb = (*req).cb.tqh_first;
        while !cb.is_null() {
            let removals = (*req)._removals;
            if std::mem::replace(&mut (*cb)._told, fetch) != fetch
                && let Some(function) = (*cb).cb
            {
                function(ctxt.as_ptr(), (*cb).res, (*cb).misc);
            }
            cb = if (*req)._removals == removals { list::next(cb) } else { (*req).cb.tqh_first };
        }
    }
}
