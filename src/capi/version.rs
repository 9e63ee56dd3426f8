//! Which interface this is, and when its implementation was released.

use std::ffi::{CStr, c_char};
use std::ptr;

use super::context::memcache_ctxt;
use super::guard::guard;
use super::types::u_int32_t;

/// The interface's version as text; the header's MEMCACHE_VER.
const VERSION: &CStr = c"1.4.0";
/// The interface's version as a number; programs refuse any other. The header's MEMCACHE_VERNUM.
const NUMBER: u_int32_t = 10400;
/// When this implementation was released. The header's MEMCACHE_RELDATE.
const RELEASED: u_int32_t = 20261123;

/// The release date of this library, as the decimal number YYYYMMDD; MEMCACHE_RELDATE of its header.
#[unsafe(no_mangle)]
pub extern "C" fn mc_reldate() -> u_int32_t {
    guard(0, || Some(RELEASED))
}

/// See mc_reldate. ctxt is not used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_reldate(ctxt: *const memcache_ctxt) -> u_int32_t {
    let _ = ctxt;
    mc_reldate()
}

/// The version of the interface as a number: 10400; MEMCACHE_VERNUM of the header.
#[unsafe(no_mangle)]
pub extern "C" fn mc_vernum() -> u_int32_t {
    guard(0, || Some(NUMBER))
}

/// See mc_vernum. ctxt is not used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_vernum(ctxt: *const memcache_ctxt) -> u_int32_t {
    let _ = ctxt;
    mc_vernum()
}

/// The version of the interface as text; MEMCACHE_VER of the header. Not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn mc_version() -> *const c_char {
    guard(ptr::null(), || Some(VERSION.as_ptr()))
}

/// See mc_version. ctxt is not used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_version(ctxt: *const memcache_ctxt) -> *const c_char {
    let _ = ctxt;
    mc_version()
}
