//! Bytes as a snapshot. The bytes are a copy that nobody else can change; they are nevertheless
//! anything at all: a checksum is no proof against somebody who can compute one.

use std::time::Duration;

use crate::rules::address::Address;
use crate::rules::health::Incarnation;
use crate::rules::pool::{Distribution, Options, ReadBackup, Server, ServerId};
use crate::rules::time::Stamp;
use crate::rules::view::{Meta, State};

use super::encode::{check, printable};
use super::fault::Fault;
use super::layout::{ROOM, body, list, progress, record};
use super::snapshot::{List, Progress, ServerEntry, Snapshot};

/// Reads a body that was published as `generation`.
///
/// # Errors
/// [`Fault::Content`] with the first part that makes no sense.
pub fn decode(generation: u64, bytes: &[u8]) -> Result<Snapshot, Fault> {
    let bytes = Bytes(bytes);
    let flags = bytes.u64(body::FLAGS)?;
    let clock = bytes.u64(body::CLOCK)?;
    let current = list(bytes, body::CURRENT, body::CURRENT_SLOTS, body::SERVERS, clock)?;
    let behind = body::SERVERS + current.servers.len() * record::SIZE;
    let previous = match flags & 2 {
        0 => None,
        _ => Some(list(bytes, body::PREVIOUS, body::PREVIOUS_SLOTS, behind, clock)?),
    };
    let published = bytes.u64(body::PUBLISHED)?;
    let stripes = bytes.u64(body::STRIPES)?;
    let sweep = sweep(Bytes(bytes.part(body::SWEEP, progress::SIZE)?))?;
    Ok(Snapshot { generation, published, stripes, clock, swept: flags & 1 == 1, sweep, current, previous })
}

/// Bytes of which nothing is known but their number.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn part(self, at: usize, length: usize) -> Result<&'a [u8], Fault> {
        let short = Fault::Content("the length");
        self.0.get(at..).and_then(|from| from.get(..length)).ok_or(short)
    }

    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], Fault> {
        self.part(at, N)?.try_into().map_err(|_| Fault::Content("the length"))
    }

    fn u8(self, at: usize) -> Result<u8, Fault> {
        self.array(at).map(u8::from_ne_bytes)
    }

    fn u16(self, at: usize) -> Result<u16, Fault> {
        self.array(at).map(u16::from_ne_bytes)
    }

    fn u32(self, at: usize) -> Result<u32, Fault> {
        self.array(at).map(u32::from_ne_bytes)
    }

    fn u64(self, at: usize) -> Result<u64, Fault> {
        self.array(at).map(u64::from_ne_bytes)
    }

    fn count(self, at: usize) -> Result<usize, Fault> {
        let count = usize::try_from(self.u32(at)?).unwrap_or(usize::MAX);
        if count > ROOM { Err(Fault::Content("a number of servers or slots")) } else { Ok(count) }
    }

    fn nanos(self, at: usize) -> Result<Duration, Fault> {
        self.u64(at).map(Duration::from_nanos)
    }

    /// A text of at most `most` bytes whose length stands elsewhere.
    fn text(self, at: usize, length_at: usize, most: usize, what: &'static str) -> Result<&'a str, Fault> {
        let wrong = Fault::Content(what);
        let length = usize::from(self.u16(length_at)?);
        if length > most {
            return Err(wrong);
        }
        let text = std::str::from_utf8(self.part(at, length)?);
        text.ok().filter(|text| printable(text)).ok_or(wrong)
    }

    /// One of a few values, numbered from 0.
    fn one_of<T: Copy>(self, at: usize, values: &[T], what: &'static str) -> Result<T, Fault> {
        values.get(usize::from(self.u8(at)?)).copied().ok_or(Fault::Content(what))
    }
}

/// Numbers for people: any of them can be, and who shows them expects any.
fn sweep(bytes: Bytes<'_>) -> Result<Option<Progress>, Fault> {
    let sweep = Progress {
        began: bytes.u64(progress::BEGAN)?,
        updated: bytes.u64(progress::UPDATED)?,
        sources: bytes.u32(progress::SOURCES)?,
        sources_done: bytes.u32(progress::SOURCES_DONE)?,
        keys: bytes.u64(progress::KEYS)?,
        keys_total: bytes.u64(progress::KEYS_TOTAL)?,
        moved: bytes.u64(progress::MOVED)?,
        bytes: bytes.u64(progress::BYTES)?,
        refused: bytes.u64(progress::REFUSED)?,
    };
    Ok((sweep.began != 0).then_some(sweep))
}

fn list(bytes: Bytes<'_>, head: usize, slots: usize, servers: usize, clock: u64) -> Result<List, Fault> {
    let head = Bytes(bytes.part(head, list::SIZE)?);
    let places = bytes.part(slots, 2 * head.count(list::SLOTS)?)?.chunks_exact(2);
    let records = bytes.part(servers, record::SIZE * head.count(list::SERVERS)?)?.chunks_exact(record::SIZE);
    let list = List {
        name: head.text(list::NAME, list::NAME_LENGTH, list::NAME_SIZE, "the pool's name")?.to_owned(),
        options: options(head)?,
        servers: records.map(|record| server(Bytes(record), clock)).collect::<Result<_, _>>()?,
        slots: places.map(|place| Bytes(place).u16(0).map(ServerId)).collect::<Result<_, _>>()?,
    };
    check(&list)?;
    Ok(list)
}

fn options(head: Bytes<'_>) -> Result<Options, Fault> {
    let yes_or_no = |at, what| head.one_of(at, &[false, true], what);
    let distributions = [Distribution::Modulo, Distribution::Ketama];
    let read_backups = [ReadBackup::Recovering, ReadBackup::Always];
    let max_ttl = head.nanos(list::MAX_TTL)?;
    Ok(Options {
        distribution: head.one_of(list::DISTRIBUTION, &distributions, "the distribution")?,
        backups: yes_or_no(list::BACKUPS, "the option backups")?,
        read_backup: head.one_of(list::READ_BACKUP, &read_backups, "the option read_backup")?,
        window: head.nanos(list::WINDOW)?,
        max_ttl: yes_or_no(list::HAS_MAX_TTL, "the option max_ttl")?.then_some(max_ttl),
        connect_timeout: head.nanos(list::CONNECT_TIMEOUT)?,
        timeout: head.nanos(list::TIMEOUT)?,
    })
}

/// A time of another boot than the table's has no place on that one's clock; none has where the table's is not known.
fn since(bytes: Bytes<'_>, clock: u64) -> Result<Stamp, Fault> {
    let (unix_millis, boot_millis) = (bytes.u64(record::SINCE)?, bytes.u64(record::SINCE_BOOT)?);
    let told = clock != 0 && boot_millis != 0;
    Ok(if told { Stamp { unix_millis, clock, boot_millis } } else { Stamp::of_wall_clock(unix_millis) })
}

fn server(bytes: Bytes<'_>, clock: u64) -> Result<ServerEntry, Fault> {
    let states = [State::Steady, State::Returned, State::Down, State::Draining];
    let metas = [Meta::Unknown, Meta::Yes, Meta::No];
    let known = match bytes.u16(record::KNOWN)? {
        0 => false,
        1 => true,
        _ => return Err(Fault::Content("a server's incarnation")),
    };
    let incarnation = Incarnation { pid: bytes.u64(record::PID)?, start: bytes.u64(record::START)? };
    let text = |at, length_at, most, what| bytes.text(at, length_at, most, what);
    let address: Result<Address, _> =
        text(record::ADDRESS, record::ADDRESS_LENGTH, record::ADDRESS_SIZE, "a server's address")?.parse();
    let backup = bytes.u16(record::BACKUP)?;
    Ok(ServerEntry {
        server: Server {
            name: text(record::NAME, record::NAME_LENGTH, record::NAME_SIZE, "a server's name")?.to_owned(),
            address: address.map_err(|_| Fault::Content("a server's address"))?,
            weight: bytes.u32(record::WEIGHT)?,
            backup: (backup != record::NO_BACKUP).then_some(ServerId(backup)),
        },
        state: bytes.one_of(record::STATE, &states, "a server's state")?,
        since: since(bytes, clock)?,
        reason: text(record::REASON, record::REASON_LENGTH, record::REASON_SIZE, "a server's reason")?
            .to_owned(),
        incarnation: known.then_some(incarnation),
        meta: bytes.one_of(record::META, &metas, "whether a server has meta commands")?,
        mark: bytes.u16(record::MARK)?,
        held_back: bytes.one_of(record::HELD_BACK, &[false, true], "whether a server was held back")?,
        ordered: bytes.one_of(record::ORDERED, &[false, true], "whether a server's state was ordered")?,
        epoch: bytes.u64(record::EPOCH)?,
        epoch_slot: bytes.u16(record::EPOCH_SLOT)?,
    })
}
