//! The blocking carrier.
