//! One view for all processes of a machine, on real servers and with the real daemon: many processes at
//! work on a pool of eight servers, of which one goes and comes back.
//!
//! Every value that is read says who wrote it when, so an old one, a foreign one and none are told from the
//! one that should be there: in no test may any process read such a one. Asserted is what was counted;
//! how long it took is printed, and measured by `make bench-fleet`, which plays the same.

#![cfg(feature = "programs")]

mod alone;
mod arrival;
mod changes;
mod clock;
#[path = "../../benches/fleet/figures.rs"]
#[allow(dead_code)] // the benchmark prints them all
mod figures;
#[path = "../../benches/fleet/scenario.rs"]
#[allow(dead_code)]
mod scenario;
#[path = "../support/mod.rs"]
mod support;
mod together;
mod witness;
mod world;
