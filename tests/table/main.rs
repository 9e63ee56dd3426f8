//! The shared table against everything that can happen to it: writers that die between two stores,
//! readers in other processes under load, flipped bits, wrong files, full disks.

#[path = "../support/mod.rs"]
mod support;

mod boots;
mod corruption;
mod cost;
mod document;
mod files;
mod lines;
mod load;
mod notices;
mod numbers;
mod prefixes;
mod sample;
mod stripes;
mod turns;
mod writing;
