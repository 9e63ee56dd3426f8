//! Clients that go by a pool's table, on real servers. The test itself plays the daemon: it writes the
//! table, and says something new in it when the story wants it.

#[path = "../support/mod.rs"]
mod support;

mod attended;
mod daemon;
mod doubts;
#[path = "../client/fake.rs"]
#[allow(dead_code)]
mod fake;
mod files;
mod journals;
mod looks;
mod moves;
mod names;
mod times;
mod trials;
mod turns;
mod unattended;
