//! The daemon: watches a pool's servers and publishes their states, for all processes of the machine.
//!
//! - [`daemon`]: the loop, and all that happens in it;
//! - [`roster`]: the servers that are watched, and how a changed list becomes another one;
//! - [`carrier`]: the sockets under a probe and a trial;
//! - [`ledger`]: the files that are written, in the order that docs/one-view.md demands;
//! - [`sweep`]: the walk over a server's keys, for copies that are not where the rules place them;
//! - [`pool_file`]: the pool file, read again when it changed;
//! - [`journal`]: the log lines, and what systemd is told;
//! - `system`: signals, clock, priority; `server`: one server and what is under way for it.
//!
//! What a server's answers mean is decided by [`rules::watcher`](crate::rules::watcher) alone; here is only what
//! carries the questions there and the decisions into the files.
//!
//! **One thread, and one loop that owns everything.** Probes and trials are tasks beside it that know nothing but
//! their sockets, and send the loop what they found. So no server is ever behind another one, every
//! change is made, published and told in one place, and the heartbeat, which the same loop gives, stops when it does:
//! a daemon that is stuck is one that is not there, and the clients see that within 400 ms.

pub mod carrier;
pub mod daemon;
pub mod journal;
pub mod ledger;
pub mod pool_file;
pub mod roster;
mod server;
pub mod sweep;
mod system;
mod weed;

pub use daemon::{End, run};
