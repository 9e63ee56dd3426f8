//! The growing texts of `<memcache/buffer.h>`, which extensions of the old library used: making them and
//! changing their text. (Searching: buffer_search.rs. Their memory: buffer_size.rs.)

use std::ffi::{c_char, c_int};
use std::ptr;

use super::buffer_text::{Text, c_text, done, make, replace_text};
use super::buffer_type::memcache_buf;
use super::context::{Context, memcache_ctxt};
use super::guard::{self, NO, guard};
use super::types::u_int32_t;

/// A new buffer without text, of INIT_GET_BUF_SIZE bytes. NULL when there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_new(ctxt: *mut memcache_ctxt) -> *mut memcache_buf {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { make(Context::new(ctxt)?, b"") }
    })
}

/// A new buffer with a copy of len bytes. NULL when there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_new2(
    ctxt: *mut memcache_ctxt,
    str: *const c_char,
    len: u_int32_t,
) -> *mut memcache_buf {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { make(Context::new(ctxt)?, guard::bytes(str.cast(), len as usize)?) }
    })
}

/// A new buffer with a copy of a text that ends in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_new3(ctxt: *mut memcache_ctxt, str: *const c_char) -> *mut memcache_buf {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { make(Context::new(ctxt)?, c_text(str)?) }
    })
}

/// A new buffer with the same text. NULL when there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_copy(ctxt: *mut memcache_ctxt, buf: *mut memcache_buf) -> *mut memcache_buf {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let text = Text::new(ctxt, buf)?;
            make(text.ctxt, text.bytes())
        }
    })
}

/// Frees *buf and sets it to NULL. 1, or 0 when buf or *buf is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_free(ctxt: *mut memcache_ctxt, buf: *mut *mut memcache_buf) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let place = buf.as_mut()?;
            let text = Text::new(ctxt, *place)?;
            *place = ptr::null_mut();
            text.free();
            Some(1)
        }
    })
}

/// Appends len bytes. 1; 0 when a pointer is NULL or there is no memory, and nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_append(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    str: *const c_char,
    len: u_int32_t,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { done(Text::new(ctxt, buf)?.append(guard::bytes(str.cast(), len as usize)?)) }
    })
}

/// Appends a text that ends in a NUL. Returns as mcm_buf_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_append2(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    str: *const c_char,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { done(Text::new(ctxt, buf)?.append(c_text(str)?)) }
    })
}

/// Appends another buffer's text; it may be the same buffer. Returns as mcm_buf_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_append_buf(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    more: *mut memcache_buf,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let more = Text::new(ctxt, more)?;
            let more = guard::bytes(more.fields().ptr.cast(), more.len())?;
            done(Text::new(ctxt, buf)?.append(more))
        }
    })
}

/// Appends one character. Returns as mcm_buf_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_append_char(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    c: c_char,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { done(Text::new(ctxt, buf)?.append(&[c as u8])) }
    })
}

/// Makes len bytes the text; they may be part of the old one. Returns as mcm_buf_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_replace(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    str: *const c_char,
    len: u_int32_t,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let mut text = Text::new(ctxt, buf)?;
            let new = guard::bytes(str.cast(), len as usize)?;
            done(replace_text(&mut text, new))
        }
    })
}

/// Makes a text that ends in a NUL the text. Returns as mcm_buf_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_replace2(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    str: *const c_char,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let mut text = Text::new(ctxt, buf)?;
            done(replace_text(&mut text, c_text(str)?))
        }
    })
}

/// Makes another buffer's text the text. Returns as mcm_buf_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_replace_buf(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    new: *mut memcache_buf,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let new = Text::new(ctxt, new)?;
            let new = guard::bytes(new.fields().ptr.cast(), new.len())?;
            done(replace_text(&mut Text::new(ctxt, buf)?, new))
        }
    })
}

/// Empties a buffer: length and offset 0, flags cleared, the memory kept. 1; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_reset(ctxt: *mut memcache_ctxt, buf: *mut memcache_buf) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            Text::new(ctxt, buf)?.reset();
            Some(1)
        }
    })
}
