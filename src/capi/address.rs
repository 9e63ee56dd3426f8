//! Host and port as C programs give them: as two texts, or as one with a colon.

use std::ffi::{CStr, c_int};
use std::ptr;

use crate::rules::address::Address;

/// What a NULL or empty host stands for.
pub(super) const DEFAULT_HOST: &[u8] = b"localhost";

/// What a NULL or empty port stands for.
pub(super) const DEFAULT_PORT_TEXT: &[u8] = b"11211";

/// The path, when a host names a unix socket: `/path` or `unix:/path`.
fn unix_path(host: &[u8]) -> Option<&[u8]> {
    host.strip_prefix(b"unix:").or_else(|| host.starts_with(b"/").then_some(host))
}

/// `host:port`, `host`, `[v6]:port`, `[v6]`, a bare v6 address, `/path` or `unix:/path` as host and
/// port; an empty port where none is given.
pub(super) fn split(text: &[u8]) -> (&[u8], &[u8]) {
    if unix_path(text).is_some() {
        return (text, b"");
    }
    if let Some(inner) = text.strip_prefix(b"[")
        && let Some(end) = inner.iter().position(|byte| *byte == b']')
    {
        let rest = &inner[end + 1..];
        return (&inner[..end], rest.strip_prefix(b":").unwrap_or(rest));
    }
    let mut colons = text.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    match (colons.next(), colons.next()) {
        (Some(at), None) => (&text[..at], &text[at + 1..]),
        _ => (text, b""),
    }
}

/// What a server's name resolved to.
pub(super) struct Resolved {
    /// From getaddrinfo; NULL for a unix socket. To be freed with freeaddrinfo.
    pub(super) hostinfo: *mut libc::addrinfo,
    pub(super) count: u32,
}

/// Looks a host up. What is wrong, when it has no address.
pub(super) fn resolve(host: &CStr, port: &CStr) -> Result<Resolved, String> {
    let name = host.to_str().map_err(|_| format!("{host:?} is no host name"))?;
    if let Some(path) = unix_path(host.to_bytes()) {
        format!("unix:{}", String::from_utf8_lossy(path)).parse::<Address>()?;
        return Ok(Resolved { hostinfo: ptr::null_mut(), count: 0 });
    }
    // SAFETY: every field may be zero.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = libc::AF_UNSPEC;
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut hostinfo = ptr::null_mut();
    // SAFETY: two texts with a NUL, and two structs of this frame.
    let error = unsafe { libc::getaddrinfo(host.as_ptr(), port.as_ptr(), &hints, &mut hostinfo) };
    if error != 0 {
        return Err(format!("{name}:{}: {}", port.to_string_lossy(), explain(error)));
    }
    Ok(Resolved { hostinfo, count: look_through(hostinfo).0 })
}

fn explain(error: c_int) -> String {
    // SAFETY: gives a static text for every number.
    unsafe { CStr::from_ptr(libc::gai_strerror(error)) }.to_string_lossy().into_owned()
}

/// The port that a name resolved to with its service.
pub(super) fn port_of(hostinfo: *const libc::addrinfo) -> Option<u16> {
    look_through(hostinfo).1
}

/// How many addresses there are, and the port that they have (it may have been a service's name).
fn look_through(hostinfo: *const libc::addrinfo) -> (u32, Option<u16>) {
    let (mut count, mut port) = (0, None);
    let mut next = hostinfo;
    // SAFETY: a list from getaddrinfo.
    while let Some(info) = unsafe { next.as_ref() } {
        count += 1;
        // SAFETY: an address of the family that the entry names.
        let found = unsafe {
            match info.ai_family {
                libc::AF_INET => Some((*info.ai_addr.cast::<libc::sockaddr_in>()).sin_port),
                libc::AF_INET6 => Some((*info.ai_addr.cast::<libc::sockaddr_in6>()).sin6_port),
                _ => None,
            }
        };
        port = port.or(found.map(u16::from_be));
        next = info.ai_next;
    }
    (count, port)
}

/// An address as the two texts of a struct memcache_server.
pub(super) fn texts(address: &Address) -> (Vec<u8>, Vec<u8>) {
    match address {
        Address::Tcp { host, port } => (host.clone().into_bytes(), port.to_string().into_bytes()),
        Address::Unix(path) => (format!("unix:{path}").into_bytes(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_port_is_split_off_where_there_is_one() {
        let texts: [(&str, &str, &str); 8] = [
            ("host:1", "host", "1"),
            ("host", "host", ""),
            ("host:", "host", ""),
            (":1", "", "1"),
            ("[::1]:2", "::1", "2"),
            ("[::1]", "::1", ""),
            ("::1", "::1", ""),
            ("unix:/run/m:1", "unix:/run/m:1", ""),
        ];
        for (text, host, port) in texts {
            assert_eq!(split(text.as_bytes()), (host.as_bytes(), port.as_bytes()), "{text}");
        }
    }
}
