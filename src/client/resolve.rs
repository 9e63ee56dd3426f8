//! Addresses as sockets know them. When a name is looked up, `registry/whereabouts.rs` says.

use std::net::ToSocketAddrs;

use rustix::net::{SocketAddrAny, SocketAddrUnix};

use crate::rules::address::Address;

/// The most addresses of one name that are tried.
const MOST: usize = 8;

/// Every address that `address` stands for, in the resolver's order, at most 8 and at least one;
/// or a message for a person. Blocks as long as the resolver does.
pub fn resolve(address: &Address) -> Result<Vec<SocketAddrAny>, String> {
    match address {
        Address::Unix(path) => match SocketAddrUnix::new(path.as_str()) {
            Ok(unix) => Ok(vec![unix.into()]),
            Err(error) => Err(format!("{address}: not usable as the path of a unix socket: {error}")),
        },
        Address::Tcp { host, port } => {
            let found = (host.as_str(), *port)
                .to_socket_addrs()
                .map_err(|error| format!("{address}: cannot look up the host \"{host}\": {error}"))?;
            let mut sites: Vec<SocketAddrAny> = Vec::new();
            for site in found.map(SocketAddrAny::from) {
                if sites.len() < MOST && !sites.contains(&site) {
                    sites.push(site);
                }
            }
            if sites.is_empty() {
                return Err(format!("{address}: the host \"{host}\" has no address"));
            }
            Ok(sites)
        }
    }
}

/// Whether an address has a host's name in it, which can stand for other numbers another time.
pub(crate) fn is_name(address: &Address) -> bool {
    match address {
        Address::Unix(_) => false,
        Address::Tcp { host, .. } => host.parse::<std::net::IpAddr>().is_err(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_paths() {
        let tcp = |host: &str| Address::Tcp { host: host.into(), port: 11211 };
        assert_eq!(resolve(&tcp("127.0.0.1")).map(|sites| sites.len()), Ok(1));
        assert_eq!(resolve(&tcp("::1")).map(|sites| sites.len()), Ok(1));
        assert!(resolve(&tcp("localhost")).is_ok_and(|sites| (1..=MOST).contains(&sites.len())));
        assert_eq!(resolve(&Address::Unix("/tmp/none".into())).map(|sites| sites.len()), Ok(1));
    }

    #[test]
    fn what_cannot_be_resolved_says_so() {
        let long = resolve(&Address::Unix("x".repeat(200))).unwrap_err();
        assert!(long.contains("unix socket"), "{long}");
        let empty = resolve(&Address::Tcp { host: "no host".into(), port: 1 }).unwrap_err();
        assert!(empty.contains("\"no host\""), "{empty}");
    }
}
