//! The numbers of the interface. cbindgen copies them into the header as macros.

use std::ffi::c_char;

use super::types::u_int32_t;

/// The longest key, in bytes.
pub const MAX_KEY_LEN: usize = 250;
/// What a new buffer holds, in bytes.
pub const INIT_GET_BUF_SIZE: usize = 1024;

/// Severity: no severity.
pub const MCM_ERR_LVL_NONE: u_int32_t = 0;
/// Severity: told for interest; silenced by default.
pub const MCM_ERR_LVL_INFO: u_int32_t = 1;
/// Severity: noteworthy, yet expected; silenced by default.
pub const MCM_ERR_LVL_NOTICE: u_int32_t = 2;
/// Severity: something is wrong; the call may have gone well.
pub const MCM_ERR_LVL_WARN: u_int32_t = 4;
/// Severity: the call failed.
pub const MCM_ERR_LVL_ERR: u_int32_t = 8;
/// Severity: a caller's mistake, or an answer that makes no sense.
pub const MCM_ERR_LVL_FATAL: u_int32_t = 16;
/// Same as MCM_ERR_LVL_INFO.
pub const MC_ERR_LVL_INFO: u_int32_t = 1;
/// Same as MCM_ERR_LVL_NOTICE.
pub const MC_ERR_LVL_NOTICE: u_int32_t = 2;
/// Same as MCM_ERR_LVL_WARN.
pub const MC_ERR_LVL_WARN: u_int32_t = 4;
/// Same as MCM_ERR_LVL_ERR.
pub const MC_ERR_LVL_ERR: u_int32_t = 8;
/// Same as MCM_ERR_LVL_FATAL.
pub const MC_ERR_LVL_FATAL: u_int32_t = 16;

/// Error: no error.
pub const MCM_ERR_NONE: u_int32_t = 0;
/// Error: a caller's mistake.
pub const MCM_ERR_ASSERT: u_int32_t = 1;
/// Error: snprintf failed.
pub const MCM_ERR_LIB_SNPRINTF: u_int32_t = 2;
/// Error: not a number.
pub const MCM_ERR_LIB_STRTOL: u_int32_t = 3;
/// Error: not a number.
pub const MCM_ERR_LIB_STRTOLL: u_int32_t = 4;
/// Error: a server was connected to again.
pub const MCM_ERR_MC_RECONN: u_int32_t = 5;
/// Error: a command could not be sent.
pub const MCM_ERR_MC_SEND_CMD: u_int32_t = 6;
/// Error: the list of servers cannot be used.
pub const MCM_ERR_MC_SERV_LIST: u_int32_t = 7;
/// Error: not stored, or a server refused; its text is the message.
pub const MCM_ERR_MC_STORE: u_int32_t = 8;
/// Error: no server could be asked.
pub const MCM_ERR_MC_VALID_SERVER: u_int32_t = 9;
/// Error: the context's malloc gave NULL.
pub const MCM_ERR_MEM_MALLOC: u_int32_t = 10;
/// Error: the context's realloc gave NULL.
pub const MCM_ERR_MEM_REALLOC: u_int32_t = 11;
/// Error: no connection could be made.
pub const MCM_ERR_NET_CONNECT: u_int32_t = 12;
/// Error: a host name could not be resolved.
pub const MCM_ERR_NET_HOST: u_int32_t = 13;
/// Error: a key that may not be sent, or an answer that makes no sense.
pub const MCM_ERR_PROTO: u_int32_t = 14;
/// Error: close failed.
pub const MCM_ERR_SYS_CLOSE: u_int32_t = 16;
/// Error: connect failed.
pub const MCM_ERR_SYS_CONNECT: u_int32_t = 17;
/// Error: fcntl failed.
pub const MCM_ERR_SYS_FCNTL: u_int32_t = 18;
/// Error: read failed.
pub const MCM_ERR_SYS_READ: u_int32_t = 19;
/// Error: select or poll failed.
pub const MCM_ERR_SYS_SELECT: u_int32_t = 20;
/// Error: setsockopt failed.
pub const MCM_ERR_SYS_SETSOCKOPT: u_int32_t = 21;
/// Error: socket failed.
pub const MCM_ERR_SYS_SOCKET: u_int32_t = 22;
/// Error: write failed.
pub const MCM_ERR_SYS_WRITEV: u_int32_t = 23;
/// Error: raised by mc_err_test.
pub const MCM_ERR_TEST: u_int32_t = 24;
/// Error: the call's time was up.
pub const MCM_ERR_TIMEOUT: u_int32_t = 25;
/// Error: for whoever follows the library's steps.
pub const MCM_ERR_TRACE: u_int32_t = 26;
/// Error: a statistic that is not known.
pub const MCM_ERR_UNKNOWN_STAT: u_int32_t = 27;

/// For mcm_err: an error.
pub const ERR_FLAG: u_int32_t = 1;
/// For mcm_err: a warning.
pub const WARN_FLAG: u_int32_t = 2;
/// For mcm_err: errno has nothing to do with it.
pub const NO_ERRNO_FLAG: u_int32_t = 4;

/// Of a response: the value is freed with the response.
pub const MCM_RES_FREE_ON_DELETE: c_char = 1;
/// Of a response: the caller owns the value.
pub const MCM_RES_NO_FREE_ON_DELETE: c_char = 2;
/// Of a response: the last fetch found it.
pub const MCM_RES_FOUND: c_char = 4;
/// Of a response: a fetch was tried.
pub const MCM_RES_ATTEMPTED: c_char = 8;
/// Of a response: the key is the response's own copy.
pub const MCM_RES_NEED_FREE_KEY: c_char = 16;
/// Same as MCM_RES_FREE_ON_DELETE.
pub const MC_RES_FREE_ON_DELETE: c_char = 1;
/// Same as MCM_RES_NO_FREE_ON_DELETE.
pub const MC_RES_NO_FREE_ON_DELETE: c_char = 2;
/// Same as MCM_RES_FOUND.
pub const MC_RES_FOUND: c_char = 4;
/// Same as MCM_RES_ATTEMPTED.
pub const MC_RES_ATTEMPTED: c_char = 8;
/// Same as MCM_RES_NEED_FREE_KEY.
pub const MC_RES_NEED_FREE_KEY: c_char = 16;
