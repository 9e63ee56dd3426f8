//! Small functions over texts that programs use beside the cache.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::guard;

/// How many bytes a text has before its NUL, `len` at most.
///
/// # Safety
/// `text` has `len` readable bytes, or fewer that end in a NUL.
unsafe fn bounded(text: *const c_char, len: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { libc::strnlen(text, len) }
}

/// A copy of a text in memory of the context's allocator. str ends in a NUL. NULL when str is NULL
/// or there is no memory. Free it with the context's free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_strdup(ctxt: *const memcache_ctxt, str: *const c_char) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context.
        let ctxt = unsafe { Context::new(ctxt) }?;
        if str.is_null() {
            return None;
        }
        // SAFETY: the caller's text.
        ctxt.copy_text(c"mc_strdup", unsafe { CStr::from_ptr(str) }.to_bytes())
    })
}

/// See mcm_strdup.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_strdup(str: *const c_char) -> *mut c_char {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_strdup(mc_global_ctxt(), str) }
}

/// A copy of the first len bytes of a text (or of fewer, up to its NUL), with a NUL behind them, in
/// memory of the context's allocator. NULL when str is NULL or there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_strndup(
    ctxt: *const memcache_ctxt,
    str: *const c_char,
    len: usize,
) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context.
        let ctxt = unsafe { Context::new(ctxt) }?;
        if str.is_null() {
            return None;
        }
        // SAFETY: the caller's text.
        let text = unsafe { super::guard::bytes(str.cast(), bounded(str, len)) }?;
        ctxt.copy_text(c"mc_strndup", text)
    })
}

/// See mcm_strndup.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_strndup(str: *const c_char, len: usize) -> *mut c_char {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_strndup(mc_global_ctxt(), str, len) }
}

/// The first c within the first len bytes of str and before any NUL, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_strnchr(
    ctxt: *const memcache_ctxt,
    str: *mut c_char,
    c: c_int,
    len: usize,
) -> *mut c_char {
    guard(ptr::null_mut(), || {
        let _ = ctxt;
        if str.is_null() {
            return None;
        }
        // SAFETY: the caller's text.
        let text = unsafe { super::guard::bytes(str.cast(), bounded(str, len)) }?;
        let at = memchr::memchr(c as u8, text)?;
        // SAFETY: within the text.
        Some(unsafe { str.add(at) })
    })
}

/// See mcm_strnchr.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_strnchr(str: *mut c_char, c: c_int, len: usize) -> *mut c_char {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_strnchr(mc_global_ctxt(), str, c, len) }
}

/// The first occurrence of find that lies whole within the first slen bytes of s and before any
/// NUL, or NULL. An empty find is found at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_strnstr(
    ctxt: *const memcache_ctxt,
    s: *mut c_char,
    find: *const c_char,
    slen: usize,
) -> *mut c_char {
    guard(ptr::null_mut(), || {
        let _ = ctxt;
        if s.is_null() || find.is_null() {
            return None;
        }
        // SAFETY: the caller's texts.
        let (text, find) =
            unsafe { (super::guard::bytes(s.cast(), bounded(s, slen))?, CStr::from_ptr(find).to_bytes()) };
        let at = memchr::memmem::find(text, find)?;
        // SAFETY: within the text.
        Some(unsafe { s.add(at) })
    })
}
