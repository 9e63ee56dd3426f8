//! Marks: 16 bits that tell a server's life from its other ones and from those of others (rule 10).
//!
//! Where the processes of a machine agree on servers by epochs (docs/one-view.md), the mark is a function of
//! server and epoch. So the daemon and those who judge by themselves name the same life in the same way, and
//! every return changes it: that of the same process, emptied, too.

use super::address::Address;
use super::hash::KeyHash;

/// The mark of a server in an epoch. Never 0, and never that of the epoch before, unless that is the odd one that
/// follows: while a server is down there is nothing to tell.
pub fn mark(address: &Address, epoch: u64) -> u16 {
    let own = match address {
        Address::Tcp { host, port } => KeyHash::of(host.as_bytes()).and(&port.to_be_bytes()),
        Address::Unix(path) => KeyHash::of(path.as_bytes()),
    };
    let lives = u64::from(u16::MAX);
    1 + ((u64::from(own.value()) + epoch / 2) % lives) as u16
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_return_changes_it_and_no_fall_does() {
        let address = "127.0.0.1:11211".parse().unwrap();
        let lives: Vec<u16> = (0..200_000).step_by(2).map(|epoch| mark(&address, epoch)).collect();
        assert!(lives.iter().all(|life| *life != 0) && lives.windows(2).all(|two| two[0] != two[1]));
        let first = lives.iter().take(usize::from(u16::MAX)).collect::<BTreeSet<_>>();
        assert_eq!(first.len(), usize::from(u16::MAX), "none comes again before all were there");
        assert_eq!(mark(&address, 3), mark(&address, 2));
    }

    #[test]
    fn servers_have_marks_of_their_own() {
        let marks = (11_211..11_275).map(|port| {
            let unix = Address::Unix(format!("/run/memcached/{port}"));
            [mark(&Address::Tcp { host: "cache".into(), port }, 4), mark(&unix, 4)]
        });
        let marks: BTreeSet<u16> = marks.flatten().collect();
        assert!(marks.len() > 120, "{}", marks.len());
    }
}
