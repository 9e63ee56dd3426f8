//! The hash ring of `distribution = "ketama"`: point for point the one of libmemcached
//! (MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, hash MD5), so that a fleet moves over with its cache warm.
//!
//! A server has blocks of four points; the blocks of `127.0.0.1` are the MD5 of `127.0.0.1-0`,
//! `127.0.0.1-1` and so on, read as four little-endian numbers. A server of average
//! weight has 40 blocks, one of twice that weight 80. What no description of ketama tells, and
//! tests/placement.rs proves against the real library:
//!
//! - the name is the host alone on port 11211 and `host:port` on any other; a unix socket is its
//!   path with the port 0; a v6 address has no brackets;
//! - the share is computed in single precision, and rounding costs a server its last block in
//!   pools of certain sizes (25, 47, 50, 55, ... servers of equal weight have 39 blocks each).
//!
//! Two points with the same number stay in the order of their servers. libmemcached leaves that to
//! its C library's qsort, which with Debian's comes to the same.
//!
//! A server that has a name in the configuration has its points from there, so that they stay when
//! its address changes. The name is read as an address where it can be: the default name is one,
//! and naming a new server by the old one's address keeps the old one's keys.

use std::slice;

use md5::{Digest, Md5};

use super::address::{Address, DEFAULT_PORT};
use super::pool::{Server, ServerId};

/// The points of one MD5.
const POINTS_PER_BLOCK: usize = 4;
/// The points of a server of average weight.
const POINTS_PER_SERVER: usize = 160;

/// The ring's points in order, each with the server it belongs to.
#[derive(Clone, Debug)]
pub struct Ring {
    points: Vec<(u32, ServerId)>,
}

impl Ring {
    /// The ring of these servers, by name and weight. A server whose share of the weights is less
    /// than a fortieth of the average has no point at all.
    pub fn new(servers: &[Server]) -> Ring {
        let total: u64 = servers.iter().map(|server| u64::from(server.weight)).sum();
        let mut points = Vec::with_capacity(servers.len() * POINTS_PER_SERVER);
        for (id, server) in (0..=u16::MAX).map(ServerId).zip(servers) {
            let name = point_name(&server.name);
            for block in 0..blocks(server.weight, total, servers.len()) {
                points.extend(block_points(&name, block).map(|point| (point, id)));
            }
        }
        // A stable sort by number alone: equal points stay in the order of the servers.
        points.sort_by_key(|point| point.0);
        Ring { points }
    }

    /// The servers along the ring from the key's point on, once around; a server comes once for
    /// each of its points.
    pub fn from_key(&self, key: &[u8]) -> Along<'_> {
        let [hash, ..] = quarters(Md5::digest(key).into());
        let (behind, ahead) = self.points.split_at(self.points.partition_point(|point| point.0 < hash));
        Along { ahead: ahead.iter(), wrapped: behind.iter() }
    }
}

/// The servers along a ring from one of its points on, once around. See [`Ring::from_key`].
#[derive(Clone, Debug)]
pub struct Along<'a> {
    ahead: slice::Iter<'a, (u32, ServerId)>,
    wrapped: slice::Iter<'a, (u32, ServerId)>,
}

impl Iterator for Along<'_> {
    type Item = ServerId;
    fn next(&mut self) -> Option<ServerId> {
        self.ahead.next().or_else(|| self.wrapped.next()).map(|point| point.1)
    }
}

/// How a server's points are named, of its name in the pool.
fn point_name(name: &str) -> String {
    match name.parse() {
        Ok(Address::Tcp { host, port: DEFAULT_PORT }) => host,
        Ok(Address::Tcp { host, port }) => format!("{host}:{port}"),
        Ok(Address::Unix(path)) => format!("{path}:0"),
        Err(_) => name.to_owned(),
    }
}

/// How many blocks a server has. The order and the precision of these operations are libmemcached's:
/// they decide whether 39.999996 or 40 is rounded down.
fn blocks(weight: u32, total: u64, servers: usize) -> usize {
    let share = weight as f32 / total as f32;
    // No server has any weight: 0 / 0 is not a number, which the cast makes 0.
    (share * POINTS_PER_SERVER as f32 / POINTS_PER_BLOCK as f32 * servers as f32) as usize
}

fn block_points(name: &str, block: usize) -> [u32; POINTS_PER_BLOCK] {
    let digest = Md5::new()
        .chain_update(name)
        .chain_update(b"-")
        .chain_update(itoa::Buffer::new().format(block))
        .finalize();
    quarters(digest.into())
}

/// An MD5 as four little-endian numbers.
fn quarters(digest: [u8; 16]) -> [u32; POINTS_PER_BLOCK] {
    let number = u128::from_le_bytes(digest);
    [0, 32, 64, 96].map(|shift| (number >> shift) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, weight: u32) -> Server {
        let address = Address::Tcp { host: "127.0.0.1".into(), port: DEFAULT_PORT };
        Server { name: name.into(), address, weight, backup: None }
    }

    fn points_of(ring: &Ring, id: u16) -> usize {
        ring.points.iter().filter(|point| point.1 == ServerId(id)).count()
    }

    #[test]
    fn equal_weights_have_160_points_but_for_rounding() {
        for (count, each) in [(1, 160), (2, 160), (3, 160), (7, 160), (8, 160), (25, 156), (100, 156)] {
            let servers: Vec<_> = (0..count).map(|i| server(&format!("s{i}"), 3)).collect();
            let ring = Ring::new(&servers);
            assert!((0..count).all(|id| points_of(&ring, id) == each), "{count}");
            assert!(ring.points.is_sorted_by_key(|point| point.0));
        }
    }

    #[test]
    fn points_follow_the_share_of_the_weights() {
        let ring = Ring::new(&[server("a", 1), server("b", 3)]);
        assert_eq!((points_of(&ring, 0), points_of(&ring, 1)), (80, 240));
        let ring = Ring::new(&[server("a", 1), server("b", 1000)]);
        assert_eq!(points_of(&ring, 0), 0, "less than one block");
        let ring = Ring::new(&[server("a", u32::MAX), server("b", u32::MAX)]);
        assert_eq!(ring.points.len(), 320, "no overflow");
    }

    #[test]
    fn no_servers_and_no_weights_make_an_empty_ring() {
        assert_eq!(Ring::new(&[]).from_key(b"key").next(), None);
        assert_eq!(Ring::new(&[server("a", 0)]).from_key(b"key").next(), None);
    }

    #[test]
    fn a_point_is_named_by_the_address_that_a_name_is_or_by_the_name() {
        for (name, point) in [
            ("127.0.0.1:11211", "127.0.0.1"),
            ("127.0.0.1:11212", "127.0.0.1:11212"),
            ("[::1]:11211", "::1"),
            ("[::1]:11212", "::1:11212"),
            ("unix:/run/m.sock", "/run/m.sock:0"),
            ("s1", "s1"),
            ("the first one", "the first one"),
        ] {
            assert_eq!(point_name(name), point);
        }
    }

    #[test]
    fn along_goes_once_around_from_the_first_point_not_below_the_key() {
        let ring = Ring::new(&[server("a", 1), server("b", 1), server("c", 2)]);
        for key in 0..1000u32 {
            let key = key.to_le_bytes();
            let hash = u32::from_le_bytes(Md5::digest(key)[..4].try_into().expect("four bytes"));
            let start = ring.points.iter().position(|point| point.0 >= hash).unwrap_or(0);
            let (wrapped, ahead) = ring.points.split_at(start);
            let expected: Vec<_> = ahead.iter().chain(wrapped).map(|point| point.1).collect();
            assert_eq!(ring.from_key(&key).collect::<Vec<_>>(), expected);
        }
    }
}
