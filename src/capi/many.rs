//! Many items in one call, in parallel over the servers, with a reason for each.
//!
//! An item that may not be sent is answered at once and stays out; the others travel as one operation.
//! Where the program's own functions choose the servers, as one for each server.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::slice;

use libc::time_t;

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::guard;
use super::keep;
use super::memcache::{Cache, memcache};
use super::reason::{self, mc_reason};
use super::server::{Chooser, memcache_server};
use super::types::{u_int32_t, u_int64_t};
use crate::rules::operation::{Many, Operation, Outcome, Parts, Spread, Write};

use mc_reason::*;

/// One item of a call with many. Set what the call reads; memset the rest to 0 if you like.
#[repr(C)]
#[derive(Debug)]
pub struct mc_item {
    /// The key; as for mc_store.
    pub key: *const c_char,
    /// The key's length.
    pub key_len: usize,
    /// The value: yours for mc_store_many, memory of yours for mc_fetch_into_many. Set by mc_fetch_many,
    /// whatever it was: memory of the context's allocator that you free, with a NUL behind it; or NULL.
    pub value: *mut c_void,
    /// The value's length. For mc_fetch_into_many first that of your memory.
    pub bytes: usize,
    /// Of mc_store_many: the expiry time, as for mc_store.
    pub expire: time_t,
    /// What is stored with the value.
    pub flags: u_int32_t,
    /// Set by mc_fetch_many: the token for mc_cas.
    pub cas: u_int64_t,
    /// Set by every call: how it ended for this item, a number of enum mc_reason.
    pub reason: c_int,
}

/// What an item has that is neither answered nor refused: see [`many_guard`].
pub(super) const OPEN: c_int = MC_REASON_INTERNAL as c_int;

/// An item that may be sent.
#[derive(Clone, Copy)]
struct Ready<'a> {
    index: usize,
    key: &'a [u8],
    value: &'a [u8],
    expire: i64,
    flags: u32,
    way: Way,
}

/// Who carries an item.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Pool,
    /// The program chose it; NULL: it chose none.
    Server(*mut memcache_server),
}

impl Way {
    /// Has an operation carried.
    pub(super) fn carry(self, cache: Cache, operation: &mut (impl Operation + ?Sized)) -> Outcome {
        match self {
            Way::Pool => cache.run_in_pool(operation),
            Way::Server(server) if server.is_null() => Outcome::Unavailable,
            Way::Server(server) => cache.run_on(server, operation),
        }
    }
}

/// One call with many items.
pub(super) struct Call<'a> {
    pub(super) ctxt: Context,
    pub(super) cache: Cache,
    pub(super) items: &'a mut [mc_item],
    /// The words in which the first of the items that were refused was.
    refusal: Vec<u8>,
    /// Which one that was; `usize::MAX`: none. The two are no option: the compiler may look at the number of one that is
    /// not there before it looks whether it is, and valgrind reports that.
    refused: usize,
}

impl Call<'_> {
    /// An item, if it may be sent.
    ///
    /// # Safety
    /// The pointers of the item are what [`mc_item`] says.
    unsafe fn checked<'k>(&self, index: usize, with_value: bool) -> Result<Ready<'k>, mc_reason> {
        let item = &self.items[index];
        // SAFETY: the caller's promise.
        let (key, value) = unsafe {
            let value: &[u8] = match with_value {
                true => keep::value(self.cache, item.value, item.bytes)?,
                false => &[],
            };
            (self.cache.key(self.ctxt, item.key, item.key_len)?, value)
        };
        Ok(Ready { index, key, value, expire: item.expire, flags: item.flags, way: Way::Pool })
    }

    /// The items of a call that changes something, those that may be sent, and those together that travel together; the
    /// others have their answer.
    ///
    /// # Safety
    /// The pointers of the items are what [`mc_item`] says.
    unsafe fn ready<'k>(&mut self, with_value: bool) -> Vec<Ready<'k>> {
        let mut ready = Vec::new();
        if ready.try_reserve_exact(self.items.len()).is_err() {
            self.no_memory(0..self.items.len());
            return ready;
        }
        for index in 0..self.items.len() {
            // SAFETY: the caller's promise.
            match unsafe { self.checked(index, with_value) } {
                Ok(item) => ready.push(item),
                Err(reason) => self.items[index].reason = reason as c_int,
            }
        }
        if self.ctxt.places_keys_itself() {
            let chooser = Chooser::begin(self.ctxt, self.cache, true);
            for item in &mut ready {
                item.way = Way::Server(chooser.server_for(item.key).unwrap_or(ptr::null_mut()));
            }
            ready.sort_unstable_by_key(|item| (item.way, item.index)); // equal keys stay in their order
        }
        ready
    }

    /// How an item ended, and the words of who refused.
    pub(super) fn settle(&mut self, index: usize, outcome: Outcome, refusal: Option<&[u8]>) {
        self.items[index].reason = reason::of_refusal(outcome, refusal) as c_int;
        if let (Outcome::Refused, Some(words), true) = (outcome, refusal, index < self.refused) {
            (self.refused, self.refusal) = (index, words.to_vec());
        }
    }

    /// Carries out one operation for each item.
    fn change<'k, O: Operation>(&mut self, ready: &[Ready<'k>], make: impl Fn(&Ready<'k>) -> O) {
        for group in ready.chunk_by(|one, other| one.way == other.way) {
            let Some(mut many) = Many::with_room(Changes { group, make: &make }) else {
                self.no_memory(group.iter().map(|item| item.index));
                continue;
            };
            let whole = group[0].way.carry(self.cache, &mut many);
            for (part, item) in group.iter().enumerate() {
                let outcome = many.outcome_of(part).unwrap_or(whole);
                self.settle(item.index, outcome, many.refusal_of(part));
            }
        }
    }

    /// There is none for carrying out these, but for those that have their answer.
    pub(super) fn no_memory(&mut self, these: impl Iterator<Item = usize>) {
        for index in these {
            let item = &mut self.items[index];
            if item.reason == OPEN {
                item.reason = MC_REASON_NO_MEMORY as c_int;
            }
        }
    }

    /// The handle's reason: that of the first item that failed. How many items have `success`.
    ///
    /// # Safety
    /// The pointers of the items are what [`mc_item`] says.
    pub(super) unsafe fn end(self, success: mc_reason, with_value: bool) -> usize {
        let (ctxt, cache) = (self.ctxt, self.cache);
        cache.handle().last.set(MC_REASON_DONE);
        let ended_well = self.items.iter().filter(|item| item.reason == success as c_int).count();
        if ended_well == self.items.len() {
            return ended_well;
        }
        if let Some(index) = self.items.iter().position(|item| item.reason < 0) {
            let outcome = match self.items[index].reason {
                reason if reason == MC_REASON_UNAVAILABLE as c_int => Some(Outcome::Unavailable),
                reason if reason == MC_REASON_TIMEOUT as c_int => Some(Outcome::Timeout),
                reason if reason == MC_REASON_REFUSED as c_int => Some(Outcome::Refused),
                _ => None,
            };
            // SAFETY: the caller's promise. Of an item that may not be sent this notes why once more.
            match (unsafe { self.checked(index, with_value) }, outcome) {
                (Ok(item), Some(outcome)) => {
                    let words = (self.refused == index).then_some(self.refusal.as_slice());
                    cache.ended(ctxt, item.key, outcome, words);
                }
                (Ok(_), None) if self.items[index].reason == MC_REASON_BAD_VALUE as c_int => {
                    cache.bad_value(format_args!("value is NULL and bytes was not 0"));
                }
                (Ok(item), None) => cache.handle().last.set_for(MC_REASON_NO_MEMORY, item.key),
                (Err(_), _) => {}
            }
        }
        ended_well
    }
}

/// The parts of a call that changes something.
struct Changes<'c, 'k, F> {
    group: &'c [Ready<'k>],
    make: &'c F,
}

impl<'k, O: Operation, F: Fn(&Ready<'k>) -> O> Parts for Changes<'_, 'k, F> {
    type Part = O;
    fn len(&self) -> usize {
        self.group.len()
    }
    fn key(&self, index: usize) -> &[u8] {
        self.group[index].key
    }
    fn part(&self, index: usize) -> O {
        (self.make)(&self.group[index])
    }
}

/// Runs a call with many items; what `body` gives is how many succeeded. None when a pointer is NULL,
/// and after a panic.
///
/// # Safety
/// The pointers are what [`mcm_store_many`] asks for.
pub(super) unsafe fn many_guard(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    (items, n): (*mut mc_item, usize),
    body: impl FnOnce(Call<'_>) -> usize,
) -> usize {
    guard(0, || {
        let fits = n <= isize::MAX as usize / size_of::<mc_item>();
        let items: &mut [mc_item] = match (items.is_null(), fits) {
            // SAFETY: the caller's array.
            (false, true) => unsafe { slice::from_raw_parts_mut(items, n) },
            _ => &mut [],
        };
        // SAFETY: the caller's context and handle.
        let (ctxt, cache) = unsafe { (Context::new(ctxt), Cache::new(mc)) };
        let (Some(ctxt), Some(cache)) = (ctxt, cache) else {
            items.iter_mut().for_each(|item| item.reason = MC_REASON_BAD_VALUE as c_int);
            return None;
        };
        if items.len() != n {
            cache.bad_value(format_args!("there are no {n} items"));
            return None;
        }
        cache.handle().last.set(MC_REASON_INTERNAL); // what it stays if the body panics
        items.iter_mut().for_each(|item| item.reason = OPEN);
        Some(body(Call { ctxt, cache, items, refusal: Vec::new(), refused: usize::MAX }))
    })
}

/// Stores n items, whatever is there, on all their servers at once: reads key, key_len, value, bytes,
/// expire and flags of each, and sets its reason, as mcm_store returns it. Returns how many were stored.
/// Items with the same key are stored in their order, so the last one wins. The whole call ends within
/// the handle's timeout; an item whose turn did not come by then has MC_REASON_TIMEOUT. mc_reason is then
/// that of the first item that failed (below 0), MC_REASON_DONE when none did. When a pointer is NULL or
/// no items are there, nothing is stored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_store_many(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    items: *mut mc_item,
    n: usize,
) -> usize {
    // SAFETY: the caller's context, handle and items.
    unsafe {
        many_guard(ctxt, mc, (items, n), |mut call| {
            let ready = call.ready(true);
            call.change(&ready, |item| Write::new(item.key, item.flags, item.expire, item.value));
            call.end(MC_REASON_STORED, true)
        })
    }
}

/// See mcm_store_many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_store_many(mc: *mut memcache, items: *mut mc_item, n: usize) -> usize {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_store_many(mc_global_ctxt(), mc, items, n) }
}

/// Deletes n items on all their servers at once: reads key and key_len of each, and sets its reason, as
/// mcm_remove returns it. Returns how many were deleted; one that was not found is not among them.
/// mc_reason as after mcm_store_many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_remove_many(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    items: *mut mc_item,
    n: usize,
) -> usize {
    // SAFETY: the caller's context, handle and items.
    unsafe {
        many_guard(ctxt, mc, (items, n), |mut call| {
            let ready = call.ready(false);
            call.change(&ready, |item| Spread::delete(item.key));
            call.end(MC_REASON_DELETED, false)
        })
    }
}

/// See mcm_remove_many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_remove_many(mc: *mut memcache, items: *mut mc_item, n: usize) -> usize {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_remove_many(mc_global_ctxt(), mc, items, n) }
}
