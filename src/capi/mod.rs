//! The C interface: what a program that was written for `libmemcache.so.0` and `<memcache.h>` links with.
//!
//! Translation only. A function here checks its pointers, makes one call inward and translates the
//! answer back; where a key goes and what an answer means was decided below. It is the only place
//! with `extern "C"`, and the only one with `unsafe`.
//!
//! - Every `mcm_X` is the function proper; `mc_X` is one call of it with the global context.
//! - Every export is behind the panic boundary of [`guard`]; a NULL where none is allowed, and a
//!   panic, give the fallback named there.
//! - The doc comment of an export is its manual, written for a C reader: the header is generated
//!   from these files (tests/header.rs), so functions are written out, never made by a macro.
//! - What C code may free comes from the context's allocator; what only we see is Rust's.
//!
//! Safe wrappers ([`context::Context`], [`memcache::Cache`]) carry a pointer's promise from the one
//! `unsafe` place where a C caller gave it to the code that relies on it.

#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)] // the names are C's
#![allow(clippy::missing_safety_doc)] // the doc comments say what each pointer must be, to a C reader

pub mod activation;
pub mod buffer;
pub mod buffer_search;
pub mod buffer_size;
pub mod buffer_type;
pub mod constants;
pub mod context;
pub mod count64;
pub mod counter;
pub mod error;
pub mod error_filter;
pub mod fetch;
pub mod hash;
pub mod keep;
pub mod list;
pub mod many;
pub mod many_fetch;
pub mod memcache;
pub mod memory;
pub mod open;
pub mod options;
pub mod place;
pub mod reason;
pub mod request;
pub mod response;
pub mod retrieve;
pub mod server;
pub mod server_add;
pub mod stats;
pub mod store;
pub mod text;
pub mod tune;
pub mod types;
pub mod version;

mod address;
mod alone;
mod buffer_text;
mod from_file;
mod guard;
mod handle;
mod landing;
mod layout;
mod telling;
mod turn;
