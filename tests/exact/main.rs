//! Exact through failure and return, on real servers: many processes at work on the same keys, faults
//! meanwhile, and a checker that decides afterwards whether any promise was broken.

#![cfg(feature = "programs")]

mod checker;
mod history;
#[path = "../support/mod.rs"]
mod support;
