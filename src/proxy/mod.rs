//! The proxy: the rules of the pool for any client that speaks memcached's protocol.
//!
//! - [`request`], `meta`, `meta_set`, `numbers`: a client's bytes as requests;
//! - `begin`: what is begun for a request; `call`: it as an operation of the rules, and its answer in memcached's words;
//! - `statistics`: the groups of `stats`; `everyone`: questions to every server;
//! - `binary`: clients that speak another protocol;
//! - `session`: one client, its requests in their order, and what it is owed;
//! - `hall`: one loop: its clients, and the crowd of their calls ([`crate::client::crowd`]);
//! - `listen`: where clients come in; `service`: the process around the loops; `counters`, `report`: what is told of it.
//!
//! One loop per thread, each with its clients and its own connections to the servers. A round of a loop reads every
//! client that has sent something, begins all of their calls, sends each server what is for it with one write, and
//! answers each client with one write. The loop is `epoll` over rustix, which the library's sockets are made with
//! already: a runtime would put a scheduler between a round and its writes.
//!
//! Nothing about servers is decided here.

mod begin;
mod binary;
mod call;
mod counters;
mod everyone;
mod hall;
mod listen;
mod meta;
mod meta_set;
mod numbers;
mod report;
pub mod request;
mod service;
mod session;
mod statistics;

pub use service::{End, run};
