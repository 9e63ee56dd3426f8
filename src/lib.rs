//! libmemcache: a memcached client for which a server may die, come back, or be restarted, and no
//! acknowledged value is lost, no stale value is read, no caller hangs.
//!
//! The floor plan, lowest layer first; each may use only those above it:
//!
//! - [`rules`]: where a key lives and what an operation does, without any input or output;
//! - [`config`]: the pool file;
//! - [`table`]: the shared table, one view of the servers for all processes of a machine;
//! - [`client`]: the blocking carrier that drives an operation over sockets;
//! - [`capi`]: the C interface, translation only;
//! - `watch`: the daemon that publishes what it sees of the servers; with the feature `programs` only;
//! - `admin`: what memcachectl does; with the feature `programs` only.

#[cfg(feature = "programs")]
pub mod admin;
pub mod capi;
pub mod client;
pub mod config;
pub mod rules;
pub mod table;
#[cfg(feature = "programs")]
pub mod watch;
