//! A buffer's text and memory by their ends and sizes; reading into it and consuming it.

use std::ffi::{c_char, c_int};
use std::ptr;

use super::buffer_text::{Text, done};
use super::buffer_type::memcache_buf;
use super::constants::MCM_ERR_ASSERT;
use super::context::memcache_ctxt;
use super::guard::{NO, guard};
use super::types::u_int32_t;

/// Set in `flags` when part of the text was consumed.
const OFF_USED: c_char = 1;

/// The text's length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_len(ctxt: *const memcache_ctxt, buf: *const memcache_buf) -> u_int32_t {
    guard(0, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe { Some(Text::new(ctxt, buf)?.fields().len as u_int32_t) }
    })
}

/// How much memory is not used by the text: size - len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_remain(ctxt: *const memcache_ctxt, buf: *const memcache_buf) -> usize {
    guard(0, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let text = Text::new(ctxt, buf)?;
            Some(text.fields().size - text.len())
        }
    })
}

/// How much of the text is not consumed: len - off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_remain_off(ctxt: *const memcache_ctxt, buf: *const memcache_buf) -> usize {
    guard(0, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let text = Text::new(ctxt, buf)?;
            Some(text.len().saturating_sub(text.fields().off))
        }
    })
}

/// Where the text ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_tail(ctxt: *mut memcache_ctxt, buf: *mut memcache_buf) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let text = Text::new(ctxt, buf)?;
            Some(text.at(text.len()))
        }
    })
}

/// The text with a NUL behind it. It belongs to the buffer. NULL when there is no memory for the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_to_cstr(ctxt: *mut memcache_ctxt, buf: *mut memcache_buf) -> *mut c_char {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let mut text = Text::new(ctxt, buf)?;
            let len = text.len();
            text.reserve(len).then(|| {
                text.end();
                text.at(0)
            })
        }
    })
}

/// Makes a to z of the text upper case, in place. Returns buf.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_to_upper(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
) -> *mut memcache_buf {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let text = Text::new(ctxt, buf)?;
            for offset in 0..text.len() {
                let place = text.at(offset).cast::<u8>();
                *place = (*place).to_ascii_uppercase();
            }
            Some(buf)
        }
    })
}

/// Gives the buffer size bytes of memory, or twice what it has where that is more. A smaller size gives
/// memory back, but the text stays whole. 0 changes nothing. 1; 0 when there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_realloc(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    size: u_int32_t,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let mut text = Text::new(ctxt, buf)?;
            let (size, old) = (size as usize, text.fields().size);
            if size == 0 || size == old {
                return Some(1);
            }
            let wanted = if size > old { size.max(old.saturating_mul(2)) } else { size.max(text.len() + 1) };
            done(text.set_size(wanted))
        }
    })
}

/// Gives the buffer size + 1 bytes of memory and sets the length to size; bytes beyond the old text are
/// 0. 1; 0 when there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_resize(
    ctxt: *mut memcache_ctxt,
    buf: *mut memcache_buf,
    size: u_int32_t,
) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let mut text = Text::new(ctxt, buf)?;
            let (size, old) = (size as usize, text.len());
            if !text.set_size(size + 1) {
                return Some(0);
            }
            for offset in old..size {
                text.at(offset).write(0);
            }
            text.fields_mut().len = size;
            text.end();
            Some(1)
        }
    })
}

/// Gives back the memory that the text does not need. 1; 0 when that failed, and nothing is changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_compact(ctxt: *mut memcache_ctxt, buf: *mut memcache_buf) -> c_int {
    guard(NO, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let mut text = Text::new(ctxt, buf)?;
            let size = text.len() + 1;
            done(text.set_size(size))
        }
    })
}

/// Moves off past the next newline. Raises ASSERT when there is none, and moves nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_eat_line(ctxt: *mut memcache_ctxt, buf: *mut memcache_buf) {
    guard((), || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let mut text = Text::new(ctxt, buf)?;
            let off = text.fields().off.min(text.len());
            match memchr::memchr(b'\n', &text.bytes()[off..]) {
                Some(at) => {
                    text.fields_mut().off = off + at + 1;
                    text.fields_mut().flags |= OFF_USED;
                }
                None => {
                    let what = format_args!("no newline is left in the buffer");
                    text.ctxt.raise(c"mcm_buf_eat_line", MCM_ERR_ASSERT, what);
                }
            }
            Some(())
        }
    })
}

/// Reads once from a file descriptor, with read(2), behind the text; a full buffer is doubled first.
/// Returns how many bytes came, 0 at the end, on an error, or without memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_buf_read(ctxt: *mut memcache_ctxt, buf: *mut memcache_buf, fd: c_int) -> usize {
    guard(0, || {
        // SAFETY: the caller's context, buffers and texts.
        unsafe {
            let mut text = Text::new(ctxt, buf)?;
            let len = text.len();
            if !text.reserve(len + 1) {
                return None;
            }
            let room = text.fields().size - len - 1;
            let came = usize::try_from(libc::read(fd, text.at(len).cast(), room)).ok()?;
            text.fields_mut().len = len + came;
            text.end();
            Some(came)
        }
    })
}
