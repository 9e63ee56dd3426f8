//! Fetching many items in one call: into memory of the context's allocator, or the caller's.

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::slice;

use super::context::{mc_global_ctxt, memcache_ctxt};
use super::landing::{Landings, room};
use super::many::{Call, OPEN, Way, many_guard, mc_item};
use super::memcache::memcache;
use super::reason::mc_reason;
use super::server::Chooser;
use crate::rules::operation::{Batch, Operation, Outcome, Read};
use crate::rules::wire::Value;

use mc_reason::*;

/// How many keys are fetched at once. A read keeps each one's place in a tag of 32 bits, and what is
/// sent for so many is memory enough.
const READ_AT_ONCE: usize = 1 << 20;

/// Where values go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Into memory of the context's allocator, and a NUL behind each.
    Allocated,
    /// Into memory of the caller's, as much as fits.
    Given,
}

/// Fetches the value of each item. How many were found.
fn fetch(mut call: Call<'_>, with_cas: bool, place: Place) -> usize {
    let open = begin(&mut call, place);
    if open == call.items.len() && !call.ctxt.places_keys_itself() {
        for first in (0..open).step_by(READ_AT_ONCE) {
            let group = first..open.min(first + READ_AT_ONCE);
            fetch_group(&mut call, Way::Pool, Group::Row(group), with_cas, place);
        }
    } else if open > 0 {
        match ways(&call) {
            Some(ways) => {
                for which in ways.chunk_by(|(one, _), (other, _)| one == other) {
                    for which in which.chunks(READ_AT_ONCE) {
                        fetch_group(&mut call, which[0].0, Group::These(which), with_cas, place);
                    }
                }
            }
            None => call.no_memory(0..call.items.len()),
        }
    }
    // SAFETY: `many_guard`'s promise.
    unsafe { call.end(MC_REASON_HIT, false) }
}

/// Nothing is found yet. How many items may be asked for; the others have their answer.
fn begin(call: &mut Call<'_>, place: Place) -> usize {
    let (ctxt, cache) = (call.ctxt, call.cache);
    let mut open = 0;
    for item in call.items.iter_mut() {
        (item.flags, item.cas) = (0, 0);
        if place == Place::Allocated {
            (item.value, item.bytes) = (ptr::null_mut(), 0);
        }
        // SAFETY: `many_guard`'s promise.
        let key = unsafe { cache.key(ctxt, item.key, item.key_len) };
        let checked = key.and_then(|_| match item.value.is_null() && item.bytes > 0 {
            true => Err(cache.bad_value(format_args!("value is NULL and bytes is {}", item.bytes))),
            false => Ok(()),
        });
        match checked {
            Ok(()) => open += 1,
            Err(reason) => (item.reason, item.bytes) = (reason as i32, 0),
        }
    }
    open
}

/// The items that may be asked for, with their way, those together that travel together. `None`: there is no memory for it.
fn ways(call: &Call<'_>) -> Option<Vec<(Way, usize)>> {
    let mut ways = Vec::new();
    ways.try_reserve_exact(call.items.len()).ok()?;
    let places_itself = call.ctxt.places_keys_itself();
    let chooser = places_itself.then(|| Chooser::begin(call.ctxt, call.cache, false));
    for (index, item) in call.items.iter().enumerate().filter(|(_, item)| item.reason == OPEN) {
        let server = |chooser: &Chooser| chooser.server_for(key_of(item)).unwrap_or(ptr::null_mut());
        ways.push((chooser.as_ref().map_or(Way::Pool, |chooser| Way::Server(server(chooser))), index));
    }
    ways.sort_unstable();
    Some(ways)
}

/// The key of an item that may be asked for.
#[inline]
fn key_of(item: &mc_item) -> &[u8] {
    // SAFETY: `begin` found it there, and it stays as it is during the call.
    unsafe { slice::from_raw_parts(item.key.cast(), item.key_len) }
}

/// Which items travel together.
#[derive(Clone)]
enum Group<'a> {
    Row(std::ops::Range<usize>),
    These(&'a [(Way, usize)]),
}

impl Group<'_> {
    fn len(&self) -> usize {
        match self {
            Group::Row(row) => row.len(),
            Group::These(these) => these.len(),
        }
    }

    #[inline]
    fn at(&self, index: usize) -> usize {
        match self {
            Group::Row(row) => row.start + index,
            Group::These(these) => these[index].1,
        }
    }
}

fn fetch_group(call: &mut Call<'_>, way: Way, group: Group<'_>, with_cas: bool, place: Place) {
    let landings = Landings::new(call.ctxt);
    let mut values = Values { landings, items: call.items, group: group.clone(), place };
    let Some(mut read) = Read::with_room(&mut values, with_cas) else {
        drop(values);
        return call.no_memory((0..group.len()).map(|index| group.at(index)));
    };
    let whole = way.carry(call.cache, &mut read);
    let refusal = read.refusal().map(<[u8]>::to_vec);
    drop(read);
    drop(values);
    if whole == Outcome::Done && refusal.is_none() {
        // Each has its answer.
        return;
    }
    for index in (0..group.len()).map(|index| group.at(index)) {
        let item = &mut call.items[index];
        if item.reason >= 0 {
            continue;
        }
        if place == Place::Given && item.reason != MC_REASON_NO_MEMORY as i32 {
            item.bytes = 0;
        }
        if item.reason == OPEN {
            call.settle(index, whole, None);
        } else if item.reason == MC_REASON_REFUSED as i32 {
            call.settle(index, Outcome::Refused, refusal.as_deref());
        }
    }
}

/// The items whose values are fetched.
struct Values<'c> {
    landings: Landings,
    items: &'c mut [mc_item],
    group: Group<'c>,
    place: Place,
}

impl Batch for Values<'_> {
    fn len(&self) -> usize {
        self.group.len()
    }
    #[inline]
    fn key(&self, index: usize) -> &[u8] {
        key_of(&self.items[self.group.at(index)])
    }
    fn room(&mut self, index: usize, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        let item = &self.items[self.group.at(index)];
        match self.place {
            Place::Allocated => self.landings.room(index, len),
            // SAFETY: the caller's own memory of so many bytes.
            Place::Given if len <= item.bytes => Some(unsafe { room(item.value, len) }),
            Place::Given => None,
        }
    }
    #[inline]
    fn settle(&mut self, index: usize, answer: Result<&Value<'_>, Outcome>) {
        let item = &mut self.items[self.group.at(index)];
        let value = match answer {
            Ok(value) => value,
            Err(outcome) => return not_found(item, outcome),
        };
        item.reason = MC_REASON_HIT as i32;
        match self.place {
            Place::Allocated => {
                let memory = self.landings.take(index, value);
                item.value = memory.map_or(ptr::null_mut(), NonNull::as_ptr);
                if memory.is_none() {
                    item.reason = MC_REASON_NO_MEMORY as i32;
                }
            }
            Place::Given => {
                let fits = value.data.len().min(item.bytes);
                // SAFETY: the caller's own memory of so many bytes.
                unsafe { ptr::copy_nonoverlapping(value.data.as_ptr(), item.value.cast(), fits) };
            }
        }
        (item.bytes, item.flags, item.cas) = (value.len(), value.flags, value.cas);
    }
}

#[cold]
fn not_found(item: &mut mc_item, outcome: Outcome) {
    (item.reason, item.bytes) = (mc_reason::from(outcome) as i32, 0);
}

/// Fetches n items from all their servers at once: reads key and key_len of each, and sets its value,
/// bytes, flags, cas and reason, as mcm_fetch does. A value is memory of the context's allocator, yours
/// to free; what value pointed to before is forgotten. Returns how many were found. The call ends within
/// the handle's timeout (one for each million of items). mc_reason as after mcm_store_many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_fetch_many(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    items: *mut mc_item,
    n: usize,
) -> usize {
    // SAFETY: the caller's context, handle and items.
    unsafe { many_guard(ctxt, mc, (items, n), |call| fetch(call, true, Place::Allocated)) }
}

/// See mcm_fetch_many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_fetch_many(mc: *mut memcache, items: *mut mc_item, n: usize) -> usize {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_fetch_many(mc_global_ctxt(), mc, items, n) }
}

/// Fetches n items as mcm_fetch_many, without tokens: cas is 0 in each. A server answers sooner that is asked for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_fetch_values(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    items: *mut mc_item,
    n: usize,
) -> usize {
    // SAFETY: the caller's context, handle and items.
    unsafe { many_guard(ctxt, mc, (items, n), |call| fetch(call, false, Place::Allocated)) }
}

/// See mcm_fetch_values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_fetch_values(mc: *mut memcache, items: *mut mc_item, n: usize) -> usize {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_fetch_values(mc_global_ctxt(), mc, items, n) }
}

/// Fetches n items as mcm_fetch_values, into your own memory: copies as much of each value as fits to the
/// bytes bytes at value, without a NUL, and sets bytes to the value's full length: more than it was before tells that the
/// value was cut. 0 when there is no value. value stays as it is; it may be NULL when bytes is 0, and is
/// MC_REASON_BAD_VALUE when not. Allocates nothing for the values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_fetch_into_many(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    items: *mut mc_item,
    n: usize,
) -> usize {
    // SAFETY: the caller's context, handle and items.
    unsafe { many_guard(ctxt, mc, (items, n), |call| fetch(call, false, Place::Given)) }
}

/// See mcm_fetch_into_many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_fetch_into_many(mc: *mut memcache, items: *mut mc_item, n: usize) -> usize {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_fetch_into_many(mc_global_ctxt(), mc, items, n) }
}
