//! Sequences of C calls against servers that lie now and then. Whatever is called in whatever order with whatever
//! arguments a C program may give: every call ends, a value belongs to the key that was asked for, nothing of the
//! context's memory is left behind, and when the servers are honest again so are the answers.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::memcache::capi::context::memcache_ctxt;
use ::memcache::capi::many::mc_item;
use ::memcache::capi::memcache::memcache;
use ::memcache::capi::reason::mc_reason::*;
use ::memcache::capi::request::{memcache_req, memcache_res};
use ::memcache::capi::{
    activation, buffer, buffer_search, buffer_size, count64, counter, error, error_filter, fetch, keep, many,
    many_fetch, memcache as handle, memory as allocators, options, place, reason, request, response,
    retrieve, server, server_add, stats, store, text, tune,
};

use super::liar::Liar;
use super::memory::{self, give, give_more, take};
use super::reader::Bytes;

unsafe extern "C-unwind" fn hear(_: *const c_void, _: *mut c_void) -> i32 {
    0
}

/// What the keys begin with that are stored when nobody lies any more.
const IN_STEP: &[u8] = b"in-step-";

/// So long at the longest until honest servers are used: one that failed again and again is tried every five seconds, and so
/// is one of whose trial nobody told the end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Less than any server is waited for at the end.
const PROMPT: Duration = Duration::from_millis(300);

/// Keys whose values begin with them, keys of counters, keys that need meta commands, and any others.
fn key<'a>(bytes: &mut Bytes<'a>) -> (&'a [u8], bool) {
    const KEYS: [&[u8]; 6] = [b"key0", b"key1", b"key2", b"key3", b"a key", b"\0\r\n"];
    match bytes.byte() {
        which @ ..240 => (KEYS[usize::from(which) % KEYS.len()], true),
        240..248 => (b"counter", false),
        _ => {
            let length = bytes.short() % 300;
            let key = bytes.some(length.into());
            // Nobody stores what is asked for at the end.
            (if key.starts_with(IN_STEP) { IN_STEP } else { key }, false)
        }
    }
}

/// A value of a key that tells whose it is.
fn value(key: &[u8], bytes: &mut Bytes<'_>) -> Vec<u8> {
    if key == b"counter" {
        return (bytes.word() >> (bytes.byte() % 64)).to_string().into_bytes();
    }
    let (length, large) = (usize::from(bytes.byte()), bytes.byte() > 250);
    let mut value = key.to_vec();
    value.resize(key.len() + if large { 400 * length } else { length }, bytes.byte());
    value
}

struct Caller {
    ctxt: *mut memcache_ctxt,
    mc: *mut memcache,
    req: *mut memcache_req,
    /// The responses that are in the request.
    responses: Vec<(*mut memcache_res, Vec<u8>)>,
}

/// A value belongs to the key.
fn belongs(key: &[u8], value: &[u8]) {
    let (begins, key) = (value.starts_with(key), key.escape_ascii());
    assert!(begins, "asked for {key}, was given {}", value[..value.len().min(80)].escape_ascii());
}

/// Sequences of calls.
pub fn calls(bytes: &[u8]) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bytes = Bytes(bytes);
    let kind = bytes.byte();
    let liars: Vec<Liar> = (0..1 + kind % 3)
        .map(|_| {
            let count = usize::from(bytes.byte() % 24);
            Liar::start(kind & 0x40 == 0, bytes.some(count).to_vec())
        })
        .collect();
    memory::begin();
    // SAFETY: everything that a call is given is live, and what it gave is freed once.
    unsafe {
        let ctxt = allocators::mcMemNewCtxt(Some(take), Some(give), None, Some(give_more));
        error::mcErrSetupCtxt(ctxt, Some(hear));
        let mc = handle::mcm_new(ctxt);
        for liar in &liars {
            let address = CString::new(format!("unix:{}", liar.path().display())).expect("no NUL");
            assert_eq!(server_add::mcm_server_add4(ctxt, mc, address.as_ptr()), 0);
        }
        let backups = if kind & 0x80 == 0 { c"none" } else { c"pairs" };
        for (name, value) in [(c"timeout", c"8ms"), (c"connect_timeout", c"4ms"), (c"backups", backups)] {
            assert_eq!(options::mcm_option_set(ctxt, mc, name.as_ptr(), value.as_ptr()), 0);
        }
        let req = request::mcm_req_new(ctxt);
        let mut caller = Caller { ctxt, mc, req, responses: Vec::new() };
        let mut count = 0;
        while !bytes.0.is_empty() && count < 40 {
            caller.call(&mut bytes);
            count += 1;
        }
        memory::fail_after(None);
        liars.iter().for_each(Liar::be_honest);
        caller.in_step();
        request::mcm_req_free(ctxt, req);
        handle::mcm_free(ctxt, mc);
        allocators::mcMemFreeCtxt(ctxt);
    }
    memory::end();
}

impl Caller {
    /// One call, as the bytes say.
    unsafe fn call(&mut self, bytes: &mut Bytes<'_>) {
        let Caller { ctxt, mc, .. } = *self;
        let (what, (key, tells)) = (bytes.byte(), key(bytes));
        let (at, len) = (key.as_ptr().cast::<c_char>(), key.len());
        let (expire, flags) = (i64::from(bytes.byte() % 4) * 100, u32::from(bytes.byte()));
        let (mut memory, mut size, mut told, mut cas, mut number) = (null_mut(), 0, 0, 0, 0);
        // SAFETY: the handle's, and variables of our own.
        unsafe {
            match what % 32 {
                0..6 => {
                    let value = value(key, bytes);
                    let (from, size) = (value.as_ptr().cast(), value.len());
                    match what % 32 {
                        0 => drop(store::mcm_set(ctxt, mc, at, len, from, size, expire, 7)),
                        1 => drop(store::mcm_add(ctxt, mc, at, len, from, size, expire, 7)),
                        2 => drop(store::mcm_replace(ctxt, mc, at, len, from, size, expire, 7)),
                        3 => drop(keep::mcm_store(ctxt, mc, at, len, from, size, expire, flags)),
                        4 => drop(keep::mcm_store_add(ctxt, mc, at, len, from, size, expire, flags)),
                        _ => drop(keep::mcm_store_replace(ctxt, mc, at, len, from, size, expire, flags)),
                    }
                }
                6 => drop(keep::mcm_append(ctxt, mc, at, len, at.cast(), len.min(9))),
                7 => drop(keep::mcm_prepend(ctxt, mc, at, len, at.cast(), len)),
                8 | 9 => {
                    let hit =
                        fetch::mcm_fetch(ctxt, mc, at, len, &mut memory, &mut size, &mut told, &mut cas);
                    if hit == MC_REASON_HIT as c_int && tells {
                        belongs(key, std::slice::from_raw_parts(memory.cast(), size));
                        let value = value(key, bytes);
                        keep::mcm_cas(ctxt, mc, at, len, value.as_ptr().cast(), value.len(), 0, 1, cas);
                    }
                    assert!(memory.is_null() || hit == MC_REASON_HIT as c_int);
                    take(memory);
                }
                10 | 11 => {
                    memory = retrieve::mcm_aget2(ctxt, mc, at, len, &mut size);
                    if !memory.is_null() && tells {
                        belongs(key, std::slice::from_raw_parts(memory.cast(), size));
                    }
                    take(memory);
                }
                12 => {
                    let mut room = [b'#'; 64];
                    let most = usize::from(flags as u8 % 64);
                    let hit = fetch::mcm_fetch_into(
                        ctxt,
                        mc,
                        at,
                        len,
                        room.as_mut_ptr().cast(),
                        most,
                        &mut size,
                        null_mut(),
                        null_mut(),
                    );
                    assert!(room[most..].iter().all(|byte| *byte == b'#'), "written past the end");
                    if hit == MC_REASON_HIT as c_int && tells {
                        belongs(&key[..len.min(most)], &room[..size.min(most)]);
                    }
                }
                13 => {
                    let hit = fetch::mcm_gat(ctxt, mc, at, len, expire, &mut memory, &mut size, &mut told);
                    if hit == MC_REASON_HIT as c_int && tells {
                        belongs(key, std::slice::from_raw_parts(memory.cast(), size));
                    }
                    take(memory);
                }
                14 => drop(keep::mcm_remove(ctxt, mc, at, len)),
                15 => drop(store::mcm_delete(ctxt, mc, at, len, expire)),
                16 => drop(keep::mcm_touch(ctxt, mc, at, len, expire)),
                17 => drop(count64::mcm_incr64(ctxt, mc, at, len, flags.into(), &mut number)),
                18 => drop(count64::mcm_decr64(ctxt, mc, at, len, flags.into(), &mut number)),
                19 => drop((
                    counter::mcm_incr(ctxt, mc, at, len, flags),
                    counter::mcm_decr(ctxt, mc, at, len, 1),
                )),
                20 => self.add(key),
                21 => self.get(),
                22 => self.take_out(flags as usize),
                23 | 24 => self.many(what, bytes),
                25 => {
                    let sum = stats::mcm_stats(ctxt, mc);
                    stats::mcm_server_stats_free(ctxt, sum);
                }
                26 => drop(stats::mcm_flush_all(ctxt, mc)),
                27 => self.about(key, flags),
                28 => self.server(flags),
                29 => memory::fail_after(Some(flags)),
                30 => buffers(ctxt, key, bytes),
                _ => nothing(mc, at, len),
            }
            assert!(!reason::mcm_reason_text(ctxt, mc).is_null());
            assert!(reason::mcm_reason(ctxt, mc) != MC_REASON_INTERNAL as c_int, "a panic that was caught");
        }
    }

    /// A key more in the request.
    unsafe fn add(&mut self, key: &[u8]) {
        // SAFETY: our request; the key is copied.
        unsafe {
            let res = request::mcm_req_add(self.ctxt, self.req, key.as_ptr().cast(), key.len());
            if !res.is_null() {
                response::mcm_res_register_fetch_cb(self.ctxt, self.req, res, None, null_mut());
                self.responses.push((res, key.to_vec()));
            }
        }
    }

    unsafe fn get(&mut self) {
        // SAFETY: our request and its responses.
        unsafe {
            retrieve::mcm_get(self.ctxt, self.mc, self.req);
            for (res, key) in &self.responses {
                if response::mcm_res_found(self.ctxt, *res) == 1 && key.starts_with(b"key") {
                    belongs(key, std::slice::from_raw_parts((**res).val.cast(), (**res).bytes));
                }
            }
        }
    }

    unsafe fn take_out(&mut self, which: usize) {
        if !self.responses.is_empty() {
            let (res, _) = self.responses.swap_remove(which % self.responses.len());
            // SAFETY: it is in the request still.
            unsafe { response::mcm_res_free(self.ctxt, self.req, res) };
        }
    }

    unsafe fn many(&self, what: u8, bytes: &mut Bytes<'_>) {
        let wanted: Vec<_> = (0..bytes.byte() % 12).map(|_| key(bytes)).collect();
        let mut items: Vec<mc_item> = wanted
            .iter()
            .map(|(key, _)| mc_item {
                key: key.as_ptr().cast(),
                key_len: key.len(),
                value: key.as_ptr().cast_mut().cast(),
                bytes: key.len(),
                expire: 0,
                flags: 3,
                cas: 0,
                reason: 77,
            })
            .collect();
        let (from, n) = (items.as_mut_ptr(), items.len());
        // SAFETY: our items.
        unsafe {
            match (what, bytes.byte() % 4) {
                (23, 0) => drop(many::mcm_remove_many(self.ctxt, self.mc, from, n)),
                (23, _) => drop(many::mcm_store_many(self.ctxt, self.mc, from, n)),
                (_, which) => {
                    let call =
                        if which == 0 { many_fetch::mcm_fetch_values } else { many_fetch::mcm_fetch_many };
                    call(self.ctxt, self.mc, from, n);
                    for (item, (key, tells)) in items.iter().zip(&wanted) {
                        if item.reason == MC_REASON_HIT as c_int && *tells {
                            belongs(key, std::slice::from_raw_parts(item.value.cast(), item.bytes));
                        }
                        take(item.value);
                    }
                }
            }
        }
        assert!(items.iter().all(|item| item.reason != 77), "each has its reason");
    }

    /// What is only asked of the handle.
    unsafe fn about(&self, key: &[u8], flags: u32) {
        let Caller { ctxt, mc, .. } = *self;
        // SAFETY: variables of our own, for which zeros will do.
        unsafe {
            let mut found = std::mem::zeroed();
            place::mcm_where(ctxt, mc, key.as_ptr().cast(), key.len(), &mut found);
            let mut room = [0; 8];
            options::mcm_option_get(ctxt, mc, c"backups".as_ptr(), room.as_mut_ptr(), flags as usize % 8);
            let name = CString::new(key.split(|byte| *byte == 0).next().unwrap_or_default()).expect("no NUL");
            options::mcm_option_set(ctxt, mc, name.as_ptr(), name.as_ptr());
            error_filter::mcm_err_filter_add(ctxt, flags);
            take(text::mcm_strdup(ctxt, name.as_ptr()).cast());
            tune::mcm_nodelay_enable(ctxt, mc, flags as c_int % 2);
        }
    }

    /// What is done with one server of the list.
    unsafe fn server(&self, flags: u32) {
        let Caller { ctxt, mc, .. } = *self;
        // SAFETY: a server of the list.
        unsafe {
            let ms = *(*mc).servers.add(flags as usize / 8 % (*mc).num_servers as usize);
            match flags % 8 {
                0 => activation::mcm_server_deactivate(ctxt, mc, ms),
                1 => drop(activation::mcm_server_activate(ctxt, mc, ms)),
                2 => drop(activation::mcm_server_activate_all(ctxt, mc)),
                3 => server::mcm_server_disconnect(ctxt, ms),
                4 => stats::mcm_server_stats_free(ctxt, stats::mcm_server_stats(ctxt, mc, ms)),
                5 => drop(tune::mcm_server_reset_dns(ctxt, ms)),
                6 => drop(stats::mcm_flush(ctxt, mc, ms)),
                _ => drop(place::mcm_server_state(ctxt, mc, ms)),
            }
        }
    }

    /// When nobody lies any more, what is found is what was stored, to the last byte, and before long something is.
    ///
    /// Each try has its own key: what a server was sent before, on a connection that was given up, and reads late, can
    /// empty it (then a key is missed) but stores none of these. A server that is down is asked when its wait is over.
    unsafe fn in_step(&self) {
        let Caller { ctxt, mc, .. } = *self;
        let end = Instant::now() + PATIENCE;
        let (mut tried, mut found) = (0, 0);
        // SAFETY: the handle's servers, and texts that end in a NUL.
        unsafe {
            activation::mcm_server_activate_all(ctxt, mc);
            // Honest servers are waited for, so that a processor that is busy elsewhere is no failure.
            for (name, value) in [(c"timeout", c"2s"), (c"connect_timeout", c"500ms")] {
                assert_eq!(options::mcm_option_set(ctxt, mc, name.as_ptr(), value.as_ptr()), 0);
            }
        }
        let mut before = None;
        while found < 3 && (found == 0 || tried < 12) {
            let (key, value) =
                ([IN_STEP, tried.to_string().as_bytes()].concat(), format!("the {tried}th value"));
            let (at, from) = (key.as_ptr().cast(), value.as_ptr().cast());
            let began = Instant::now();
            // SAFETY: our key and values.
            let (first, stored) = unsafe {
                let first = keep::mcm_store(ctxt, mc, at, key.len(), c"first".as_ptr().cast(), 5, 0, 0);
                (first, keep::mcm_store(ctxt, mc, at, key.len(), from, value.len(), 0, 0))
            };
            if stored == MC_REASON_STORED as c_int {
                // The first value is gone for good unless it may have been sent on a connection that was given up since.
                let prompt = first == MC_REASON_STORED as c_int && began.elapsed() < PROMPT;
                found += u32::from(self.finds(&key, &value, prompt));
                // The one before too, so that two answers to gets are told apart.
                if let Some((key, value, prompt)) = before.replace((key, value, prompt)) {
                    self.finds(&key, &value, prompt);
                }
            }
            tried += 1;
            if found == 0 {
                assert!(
                    Instant::now() < end,
                    "honest servers, and nothing is found in {tried} tries: {stored}"
                );
                std::thread::sleep(Duration::from_millis(u64::from(tried > 12)));
            }
        }
    }

    /// Whether there is a value; it is this one then, or the first where it is not the `only` one.
    fn finds(&self, key: &[u8], value: &str, only: bool) -> bool {
        let (mut bytes, mut room) = (0, [0u8; 64]);
        let (at, into) = (key.as_ptr().cast(), room.as_mut_ptr().cast());
        let Caller { ctxt, mc, .. } = *self;
        // SAFETY: our key and memory of our own.
        let hit = unsafe {
            fetch::mcm_fetch_into(ctxt, mc, at, key.len(), into, 64, &mut bytes, null_mut(), null_mut())
        };
        let hit = hit == MC_REASON_HIT as c_int;
        if hit {
            let had = &room[..bytes.min(64)];
            let fits = had == value.as_bytes() || (!only && had == b"first");
            assert!(fits, "{value} was stored, and found is {}", had.escape_ascii());
        }
        hit
    }
}

/// A buffer's calls.
unsafe fn buffers(ctxt: *mut memcache_ctxt, text: &[u8], bytes: &mut Bytes<'_>) {
    let (at, len) = (text.as_ptr().cast::<c_char>(), text.len());
    // SAFETY: our text, and buffers that are freed once.
    unsafe {
        let mut one = buffer::mcm_buf_new2(ctxt, at, len as u32);
        for what in bytes.some(8) {
            match what % 8 {
                0 => drop(buffer::mcm_buf_append(ctxt, one, at, len as u32)),
                1 => drop(buffer::mcm_buf_append_buf(ctxt, one, one)),
                2 => drop(buffer::mcm_buf_replace(ctxt, one, at, len as u32 / 2)),
                3 => drop(buffer_size::mcm_buf_resize(ctxt, one, u32::from(*what) * 40)),
                4 => drop(buffer_size::mcm_buf_compact(ctxt, one)),
                5 => drop(buffer_search::mcm_buf_find2(ctxt, one, at, len)),
                6 => {
                    let mut made = buffer_search::mcm_buf_find_replace(ctxt, one, one, one);
                    buffer::mcm_buf_free(ctxt, &mut made);
                }
                _ => drop(buffer::mcm_buf_reset(ctxt, one)),
            }
        }
        buffer::mcm_buf_free(ctxt, &mut one);
    }
}

/// NULL for everything, and for one thing after another.
unsafe fn nothing(mc: *mut memcache, at: *const c_char, len: usize) {
    // SAFETY: NULL is no pointer that anybody follows.
    unsafe {
        keep::mcm_store(null(), mc, at, len, null(), 0, 0, 0);
        keep::mc_store(null_mut(), at, len, null(), 0, 0, 0);
        keep::mc_store(mc, null(), len, null(), 1, 0, 0);
        keep::mc_store(mc, at, len, null(), usize::MAX, 0, 0);
        fetch::mc_fetch(mc, null(), 0, null_mut(), null_mut(), null_mut(), null_mut());
        retrieve::mc_get(mc, null_mut());
        many::mc_store_many(mc, null_mut(), 3);
        request::mc_req_free(null_mut());
        response::mc_res_free(null_mut(), null_mut());
        server::mc_server_free(null_mut());
        handle::mc_free(null_mut());
        stats::mc_stats(null_mut());
    }
}
