//! Comparing buffers, and finding and replacing in them.

use std::ffi::{c_char, c_int};
use std::ptr;

use super::buffer_text::{Text, c_text, make};
use super::buffer_type::memcache_buf;
use super::context::{Context, memcache_ctxt};
use super::guard::{self, NO, guard};

/// A new buffer with every match of `find` replaced; overlapping matches count once, an empty one not at
/// all. All of it in the context's memory, which may say that there is not as much.
fn make_replaced(ctxt: Context, text: &[u8], find: &[u8], replace: &[u8]) -> Option<*mut memcache_buf> {
    let buf = make(ctxt, b"")?;
    // SAFETY: fresh from this context.
    let mut made = unsafe { Text::new(ctxt.as_ptr(), buf) }?;
    let mut rest = text;
    let mut whole = true;
    while whole
        && !find.is_empty()
        && let Some(at) = memchr::memmem::find(rest, find)
    {
        whole = made.append(&rest[..at]) && made.append(replace);
        rest = &rest[at + find.len()..];
    }
    if whole && made.append(rest) {
        return Some(buf);
    }
    made.free();
    None
}

/// 1 when the text is these len bytes, 0 when not or for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_cmp(
    ctxt: *mut memcache_ctxt,
    buf: *const memcache_buf,
    str: *const c_char,
    len: usize,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { Some(c_int::from(Text::new(ctxt, buf)?.bytes() == guard::bytes(str.cast(), len)?)) }
    })
}

/// 1 when the text is this one, 0 when not or for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_cmp2(
    ctxt: *mut memcache_ctxt,
    buf: *const memcache_buf,
    str: *const c_char,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { Some(c_int::from(Text::new(ctxt, buf)?.bytes() == c_text(str)?)) }
    })
}

/// 1 when both have the same text, 0 when not or for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_cmp_buf(
    ctxt: *mut memcache_ctxt,
    buf: *const memcache_buf,
    other: *const memcache_buf,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { Some(c_int::from(Text::new(ctxt, buf)?.bytes() == Text::new(ctxt, other)?.bytes())) }
    })
}

/// 1 when the text ends with these len bytes, 0 when not or for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_end(
    ctxt: *mut memcache_ctxt,
    buf: *const memcache_buf,
    str: *const c_char,
    len: usize,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { Some(c_int::from(Text::new(ctxt, buf)?.bytes().ends_with(guard::bytes(str.cast(), len)?))) }
    })
}

/// 1 when the text ends with this one, 0 when not or for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_end2(
    ctxt: *mut memcache_ctxt,
    buf: *const memcache_buf,
    str: *const c_char,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { Some(c_int::from(Text::new(ctxt, buf)?.bytes().ends_with(c_text(str)?))) }
    })
}

/// 1 when the text ends with the other's, 0 when not or for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_end_buf(
    ctxt: *mut memcache_ctxt,
    buf: *const memcache_buf,
    other: *mut memcache_buf,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let other = Text::new(ctxt, other)?;
            Some(c_int::from(Text::new(ctxt, buf)?.bytes().ends_with(other.bytes())))
        }
    })
}

/// The first place where the text has this one (which ends in a NUL), or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_find(
    ctxt: *mut memcache_ctxt,
    buf: *const memcache_buf,
    str: *const c_char,
) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let text = Text::new(ctxt, buf)?;
            let at = memchr::memmem::find(text.bytes(), c_text(str)?)?;
            Some(text.at(at))
        }
    })
}

/// The first place where the text has these len bytes, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_find2(
    ctxt: *mut memcache_ctxt,
    buf: *const memcache_buf,
    str: *const c_char,
    len: usize,
) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let text = Text::new(ctxt, buf)?;
            let at = memchr::memmem::find(text.bytes(), guard::bytes(str.cast(), len)?)?;
            Some(text.at(at))
        }
    })
}

/// The first place where the text has the other's, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_find_buf(
    ctxt: *mut memcache_ctxt,
    buf: *const memcache_buf,
    other: *const memcache_buf,
) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let text = Text::new(ctxt, buf)?;
            let at = memchr::memmem::find(text.bytes(), Text::new(ctxt, other)?.bytes())?;
            Some(text.at(at))
        }
    })
}

/// A new buffer with every match of find replaced. An empty find matches nothing. NULL when a pointer is
/// NULL or there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_find_replace(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    find: *mut memcache_buf,
    replace: *mut memcache_buf,
) -> *mut memcache_buf {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let (text, find) = (Text::new(ctxt, buf)?, Text::new(ctxt, find)?);
            make_replaced(text.ctxt, text.bytes(), find.bytes(), Text::new(ctxt, replace)?.bytes())
        }
    })
}

/// As mcm_buf_find_replace; find is a text that ends in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_find_replace2(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    find: *const c_char,
    replace: *mut memcache_buf,
) -> *mut memcache_buf {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let text = Text::new(ctxt, buf)?;
            make_replaced(text.ctxt, text.bytes(), c_text(find)?, Text::new(ctxt, replace)?.bytes())
        }
    })
}
