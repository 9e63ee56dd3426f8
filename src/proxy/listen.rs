//! Where clients come in: addresses of the pool file, or sockets that systemd hands over and that outlive the process.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketFlags, SocketType, accept_with, bind, connect, getsockname, listen,
    socket_with, sockopt,
};

use crate::client::resolve;
use crate::rules::address::Address;
use crate::table::socket_file::set_rights;

/// How many clients may wait at a door.
pub(super) const BACKLOG: i32 = 1024;

/// Opens a door at an address. `mode`: of a unix socket.
pub(super) fn open(address: &Address, mode: u32) -> Result<OwnedFd, String> {
    let sites = resolve(address)?;
    let fault = |what: &str, error: Errno| format!("{address}: cannot {what}: {error}");
    let site = &sites[0];
    if let Address::Unix(path) = address {
        clear_way(Path::new(path.as_str()), site)?;
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(site.address_family(), SocketType::STREAM, flags, None)
        .map_err(|error| fault("make a socket", error))?;
    if site.address_family() != AddressFamily::UNIX {
        sockopt::set_socket_reuseaddr(&socket, true).map_err(|error| fault("reuse the address", error))?;
    }
    bind(&socket, site).map_err(|error| fault("listen", error))?;
    if let Address::Unix(path) = address {
        set_rights(Path::new(path.as_str()), None, mode)
            .map_err(|error| format!("{address}: cannot set the mode of the socket: {error}"))?;
    }
    listen(&socket, BACKLOG).map_err(|error| fault("listen", error))?;
    Ok(socket)
}

/// Whether only this machine's programs come to a door.
pub(super) fn is_of_this_machine(door: &OwnedFd) -> bool {
    getsockname(door).is_ok_and(is_local)
}

fn is_local(site: SocketAddrAny) -> bool {
    let is_unix = site.address_family() == AddressFamily::UNIX;
    is_unix || SocketAddr::try_from(site).is_ok_and(|site| site.ip().to_canonical().is_loopback())
}

/// The doors that systemd hands over; none when it does not.
pub(super) fn handed_over() -> Result<Vec<OwnedFd>, String> {
    let mut given = listenfd::ListenFd::from_env();
    let mut doors: Vec<OwnedFd> = Vec::new();
    for index in 0..given.len() {
        let tcp = given.take_tcp_listener(index).ok().flatten().map(OwnedFd::from);
        let unix = || given.take_unix_listener(index).ok().flatten().map(OwnedFd::from);
        let door = tcp
            .or_else(unix)
            .ok_or_else(|| format!("socket {index} of systemd is no listening stream socket"))?;
        rustix::io::ioctl_fionbio(&door, true)
            .map_err(|error| format!("socket {index} of systemd: {error}"))?;
        doors.push(door);
    }
    Ok(doors)
}

/// A unix socket that a process which is gone has left behind is in the way; one that somebody listens at is his.
fn clear_way(path: &Path, site: &SocketAddrAny) -> Result<(), String> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(format!("{}: is there and is no socket", path.display()));
    }
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    match connect(&probe, site) {
        Err(Errno::CONNREFUSED) => {
            fs::remove_file(path).map_err(|error| format!("{}: cannot be removed: {error}", path.display()))
        }
        _ => Err(format!("{}: another process listens there", path.display())),
    }
}

/// Lets one client in.
pub(super) fn accept(door: &OwnedFd) -> Result<OwnedFd, Errno> {
    let client = accept_with(door, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    // A unix socket has no such option, and needs none.
    let _ = sockopt::set_tcp_nodelay(&client, true);
    let _ = sockopt::set_socket_keepalive(&client, true);
    let _ = sockopt::set_tcp_keepidle(&client, Duration::from_secs(60));
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_for_others_is_told_from_one_for_this_machine() {
        for (text, local) in [
            ("127.0.0.1:1", true),
            ("127.3.2.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("unix:/run/p.sock", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
        ] {
            let address: Address = text.parse().expect("an address");
            let sites = resolve(&address).expect("a number needs no lookup");
            assert_eq!(is_local(sites[0].clone()), local, "{text}");
        }
    }
}
