//! Turns: who waits for whom, where several parts under way have the same key.
//!
//! A small hash table of fixed size holds, for each key under way, the last slot of its queue. A
//! part that comes is put behind that one and takes its entry over; a part that ends lets the one
//! behind it go, or, being the last, takes the entry out. An entry is one key's, so a bucket is as
//! short as a hash table's buckets are, however often one key occurs.

use super::{SlotId, filled};
use crate::rules::hash::KeyHash;

/// No slot.
const NONE: SlotId = SlotId::MAX;

#[derive(Clone, Copy)]
struct Link {
    bucket: usize,
    /// The next entry of the same bucket, while this slot is the last of its queue.
    next: SlotId,
    /// The next slot of the same queue.
    follower: SlotId,
}

/// The queues of all keys under way.
pub(super) struct Turns {
    buckets: Vec<SlotId>,
    links: Vec<Link>,
}

impl Turns {
    /// For slots below `slots`. `None`: there is no memory.
    pub(super) fn new(slots: usize) -> Option<Turns> {
        let link = Link { bucket: 0, next: NONE, follower: NONE };
        let buckets = filled((2 * slots).next_power_of_two(), NONE)?;
        Some(Turns { buckets, links: filled(slots, link)? })
    }

    /// A slot takes its place in the queue of its key; `same` tells whether another slot has that
    /// key. True: it is the first and may go.
    pub(super) fn enter(&mut self, id: SlotId, key: &[u8], same: impl Fn(SlotId) -> bool) -> bool {
        let bucket = KeyHash::of(key).value() as usize & (self.buckets.len() - 1);
        let mut at = self.buckets[bucket];
        while at != NONE && !same(at) {
            at = self.links[usize::from(at)].next;
        }
        let next = if at == NONE {
            self.buckets[bucket]
        } else {
            self.remove(bucket, at);
            self.links[usize::from(at)].follower = id;
            self.buckets[bucket]
        };
        self.links[usize::from(id)] = Link { bucket, next, follower: NONE };
        self.buckets[bucket] = id;
        at == NONE
    }

    /// The first slot of a queue has ended. Who may go now.
    pub(super) fn leave(&mut self, id: SlotId) -> Option<SlotId> {
        let Link { bucket, follower, .. } = self.links[usize::from(id)];
        if follower != NONE {
            return Some(follower);
        }
        self.remove(bucket, id);
        None
    }

    /// Takes an entry out of its bucket.
    fn remove(&mut self, bucket: usize, id: SlotId) {
        let next = self.links[usize::from(id)].next;
        if self.buckets[bucket] == id {
            return self.buckets[bucket] = next;
        }
        let mut at = self.buckets[bucket];
        while at != NONE {
            let link = &mut self.links[usize::from(at)];
            if link.next == id {
                return link.next = next;
            }
            at = link.next;
        }
    }
}
