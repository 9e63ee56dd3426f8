//! The daemon's side: the stripes file is there, and of this boot.
//!
//! A good one is taken as it is, so that a restart of the daemon changes nothing for those who hold stripes,
//! and no epoch is lost. Anything else is replaced by a new file under the same name; the table then names
//! the new one's id, and clients follow.
//!
//! **What servers owe outlives the machine's boot.** Servers of other machines go on while this one starts, so the new file
//! begins with the epochs of one that is good but for its boot or its clock. Nothing else of it means anything: its turns
//! and journals are those of processes that are gone, or that have another clock.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};

use super::super::fault::{Fault, WriteError};
use super::super::identity::{self, Process};
use super::super::lock::{Lock, beside};
use super::super::map::{SharedMap, Trust, open_file};
use super::super::writer::{Remains, new_file, put_in_place};
use super::layout::{FILE_BYTES, Header, header};
use super::{Stripes, This};

/// How a stripes file is made.
#[derive(Clone, Debug)]
pub struct StripesSettings {
    /// The file's permission bits; never writable for everybody.
    pub mode: u32,
    /// The file's user and group, by id; `None`: those of the process. To give a file away takes root.
    pub owner: Option<(u32, u32)>,
}

impl Default for StripesSettings {
    /// 0660 and the process's own.
    fn default() -> Self {
        StripesSettings { mode: 0o660, owner: None }
    }
}

impl Stripes {
    /// Takes the stripes file of the lock's table into use, or makes a new one when there is none that is good.
    ///
    /// # Errors
    /// What failed, on which file, and what to do.
    pub fn create(lock: &Lock, settings: &StripesSettings) -> Result<Stripes, WriteError> {
        let path = Stripes::path_for(lock.table());
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            WriteError(format!("cannot make the stripes file {}: {what}: {error}", path.display()))
        };
        let mode = settings.mode;
        if mode & !0o660 != 0 || mode & 0o600 != 0o600 {
            return Err(failed("its mode", &format!("{mode:04o}; it is 0600 or 0660")));
        }
        let trust = settings.owner.map_or_else(Trust::default, |(user, _)| Trust::default().also(user));
        let mut before = None;
        match Stripes::of_any_boot(&path, &trust) {
            Ok(stripes) if stripes.check_boot().is_ok() && adopt(&path, &stripes, settings).is_ok() => {
                stripes.end_journals();
                return Ok(stripes);
            }
            Ok(stripes) => before = Some(stripes),
            // What is no stripes file at all is somebody's who put it there.
            Err(fault @ (Fault::NotRegular | Fault::Link)) => return Err(failed("its place", &fault)),
            Err(Fault::StripesForeign | Fault::StripesSize(_)) if !replaceable(&path) => {
                return Err(failed("its place", &Fault::StripesForeign));
            }
            _ => {}
        }
        make(&path, settings, before.as_ref()).map_err(|error| failed("the new one", &error))
    }
}

/// Gives a file that is there the owner and the permissions of the settings.
fn adopt(path: &Path, stripes: &Stripes, settings: &StripesSettings) -> io::Result<()> {
    let file = open_file(path, rustix::fs::OFlags::RDWR).map_err(io::Error::other)?;
    let metadata = file.metadata()?;
    if super::FileId::of(&metadata) != stripes.map.id() {
        return Err(io::Error::other("it was replaced"));
    }
    if let Some((user, group)) = settings.owner
        && (metadata.uid(), metadata.gid()) != (user, group)
    {
        fchown(&file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
    }
    if metadata.mode() & 0o7777 != settings.mode {
        fchmod(&file, Mode::from(settings.mode))?;
    }
    Ok(())
}

/// Whether a file that is no stripes file is no loss: it is empty, or it has a stripes file's size (and its first
/// word was damaged), or begins as one does.
fn replaceable(path: &Path) -> bool {
    let begins = |file: &File| {
        let mut magic = [0; 8];
        std::os::unix::fs::FileExt::read_exact_at(file, &mut magic, header::MAGIC as u64)
            .is_ok_and(|()| u64::from_ne_bytes(magic) == super::layout::MAGIC)
    };
    let Ok(file) = open_file(path, rustix::fs::OFlags::RDONLY) else { return false };
    let length = file.metadata().map_or(1, |metadata| metadata.len());
    length == 0 || length == FILE_BYTES as u64 || begins(&file)
}

/// A new file in place of whatever is there, with the epochs of the one before.
fn make(path: &Path, settings: &StripesSettings, before: Option<&Stripes>) -> io::Result<Stripes> {
    let temporary = beside(path, ".new");
    let remains = Remains(&temporary);
    let file = new_file(&temporary, FILE_BYTES, settings.mode, settings.owner)?;
    let map = SharedMap::over(&file, FILE_BYTES).map_err(io::Error::other)?;
    let header = Header {
        created: identity::unix_millis(),
        boot: identity::boot(),
        clock: identity::time_namespace(),
        id: new_id(),
    };
    header.write(map.words()).map_err(io::Error::other)?;
    let (this, path, made) = (This::default(), path.to_owned(), true);
    let stripes = Stripes { map, header, this, path, made, before: before.map(Stripes::id) };
    for (word, old) in stripes.epochs().iter().zip(before.into_iter().flat_map(Stripes::epochs)) {
        // One that is damaged is so here too, and taken for the worst.
        word.store(old.load(Ordering::SeqCst), Ordering::SeqCst);
    }
    put_in_place(&file, &temporary, &stripes.path)?;
    std::mem::forget(remains);
    Ok(stripes)
}

/// A number that no other file has. The standard library's hashers are keyed by the system's random numbers.
fn new_id() -> u64 {
    let process = Process::this();
    RandomState::new().hash_one((process.pid, process.start, identity::boot_millis())).max(1)
}
