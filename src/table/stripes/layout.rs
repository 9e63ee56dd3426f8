//! Where everything is in the stripes file: docs/stripes.md in code. A test compares the two.

use super::super::fault::Fault;
use super::super::words::{LoadWord, StoreWord};
use super::epoch::Epoch;

/// The first eight bytes, read as a number.
pub const MAGIC: u64 = u64::from_le_bytes(*b"mc-strip");
/// The version of this layout.
pub const VERSION: u64 = 2;
/// How many process id namespaces can be told from each other; number 0 stands for all others.
pub const NAMESPACES: usize = 512;
/// How many epochs there are: as many as a list has room for servers.
pub const EPOCHS: usize = super::super::layout::ROOM;
/// How many stripes there are; a power of two.
pub const STRIPES: usize = 16_384;
/// How many servers can be out of reach at once and keep what they hold.
pub const JOURNALS: usize = 8;
/// How many keys a journal has room for.
pub const JOURNAL_KEYS: usize = 16_384;
/// Words of room for the bytes of these keys: 32 bytes for each.
pub const JOURNAL_WORDS: usize = 65_536;

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
    /// The number of the time namespace of the file's maker.
    pub const CLOCK: usize = 0x30;
    /// Tells this file from every other one; never 0.
    pub const ID: usize = 0x38;
    /// CRC-32 of everything before it.
    pub const CHECKSUM: usize = 0x40;
    /// Grows with every change of any epoch. On a cache line of its own: every call loads it.
    pub const CHANGES: usize = 0x80;
    /// The size of the header.
    pub const SIZE: usize = 0x1000;
}

/// The numbers of the process id namespaces, by tag.
pub const NAMESPACES_AT: usize = header::SIZE;
/// The epochs, by slot.
pub const EPOCHS_AT: usize = NAMESPACES_AT + 8 * NAMESPACES;
/// Whose turn it is to try a server, by the slot of its epoch.
pub const TRIALS_AT: usize = EPOCHS_AT + 8 * EPOCHS;
/// The stripes, by the lower bits of the key's hash.
pub const STRIPES_AT: usize = TRIALS_AT + 8 * EPOCHS;
/// The journals' names and states, each pair on a cache line of its own.
pub const JOURNALS_AT: usize = STRIPES_AT + 8 * STRIPES;
/// The journals' indexes.
pub const INDEXES_AT: usize = JOURNALS_AT + 4096;
/// The journals' keys.
pub const KEYS_AT: usize = INDEXES_AT + JOURNALS * 8 * JOURNAL_KEYS;
/// The size of every stripes file of this version.
pub const FILE_BYTES: usize = KEYS_AT + JOURNALS * 8 * JOURNAL_WORDS;

/// A journal's head, from its beginning.
pub mod journal {
    /// The slot of the server in the upper 16 bits, its odd epoch in the others; 0: nobody's.
    pub const NAME: usize = 0x00;
    /// How it stands.
    pub const STATE: usize = 0x08;
    /// The size of a head.
    pub const SIZE: usize = 0x40;
}

const _: () = assert!(STRIPES.is_power_of_two() && FILE_BYTES.is_multiple_of(4096));
const _: () = assert!(JOURNALS * journal::SIZE <= 4096 && JOURNAL_WORDS <= 1 << 16);

/// What is written once, before the file has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Milliseconds since 1970.
    pub created: u64,
    /// See [`header::BOOT`].
    pub boot: [u64; 2],
    /// See [`header::CLOCK`].
    pub clock: u64,
    /// See [`header::ID`].
    pub id: u64,
}

/// The header's words, the checksum last.
type Words = [u64; header::CHECKSUM / 8 + 1];

impl Header {
    /// Makes a new file's words of zeros: the header, and every epoch 0.
    ///
    /// # Errors
    /// [`Fault::StripesSize`] when there is no room.
    pub fn write<W: StoreWord>(&self, words: &[W]) -> Result<(), Fault> {
        let room = words.get(..FILE_BYTES / 8).ok_or(Fault::StripesSize(words.len() as u64 * 8))?;
        let [boot, boot_rest] = self.boot;
        let size = FILE_BYTES as u64;
        let mut header: Words = [MAGIC, VERSION, size, self.created, boot, boot_rest, self.clock, self.id, 0];
        header[header::CHECKSUM / 8] = checksum(&header);
        room.iter().zip(header).for_each(|(word, value)| word.set(value));
        room[EPOCHS_AT / 8..][..EPOCHS].iter().for_each(|word| word.set(Epoch::default().word()));
        Ok(())
    }

    /// Reads it and checks all of it.
    ///
    /// # Errors
    /// [`Fault::StripesForeign`], [`Fault::StripesVersion`], [`Fault::StripesSize`] and [`Fault::Header`], in
    /// this order.
    pub fn read<W: LoadWord>(words: &[W]) -> Result<Header, Fault> {
        let mut header: Words = [0; header::CHECKSUM / 8 + 1];
        let there = words.get(..header.len()).ok_or(Fault::StripesSize(words.len() as u64 * 8))?;
        header.iter_mut().zip(there).for_each(|(value, word)| *value = word.get());
        let [magic, version, size, created, boot, boot_rest, clock, id, sum] = header;
        if magic != MAGIC {
            return Err(Fault::StripesForeign);
        }
        if version != VERSION {
            return Err(Fault::StripesVersion(version));
        }
        if size != FILE_BYTES as u64 {
            return Err(Fault::StripesSize(size));
        }
        if sum != checksum(&header) || id == 0 {
            return Err(Fault::Header);
        }
        Ok(Header { created, boot: [boot, boot_rest], clock, id })
    }
}

/// The CRC-32 of the words before the checksum.
fn checksum(words: &Words) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    words.iter().take(header::CHECKSUM / 8).for_each(|word| hasher.update(&word.to_ne_bytes()));
    u64::from(hasher.finalize())
}
