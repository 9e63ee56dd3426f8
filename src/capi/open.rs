//! Opening a pool by its file.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::guard;
use super::memcache::{Cache, mcm_free, memcache};
use crate::config;

/// The first `most` bytes of a text, or a few fewer, so that no letter is cut.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// As much of a message as `room` bytes hold: whole lines, or, where not even the first one fits, its
/// beginning.
fn fitting(message: &str, room: usize) -> &str {
    if message.len() <= room {
        return message;
    }
    let most = beginning(message, room);
    // A line that ends just behind the room is whole.
    let ends_here = message.as_bytes().get(most.len()) == Some(&b'\n');
    match most.rfind('\n') {
        Some(end) if !ends_here => &most[..end],
        _ => most,
    }
}

/// Where a caller wants to read what is wrong.
#[derive(Clone, Copy)]
struct Complaint {
    memory: *mut c_char,
    size: usize,
}

impl Complaint {
    /// # Safety
    /// `memory` is NULL or has `size` bytes that may be written.
    unsafe fn write(self, message: &str) {
        let Some(room) = self.size.checked_sub(1).filter(|_| !self.memory.is_null()) else { return };
        let text = fitting(message, room);
        // SAFETY: the caller's promise.
        unsafe {
            ptr::copy_nonoverlapping(text.as_ptr().cast(), self.memory, text.len());
            self.memory.add(text.len()).write(0);
        }
    }
}

/// A handle of the pool that a file describes.
///
/// # Safety
/// `file` is NULL or ends in a NUL.
unsafe fn open(ctxt: Context, file: *const c_char) -> Result<*mut memcache, String> {
    const NO_MEMORY: &str = "there is no memory for the handle";
    if file.is_null() {
        return Err("pool_file is NULL; it must be the path of a pool file".to_owned());
    }
    // SAFETY: the caller's promise.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(file) }.to_bytes()));
    let file = config::read(path).map_err(|problems| problems.to_string())?;
    let cache = Cache::make(ctxt, c"mc_open").ok_or(NO_MEMORY)?;
    if cache.adopt(ctxt, Some(file)) {
        return Ok(cache.as_ptr());
    }
    // SAFETY: fresh from this context, and never handed out.
    unsafe { mcm_free(ctxt.as_ptr(), cache.as_ptr()) };
    Err(NO_MEMORY.to_owned())
}

/// A new handle with the servers and options of a pool file, whatever MEMCACHE_POOL says. pool_file is
/// a path that ends in a NUL. The servers are the operator's: the program's own mc_server_add calls are
/// accepted and ignored, and mc_option_set changes timeouts only. Names that do not resolve now keep
/// their slots. Free the handle with mc_free.
///
/// NULL when the file cannot be read or used, when pool_file is NULL, or when there is no memory. Then
/// error has the message: every problem as "file:line: what is wrong, and what is allowed", one per line,
/// as many whole lines as fit into error_size bytes (of a single line what fits), always with a NUL.
/// After a success it is empty. error may be NULL, error_size 0: then nobody is told. The error handler
/// is told of missing memory alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_open(
    ctxt: *const memcache_ctxt,
    pool_file: *const c_char,
    error: *mut c_char,
    error_size: usize,
) -> *mut memcache {
    let complaint = Complaint { memory: error, size: error_size };
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context, text and memory. What it says first is what stays if it panics.
        unsafe {
            complaint.write("a fault of the library; it told more on standard error");
            let opened = match Context::new(ctxt) {
                Some(ctxt) => open(ctxt, pool_file),
                None => Err("the context is NULL".to_owned()),
            };
            match opened {
                Ok(mc) => {
                    complaint.write("");
                    Some(mc)
                }
                Err(message) => {
                    complaint.write(&message);
                    None
                }
            }
        }
    })
}

/// See mcm_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_open(
    pool_file: *const c_char,
    error: *mut c_char,
    error_size: usize,
) -> *mut memcache {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_open(mc_global_ctxt(), pool_file, error, error_size) }
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn a_message_is_cut_at_a_lines_end() {
        let message = "one: bad\ntwo: worse\nthree";
        for (room, fits) in [
            (100, message),
            (25, message),
            (24, "one: bad\ntwo: worse"),
            (19, "one: bad\ntwo: worse"),
            (18, "one: bad"),
            (8, "one: bad"),
            (7, "one: ba"),
            (0, ""),
        ] {
            assert_eq!(fitting(message, room), fits, "{room}");
        }
        assert_eq!(fitting("a\u{e9}b", 2), "a", "no half of a letter");
    }
}
