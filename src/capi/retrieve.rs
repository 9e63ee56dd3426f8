//! Getting values: one at a time, or those of a request.

use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::constants::*;
use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{bytes, guard};
use super::landing::Landings;
use super::list;
use super::memcache::{Cache, memcache};
use super::reason::{mc_reason::MC_REASON_NO_MEMORY, of_refusal};
use super::request::{memcache_req, memcache_res};
use super::response;
use super::server::{Chooser, memcache_server};
use crate::rules::operation::{Batch, NO_MEMORY, Operation, Outcome, Read};
use crate::rules::wire::Value;

/// One key whose value goes into memory of its own.
struct One<'a> {
    landings: Landings,
    key: &'a [u8],
    value: Option<NonNull<c_void>>,
    len: usize,
    no_memory: bool,
}

impl Batch for One<'_> {
    fn len(&self) -> usize {
        1
    }
    fn key(&self, _index: usize) -> &[u8] {
        self.key
    }
    fn room(&mut self, index: usize, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        self.landings.room(index, len)
    }
    fn settle(&mut self, index: usize, answer: Result<&Value<'_>, Outcome>) {
        let Ok(value) = answer else { return };
        (self.value, self.len) = (self.landings.take(index, value), value.len());
        self.no_memory = self.value.is_none();
    }
}

/// Tells the handler why there is no answer, when there is none.
fn tell(ctxt: Context, cache: Cache, function: &CStr, outcome: Outcome, refusal: &str) {
    match outcome {
        Outcome::Unavailable | Outcome::Timeout => {
            cache.unavailable(ctxt, function, outcome);
        }
        Outcome::Refused if refusal.as_bytes() == NO_MEMORY => {
            let what = format_args!("no memory for receiving so much");
            cache.raise(ctxt, function, MCM_ERR_MEM_MALLOC, what);
        }
        Outcome::Refused => {
            cache.raise(ctxt, function, MCM_ERR_MC_STORE, format_args!("a server refused: {refusal}"));
        }
        _ => {}
    }
}

fn fetch_one(ctxt: Context, cache: Cache, key: &[u8]) -> Option<(NonNull<c_void>, usize)> {
    const HERE: &CStr = c"mc_aget";
    if cache.refuses_key(ctxt, HERE, key) != 0 {
        return None;
    }
    let mut one = One { landings: Landings::new(ctxt), key, value: None, len: 0, no_memory: false };
    let mut read = Read::new(&mut one);
    let outcome = cache.run(ctxt, key, &mut read);
    let refusal = refusal_of(&read, outcome);
    drop(read);
    if one.no_memory {
        cache.out_of_memory(ctxt, HERE, one.len + 1, key);
    }
    tell(ctxt, cache, HERE, outcome, &refusal);
    Some((one.value?, one.len))
}

/// The text of the server that refused.
fn refusal_of(operation: &dyn Operation, outcome: Outcome) -> String {
    match (outcome, operation.refusal()) {
        (Outcome::Refused | Outcome::Done, Some(text)) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}

/// The value of a key, in memory of the context's allocator that you free with its free, and with a
/// NUL behind it that is not counted. key points to len bytes. NULL when there is no such value, and
/// when it could not be asked for, which the error handler is told: MC_VALID_SERVER when no server
/// could be asked, TIMEOUT when time was up, PROTO when the key may not be sent (empty, longer than
/// MAX_KEY_LEN, with a space, control character or NUL). Then nothing is known about the key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_aget(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    len: usize,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { mcm_aget2(ctxt, mc, key, len, ptr::null_mut()) }
}

/// See mcm_aget.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_aget(mc: *mut memcache, key: *const c_char, len: usize) -> *mut c_void {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_aget(mc_global_ctxt(), mc, key, len) }
}

/// As mcm_aget, and tells the value's length in *retlen: 0 when there is none. An empty value is not
/// NULL. retlen may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_aget2(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    len: usize,
    retlen: *mut usize,
) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: NULL or the caller's variable.
        let mut retlen = unsafe { retlen.as_mut() };
        if let Some(retlen) = retlen.as_deref_mut() {
            *retlen = 0;
        }
        // SAFETY: the caller's context, handle and key.
        let (ctxt, cache, key) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?, bytes(key.cast(), len)?) };
        let (value, len) = fetch_one(ctxt, cache, key)?;
        if let Some(retlen) = retlen {
            *retlen = len;
        }
        Some(value.as_ptr())
    })
}

/// See mcm_aget2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_aget2(
    mc: *mut memcache,
    key: *const c_char,
    len: usize,
    retlen: *mut usize,
) -> *mut c_void {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_aget2(mc_global_ctxt(), mc, key, len, retlen) }
}

/// The responses of a request that may be asked for.
struct Many<'a> {
    landings: Landings,
    responses: &'a [*mut memcache_res],
    no_memory: usize,
    worst: Option<Outcome>,
}

impl Batch for Many<'_> {
    fn len(&self) -> usize {
        self.responses.len()
    }
    fn key(&self, index: usize) -> &[u8] {
        // SAFETY: a live response of the request.
        unsafe { &*self.responses[index] }.key_bytes()
    }
    fn room(&mut self, index: usize, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        // SAFETY: as above; nobody else uses it during the call.
        unsafe { &mut *self.responses[index] }.room(&mut self.landings, index, len)
    }
    fn settle(&mut self, index: usize, answer: Result<&Value<'_>, Outcome>) {
        // SAFETY: as above.
        let res = unsafe { &mut *self.responses[index] };
        match answer {
            Ok(value) => {
                if !res.take(&mut self.landings, index, value) {
                    self.no_memory = self.no_memory.max(value.len() + 1);
                }
            }
            Err(Outcome::Miss) => {}
            Err(outcome) => self.worst = Some(outcome),
        }
    }
}

const GET: &CStr = c"mc_get";

/// Fetches responses by one operation, or by one a server when the program's own functions choose them.
fn fetch(ctxt: Context, cache: Cache, responses: &mut [*mut memcache_res]) {
    if !ctxt.places_keys_itself() {
        return fetch_group(ctxt, cache, responses, |read| cache.run_in_pool(read));
    }
    // Each is chosen once: what a find function says may change while the first are fetched.
    let mut chosen: Vec<(*mut memcache_server, *mut memcache_res)> = Vec::new();
    if chosen.try_reserve_exact(responses.len()).is_err() {
        return cache.out_of_memory(ctxt, GET, size_of_val(responses), b"");
    }
    let chooser = Chooser::begin(ctxt, cache, false);
    chosen.extend(responses.iter().map(|res| {
        // SAFETY: a live response of the request.
        let key = unsafe { &**res }.key_bytes();
        (chooser.server_for(key).unwrap_or(ptr::null_mut()), *res)
    }));
    chosen.sort_unstable();
    responses.iter_mut().zip(&chosen).for_each(|(to, (_, res))| *to = *res);
    let (mut rest, mut failure) = (&*responses, None);
    for group in chosen.chunk_by(|(one, _), (other, _)| one == other) {
        let these;
        (these, rest) = rest.split_at(group.len());
        fetch_group(ctxt, cache, these, |read| match group[0].0 {
            server if server.is_null() => Outcome::Unavailable,
            server => cache.run_on(server, read),
        });
        let reason = cache.handle().last.reason();
        failure = failure.or(reason.is_failure().then_some(reason));
    }
    if let Some(reason) = failure {
        cache.handle().last.set(reason);
    }
}

/// Fetches responses in one way.
fn fetch_group(
    ctxt: Context,
    cache: Cache,
    responses: &[*mut memcache_res],
    travel: impl FnOnce(&mut dyn Operation) -> Outcome,
) {
    let mut many = Many { landings: Landings::new(ctxt), responses, no_memory: 0, worst: None };
    let Some(mut read) = Read::with_room(&mut many, false) else {
        return cache.out_of_memory(ctxt, GET, responses.len(), b"");
    };
    let outcome = travel(&mut read);
    let refusal = refusal_of(&read, outcome);
    drop(read);
    tell_many(ctxt, cache, &many, outcome, &refusal);
}

fn tell_many(ctxt: Context, cache: Cache, many: &Many<'_>, outcome: Outcome, refusal: &str) {
    let told = if outcome == Outcome::Done { many.worst.unwrap_or(outcome) } else { outcome };
    let reason = of_refusal(told, Some(refusal.as_bytes()));
    if many.no_memory > 0 {
        cache.out_of_memory(ctxt, GET, many.no_memory, b"");
    }
    if many.no_memory == 0 || reason.is_failure() {
        cache.handle().last.set(reason);
    }
    tell(ctxt, cache, GET, told, refusal);
}

/// Fetches every key of a request, from all the servers at once, and fills in each response: see
/// struct memcache_res, mc_res_found. Then the callbacks run, in the order in which they were
/// registered. A response that was not found is a miss, unless the error handler was told otherwise:
/// see mc_aget. While functions of the program's own choose the servers (mcHashKey, mcServerFind), they are
/// asked one after another, each within its timeout.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_get(ctxt: *const memcache_ctxt, mc: *mut memcache, req: *mut memcache_req) {
    guard((), || {
        // SAFETY: the caller's context, handle and request.
        let (ctxt, cache, request) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?, req.as_ref()?) };
        // Taken out of the handle: validators and handlers are the program's code, and may use it.
        let mut batch = std::mem::take(&mut cache.handle().batch);
        batch.clear();
        let mut left_out = false;
        // SAFETY: the request's own list.
        for res in unsafe { list::iter(&request.query) } {
            // SAFETY: a live response.
            let response = unsafe { &mut *res };
            response.begin(ctxt);
            if cache.refuses_key(ctxt, GET, response.key_bytes()) != 0 {
                continue;
            }
            match batch.try_reserve(1) {
                Ok(()) => batch.push(res),
                Err(_) => {
                    left_out = true;
                    cache.out_of_memory(ctxt, GET, size_of_val(&res), b"");
                }
            }
        }
        if !batch.is_empty() {
            fetch(ctxt, cache, &mut batch);
        }
        let last = &mut cache.handle().last;
        if left_out && !last.reason().is_failure() {
            last.set(MC_REASON_NO_MEMORY);
        }
        cache.handle().batch = batch;
        // SAFETY: the caller's request.
        unsafe { response::call_back(ctxt, req) };
        Some(())
    });
}

/// See mcm_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_get(mc: *mut memcache, req: *mut memcache_req) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_get(mc_global_ctxt(), mc, req) }
}
