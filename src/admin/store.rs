//! The pool file's new text, safely: whole or not at all, and never over somebody else's change.
//!
//! The new text is written to a file beside the old one, made durable and renamed over it, so that
//! whoever reads the pool file finds the old text or the new one. That file is also the lock: it is
//! made for its owner alone, and `flock`ed from before the old text is read until it has its new name.
//! (A lock on the pool file itself could be held by everybody who may read it.) A memcachectl that
//! dies leaves it behind, unlocked, and the next one uses it.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Access, FlockOperation, Gid, Mode, OFlags, Uid, access, fchmod, fchown, flock, open};
use rustix::io::Errno;
use rustix::process::geteuid;

/// How long another memcachectl may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A pool file under our lock.
#[derive(Debug)]
pub struct Locked {
    /// The file itself: where a link leads.
    path: PathBuf,
    /// The file beside it.
    beside: PathBuf,
    file: File,
    /// What the old file was when its text was read.
    old: Stamp,
    renamed: bool,
}

/// Tells whether somebody else changed a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(about: &std::fs::Metadata) -> Stamp {
        Stamp {
            file: (about.dev(), about.ino()),
            size: about.size(),
            changed: (about.mtime(), about.mtime_nsec()),
        }
    }
}

impl Locked {
    /// Takes the lock of the pool file at `path`, and looks at it: whoever changes it from now on without
    /// our lock is noticed.
    ///
    /// # Errors
    /// Why it cannot be changed, for a person.
    pub fn take(path: &Path) -> Result<Locked, String> {
        let wrong = |what: &str| format!("cannot change {}: {what}", path.display());
        let path = std::fs::canonicalize(path).map_err(|error| wrong(&error.to_string()))?;
        let about = std::fs::metadata(&path).map_err(|error| wrong(&error.to_string()))?;
        if about.mode() & 0o222 == 0 {
            let mode = about.mode() & 0o7777;
            return Err(wrong(&format!("it is read-only ({mode:04o}); chmod u+w makes it writable")));
        }
        access(&path, Access::WRITE_OK).map_err(|error| {
            wrong(&format!("it is not yours to write: {error}; run memcachectl as its owner"))
        })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = path.with_file_name(format!(".{name}.memcachectl"));
        let file = lock(&beside).map_err(|error| wrong(&error))?;
        // Only now: the one who had the lock has changed it.
        let about = std::fs::metadata(&path).map_err(|error| wrong(&error.to_string()))?;
        Ok(Locked { path, beside, file, old: Stamp::of(&about), renamed: false })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the new text in place, with the old file's owner and permissions.
    ///
    /// # Errors
    /// Why not, for a person; the old text is still there.
    pub fn write(mut self, text: &str) -> Result<(), String> {
        self.replace(text)
            .map_err(|error| format!("cannot change {}: {error}; it is as it was", self.path.display()))
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        let old = std::fs::metadata(&self.path)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())?;
        let new = self.file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            fchown(&self.file, Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())))
                .map_err(|error| io::Error::other(format!("it cannot be given its owner again: {error}")))?;
        }
        self.file.sync_all()?;
        if Stamp::of(&std::fs::metadata(&self.path)?) != self.old {
            return Err(io::Error::other(
                "somebody else changed it at this moment; look at it and try again",
            ));
        }
        fchmod(&self.file, Mode::from_raw_mode(old.mode() & 0o7777))?;
        std::fs::rename(&self.beside, &self.path)?;
        self.renamed = true;
        // Where a directory cannot be synced, a power cut may bring the old text back.
        let directory = self.path.parent().map(File::open);
        let _ = directory.and_then(Result::ok).map(|directory| directory.sync_all());
        Ok(())
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // While it has the name, it is ours: nobody else removes or renames it without our lock.
        if !self.renamed {
            let _ = std::fs::remove_file(&self.beside);
        }
    }
}

/// Opens and locks the file beside the pool file.
fn lock(path: &Path) -> Result<File, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(open(path, flags, Mode::from_raw_mode(0o600)).map_err(|error| wrong(&error))?);
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_at(&file, path) => {
                if is_ours_alone(&file) {
                    return Ok(file);
                }
                // Left by somebody who died, or put there by somebody who waits for what is written into it.
                std::fs::remove_file(path).map_err(|error| wrong(&error))?;
            }
            // It has become the pool file, or was removed: there is a new one to be made.
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(2)),
            Err(error) => return Err(wrong(&error)),
        }
        if Instant::now() >= deadline {
            return Err(format!("another memcachectl is changing it ({} is locked)", path.display()));
        }
    }
}

/// Whether nobody else can have it open to write, or to lock: it is this user's, as it was made.
fn is_ours_alone(file: &File) -> bool {
    let own = |about: std::fs::Metadata| {
        about.uid() == geteuid().as_raw() && about.nlink() == 1 && about.mode() & 0o077 == 0
    };
    file.metadata().is_ok_and(own)
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |named: &std::fs::Metadata, ours: &std::fs::Metadata| {
        (named.dev(), named.ino()) == (ours.dev(), ours.ino()) && ours.is_file()
    };
    file.metadata().is_ok_and(|ours| std::fs::symlink_metadata(path).is_ok_and(|named| same(&named, &ours)))
}
