//! Where a pool file comes from: a path, or the environment. The only input of this module.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::{PoolFile, parse};

/// The variable that names the pool file of a program that was never changed.
pub const VARIABLE: &str = "MEMCACHE_POOL";

/// A larger file is no pool file.
const LARGEST: u64 = 1024 * 1024;

/// Reads a pool file. It must be a regular file: opening a pipe or a device could wait for ever.
///
/// # Errors
/// As [`parse`]; and a message without a line when the file cannot be read, is no regular file, is
/// larger than 1 MiB or is not UTF-8 (that one has its line).
pub fn read(path: &Path) -> Result<PoolFile, ConfigError> {
    let origin = path.to_string_lossy();
    let unreadable = |text: &str| ConfigError::unreadable(&origin, text);
    let file = open(path).map_err(|error| unreadable(&format!("cannot be opened: {error}")))?;
    let about = file.metadata().map_err(|error| unreadable(&format!("cannot be examined: {error}")))?;
    if !about.is_file() {
        return Err(unreadable("is not a regular file; a pool file must be one"));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large, even if it grows meanwhile.
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable("is larger than 1 MiB; a pool file is smaller"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => parse(&origin, &text).map(|file| PoolFile { owner: Some(about.uid()), ..file }),
        Err(error) => {
            let sound = error.utf8_error().valid_up_to();
            let before = &error.as_bytes()[..sound];
            let line = 1 + memchr::memchr_iter(b'\n', before).count();
            Err(ConfigError::at(&origin, line, "a byte that is not UTF-8; a pool file is UTF-8 text"))
        }
    }
}

/// Opens without waiting for anybody at a pipe's other end.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// The pool file that the environment names in [`VARIABLE`]. `None` when the variable is not there
/// or is empty, and in a process that runs with rights its caller does not have (setuid, setgid,
/// file capabilities): its environment is the caller's, who must not choose its servers.
pub fn from_environment() -> Option<Result<PoolFile, ConfigError>> {
    chosen(has_foreign_rights(), std::env::var_os(VARIABLE)).map(|path| read(&path))
}

fn chosen(has_foreign_rights: bool, value: Option<OsString>) -> Option<PathBuf> {
    value.filter(|value| !has_foreign_rights && !value.is_empty()).map(PathBuf::from)
}

/// Whether the kernel started this program with more rights than whoever started it has.
fn has_foreign_rights() -> bool {
    // SAFETY: getauxval takes a number, touches no memory of ours and may be called at any time; it
    // answers 0 for a tag it does not know.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_does_not_choose_for_a_privileged_process() {
        let value = || Some(OsString::from("/etc/pool.toml"));
        assert_eq!(chosen(false, value()), Some(PathBuf::from("/etc/pool.toml")));
        assert_eq!(chosen(true, value()), None);
        assert_eq!(chosen(false, Some(OsString::new())), None);
        assert_eq!(chosen(false, None), None);
    }
}
