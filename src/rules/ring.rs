//! The hash ring of `distribution = "ketama"`: point for point the one of libmemcached
//! (MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, hash MD5), so that a fleet moves over with its cache warm.

use super::pool::{Server, ServerId};

/// The ring's points in order, each with the server it belongs to.
#[derive(Clone, Debug)]
pub struct Ring {
    points: Vec<(u32, ServerId)>,
}

impl Ring {
    /// The ring of these servers, by name and weight.
    pub fn new(servers: &[Server]) -> Ring {
        let _ = Ring { points: Vec::new() }.points;
        todo!("{servers:?}")
    }

    /// The servers along the ring from the key's point on; a server may come several times.
    pub fn from_key(&self, key: &[u8]) -> impl Iterator<Item = ServerId> + '_ {
        let _ = key;
        self.points.iter().map(|point| point.1)
    }
}
