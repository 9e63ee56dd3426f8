//! memcache-watchd: watches a pool's servers and publishes their states in the shared table.

fn main() {}
