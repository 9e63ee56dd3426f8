//! memcache-proxy: the rules of a pool for any client that speaks memcached's protocol.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use memcache::proxy::{End, run};
use memcache::watch::journal;

/// Lets any memcached client use a pool of servers with rehashing, backups, recovery and exact counters.
///
/// It listens on the addresses of the pool file's section [proxy], or on the sockets that systemd hands over. It stays in
/// the foreground and writes its log to standard error. SIGHUP makes it read the pool file again; SIGTERM ends it, after
/// everything that it has accepted was answered.
#[derive(Parser)]
#[command(
    name = "memcache-proxy",
    version,
    after_help = "Exit status: 0 it was asked to end, 1 it cannot listen or wants something of the system that it cannot \
                  have, 2 the arguments are wrong, 3 the pool file cannot be used.\n\n\
                  Example: memcache-proxy --pool /etc/memcache/sessions.toml"
)]
struct Arguments {
    /// The pool file: see libmemcache-pool(5)
    #[arg(long, value_name = "FILE")]
    pool: PathBuf,

    /// Log for a terminal, with the time, and not for systemd's journal
    #[arg(long)]
    foreground: bool,

    /// How many loops serve clients, each on a thread of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,

    /// The least important lines to log: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: log::LevelFilter,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    journal::begin(arguments.log_level, arguments.foreground);
    match run(arguments.pool, usize::from(arguments.threads)) {
        End::Asked => ExitCode::SUCCESS,
        End::System => ExitCode::from(1),
        End::PoolFile => ExitCode::from(3),
    }
}
