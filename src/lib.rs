//! libmemcache: a memcached client for which a server may die, come back, or be restarted, and no
//! acknowledged value is lost, no stale value is read, no caller hangs.
//!
//! The floor plan, lowest layer first; each may use only those above it:
//!
//! - [`rules`]: where a key lives and what an operation does, without any input or output;
//! - [`config`]: the pool file;
//! - [`table`]: the shared table, one view of the servers for all processes of a machine;
//! - [`client`]: the blocking carrier that drives an operation over sockets;
//! - [`capi`]: the C interface, translation only.
//!
//! And for the programs alone, with the feature `programs`: `watch`, the daemon that publishes what it
//! sees of the servers, `proxy`, which applies the rules for any client that speaks memcached's protocol, and `admin`,
//! what memcachectl does.

#[cfg(feature = "programs")]
pub mod admin;
pub mod capi;
pub mod client;
pub mod config;
#[cfg(feature = "programs")]
pub mod proxy;
pub mod rules;
pub mod table;
#[cfg(feature = "programs")]
pub mod watch;
