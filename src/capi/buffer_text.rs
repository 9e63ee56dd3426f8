//! A caller's buffer and what can be done with it; the exports of buffer.rs and its siblings call this.
//!
//! A buffer that the library made ends in a NUL behind its `len` bytes; `size` counts that NUL's place.
//! Programs may set `len` and `off` themselves (there are macros for it), so nothing here trusts them
//! beyond `size`.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use super::buffer_type::memcache_buf;
use super::constants::INIT_GET_BUF_SIZE;
use super::context::{Context, memcache_ctxt};
use super::guard;
use super::list::tailq_entry;

/// A caller's buffer, for the length of one call.
pub(super) struct Text {
    pub(super) ctxt: Context,
    buf: *mut memcache_buf,
}

impl Text {
    /// `None` when a pointer is NULL.
    ///
    /// # Safety
    /// As [`Context::new`]; `buf` is NULL or a live buffer of that context.
    pub(super) unsafe fn new(ctxt: *const memcache_ctxt, buf: *const memcache_buf) -> Option<Text> {
        // SAFETY: the caller's promise.
        let ctxt = unsafe { Context::new(ctxt) }?;
        (!buf.is_null()).then_some(Text { ctxt, buf: buf.cast_mut() })
    }

    pub(super) fn fields(&self) -> &memcache_buf {
        // SAFETY: the promise of `new`; no code of the program's runs while it is used.
        unsafe { &*self.buf }
    }

    pub(super) fn fields_mut(&mut self) -> &mut memcache_buf {
        // SAFETY: as in `fields`.
        unsafe { &mut *self.buf }
    }

    pub(super) fn len(&self) -> usize {
        self.fields().len.min(self.fields().size)
    }

    /// The text.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: `size` bytes of memory are there, and `len` of them were written.
        unsafe { guard::bytes(self.fields().ptr.cast(), self.len()) }.unwrap_or_default()
    }

    /// Gives it exactly this much memory; the text is cut when it does not fit any more.
    pub(super) fn set_size(&mut self, size: usize) -> bool {
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
    pub(super) fn reserve(&mut self, len: usize) -> bool {
        let Some(needed) = len.checked_add(1) else { return false };
        let size = self.fields().size;
        needed <= size || self.set_size(needed.max(size.saturating_mul(2)))
    }

    /// Writes the NUL behind the text, where there is room.
    pub(super) fn end(&mut self) {
        let len = self.len();
        let fields = self.fields_mut();
        if !fields.ptr.is_null() && len < fields.size {
            // SAFETY: within the memory.
            unsafe { fields.ptr.add(len).write(0) };
        }
    }

    /// Appends bytes, which may be part of this very text: a pointer, for a reference must see nothing change while
    /// it is an argument. They are readable.
    pub(super) fn append(&mut self, more: *const [u8]) -> bool {
        let start = self.fields().ptr as usize;
        let within = (more.cast::<u8>() as usize).checked_sub(start).filter(|at| *at < self.fields().size);
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
                None => more.cast(),
            };
            ptr::copy(from, fields.ptr.add(len).cast::<u8>(), more.len());
        }
        fields.len = total;
        self.end();
        true
    }

    pub(super) fn reset(&mut self) {
        let fields = self.fields_mut();
        (fields.len, fields.off, fields.flags) = (0, 0, 0);
        self.end();
    }

    /// Gives its memory back.
    pub(super) fn free(self) {
        // SAFETY: from this context, by the promise of `new`; the last use of it.
        unsafe {
            self.ctxt.free(self.fields().ptr);
            self.ctxt.free(self.buf);
        }
    }

    pub(super) fn at(&self, offset: usize) -> *mut c_char {
        // SAFETY: within the memory, or one past it.
        unsafe { self.fields().ptr.add(offset) }
    }
}

/// A new buffer of this text.
pub(super) fn make(ctxt: Context, text: &[u8]) -> Option<*mut memcache_buf> {
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

/// The bytes before a text's NUL; `None` for NULL.
///
/// # Safety
/// `text` is NULL or ends in a NUL and stays as it is while `'a` lasts.
pub(super) unsafe fn c_text<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// Makes `new` the text; it may be part of the old one.
pub(super) fn replace_text(text: &mut Text, new: *const [u8]) -> bool {
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
pub(super) fn done(did: bool) -> Option<c_int> {
    Some(c_int::from(did))
}
