//! memcachectl: administers a pool.

fn main() {}
