//! Simulated worlds: the operations of `memcache::rules` driven by virtual clients against virtual
//! servers that crash, hang, are cut off and come back, one message at a time, in virtual time.
//!
//! Everything follows from one seed, which a failure prints together with the trace of the key
//! concerned and the command that replays it:
//!
//! - `cargo test --release --test simulation` checks the small worlds exhaustively, many by seed,
//!   and that faults planted on purpose are found;
//! - `SIM_WORLDS=1000000 SIM_SEED=7 cargo test --release --test simulation by_seed -- --nocapture`
//!   runs a million worlds from seed 7 on (`make sim` runs two, half of them with failures that overlap);
//! - SHARED_WORLDS and SHARED_SEED do the same for the worlds of several processes (`shared`);
//! - a tenth as many, from the same seed on, are worlds whose clients have meta commands of their own (PASSING_REPLAY);
//! - `SIM_REPLAY=12345 cargo test --release --test simulation replay -- --nocapture` tells one
//!   world's whole story.

mod calls;
mod carrier;
mod driver;
mod keeping;
mod machines;
mod memcached;
mod message;
mod model_vs_real;
mod net;
mod passing;
mod plan;
mod rng;
mod seeds;
mod shared;
mod small;
#[path = "../support/mod.rs"]
mod support;
mod survey;
mod tally;
mod task;
mod truth;
mod world;
