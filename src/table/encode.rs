//! A snapshot as bytes, and what of it would not fit.

use std::time::Duration;

use crate::rules::health::Incarnation;
use crate::rules::pool::{Distribution, Options, ReadBackup, Server, ServerId};
use crate::rules::view::{Meta, State};

use super::fault::Fault;
use super::layout::{ROOM, body, list, progress, record};
use super::snapshot::{List, Progress, ServerEntry, Snapshot};

/// Writes a snapshot's body into `bytes`, whose room is used again. A reason that is too long is cut; control
/// characters in it become spaces.
///
/// # Errors
/// [`Fault::Content`] for what has no place in a table: what it is. `bytes` is then no good.
pub fn encode(snapshot: &Snapshot, bytes: &mut Vec<u8>) -> Result<(), Fault> {
    check(&snapshot.current)?;
    snapshot.previous.as_ref().map_or(Ok(()), check)?;
    let previous = snapshot.previous.as_ref();
    let before = previous.map_or(0, |list| list.servers.len());
    bytes.clear();
    bytes.resize(body::SERVERS + (snapshot.current.servers.len() + before) * record::SIZE, 0);

    put(bytes, body::PUBLISHED, snapshot.published.to_ne_bytes());
    let flags = u64::from(snapshot.swept) | u64::from(previous.is_some()) << 1;
    put(bytes, body::FLAGS, flags.to_ne_bytes());
    put(bytes, body::STRIPES, snapshot.stripes.to_ne_bytes());
    put(bytes, body::CLOCK, snapshot.clock.to_ne_bytes());
    if let Some(sweep) = &snapshot.sweep {
        put_progress(&mut bytes[body::SWEEP..body::SWEEP + progress::SIZE], sweep);
    }
    let mut next = body::SERVERS;
    let places = [(body::CURRENT, body::CURRENT_SLOTS), (body::PREVIOUS, body::PREVIOUS_SLOTS)];
    for (list, (head, slots)) in [Some(&snapshot.current), previous].into_iter().flatten().zip(places) {
        put_head(&mut bytes[head..head + list::SIZE], list)?;
        for (at, slot) in (slots..).step_by(2).zip(&list.slots) {
            put(bytes, at, slot.0.to_ne_bytes());
        }
        for entry in &list.servers {
            put_server(&mut bytes[next..next + record::SIZE], entry, snapshot.clock);
            next += record::SIZE;
        }
    }
    Ok(())
}

/// Whether a list can be in a table: what the encoder, and whoever makes a pool of it, rely on.
pub(super) fn check(list: &List) -> Result<(), Fault> {
    if list.servers.len() > ROOM || list.slots.len() > ROOM {
        return Err(Fault::Content("a list of more than 4,096 servers or slots"));
    }
    let known = |id: ServerId| id.index() < list.servers.len();
    if !list.slots.iter().all(|slot| known(*slot)) {
        return Err(Fault::Content("a slot of no server"));
    }
    if list.name.len() > list::NAME_SIZE || !printable(&list.name) {
        return Err(Fault::Content("the pool's name"));
    }
    list.servers.iter().try_for_each(|entry| {
        let Server { name, address, backup, .. } = &entry.server;
        if !backup.is_none_or(known) {
            Err(Fault::Content("a backup that is no server"))
        } else if name.is_empty() || name.len() > record::NAME_SIZE || !printable(name) {
            Err(Fault::Content("a server's name"))
        } else if address.to_string().parse().as_ref() != Ok(address) {
            Err(Fault::Content("a server's address"))
        } else {
            Ok(())
        }
    })
}

/// Whether a text may be shown to a person as it is.
pub(super) fn printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Puts a number or a text; every place is one of the layout's, within the record or list it belongs to.
fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

fn put_text(bytes: &mut [u8], at: usize, length_at: usize, text: &str) {
    put(bytes, length_at, (text.len() as u16).to_ne_bytes());
    bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
}

fn put_progress(place: &mut [u8], sweep: &Progress) {
    let Progress { began, updated, sources, sources_done, keys, keys_total, moved, bytes, refused } = *sweep;
    put(place, progress::BEGAN, began.max(1).to_ne_bytes());
    put(place, progress::UPDATED, updated.to_ne_bytes());
    put(place, progress::SOURCES, sources.to_ne_bytes());
    put(place, progress::SOURCES_DONE, sources_done.to_ne_bytes());
    put(place, progress::KEYS, keys.to_ne_bytes());
    put(place, progress::KEYS_TOTAL, keys_total.to_ne_bytes());
    put(place, progress::MOVED, moved.to_ne_bytes());
    put(place, progress::BYTES, bytes.to_ne_bytes());
    put(place, progress::REFUSED, refused.to_ne_bytes());
}

fn put_head(head: &mut [u8], list: &List) -> Result<(), Fault> {
    let Options { distribution, backups, read_backup, window, max_ttl, connect_timeout, timeout } =
        list.options;
    put(head, list::SERVERS, (list.servers.len() as u32).to_ne_bytes());
    put(head, list::SLOTS, (list.slots.len() as u32).to_ne_bytes());
    head[list::DISTRIBUTION] = u8::from(distribution == Distribution::Ketama);
    head[list::BACKUPS] = u8::from(backups);
    head[list::READ_BACKUP] = u8::from(read_backup == ReadBackup::Always);
    head[list::HAS_MAX_TTL] = u8::from(max_ttl.is_some());
    let spans = [
        (list::WINDOW, window),
        (list::MAX_TTL, max_ttl.unwrap_or_default()),
        (list::CONNECT_TIMEOUT, connect_timeout),
        (list::TIMEOUT, timeout),
    ];
    for (at, span) in spans {
        put(head, at, nanos(span)?.to_ne_bytes());
    }
    put_text(head, list::NAME, list::NAME_LENGTH, &list.name);
    Ok(())
}

fn nanos(span: Duration) -> Result<u64, Fault> {
    u64::try_from(span.as_nanos()).map_err(|_| Fault::Content("a time of more than 584 years"))
}

fn put_server(place: &mut [u8], entry: &ServerEntry, clock: u64) {
    let Server { name, address, weight, backup } = &entry.server;
    put(place, record::WEIGHT, weight.to_ne_bytes());
    put(place, record::BACKUP, backup.map_or(record::NO_BACKUP, |id| id.0).to_ne_bytes());
    place[record::STATE] = match entry.state {
        State::Steady => 0,
        State::Returned => 1,
        State::Down => 2,
        State::Draining => 3,
    };
    place[record::META] = match entry.meta {
        Meta::Unknown => 0,
        Meta::Yes => 1,
        Meta::No => 2,
    };
    put(place, record::SINCE, entry.since.unix_millis.to_ne_bytes());
    if entry.since.clock == clock && clock != 0 {
        put(place, record::SINCE_BOOT, entry.since.boot_millis.to_ne_bytes());
    }
    if let Some(Incarnation { pid, start }) = entry.incarnation {
        put(place, record::PID, pid.to_ne_bytes());
        put(place, record::START, start.to_ne_bytes());
        put(place, record::KNOWN, 1u16.to_ne_bytes());
    }
    put(place, record::MARK, entry.mark.to_ne_bytes());
    place[record::HELD_BACK] = u8::from(entry.held_back);
    place[record::ORDERED] = u8::from(entry.ordered);
    put(place, record::EPOCH, entry.epoch.to_ne_bytes());
    put(place, record::EPOCH_SLOT, entry.epoch_slot.to_ne_bytes());
    put_text(place, record::NAME, record::NAME_LENGTH, name);
    put_text(place, record::ADDRESS, record::ADDRESS_LENGTH, &address.to_string());
    put_text(place, record::REASON, record::REASON_LENGTH, &short(&entry.reason));
}

/// A reason that fits and can be shown.
fn short(reason: &str) -> String {
    let clean = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut text = String::with_capacity(record::REASON_SIZE);
    for c in clean {
        if text.len() + c.len_utf8() > record::REASON_SIZE {
            break;
        }
        text.push(c);
    }
    text
}
