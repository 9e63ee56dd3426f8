//! What the tests on real servers and `make demo` share: servers, a relay that breaks connections
//! on purpose, C programs built against the library, and the drill.
//!
//! Nothing of it outlives its owner: a server is killed and waited for when it is dropped, a
//! directory is removed, a relay's thread is joined. Should the whole process be killed, the kernel
//! kills its servers (`PR_SET_PDEATHSIG`). Nothing waits for a fixed time: see [`wait`].

#![allow(dead_code)] // every test program uses its part of it

pub mod boots;
pub mod cc;
pub mod counting;
pub mod crowd;
pub mod drill;
pub mod installed;
pub mod keep;
pub mod old;
pub mod orders;
pub mod relay;
pub mod scratch;
pub mod server;
pub mod service;
pub mod wait;
pub mod wall_clock;
pub mod watchd;
