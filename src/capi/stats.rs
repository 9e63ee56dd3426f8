//! Whole servers: statistics and flushing.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use libc::{pid_t, time_t, timeval};

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{FAILED, guard};
use super::memcache::{Cache, memcache};
use super::reason::mc_reason::MC_REASON_NO_MEMORY;
use super::server::memcache_server;
use super::types::{u_int32_t, u_int64_t};
use crate::rules::operation::{Broadcast, Everywhere, Outcome};
use crate::rules::pool::ServerId;
use crate::rules::wire::stats::lines;

/// Statistics of one server, or of several: then each number is a sum, and pid, uptime, time, version
/// and the rusage fields are the last server's.
#[repr(C)]
#[derive(Debug)]
pub struct memcache_server_stats {
    /// The server's process.
    pub pid: pid_t,
    /// Seconds since it started.
    pub uptime: time_t,
    /// Its clock, in seconds since 1970.
    pub time: time_t,
    /// Its version; empty when it told none.
    pub version: *mut c_char,
    /// Processor time in user mode.
    pub rusage_user: timeval,
    /// Processor time in the kernel.
    pub rusage_system: timeval,
    /// Items stored now.
    pub curr_items: u_int32_t,
    /// Items stored since it started.
    pub total_items: u_int64_t,
    /// Bytes used for items.
    pub bytes: u_int64_t,
    /// Open connections.
    pub curr_connections: u_int32_t,
    /// Connections since it started.
    pub total_connections: u_int64_t,
    /// Connection structures it allocated.
    pub connection_structures: u_int32_t,
    /// Gets.
    pub cmd_get: u_int64_t,
    /// Sets.
    pub cmd_set: u_int64_t,
    /// Keys that were asked for and there.
    pub get_hits: u_int64_t,
    /// Keys that were asked for and not there.
    pub get_misses: u_int64_t,
    /// Bytes it read from the network.
    pub bytes_read: u_int64_t,
    /// Bytes it wrote to the network.
    pub bytes_written: u_int64_t,
    /// Bytes it may use for items.
    pub limit_maxbytes: u_int64_t,
}

/// Statistics as they are gathered, before anything is allocated for C.
struct Gathered {
    sum: memcache_server_stats,
    version: Vec<u8>,
    /// How many servers told theirs.
    told: usize,
}

const NO_TIME: timeval = timeval { tv_sec: 0, tv_usec: 0 };

impl Gathered {
    fn new() -> Gathered {
        let sum = memcache_server_stats {
            pid: 0,
            uptime: 0,
            time: 0,
            version: ptr::null_mut(),
            rusage_user: NO_TIME,
            rusage_system: NO_TIME,
            curr_items: 0,
            total_items: 0,
            bytes: 0,
            curr_connections: 0,
            total_connections: 0,
            connection_structures: 0,
            cmd_get: 0,
            cmd_set: 0,
            get_hits: 0,
            get_misses: 0,
            bytes_read: 0,
            bytes_written: 0,
            limit_maxbytes: 0,
        };
        Gathered { sum, version: Vec::new(), told: 0 }
    }

    /// Takes one server's statistics in. Names that the struct has no field for are passed over.
    fn add(&mut self, block: &[u8]) {
        let sum = &mut self.sum;
        self.told += 1;
        for (name, value) in lines(block) {
            let number = number(value);
            match name {
                b"pid" => sum.pid = number as pid_t,
                b"uptime" => sum.uptime = number as time_t,
                b"time" => sum.time = number as time_t,
                b"version" => self.version = value.to_vec(),
                b"rusage_user" => sum.rusage_user = seconds(value),
                b"rusage_system" => sum.rusage_system = seconds(value),
                b"curr_items" => more(&mut sum.curr_items, number),
                b"total_items" => more64(&mut sum.total_items, number),
                b"bytes" => more64(&mut sum.bytes, number),
                b"curr_connections" => more(&mut sum.curr_connections, number),
                b"total_connections" => more64(&mut sum.total_connections, number),
                b"connection_structures" => more(&mut sum.connection_structures, number),
                b"cmd_get" => more64(&mut sum.cmd_get, number),
                b"cmd_set" => more64(&mut sum.cmd_set, number),
                b"get_hits" => more64(&mut sum.get_hits, number),
                b"get_misses" => more64(&mut sum.get_misses, number),
                b"bytes_read" => more64(&mut sum.bytes_read, number),
                b"bytes_written" => more64(&mut sum.bytes_written, number),
                b"limit_maxbytes" => more64(&mut sum.limit_maxbytes, number),
                _ => {}
            }
        }
    }

    /// In the context's memory; `None`: there is none.
    fn hand_out(mut self, ctxt: Context, function: &CStr) -> Option<*mut memcache_server_stats> {
        self.sum.version = ctxt.copy_text(function, &self.version)?;
        let version = self.sum.version;
        let stats = ctxt.allocate(function, self.sum);
        if stats.is_none() {
            // SAFETY: fresh from this context.
            unsafe { ctxt.free(version) };
        }
        stats
    }
}

/// A decimal number; 0 for what is none.
fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// `seconds.micros`, as memcached writes processor time.
fn seconds(text: &[u8]) -> timeval {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = rest.bytes().take_while(u8::is_ascii_digit).chain(std::iter::repeat(b'0')).take(6);
    let micros = digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    timeval { tv_sec: whole.parse().unwrap_or(0), tv_usec: micros }
}

fn more(sum: &mut u32, number: u64) {
    *sum = sum.saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
}

fn more64(sum: &mut u64, number: u64) {
    *sum = sum.saturating_add(number);
}

/// Asks one server, or every one.
fn gather(
    function: &CStr,
    ctxt: Context,
    cache: Cache,
    only: Option<ServerId>,
) -> Option<*mut memcache_server_stats> {
    let mut gathered = Gathered::new();
    let mut sink = |_: ServerId, answer: Result<&[u8], Outcome>| {
        if let Ok(block) = answer {
            gathered.add(block);
        }
    };
    let mut ask = Broadcast::new(Everywhere::Stats { group: b"" }, only, &mut sink);
    let outcome = cache.run_in_pool(&mut ask);
    drop(ask);
    if gathered.told == 0 {
        cache.unavailable(ctxt, function, outcome);
        return None;
    }
    let stats = gathered.hand_out(ctxt, function);
    // The handler was told, and may have made calls of its own.
    let reason = if stats.is_some() { outcome.into() } else { MC_REASON_NO_MEMORY };
    cache.handle().last.set(reason);
    stats
}

/// One server's statistics; NULL when it could not be asked. ms is one of mc->servers. Free it with
/// mc_server_stats_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_stats(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    ms: *mut memcache_server,
) -> *mut memcache_server_stats {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context and handle.
        let (ctxt, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        let only = cache.id_of(ms)?;
        gather(c"mc_server_stats", ctxt, cache, Some(only))
    })
}

/// See mcm_server_stats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_stats(
    mc: *mut memcache,
    ms: *mut memcache_server,
) -> *mut memcache_server_stats {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_stats(mc_global_ctxt(), mc, ms) }
}

/// The statistics of all servers that answer, summed; NULL when none does. Free it with
/// mc_server_stats_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_stats(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
) -> *mut memcache_server_stats {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's context and handle.
        let (ctxt, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        gather(c"mc_stats", ctxt, cache, None)
    })
}

/// See mcm_stats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_stats(mc: *mut memcache) -> *mut memcache_server_stats {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_stats(mc_global_ctxt(), mc) }
}

/// Frees statistics. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_stats_free(ctxt: *const memcache_ctxt, s: *mut memcache_server_stats) {
    guard((), || {
        // SAFETY: the caller's context and statistics, which nobody uses any more.
        unsafe {
            let ctxt = Context::new(ctxt)?;
            ctxt.free(s.as_ref()?.version);
            ctxt.free(s);
        }
        Some(())
    });
}

/// See mcm_server_stats_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_stats_free(s: *mut memcache_server_stats) {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_stats_free(mc_global_ctxt(), s) }
}

/// Flushes one server, or every one.
fn flush_servers(function: &CStr, ctxt: Context, cache: Cache, only: Option<ServerId>) -> c_int {
    let mut sink = |_: ServerId, _: Result<&[u8], Outcome>| {};
    let mut ask = Broadcast::new(Everywhere::FlushAll { delay: 0 }, only, &mut sink);
    match cache.run_in_pool(&mut ask) {
        Outcome::Done => 0,
        Outcome::Refused => cache.refused(ctxt, function, &ask, -4),
        outcome => cache.unavailable(ctxt, function, outcome),
    }
}

/// Drops everything that one server holds. ms is one of mc->servers. 0, or negative: -1 it could not be
/// asked, or a pointer is NULL; -2 time was up; -4 it refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_flush(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    ms: *mut memcache_server,
) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context and handle.
        let (ctxt, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        let only = cache.id_of(ms)?;
        Some(flush_servers(c"mc_flush", ctxt, cache, Some(only)))
    })
}

/// See mcm_flush.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_flush(mc: *mut memcache, ms: *mut memcache_server) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_flush(mc_global_ctxt(), mc, ms) }
}

/// Drops everything that the servers of a handle hold. A server that is down meanwhile is flushed before
/// it is used again. 0, or negative as mc_flush: then some servers may not be flushed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_flush_all(ctxt: *const memcache_ctxt, mc: *mut memcache) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context and handle.
        let (ctxt, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        Some(flush_servers(c"mc_flush_all", ctxt, cache, None))
    })
}

/// See mcm_flush_all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_flush_all(mc: *mut memcache) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_flush_all(mc_global_ctxt(), mc) }
}
