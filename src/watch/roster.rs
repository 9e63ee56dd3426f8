//! The servers that are watched, in the order of the pool; and how another list is made of one list.
//!
//! **Who stays.** A server is known by its name, else by its address ([`match_up`]). One that stays keeps its state.
//!
//! **Who comes.** A server that joins a pool in use may hold anything, values of this pool from before it was removed
//! among them, which others have replaced since. So it is down until a trial has emptied it (or found that it
//! started just now), a few milliseconds later; then it is returned. The same goes for another address under an old
//! name. Only where there is no list before (no table, or none that can be read) all servers begin as steady:
//! there is nothing to tell a new one by, and nobody wants all of them emptied.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ledger::epoch_in;
use super::pool_file::Plan;
use super::server::Watched;
use crate::rules::pool::{Pool, Server, match_up};
use crate::rules::time::Instant;
use crate::rules::watcher::{Moment, Order, Published, Watcher};
use crate::table::layout::ROOM;
use crate::table::{List, Progress, ServerEntry, Snapshot, Stripes};

/// Gives out words of the stripes file that nobody has.
struct Slots {
    taken: BTreeSet<u16>,
    next: u16,
}

impl Slots {
    /// `kept` are somebody's; `leaving` belong to servers that leave at this moment, and are taken again only when a
    /// list of that `length` has no others left.
    fn new(kept: BTreeSet<u16>, leaving: impl Iterator<Item = u16>, length: usize) -> Slots {
        let spared = leaving.filter(|slot| !kept.contains(slot) && usize::from(*slot) < ROOM);
        let spared: BTreeSet<u16> = spared.take(ROOM.saturating_sub(length)).collect();
        Slots { taken: kept.union(&spared).copied().collect(), next: 0 }
    }

    fn free(&mut self) -> u16 {
        // There are as many words as servers in the largest list.
        while self.taken.contains(&self.next) {
            self.next += 1;
        }
        self.taken.insert(self.next);
        self.next
    }
}

/// When the regular probes of the `index`th of `count` servers are due: spread over the interval.
fn phase(plan: &Plan, now: Instant, index: usize, count: usize) -> Instant {
    let share = plan.settings.interval / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    now + share.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX))
}

/// The servers of a daemon that begins, from the table of the one before it, if there is one.
pub fn begin(plan: &Plan, old: Option<&Snapshot>, stripes: &Stripes, now: Moment) -> Vec<Watched> {
    let servers = plan.file.pool.servers();
    let entries: &[ServerEntry] = old.map_or(&[], |old| &old.current.servers);
    let known: Vec<&Server> = entries.iter().map(|entry| &entry.server).collect();
    let named = old.map_or(0, |old| old.stripes);
    let matched = match_up(servers, &known);
    let kept = matched.iter().flatten().map(|found| entries[*found].epoch_slot).collect();
    let mut slots = Slots::new(kept, entries.iter().map(|entry| entry.epoch_slot), servers.len());
    let mut used = BTreeSet::new();
    let make = |(index, (server, found)): (usize, (&Server, Option<usize>))| {
        let phase = phase(plan, now.clock, index, servers.len());
        let (settings, order) = (plan.settings, plan.order(index));
        let Some(entry) = found.map(|found| &entries[found]) else {
            let slot = slots.free();
            let epoch = epoch_in(stripes, slot, 0);
            let watcher = match old {
                Some(_) => Watcher::joining(settings, order, now, phase, epoch),
                None => Watcher::new(settings, order, now, phase, epoch),
            };
            return Watched::new(index as u64, server.clone(), watcher, slot);
        };
        // A slot that two entries name, or that is none, is no server's: such a table is nobody's word.
        let own = usize::from(entry.epoch_slot) < ROOM && used.insert(entry.epoch_slot);
        let slot = if own { entry.epoch_slot } else { slots.free() };
        let epoch = if own && stripes.id() == named {
            epoch_in(stripes, slot, entry.epoch)
        } else {
            beyond(stripes, slot, entry.epoch, own && stripes.goes_on_from(named))
        };
        let published = Published {
            view: entry.view(),
            incarnation: entry.incarnation,
            since: entry.since,
            reason: entry.reason.clone(),
            epoch: entry.epoch,
        };
        let mut watcher = Watcher::resume(settings, order, now, phase, published, epoch);
        if entry.server.address != server.address {
            watcher.replaced(now, ANOTHER_ADDRESS);
        }
        Watched::new(index as u64, server.clone(), watcher, slot)
    };
    servers.iter().zip(matched).enumerate().map(make).collect()
}

/// The epoch of a server, by a stripes file that the table of its last `published` epoch did not name: that one was lost, or
/// is of an earlier boot and this one `goes_on` from it.
pub fn beyond(stripes: &Stripes, slot: u16, published: u64, goes_on: bool) -> u64 {
    after(published, epoch_in(stripes, slot, published), goes_on)
}

/// Nobody knows what clients made of a lost epoch: so it is the next one of its kind, and a server that was live is
/// returned. But an odd one that was `found` counts, wherever it stood: at worst a server is flushed that need not
/// be. One that says that the server was brought back counts only where it `goes_on` from what was published.
fn after(published: u64, found: u64, goes_on: bool) -> u64 {
    let even = |epoch: u64| epoch.is_multiple_of(2);
    let next = published.saturating_add(2);
    match (even(published), even(found)) {
        _ if found <= published => next,
        (_, false) => found,
        (false, true) if !goes_on => found.saturating_add(1),
        _ => found.saturating_add(2),
    }
}

const ANOTHER_ADDRESS: &str = "it has another address, and is on trial";

/// The servers of a changed list. `next_key` gives each newcomer a key of its own.
pub fn change(
    plan: &Plan,
    old: Vec<Watched>,
    stripes: Option<&Stripes>,
    now: Moment,
    next_key: &mut u64,
) -> Vec<Watched> {
    let servers = plan.file.pool.servers();
    let known: Vec<&Server> = old.iter().map(|watched| &watched.server).collect();
    let matched = match_up(servers, &known);
    let stays =
        matched.len() == old.len() && matched.iter().enumerate().all(|(index, found)| *found == Some(index));
    let kept: BTreeSet<u16> = matched.iter().flatten().map(|found| old[*found].slot).collect();
    let mut slots = Slots::new(kept, old.iter().map(|watched| watched.slot), servers.len());
    let mut old: Vec<Option<Watched>> = old.into_iter().map(Some).collect();
    let make = |(index, (server, found)): (usize, (&Server, Option<usize>))| {
        let order = plan.order(index);
        let Some(mut watched) = found.and_then(|found| old[found].take()) else {
            let slot = slots.free();
            let epoch = stripes.map_or(0, |stripes| epoch_in(stripes, slot, 0));
            let phase = phase(plan, now.clock, index, servers.len());
            let watcher = Watcher::joining(plan.settings, order, now, phase, epoch);
            *next_key += 1;
            let watched = Watched::new(*next_key, server.clone(), watcher, slot);
            log::info!("{}: new in the pool", watched.title());
            return watched;
        };
        let moved = watched.server.address != server.address;
        if !stays || moved {
            watched.drop_question(now);
        }
        watched.rename(server.clone());
        watched.watcher.settings = plan.settings;
        if watched.watcher.ordered() != order {
            watched.watcher.order(now, order);
        }
        if moved {
            watched.watcher.replaced(now, ANOTHER_ADDRESS);
        }
        watched
    };
    let made = servers.iter().zip(matched).enumerate().map(make).collect();
    for gone in old.iter().flatten() {
        log::info!("{}: no longer in the pool", gone.title());
    }
    made
}

/// What is published of sweeps.
#[derive(Clone, Debug, Default)]
pub struct Sweeping {
    /// The pool is swept.
    pub on: bool,
    /// How far the sweep is that is under way.
    pub progress: Option<Progress>,
    /// The list of servers before the plan's, while what it placed is swept.
    pub previous: Option<Arc<Pool>>,
}

/// What is published of the servers, and of their sweeps.
pub fn snapshot(
    plan: &Plan,
    servers: &[Watched],
    sweeping: &Sweeping,
    stripes: u64,
    now: Moment,
) -> Snapshot {
    let pool = &plan.file.pool;
    let entry = |watched: &Watched| {
        let watcher = &watched.watcher;
        ServerEntry {
            reason: watcher.reason().into_owned(),
            incarnation: watcher.incarnation(),
            // A server that is not to be up is draining, or down for good.
            ordered: watcher.ordered() != Order::Up,
            epoch: watcher.epoch(),
            epoch_slot: watched.slot,
            ..ServerEntry::new(
                watched.server.clone(),
                watcher.published(&watched.server.address),
                watcher.since(),
            )
        }
    };
    let current = List {
        name: pool.name.clone(),
        options: pool.options.clone(),
        servers: servers.iter().map(entry).collect(),
        slots: pool.slots().to_vec(),
    };
    Snapshot {
        generation: 0,
        published: now.stamp.unix_millis,
        stripes,
        clock: now.stamp.clock,
        swept: sweeping.on,
        sweep: sweeping.progress,
        current,
        previous: sweeping.previous.as_deref().map(|list| List::new(list, &[], now.stamp.unix_millis)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_that_stands_in_another_file_counts_when_it_says_that_a_server_was_given_up() {
        // Published, found; what becomes of them where the file goes on from the one that the table named, and where not.
        let cases = [
            ((4, 0), (6, 6)),
            ((4, 3), (6, 6)),
            ((4, 4), (6, 6)),
            ((4, 5), (5, 5)),
            ((4, 6), (8, 8)),
            ((5, 0), (7, 7)),
            ((5, 5), (7, 7)),
            ((5, 6), (8, 7)),
            ((5, 7), (7, 7)),
        ];
        for ((published, found), expected) in cases {
            let epochs = [true, false].map(|goes_on| after(published, found, goes_on));
            assert_eq!(epochs, <[u64; 2]>::from(expected), "published {published}, found {found}");
        }
    }

    #[test]
    fn words_of_the_stripes_file_are_given_once() {
        let mut slots = Slots::new(BTreeSet::from([0]), [2, 60_000].into_iter(), 4);
        assert_eq!([slots.free(), slots.free(), slots.free()], [1, 3, 4]);
        let room = ROOM as u16;
        let mut slots = Slots::new(BTreeSet::new(), 0..room, ROOM);
        assert_eq!((0..room).map(|_| slots.free()).last(), Some(room - 1), "there is one for everybody");
    }
}
