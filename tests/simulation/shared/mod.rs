//! Worlds of several processes that share a table: docs/one-view.md, tried in virtual time. A daemon
//! watches the servers with the rules' own watchers; processes lag behind, are stopped and killed with a
//! stripe in their hands, and judge by themselves while nobody attends the table.
//!
//! `SHARED_REPLAY=12345 cargo test --release --test simulation shared_replay -- --nocapture` tells one world's story.

mod board;
mod counts;
mod daemon;
mod errand;
mod faults;
mod land;
mod plan;
mod process;
mod seeds;
mod sweeper;
