//! Contexts: allocators, handlers and hooks that a program may replace, and the global one.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use super::buffer_type::memcache_buf;
use super::constants::*;
use super::error::{self, memcache_err_ctxt};
use super::guard::{everyday_guard, guard};
use super::hash;
use super::request::memcache_res;
use super::server;
use super::types::u_int32_t;
use crate::client::Whole;
use crate::rules::key;

/// Frees what the others gave; like free(3).
pub type mcFreeFunc = Option<unsafe extern "C-unwind" fn(ptr: *mut c_void)>;
/// Gives memory; like malloc(3).
pub type mcMallocFunc = Option<unsafe extern "C-unwind" fn(size: usize) -> *mut c_void>;
/// Gives more or less memory; like realloc(3).
pub type mcReallocFunc = Option<unsafe extern "C-unwind" fn(ptr: *mut c_void, size: usize) -> *mut c_void>;
/// An error handler: the context and its struct memcache_err_ctxt. See MCM_ERR_FUNC_ARGS.
pub type mcErrFunc = Option<unsafe extern "C-unwind" fn(ctxt: *const c_void, ectxt: *mut c_void) -> i32>;
/// Says whether a key may be used: 0, or the position of the offending byte, counted from 1.
pub type mcKeyValidFunc =
    Option<unsafe extern "C-unwind" fn(ctxt: *const c_void, key: *mut c_char, len: usize) -> i32>;
/// The hash of a key.
pub type mcHashKeyFunc = Option<
    unsafe extern "C-unwind" fn(
        ctxt: *const c_void,
        mc: *const c_void,
        key: *const c_char,
        len: usize,
    ) -> u_int32_t,
>;
/// The server for a hash: a struct memcache_server of that handle, or NULL.
pub type mcServerFindFunc =
    Option<unsafe extern "C-unwind" fn(ctxt: *const c_void, mc: *mut c_void, hash: u_int32_t) -> *mut c_void>;
/// Told of a response after a fetch, found or not. See MCM_CALLBACK_FUNC.
pub type mcResCallback = Option<
    unsafe extern "C-unwind" fn(ctxt: *const memcache_ctxt, res: *mut memcache_res, misc: *mut c_void),
>;

/// What a program may choose: allocators, error handler, and hooks. Every mcm_ function takes one;
/// the mc_ functions use the global one (mc_global_ctxt). Assign to the function pointers at will;
/// NULL means the default. Made by mcMemNewCtxt, freed by mcMemFreeCtxt.
#[repr(C)]
#[derive(Debug)]
pub struct memcache_ctxt {
    /// Frees what the three below gave.
    pub mcFree: mcFreeFunc,
    /// Memory for the library's structs and for keys.
    pub mcMalloc: mcMallocFunc,
    /// Memory without pointers in it: values. NULL: mcMalloc is used.
    pub mcMallocAtomic: mcMallocFunc,
    /// Grows what mcMalloc gave.
    pub mcRealloc: mcReallocFunc,
    /// Told of every error that is not silenced.
    pub mcErr: mcErrFunc,
    /// Asked before a key is used. Whatever it says, a key that would put a connection out of step
    /// (empty, longer than MAX_KEY_LEN, with a space, control character or NUL) is refused too.
    pub mcKeyValid: mcKeyValidFunc,
    /// Hashes a key. Assigning one of your own makes it choose the servers, and turns failover off: a call
    /// keeps to the server at hash % num_servers though it failed. Only one that mc_server_deactivate took
    /// out is passed over, for the next of the list; which still has what it was given the last time.
    pub mcHashKey: mcHashKeyFunc,
    /// Finds the server for a hash. Assigning one of your own makes it choose the servers, and
    /// turns failover off. It may go by what active shows, which is as of now. A server that is 'd' while
    /// the program changes anything on another is emptied before it is 'u' again; what others still hold from
    /// an earlier time in its place is the program's to know.
    pub mcServerFind: mcServerFindFunc,
    /// ENOENT after mc_incr or mc_decr of a key that is not there; 0 after one that went well.
    pub errnum: u_int32_t,
    /// Not used.
    pub _rbuf: *mut memcache_buf,
    /// Not used.
    pub _wbuf: *mut memcache_buf,
    /// Not used.
    pub _last_hash: u_int32_t,
    /// The last raised error. Its misc is yours.
    pub ectxt: *mut memcache_err_ctxt,
    /// The silenced severities; use mcm_err_filter_add and its siblings.
    pub err_mask: u_int32_t,
}

unsafe extern "C-unwind" {
    #[link_name = "free"]
    fn c_free(ptr: *mut c_void);
    #[link_name = "malloc"]
    fn c_malloc(size: usize) -> *mut c_void;
    #[link_name = "realloc"]
    fn c_realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
}

/// A context in which nothing was replaced yet.
pub(super) const DEFAULTS: memcache_ctxt = memcache_ctxt {
    mcFree: Some(c_free),
    mcMalloc: Some(c_malloc),
    mcMallocAtomic: Some(c_malloc),
    mcRealloc: Some(c_realloc),
    mcErr: Some(error::print),
    mcKeyValid: Some(key_valid),
    mcHashKey: Some(hash::of_key),
    mcServerFind: Some(server::find_live),
    errnum: 0,
    _rbuf: ptr::null_mut(),
    _wbuf: ptr::null_mut(),
    _last_hash: 0,
    ectxt: ptr::null_mut(),
    err_mask: MCM_ERR_LVL_INFO | MCM_ERR_LVL_NOTICE,
};

/// A static that C code writes to as it pleases.
struct Shared<T>(UnsafeCell<T>);
// SAFETY: only handed out as a raw pointer; who dereferences it answers for it. What we write to it
// without being asked goes through an atomic (errnum) or a lock (ectxt).
unsafe impl<T> Sync for Shared<T> {}

static GLOBAL_ECTXT: Shared<memcache_err_ctxt> = Shared(UnsafeCell::new(error::NOTHING));
static GLOBAL: Shared<memcache_ctxt> =
    Shared(UnsafeCell::new(memcache_ctxt { ectxt: GLOBAL_ECTXT.0.get(), ..DEFAULTS }));

/// The context that every mc_ call uses. Never NULL; lives as long as the process. Programs may
/// assign to its function pointers.
#[unsafe(no_mangle)]
pub extern "C" fn mc_global_ctxt() -> *mut memcache_ctxt {
    everyday_guard(ptr::null_mut(), || Some(GLOBAL.0.get()))
}

/// A caller's context, for the length of one call.
#[derive(Clone, Copy)]
pub(super) struct Context(NonNull<memcache_ctxt>);

impl Context {
    /// `None` for NULL.
    ///
    /// # Safety
    /// `ctxt` is NULL or points to a context that lives as long as the wrapper is used, whose
    /// function pointers are what their types say, and whose `ectxt` is NULL or valid.
    pub(super) unsafe fn new(ctxt: *const memcache_ctxt) -> Option<Context> {
        NonNull::new(ctxt.cast_mut()).map(Context)
    }

    pub(super) fn as_ptr(self) -> *mut memcache_ctxt {
        self.0.as_ptr()
    }

    fn get(&self) -> &memcache_ctxt {
        // SAFETY: the promise of `new`. The reference ends before any code of the program's runs.
        unsafe { self.0.as_ref() }
    }

    /// Memory for a struct or a string; `None` raises MEM_MALLOC.
    pub(super) fn malloc(self, function: &CStr, size: usize) -> Option<NonNull<c_void>> {
        let malloc = self.get().mcMalloc.unwrap_or(c_malloc);
        // SAFETY: an allocator of the context's, by the promise of `new`.
        let memory = NonNull::new(unsafe { malloc(size.max(1)) });
        if memory.is_none() {
            self.out_of_memory(function, size);
        }
        memory
    }

    /// Memory for a value. Raises nothing: it is for the middle of an operation, where no handler may
    /// run.
    pub(super) fn try_malloc_atomic(self, size: usize) -> Option<NonNull<c_void>> {
        let malloc = self.value_allocator();
        let is_own = malloc as usize != c_malloc as *const () as usize;
        let _whole = is_own.then(Whole::begin);
        // SAFETY: an allocator of the context's, by the promise of `new`.
        NonNull::new(unsafe { malloc(size.max(1)) })
    }

    fn value_allocator(self) -> unsafe extern "C-unwind" fn(usize) -> *mut c_void {
        let context = self.get();
        context.mcMallocAtomic.or(context.mcMalloc).unwrap_or(c_malloc)
    }

    /// Raises MEM_MALLOC.
    pub(super) fn out_of_memory(self, function: &CStr, size: usize) {
        self.raise(function, MCM_ERR_MEM_MALLOC, format_args!("no {size} bytes of memory to be had"));
    }

    /// Memory that held more or less; `None` raises MEM_REALLOC, and the old memory stays.
    ///
    /// # Safety
    /// `memory` is NULL or came from this context.
    pub(super) unsafe fn realloc(
        self,
        function: &CStr,
        memory: *mut c_void,
        size: usize,
    ) -> Option<NonNull<c_void>> {
        let context = self.get();
        let (malloc, realloc) =
            (context.mcMalloc.unwrap_or(c_malloc), context.mcRealloc.unwrap_or(c_realloc));
        let (none, size_or_one) = (memory.is_null(), size.max(1));
        // A pool's realloc, such as a database has, need not take NULL.
        // SAFETY: allocators of the context's, by the promise of `new`; `memory` by the caller's.
        let grown =
            NonNull::new(unsafe { if none { malloc(size_or_one) } else { realloc(memory, size_or_one) } });
        if grown.is_none() {
            self.raise(function, MCM_ERR_MEM_REALLOC, format_args!("no {size} bytes of memory to be had"));
        }
        grown
    }

    /// Frees what this context gave; NULL is fine.
    ///
    /// # Safety
    /// `memory` is NULL or came from this context, and nobody uses it any more.
    pub(super) unsafe fn free<T>(self, memory: *mut T) {
        if !memory.is_null() {
            let free = self.get().mcFree.unwrap_or(c_free);
            // SAFETY: the caller's promise.
            unsafe { free(memory.cast()) }
        }
    }

    /// A struct in the context's memory.
    pub(super) fn allocate<T>(self, function: &CStr, value: T) -> Option<*mut T> {
        const { assert!(align_of::<T>() <= align_of::<u64>() * 2) } // what malloc promises
        let memory = self.malloc(function, size_of::<T>())?.as_ptr().cast::<T>();
        // SAFETY: fresh memory of that size, aligned as malloc's is.
        unsafe { memory.write(value) };
        Some(memory)
    }

    /// A copy of a text in the context's memory, with a NUL behind it.
    pub(super) fn copy_text(self, function: &CStr, text: &[u8]) -> Option<*mut c_char> {
        let memory = self.malloc(function, text.len() + 1)?.as_ptr();
        // SAFETY: fresh memory of one byte more than the text.
        Some(unsafe { with_nul(memory, text) }.cast())
    }

    /// Sets `errnum`.
    pub(super) fn set_errnum(self, errnum: c_int) {
        // SAFETY: an aligned field of a live struct; other threads use it through here only.
        let field = unsafe { AtomicU32::from_ptr(&raw mut (*self.as_ptr()).errnum) };
        field.store(errnum.unsigned_abs(), Ordering::Relaxed);
    }

    /// Raises an error at its usual severity. The handler's retcode; 0 when there is none.
    pub(super) fn raise(self, function: &CStr, code: u32, message: fmt::Arguments<'_>) -> c_int {
        self.raise_at(function, code, error::severity(code), message)
    }

    /// Raises an error at a severity of its own.
    pub(super) fn raise_at(
        self,
        function: &CStr,
        code: u32,
        level: u32,
        message: fmt::Arguments<'_>,
    ) -> c_int {
        error::raise(self, function, code, level, message)
    }

    /// Whether a key may be sent: 0, or what a call that got it returns.
    pub(super) fn refuses_key(self, function: &CStr, key: &[u8]) -> c_int {
        // What is empty is refused anyway, and has no first byte that a validator may look at.
        let valid = if key.is_empty() { key_valid } else { self.get().mcKeyValid.unwrap_or(key_valid) };
        // SAFETY: a validator of the context's, which reads `len` bytes.
        let mut answer = unsafe { valid(self.as_ptr().cast(), key.as_ptr().cast_mut().cast(), key.len()) };
        if answer == 0 {
            answer = position_of_offence(key);
        }
        if answer == 0 {
            return 0;
        }
        let why = match key::check(key) {
            Ok(()) => format!("the program's validator refused a key of {} bytes ({answer})", key.len()),
            Err(why) => why.to_string(),
        };
        let retcode = self.raise_at(function, MCM_ERR_PROTO, MCM_ERR_LVL_ERR, format_args!("{why}"));
        if retcode != 0 { retcode } else { answer }
    }

    /// Whether the program's own validator refuses a key; false when it has none of its own.
    pub(super) fn program_refuses_key(self, key: &[u8]) -> bool {
        let own = self.get().mcKeyValid.filter(|own| *own as usize != key_valid as *const () as usize);
        own.is_some_and(|own| {
            let _whole = Whole::begin();
            // SAFETY: a validator of the context's, which reads `len` bytes.
            unsafe { own(self.as_ptr().cast(), key.as_ptr().cast_mut().cast(), key.len()) != 0 }
        })
    }

    /// Whether a program's own functions choose the servers.
    pub(super) fn places_keys_itself(self) -> bool {
        let own_hash =
            self.get().mcHashKey.filter(|hash| *hash as usize != hash::of_key as *const () as usize);
        own_hash.is_some() || self.finds_servers_itself()
    }

    /// Whether a find function of the program's does.
    pub(super) fn finds_servers_itself(self) -> bool {
        let find = self.get().mcServerFind;
        find.is_some_and(|find| find as usize != server::find_live as *const () as usize)
    }

    pub(super) fn hash_function(
        self,
    ) -> unsafe extern "C-unwind" fn(*const c_void, *const c_void, *const c_char, usize) -> u32 {
        self.get().mcHashKey.unwrap_or(hash::of_key)
    }

    pub(super) fn find_function(
        self,
    ) -> unsafe extern "C-unwind" fn(*const c_void, *mut c_void, u32) -> *mut c_void {
        self.get().mcServerFind.unwrap_or(server::find_live)
    }
}

/// Copies `text` to `memory` and a NUL behind it.
///
/// # Safety
/// `memory` has room for `text.len() + 1` bytes and does not overlap `text`.
pub(super) unsafe fn with_nul(memory: *mut c_void, text: &[u8]) -> *mut c_void {
    let start = memory.cast::<u8>();
    // SAFETY: the caller's promise.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr(), start, text.len());
        start.add(text.len()).write(0);
    }
    memory
}

/// The position, counted from 1, of what makes a key unfit to be sent; 0 when nothing does.
fn position_of_offence(key: &[u8]) -> c_int {
    match key::check(key) {
        Ok(()) => 0,
        Err(key::KeyError::Empty) => 1,
        Err(key::KeyError::TooLong { .. } | key::KeyError::BinaryTooLong { .. }) => {
            key::MAX_KEY_LEN as c_int + 1
        }
        Err(key::KeyError::BadByte { position, .. }) => position as c_int,
    }
}

/// The default of mcKeyValid.
unsafe extern "C-unwind" fn key_valid(_ctxt: *const c_void, key: *mut c_char, len: usize) -> i32 {
    guard(1, || {
        // SAFETY: a validator is called with `len` readable bytes.
        let key = unsafe { super::guard::bytes(key.cast_const().cast(), len) }?;
        Some(position_of_offence(key))
    })
}
