//! memcachectl: administers a pool.

use std::process::ExitCode;

fn main() -> ExitCode {
    memcache::admin::run(std::env::args_os())
}
