//! A reader: one load when nothing changed; a checked copy when something did.
//!
//! A reader keeps what it has. When the table becomes unreadable it says so once, stops calling the table
//! attended (its user then judges by itself), and goes on looking: a newer generation, or a table
//! that takes this one's place, is read as soon as it is there.

use std::fmt;
use std::path::{Path, PathBuf};

use super::buffers::{self, Stamp, TRIES};
use super::decode::decode;
use super::fault::{Fault, Refusal};
use super::identity;
use super::layout::{Header, SETTLING, SHAPE, header};
use super::map::{FileId, ReadMap, Trust};
use super::snapshot::Snapshot;
use super::words::LoadWord;

/// Whether somebody sees to it that what the table says is so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attendance {
    /// The writer was at work within the table's bound.
    Attended,
    /// The writer is at work, but has yet to learn what happened while nobody looked after the table: who
    /// has a view keeps it, diverts nothing anew, and waits (docs/one-view.md).
    Settling,
    /// It ended and said so.
    Resigned,
    /// It was last at work so many milliseconds ago: it is dead, stopped or stuck.
    Silent(u64),
    /// The table was written before this machine's last boot.
    EarlierBoot,
    /// It was last at work in the future: its clock is not ours (another time namespace).
    OtherClock,
    /// The newest snapshot could not be read.
    Unreadable,
}

impl fmt::Display for Attendance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attendance::Attended => f.write_str("attended"),
            Attendance::Settling => {
                f.write_str("not attended yet: its writer is finding out what happened before")
            }
            Attendance::Resigned => f.write_str("unattended: its writer ended"),
            Attendance::Silent(millis) => write!(f, "unattended: its writer is silent for {millis} ms"),
            Attendance::EarlierBoot => f.write_str("unattended: it is from before the machine's last boot"),
            Attendance::OtherClock => f.write_str("unattended: its writer's clock is not this process's"),
            Attendance::Unreadable => f.write_str("unattended: what it says cannot be read"),
        }
    }
}

/// A table that is read.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    trust: Trust,
    table: Table,
    /// The generation word that was dealt with last. No word stands for "none": a damaged table can
    /// hold any.
    seen: Option<u64>,
    /// What was read last was refused.
    refused: bool,
    copy: Vec<u8>,
}

/// One file.
#[derive(Debug)]
struct Table {
    map: ReadMap,
    header: Header,
    same_boot: bool,
}

impl Table {
    fn open(path: &Path, trust: &Trust) -> Result<Table, Fault> {
        let map = ReadMap::open(path, trust)?;
        let header = Header::read(map.words())?;
        Ok(Table { same_boot: identity::is_this_boot(header.boot, path), map, header })
    }
}

impl Reader {
    /// Opens the table at `path`, if it is one and belongs to somebody `trust` names. Its snapshot is
    /// not looked at yet.
    ///
    /// # Errors
    /// Why it is not used, in words for a person.
    pub fn open(path: &Path, trust: Trust) -> Result<Reader, Refusal> {
        let table = Table::open(path, &trust).map_err(|fault| Refusal { path: path.to_owned(), fault })?;
        Ok(Reader { path: path.to_owned(), trust, table, seen: None, refused: false, copy: Vec::new() })
    }

    /// The generation word: while it stays the same, nothing changed. One load and an acquire fence (no instruction
    /// on x86); good for nothing but to be compared.
    #[inline]
    pub fn generation(&self) -> u64 {
        let word = self.table.map.words()[header::GENERATION / 8].get();
        <super::words::ReadOnly as LoadWord>::acquire_fence();
        word
    }

    /// Makes `into` the newest snapshot. Whether it changed: `false`, after one load, when it is the one
    /// that this reader gave last. A retired table is left for the one that took its place.
    ///
    /// # Errors
    /// Why the newest one is not used; `into` is as it was. Told once for each generation, so that asking
    /// again costs one load; [`Fault::Busy`] alone is tried anew at the next call.
    #[inline]
    pub fn snapshot(&mut self, into: &mut Snapshot) -> Result<bool, Refusal> {
        let word = self.generation();
        if self.seen == Some(word) { Ok(false) } else { self.renew(word, into) }
    }

    #[cold]
    fn renew(&mut self, word: u64, into: &mut Snapshot) -> Result<bool, Refusal> {
        match self.read(word) {
            Ok(snapshot) => {
                self.refused = false;
                *into = snapshot;
                Ok(true)
            }
            Err(fault) => {
                self.refused = true;
                Err(self.refusal(fault))
            }
        }
    }

    /// Reads the table in force, and sets `seen` to what it has done with.
    fn read(&mut self, word: u64) -> Result<Snapshot, Fault> {
        let mut word = word;
        if Stamp::of(word).is_ok_and(|stamp| stamp.retired) {
            self.seen = Some(word);
            let next = Table::open(&self.path, &self.trust)?;
            if next.map.id() == self.table.map.id() {
                return Err(Fault::Retired);
            }
            self.table = next;
            word = self.generation();
        }
        let read = buffers::read(self.table.map.words(), &SHAPE, &mut self.copy, TRIES);
        if read == Err(Fault::Busy) {
            // Nothing was settled: not even that this word needs no other look.
            self.seen = None;
            return Err(Fault::Busy);
        }
        // Should it be retired by now, the next look finds a word that is not this one.
        self.seen = Some(read.as_ref().map_or(word, |stamp| Stamp { retired: false, ..*stamp }.word()));
        decode(read?.generation, &self.copy)
    }

    /// Looks whether the path leads to another table by now, and changes over to it: to be asked now and
    /// then while the table is unattended or unreadable (a writer that ended right after it made a new
    /// table could not retire the old one). One system call when it does not. Whether there is something to read anew.
    ///
    /// # Errors
    /// Why the one that is there now is not used; this reader stays with the one it has.
    pub fn revisit(&mut self) -> Result<bool, Refusal> {
        let named = std::fs::symlink_metadata(&self.path);
        if named.is_ok_and(|named| FileId::of(&named) == self.table.map.id()) {
            if self.refused {
                self.seen = None;
            }
            return Ok(self.refused);
        }
        self.table = Table::open(&self.path, &self.trust).map_err(|fault| self.refusal(fault))?;
        self.seen = None;
        Ok(true)
    }

    /// Whether the table is attended at `now`, milliseconds of [`identity::boot_millis`]. One load.
    #[inline]
    pub fn attended(&self, now: u64) -> bool {
        self.attendance(now) == Attendance::Attended
    }

    /// Whether the table is attended at `now`, and if not, why. The bound is the writer's, at most a
    /// minute: a writer that ends without a word, or is stuck, is noticed that much later at the latest.
    #[inline]
    pub fn attendance(&self, now: u64) -> Attendance {
        let word = self.table.map.words()[header::HEARTBEAT / 8].get();
        let beat = word & !SETTLING;
        let bound = self.table.header.bound;
        if self.refused {
            Attendance::Unreadable
        } else if beat == 0 {
            Attendance::Resigned
        } else if !self.table.same_boot {
            Attendance::EarlierBoot
        } else if beat > now.saturating_add(bound) {
            // `now` was read a moment ago, and a beat may well have come since.
            Attendance::OtherClock
        } else if now.saturating_sub(beat) > bound {
            Attendance::Silent(now - beat)
        } else if word != beat {
            Attendance::Settling
        } else {
            Attendance::Attended
        }
    }

    /// Whether the writer has certainly ended: what a call asks before it waits for the writer's word. A few
    /// system calls. `false` where it cannot be known: in a container with process ids of its own.
    pub fn writer_is_gone(&self) -> bool {
        let Header { namespace, writer, .. } = self.table.header;
        let comparable = self.table.same_boot && namespace != 0 && namespace == identity::namespace();
        !self.table.same_boot || (comparable && writer.is_gone())
    }

    /// What the file says of itself.
    pub fn header(&self) -> Header {
        self.table.header
    }

    /// Where the table is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn refusal(&self, fault: Fault) -> Refusal {
        Refusal { path: self.path.clone(), fault }
    }
}
