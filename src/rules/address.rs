//! Where a server listens, as text: `host:port`, `[v6]:port`, or `unix:/path`.
//!
//! A host is kept as it was written: it is resolved when a connection is made, and a ketama ring's
//! points are named by it. So `LOCALHOST` and `localhost` are two addresses here.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Where a server listens. Equal addresses are the same server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A host name or IP address (v6 without its brackets) and a port.
    Tcp {
        /// The host name or IP address, as it was written.
        host: String,
        /// The port, 1 to 65,535.
        port: u16,
    },
    /// The path of a unix socket.
    Unix(String),
}

/// memcached's registered port, used where none is given.
pub const DEFAULT_PORT: u16 = 11211;

/// The longest path of a unix socket, in bytes: `sun_path` less the NUL behind it.
pub const MAX_UNIX_PATH_LEN: usize = 107;

/// The longest host, in bytes: the longest name that DNS has.
pub const MAX_HOST_LEN: usize = 253;

impl FromStr for Address {
    /// What is wrong, and what is allowed; a whole sentence without a full stop.
    type Err = String;

    /// Reads `host:port`, `host` (port 11211), `[v6]:port`, `[v6]`, a bare v6 address (port 11211),
    /// or `unix:/path`.
    fn from_str(text: &str) -> Result<Address, String> {
        if text.is_empty() {
            return Err("the address is empty; it is host:port, [v6]:port, or unix:/path".into());
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        if let Some(bracketed) = text.strip_prefix('[') {
            return brackets(text, bracketed);
        }
        if is_v6(text) {
            return Ok(Address::Tcp { host: text.into(), port: DEFAULT_PORT });
        }
        match text.rsplit_once(':') {
            None => Ok(Address::Tcp { host: host(text)?, port: DEFAULT_PORT }),
            Some((before, after)) => Ok(Address::Tcp { host: host(before)?, port: port(after)? }),
        }
    }
}

impl fmt::Display for Address {
    /// The form that parses back to an equal address; the port is always named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

fn unix(path: &str) -> Result<Address, String> {
    if !path.starts_with('/') {
        return Err(format!("{path:?} is not the whole path of a unix socket; it begins with a slash"));
    }
    if path.len() > MAX_UNIX_PATH_LEN {
        let len = path.len();
        return Err(format!(
            "the path of a unix socket has at most {MAX_UNIX_PATH_LEN} bytes, and this one has {len}"
        ));
    }
    if path.chars().any(char::is_control) {
        return Err(format!("{path:?} has a control character; the path of a unix socket has none"));
    }
    Ok(Address::Unix(path.into()))
}

/// `v6]:port` or `v6]`, the rest of `text` behind its opening bracket.
fn brackets(text: &str, bracketed: &str) -> Result<Address, String> {
    let Some((inside, behind)) = bracketed.split_once(']') else {
        return Err(format!("{text:?} has no closing bracket; an IPv6 address is written [v6]:port"));
    };
    if !is_v6(inside) {
        return Err(format!("{inside:?} is not an IPv6 address; only those stand in brackets, [v6]:port"));
    }
    let port = match behind.strip_prefix(':') {
        Some(number) => port(number)?,
        None if behind.is_empty() => DEFAULT_PORT,
        None => return Err(format!("{text:?} goes on behind its bracket; it is written [v6]:port")),
    };
    Ok(Address::Tcp { host: inside.into(), port })
}

/// An IPv6 address, possibly of one link: `fe80::1%eth0`.
fn is_v6(text: &str) -> bool {
    let (address, zone) = match text.split_once('%') {
        None => (text, None),
        Some((address, zone)) => (address, Some(zone)),
    };
    let zone_fits = zone.is_none_or(|name| !name.is_empty() && name.bytes().all(is_zone_byte));
    text.len() <= MAX_HOST_LEN && zone_fits && address.parse::<Ipv6Addr>().is_ok()
}

fn is_zone_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn host(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("the host is empty; an address is host:port, [v6]:port, or unix:/path".into());
    }
    if text.contains(':') {
        return Err(format!("{text:?} has several colons; an IPv6 address is written [v6]:port"));
    }
    if text.contains('/') {
        return Err(format!("{text:?} is a path, not a host; a unix socket is written unix:/path"));
    }
    if text.len() > MAX_HOST_LEN {
        return Err(format!("a host has at most {MAX_HOST_LEN} bytes, and this one has {}", text.len()));
    }
    match text.chars().find(|&c| c.is_control() || c.is_whitespace() || matches!(c, '[' | ']')) {
        None => Ok(text.into()),
        Some(c) => Err(format!("{text:?} has {c:?}, which no host name and no IP address has")),
    }
}

fn port(text: &str) -> Result<u16, String> {
    // A sign, which parse() would take, is no part of a port.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err(format!("{text:?} is not a port; a port is a number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.into(), port }
    }

    #[test]
    fn every_form_is_read_and_written_in_full() {
        let long = format!("/{}", "s".repeat(106));
        for (text, address, written) in [
            ("127.0.0.1:11212", tcp("127.0.0.1", 11212), "127.0.0.1:11212"),
            ("cache-1.example", tcp("cache-1.example", 11211), "cache-1.example:11211"),
            ("[::1]:1", tcp("::1", 1), "[::1]:1"),
            ("[2001:db8::7]", tcp("2001:db8::7", 11211), "[2001:db8::7]:11211"),
            ("::1", tcp("::1", 11211), "[::1]:11211"),
            ("::", tcp("::", 11211), "[::]:11211"),
            ("fe80::1%eth0", tcp("fe80::1%eth0", 11211), "[fe80::1%eth0]:11211"),
            ("[fe80::1%eth0]:65535", tcp("fe80::1%eth0", 65535), "[fe80::1%eth0]:65535"),
            ("unix:/run/m c.sock", Address::Unix("/run/m c.sock".into()), "unix:/run/m c.sock"),
            (&format!("unix:{long}"), Address::Unix(long.clone()), &format!("unix:{long}")),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()));
            assert_eq!(address.to_string(), written);
        }
    }

    #[test]
    fn a_wrong_one_is_refused_with_what_is_allowed() {
        let long_path = format!("unix:/{}", "s".repeat(107));
        let long_host = format!("{}:1", "h".repeat(254));
        for (text, says) in [
            ("", "the address is empty"),
            (":11211", "the host is empty"),
            (":", "the host is empty"),
            ("host:", "\"\" is not a port"),
            ("host:0", "from 1 to 65535"),
            ("host:65536", "from 1 to 65535"),
            ("host:+1", "\"+1\" is not a port"),
            ("host:memcache", "\"memcache\" is not a port"),
            ("1:2:3", "written [v6]:port"),
            ("a b:1", "has ' '"),
            ("a\0b:1", "has '\\0'"),
            ("a\n", "has '\\n'"),
            ("/run/m.sock", "written unix:/path"),
            ("[::1", "no closing bracket"),
            ("[localhost]:1", "is not an IPv6 address"),
            ("[::1%]:1", "is not an IPv6 address"),
            ("[::1]1", "goes on behind its bracket"),
            ("[::1]:", "is not a port"),
            ("a]:1", "has ']'"),
            ("unix:", "begins with a slash"),
            ("unix:m.sock", "begins with a slash"),
            ("unix:/a\0b", "control character"),
            (&long_path, "at most 107 bytes, and this one has 108"),
            (&long_host, "at most 253 bytes, and this one has 254"),
        ] {
            let message = text.parse::<Address>().expect_err(text);
            assert!(message.contains(says), "{text:?}: {message}");
            assert!(!message.ends_with('.') && !message.contains(char::is_control), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            name in "[a-z0-9.-]{1,253}", v6: [u16; 8], zone in "(%[a-z0-9]{1,8})?",
            path in "/[ -~]{0,106}", port in 1u16..,
        ) {
            let v6 = format!("{}{zone}", Ipv6Addr::from(v6));
            for address in [tcp(&name, port), tcp(&v6, port), Address::Unix(path)] {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }

        #[test]
        fn whatever_is_accepted_reads_back(text in "(unix:|\\[)?[\\PC:/%\\[\\]0-9]{0,24}(:[0-9]{1,5})?") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Address>();
        }
    }
}
