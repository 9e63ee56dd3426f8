//! A directory of one's own that disappears with its owner.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::keep;

/// A fresh directory below the system's one for temporary files (its path is short enough for
/// unix sockets).
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it.
    pub fn new() -> Scratch {
        Scratch::within(&std::env::temp_dir())
    }

    /// Makes it in a folder that a test chooses.
    pub fn within(folder: &Path) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("memcache-{}-{count}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => {
                    keep::directory(&path);
                    return Scratch { path };
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot make the directory {}: {error}", path.display()),
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it; the file's path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::write(&path, text)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        keep::remove(&self.path);
    }
}
