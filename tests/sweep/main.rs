//! What a sweep does on real servers.
#![cfg(feature = "programs")]

#[path = "../support/mod.rs"]
mod support;

mod dump;
