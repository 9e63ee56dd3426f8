//! memcache-watchd: watches a pool's servers and publishes their states in the shared table.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use memcache::watch::{journal, run};

/// Watches the servers of a pool and publishes their states in the pool's shared table.
///
/// It stays in the foreground and writes its log to standard error. SIGHUP, or a change of the file, makes it read the
/// pool file again; SIGTERM ends it.
#[derive(Parser)]
#[command(
    name = "memcache-watchd",
    version,
    after_help = "Exit status: 0 it was asked to end, 1 the table's files cannot be made, 2 the arguments are wrong, 3 the \
                  pool file cannot be used, 4 another process watches the pool.\n\n\
                  Example: memcache-watchd --pool /etc/memcache/sessions.toml"
)]
struct Arguments {
    /// The pool file: see libmemcache-pool(5)
    #[arg(long, value_name = "FILE")]
    pool: PathBuf,

    /// Log for a terminal, with the time, and not for systemd's journal
    #[arg(long)]
    foreground: bool,

    /// The least important lines to log: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: log::LevelFilter,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    journal::begin(arguments.log_level, arguments.foreground);
    ExitCode::from(run(arguments.pool).status())
}
