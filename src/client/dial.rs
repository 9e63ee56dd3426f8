//! Dialing: a connection in the making, over the several addresses of one server, without waiting.
//!
//! Asking the kernel to connect once more is how its progress is learned: it says "already",
//! "connected", or why not. That serves TCP and unix sockets alike, and needs no readiness first.

use std::sync::Arc;
use std::time::Duration;

use rustix::fd::{AsRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, fcntl_dupfd_cloexec, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrAny, SocketFlags, SocketType};
use rustix::net::{connect, socket_with, sockopt};

use super::connection::Loss;
use crate::rules::time::Instant;

/// How long to wait for room in a unix socket's backlog before asking again; poll cannot tell.
const BACKLOG_PAUSE: Duration = Duration::from_millis(1);

/// The last of the descriptors for standard input, output and error. In a program that has closed them a socket would become
/// one of them, and what the program prints be read by a server.
const STANDARD: RawFd = 2;

/// A connection in the making.
pub(super) struct Dial {
    sites: Arc<[SocketAddrAny]>,
    /// How long the kernel may try to deliver what is sent.
    call: Duration,
    /// The address being tried, and how many were.
    tried: usize,
    socket: Option<OwnedFd>,
    /// The whole must be done by then.
    until: Instant,
    /// This address has until then.
    site_until: Instant,
    /// The listener's backlog is full: ask again then.
    again: Option<Instant>,
    /// How it ends when no address is left: by what they said of the server; [`Loss::Local`]: none of them said anything.
    failure: Loss,
}

impl Dial {
    /// Begins; the first [`Dial::step`] does the work.
    pub(super) fn new(sites: Arc<[SocketAddrAny]>, now: Instant, limit: Duration, call: Duration) -> Dial {
        let until = now + limit;
        let (socket, failure) = (None, Loss::Local);
        Dial { sites, call, tried: 0, socket, until, site_until: until, again: None, failure }
    }

    /// The socket to watch for becoming writable; `None` when there is none worth watching.
    pub(super) fn socket(&self) -> Option<&OwnedFd> {
        self.socket.as_ref().filter(|_| self.again.is_none())
    }

    /// When [`Dial::step`] has something to do even if nothing happens.
    pub(super) fn due(&self) -> Instant {
        self.again.map_or(self.site_until, |again| again.min(self.site_until))
    }

    /// Goes on as far as is possible without waiting: the connected socket, in blocking mode, or
    /// `None` while it is under way.
    pub(super) fn step(&mut self, now: Instant) -> Result<Option<OwnedFd>, Loss> {
        loop {
            let (socket, site) = match (self.socket.take(), self.tried.checked_sub(1)) {
                (Some(socket), Some(site)) => (socket, site),
                _ => (self.open(now)?, self.tried - 1),
            };
            self.again = None;
            match connect(&socket, &self.sites[site]) {
                Ok(()) | Err(Errno::ISCONN) => {
                    ioctl_fionbio(&socket, false).map_err(|_| Loss::Local)?;
                    return Ok(Some(socket));
                }
                Err(Errno::INTR) => self.socket = Some(socket),
                Err(Errno::INPROGRESS | Errno::ALREADY) if now < self.site_until => {
                    self.socket = Some(socket);
                    return Ok(None);
                }
                Err(Errno::AGAIN) if self.sites[site].address_family() == AddressFamily::UNIX => {
                    if now < self.site_until {
                        self.socket = Some(socket);
                        self.again = Some(now + BACKLOG_PAUSE);
                        return Ok(None);
                    }
                    self.failure = Loss::Silent;
                }
                Err(Errno::INPROGRESS | Errno::ALREADY) => self.failure = Loss::Silent,
                Err(Errno::ADDRNOTAVAIL) if !has_a_way_to(&self.sites[site]) => {}
                // No port or memory left on this machine: that says nothing about the server, which may well be there.
                Err(Errno::AGAIN | Errno::ADDRNOTAVAIL | Errno::NOBUFS | Errno::NOMEM) => {
                    return Err(Loss::Local);
                }
                Err(_) if self.failure == Loss::Local => self.failure = Loss::Refused,
                Err(_) => {}
            }
        }
    }

    /// A socket for the next address, which gets its share of the time that is left.
    fn open(&mut self, now: Instant) -> Result<OwnedFd, Loss> {
        while let Some(site) = self.sites.get(self.tried) {
            let left = u32::try_from(self.sites.len() - self.tried).unwrap_or(u32::MAX);
            self.tried += 1;
            self.site_until = now + self.until.since(now) / left;
            match socket(site.address_family(), self.call) {
                Ok(socket) => return Ok(socket),
                // This machine speaks no IPv6, say; the next address may be of another kind.
                Err(Errno::AFNOSUPPORT) => {}
                Err(_) => return Err(Loss::Local),
            }
        }
        Err(self.failure)
    }
}

/// Whether this machine has an address of its own from which that one could be reached: without IPv6 it has none for those of
/// that kind. Nobody can serve it there, and what the server's other addresses say counts. The kernel tells it by the same error as
/// a want of ports, of which sockets that make no connections have others.
pub(crate) fn has_a_way_to(site: &SocketAddrAny) -> bool {
    let socket = socket_with(site.address_family(), SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    socket.and_then(|socket| connect(&socket, site)) != Err(Errno::ADDRNOTAVAIL)
}

/// How long what is sent over this socket may be on its way: no longer than the call may take.
pub(super) fn set_call(socket: &OwnedFd, call: Duration) -> Result<(), Errno> {
    // Zero is the system's own, which is a quarter of an hour.
    let millis = u32::try_from(call.as_millis()).unwrap_or(u32::MAX).max(1);
    sockopt::set_tcp_user_timeout(socket, millis)
}

fn socket(family: AddressFamily, call: Duration) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let mut socket = socket_with(family, SocketType::STREAM, flags, None)?;
    if socket.as_raw_fd() <= STANDARD {
        socket = fcntl_dupfd_cloexec(&socket, STANDARD + 1)?;
    }
    if family != AddressFamily::UNIX {
        // Without it the kernel holds back the end of a command until the last answer is acknowledged.
        sockopt::set_tcp_nodelay(&socket, true)?;
        // Also when this process is killed: what lies unsent in the kernel then must not outlive the call, or it
        // could be executed after what others send under the same key's turn.
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        set_call(&socket, call)?;
    }
    Ok(socket)
}

#[cfg(test)]
pub(crate) mod tests;
