//! Every call of the C interface that asks a server.

use std::ffi::{CString, c_char, c_void};
use std::path::Path;
use std::ptr;

use memcache::capi::activation::mcm_server_activate;
use memcache::capi::context::memcache_ctxt;
use memcache::capi::many::{mc_item, mcm_remove_many, mcm_store_many};
use memcache::capi::many_fetch::{mcm_fetch_into_many, mcm_fetch_many, mcm_fetch_values};
use memcache::capi::memcache::{mcm_free, memcache as mc};
use memcache::capi::memory::{mcMemFreeCtxt, mcMemNewCtxt};
use memcache::capi::reason::mcm_reason;
use memcache::capi::request::{
    mcm_req_add, mcm_req_add_ref, mcm_req_free, mcm_req_new, memcache_req, memcache_res,
};
use memcache::capi::server::memcache_server;
use memcache::capi::{count64, counter, error_filter, fetch, keep, open, retrieve, stats, store};

use crate::memory;
use crate::operations::Case;
use crate::outcomes::{Said, What};

/// A handle of the C interface in a context of its own.
pub struct Handle {
    ctxt: *mut memcache_ctxt,
    mc: *mut mc,
}

/// The words of `enum mc_reason`.
fn what(reason: i32, number: u64) -> What {
    match reason {
        0 => What::Done,
        1 => What::Hit,
        2 => What::Stored,
        3 => What::Deleted,
        4 => What::Touched,
        5 => What::Number(number),
        10 => What::Miss,
        11 => What::NotStored,
        12 => What::Exists,
        13 => What::NotFound,
        -3..=-1 => What::Failed,
        _ => What::Broken,
    }
}

fn c(key: &[u8]) -> *const c_char {
    key.as_ptr().cast()
}

/// A call of the C interface for one key.
macro_rules! call {
    ($function:path, $handle:expr, $key:expr $(, $argument:expr)*) => {
        // SAFETY: context and handle are valid as long as the handle lives; key and value are slices with their
        // lengths; what is written to are variables of who calls.
        unsafe { $function($handle.ctxt, $handle.mc, c($key), $key.len() $(, $argument)*) }
    };
}

impl Handle {
    pub fn open(pool: &Path) -> Handle {
        let path = CString::new(pool.to_str().expect("a path that is text")).expect("without a NUL");
        let mut why = [0; 512];
        // SAFETY: the allocators are malloc's; the other pointers are this function's own variables.
        let handle = unsafe {
            let (malloc, free) = (Some(memory::malloc as _), Some(memory::free as _));
            let ctxt = mcMemNewCtxt(free, malloc, malloc, Some(memory::realloc as _));
            error_filter::mcm_err_filter_add(ctxt, u32::MAX);
            Handle { ctxt, mc: open::mcm_open(ctxt, path.as_ptr(), why.as_mut_ptr(), why.len()) }
        };
        assert!(!handle.mc.is_null(), "{why:?}");
        handle
    }

    fn reason(&self, number: u64) -> What {
        // SAFETY: both are valid as long as the handle lives.
        what(unsafe { mcm_reason(self.ctxt, self.mc) }, number)
    }

    /// The hostile server: the list's first.
    fn server(&self) -> *mut memcache_server {
        // SAFETY: the handle is valid, and a pool has a server.
        unsafe { *(*self.mc).servers }
    }

    fn taken(&self, value: *mut c_void, bytes: usize) -> Vec<u8> {
        if value.is_null() {
            return Vec::new();
        }
        // SAFETY: the call that gave it said how long it is; nobody else frees it.
        unsafe {
            let copy = std::slice::from_raw_parts(value.cast::<u8>(), bytes).to_vec();
            memory::free(value);
            copy
        }
    }

    pub fn fetch_with_token(&self, key: &[u8]) -> (Said, u64) {
        let (mut value, mut bytes, mut token) = (ptr::null_mut(), 0, 0);
        let none = ptr::null_mut();
        let reason = call!(fetch::mcm_fetch, self, key, &raw mut value, &raw mut bytes, none, &raw mut token);
        (Said { key: key.to_vec(), what: what(reason, 0), value: self.taken(value, bytes) }, token)
    }

    pub fn fetch(&self, key: &[u8]) -> Said {
        self.fetch_with_token(key).0
    }

    pub fn store(&self, key: &[u8], value: &[u8]) -> What {
        what(call!(keep::mcm_store, self, key, value.as_ptr().cast(), value.len(), 0, 0), 0)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: nobody uses them any more.
        unsafe {
            mcm_free(self.ctxt, self.mc);
            mcMemFreeCtxt(self.ctxt);
        }
    }
}

pub type Call = fn(&Handle, &Case) -> Vec<Said>;

/// The call's own answer where the old interface has no more to say than its reason.
fn by_reason(handle: &Handle, case: &Case, number: u64) -> Vec<Said> {
    vec![Said::of(case.key(), handle.reason(number))]
}

/// The value of a call that puts it somewhere.
fn with_value(case: &Case, reason: i32, value: Vec<u8>) -> Vec<Said> {
    vec![Said { key: case.key().to_vec(), what: what(reason, 0), value }]
}

fn said(case: &Case, reason: i32) -> Vec<Said> {
    vec![Said::of(case.key(), what(reason, 0))]
}

pub fn fetches(handle: &Handle, case: &Case) -> Vec<Said> {
    vec![handle.fetch(case.key())]
}

pub fn fetch_into(handle: &Handle, case: &Case) -> Vec<Said> {
    let (mut room, mut bytes, none) = (vec![0; 1 << 20], 0, ptr::null_mut());
    let place = room.as_mut_ptr().cast();
    let reason = call!(
        fetch::mcm_fetch_into,
        handle,
        case.key(),
        place,
        room.len(),
        &raw mut bytes,
        none,
        none.cast()
    );
    room.truncate(if reason == 1 { bytes } else { 0 });
    with_value(case, reason, room)
}

pub fn get_and_touch(handle: &Handle, case: &Case) -> Vec<Said> {
    let (mut value, mut bytes, none) = (ptr::null_mut(), 0, ptr::null_mut());
    let reason = call!(fetch::mcm_gat, handle, case.key(), 5000, &raw mut value, &raw mut bytes, none);
    with_value(case, reason, handle.taken(value, bytes))
}

/// A call that takes a value.
macro_rules! storing {
    ($name:ident, $function:path, $($argument:expr),*) => {
        pub fn $name(handle: &Handle, case: &Case) -> Vec<Said> {
            let (value, bytes) = (case.value.as_ptr().cast(), case.value.len());
            said(case, call!($function, handle, case.key(), value, bytes $(, $argument)*))
        }
    };
}
storing!(store, keep::mcm_store, 0, 0);
storing!(store_add, keep::mcm_store_add, 0, 0);
storing!(store_replace, keep::mcm_store_replace, 0, 0);
storing!(append, keep::mcm_append,);
storing!(prepend, keep::mcm_prepend,);

pub fn cas(handle: &Handle, case: &Case) -> Vec<Said> {
    let (value, bytes) = (case.value.as_ptr().cast(), case.value.len());
    said(case, call!(keep::mcm_cas, handle, case.key(), value, bytes, 0, 0, case.token))
}

pub fn remove(handle: &Handle, case: &Case) -> Vec<Said> {
    said(case, call!(keep::mcm_remove, handle, case.key()))
}

pub fn touch(handle: &Handle, case: &Case) -> Vec<Said> {
    said(case, call!(keep::mcm_touch, handle, case.key(), 5000))
}

pub fn incr64(handle: &Handle, case: &Case) -> Vec<Said> {
    let mut number = 0;
    let reason = call!(count64::mcm_incr64, handle, case.key(), 5, &raw mut number);
    vec![Said::of(case.key(), what(reason, number))]
}

pub fn decr64(handle: &Handle, case: &Case) -> Vec<Said> {
    let mut number = 0;
    let reason = call!(count64::mcm_decr64, handle, case.key(), 5, &raw mut number);
    vec![Said::of(case.key(), what(reason, number))]
}

/// A call of the old interface that stores.
macro_rules! old_storing {
    ($name:ident, $function:path) => {
        pub fn $name(handle: &Handle, case: &Case) -> Vec<Said> {
            let (value, bytes) = (case.value.as_ptr().cast(), case.value.len());
            call!($function, handle, case.key(), value, bytes, 0, 0);
            by_reason(handle, case, 0)
        }
    };
}
old_storing!(old_set, store::mcm_set);
old_storing!(old_add, store::mcm_add);
old_storing!(old_replace, store::mcm_replace);

pub fn old_delete(handle: &Handle, case: &Case) -> Vec<Said> {
    call!(store::mcm_delete, handle, case.key(), 0);
    by_reason(handle, case, 0)
}

pub fn old_incr(handle: &Handle, case: &Case) -> Vec<Said> {
    let number = call!(counter::mcm_incr, handle, case.key(), 5);
    by_reason(handle, case, number.into())
}

pub fn old_decr(handle: &Handle, case: &Case) -> Vec<Said> {
    let number = call!(counter::mcm_decr, handle, case.key(), 5);
    by_reason(handle, case, number.into())
}

pub fn old_get(handle: &Handle, case: &Case) -> Vec<Said> {
    let mut bytes = 0;
    let value = call!(retrieve::mcm_aget2, handle, case.key(), &raw mut bytes);
    let value = handle.taken(value, bytes);
    vec![Said { key: case.key().to_vec(), what: handle.reason(0), value }]
}

/// How a key gets into a request.
type Adds =
    unsafe extern "C" fn(*const memcache_ctxt, *mut memcache_req, *const c_char, usize) -> *mut memcache_res;

pub fn old_get_many(handle: &Handle, case: &Case) -> Vec<Said> {
    by_request(handle, case, mcm_req_add)
}

pub fn old_get_many_by_reference(handle: &Handle, case: &Case) -> Vec<Said> {
    by_request(handle, case, mcm_req_add_ref)
}

/// One request for all keys. What it could not get and what is not there look alike here, and the handle's reason
/// tells only whether there was anything of the former.
fn by_request(handle: &Handle, case: &Case, adds: Adds) -> Vec<Said> {
    // SAFETY: context and handle are valid, the keys outlive the request, and it is freed once.
    unsafe {
        let request = mcm_req_new(handle.ctxt);
        let add = |key: &Vec<u8>| adds(handle.ctxt, request, c(key), key.len());
        let responses: Vec<_> = case.keys.iter().map(add).collect();
        retrieve::mcm_get(handle.ctxt, handle.mc, request);
        let whole = handle.reason(0);
        let said = case.keys.iter().zip(&responses).map(|(key, response)| {
            let response = &**response;
            let value = match response.val.is_null() {
                true => Vec::new(),
                false => std::slice::from_raw_parts(response.val.cast::<u8>(), response.bytes).to_vec(),
            };
            let found = memcache::capi::response::mcm_res_found(handle.ctxt, response) != 0;
            let missed = if whole == What::Failed { What::Failed } else { What::Miss };
            Said { key: key.clone(), what: if found { What::Hit } else { missed }, value }
        });
        let said = said.collect();
        mcm_req_free(handle.ctxt, request);
        said
    }
}

/// A call with many items.
macro_rules! many {
    ($name:ident, $function:path, $stores:expr) => {
        pub fn $name(handle: &Handle, case: &Case) -> Vec<Said> {
            let item = |key: &Vec<u8>| mc_item {
                key: c(key),
                key_len: key.len(),
                value: if $stores { case.value.as_ptr().cast_mut().cast() } else { ptr::null_mut() },
                bytes: case.value.len(),
                expire: 0,
                flags: 0,
                cas: 0,
                reason: 0,
            };
            let mut items: Vec<mc_item> = case.keys.iter().map(item).collect();
            // SAFETY: context and handle are valid; the items' keys and values are slices with their lengths.
            unsafe { $function(handle.ctxt, handle.mc, items.as_mut_ptr(), items.len()) };
            let said = |item: &mc_item, key: &Vec<u8>| {
                let value = if $stores { Vec::new() } else { handle.taken(item.value, item.bytes) };
                Said { key: key.clone(), what: what(item.reason, 0), value }
            };
            items.iter().zip(&case.keys).map(|(item, key)| said(item, key)).collect()
        }
    };
}
many!(store_many, mcm_store_many, true);
many!(fetch_many, mcm_fetch_many, false);
many!(fetch_values, mcm_fetch_values, false);
many!(remove_many, mcm_remove_many, false);

/// All of them into memory of one's own.
pub fn fetch_into_many(handle: &Handle, case: &Case) -> Vec<Said> {
    let mut rooms = vec![[0_u8; 100]; case.keys.len()];
    let item = |(key, room): (&Vec<u8>, &mut [u8; 100])| mc_item {
        key: c(key),
        key_len: key.len(),
        value: room.as_mut_ptr().cast(),
        bytes: room.len(),
        expire: 0,
        flags: 0,
        cas: 0,
        reason: 0,
    };
    let mut items: Vec<mc_item> = case.keys.iter().zip(&mut rooms).map(item).collect();
    // SAFETY: context and handle are valid; the items' keys and places are slices with their lengths.
    unsafe { mcm_fetch_into_many(handle.ctxt, handle.mc, items.as_mut_ptr(), items.len()) };
    let said = |((item, key), room): ((&mc_item, &Vec<u8>), &[u8; 100])| {
        // More than there is room for is a value that was never stored, and is told by its length.
        let value = room.get(..item.bytes).unwrap_or(room).to_vec();
        Said { key: key.clone(), what: what(item.reason, 0), value }
    };
    items.iter().zip(&case.keys).zip(&rooms).map(said).collect()
}

/// What statistics tell, as their lines do; frees them.
fn told(handle: &Handle, case: &Case, given: *mut stats::memcache_server_stats) -> Vec<Said> {
    let mut said = Said::of(case.key(), handle.reason(0));
    // SAFETY: the call's own answer, or NULL; it is freed once.
    unsafe {
        if let Some(given) = given.as_ref() {
            said.value = format!("{} {}", given.limit_maxbytes, given.cmd_set).into_bytes();
        }
        if !given.is_null() {
            stats::mcm_server_stats_free(handle.ctxt, given);
        }
    }
    vec![said]
}

pub fn statistics(handle: &Handle, case: &Case) -> Vec<Said> {
    // SAFETY: context and handle are valid.
    told(handle, case, unsafe { stats::mcm_stats(handle.ctxt, handle.mc) })
}

pub fn server_statistics(handle: &Handle, case: &Case) -> Vec<Said> {
    // SAFETY: context and handle are valid, and the server is of that handle.
    told(handle, case, unsafe { stats::mcm_server_stats(handle.ctxt, handle.mc, handle.server()) })
}

pub fn flush(handle: &Handle, case: &Case) -> Vec<Said> {
    // SAFETY: context and handle are valid, and the server is of that handle.
    unsafe { stats::mcm_flush(handle.ctxt, handle.mc, handle.server()) };
    by_reason(handle, case, 0)
}

/// It has no reason: 0 when the server is to be tried again, -3 when it is up already.
pub fn activate(handle: &Handle, case: &Case) -> Vec<Said> {
    // SAFETY: context and handle are valid, and the server is of that handle.
    let done = unsafe { mcm_server_activate(handle.ctxt, handle.mc, handle.server()) };
    vec![Said::of(case.key(), if matches!(done, 0 | -3) { What::Done } else { What::Broken })]
}

pub fn flush_all(handle: &Handle, case: &Case) -> Vec<Said> {
    // SAFETY: context and handle are valid.
    unsafe { stats::mcm_flush_all(handle.ctxt, handle.mc) };
    by_reason(handle, case, 0)
}
