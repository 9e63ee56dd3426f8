//! Options by name, with the texts, limits and messages of the pool file.
//!
//! A pool that came from a file belongs to its operator: where copies are and how long they stay is
//! agreed among all its programs, so the file alone decides it. How long a program will wait, and how
//! its own sockets behave, is the program's business in any pool.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::time::Duration;

use libc::timeval;

use super::context::{mc_global_ctxt, memcache_ctxt};
use super::guard::{FAILED, guard};
use super::memcache::{Cache, memcache};
use super::reason::{mc_reason, reason_guard};
use super::server;
use crate::config::{self, duration, limits};
use crate::rules::pool::{Options, ReadBackup};

use mc_reason::*;

/// The options there are.
const NAMES: [&str; 8] =
    ["backups", "read_backup", "window", "max_ttl", "timeout", "connect_timeout", "tcp_nodelay", "busy_poll"];

const BACKUPS: [(&str, bool); 2] = [("pairs", true), ("none", false)];
const READ_BACKUP: [(&str, ReadBackup); 2] =
    [("recovering", ReadBackup::Recovering), ("always", ReadBackup::Always)];
const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];

/// What is said in place of a `max_ttl` that is not set.
const NONE: &str = "none";

/// What is said in place of a `busy_poll` that is not set.
const OFF: &str = "off";

/// What a program chose.
pub(super) struct Chosen {
    /// Of a pool that the program builds itself. Its timeout is in the servers' structs.
    pub(super) options: Options,
    /// Of any pool.
    pub(super) connect_timeout: Option<Duration>,
    /// TCP_NODELAY of every server, as last chosen for all.
    pub(super) nodelay: bool,
    /// How long a call polls a socket before it sleeps; zero: not at all.
    pub(super) busy_poll: Duration,
}

impl Default for Chosen {
    fn default() -> Chosen {
        Chosen {
            options: Options::default(),
            connect_timeout: None,
            nodelay: true,
            busy_poll: Duration::ZERO,
        }
    }
}

/// Sets an option; or what is wrong, to be put after its name.
fn set(cache: Cache, name: &str, value: &str) -> Result<(), String> {
    let chosen = &mut cache.handle().chosen;
    match name {
        "timeout" => return limits::TIMEOUT.parse(value).map(|timeout| set_timeout(cache, timeout)),
        "connect_timeout" => return set_connect_timeout(cache, limits::CONNECT_TIMEOUT.parse(value)?),
        "tcp_nodelay" => {
            return config::choose(value, &SWITCH).map(|enabled| super::tune::set_nodelay(cache, enabled));
        }
        "busy_poll" => {
            chosen.busy_poll = if value == OFF { Duration::ZERO } else { limits::BUSY_POLL.parse(value)? };
            cache.handle().terms_changed();
            return Ok(());
        }
        "backups" => chosen.options.backups = of_program(cache, config::choose(value, &BACKUPS))?,
        "read_backup" => chosen.options.read_backup = of_program(cache, config::choose(value, &READ_BACKUP))?,
        "window" => chosen.options.window = of_program(cache, limits::WINDOW.parse(value))?,
        _ => {
            let ttl = if value == NONE { Ok(None) } else { limits::MAX_TTL.parse(value).map(Some) };
            chosen.options.max_ttl = of_program(cache, ttl)?;
        }
    }
    cache.handle().list_changed();
    Ok(())
}

/// A value for what the program decides in its own pool, and the operator in one from a file.
fn of_program<T>(cache: Cache, value: Result<T, String>) -> Result<T, String> {
    if cache.handle().has_file() {
        return Err("the pool came from a file, whose operator decides this; \
                    a program may set timeout, connect_timeout, tcp_nodelay and busy_poll"
            .to_owned());
    }
    value
}

/// How long a call may take: the longest timeout of its servers.
fn timeout(cache: Cache) -> Duration {
    cache.servers().map(server::timeout_of).max().unwrap_or(server::span_of(chosen_to_come(cache)))
}

/// The timeout that the program chose for servers to come.
fn chosen_to_come(cache: Cache) -> timeval {
    // SAFETY: a live struct.
    unsafe { (*cache.as_ptr()).tv }
}

fn set_timeout(cache: Cache, timeout: Duration) {
    let tv = timeval {
        tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
        tv_usec: timeout.subsec_micros().into(),
    };
    // SAFETY: a live struct, and the servers of its list.
    unsafe {
        (*cache.as_ptr()).tv = tv;
        cache.servers().for_each(|server| (*server).tv = tv);
    }
    cache.handle().terms_changed();
}

/// How long a connection may take to be made; never longer than a whole call.
fn connect_timeout(cache: Cache) -> Duration {
    let handle = cache.handle();
    let of_pool =
        handle.file().map_or(handle.chosen.options.connect_timeout, |pool| pool.options.connect_timeout);
    handle.chosen.connect_timeout.unwrap_or(of_pool).min(timeout(cache))
}

fn set_connect_timeout(cache: Cache, connect: Duration) -> Result<(), String> {
    let whole = timeout(cache);
    if connect > whole {
        let (connect, whole) = (duration::Text(connect), duration::Text(whole));
        return Err(format!(
            "{connect} is longer than timeout, which is {whole}; a call connects within its timeout: \
             allowed is at most as long"
        ));
    }
    let handle = cache.handle();
    handle.chosen.options.connect_timeout = connect;
    handle.chosen.connect_timeout = Some(connect);
    handle.terms_changed();
    Ok(())
}

/// An option's value as it would be written; `None` when there is no such option.
fn get(cache: Cache, name: &str) -> Option<String> {
    let handle = cache.handle();
    let options = handle.file().map_or(&handle.chosen.options, |pool| &pool.options);
    Some(match name {
        "backups" => word(&BACKUPS, options.backups),
        "read_backup" => word(&READ_BACKUP, options.read_backup),
        "window" => duration::Text(options.window).to_string(),
        "max_ttl" => options.max_ttl.map_or(NONE.to_owned(), |ttl| duration::Text(ttl).to_string()),
        "timeout" => duration::Text(timeout(cache)).to_string(),
        "connect_timeout" => duration::Text(connect_timeout(cache)).to_string(),
        "tcp_nodelay" => word(&SWITCH, handle.chosen.nodelay),
        "busy_poll" if handle.chosen.busy_poll.is_zero() => OFF.to_owned(),
        "busy_poll" => duration::Text(handle.chosen.busy_poll).to_string(),
        _ => return None,
    })
}

fn word<T: PartialEq>(words: &[(&str, T)], meaning: T) -> String {
    words.iter().find(|(_, known)| *known == meaning).map_or(String::new(), |(word, _)| (*word).to_owned())
}

/// The text that a C caller points at; `None` for NULL and for what is not UTF-8.
///
/// # Safety
/// `text` is NULL or ends in a NUL and stays as it is while `'a` lasts.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })?.to_str().ok()
}

/// Sets an option of a handle by its name; both texts end in a NUL, and are written as in a pool file:
///
///     backups          "pairs" or "none" (preset): every value on two servers. The servers of the list
///                      are paired in their order, each counted once: 1 and 2, 3 and 4, ...; an odd
///                      last one has its second copies on the first
///     read_backup      "recovering" (preset) or "always": ask the backup after every miss
///     window           "24h": how long a server that came back is taken for incomplete
///     max_ttl          "7d", or "none" (preset): nothing lives longer than this
///     timeout          "500ms": of a whole call; sets the timeout of every server, see mc_timeout
///     connect_timeout  "100ms": how long a connection may take to be made; at most timeout
///     tcp_nodelay      "on" (preset) or "off"; see mc_nodelay_enable
///     busy_poll        "50us", or "off" (preset): a call that waits for answers asks its sockets
///                      again and again for that long before it sleeps. Where a processor can be
///                      spared, an answer that comes soon is had sooner. Where most come later, it
///                      sleeps at once, and tries this again now and then
///
/// MC_REASON_DONE; MC_REASON_BAD_OPTION: nothing was changed, and mc_reason_text says what is wrong and
/// what is allowed. In a pool that came from a file (mc_open, MEMCACHE_POOL) a program may set timeout,
/// connect_timeout, tcp_nodelay and busy_poll; the others are agreed among all programs that share the pool, and
/// only its file decides them. Setting one of those others in your own pool makes the next call
/// connect anew, and every program that shares the servers should set it alike, before its first call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_option_set(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    name: *const c_char,
    value: *const c_char,
) -> c_int {
    // SAFETY: the caller's context, handle and texts.
    unsafe {
        reason_guard(ctxt, mc, |_, cache| {
            let refuse =
                |why: String| cache.handle().last.refuse(MC_REASON_BAD_OPTION, format_args!("{why}"));
            let (Some(name), Some(value)) = (text(name), text(value)) else {
                return Err(refuse("an option's name or value is NULL or no UTF-8 text".to_owned()));
            };
            if !NAMES.contains(&name) {
                return Err(refuse(config::unknown("option", name, &NAMES)));
            }
            set(cache, name, value).map_err(|wrong| refuse(format!("{name}: {wrong}")))?;
            Ok(MC_REASON_DONE)
        })
    }
}

/// See mcm_option_set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_option_set(
    mc: *mut memcache,
    name: *const c_char,
    value: *const c_char,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_option_set(mc_global_ctxt(), mc, name, value) }
}

/// An option's present value, as mc_option_set takes it. Copies as much of it as fits to the size bytes
/// at value, with a NUL behind it; value may be NULL when size is 0. Returns the value's whole length
/// without the NUL, as snprintf does; -1 when there is no such option, or a pointer is NULL. Leaves the
/// handle's last reason as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_option_get(
    ctxt: *const memcache_ctxt,
    mc: *const memcache,
    name: *const c_char,
    value: *mut c_char,
    size: usize,
) -> c_int {
    guard(FAILED, || {
        let _ = ctxt;
        // SAFETY: the caller's handle and text.
        let (cache, name) = unsafe { (Cache::new(mc)?, text(name)?) };
        let known = get(cache, name)?;
        if value.is_null() && size > 0 {
            return None;
        }
        if let Some(room) = size.checked_sub(1) {
            let fits = known.len().min(room);
            // SAFETY: the caller's memory of `size` bytes.
            unsafe {
                ptr::copy_nonoverlapping(known.as_ptr().cast(), value, fits);
                value.add(fits).write(0);
            }
        }
        c_int::try_from(known.len()).ok()
    })
}

/// See mcm_option_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_option_get(
    mc: *const memcache,
    name: *const c_char,
    value: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_option_get(mc_global_ctxt(), mc, name, value, size) }
}
