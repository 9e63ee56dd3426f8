//! memcache-proxy before real servers: what clients see of it, and what it does when servers die.
#![cfg(feature = "programs")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
#[path = "../client_table/daemon.rs"]
mod daemon;
mod deaths;
mod doors;
mod gets;
mod hang_ups;
mod hostile;
mod lists;
mod many;
mod memory;
mod proxy;
mod returns;
