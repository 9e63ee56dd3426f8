//! The rules: where a key lives, and what happens when a server dies. DESIGN.md in code.
//!
//! Nothing here does input or output, reads a clock, draws a random number or knows a C type: time
//! and answers come in as arguments. The blocking client, the proxy and the simulator all drive
//! the same state machines of [`operation`], so a rule is written once and tried in millions of
//! simulated worlds before a socket ever sees it.

#![forbid(unsafe_code)]

pub mod address;
pub mod bytes;
pub mod greeting;
pub mod hash;
pub mod health;
pub mod key;
pub mod mark;
pub mod operation;
pub mod places;
pub mod pool;
pub mod probe;
pub mod rejoin;
pub mod ring;
pub mod sweep;
pub mod time;
pub mod view;
pub mod watcher;
pub mod wire;
