//! The memcached protocol from the client's side: commands as bytes, bytes as replies.
//!
//! [`compose`] writes a [`Command`], [`parse`] reads the [`Reply`] to it, [`pending`] keeps what was
//! asked of one connection and is not answered yet. Classic commands are the rule; meta commands
//! (memcached 1.6+) serve where they carry something classic ones lack (rule 11); a key that no
//! line of text can hold goes by them alone ([`coded`]).

mod coded;
pub mod compose;
mod everyday;
mod meta;
pub mod parse;
pub mod pending;
mod queue;
pub mod stats;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod transcripts;

/// How a value is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// Whatever is there.
    Set,
    /// Only where nothing is there.
    Add,
    /// Only where something is there.
    Replace,
    /// Behind what is there; flags and expiry stay as they are.
    Append,
    /// In front of what is there; flags and expiry stay as they are.
    Prepend,
    /// Only where the CAS value is still this one.
    Cas(u64),
}

/// Up or down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Adds; wraps at 2^64.
    Incr,
    /// Subtracts; stops at 0.
    Decr,
}

/// One question to one server. Keys have passed [`super::key::check_binary`]; one that is not plain
/// needs a server with meta commands, whatever the command.
/// `exptime` is memcached's: 0 never, up to 30 days in seconds, above a time of the clock, below 0 at once.
#[allow(missing_docs, reason = "fields are told of with their variant")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// A value and its flags. `meta`: by `mg` where the server has it, so that a lease's stub is
    /// told from a value; many classic gets in a row become one command line.
    /// Answers: [`Reply::Value`], [`Reply::Miss`].
    Get { key: &'a [u8], meta: bool },
    /// A value with flags, CAS and, from a server with meta commands, remaining time to live.
    /// Answers: as Get.
    Fetch { key: &'a [u8] },
    /// As Fetch, and a miss leaves a stub there for `seconds` whose CAS value is the lease. Meta only.
    /// Answers: Value with `lease`.
    Lease { key: &'a [u8], seconds: u32 },
    /// A value and its flags, and gives it a new expiry time. Answers: as Get.
    GetAndTouch { key: &'a [u8], exptime: i64 },
    /// Stores a value. Answers: Stored, NotStored, Exists, NotFound.
    Store { verb: Verb, key: &'a [u8], flags: u32, exptime: i64, value: &'a [u8] },
    /// Stores a value in place of the stub whose CAS value is `lease`. Meta only. Answers: as Store.
    StoreLeased { key: &'a [u8], flags: u32, exptime: i64, value: &'a [u8], lease: u64 },
    /// Deletes the stub whose CAS value is `lease`. Meta only. Answers: Deleted, NotFound, Exists.
    EndLease { key: &'a [u8], lease: u64 },
    /// Marks a value as stale: who reads it next is told that it is his turn to fetch a new one. Meta only.
    /// `cas`: its CAS value. Answers: Deleted, NotFound, Exists.
    Invalidate { key: &'a [u8], cas: u64 },
    /// Deletes. Answers: Deleted, NotFound.
    Delete { key: &'a [u8] },
    /// Adds to or subtracts from a decimal number. Answers: Number, NotFound.
    Arithmetic { direction: Direction, key: &'a [u8], delta: u64 },
    /// Gives a value a new expiry time. Answers: Touched, NotFound.
    Touch { key: &'a [u8], exptime: i64 },
    /// Drops everything, `delay` seconds from now. Answers: Ok.
    FlushAll { delay: u32 },
    /// Answers: Version.
    Version,
    /// `group` is empty for the general statistics. Answers: Stats; Ok for a group that is a command
    /// (`reset`, `detail on`).
    Stats { group: &'a [u8] },
    /// A meta command as a client of ours wrote it, without `q`; `name` is the key as it is written in it. Meta only.
    /// Answers: Meta.
    Meta { letter: u8, key: &'a [u8], name: &'a [u8], flags: &'a [u8], value: Option<&'a [u8]> },
    /// `mn`. Answers: Noop; [`Reply::Refused`] tells a server without meta commands.
    Noop,
}

impl<'a> Command<'a> {
    /// The key it is about; empty for a command about a whole server.
    pub fn key(&self) -> &'a [u8] {
        match *self {
            Command::Get { key, .. }
            | Command::Fetch { key }
            | Command::Lease { key, .. }
            | Command::GetAndTouch { key, .. }
            | Command::Store { key, .. }
            | Command::StoreLeased { key, .. }
            | Command::EndLease { key, .. }
            | Command::Invalidate { key, .. }
            | Command::Delete { key }
            | Command::Arithmetic { key, .. }
            | Command::Touch { key, .. }
            | Command::Meta { key, .. } => key,
            Command::FlushAll { .. } | Command::Version | Command::Stats { .. } | Command::Noop => b"",
        }
    }

    /// The value that it carries.
    #[inline(always)]
    pub fn value(&self) -> Option<&'a [u8]> {
        match *self {
            Command::Store { value, .. } | Command::StoreLeased { value, .. } => Some(value),
            Command::Meta { value, .. } => value,
            _ => None,
        }
    }

    /// Its bytes on the wire are no more than this, with so many of a value: coded, a key is a third longer.
    #[inline(always)]
    pub fn room(&self, value: usize) -> usize {
        const WORDS_AND_NUMBERS: usize = 160;
        let further = match *self {
            Command::Meta { name, flags, .. } => name.len() + flags.len(),
            Command::Stats { group } => group.len(),
            _ => 0,
        };
        (2 * self.key().len() + further + WORDS_AND_NUMBERS).saturating_add(value)
    }
}

/// A value that a server holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Value<'a> {
    /// Its bytes; none where they were received by whoever asked: see `placed`.
    pub data: &'a [u8],
    /// So many bytes of it are in the memory that the asker had for them
    /// ([`Operation::room`](super::operation::Operation::room)), and none in `data`; 0: all are in `data`.
    pub placed: usize,
    /// The 32 bits that were stored with it.
    pub flags: u32,
    /// Its CAS value, when it was asked for.
    pub cas: u64,
    /// Seconds until it expires; `None`: never, or the server could not tell (see `ttl_known`).
    pub ttl: Option<u32>,
    /// Whether the server told the remaining time to live.
    pub ttl_known: bool,
    /// What a stub's marks say; `None` for a value proper.
    pub lease: Option<Lease>,
    /// It was marked as stale by a client that is none of ours.
    pub stale: bool,
}

impl Value<'_> {
    /// How long it is.
    pub fn len(&self) -> usize {
        self.data.len() + self.placed
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// It is no value but a lease's stub: to a reader, a miss with a lease under way.
    pub fn is_stub(&self) -> bool {
        self.lease.is_some() && self.is_empty()
    }
}

/// A stub's marks: somebody fetches the value at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lease {
    /// `W`: the asker does; `cas` is the lease.
    Won,
    /// `Z`: somebody else does.
    Taken,
}

/// One server's answer to one command.
#[allow(missing_docs, reason = "fields are told of with their variant")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// It is there (or a stub is, see [`Value::lease`]).
    Value(Value<'a>),
    /// It is not there.
    Miss,
    /// Stored.
    Stored,
    /// The condition of add, replace, append, prepend did not hold.
    NotStored,
    /// The CAS value is another one by now.
    Exists,
    /// There is nothing under that key.
    NotFound,
    /// Deleted.
    Deleted,
    /// Touched.
    Touched,
    /// The counter's new value.
    Number(u64),
    /// Done.
    Ok,
    /// The version text.
    Version(&'a [u8]),
    /// The lines between the command and `END`, each `STAT name value\r\n`; read them with [`stats::lines`].
    Stats(&'a [u8]),
    /// The answer to a meta command that was passed on: its line, and the data of a value.
    Meta { line: &'a [u8], data: Option<&'a [u8]> },
    /// The answer to `mn`.
    Noop,
    /// The server will not do it: the whole line, `ERROR`, `CLIENT_ERROR …` or `SERVER_ERROR …`.
    Refused(&'a [u8]),
    /// Nothing was sent: this command, or this key, needs meta commands and the server has none.
    Unsupported,
}
