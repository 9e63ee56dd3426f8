//! memcache-watchd on real servers: what it publishes when they die, hang, are cut off and come back, and what becomes
//! of its files when it is itself stopped, killed or told to reload.
#![cfg(feature = "programs")]

#[path = "../../benches/sweep/plain.rs"]
mod plain;
#[path = "../../benches/sweep/scenario.rs"]
mod scenario;
#[path = "../support/mod.rs"]
mod support;

mod corruption;
mod daemon;
mod deaths;
mod faults;
mod files;
mod hostile;
mod installed;
mod keeping;
mod names;
mod reload;
mod reports;
mod sweep;
mod swept;
mod times;
