//! The growing texts of `<memcache/buffer.h>`, which extensions of the old library used.
//!
//! A buffer that the library made ends in a NUL behind its `len` bytes; `size` counts that NUL's place.
//! Programs may set `len` and `off` themselves (there are macros for it), so no function here trusts
//! them beyond `size`.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use super::buffer_type::memcache_buf;
use super::constants::{INIT_GET_BUF_SIZE, MCM_ERR_ASSERT};
use super::context::{Context, memcache_ctxt};
use super::guard::{self, NO, guard};
use super::list::tailq_entry;
use super::types::u_int32_t;

/// Set in `flags` when part of the text was consumed.
const OFF_USED: c_char = 1;

/// A caller's buffer, for the length of one call.
struct Text {
    ctxt: Context,
    buf: *mut memcache_buf,
}

impl Text {
    /// `None` when a pointer is NULL.
    ///
    /// # Safety
    /// As [`Context::new`]; `buf` is NULL or a live buffer of that context.
    unsafe fn new(ctxt: *const memcache_ctxt, buf: *const memcache_buf) -> Option<Text> {
        // SAFETY: the caller's promise.
        let ctxt = unsafe { Context::new(ctxt) }?;
        (!buf.is_null()).then_some(Text { ctxt, buf: buf.cast_mut() })
    }

    fn fields(&self) -> &memcache_buf {
        // SAFETY: the promise of `new`; no code of the program's runs while it is used.
        unsafe { &*self.buf }
    }

    fn fields_mut(&mut self) -> &mut memcache_buf {
        // SAFETY: as in `fields`.
        unsafe { &mut *self.buf }
    }

    fn len(&self) -> usize {
        self.fields().len.min(self.fields().size)
    }

    /// The text.
    fn bytes(&self) -> &[u8] {
        // SAFETY: `size` bytes of memory are there, and `len` of them were written.
        unsafe { guard::bytes(self.fields().ptr.cast(), self.len()) }.unwrap_or_default()
    }

    /// Gives it exactly this much memory; the text is cut when it does not fit any more.
    fn set_size(&mut self, size: usize) -> bool {
        let memory = self.fields().ptr.cast();
        // SAFETY: from this context, by the promise of `new`.
        let Some(memory) = (unsafe { self.ctxt.realloc(c"mcm_buf_realloc", memory, size) }) else {
            return false;
        };
        let fields = self.fields_mut();
        (fields.ptr, fields.size) = (memory.as_ptr().cast(), size);
        fields.len = fields.len.min(size.saturating_sub(1));
        fields.off = fields.off.min(fields.len);
        self.end();
        true
    }

    /// Makes room for a text of `len` bytes and its NUL; growing at least doubles.
    fn reserve(&mut self, len: usize) -> bool {
        let Some(needed) = len.checked_add(1) else { return false };
        let size = self.fields().size;
        needed <= size || self.set_size(needed.max(size.saturating_mul(2)))
    }

    /// Writes the NUL behind the text, where there is room.
    fn end(&mut self) {
        let len = self.len();
        let fields = self.fields_mut();
        if !fields.ptr.is_null() && len < fields.size {
            // SAFETY: within the memory.
            unsafe { fields.ptr.add(len).write(0) };
        }
    }

    /// Appends bytes, which may be part of this very text.
    fn append(&mut self, more: &[u8]) -> bool {
        let start = self.fields().ptr as usize;
        let within = (more.as_ptr() as usize).checked_sub(start).filter(|at| *at < self.fields().size);
        let len = self.len();
        let Some(total) = len.checked_add(more.len()) else { return false };
        if !self.reserve(total) {
            return false;
        }
        let fields = self.fields_mut();
        // SAFETY: there is room for `total` bytes; a part of this text moved with it.
        unsafe {
            let from = match within {
                Some(at) => fields.ptr.add(at).cast_const().cast(),
                None => more.as_ptr(),
            };
            ptr::copy(from, fields.ptr.add(len).cast::<u8>(), more.len());
        }
        fields.len = total;
        self.end();
        true
    }

    fn reset(&mut self) {
        let fields = self.fields_mut();
        (fields.len, fields.off, fields.flags) = (0, 0, 0);
        self.end();
    }

    /// Gives its memory back.
    fn free(self) {
        // SAFETY: from this context, by the promise of `new`; the last use of it.
        unsafe {
            self.ctxt.free(self.fields().ptr);
            self.ctxt.free(self.buf);
        }
    }

    fn at(&self, offset: usize) -> *mut c_char {
        // SAFETY: within the memory, or one past it.
        unsafe { self.fields().ptr.add(offset) }
    }
}

/// A new buffer of this text.
fn make(ctxt: Context, text: &[u8]) -> Option<*mut memcache_buf> {
    let fresh = memcache_buf {
        ptr: ptr::null_mut(),
        flags: 0,
        len: 0,
        size: 0,
        off: 0,
        next: tailq_entry { tqe_next: ptr::null_mut(), tqe_prev: ptr::null_mut() },
    };
    let buf = ctxt.allocate(c"mcm_buf_new", fresh)?;
    let mut made = Text { ctxt, buf };
    if made.set_size(INIT_GET_BUF_SIZE.max(text.len().saturating_add(1))) && made.append(text) {
        return Some(buf);
    }
    made.free();
    None
}

/// A new buffer with every match of `find` replaced; overlapping matches count once, an empty one not at
/// all. All of it in the context's memory, which may say that there is not as much.
fn make_replaced(ctxt: Context, text: &[u8], find: &[u8], replace: &[u8]) -> Option<*mut memcache_buf> {
    let buf = make(ctxt, b"")?;
    let mut made = Text { ctxt, buf };
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

/// The bytes before a text's NUL; `None` for NULL.
///
/// # Safety
/// `text` is NULL or ends in a NUL and stays as it is while `'a` lasts.
unsafe fn c_text<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// Makes `new` the text; it may be part of the old one.
fn replace_text(text: &mut Text, new: &[u8]) -> bool {
    // Appended first: without memory the old text stays, and a part of it is still there to copy.
    let old = text.len();
    if !text.append(new) {
        return false;
    }
    let start = text.at(0);
    // SAFETY: the new text lies behind the old one.
    unsafe { ptr::copy(start.add(old), start, new.len()) };
    let fields = text.fields_mut();
    (fields.len, fields.off, fields.flags) = (new.len(), 0, 0);
    text.end();
    true
}

/// Whether it did it, as 1 or 0.
fn done(did: bool) -> Option<c_int> {
    Some(c_int::from(did))
}

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
