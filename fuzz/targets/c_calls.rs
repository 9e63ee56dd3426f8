//! Sequences of C calls, and servers that lie.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::calls::calls(bytes));
