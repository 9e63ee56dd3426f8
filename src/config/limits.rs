//! How far an option may be turned, for the pool file and for options that are given by name.
//!
//! The limits refuse what cannot have been meant (a probe every microsecond, a call that may take an
//! hour); they are no advice.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::duration::Range;

/// How many slots a pool may have: the sum of its servers' weights. The shared table keeps room for
/// as many.
pub const SLOTS: u32 = 4_096;

/// How many bytes a name may have.
pub const NAME: usize = 64;

/// How many probes in a row `fall` and `rise` may ask for.
pub const PROBES: u32 = 100;

/// `window`. memcached counts a life in seconds, so a shorter one would be none.
pub const WINDOW: Range = Range { least: Duration::from_secs(1), most: Duration::from_secs(365 * 86_400) };

/// `max_ttl`.
pub const MAX_TTL: Range = WINDOW;

/// `connect_timeout`.
pub const CONNECT_TIMEOUT: Range = Range { least: Duration::from_micros(100), most: Duration::from_secs(60) };

/// `timeout`, of a whole call.
pub const TIMEOUT: Range = Range { least: Duration::from_micros(100), most: Duration::from_secs(300) };

/// `busy_poll`. Longer than a few milliseconds a processor is never well spent on waiting.
pub const BUSY_POLL: Range = Range { least: Duration::from_micros(1), most: Duration::from_millis(10) };

/// `interval`, from one probe of a server to its next.
pub const INTERVAL: Range = Range { least: Duration::from_millis(10), most: Duration::from_secs(3_600) };

/// `deadline`, of one probe.
pub const DEADLINE: Range = Range { least: Duration::from_millis(1), most: Duration::from_secs(60) };

/// `mode`: the bits that a table may have. Its readers refuse one that others than its owner can
/// change, and its owner must be able to read it.
pub const TABLE_MODE: u32 = 0o644;

/// `sweep_share`, in percent.
pub const SWEEP_SHARE: RangeInclusive<u32> = 1..=100;

/// How many servers `sweep_servers` may have walked at a time.
pub const SWEEP_SERVERS: u32 = 16;

/// How many clients a proxy may have at a time.
pub const CONNECTIONS: u32 = 1_000_000;

/// How many bytes a proxy may be told to hold for one client, and to read of one line.
pub const BUFFER: u32 = 1 << 30;

/// How many bytes a proxy may be told to hold for all clients.
pub const MEMORY: u32 = u32::MAX;

/// How many bytes a value may have that a proxy takes in: the largest item that a memcached can be configured for.
pub const VALUE: u32 = 1 << 30;

/// How many bytes a key may have that a proxy takes in: memcached's own limit.
pub const KEY: u32 = 250;

/// How many bytes the name of a user or a group may have; the system's own programs allow 32.
pub const ACCOUNT: usize = 32;
