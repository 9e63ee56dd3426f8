//! The command line: what can be asked, with examples.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::config::duration;

const STATUSES: &str = "\
Exit statuses:
  0  done, and all is well
  1  something is wrong, or was refused; nothing was changed
  2  the command line makes no sense
  3  no daemon attends the table; a change is in the file, and nobody acts on it yet
  4  not within its time: the daemon is there, and what was waited for did not come

Examples:
  memcachectl --pool /etc/memcache/sessions.toml status
  export MEMCACHE_POOL=/etc/memcache/sessions.toml
  memcachectl drain s3 && memcachectl status";

/// Administers a pool of memcached servers: says how it is, and changes its file.
#[derive(Parser, Debug)]
#[command(name = "memcachectl", version, after_help = STATUSES, disable_help_subcommand = true)]
pub struct Arguments {
    /// The pool file, see libmemcache-pool(5); the one that MEMCACHE_POOL names unless given
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    pub pool: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How a change is made.
#[derive(Args, Clone, Debug)]
pub struct How {
    /// Do it although values would be lost or calls would fail
    #[arg(long)]
    pub force: bool,
    /// How long to wait until the table shows the change, such as 500ms or 1m
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = time)]
    pub timeout: Duration,
}

/// What can be asked.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Shows every server: its state, since when and why, its backup, and what it holds
    #[command(after_help = "Examples:
  memcachectl status
  memcachectl status --watch
  memcachectl status --json | jq -r '.servers[] | select(.state == \"down\") | .name'")]
    Status {
        /// As a JSON document; docs/memcachectl.md describes it field by field
        #[arg(long)]
        json: bool,
        /// Again each second, until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// Shows where a key lives, where it is read and where it is written at this moment
    #[command(after_help = "Examples:
  memcachectl where user:42
  memcachectl where user:42 --json | jq -r .acting")]
    Where {
        /// The key, byte for byte
        key: OsString,
        /// As a JSON document; docs/memcachectl.md describes it field by field
        #[arg(long)]
        json: bool,
    },
    /// Takes a server out of use: it counts as failed until it is ordered up again
    #[command(after_help = "Examples:
  memcachectl down s3
  memcachectl down 10.0.0.3:11211 --force")]
    Down {
        /// Its name or address
        server: String,
        /// How the change is made.
        #[command(flatten)]
        how: How,
    },
    /// Takes back what was ordered for a server: it is used as soon as it is well
    #[command(after_help = "Examples:
  memcachectl up s3 && memcachectl status")]
    Up {
        /// Its name or address
        server: String,
        /// How the change is made.
        #[command(flatten)]
        how: How,
    },
    /// Empties a server gently: no new keys, what it holds is still read, then it goes down
    #[command(
        after_help = "It ends when the table calls the server draining. `memcachectl sweep --wait` waits until it is empty, and down.

Examples:
  memcachectl drain s3
  memcachectl drain s3 && memcachectl sweep --wait && memcachectl status"
    )]
    Drain {
        /// Its name or address
        server: String,
        /// How the change is made.
        #[command(flatten)]
        how: How,
    },
    /// Adds a server at the end of the list
    #[command(after_help = "Examples:
  memcachectl add 10.0.0.9:11211
  memcachectl add unix:/run/memcached/s9.sock --name s9 --weight 2 --backup s1")]
    Add {
        /// host:port, [v6]:port, or unix:/path
        address: String,
        /// What it is called; its address unless given
        #[arg(long)]
        name: Option<String>,
        /// How many places it takes in the list; 1 unless given
        #[arg(long)]
        weight: Option<u32>,
        /// The name of the server that keeps its second copies; by pairs unless given
        #[arg(long, value_name = "SERVER")]
        backup: Option<String>,
        /// How the change is made.
        #[command(flatten)]
        how: How,
    },
    /// Removes a server from the list: the keys are spread over the others anew
    #[command(after_help = "Examples:
  memcachectl drain s3 && memcachectl sweep --wait && memcachectl remove s3")]
    Remove {
        /// Its name or address
        server: String,
        /// How the change is made.
        #[command(flatten)]
        how: How,
    },
    /// Puts a new, empty server in the place of another one: its keys stay in that place
    #[command(after_help = "Examples:
  memcachectl replace s3 10.0.0.9:11211")]
    Replace {
        /// The name or address of the server that goes
        old: String,
        /// The address of the one that comes
        new: String,
        /// How the change is made.
        #[command(flatten)]
        how: How,
    },
    /// Asks the daemon to move every copy to where it belongs: those of the pool, or those that belong on one server
    #[command(
        after_help = "A daemon sweeps by itself when a server returned or the list of servers changed; this asks for one more. It ends \
with status 3 when no daemon attends the table, and with status 1 when nobody can sweep: `memcachectl check` says why. `memcachectl \
status` shows how far a sweep is.

Examples:
  memcachectl sweep
  memcachectl sweep s3 --wait --timeout 10m && echo 'two copies of everything'"
    )]
    Sweep {
        /// Its name or address; the whole pool unless given
        server: Option<String>,
        /// Wait until no sweep is under way and every server is steady that is to be used
        #[arg(long)]
        wait: bool,
        /// How long at most, such as 30s or 10m; for ever unless given
        #[arg(long, value_name = "DURATION", value_parser = time, requires = "wait")]
        timeout: Option<Duration>,
    },
    /// Waits until the table calls every server steady that is not ordered down or draining
    #[command(
        after_help = "It ends at once with status 3 when no daemon attends the table, and with status 4 when the time is up. A server that \
returned is in use, and steady once it was swept; as long as nobody sweeps, when the pool's `window` is over.

Examples:
  memcachectl wait --steady
  memcachectl wait --steady --timeout 10m || echo 'not yet'"
    )]
    Wait {
        /// Until all are steady; there is nothing else to wait for yet
        #[arg(long, required = true)]
        steady: bool,
        /// How long at most, such as 30s or 10m; for ever unless given
        #[arg(long, value_name = "DURATION", value_parser = time)]
        timeout: Option<Duration>,
    },
    /// Reads pool file and table, asks the servers, and says everything that is wrong and what to do
    #[command(after_help = "Examples:
  memcachectl check
  memcachectl --pool /etc/memcache/sessions.toml.new check && echo fine")]
    Check,
    /// Prints the completions of a shell
    #[command(after_help = "Examples:
  memcachectl completions bash > /etc/bash_completion.d/memcachectl")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text)
}

/// The completions of a shell.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "memcachectl", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n  memcachectl "), "{}", command.get_name());
            assert!(help.contains(command.get_name()), "{}", command.get_name());
        }
    }
}
