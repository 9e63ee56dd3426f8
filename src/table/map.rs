//! The one mmap, and what is checked before it.
//!
//! **Why a reader cannot be hit by SIGBUS.** Memory mapped from a file faults where the file has
//! no bytes: behind its end, or in a hole that the disk has no room to fill. So the file's size is
//! checked on the open descriptor (not on the path, which can lead elsewhere a moment later) before
//! anything is mapped, and no more is mapped than that. It cannot shrink afterwards: our writer never
//! truncates a table, it makes a new file and renames it; and nobody else can who is not its owner
//! or root, because a file that belongs to somebody unknown, or that others may write to, is not mapped.
//! It has no holes: its writer filled all of it with zeros before it had its name. What remains is an owner who
//! truncates his own file by hand, and a disk that fails under a table; /run is in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::fault::Fault;
use super::layout::FILE_BYTES;
use super::words::ReadOnly;

/// Whose tables are read: root's, those of this process's user, and whom the caller names (the
/// owner of the pool file: who may say which servers there are may also say how they do).
#[derive(Clone, Debug, Default)]
pub struct Trust {
    also: Vec<u32>,
}

impl Trust {
    /// Trusts this user, by its id, as well.
    #[must_use]
    pub fn also(mut self, uid: u32) -> Trust {
        self.also.push(uid);
        self
    }

    /// Whether a file that the pool's clients write to may be used: it belongs to somebody trusted, and not
    /// everybody can change it.
    pub(super) fn check_shared(&self, metadata: &std::fs::Metadata) -> Result<(), Fault> {
        if !self.trusts(metadata.uid()) {
            return Err(Fault::Owner(metadata.uid()));
        }
        if metadata.mode() & 0o002 != 0 {
            return Err(Fault::Public(metadata.mode() & 0o7777));
        }
        Ok(())
    }

    fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == geteuid().as_raw() || self.also.contains(&uid)
    }
}

/// Which file it is, whatever its name: two that are open at once are never equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// That of a file's description.
    pub fn of(metadata: &std::fs::Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A table mapped to be read. The mapping ends with it.
#[derive(Debug)]
pub struct ReadMap {
    raw: MmapRaw,
    id: FileId,
}

impl ReadMap {
    /// Maps the table at `path`: a regular file, not a link, of a table's size, that only somebody trusted can
    /// change. What is in it is not looked at.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub fn open(path: &Path, trust: &Trust) -> Result<ReadMap, Fault> {
        let file = open_file(path, OFlags::RDONLY)?;
        let metadata = describe(&file)?;
        if !trust.trusts(metadata.uid()) {
            return Err(Fault::Owner(metadata.uid()));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(Fault::Writable(metadata.mode() & 0o7777));
        }
        if metadata.len() != FILE_BYTES as u64 {
            return Err(Fault::Size(metadata.len()));
        }
        // SAFETY: a regular file of FILE_BYTES bytes, by its open descriptor. Who else could make it
        // shorter was just found to be root or somebody trusted; our own writer never does.
        let raw = unsafe { map_to_read(&file, FILE_BYTES) };
        Ok(ReadMap {
            raw: raw.map_err(|error| Fault::File("it cannot be mapped", error.to_string()))?,
            id: FileId::of(&metadata),
        })
    }

    /// Its words.
    #[inline]
    pub fn words(&self) -> &[ReadOnly] {
        // SAFETY: the map is FILE_BYTES long, begins on a page and lives as long as `self`. ReadOnly is
        // an AtomicU64: it has no invalid bit patterns, and others may change it at any time.
        unsafe { slice::from_raw_parts(self.raw.as_ptr().cast::<ReadOnly>(), FILE_BYTES / 8) }
    }

    /// Which file it is.
    pub fn id(&self) -> FileId {
        self.id
    }
}

/// A table mapped to be written. The mapping ends with it.
#[derive(Debug)]
pub struct WriteMap {
    raw: MmapRaw,
}

impl WriteMap {
    /// Maps the first `length` bytes of a file, a multiple of 8, all of which it has.
    ///
    /// # Errors
    /// When it has fewer, and what the system says.
    pub fn over(file: &File, length: usize) -> io::Result<WriteMap> {
        if file.metadata()?.len() < length as u64 || !length.is_multiple_of(8) {
            return Err(io::Error::other("it is too short to be a table"));
        }
        // SAFETY: the file has that many bytes. Only its owner could make it shorter, and that is
        // the writer, which never does.
        unsafe { map_to_write(file, length) }.map(|raw| WriteMap { raw })
    }

    /// Its words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the map begins on a page, holds so many words and lives as long as `self`; it may
        // be written to. Other processes only ever load from it.
        unsafe { slice::from_raw_parts(self.raw.as_mut_ptr().cast::<AtomicU64>(), self.raw.len() / 8) }
    }
}

/// A stripes file mapped to be read and written, as every participant has it. The mapping ends with it.
#[derive(Debug)]
pub struct SharedMap {
    raw: MmapRaw,
    id: FileId,
}

impl SharedMap {
    /// Maps a regular file of exactly `length` bytes, a multiple of 8.
    ///
    /// # Errors
    /// When it has another size, and what the system says.
    pub fn over(file: &File, length: usize) -> Result<SharedMap, Fault> {
        let metadata = describe(file)?;
        if metadata.len() != length as u64 || !length.is_multiple_of(8) {
            return Err(Fault::StripesSize(metadata.len()));
        }
        // SAFETY: a regular file of that many bytes, all of them written before it had its name. Who can
        // make it shorter is its owner or of the pool's group, and neither the daemon nor a client ever does.
        let raw = unsafe { map_to_write(file, length) };
        let raw = raw.map_err(|error| Fault::File("it cannot be mapped", error.to_string()))?;
        Ok(SharedMap { raw, id: FileId::of(&metadata) })
    }

    /// Its words.
    #[inline]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the map begins on a page, holds so many words and lives as long as `self`; it may
        // be written to. Every process that has it goes through atomics.
        unsafe { slice::from_raw_parts(self.raw.as_mut_ptr().cast::<AtomicU64>(), self.raw.len() / 8) }
    }

    /// The upper half of a word, to be handed to the kernel only: where it lets a process sleep.
    pub fn upper_half(&self, word: usize) -> &AtomicU32 {
        let half = usize::from(cfg!(target_endian = "little"));
        let place: *const AtomicU64 = &self.words()[word];
        // SAFETY: both halves of an aligned word are aligned and within it. The half is never
        // loaded or stored by Rust code: the kernel compares it with what was loaded from the whole word.
        unsafe { &*place.cast::<AtomicU32>().add(half) }
    }

    /// Which file it is.
    pub fn id(&self) -> FileId {
        self.id
    }
}

/// Maps a file read-only and shared.
///
/// # Safety
/// The file has at least `length` bytes and keeps them while the map lives: another process that
/// truncates it turns every later load into SIGBUS. Another process may change the bytes at any time, so they
/// must be looked at through atomics only, and never be believed.
unsafe fn map_to_read(file: &File, length: usize) -> io::Result<MmapRaw> {
    MmapOptions::new().len(length).map_raw_read_only(file)
}

/// Maps a file shared, to be read and written.
///
/// # Safety
/// As [`map_to_read`]; and every page has its room on the disk already, or a store into it is SIGBUS when
/// the disk is full.
unsafe fn map_to_write(file: &File, length: usize) -> io::Result<MmapRaw> {
    MmapOptions::new().len(length).map_raw(file)
}

/// Opens without following a link in the last place, and without waiting at a pipe.
pub(super) fn open_file(path: &Path, access: OFlags) -> Result<File, Fault> {
    let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match open(path, flags, Mode::empty()) {
        Ok(descriptor) => Ok(File::from(descriptor)),
        Err(Errno::NOENT) => Err(Fault::Missing),
        Err(Errno::LOOP) => Err(Fault::Link),
        Err(Errno::NXIO) => Err(Fault::NotRegular),
        Err(error) => Err(Fault::File("it cannot be opened", error.to_string())),
    }
}

/// What kind of file it is, by its descriptor.
pub(super) fn describe(file: &File) -> Result<std::fs::Metadata, Fault> {
    let metadata =
        file.metadata().map_err(|error| Fault::File("it cannot be looked at", error.to_string()))?;
    if metadata.is_file() { Ok(metadata) } else { Err(Fault::NotRegular) }
}
