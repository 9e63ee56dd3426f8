//! The pool file: TOML as the operator wrote it, checked to the last word, as a [`Pool`].
//!
//! The tree is walked by hand rather than deserialised into structures. A deserialiser stops at the
//! first mistake, and knows neither on which line the *other* of two equal names stands nor what
//! would have been allowed; an operator at three in the morning needs all of that at once. So every
//! message is `file:line: what is wrong, and what is allowed`, and all problems come together.
//!
//! [`parse`] is pure: text in, pool or messages out. Files and the environment are in [`source`]
//! alone. [`duration`] and [`limits`] also serve whoever takes an option by its name.

pub mod duration;
mod error;
pub mod limits;
mod names;
mod pool_section;
mod section;
mod server_sections;
mod service_sections;
pub mod shown;
mod source;
mod syntax;

use std::path::PathBuf;
use std::time::Duration;

use crate::rules::address::Address;
use crate::rules::pool::{Pool, pair_up};

pub use error::ConfigError;
pub use names::{choose, closest, unknown};
pub use source::{VARIABLE, from_environment, read};

use error::Report;
use section::{Sections, sections};

/// What a pool file says.
#[derive(Clone, Debug)]
pub struct PoolFile {
    /// The pool, ready to use; its options' defaults are DESIGN.md's, with backups by pairs.
    pub pool: Pool,
    /// The absolute path of the shared table; `None` when each process judges by itself.
    pub table: Option<PathBuf>,
    /// What an administrator ordered for each server, in the order of the pool.
    pub orders: Vec<Order>,
    /// How the servers are watched.
    pub watch: Watch,
    /// Where the proxy listens.
    pub proxy: Proxy,
    /// The user that the file belongs to, by number; `None` for a text that came from no file.
    pub owner: Option<u32>,
}

/// What an administrator ordered for a server: `state` in its section.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// Nothing: it is used while it is well.
    #[default]
    Up,
    /// `state = "draining"`: no new keys, what it holds is still read, and then it goes down.
    Draining,
    /// `state = "down"`: it is not used.
    Down,
}

/// The `[watch]` section: how the daemon probes the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The time from one probe of a server to its next.
    pub interval: Duration,
    /// So many failed probes in a row make a server down; at least 1.
    pub fall: u32,
    /// So many good probes in a row bring it back; at least 1.
    pub rise: u32,
    /// How long one probe may take; `None`: the pool's connect timeout.
    pub deadline: Option<Duration>,
    /// The permission bits of the shared table.
    pub mode: u32,
    /// The user, by name or number, that the shared table is given to; `None`: the daemon's own.
    pub owner: Option<String>,
    /// The group, by name or number, of the shared table and of the files that the pool's clients write
    /// to; `None`: the daemon's own.
    pub group: Option<String>,
    /// The share of a server's time that a sweep may take, in percent: 1 to 100. At 100 it goes as fast as it can.
    pub sweep_share: u32,
    /// How many servers a sweep walks at a time; at least 1.
    pub sweep_servers: u32,
    /// What becomes of the contents of a server that comes back with them.
    pub rejoin: Rejoin,
}

/// What becomes of the contents of a server that was out of reach, and comes back with them: `rejoin`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rejoin {
    /// `"flush"`: it is emptied.
    #[default]
    Flush,
    /// `"keep"`: only what was written meanwhile is deleted, where all of that is known; else it is emptied. Known is what
    /// this machine wrote, so this is for pools that no other one writes to.
    Keep,
}

impl Default for Watch {
    fn default() -> Self {
        Watch {
            interval: Duration::from_millis(500),
            fall: 2,
            rise: 2,
            deadline: None,
            mode: 0o644,
            owner: None,
            group: None,
            sweep_share: 10,
            sweep_servers: 2,
            rejoin: Rejoin::Flush,
        }
    }
}

/// The `[proxy]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Where the proxy listens; empty when the file has no such section.
    pub listen: Vec<Address>,
    /// The permission bits of its unix sockets.
    pub mode: u32,
    /// Where it tells Prometheus what it counts; `None`: nowhere.
    pub http: Option<Address>,
    /// The most clients at a time.
    pub connections: u32,
    /// The most bytes that one client may have under way or unread, beside one value.
    pub buffer: usize,
    /// About how many bytes all clients together may have under way or unread.
    pub memory: usize,
    /// The longest value, in bytes.
    pub value: usize,
    /// The longest key, in bytes.
    pub key: usize,
    /// The longest line of a get, in bytes.
    pub line: usize,
}

impl Default for Proxy {
    fn default() -> Proxy {
        Proxy {
            listen: Vec::new(),
            mode: 0o660,
            http: None,
            connections: 20_000,
            buffer: 1 << 20,
            memory: 256 << 20,
            value: 1 << 20,
            key: 250,
            line: 64 << 10,
        }
    }
}

/// Reads a pool file's text. `origin` is the file's name: messages begin with it, and its stem names
/// a pool that has no name of its own.
///
/// # Errors
/// All problems of the file in the order of their lines; of a file that is not TOML, the first.
pub fn parse(origin: &str, text: &str) -> Result<PoolFile, ConfigError> {
    let mut report = Report::new(origin, text);
    let document = match toml_edit::Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            syntax::explain(&mut report, text, &error);
            return Err(report.into_error());
        }
    };
    let Sections { pool, servers, watch, proxy } = sections(&mut report, document.as_table());
    let chosen = pool_section::read(&mut report, pool.as_ref());
    let drafts = server_sections::read(&mut report, &servers);
    let backups = server_sections::check(&mut report, &drafts, chosen.backup_none);
    let watch = service_sections::watch(&mut report, watch.as_ref());
    let proxy = service_sections::proxy(&mut report, proxy.as_ref(), &drafts);
    if !report.is_clean() {
        return Err(report.into_error());
    }

    let (mut list, orders) = server_sections::finish(drafts, backups);
    if chosen.options.backups {
        pair_up(&mut list);
    }
    Ok(PoolFile {
        pool: Pool::new(chosen.name, chosen.options, list),
        table: chosen.table,
        orders,
        watch,
        proxy,
        owner: None,
    })
}
