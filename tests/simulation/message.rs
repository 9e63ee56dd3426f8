//! Commands and replies that lie on a virtual wire: they outlive the operation that sent them, so
//! they own their bytes (inline: a message allocates nothing).

use memcache::rules::wire::{Command, Direction, Lease, Reply, Value, Verb};
use smallvec::SmallVec;

/// Bytes of a key or a value.
pub type Bytes = SmallVec<[u8; 24]>;

/// A command under way. The variants are those of [`Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Get {
        key: Bytes,
        meta: bool,
    },
    Fetch {
        key: Bytes,
    },
    Lease {
        key: Bytes,
        seconds: u32,
    },
    GetAndTouch {
        key: Bytes,
        exptime: i64,
    },
    Store {
        verb: Verb,
        key: Bytes,
        flags: u32,
        exptime: i64,
        value: Bytes,
    },
    StoreLeased {
        key: Bytes,
        flags: u32,
        exptime: i64,
        value: Bytes,
        lease: u64,
    },
    EndLease {
        key: Bytes,
        lease: u64,
    },
    Invalidate {
        key: Bytes,
        cas: u64,
    },
    Delete {
        key: Bytes,
    },
    Arithmetic {
        direction: Direction,
        key: Bytes,
        delta: u64,
    },
    Touch {
        key: Bytes,
        exptime: i64,
    },
    FlushAll {
        delay: u32,
    },
    /// A client's own command, passed on.
    Meta {
        letter: u8,
        key: Bytes,
        flags: Bytes,
        value: Option<Bytes>,
    },
    Version,
    Stats,
    Noop,
    /// The keys of one bucket of `of`: a walk of a server's keys asks for one after another. The rules know no such
    /// command; their drivers do.
    Dump {
        bucket: u8,
        of: u8,
    },
}

impl Ask {
    pub fn of(command: &Command<'_>) -> Ask {
        let b = |bytes: &[u8]| Bytes::from_slice(bytes);
        match *command {
            Command::Get { key, meta } => Ask::Get { key: b(key), meta },
            Command::Fetch { key } => Ask::Fetch { key: b(key) },
            Command::Lease { key, seconds } => Ask::Lease { key: b(key), seconds },
            Command::GetAndTouch { key, exptime } => Ask::GetAndTouch { key: b(key), exptime },
            Command::Store { verb, key, flags, exptime, value } => {
                Ask::Store { verb, key: b(key), flags, exptime, value: b(value) }
            }
            Command::StoreLeased { key, flags, exptime, value, lease } => {
                Ask::StoreLeased { key: b(key), flags, exptime, value: b(value), lease }
            }
            Command::EndLease { key, lease } => Ask::EndLease { key: b(key), lease },
            Command::Invalidate { key, cas } => Ask::Invalidate { key: b(key), cas },
            Command::Delete { key } => Ask::Delete { key: b(key) },
            Command::Arithmetic { direction, key, delta } => {
                Ask::Arithmetic { direction, key: b(key), delta }
            }
            Command::Touch { key, exptime } => Ask::Touch { key: b(key), exptime },
            Command::FlushAll { delay } => Ask::FlushAll { delay },
            // The keys of worlds are plain: the name in the command is the key.
            Command::Meta { letter, key, name: _, flags, value } => {
                Ask::Meta { letter, key: b(key), flags: b(flags), value: value.map(b) }
            }
            Command::Version => Ask::Version,
            Command::Stats { .. } => Ask::Stats,
            Command::Noop => Ask::Noop,
        }
    }

    /// Whether a server without meta commands cannot be asked this at all.
    pub fn needs_meta(&self) -> bool {
        matches!(
            self,
            Ask::Lease { .. }
                | Ask::StoreLeased { .. }
                | Ask::EndLease { .. }
                | Ask::Invalidate { .. }
                | Ask::Meta { .. }
        )
    }
}

/// A reply under way. The variants are those of [`Reply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Value {
        data: Bytes,
        flags: u32,
        cas: u64,
        ttl: Option<u32>,
        ttl_known: bool,
        lease: Option<Lease>,
        stale: bool,
    },
    Miss,
    Stored,
    NotStored,
    Exists,
    NotFound,
    Deleted,
    Touched,
    Number(u64),
    Ok,
    Version,
    Stats(Vec<u8>),
    Meta {
        line: Vec<u8>,
        data: Option<Bytes>,
    },
    Noop,
    Refused(&'static str),
    Unsupported,
    Keys(Vec<Bytes>),
}

impl Answer {
    pub fn reply(&self) -> Reply<'_> {
        match *self {
            Answer::Value { ref data, flags, cas, ttl, ttl_known, lease, stale } => {
                Reply::Value(Value { data, placed: 0, flags, cas, ttl, ttl_known, lease, stale })
            }
            Answer::Miss => Reply::Miss,
            Answer::Stored => Reply::Stored,
            Answer::NotStored => Reply::NotStored,
            Answer::Exists => Reply::Exists,
            Answer::NotFound => Reply::NotFound,
            Answer::Deleted => Reply::Deleted,
            Answer::Touched => Reply::Touched,
            Answer::Number(n) => Reply::Number(n),
            Answer::Ok => Reply::Ok,
            Answer::Version => Reply::Version(b"1.6.18"),
            Answer::Stats(ref block) => Reply::Stats(block),
            Answer::Meta { ref line, ref data } => Reply::Meta { line, data: data.as_deref() },
            Answer::Noop => Reply::Noop,
            Answer::Refused(line) => Reply::Refused(line.as_bytes()),
            // No operation asks for keys.
            Answer::Unsupported | Answer::Keys(_) => Reply::Unsupported,
        }
    }
}

/// Bytes for a trace.
pub fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
