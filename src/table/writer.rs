//! The one writer: makes a table, publishes in it, shows that it is at work.
//!
//! **A table has one writer for life.** A process that starts to write makes a new file, renames it
//! over the old one and retires that one. So nobody ever goes on with a file in which another process
//! may have stopped anywhere, the header never changes once the file has its name, and a
//! reader never sees a table half made. Should the writer end between the rename and the retirement,
//! its readers find the old table unattended, and [`Reader::revisit`](super::Reader::revisit) finds the new one.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, open};

use super::buffers::{Stamp, publish, retire};
use super::encode::encode;
use super::fault::{Fault, WriteError};
use super::identity::{self, Process};
use super::layout::{FILE_BYTES, Header, MAGIC, SETTLING, SHAPE, header};
use super::lock::{Lock, beside};
use super::map::{FileId, WriteMap, describe, open_file};
use super::snapshot::Snapshot;
use super::words::{LoadWord, SharedWord, StoreWord};

/// How a table is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file's permission bits. Readers refuse a table that others than its owner may write to.
    pub mode: u32,
    /// The file's user and group, by id; `None`: those of the process. To give a file away takes root.
    pub owner: Option<(u32, u32)>,
    /// Without a heartbeat for so long the table is unattended; 1 ms to a minute. The writer beats ten
    /// times as often: see [`Settings::beat`].
    pub bound: Duration,
}

impl Default for Settings {
    /// 0644, the process's own, and 400 ms: so a call of the default timeout (500 ms) outlasts a writer that dies
    /// just before it. On a machine that has other things to do a writer's beats come late; ten of them
    /// have to be missed.
    fn default() -> Self {
        Settings { mode: 0o644, owner: None, bound: Duration::from_millis(400) }
    }
}

impl Settings {
    /// How often the writer should call [`Writer::beat`].
    pub fn beat(&self) -> Duration {
        self.bound / 10
    }
}

/// A table that is written.
#[derive(Debug)]
pub struct Writer {
    lock: Lock,
    map: WriteMap,
    id: FileId,
    generation: u64,
    bound: u64,
    /// When it was last told that the writer is at work.
    beaten: u64,
    /// Which [`Settling`] would be the right one now; 0 while the table is attended.
    round: u64,
    /// How many there were.
    rounds: u64,
    body: Vec<u8>,
}

/// The table is settling: nobody diverts anything, and its writer finds out what happened while nobody
/// looked after it (docs/one-view.md). [`Writer::attend`] takes this back: it is good until the writer
/// is silent for longer than the bound once more.
#[must_use = "a table that is not attended again leaves its clients waiting"]
#[derive(Debug, PartialEq, Eq)]
pub struct Settling(u64);

impl Writer {
    /// Makes a table with a first snapshot in it and puts it in place of the one there was, if any, which is then
    /// retired. Its generations go on from that one's. When it fails, what was there is as it was.
    ///
    /// # Errors
    /// What failed, on which file, and what to do: the directory, the disk, the permissions, a file in the
    /// way that is no table, or a snapshot that has no place in one. The lock is given back.
    pub fn create(lock: Lock, settings: &Settings, first: &Snapshot) -> Result<Writer, WriteError> {
        let path = lock.table().to_owned();
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            WriteError(format!("cannot make the table {}: {what}: {error}", path.display()))
        };
        if settings.mode & !0o644 != 0 || settings.mode & 0o400 == 0 {
            let mode = settings.mode;
            return Err(failed(
                "its mode",
                &format!("{mode:04o}; it is 0644 or less, and readable by its owner"),
            ));
        }
        let old = old_table(&path).map_err(|error| failed("its place", &error))?;
        let temporary = beside(&path, ".new");
        let remains = Remains(&temporary);
        let file = new_file(&temporary, FILE_BYTES, settings.mode, settings.owner)
            .map_err(|error| failed(&format!("the new file {}", temporary.display()), &error))?;
        let map = WriteMap::over(&file, FILE_BYTES).map_err(|error| failed("mapping it", &error))?;
        let id = FileId::of(&file.metadata().map_err(|error| failed("looking at it", &error))?);

        let bound = u64::try_from(settings.bound.as_millis()).unwrap_or(u64::MAX);
        let head = Header {
            created: identity::unix_millis(),
            boot: identity::boot(),
            namespace: identity::namespace(),
            writer: Process::this(),
            bound,
        };
        head.write(map.words()).map_err(|_| failed("its bound", &"it is 1 ms to a minute"))?;
        let generation = old.as_ref().map_or(0, |old| old.generation);
        let body = Vec::new();
        let mut writer = Writer { lock, map, id, generation, bound, beaten: 0, round: 0, rounds: 0, body };
        writer.publish(first).map_err(|error| failed("its first snapshot", &error))?;
        // Its owner asks for one of his own when he begins to look.
        let _first = writer.settle(identity::boot_millis());
        put_in_place(&file, &temporary, &path).map_err(|error| failed("putting it in place", &error))?;
        std::mem::forget(remains);
        if let Some(old) = old {
            retire(&old.map.words()[header::GENERATION / 8]);
        }
        Ok(writer)
    }

    /// Publishes a snapshot: every reader sees it at its next look. The snapshot's generation.
    ///
    /// # Errors
    /// [`Fault::Content`] with what has no place in a table; then nothing was published.
    pub fn publish(&mut self, snapshot: &Snapshot) -> Result<u64, Fault> {
        encode(snapshot, &mut self.body)?;
        // Two to the power of 47 of them: the odd machine that gets there begins again.
        let next = self.generation % Stamp::LAST + 1;
        publish(self.map.words(), &SHAPE, next, &self.body)?;
        self.generation = next;
        Ok(next)
    }

    /// Says that the table is settling, from `now` on (milliseconds of [`identity::boot_millis`]): clients divert
    /// nothing anew and wait. Behind it stands a full memory fence: of a client that diverts and looks
    /// here, and a writer that says this and then reads the epochs, at least one sees the other.
    ///
    /// What is to follow: read all epochs, publish the states, read the epochs once more,
    /// [`attend`](Writer::attend). If that takes long, [`beat`](Writer::beat) meanwhile.
    pub fn settle(&mut self, now: u64) -> Settling {
        self.rounds += 1;
        self.round = self.rounds;
        self.tell(now);
        Settling(self.round)
    }

    /// Says that the table is attended: its states are the truth. From now on [`beat`](Writer::beat) says so.
    ///
    /// # Errors
    /// When the writer was silent for longer than the bound since it began to settle (clients may have
    /// judged by themselves), or began anew: what is to be given next time, when the epochs were read again.
    pub fn attend(&mut self, settled: Settling, now: u64) -> Result<(), Settling> {
        if settled.0 != self.round || self.was_missed(now) {
            return Err(self.settle(now));
        }
        self.round = 0;
        self.tell(now);
        Ok(())
    }

    /// Tells the readers that the writer is at work at `now`, milliseconds of
    /// [`identity::boot_millis`], read just before: the table stays attended, or settling, as it is. To be
    /// called by the loop that watches the servers, not by a thread of its own, which would go on
    /// while that loop is stuck.
    ///
    /// # Errors
    /// When the last beat was longer ago than the bound: clients may have judged by themselves
    /// meanwhile. The table is then settling, and what is published must be proved anew.
    pub fn beat(&mut self, now: u64) -> Result<(), Settling> {
        if self.was_missed(now) {
            return Err(self.settle(now));
        }
        self.tell(now);
        Ok(())
    }

    /// Whether the table is settling, and not attended.
    pub fn is_settling(&self) -> bool {
        self.round != 0
    }

    fn was_missed(&self, now: u64) -> bool {
        now.saturating_sub(self.beaten) > self.bound
    }

    fn tell(&mut self, now: u64) {
        self.beaten = now.clamp(1, SETTLING - 1);
        let settling = if self.is_settling() { SETTLING } else { 0 };
        self.map.words()[header::HEARTBEAT / 8].set_release(self.beaten | settling);
        <AtomicU64 as SharedWord>::full_fence();
    }

    /// Whether the table's path still leads to this table. When somebody moved or removed it, nobody new
    /// finds it: make another one.
    pub fn is_in_place(&self) -> bool {
        let named = std::fs::symlink_metadata(self.lock.table());
        named.is_ok_and(|named| FileId::of(&named) == self.id)
    }

    /// The right to write it: with it another table can be made that takes this one's place, while this one is still
    /// attended.
    pub fn lock(&self) -> Lock {
        self.lock.clone()
    }

    /// The generation published last.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Ends the writing and leaves the table as it is, usable and marked as unattended at once. The
    /// lock, with which another table can be made in its place.
    pub fn resign(self) -> Lock {
        self.map.words()[header::HEARTBEAT / 8].set_release(0);
        self.lock
    }
}

/// Removes the unfinished file, unless it is forgotten.
pub(super) struct Remains<'a>(pub &'a Path);

impl Drop for Remains<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

/// The table that a new one replaces.
struct Old {
    map: WriteMap,
    generation: u64,
}

/// What is at the table's place: nothing (an empty file is nothing either), or a table. Where the header and the
/// generation word are is the same in every version, so a table of any version can be retired.
fn old_table(path: &Path) -> Result<Option<Old>, Fault> {
    let file = match open_file(path, OFlags::RDWR) {
        Ok(file) => file,
        Err(Fault::Missing) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let length = describe(&file)?.len();
    if length == 0 {
        return Ok(None);
    }
    let map = WriteMap::over(&file, header::SIZE).map_err(|_| Fault::Foreign)?;
    // One of a table's size whose first word was damaged is still no loss.
    if map.words()[0].get() != MAGIC && length != FILE_BYTES as u64 {
        return Err(Fault::Foreign);
    }
    let word = map.words()[header::GENERATION / 8].get();
    let generation = Stamp::of(word).map_or(0, |stamp| stamp.generation);
    Ok(Some(Old { map, generation }))
}

/// A new file of that size, all of it on the disk: a store into a hole would need room when there may
/// be none, and then end the writer by SIGBUS; here it is an error with a message.
pub(super) fn new_file(path: &Path, length: usize, mode: u32, owner: Option<(u32, u32)>) -> io::Result<File> {
    // We have the lock, so nobody else is making this one: it is an ended writer's.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(open(path, flags, Mode::from(0o600))?);
    let zeros = [0; 1 << 16];
    let mut missing = length;
    while missing > 0 {
        let some = missing.min(zeros.len());
        file.write_all(&zeros[..some])?;
        missing -= some;
    }
    if let Some((user, group)) = owner {
        fchown(&file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
    }
    fchmod(&file, Mode::from(mode))?;
    Ok(file)
}

/// Gives the finished file its name, durably.
pub(super) fn put_in_place(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    std::fs::rename(temporary, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Where a directory cannot be synced, a power cut may bring the old table back: unattended.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(())
}
