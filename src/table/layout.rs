//! Where everything is in the file: docs/table.md in code. A test compares the two.
//!
//! Numbers are in the machine's own byte order and aligned to their size; a table never leaves its
//! machine. Offsets are in bytes, from the start of the part that the module is named after.

use super::buffers::{HEAD_WORDS, Shape};
use super::fault::Fault;
use super::identity::Process;
use super::words::{LoadWord, StoreWord};

/// The first eight bytes, read as a number: a machine of the other byte order finds another one.
pub const MAGIC: u64 = u64::from_le_bytes(*b"mc-table");
/// The version of this layout.
pub const VERSION: u64 = 1;
/// How many servers, and how many slots, there is room for.
pub const ROOM: usize = 4_096;

/// The file's first page.
pub mod header {
    /// [`super::MAGIC`].
    pub const MAGIC: usize = 0x00;
    /// [`super::VERSION`].
    pub const VERSION: usize = 0x08;
    /// [`super::FILE_BYTES`].
    pub const FILE_BYTES: usize = 0x10;
    /// When the file was made: milliseconds since 1970.
    pub const CREATED: usize = 0x18;
    /// The machine's boot id, 16 bytes.
    pub const BOOT: usize = 0x20;
    /// The number of the writer's process id namespace; 0 when unknown.
    pub const NAMESPACE: usize = 0x30;
    /// The writer's process id.
    pub const PID: usize = 0x38;
    /// When the writer started: clock ticks since boot, as /proc tells it.
    pub const START: usize = 0x40;
    /// Milliseconds without a heartbeat after which the table is unattended.
    pub const BOUND: usize = 0x48;
    /// CRC-32 of everything before it.
    pub const CHECKSUM: usize = 0x50;
    /// The generation word, on a cache line of its own: all that a reader loads when nothing changed.
    pub const GENERATION: usize = 0x80;
    /// When the writer was last at work: milliseconds of `CLOCK_BOOTTIME`, 0 when it has resigned. Bit 63:
    /// [`super::SETTLING`]. Not on a line next to the generation's, which every heartbeat would take from the readers' caches.
    pub const HEARTBEAT: usize = 0x100;
    /// The size of the header.
    pub const SIZE: usize = 0x1000;
}

/// The bit of the heartbeat word that says: the writer is at work, and has yet to learn what happened while
/// nobody looked after the table.
pub const SETTLING: u64 = 1 << 63;

/// What is published, from the body's start.
pub mod body {
    use super::{list, progress, record};
    /// When it was published: milliseconds since 1970.
    pub const PUBLISHED: usize = 0x00;
    /// Bit 0: somebody sweeps the pool. Bit 1: there is a previous list.
    pub const FLAGS: usize = 0x08;
    /// The id of the stripes file that goes with the table; 0 when there is none.
    pub const STRIPES: usize = 0x10;
    /// Which clock the servers' `SINCE_BOOT` are read from: a number for the boot of the machine and the time namespace; 0: not
    /// known.
    pub const CLOCK: usize = 0x18;
    /// How far the sweep is that is under way; zeros when there is none.
    pub const SWEEP: usize = 0x20;
    const _: () = assert!(SWEEP + progress::SIZE <= CURRENT);
    /// The current list's header.
    pub const CURRENT: usize = 0x80;
    /// The previous list's header; zeros when there is none.
    pub const PREVIOUS: usize = 0x100;
    /// The current list's slots, two bytes each.
    pub const CURRENT_SLOTS: usize = 0x180;
    /// The previous list's slots.
    pub const PREVIOUS_SLOTS: usize = CURRENT_SLOTS + list::SLOTS_SIZE;
    /// The current list's servers; those of the previous list follow the last of them.
    pub const SERVERS: usize = PREVIOUS_SLOTS + list::SLOTS_SIZE;
    /// The largest body.
    pub const MOST: usize = SERVERS + 2 * super::ROOM * record::SIZE;
}

/// How far a sweep is.
pub mod progress {
    /// When it began: milliseconds since 1970; 0: there is none.
    pub const BEGAN: usize = 0x00;
    /// When these numbers were taken: milliseconds since 1970.
    pub const UPDATED: usize = 0x08;
    /// How many servers are to be walked.
    pub const SOURCES: usize = 0x10;
    /// How many of them are done.
    pub const SOURCES_DONE: usize = 0x14;
    /// Keys that were looked at.
    pub const KEYS: usize = 0x18;
    /// An estimate of how many there are.
    pub const KEYS_TOTAL: usize = 0x20;
    /// Copies that were moved.
    pub const MOVED: usize = 0x28;
    /// Bytes of their values.
    pub const BYTES: usize = 0x30;
    /// Copies that a server would not take.
    pub const REFUSED: usize = 0x38;
    /// The size of it all.
    pub const SIZE: usize = 0x40;
}

/// A list's header.
pub mod list {
    /// How many servers.
    pub const SERVERS: usize = 0x00;
    /// How many slots.
    pub const SLOTS: usize = 0x04;
    /// 0: modulo, 1: ketama.
    pub const DISTRIBUTION: usize = 0x08;
    /// 1: every write is stored twice.
    pub const BACKUPS: usize = 0x09;
    /// 0: recovering, 1: always.
    pub const READ_BACKUP: usize = 0x0a;
    /// 1: `MAX_TTL` means something.
    pub const HAS_MAX_TTL: usize = 0x0b;
    /// The length of the name in bytes.
    pub const NAME_LENGTH: usize = 0x0c;
    /// The window, in nanoseconds, as are the following.
    pub const WINDOW: usize = 0x10;
    /// The longest life.
    pub const MAX_TTL: usize = 0x18;
    /// How long a connection may take to be made.
    pub const CONNECT_TIMEOUT: usize = 0x20;
    /// How long a whole call may take.
    pub const TIMEOUT: usize = 0x28;
    /// The pool's name, UTF-8.
    pub const NAME: usize = 0x40;
    /// The longest name.
    pub const NAME_SIZE: usize = 64;
    /// The size of a list's header.
    pub const SIZE: usize = 0x80;
    /// The size of a list's slots.
    pub const SLOTS_SIZE: usize = 2 * super::ROOM;
}

/// A server.
pub mod record {
    /// How many slots it has.
    pub const WEIGHT: usize = 0x00;
    /// Its backup's number in the same list; [`NO_BACKUP`] for none.
    pub const BACKUP: usize = 0x04;
    /// 0: steady, 1: returned, 2: down, 3: draining.
    pub const STATE: usize = 0x06;
    /// Whether it has the meta commands. 0: unknown, 1: yes, 2: no.
    pub const META: usize = 0x07;
    /// Since when it is in that state: milliseconds since 1970.
    pub const SINCE: usize = 0x08;
    /// The process id that it was last met with.
    pub const PID: usize = 0x10;
    /// When that process started: seconds since 1970.
    pub const START: usize = 0x18;
    /// 1: process id and start are known.
    pub const KNOWN: usize = 0x20;
    /// The mark of its epoch in CAS values.
    pub const MARK: usize = 0x22;
    /// The lengths of the texts in bytes.
    pub const NAME_LENGTH: usize = 0x24;
    /// Of the address.
    pub const ADDRESS_LENGTH: usize = 0x26;
    /// Of the reason.
    pub const REASON_LENGTH: usize = 0x28;
    /// 1: it is down, but answered its last trial.
    pub const HELD_BACK: usize = 0x2a;
    /// 1: it is down or draining because an administrator ordered it.
    pub const ORDERED: usize = 0x2b;
    /// Which word of the stripes file is the server's epoch.
    pub const EPOCH_SLOT: usize = 0x2c;
    /// The server's epoch.
    pub const EPOCH: usize = 0x30;
    /// Since when it is in that state: milliseconds of `CLOCK_BOOTTIME`; 0: that is not known.
    pub const SINCE_BOOT: usize = 0x38;
    /// Its name, UTF-8.
    pub const NAME: usize = 0x40;
    /// The longest name.
    pub const NAME_SIZE: usize = 64;
    /// Where it listens, as in the pool file.
    pub const ADDRESS: usize = 0x80;
    /// The longest address.
    pub const ADDRESS_SIZE: usize = 264;
    /// Why it is in its state.
    pub const REASON: usize = 0x188;
    /// The longest reason.
    pub const REASON_SIZE: usize = 120;
    /// The size of a server.
    pub const SIZE: usize = 0x200;
    /// The backup's number when there is none.
    pub const NO_BACKUP: u16 = u16::MAX;
}

/// The size of a buffer: its head and the largest body, in whole pages.
pub const BUFFER_BYTES: usize = (8 * HEAD_WORDS + body::MOST).next_multiple_of(4096);
/// Where the buffers begin: that of even generations, that of odd ones.
pub const BUFFERS: [usize; 2] = [header::SIZE, header::SIZE + BUFFER_BYTES];
/// The size of every table of this version.
pub const FILE_BYTES: usize = header::SIZE + 2 * BUFFER_BYTES;

/// The table as the protocol sees it.
pub const SHAPE: Shape = Shape {
    generation: header::GENERATION / 8,
    buffers: [BUFFERS[0] / 8, BUFFERS[1] / 8],
    most: body::MOST / 8,
};

/// The least and the most of [`Header::bound`].
const BOUNDS: std::ops::RangeInclusive<u64> = 1..=60_000;

/// What is written once, before the file has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Milliseconds since 1970.
    pub created: u64,
    /// See [`header::BOOT`].
    pub boot: [u64; 2],
    /// See [`header::NAMESPACE`].
    pub namespace: u64,
    /// The process that writes this file; another one would make another file.
    pub writer: Process,
    /// Milliseconds without a heartbeat after which the table is unattended; 1 to 60,000.
    pub bound: u64,
}

impl Header {
    /// Its words, the checksum last.
    fn words(&self) -> [u64; header::CHECKSUM / 8 + 1] {
        let [boot, boot_rest] = self.boot;
        let (pid, start) = (u64::from(self.writer.pid), self.writer.start);
        let size = FILE_BYTES as u64;
        let mut words =
            [MAGIC, VERSION, size, self.created, boot, boot_rest, self.namespace, pid, start, self.bound, 0];
        words[header::CHECKSUM / 8] = checksum(&words);
        words
    }

    /// Writes it; `words` begins where the file does.
    ///
    /// # Errors
    /// [`Fault::Header`] when the bound is none, [`Fault::Size`] when there is no room.
    pub fn write<W: StoreWord>(&self, words: &[W]) -> Result<(), Fault> {
        let header = self.words();
        if !BOUNDS.contains(&self.bound) {
            return Err(Fault::Header);
        }
        let room = words.get(..header.len()).ok_or(Fault::Size(words.len() as u64 * 8))?;
        room.iter().zip(header).for_each(|(word, value)| word.set(value));
        Ok(())
    }

    /// Reads it and checks all of it.
    ///
    /// # Errors
    /// [`Fault::Foreign`], [`Fault::Version`], [`Fault::Size`] and [`Fault::Header`], in this order.
    pub fn read<W: LoadWord>(words: &[W]) -> Result<Header, Fault> {
        let mut header = [0; header::CHECKSUM / 8 + 1];
        let there = words.get(..header.len()).ok_or(Fault::Size(words.len() as u64 * 8))?;
        header.iter_mut().zip(there).for_each(|(value, word)| *value = word.get());
        let [magic, version, size, created, boot, boot_rest, namespace, pid, start, bound, sum] = header;
        if magic != MAGIC {
            return Err(Fault::Foreign);
        }
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        if size != FILE_BYTES as u64 {
            return Err(Fault::Size(size));
        }
        let pid = u32::try_from(pid).map_err(|_| Fault::Header)?;
        if sum != checksum(&header) || !BOUNDS.contains(&bound) {
            return Err(Fault::Header);
        }
        Ok(Header { created, boot: [boot, boot_rest], namespace, writer: Process { pid, start }, bound })
    }
}

/// The CRC-32 of the words before the checksum.
fn checksum(words: &[u64; header::CHECKSUM / 8 + 1]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    words.iter().take(header::CHECKSUM / 8).for_each(|word| hasher.update(&word.to_ne_bytes()));
    u64::from(hasher.finalize())
}

// The numbers of servers and of slots fit into their fields, and a word holds no part of two things.
const _: () = assert!(ROOM < record::NO_BACKUP as usize && body::MOST.is_multiple_of(8));
const _: () = assert!(record::REASON + record::REASON_SIZE == record::SIZE);
const _: () = assert!(record::ADDRESS + record::ADDRESS_SIZE == record::REASON);
const _: () = assert!(record::NAME + record::NAME_SIZE == record::ADDRESS);
const _: () = assert!(list::NAME + list::NAME_SIZE == list::SIZE);
const _: () = assert!(body::MOST <= u32::MAX as usize);
