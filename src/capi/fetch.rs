//! Fetching a value with a reason: into memory of the context's allocator, or the caller's.

use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use libc::time_t;

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::landing::{Landings, room};
use super::memcache::{Cache, memcache};
use super::reason::{everyday_reason_guard, mc_reason, reason_guard};
use super::types::{u_int32_t, u_int64_t};
use crate::rules::operation::{Batch, GetAndTouch, Outcome, Read};
use crate::rules::wire::Value;

use mc_reason::*;

/// Where a value goes.
enum Place {
    /// Into memory of the context's allocator, and a NUL behind it.
    Allocated(Landings),
    /// Into memory of the caller's, as much as fits.
    Given { memory: *mut c_void, size: usize },
    /// Nowhere: the caller asks for its length or flags alone.
    Nowhere,
}

/// What a call tells of a value beside its bytes; any may be NULL.
#[derive(Clone, Copy)]
struct Told {
    bytes: *mut usize,
    flags: *mut u_int32_t,
    cas: *mut u_int64_t,
}

impl Told {
    /// # Safety
    /// Each pointer is NULL or the caller's variable.
    unsafe fn tell(self, bytes: usize, flags: u32, cas: u64) {
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(out) = self.bytes.as_mut() {
                *out = bytes;
            }
            if let Some(out) = self.flags.as_mut() {
                *out = flags;
            }
            if let Some(out) = self.cas.as_mut() {
                *out = cas;
            }
        }
    }
}

/// One key, and what came of it.
struct One<'a> {
    key: &'a [u8],
    place: Place,
    memory: Option<NonNull<c_void>>,
    no_memory: bool,
    len: usize,
    flags: u32,
    cas: u64,
}

impl<'a> One<'a> {
    fn new(key: &'a [u8], place: Place) -> One<'a> {
        One { key, place, memory: None, no_memory: false, len: 0, flags: 0, cas: 0 }
    }
}

impl Batch for One<'_> {
    fn len(&self) -> usize {
        1
    }
    fn key(&self, _index: usize) -> &[u8] {
        self.key
    }
    fn room(&mut self, index: usize, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        match self.place {
            Place::Allocated(ref mut landings) => landings.room(index, len),
            // SAFETY: the caller's own memory of `size` bytes.
            Place::Given { memory, size } if len <= size => Some(unsafe { room(memory, len) }),
            _ => None,
        }
    }
    fn settle(&mut self, index: usize, answer: Result<&Value<'_>, Outcome>) {
        let Ok(value) = answer else { return };
        (self.len, self.flags, self.cas) = (value.len(), value.flags, value.cas);
        match self.place {
            Place::Allocated(ref mut landings) => {
                self.memory = landings.take(index, value);
                self.no_memory = self.memory.is_none();
            }
            Place::Given { memory, size } => {
                let fits = value.data.len().min(size);
                // SAFETY: the caller's own memory of `size` bytes.
                unsafe { ptr::copy_nonoverlapping(value.data.as_ptr(), memory.cast(), fits) };
            }
            Place::Nowhere => {}
        }
    }
}

/// Hands out what was found, or what can be told of it.
///
/// # Safety
/// The pointers of `told` and `value` are NULL or the caller's variables.
unsafe fn hand_out(
    ctxt: Context,
    cache: Cache,
    one: &One<'_>,
    reason: mc_reason,
    (value, told): (*mut *mut c_void, Told),
) -> mc_reason {
    if reason != MC_REASON_HIT {
        // A get-and-touch can fail after it has read.
        // SAFETY: from this context, and never handed out.
        unsafe { ctxt.free(one.memory.map_or(ptr::null_mut(), NonNull::as_ptr)) };
        return reason;
    }
    // SAFETY: the caller's promise.
    unsafe {
        told.tell(one.len, one.flags, one.cas);
        if let (Some(out), Some(memory)) = (value.as_mut(), one.memory) {
            *out = memory.as_ptr();
        }
    }
    if one.no_memory {
        cache.handle().last.set_for(MC_REASON_NO_MEMORY, one.key);
        return MC_REASON_NO_MEMORY;
    }
    reason
}

/// Reads `one`, and its CAS token when that is wanted.
#[inline(always)]
fn read(ctxt: Context, cache: Cache, one: &mut One<'_>, with_cas: bool) -> mc_reason {
    let key = one.key;
    cache.call(ctxt, key, &mut Read::of(one, with_cas))
}

fn wanted(ctxt: Context, value: *mut *mut c_void) -> Place {
    if value.is_null() { Place::Nowhere } else { Place::Allocated(Landings::new(ctxt)) }
}

/// Fetches a value. key points to key_len bytes: 1 to MAX_KEY_LEN of them; any bytes up to 186 from a
/// server with meta commands (memcached 1.6), else none a space, a control character or a NUL.
///
/// MC_REASON_HIT: *value is a copy in memory of the context's allocator, which you free with its free
/// (free(3) unless you chose another), with a NUL behind it that is not counted; *bytes its length,
/// *flags what was stored with it, *cas the token for mc_cas. Each of the four may be NULL; without
/// value nothing is copied, without cas no token is asked for. MC_REASON_MISS: there is no such
/// value. Anything below 0 says nothing about the key; MC_REASON_NO_MEMORY that there is a value, of
/// *bytes bytes, and no memory for it. In every case but these *value is NULL and the others are 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_fetch(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *mut *mut c_void,
    bytes: *mut usize,
    flags: *mut u_int32_t,
    cas: *mut u_int64_t,
) -> c_int {
    let told = Told { bytes, flags, cas };
    // SAFETY: the caller's context, handle, key and variables.
    unsafe {
        everyday_reason_guard(ctxt, mc, |ctxt, cache| {
            clear(value, told);
            let mut one = One::new(cache.key(ctxt, key, key_len)?, wanted(ctxt, value));
            let reason = read(ctxt, cache, &mut one, !cas.is_null());
            Ok(hand_out(ctxt, cache, &one, reason, (value, told)))
        })
    }
}

/// Nothing was found yet.
///
/// # Safety
/// Each pointer is NULL or the caller's variable.
unsafe fn clear(value: *mut *mut c_void, told: Told) {
    // SAFETY: the caller's promise.
    unsafe {
        told.tell(0, 0, 0);
        if let Some(out) = value.as_mut() {
            *out = ptr::null_mut();
        }
    }
}

/// See mcm_fetch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_fetch(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    value: *mut *mut c_void,
    bytes: *mut usize,
    flags: *mut u_int32_t,
    cas: *mut u_int64_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_fetch(mc_global_ctxt(), mc, key, key_len, value, bytes, flags, cas) }
}

/// Fetches a value into your own memory: as mcm_fetch, and copies as much of it as fits to the size
/// bytes at buf, without a NUL. *bytes is the value's full length: more than size tells that it was cut.
/// What buf holds after any other answer than MC_REASON_HIT is anybody's guess: a large value is received there at once,
/// and not all of it may come. buf may be NULL when size is 0. Allocates nothing. MC_REASON_BAD_VALUE when buf is NULL and size is not 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_fetch_into(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    buf: *mut c_void,
    size: usize,
    bytes: *mut usize,
    flags: *mut u_int32_t,
    cas: *mut u_int64_t,
) -> c_int {
    let told = Told { bytes, flags, cas };
    // SAFETY: the caller's context, handle, key, memory and variables.
    unsafe {
        everyday_reason_guard(ctxt, mc, |ctxt, cache| {
            clear(ptr::null_mut(), told);
            let place = match (buf.is_null(), size) {
                (_, 0) => Place::Nowhere,
                (true, _) => return Err(cache.bad_value(format_args!("buf is NULL and size is {size}"))),
                (false, size) => Place::Given { memory: buf, size },
            };
            let mut one = One::new(cache.key(ctxt, key, key_len)?, place);
            let reason = read(ctxt, cache, &mut one, !cas.is_null());
            Ok(hand_out(ctxt, cache, &one, reason, (ptr::null_mut(), told)))
        })
    }
}

/// See mcm_fetch_into.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_fetch_into(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    buf: *mut c_void,
    size: usize,
    bytes: *mut usize,
    flags: *mut u_int32_t,
    cas: *mut u_int64_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_fetch_into(mc_global_ctxt(), mc, key, key_len, buf, size, bytes, flags, cas) }
}

/// Fetches a value and gives it a new expiry time, on every server that has it: as mcm_fetch, without
/// a token. expire as for mc_store. When the value was found and it is unknown whether every copy of it
/// has the new expiry time, the answer is MC_REASON_UNAVAILABLE or MC_REASON_TIMEOUT, without a value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_gat(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    expire: time_t,
    value: *mut *mut c_void,
    bytes: *mut usize,
    flags: *mut u_int32_t,
) -> c_int {
    let told = Told { bytes, flags, cas: ptr::null_mut() };
    // SAFETY: the caller's context, handle, key and variables.
    unsafe {
        reason_guard(ctxt, mc, |ctxt, cache| {
            clear(value, told);
            let key = cache.key(ctxt, key, key_len)?;
            let mut one = One::new(key, wanted(ctxt, value));
            let reason = cache.call(ctxt, key, &mut GetAndTouch::new(key, expire, &mut one));
            Ok(hand_out(ctxt, cache, &one, reason, (value, told)))
        })
    }
}

/// See mcm_gat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_gat(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    expire: time_t,
    value: *mut *mut c_void,
    bytes: *mut usize,
    flags: *mut u_int32_t,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_gat(mc_global_ctxt(), mc, key, key_len, expire, value, bytes, flags) }
}
