//! Snapshots of which a test knows every field: all of it follows from one number.

use std::path::Path;
use std::time::Duration;

use memcache::rules::health::Incarnation;
use memcache::rules::pool::{Distribution, Options, ReadBackup, Server, ServerId};
use memcache::rules::time::Stamp;
use memcache::rules::view::{Meta, State};
use memcache::table::{List, Lock, Progress, ServerEntry, Settings, Snapshot, Writer, identity};

/// Whose clock the times are on.
const CLOCK: u64 = 0xc10c_c10c_c10c_c10c;

/// The snapshot of a number; `published` tells it back.
pub fn snapshot(number: u64) -> Snapshot {
    Snapshot {
        generation: 0,
        published: number,
        stripes: number ^ 0x5555,
        clock: CLOCK,
        swept: number.is_multiple_of(2),
        sweep: (!number.is_multiple_of(4)).then(|| progress(number)),
        current: list(number, 1 + number % 7),
        previous: number.is_multiple_of(3).then(|| list(number + 1, 1 + number % 5)),
    }
}

/// Fails unless it is one of [`snapshot`]'s, whole; its number.
pub fn whole(found: &Snapshot) -> u64 {
    let expected = Snapshot { generation: found.generation, ..snapshot(found.published) };
    assert_eq!(*found, expected, "a snapshot that nobody wrote");
    found.published
}

fn progress(number: u64) -> Progress {
    Progress {
        began: number,
        updated: number + 1,
        sources: number as u32 + 2,
        sources_done: number as u32 + 3,
        keys: number + 4,
        keys_total: number + 5,
        moved: number + 6,
        bytes: u64::MAX - number,
        refused: number + 7,
    }
}

/// A list of so many servers.
pub fn list(number: u64, servers: u64) -> List {
    let count = servers as u16;
    List {
        name: format!("pool-{number}"),
        options: Options {
            distribution: if number % 4 == 1 { Distribution::Ketama } else { Distribution::Modulo },
            backups: number % 2 == 1,
            read_backup: if number % 5 == 1 { ReadBackup::Always } else { ReadBackup::Recovering },
            window: Duration::from_secs(number),
            max_ttl: (number % 3 == 1).then(|| Duration::from_secs(7 * number)),
            connect_timeout: Duration::from_nanos(number),
            timeout: Duration::from_millis(number),
        },
        servers: (0..count).map(|id| entry(number, id, count)).collect(),
        slots: (0..count).chain((0..count).rev()).map(ServerId).collect(),
    }
}

/// Of every third server only the wall clock's time is known.
fn since(number: u64, id: u16) -> Stamp {
    let unix_millis = number * 1_000;
    match id % 3 {
        0 => Stamp::of_wall_clock(unix_millis),
        _ => Stamp { unix_millis, clock: CLOCK, boot_millis: number + 1 },
    }
}

fn entry(number: u64, id: u16, count: u16) -> ServerEntry {
    let states = [State::Steady, State::Returned, State::Down, State::Draining];
    let address = match id % 3 {
        0 => format!("10.0.{}.{}:{}", number % 256, id % 256, 1 + id),
        1 => format!("[2001:db8::{number:x}]:11211").replace("::0]", "::]"),
        _ => format!("unix:/run/memcached-{number}-{id}.sock"),
    };
    ServerEntry {
        server: Server {
            name: format!("s{id}-{number}"),
            address: address.parse().expect("an address"),
            weight: 2,
            backup: (count > 1 && number % 2 == 1).then(|| ServerId((id + 1) % count)),
        },
        state: states[((number + u64::from(id)) % 4) as usize],
        since: since(number, id),
        reason: format!("for the reason {number}"),
        incarnation: (id.is_multiple_of(2)).then(|| Incarnation { pid: number, start: number + 1 }),
        meta: [Meta::Unknown, Meta::Yes, Meta::No][usize::from(id) % 3],
        mark: number as u16 ^ id,
        held_back: number.is_multiple_of(3),
        ordered: number.is_multiple_of(2),
        epoch: number * 7,
        epoch_slot: id,
    }
}

/// An attended table at `path` with the snapshot of `number` in it.
pub fn table(path: &Path, number: u64) -> Writer {
    let lock = Lock::take(path).expect("nobody else writes it");
    attended(Writer::create(lock, &Settings::default(), &snapshot(number)).expect("a table"))
}

/// The writer of a table that is attended from now on.
pub fn attended(mut writer: Writer) -> Writer {
    let now = identity::boot_millis();
    let settling = writer.settle(now);
    writer.attend(settling, now).expect("at once");
    writer
}
