//! Owner and mode of a socket that was just bound: of that file, and not of whatever has its name a moment later.
//!
//! `chmod` and `chown` by a path follow a link that somebody put there since, and the daemon that calls them may be
//! root. So the file is opened as what it is (a socket cannot be opened for more), looked at, and changed by that descriptor.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use rustix::fd::AsRawFd;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid, chownat, open};

/// Gives the socket at `path` an owner (user and group, by id) and a mode.
///
/// # Errors
/// When something else is there by now, and what the system says.
pub fn set_rights(path: &Path, owner: Option<(u32, u32)>, mode: u32) -> io::Result<()> {
    let file = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    // A descriptor of a path takes no fchmod; its name below /proc leads to that very file.
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    if !std::fs::metadata(&name)?.file_type().is_socket() {
        return Err(io::Error::other("somebody put something else there"));
    }
    if let Some((user, group)) = owner {
        chownat(&file, "", Some(Uid::from_raw(user)), Some(Gid::from_raw(group)), AtFlags::EMPTY_PATH)?;
    }
    std::fs::set_permissions(&name, std::fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_place_of_the_socket_gives_nobody_rights_to_what_it_leads_to() {
        let folder = std::env::temp_dir().join(format!("memcache-socket-file-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a directory");
        let (socket, other, link) = (folder.join("socket"), folder.join("other"), folder.join("link"));
        let _bound = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket");
        std::fs::write(&other, "").expect("a file");
        std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        std::os::unix::fs::symlink(&other, &link).expect("a link");
        let mode = |path: &Path| std::fs::metadata(path).map(|about| about.permissions().mode() & 0o777).ok();
        let went = [
            set_rights(&socket, None, 0o620),
            set_rights(&link, None, 0o666),
            set_rights(&other, None, 0o666),
        ];
        let modes = (mode(&socket), mode(&other));
        std::fs::remove_dir_all(&folder).expect("it goes");
        assert!(went[0].is_ok() && went[1].is_err() && went[2].is_err(), "{went:?}");
        assert_eq!(modes, (Some(0o620), Some(0o600)));
    }
}
