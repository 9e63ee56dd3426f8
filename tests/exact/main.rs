//! Exact through failure and return, on real servers: many processes at work on the same keys, faults
//! meanwhile, and a checker that decides afterwards whether any promise was broken.
//!
//! The processes (`client.c`, driven by [`crowd`]) record every call with start, end and answer; so do clients that do not know the
//! library and talk to proxies ([`plain`]). The driver ([`faults`])
//! knows when what happened and since when the processes could know it. Both together are a [`history`], and
//! the [`checker`] reads nothing else. Faults, mix and seed are printed; `EXACT_SEED` chooses another one, and `EXACT_REJOIN=keep`
//! lets servers keep what they held. `make soak`
//! plays the same for long: `SOAK_MINUTES`; what every process has of the machine meanwhile is sampled ([`samples`]) and drawn;
//! some live for all that time ([`standing`]). Rounds that a busy machine spoils are few ([`rounds`]).

#![cfg(feature = "programs")]

#[path = "../simulation/rng.rs"]
#[allow(dead_code)]
mod chance;
mod chaos;
mod checker;
mod crowd;
#[path = "../../benches/library/drawing.rs"]
mod drawing;
mod fairness;
mod faults;
mod growing;
mod history;
mod link;
mod mixed;
mod plain;
mod proxies;
mod rolling;
mod rounds;
mod samples;
mod standing;
#[path = "../support/mod.rs"]
mod support;
mod through;
mod values;
mod world;
