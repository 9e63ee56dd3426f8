//! Errors as the old interface tells them: a code with a severity, handed to the context's handler.
//!
//! Two things differ from the original on purpose. Nothing ends the process unless the program's
//! own handler asks for it (`cont` set to 'n' or 'a'). And the handler gets a copy of its own of
//! the struct: two threads that share the global context and fail at once would else read each
//! other's message, which by then may be gone.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::constants::*;
use super::context::{Context, mc_global_ctxt, mcErrFunc, memcache_ctxt};
use super::guard::guard;
use super::types::u_int32_t;
use crate::client::Whole;
use crate::client::fork::PerProcess;

/// One raised error, as an error handler sees it.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct memcache_err_ctxt {
    /// The program's own: set it in ctxt->ectxt once, read it in the handler.
    pub misc: *mut c_void,
    /// Who raised it.
    pub funcname: *const c_char,
    /// Where it was raised.
    pub lineno: u_int32_t,
    /// errno, or 0 when it has nothing to do with it.
    pub errnum: u_int32_t,
    /// MCM_ERR_...
    pub errcode: u_int32_t,
    /// MCM_ERR_LVL_...
    pub severity: c_char,
    /// 'y': the call goes on and returns its failure (preset). A handler may set 'n': the process
    /// exits with sysexit, or 'a': it aborts.
    pub cont: c_char,
    /// A handler that sets it to other than 0 chooses what the failing call returns, if that is an int.
    pub retcode: i32,
    /// The exit status of sysexits.h that fits.
    pub sysexit: c_int,
    /// What the code means, in English.
    pub errstr: *const c_char,
    /// What happened, or NULL. Gone when the handler has returned.
    pub errmsg: *const c_char,
    /// The message's length.
    pub errlen: usize,
    /// The context it was raised in.
    pub ctxt: *const c_void,
}

/// No error yet.
pub(super) const NOTHING: memcache_err_ctxt = memcache_err_ctxt {
    misc: ptr::null_mut(),
    funcname: c"".as_ptr(),
    lineno: 0,
    errnum: 0,
    errcode: 0,
    severity: 0,
    cont: b'y' as c_char,
    retcode: 0,
    sysexit: 0,
    errstr: c"no error".as_ptr(),
    errmsg: ptr::null(),
    errlen: 0,
    ctxt: ptr::null(),
};

/// What is known of a code: its severity, its exit status, what it means.
fn known(code: u32) -> (u32, c_int, &'static CStr) {
    const EX_OK: c_int = 0;
    const EX_DATAERR: c_int = 65;
    const EX_NOHOST: c_int = 68;
    const EX_UNAVAILABLE: c_int = 69;
    const EX_SOFTWARE: c_int = 70;
    const EX_OSERR: c_int = 71;
    const EX_CANTCREAT: c_int = 73;
    const EX_IOERR: c_int = 74;
    const EX_TEMPFAIL: c_int = 75;
    const EX_PROTOCOL: c_int = 76;
    const INFO: u32 = MCM_ERR_LVL_INFO;
    const NOTICE: u32 = MCM_ERR_LVL_NOTICE;
    const WARN: u32 = MCM_ERR_LVL_WARN;
    const ERR: u32 = MCM_ERR_LVL_ERR;
    const FATAL: u32 = MCM_ERR_LVL_FATAL;
    match code {
        MCM_ERR_NONE => (ERR, EX_OSERR, c"no error"),
        MCM_ERR_ASSERT => (FATAL, EX_SOFTWARE, c"a call that makes no sense"),
        MCM_ERR_LIB_SNPRINTF => (ERR, EX_DATAERR, c"a text could not be formatted"),
        MCM_ERR_LIB_STRTOL | MCM_ERR_LIB_STRTOLL => (ERR, EX_DATAERR, c"not a number"),
        MCM_ERR_MC_RECONN => (INFO, EX_OK, c"connected to a server again"),
        MCM_ERR_MC_SEND_CMD => (NOTICE, EX_IOERR, c"a command could not be sent"),
        MCM_ERR_MC_SERV_LIST => (WARN, EX_DATAERR, c"about the list of servers"),
        MCM_ERR_MC_STORE => (NOTICE, EX_CANTCREAT, c"not stored"),
        MCM_ERR_MC_VALID_SERVER => (NOTICE, EX_UNAVAILABLE, c"no server could be asked"),
        MCM_ERR_MEM_MALLOC | MCM_ERR_MEM_REALLOC => (ERR, EX_OSERR, c"out of memory"),
        MCM_ERR_NET_CONNECT => (NOTICE, EX_TEMPFAIL, c"no connection to a server"),
        MCM_ERR_NET_HOST => (WARN, EX_NOHOST, c"no such host"),
        MCM_ERR_PROTO => (FATAL, EX_PROTOCOL, c"against the protocol"),
        MCM_ERR_SYS_CLOSE => (ERR, EX_OSERR, c"close failed"),
        MCM_ERR_SYS_CONNECT => (NOTICE, EX_OSERR, c"connect failed"),
        MCM_ERR_SYS_FCNTL => (ERR, EX_OSERR, c"fcntl failed"),
        MCM_ERR_SYS_READ => (ERR, EX_OSERR, c"read failed"),
        MCM_ERR_SYS_SELECT => (ERR, EX_OSERR, c"waiting for a server failed"),
        MCM_ERR_SYS_SETSOCKOPT => (ERR, EX_OSERR, c"setsockopt failed"),
        MCM_ERR_SYS_SOCKET => (ERR, EX_OSERR, c"socket failed"),
        MCM_ERR_SYS_WRITEV => (ERR, EX_OSERR, c"write failed"),
        MCM_ERR_TEST => (WARN, EX_OK, c"a test of the error handler"),
        MCM_ERR_TIMEOUT => (WARN, EX_UNAVAILABLE, c"time was up"),
        MCM_ERR_TRACE => (INFO, EX_OK, c"trace"),
        MCM_ERR_UNKNOWN_STAT => (WARN, EX_PROTOCOL, c"an unknown statistic"),
        _ => (ERR, EX_OSERR, c"an unknown error code"),
    }
}

/// A code's usual severity.
pub(super) fn severity(code: u32) -> u32 {
    known(code).0
}

/// Raises one of the library's own errors. The text is made only when somebody will read it.
#[track_caller]
pub(super) fn raise(
    ctxt: Context,
    function: &CStr,
    code: u32,
    level: u32,
    message: fmt::Arguments<'_>,
) -> c_int {
    if silenced(ctxt, level) {
        return 0;
    }
    let _whole = Whole::begin();
    let mut text = String::new();
    // A String takes everything.
    let _ = text.write_fmt(message);
    text.retain(|character| character != '\0');
    let text = CString::new(text).unwrap_or_default();
    let line = std::panic::Location::caller().line();
    let (_, sysexit, errstr) = known(code);
    let error = memcache_err_ctxt {
        funcname: function.as_ptr(),
        lineno: line,
        errcode: code,
        severity: level as c_char,
        sysexit,
        errstr: errstr.as_ptr(),
        errmsg: text.as_ptr(),
        errlen: text.as_bytes().len(),
        ..NOTHING
    };
    deliver(ctxt, error)
}

fn silenced(ctxt: Context, level: u32) -> bool {
    // SAFETY: a live context.
    unsafe { (*ctxt.as_ptr()).err_mask & level != 0 }
}

/// Keeps two threads from writing to one context's struct at once. No code of the program's runs
/// while it is held.
static LAST_ERROR: PerProcess<Mutex<()>> = PerProcess::new();

fn last_error() -> MutexGuard<'static, ()> {
    LAST_ERROR.get(|_| Mutex::default()).lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program stored in the context's struct.
fn misc(ctxt: Context) -> *mut c_void {
    let _lock = last_error();
    // SAFETY: a live context; its struct is NULL or valid.
    unsafe { (*ctxt.as_ptr()).ectxt.as_ref().map_or(ptr::null_mut(), |last| last.misc) }
}

fn keep(ctxt: Context, error: &memcache_err_ctxt) {
    let _lock = last_error();
    // SAFETY: as in `misc`.
    unsafe {
        if let Some(last) = (*ctxt.as_ptr()).ectxt.as_mut() {
            *last = error.clone();
        }
    }
}

fn forget_retcode(ctxt: Context) {
    let _lock = last_error();
    // SAFETY: as in `misc`.
    if let Some(last) = unsafe { (*ctxt.as_ptr()).ectxt.as_mut() } {
        last.retcode = NOTHING.retcode;
    }
}

/// A handler may have written to the context's struct instead of the one that it was given: to old
/// programs they were the same. Its retcode is not looked for there: another thread's may lie there.
fn take_what_the_handler_left(ctxt: Context, error: &mut memcache_err_ctxt, before: *mut c_void) {
    let _lock = last_error();
    // SAFETY: as in `misc`.
    let Some(left) = (unsafe { (*ctxt.as_ptr()).ectxt.as_ref() }) else { return };
    if error.misc == before {
        error.misc = left.misc;
    }
    if error.cont == NOTHING.cont {
        error.cont = left.cont;
    }
}

thread_local! {
    /// What the handler answered to this thread's last error.
    static RETCODE: Cell<c_int> = const { Cell::new(0) };
}

/// What an int call returns whose failure was raised somewhere within it: `result`, or the retcode of
/// a handler that was told.
pub(super) fn unless_replaced(call: impl FnOnce() -> Result<(), c_int>) -> c_int {
    RETCODE.set(0);
    call().map_or_else(|result| replaced(RETCODE.get(), result), |()| 0)
}

/// Calls the handler, then does what it decided.
fn deliver(ctxt: Context, mut error: memcache_err_ctxt) -> c_int {
    let before = misc(ctxt);
    error.misc = before;
    error.ctxt = ctxt.as_ptr().cast();
    keep(ctxt, &error);
    // SAFETY: a live context.
    let handler = unsafe { (*ctxt.as_ptr()).mcErr }.unwrap_or(print);
    // SAFETY: a handler of the context's; both pointers are valid while it runs.
    unsafe { handler(ctxt.as_ptr().cast(), (&raw mut error).cast()) };
    take_what_the_handler_left(ctxt, &mut error, before);
    match error.cont as u8 {
        // SAFETY: ends the process, as the program's handler asked.
        b'n' => unsafe { libc::exit(error.sysexit) },
        // SAFETY: as above.
        b'a' => unsafe { libc::abort() },
        _ => {}
    }
    // The texts may be gone when this call is over.
    error.errmsg = ptr::null();
    error.errlen = 0;
    keep(ctxt, &error);
    RETCODE.set(error.retcode);
    error.retcode
}

/// The default of mcErr: one line on standard error.
pub(super) unsafe extern "C-unwind" fn print(_ctxt: *const c_void, ectxt: *mut c_void) -> i32 {
    guard(0, || {
        // SAFETY: a handler is called with a valid struct.
        let error = unsafe { ectxt.cast::<memcache_err_ctxt>().as_ref() }?;
        let text = |start: *const c_char| {
            if start.is_null() {
                return String::new();
            }
            // SAFETY: its texts are NULL or end in a NUL.
            unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned()
        };
        let mut line = format!("libmemcache: {}: {}", text(error.funcname), text(error.errstr));
        if error.errlen > 0 {
            line = format!("{line}: {}", text(error.errmsg));
        }
        if error.errnum != 0 {
            line = format!("{line}: {}", std::io::Error::from_raw_os_error(error.errnum as i32));
        }
        line = line.replace('\n', " ") + "\n";
        // Nobody can be told that standard error is closed.
        let _ = std::io::stderr().write_all(line.as_bytes());
        Some(0)
    })
}

/// Raises an error: fills ctxt->ectxt and calls the context's handler, unless the severity is
/// silenced. For extensions; see MCM_ERR and its siblings.
///
/// flags: ERR_FLAG or WARN_FLAG, with NO_ERRNO_FLAG when errno says nothing. funcname may be NULL.
/// errcode: MCM_ERR_... msg: what happened, or NULL; msglen: its length, 0: up to its NUL.
/// errlvl: MCM_ERR_LVL_..., 0: the usual one of the code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_err(
    ctxt: *const memcache_ctxt,
    flags: u_int32_t,
    funcname: *const c_char,
    lineno: u_int32_t,
    errcode: u_int32_t,
    msg: *const c_char,
    msglen: u_int32_t,
    errlvl: u_int32_t,
) {
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    guard((), || {
        // SAFETY: the caller's context.
        let ctxt = unsafe { Context::new(ctxt) }?;
        let (usual, sysexit, errstr) = known(errcode);
        let level = if errlvl == 0 { usual } else { errlvl };
        if silenced(ctxt, level) {
            // Nobody was asked for a retcode: that of an earlier error is not this one's.
            forget_retcode(ctxt);
            return Some(());
        }
        // SAFETY: the caller's text, of that length or with a NUL at its end.
        let message = unsafe {
            match (msg.is_null(), msglen) {
                (true, _) => &[],
                (false, 0) => CStr::from_ptr(msg).to_bytes(),
                (false, len) => super::guard::bytes(msg.cast(), len as usize)?,
            }
        };
        // A length need not end at a NUL, and a handler prints with %s.
        let end = message.iter().position(|byte| *byte == 0).unwrap_or(message.len());
        let mut text = Vec::new();
        text.try_reserve_exact(end + 1).ok()?;
        text.extend_from_slice(&message[..end]);
        text.push(0);
        let error = memcache_err_ctxt {
            funcname: if funcname.is_null() { c"".as_ptr() } else { funcname },
            lineno,
            errnum: if flags & NO_ERRNO_FLAG == 0 { errno.unsigned_abs() } else { 0 },
            errcode,
            severity: level as c_char,
            sysexit,
            errstr: errstr.as_ptr(),
            errmsg: if msg.is_null() { ptr::null() } else { text.as_ptr().cast() },
            errlen: end,
            ..NOTHING
        };
        deliver(ctxt, error);
        Some(())
    });
}

/// Raises MCM_ERR_TEST, to try out an error handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_err_test(ctxt: *const memcache_ctxt) {
    guard((), || {
        // SAFETY: the caller's context.
        let ctxt = unsafe { Context::new(ctxt) }?;
        ctxt.raise(c"mc_err_test", MCM_ERR_TEST, format_args!("nothing is wrong"));
        Some(())
    });
}

/// Raises MCM_ERR_TEST, to try out an error handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_err_test() {
    // SAFETY: the global context is always valid.
    unsafe { mcm_err_test(mc_global_ctxt()) }
}

/// Installs a context's error handler. 0, or 1 when a pointer is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcErrSetupCtxt(ctxt: *mut memcache_ctxt, errFunc: mcErrFunc) -> c_int {
    guard(1, || {
        // SAFETY: the caller's context.
        let ctxt = unsafe { Context::new(ctxt) }?;
        errFunc?;
        // SAFETY: a live context.
        unsafe { (*ctxt.as_ptr()).mcErr = errFunc };
        Some(0)
    })
}

/// Installs the global context's error handler. 0, or 1 when it is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcErrSetup(errFunc: mcErrFunc) -> c_int {
    // SAFETY: the global context is always valid.
    unsafe { mcErrSetupCtxt(mc_global_ctxt(), errFunc) }
}

/// Reads the global context's error handler. 0, or 1 when errFunc is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcErrGet(errFunc: *mut mcErrFunc) -> c_int {
    guard(1, || {
        // SAFETY: NULL or the caller's variable.
        let out = unsafe { errFunc.as_mut() }?;
        // SAFETY: the global context is always valid.
        *out = unsafe { (*mc_global_ctxt()).mcErr };
        Some(0)
    })
}

/// What an int call returns that failed with `result` and raised an error with this answer.
pub(super) fn replaced(retcode: c_int, result: c_int) -> c_int {
    if retcode != 0 { retcode } else { result }
}
