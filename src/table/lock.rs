//! Who may write: the lock file beside the table.
//!
//! The lock itself is the kernel's (`flock`), so it ends with the process that holds it, however that
//! ends. The text in the file is for people. The file stays when the lock is given back: to remove
//! it would let one process lock the removed file and another one a new file of the same name.
//! It is its owner's alone (0600): whoever can open it, if only to read, could lock it and keep the
//! daemon from starting.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;

use super::fault::WriteError;
use super::identity::Process;
use super::map::FileId;

/// The right to write a table; given back when it, and all that were cloned from it, are dropped.
#[derive(Clone, Debug)]
pub struct Lock {
    table: PathBuf,
    _file: Arc<File>,
}

impl Lock {
    /// Takes the lock of the table at `table`: of the file with `.lock` behind its name.
    ///
    /// # Errors
    /// Who has it; or why the lock file cannot be made.
    pub fn take(table: &Path) -> Result<Lock, WriteError> {
        let path = beside(table, ".lock");
        let wrong = |error: &dyn std::fmt::Display| {
            WriteError(format!("cannot lock the table: {}: {error}", path.display()))
        };
        // Somebody may remove the file between its opening and its locking; not for ever.
        for _ in 0..8 {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let mut file = File::from(open(&path, flags, Mode::from(0o600)).map_err(|error| wrong(&error))?);
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(taken(table, &mut file)),
                Err(error) => return Err(wrong(&error)),
            }
            let ours = file.metadata().map_err(|error| wrong(&error))?;
            let named = std::fs::symlink_metadata(&path);
            if named.is_ok_and(|named| FileId::of(&named) == FileId::of(&ours)) {
                sign(&mut file).map_err(|error| wrong(&error))?;
                return Ok(Lock { table: table.to_owned(), _file: Arc::new(file) });
            }
        }
        Err(wrong(&"somebody keeps removing it"))
    }

    /// The table that it is the lock of.
    pub fn table(&self) -> &Path {
        &self.table
    }
}

/// A file's path with something behind its name.
pub(super) fn beside(table: &Path, ending: &str) -> PathBuf {
    let mut name = table.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes who has it. The new text is never shorter than the old one looks, so nobody reads half a number.
fn sign(file: &mut File) -> std::io::Result<()> {
    let text = format!("{:<20}\n", Process::this().pid);
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn taken(table: &Path, file: &mut File) -> WriteError {
    let mut text = String::new();
    let _ = file.take(64).read_to_string(&mut text);
    let who = match text.trim().parse::<u32>() {
        Ok(pid) => format!("process {pid}"),
        Err(_) => "another process, which has not said which".to_owned(),
    };
    WriteError(format!(
        "the table {} already has a writer, {who}; end that one first (only one may watch a pool on a machine)",
        table.display()
    ))
}
