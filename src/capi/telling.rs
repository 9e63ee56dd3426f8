//! What the error handler is told of a call of the old interface that failed.
//!
//! The handler is the program's code and may make calls of its own with the handle. How they end is not how the call
//! ended that it is told of: that call's reason, with its key and its sentence, stands again when the handler is done.

use std::ffi::{CStr, c_int};
use std::fmt;

use super::constants::*;
use super::context::Context;
use super::error::replaced;
use super::memcache::Cache;
use super::reason::mc_reason::MC_REASON_NO_MEMORY;
use crate::rules::operation::{NO_MEMORY, Operation, Outcome};

const NO_SERVER: c_int = -1;
const TIME_UP: c_int = -2;

impl Cache {
    /// Runs what may run the handler, and keeps how the call ended.
    pub(super) fn telling<R>(self, tell: impl FnOnce() -> R) -> R {
        let ended = self.handle().last.kept();
        let answer = tell();
        self.handle().last.put_back(ended);
        answer
    }

    /// Raises an error about a call that has ended. The handler's retcode; 0 when there is none.
    pub(super) fn raise(
        self,
        ctxt: Context,
        function: &CStr,
        code: u32,
        message: fmt::Arguments<'_>,
    ) -> c_int {
        self.telling(|| ctxt.raise(function, code, message))
    }

    /// There is no memory for what a call found, or for asking. `key`: whose value it is, where it is one's.
    pub(super) fn out_of_memory(self, ctxt: Context, function: &CStr, size: usize, key: &[u8]) {
        self.handle().last.set_for(MC_REASON_NO_MEMORY, key);
        self.telling(|| ctxt.out_of_memory(function, size));
    }

    /// Nobody could be asked, or not in time: tells the handler, and what an int call returns.
    pub(super) fn unavailable(self, ctxt: Context, function: &CStr, outcome: Outcome) -> c_int {
        if outcome == Outcome::Timeout {
            let what = format_args!("the call's time was up");
            return replaced(self.raise(ctxt, function, MCM_ERR_TIMEOUT, what), TIME_UP);
        }
        let what = format_args!("no server that knows the key could be asked");
        replaced(self.raise(ctxt, function, MCM_ERR_MC_VALID_SERVER, what), NO_SERVER)
    }

    /// A server refused: its text goes to the handler.
    pub(super) fn refused(
        self,
        ctxt: Context,
        function: &CStr,
        operation: &dyn Operation,
        result: c_int,
    ) -> c_int {
        let words = operation.refusal().unwrap_or_default();
        if words == NO_MEMORY {
            let what = format_args!("no memory for sending or receiving so much");
            return replaced(self.raise(ctxt, function, MCM_ERR_MEM_MALLOC, what), result);
        }
        let text = String::from_utf8_lossy(words);
        let what = format_args!("a server refused: {text}");
        replaced(self.raise(ctxt, function, MCM_ERR_MC_STORE, what), result)
    }
}
