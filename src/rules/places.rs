//! Placement: home, walk, places, acting and mirror of a key, in every combination of states.

use smallvec::SmallVec;

use super::pool::{Pool, ServerId};
use super::view::View;

/// The live servers that may hold a copy of a key, in the order in which reads ask them.
pub type Places = SmallVec<[ServerId; 4]>;

/// Where a key lives while every server is steady. `None` in a pool without servers.
pub fn home(pool: &Pool, key: &[u8]) -> Option<ServerId> {
    todo!("{pool:?} {key:?}")
}

/// Home, then the servers that rehashing gives, every server of the pool exactly once.
pub struct Walk<'a> {
    #[allow(dead_code)]
    pool: &'a Pool,
}

impl<'a> Walk<'a> {
    /// The walk of `key`; lazy: nothing beyond home is hashed before it is asked for.
    pub fn new(pool: &'a Pool, key: &'a [u8]) -> Walk<'a> {
        let _ = key;
        Walk { pool }
    }
}

impl Iterator for Walk<'_> {
    type Item = ServerId;
    fn next(&mut self) -> Option<ServerId> {
        todo!()
    }
}

/// Where a key's copies are and go, as things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Where it lives while every server is steady.
    pub home: ServerId,
    /// The live servers that may hold a copy, in reading order. The first is acting. Empty when
    /// no server is live.
    pub places: Places,
    /// Where the second copy of a write goes; `None` in a pool without backups, or when no other
    /// server is live.
    pub mirror: Option<ServerId>,
}

impl Placement {
    /// The placement of `key`; `None` in a pool without servers.
    pub fn of(view: &View, key: &[u8]) -> Option<Placement> {
        todo!("{view:?} {key:?}")
    }

    /// The first live server of the walk: where writes go and reads begin.
    pub fn acting(&self) -> Option<ServerId> {
        self.places.first().copied()
    }
}
