//! How a call ended: a number for the program, and a sentence for a person.
//!
//! The number is one store per call, so the old calls leave it too. The sentence is made when it is
//! asked for; what it needs is kept meanwhile: the key in memory that is reused, and, of a call
//! that failed, which servers it was about, because by the time somebody asks they may be well again.

use std::ffi::{CStr, c_char, c_int};
use std::fmt::{self, Write as _};
use std::ptr;

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{everyday_guard, guard};
use super::memcache::{Cache, memcache};
use crate::config::shown::clean;
use crate::rules::key;
use crate::rules::operation::{NO_MEMORY, Operation, Outcome};

/// How a call ended. 0 and above: it was carried out, and this is the answer. Below 0: it was not, or
/// nobody knows whether it was; then nothing may be concluded about the key: "unavailable" is
/// not "no such session". Calls that answer with a reason never run the error handler.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum mc_reason {
    /// Done; or no call was made yet.
    #[default]
    MC_REASON_DONE = 0,
    /// The value was found.
    MC_REASON_HIT = 1,
    /// Stored; in a pool with backups on both servers.
    MC_REASON_STORED = 2,
    /// Deleted on every server that may have it.
    MC_REASON_DELETED = 3,
    /// Its expiry time was changed.
    MC_REASON_TOUCHED = 4,
    /// Counted; the new number was handed out.
    MC_REASON_NUMBER = 5,
    /// There is no such value.
    MC_REASON_MISS = 10,
    /// The condition did not hold: add where there is a value, replace, append or prepend where
    /// there is none.
    MC_REASON_NOT_STORED = 11,
    /// Not stored: since the token of mc_cas was handed out the value was changed, or its server
    /// restarted or was replaced by another.
    MC_REASON_EXISTS = 12,
    /// There is nothing under that key to be deleted, touched, counted or compared.
    MC_REASON_NOT_FOUND = 13,
    /// The server that knows could not be asked, or it is unknown whether it did what it was asked.
    MC_REASON_UNAVAILABLE = -1,
    /// The call's time was up. What was to be changed may be changed still.
    MC_REASON_TIMEOUT = -2,
    /// A server refused: mc_reason_text has its words. Also: the key needs meta commands
    /// (memcached 1.6) and the server has none. Also: what is to be counted is no number.
    MC_REASON_REFUSED = -3,
    /// The key may not be sent; nothing was.
    MC_REASON_BAD_KEY = -4,
    /// An argument is NULL that must not be, or a value is longer than 1 GiB; nothing was sent.
    MC_REASON_BAD_VALUE = -5,
    /// There is no memory: the context's allocator gave NULL, or there is none for sending or receiving so much. A
    /// value that was found could not be handed out; of a store nothing is kept.
    MC_REASON_NO_MEMORY = -6,
    /// The handle has no servers.
    MC_REASON_NO_SERVERS = -7,
    /// The pool file that MEMCACHE_POOL names cannot be used, so the handle has no servers.
    MC_REASON_BAD_FILE = -8,
    /// There is no such option, it cannot have this value, or it is the operator's to set.
    MC_REASON_BAD_OPTION = -9,
    /// A fault of the library, caught at its boundary. It is unknown how far the call came.
    MC_REASON_INTERNAL = -10,
}

use mc_reason::*;

/// Every reason, with its name and what it says of a key; `%` is the key's place.
const REASONS: [(mc_reason, &CStr, &str); 20] = [
    (MC_REASON_DONE, c"MC_REASON_DONE", "done"),
    (MC_REASON_HIT, c"MC_REASON_HIT", "the value of % was found"),
    (MC_REASON_STORED, c"MC_REASON_STORED", "% was stored"),
    (MC_REASON_DELETED, c"MC_REASON_DELETED", "% was deleted"),
    (MC_REASON_TOUCHED, c"MC_REASON_TOUCHED", "% has a new expiry time"),
    (MC_REASON_NUMBER, c"MC_REASON_NUMBER", "% was counted"),
    (MC_REASON_MISS, c"MC_REASON_MISS", "there is no value under %"),
    (MC_REASON_NOT_STORED, c"MC_REASON_NOT_STORED", "% was not stored: the condition did not hold"),
    (
        MC_REASON_EXISTS,
        c"MC_REASON_EXISTS",
        "% was not stored: its value is not the one of the token any more",
    ),
    (MC_REASON_NOT_FOUND, c"MC_REASON_NOT_FOUND", "there is nothing under %"),
    (
        MC_REASON_UNAVAILABLE,
        c"MC_REASON_UNAVAILABLE",
        "no server that knows % could be asked, or whether it did what it was asked is unknown",
    ),
    (MC_REASON_TIMEOUT, c"MC_REASON_TIMEOUT", "the time of the call for % was up"),
    (MC_REASON_REFUSED, c"MC_REASON_REFUSED", "what was asked about % was refused"),
    (MC_REASON_BAD_KEY, c"MC_REASON_BAD_KEY", "the key may not be sent"),
    (MC_REASON_BAD_VALUE, c"MC_REASON_BAD_VALUE", "an argument cannot be used"),
    (MC_REASON_NO_MEMORY, c"MC_REASON_NO_MEMORY", "there is no memory for the value of %"),
    (
        MC_REASON_NO_SERVERS,
        c"MC_REASON_NO_SERVERS",
        "the handle has no servers: add some with mc_server_add, or open a pool file with mc_open",
    ),
    (
        MC_REASON_BAD_FILE,
        c"MC_REASON_BAD_FILE",
        "the pool file that MEMCACHE_POOL names cannot be used, so the handle has no servers; \
         mc_open of the same file tells what is wrong with it",
    ),
    (MC_REASON_BAD_OPTION, c"MC_REASON_BAD_OPTION", "the option cannot be set so"),
    (
        MC_REASON_INTERNAL,
        c"MC_REASON_INTERNAL",
        "a fault of the library ended the call; it told more on standard error",
    ),
];

impl mc_reason {
    /// The call was not carried out, or nobody knows.
    pub(super) fn is_failure(self) -> bool {
        (self as c_int) < 0
    }

    fn says(self) -> &'static str {
        REASONS.iter().find(|(reason, ..)| *reason == self).map_or("", |(.., says)| says)
    }
}

impl From<Outcome> for mc_reason {
    fn from(outcome: Outcome) -> mc_reason {
        match outcome {
            Outcome::Hit => MC_REASON_HIT,
            Outcome::Miss => MC_REASON_MISS,
            Outcome::Stored => MC_REASON_STORED,
            Outcome::NotStored => MC_REASON_NOT_STORED,
            Outcome::Exists => MC_REASON_EXISTS,
            Outcome::NotFound => MC_REASON_NOT_FOUND,
            Outcome::Deleted => MC_REASON_DELETED,
            Outcome::Touched => MC_REASON_TOUCHED,
            Outcome::Number(_) => MC_REASON_NUMBER,
            Outcome::Done => MC_REASON_DONE,
            Outcome::Refused => MC_REASON_REFUSED,
            Outcome::Unavailable => MC_REASON_UNAVAILABLE,
            Outcome::Timeout => MC_REASON_TIMEOUT,
        }
    }
}

/// How a call ended, by its outcome and the words of who refused: a server, or we for want of memory.
pub(super) fn of_refusal(outcome: Outcome, words: Option<&[u8]>) -> mc_reason {
    match words {
        Some(NO_MEMORY) if outcome == Outcome::Refused => MC_REASON_NO_MEMORY,
        _ => outcome.into(),
    }
}

/// A key, or none: noted with every call, and asked for hardly ever.
#[derive(Clone, Copy)]
struct Noted {
    bytes: [u8; key::MAX_KEY_LEN],
    len: usize,
}

impl Noted {
    #[inline(always)]
    fn note(&mut self, key: &[u8]) {
        let key = &key[..key.len().min(key::MAX_KEY_LEN)];
        self.len = key.len();
        match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            // Most keys are short: two moves cost less than a call.
            (Some(first), Some(last)) if key.len() <= 16 => {
                self.bytes[..8].copy_from_slice(first);
                self.bytes[key.len() - 8..key.len()].copy_from_slice(last);
            }
            _ => self.bytes[..key.len()].copy_from_slice(key),
        }
    }

    fn key(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// All of [`Last`] but the sentence that was handed out.
pub(super) struct Kept(mc_reason, Noted, String);

/// How the last call of a handle ended.
pub(super) struct Last {
    reason: mc_reason,
    /// The key it was about, where that was noted.
    key: Noted,
    /// What else is to be said: why an argument was refused, or who did not answer.
    why: String,
    /// The sentence, as it was last asked for, with its NUL.
    text: Vec<u8>,
}

impl Default for Last {
    fn default() -> Last {
        let key = Noted { bytes: [0; key::MAX_KEY_LEN], len: 0 };
        Last { reason: mc_reason::default(), key, why: String::new(), text: Vec::new() }
    }
}

impl Last {
    pub(super) fn reason(&self) -> mc_reason {
        self.reason
    }

    /// How it ended.
    pub(super) fn set(&mut self, reason: mc_reason) {
        self.reason = reason;
        self.key.len = 0;
        self.why.clear();
    }

    /// How it ended, and for which key.
    pub(super) fn set_for(&mut self, reason: mc_reason, key: &[u8]) {
        self.set(reason);
        self.key.note(key);
    }

    pub(super) fn kept(&self) -> Kept {
        Kept(self.reason, self.key, self.why.clone())
    }

    pub(super) fn put_back(&mut self, kept: Kept) {
        Kept(self.reason, self.key, self.why) = kept;
    }

    /// It ended before it began; why, as a sentence.
    pub(super) fn refuse(&mut self, reason: mc_reason, why: fmt::Arguments<'_>) -> mc_reason {
        self.set(reason);
        let _ = self.why.write_fmt(why); // it goes to a string, which takes everything
        reason
    }

    /// The sentence, with its NUL. A message keeps its own NULs out.
    fn sentence(&mut self) -> &CStr {
        self.text.clear();
        let refused_early = self.key.len == 0 && !self.why.is_empty();
        if !refused_early {
            let (before, after) = self.reason.says().split_once('%').unwrap_or((self.reason.says(), ""));
            self.text.extend_from_slice(before.as_bytes());
            if self.reason.says().contains('%') {
                self.write_key();
            }
            self.text.extend_from_slice(after.as_bytes());
            if !self.why.is_empty() {
                self.text.extend_from_slice(b": ");
            }
        }
        self.text.extend(self.why.bytes().map(|byte| if byte == 0 { b' ' } else { byte }));
        self.text.push(0);
        CStr::from_bytes_until_nul(&self.text).unwrap_or_default()
    }

    fn write_key(&mut self) {
        if self.key.len == 0 {
            return self.text.extend_from_slice(b"the key");
        }
        self.text.push(b'"');
        self.text.extend(self.key.key().iter().flat_map(|byte| byte.escape_ascii()));
        self.text.push(b'"');
    }
}

/// A server's own words: one line, whatever they are.
pub(super) struct Words<'a>(pub(super) &'a [u8]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&clean(&String::from_utf8_lossy(self.0)))
    }
}

impl Cache {
    /// Notes how an operation on a key ended. Of a failure: for which key, and who was to be asked.
    pub(super) fn ended(self, ctxt: Context, key: &[u8], outcome: Outcome, refusal: Option<&[u8]>) {
        let reason = of_refusal(outcome, refusal);
        if !reason.is_failure() {
            return self.handle().last.set(reason);
        }
        let mut why = std::mem::take(&mut self.handle().last.why);
        why.clear();
        self.explain(ctxt, key, reason, refusal, &mut why);
        let last = &mut self.handle().last;
        last.set_for(reason, key);
        last.why = why;
    }

    /// As [`Context::refuses_key`], and notes the reason.
    pub(super) fn refuses_key(self, ctxt: Context, function: &CStr, key: &[u8]) -> c_int {
        let answer = ctxt.refuses_key(function, key);
        if answer != 0 {
            self.handle().last.set(MC_REASON_BAD_KEY);
        }
        answer
    }

    /// Carries out an operation on a key for a call that answers with a reason.
    #[inline(always)]
    pub(super) fn call(
        self,
        ctxt: Context,
        key: &[u8],
        operation: &mut (impl Operation + ?Sized),
    ) -> mc_reason {
        let outcome = self.carry(ctxt, key, operation);
        if outcome.is_failure() {
            self.ended(ctxt, key, outcome, operation.refusal());
            return of_refusal(outcome, operation.refusal());
        }
        let reason = mc_reason::from(outcome);
        self.handle().last.set_for(reason, key);
        reason
    }

    #[cold]
    fn refused_key(self, why: fmt::Arguments<'_>) -> mc_reason {
        self.handle().last.refuse(MC_REASON_BAD_KEY, why)
    }

    /// Whether a key may be sent, plain or coded.
    #[inline(always)]
    pub(super) fn check_key(self, ctxt: Context, key: &[u8]) -> Result<(), mc_reason> {
        if let Err(why) = key::check_binary(key) {
            return Err(self.refused_key(format_args!("{why}")));
        }
        if ctxt.program_refuses_key(key) {
            return Err(self.refused_key(format_args!("the program's own validator refused the key")));
        }
        Ok(())
    }

    /// Whether there is anybody to ask.
    #[inline(always)]
    pub(super) fn check_servers(self) -> Result<(), mc_reason> {
        if self.servers().next().is_some() { Ok(()) } else { self.nobody() }
    }

    #[cold]
    fn nobody(self) -> Result<(), mc_reason> {
        let handle = self.handle();
        let reason = if handle.has_bad_file() { MC_REASON_BAD_FILE } else { MC_REASON_NO_SERVERS };
        handle.last.set(reason);
        Err(reason)
    }

    /// The key that a C caller points at, if it may be sent and there is anybody to send it to.
    ///
    /// # Safety
    /// `key` is NULL or points to `len` readable bytes that stay as they are while `'a` lasts.
    #[inline(always)]
    pub(super) unsafe fn key<'a>(
        self,
        ctxt: Context,
        key: *const c_char,
        len: usize,
    ) -> Result<&'a [u8], mc_reason> {
        if key.is_null() && len > 0 {
            return Err(self.refused_key(format_args!("the key is NULL")));
        }
        if len > key::MAX_KEY_LEN {
            return Err(self.refused_key(format_args!("{}", key::KeyError::TooLong { len })));
        }
        // SAFETY: the caller's promise.
        let key = unsafe { super::guard::bytes(key.cast(), len) }.unwrap_or_default();
        self.check_key(ctxt, key)?;
        self.check_servers()?;
        Ok(key)
    }

    /// An argument that cannot be used.
    pub(super) fn bad_value(self, why: fmt::Arguments<'_>) -> mc_reason {
        self.handle().last.refuse(MC_REASON_BAD_VALUE, why)
    }
}

/// Runs a call that answers with a reason: `guard`, with the answers that follow from a NULL and from
/// a panic. The handle's last reason is the answer; `body` noted what there is to say about it.
///
/// # Safety
/// `ctxt` and `mc` are NULL or what [`Context::new`] and [`Cache::new`] ask for.
pub(super) unsafe fn reason_guard(
    ctxt: *const memcache_ctxt,
    mc: *const memcache,
    body: impl FnOnce(Context, Cache) -> Result<mc_reason, mc_reason>,
) -> c_int {
    // SAFETY: the caller's promise.
    guard(MC_REASON_INTERNAL as c_int, || Some(unsafe { answered(ctxt, mc, body) }))
}

/// As [`reason_guard`], by [`everyday_guard`].
///
/// # Safety
/// As of [`reason_guard`].
#[inline(always)]
pub(super) unsafe fn everyday_reason_guard(
    ctxt: *const memcache_ctxt,
    mc: *const memcache,
    body: impl FnOnce(Context, Cache) -> Result<mc_reason, mc_reason>,
) -> c_int {
    // SAFETY: the caller's promise.
    everyday_guard(MC_REASON_INTERNAL as c_int, || Some(unsafe { answered(ctxt, mc, body) }))
}

/// # Safety
/// As of [`reason_guard`].
#[inline(always)]
unsafe fn answered(
    ctxt: *const memcache_ctxt,
    mc: *const memcache,
    body: impl FnOnce(Context, Cache) -> Result<mc_reason, mc_reason>,
) -> c_int {
    // SAFETY: the caller's promise.
    let (Some(ctxt), Some(cache)) = (unsafe { Context::new(ctxt) }, unsafe { Cache::new(mc) }) else {
        return MC_REASON_BAD_VALUE as c_int;
    };
    cache.handle().last.set(MC_REASON_INTERNAL); // what it stays if the body panics
    let reason = body(ctxt, cache).unwrap_or_else(|reason| reason);
    if cache.handle().last.reason != reason {
        cache.handle().last.set(reason);
    }
    reason as c_int
}

/// How the handle's last call ended: a number of enum mc_reason. MC_REASON_BAD_VALUE when mc is NULL.
///
/// Of a call of the old interface too, where it folds several reasons into one return value: after
/// mc_aget gave NULL, MC_REASON_MISS says that there is no such value, and anything below 0 that it is
/// not known. Calls that only read the handle (mc_option_get, mc_server_find, ...) leave it as it is,
/// and so does an old call that was given NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_reason(ctxt: *const memcache_ctxt, mc: *const memcache) -> c_int {
    guard(MC_REASON_BAD_VALUE as c_int, || {
        let _ = ctxt;
        // SAFETY: the caller's handle.
        Some(unsafe { Cache::new(mc) }?.handle().last.reason as c_int)
    })
}

/// See mcm_reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_reason(mc: *const memcache) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_reason(mc_global_ctxt(), mc) }
}

/// How the handle's last call ended, as a sentence for a person: with the key (bytes that are not
/// printable ASCII escaped, as \x00), the servers that it was about and their states, and a server's own
/// words when it refused. Ends in a NUL, never NULL, and is the handle's: valid until its next call,
/// to be copied by whoever keeps it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_reason_text(ctxt: *const memcache_ctxt, mc: *const memcache) -> *const c_char {
    guard(c"the handle is NULL".as_ptr(), || {
        let _ = ctxt;
        // SAFETY: the caller's handle.
        Some(unsafe { Cache::new(mc) }?.handle().last.sentence().as_ptr())
    })
}

/// See mcm_reason_text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_reason_text(mc: *const memcache) -> *const c_char {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_reason_text(mc_global_ctxt(), mc) }
}

/// The name of a reason, "MC_REASON_HIT" for 1: for logs. "(no such reason)" for any other number.
/// Never NULL; lives as long as the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_reason_name(ctxt: *const memcache_ctxt, reason: c_int) -> *const c_char {
    guard(ptr::null(), || {
        let _ = ctxt;
        let known = REASONS.iter().find(|(known, ..)| *known as c_int == reason);
        Some(known.map_or(c"(no such reason)", |(_, name, _)| name).as_ptr())
    })
}

/// See mcm_reason_name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_reason_name(reason: c_int) -> *const c_char {
    // SAFETY: the global context is always valid.
    unsafe { mcm_reason_name(mc_global_ctxt(), reason) }
}
