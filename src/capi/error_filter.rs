//! Which severities are silenced.

use std::ffi::c_int;

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{NO, guard};
use super::types::u_int32_t;

/// The mask before and after a change of it.
///
/// # Safety
/// As [`Context::new`].
unsafe fn filter(ctxt: *const memcache_ctxt, change: impl FnOnce(u32) -> u32) -> Option<c_int> {
    // SAFETY: the caller's promise.
    let ctxt = unsafe { Context::new(ctxt) }?;
    // SAFETY: a live context.
    let mask = unsafe { &mut (*ctxt.as_ptr()).err_mask };
    let before = std::mem::replace(mask, change(*mask));
    Some(c_int::from(before != *mask))
}

/// Silences severities: errors of these raise nothing. By default INFO and NOTICE are silenced.
/// err_mask: MCM_ERR_LVL_... joined by |. Returns 1 when that changed anything, 0 when not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_err_filter_add(ctxt: *mut memcache_ctxt, err_mask: u_int32_t) -> c_int {
    // SAFETY: the caller's context.
    guard(NO, || unsafe { filter(ctxt, |mask| mask | err_mask) })
}

/// See mcm_err_filter_add.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_err_filter_add(err_mask: u_int32_t) -> c_int {
    // SAFETY: the global context is always valid.
    unsafe { mcm_err_filter_add(mc_global_ctxt(), err_mask) }
}

/// Lets severities be heard again. Returns 1 when that changed anything, 0 when not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_err_filter_del(ctxt: *mut memcache_ctxt, err_mask: u_int32_t) -> c_int {
    // SAFETY: the caller's context.
    guard(NO, || unsafe { filter(ctxt, |mask| mask & !err_mask) })
}

/// See mcm_err_filter_del.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_err_filter_del(err_mask: u_int32_t) -> c_int {
    // SAFETY: the global context is always valid.
    unsafe { mcm_err_filter_del(mc_global_ctxt(), err_mask) }
}

/// The silenced severities, joined by |.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_err_filter_get(ctxt: *const memcache_ctxt) -> u_int32_t {
    // SAFETY: the caller's context.
    guard(0, || unsafe { ctxt.as_ref() }.map(|ctxt| ctxt.err_mask))
}

/// See mcm_err_filter_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_err_filter_get() -> u_int32_t {
    // SAFETY: the global context is always valid.
    unsafe { mcm_err_filter_get(mc_global_ctxt()) }
}

/// 1 when a severity (of several, each) is silenced, 0 when not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_err_filter_test(ctxt: *const memcache_ctxt, err_lvl: u_int32_t) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context.
        let mask = unsafe { ctxt.as_ref() }?.err_mask;
        Some(c_int::from(err_lvl != 0 && mask & err_lvl == err_lvl))
    })
}

/// See mcm_err_filter_test.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_err_filter_test(err_lvl: u_int32_t) -> c_int {
    // SAFETY: the global context is always valid.
    unsafe { mcm_err_filter_test(mc_global_ctxt(), err_lvl) }
}
