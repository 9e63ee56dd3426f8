//! News for the daemon: one datagram from a client that cannot reach a server, or from who changed the
//! pool file.
//!
//! A datagram costs time when it is lost, never truth: the daemon probes anyway. So nobody waits to send
//! one, and whatever arrives is a hint to look, no more: the socket can be written to by every member of the pool's
//! group. One line of text with a version in front: `mc1 failed 127.0.0.1:11211`, `mc1 reload`, `mc1 sweep` or
//! `mc1 sweep 127.0.0.1:11211`.

use std::fmt;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with};

use super::lock::{Lock, beside};
use super::socket_file::set_rights;
use crate::rules::address::{Address, MAX_UNIX_PATH_LEN};

/// The longest datagram that is one.
pub const LONGEST: usize = 512;

/// What a client tells the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The server at this address could not be reached: probe it now.
    Failed(Address),
    /// The pool file changed: read it now.
    Reload,
    /// Move every copy to where it belongs; with an address, only what belongs on that server.
    Sweep(Option<Address>),
}

impl fmt::Display for Notice {
    /// The datagram's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Failed(address) => writeln!(f, "mc1 failed {address}"),
            Notice::Reload => writeln!(f, "mc1 reload"),
            Notice::Sweep(None) => writeln!(f, "mc1 sweep"),
            Notice::Sweep(Some(address)) => writeln!(f, "mc1 sweep {address}"),
        }
    }
}

/// Where the daemon of a table listens.
pub fn socket_path(table: &Path) -> PathBuf {
    beside(table, ".sock")
}

/// Reads a datagram: `None` for everything that [`Notice`]'s text is not.
pub fn parse(datagram: &[u8]) -> Option<Notice> {
    if datagram.len() > LONGEST {
        return None;
    }
    let line = std::str::from_utf8(datagram).ok()?.strip_suffix('\n')?;
    let notice = match line.strip_prefix("mc1 ")? {
        "reload" => Notice::Reload,
        "sweep" => Notice::Sweep(None),
        other => match other.split_once(' ')? {
            ("failed", address) => Notice::Failed(address.parse().ok()?),
            ("sweep", address) => Notice::Sweep(Some(address.parse().ok()?)),
            _ => return None,
        },
    };
    // Only what we would have written ourselves: one spelling for one server.
    (Text::of(&notice)?.bytes() == datagram).then_some(notice)
}

/// Sends a notice to the daemon of the table, if one listens and has room for it. Whether it was sent. Never
/// waits, and raises no signal.
pub fn send(table: &Path, notice: &Notice) -> bool {
    let Some(text) = Text::of(notice) else { return false };
    // An error for a path that is too long, as for one that nobody listens at.
    let Ok(address) = SocketAddrUnix::new(socket_path(table)) else { return false };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let Ok(socket) = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None) else { return false };
    sendto(&socket, text.bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT, &address).is_ok()
}

/// The daemon's end, ready for an event loop (it does not block). `owner`: user and group, by id. A socket that an
/// ended daemon left is removed, and nothing else is.
///
/// # Errors
/// What is in the way, with its path and what to do.
pub fn bind(lock: &Lock, mode: u32, owner: Option<(u32, u32)>) -> io::Result<UnixDatagram> {
    let path = socket_path(lock.table());
    let failed = |what: &str, error: &dyn fmt::Display| {
        io::Error::other(format!("cannot listen at {}: {what}: {error}", path.display()))
    };
    if path.as_os_str().len() > MAX_UNIX_PATH_LEN {
        let said = format!("a socket's path has at most {MAX_UNIX_PATH_LEN} bytes; use a shorter `table`");
        return Err(failed("its name", &said));
    }
    match std::fs::symlink_metadata(&path) {
        Ok(there) if there.file_type().is_socket() => {
            std::fs::remove_file(&path).map_err(|error| failed("the socket that is there", &error))?;
        }
        Ok(_) => return Err(failed("its place", &"something else is there; move it away")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("its place", &error)),
    }
    let socket = UnixDatagram::bind(&path).map_err(|error| failed("the socket", &error))?;
    let ready = || {
        socket.set_nonblocking(true)?;
        set_rights(&path, owner, mode)
    };
    if let Err(error) = ready() {
        let _ = std::fs::remove_file(&path);
        return Err(failed("its permissions", &error));
    }
    Ok(socket)
}

/// A datagram's text, on the stack.
struct Text {
    room: [u8; LONGEST],
    length: usize,
}

impl Text {
    /// `None` when it is longer than any address makes it.
    fn of(notice: &Notice) -> Option<Text> {
        use fmt::Write;
        let mut text = Text { room: [0; LONGEST], length: 0 };
        write!(text, "{notice}").ok()?;
        Some(text)
    }

    fn bytes(&self) -> &[u8] {
        &self.room[..self.length]
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = self.room.get_mut(self.length..self.length + part.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(part.as_bytes());
        self.length += part.len();
        Ok(())
    }
}
