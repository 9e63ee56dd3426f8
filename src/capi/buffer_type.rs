//! The buffer's struct; a header of its own (`<memcache/_buffer.h>`), since `<memcache.h>` names it too.

use std::ffi::c_char;

use super::list::tailq_entry;

/// A growing text. Made by mcm_buf_new and its siblings, freed by mcm_buf_free. Text always ends in a
/// NUL that is not counted.
#[repr(C)]
#[derive(Debug)]
pub struct memcache_buf {
    /// The text.
    pub ptr: *mut c_char,
    /// MCM_BUF_OFF_USED, or 0.
    pub flags: c_char,
    /// The text's length.
    pub len: usize,
    /// The size of the memory behind ptr.
    pub size: usize,
    /// How much of the text was consumed.
    pub off: usize,
    /// For a program's own queues.
    pub next: tailq_entry<memcache_buf>,
}
