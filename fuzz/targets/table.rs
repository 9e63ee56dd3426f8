//! What a table says, under a checksum that is right.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::tables::table_body(bytes));
