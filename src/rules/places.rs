//! Placement: home, walk, places, acting and mirror of a key, in every combination of states.
//!
//! The everyday case is one hash, one division and no walk: while every server is steady a key is
//! on its home and on home's backup. Everything else follows from the [`Walk`], which is lazy: it
//! hashes as far as a steady server and no further.
//!
//! A *draining* server is to be left without loss: it gets no new keys, and what it holds is still
//! read. It is one of the places wherever a returned one would be, so a write clears the old copy
//! there and the walk goes on past it; but it comes last among them, so that it is neither acting nor
//! mirror while the places have others for that. Where they have not, it serves as a returned one does: a
//! second copy on a server that is to go is better than none.
//!
//! While a changed list of servers is swept (rule 7), the places of the list before are places too: they come right behind
//! acting, because that is where what was not moved yet is found.
//!
//! Nothing here allocates in a pool of up to 1,024
//! servers; a walk beyond home in a larger pool allocates once.

use smallvec::{SmallVec, smallvec};

use super::hash::KeyHash;
use super::pool::{Pool, ServerId};
use super::ring::{Along, Ring};
use super::view::{State, View};

/// The live servers that may hold a copy of a key, in the order in which reads ask them.
pub type Places = SmallVec<[ServerId; 8]>;

/// What rehashing appends to a key.
const REHASH: &[u8] = b"foo";

/// Where a key lives while every server is steady. `None` in a pool without servers, and in one
/// whose servers have no slots.
#[inline(always)]
pub fn home(pool: &Pool, key: &[u8]) -> Option<ServerId> {
    match pool.ring() {
        Some(ring) => first_on(ring, key),
        None => slot(pool, KeyHash::of(key)),
    }
}

#[inline(never)]
fn first_on(ring: &Ring, key: &[u8]) -> Option<ServerId> {
    ring.from_key(key).next()
}

/// The slot that a hash chooses. `None` in a pool without slots.
#[inline(always)]
fn slot(pool: &Pool, hash: KeyHash) -> Option<ServerId> {
    let index = (hash.value() as usize).checked_rem(pool.slots().len())?;
    pool.slots().get(index).copied()
}

/// Home, then the servers that rehashing gives (or the ring), every server of the pool exactly
/// once. Empty where [`home`] is `None`.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    pool: &'a Pool,
    home: Option<ServerId>,
    /// The server that was tried last.
    last: ServerId,
    route: Route<'a>,
    /// How many servers were given so far.
    given: usize,
    /// One bit for each server that was given. Empty until the walk goes beyond home.
    seen: SmallVec<[u64; 16]>,
}

/// Where a walk's next try comes from.
#[derive(Clone, Debug)]
enum Route<'a> {
    /// From hashing once more, so many times at most.
    Rehash { hash: KeyHash, tries: usize },
    /// From the ring's next point.
    Ring(Along<'a>),
    /// From the list of servers, on from the one tried last and around.
    List,
}

/// How often a whole walk of so many servers hashes again.
///
/// Rehashing meets each server at random; four tries for each server meet 98 of 100 of them, and
/// the 16 more make it near certain in a small pool (of 2 servers the other one is missed once in
/// 16 million). Beyond that each try would meet hardly anything new, and one that cycles, or a server
/// whose share of the slots is tiny, would make the walk long or endless.
fn rehashes(servers: usize) -> usize {
    4 * servers + 16
}

impl<'a> Walk<'a> {
    /// The walk of `key`; lazy: nothing beyond home is hashed before it is asked for.
    pub fn new(pool: &'a Pool, key: &[u8]) -> Walk<'a> {
        let (home, route) = match pool.ring() {
            Some(ring) => {
                let mut along = ring.from_key(key);
                (along.next(), Route::Ring(along))
            }
            None => {
                let hash = KeyHash::of(key);
                (slot(pool, hash), Route::Rehash { hash, tries: rehashes(pool.servers().len()) })
            }
        };
        Walk { pool, home, last: home.unwrap_or(ServerId(0)), route, given: 0, seen: SmallVec::new() }
    }

    /// The server to try next, which may have been given before.
    fn attempt(&mut self) -> ServerId {
        let attempt = match &mut self.route {
            Route::Rehash { tries: 0, .. } => None,
            Route::Rehash { hash, tries } => {
                *tries -= 1;
                *hash = hash.and(REHASH);
                slot(self.pool, *hash)
            }
            Route::Ring(along) => along.next(),
            Route::List => None,
        };
        attempt.unwrap_or_else(|| {
            self.route = Route::List;
            let next = self.last.index() + 1;
            if next < self.pool.servers().len() { ServerId(next as u16) } else { ServerId(0) }
        })
    }

    /// Notes a server as given; whether it is new.
    fn mark(&mut self, id: ServerId) -> bool {
        let (word, bit) = (&mut self.seen[id.index() / 64], 1 << (id.index() % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

impl Iterator for Walk<'_> {
    type Item = ServerId;

    fn next(&mut self) -> Option<ServerId> {
        let home = self.home?;
        if self.given == 0 {
            self.given = 1;
            return Some(home);
        }
        let servers = self.pool.servers().len();
        if self.given == servers {
            return None;
        }
        if self.seen.is_empty() {
            self.seen = smallvec![0; servers.div_ceil(64)];
            self.mark(home);
        }
        // Ends: a server is missing, and the list at the latest comes by it.
        loop {
            self.last = self.attempt();
            if self.mark(self.last) {
                self.given += 1;
                return Some(self.last);
            }
        }
    }
}

/// Where a key's copies are and go, as things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Where it lives while every server is steady.
    pub home: ServerId,
    /// The live servers that may hold a copy, in reading order, draining ones last; at least one. The
    /// first is acting.
    pub places: Places,
    /// Where the second copy of a write goes; `None` when home has no backup, or when no other
    /// server is live. A draining one only where no other is left.
    pub mirror: Option<ServerId>,
}

impl Placement {
    /// The placement of `key`; `None` in a pool without servers, and, without any hashing, when no
    /// server is live.
    pub fn of(view: &View, key: &[u8]) -> Option<Placement> {
        if !view.any_live() {
            return None;
        }
        if view.all_steady() {
            return Placement::while_all_are_steady(view, key);
        }
        let mut walk = Walk::new(&view.pool, key);
        let home = walk.home?;
        let mut placement = match backup_of(&view.pool, home) {
            None => {
                let mut places = Places::new();
                on_to_a_steady_one(view, &mut walk, None, &mut places);
                draining_last(view, &mut places);
                Placement { home, places, mirror: None }
            }
            Some(backup) => Placement::with_backup(view, walk, home, backup),
        };
        placement.add(view, &view.previous_places(key));
        Some(placement)
    }

    /// Adds the places of another list, behind acting.
    fn add(&mut self, view: &View, others: &[ServerId]) {
        let mut at = self.places.len().min(1);
        for &id in others {
            if !self.places.contains(&id) {
                self.places.insert(at, id);
                at += 1;
            }
        }
        if let Some(behind) = self.places.get_mut(1..) {
            draining_last(view, behind);
        }
    }

    /// The servers that are to hold a copy: acting and mirror.
    pub fn holders(&self) -> impl Iterator<Item = ServerId> + use<> {
        self.acting().into_iter().chain(self.mirror)
    }

    /// Home and its backup: no walk.
    #[inline]
    fn while_all_are_steady(view: &View, key: &[u8]) -> Option<Placement> {
        let home = home(&view.pool, key)?;
        let mirror = backup_of(&view.pool, home);
        let places = std::iter::once(home).chain(mirror).collect();
        Some(Placement { home, places, mirror })
    }

    fn with_backup(view: &View, mut walk: Walk<'_>, home: ServerId, backup: ServerId) -> Placement {
        let mut places = Places::new();
        let met = on_to_a_steady_one(view, &mut walk, Some(backup), &mut places);
        if !met && view.live(backup) {
            places.push(backup);
        }
        if met || view.state(backup) != State::Steady {
            // The backup was asked: it neither comes twice nor ends the walk.
            let mut others = walk.filter(|&id| id != backup);
            on_to_a_steady_one(view, &mut others, None, &mut places);
        }
        draining_last(view, &mut places);
        let acting = places.first().copied();
        let next = places.get(1).copied();
        let draining = |id| view.state(id) == State::Draining;
        // With the draining ones last, a second place that drains means that no other is left.
        let gets_copies = view.live(backup) && (!draining(backup) || next.is_some_and(draining));
        let mirror = if acting != Some(backup) && gets_copies { Some(backup) } else { next };
        Placement { home, places, mirror }
    }

    /// The first live server of the walk that does not drain, if there is one: where writes go and reads
    /// begin.
    pub fn acting(&self) -> Option<ServerId> {
        self.places.first().copied()
    }
}

/// The home of a key and its backup: the servers that hold it while everything is where it belongs. `None` in a pool
/// without servers.
#[inline]
pub fn owners(pool: &Pool, key: &[u8]) -> Option<(ServerId, Option<ServerId>)> {
    let home = home(pool, key)?;
    Some((home, backup_of(pool, home)))
}

/// The server that holds the second copy of what `home` holds. A server is no backup of itself.
#[inline(always)]
fn backup_of(pool: &Pool, home: ServerId) -> Option<ServerId> {
    pool.server(home).backup.filter(|&backup| backup != home)
}

/// Moves the draining servers behind the others; apart from that the order stays.
fn draining_last(view: &View, places: &mut [ServerId]) {
    places.sort_by_key(|&id| view.state(id) == State::Draining);
}

/// Walks up to and including the next steady server, and adds the live ones to `places`. Whether it
/// came by `watched`, live or not.
fn on_to_a_steady_one(
    view: &View,
    walk: &mut impl Iterator<Item = ServerId>,
    watched: Option<ServerId>,
    places: &mut Places,
) -> bool {
    let mut met = false;
    for id in walk {
        met |= watched == Some(id);
        match view.state(id) {
            State::Down => {}
            State::Returned | State::Draining => places.push(id),
            State::Steady => {
                places.push(id);
                break;
            }
        }
    }
    met
}

#[cfg(test)]
mod tests;
