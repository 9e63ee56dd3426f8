//! Many: operations of one kind on many items, driven at once as one operation.
//!
//! A part is an operation of its own: it plans, loses servers and plans anew, and ends with its own
//! outcome, whatever becomes of the others. What is shared is the way: the commands of all parts
//! under way are handed out before the driver waits for any answer, so a call with a thousand items
//! costs about the round trips of one.
//!
//! Not every part is under way at once. The driver composes what it is handed into memory, so parts
//! are made when their turn comes, into one of [`WINDOW`] slots, while less than [`WINDOW_BYTES`]
//! of values are under way; as one ends, the next begins. A call of a million items holds a
//! thousand operations. Tags name the slot and the part's own tag, so the number of parts is
//! bounded by nothing but the caller's memory.
//!
//! Parts with the same key are done one after another, in the caller's order, so that the last one
//! wins on every server: a part whose key is under way takes a slot and waits there for the part
//! before it ([`Turns`]).
//!
//! A part is asked for commands when it begins and after each answer or failure it is told, and
//! never else. That is enough. A part under way that has no more to say is waiting for an answer,
//! and every tag gets one or a failure; a server that dies fails the tags that are with it, with
//! the view that shows it. A view that changes without that changes nothing for a part until its
//! own answers come: it compares generations then, as it does when it is driven alone. So a
//! call of n parts costs O(n) in all, however they are answered.

mod turns;

#[cfg(test)]
mod tests;

use std::alloc::{Layout, handle_alloc_error};
use std::collections::BTreeMap;

use turns::Turns;

use super::{Failure, Operation, Outcome, Tag};
use crate::rules::hash::KeyHash;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// The most parts that are under way at once.
const WINDOW: usize = 1 << SLOT_BITS;

/// A further part begins while the values that parts under way had the driver send, counted once
/// for each server, have fewer bytes than this. The last one to begin may go beyond.
const WINDOW_BYTES: usize = 8 << 20;

/// So many of the parts that were refused keep the server's text, the first ones: a server that refuses a million items
/// in two thousand bytes each is not worth two gigabytes.
const TEXTS: usize = 16;

/// A tag's lower bits name the slot, the upper ones are the part's own tag.
const SLOT_BITS: u32 = 10;
const SLOT_MASK: Tag = WINDOW as Tag - 1;
const LARGEST_PART_TAG: Tag = Tag::MAX >> SLOT_BITS;

/// Names a slot.
type SlotId = u16;

/// What is to be done: one operation for each index.
pub trait Parts {
    /// The operations, all of one kind.
    type Part: Operation;
    /// How many.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The key that a part is about; always the same for the same index.
    fn key(&self, index: usize) -> &[u8];
    /// Whether the parts only move copies: no value is another one by them.
    fn moves(&self) -> bool {
        false
    }
    /// A part, when its turn has come. At most once per index.
    fn part(&self, index: usize) -> Self::Part;
}

/// A place for a part that is under way, or waits for its turn.
struct Slot<O> {
    part: usize,
    /// `None`: it waits for the part before it with the same key, or the slot is free.
    operation: Option<O>,
    /// It ended; what is still outstanding does not matter.
    ended: bool,
    /// It is in the list of those to be asked.
    ready: bool,
    /// Its tags that are not settled.
    open: u32,
    /// Bytes of values that it had sent.
    bytes: usize,
}

/// Drives all parts. Ends as `Done` when each has ended; how, [`Many::outcome_of`] tells.
pub struct Many<P: Parts> {
    parts: P,
    /// How many parts have begun, or wait in a slot.
    begun: usize,
    slots: Vec<Slot<P::Part>>,
    free: Vec<SlotId>,
    /// Slots whose part may have something to ask.
    ready: Vec<SlotId>,
    turns: Turns,
    /// Bytes of values under way.
    bytes: usize,
    outcomes: Vec<Option<Outcome>>,
    ended: usize,
    refusals: BTreeMap<usize, Vec<u8>>,
    mutates: bool,
}

/// Room for so many; `None`: there is no memory for it.
fn room<T>(count: usize) -> Option<Vec<T>> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).ok()?;
    Some(list)
}

/// So many of the same.
fn filled<T: Clone>(count: usize, with: T) -> Option<Vec<T>> {
    let mut list = room(count)?;
    list.resize(count, with);
    Some(list)
}

impl<P: Parts> Many<P> {
    /// Of a number of parts that was chosen with regard to memory. Nothing is made or asked before the first
    /// [`Operation::next`].
    pub fn new(parts: P) -> Many<P> {
        let layout = Layout::new::<Option<Outcome>>();
        Many::with_room(parts).unwrap_or_else(|| handle_alloc_error(layout))
    }

    /// The same of any number. `None`: there is no memory for so many.
    pub fn with_room(parts: P) -> Option<Many<P>> {
        let (count, window) = (parts.len(), parts.len().min(WINDOW));
        Some(Many {
            parts,
            begun: 0,
            slots: room(window)?,
            free: room(window)?,
            ready: room(window)?,
            turns: Turns::new(window)?,
            bytes: 0,
            outcomes: filled(count, None)?,
            ended: 0,
            refusals: BTreeMap::new(),
            mutates: false,
        })
    }

    /// Each part's outcome, by index. `None`: it has not ended; for a call whose time is up, that
    /// is a timeout.
    pub fn outcomes(&self) -> &[Option<Outcome>] {
        &self.outcomes
    }

    /// One part's outcome; `None` also for an index that is no part's.
    pub fn outcome_of(&self, index: usize) -> Option<Outcome> {
        self.outcomes.get(index).copied().flatten()
    }

    /// The text of the server that refused a part, if it is one of the first that were refused.
    pub fn refusal_of(&self, index: usize) -> Option<&[u8]> {
        self.refusals.get(&index).map(Vec::as_slice)
    }

    /// Gives the next part a slot, if one may begin. False: none may.
    fn begin(&mut self) -> bool {
        if self.begun == self.outcomes.len() || self.bytes >= WINDOW_BYTES {
            return false;
        }
        let Some(id) = self.take_slot() else { return false };
        let parts = &self.parts;
        let slots = &self.slots;
        let key = parts.key(self.begun);
        let may_go = self.turns.enter(id, key, |other| {
            slots.get(usize::from(other)).is_some_and(|slot| parts.key(slot.part) == key)
        });
        self.slots[usize::from(id)].part = self.begun;
        self.begun += 1;
        if may_go {
            self.go(id);
        }
        true
    }

    fn take_slot(&mut self) -> Option<SlotId> {
        if let Some(id) = self.free.pop() {
            return Some(id);
        }
        let id = self.slots.len();
        if id == WINDOW {
            return None;
        }
        self.slots.push(Slot { part: 0, operation: None, ended: false, ready: false, open: 0, bytes: 0 });
        Some(id as SlotId)
    }

    /// A part's turn has come.
    fn go(&mut self, id: SlotId) {
        let slot = &mut self.slots[usize::from(id)];
        let operation = self.parts.part(slot.part);
        self.mutates |= operation.mutates();
        slot.operation = Some(operation);
        slot.ended = false;
        self.make_ready(id);
    }

    fn make_ready(&mut self, id: SlotId) {
        if !std::mem::replace(&mut self.slots[usize::from(id)].ready, true) {
            self.ready.push(id);
        }
    }

    /// What a part asks next. One that has no more to ask leaves the list.
    fn poll(&mut self, view: &View, id: SlotId) -> Option<(ServerId, Tag)> {
        let slot = &mut self.slots[usize::from(id)];
        slot.ready = false;
        let operation = slot.operation.as_mut().filter(|_| !slot.ended)?;
        while let Some((server, tag)) = operation.next(view) {
            if tag > LARGEST_PART_TAG {
                // It would be taken for another's. No operation on one key asks so much at once.
                operation.fail(view, tag, Failure::Unsent);
                continue;
            }
            let sent = operation.command(tag).value().map_or(0, <[u8]>::len);
            slot.bytes = slot.bytes.saturating_add(sent);
            self.bytes = self.bytes.saturating_add(sent);
            slot.open += 1;
            self.make_ready(id);
            return Some((server, tag << SLOT_BITS | Tag::from(id)));
        }
        self.settle(id);
        None
    }

    /// The slot that a tag names, with the part's own tag. `None`: nobody was given that tag.
    fn find(&mut self, tag: Tag) -> Option<(&mut Slot<P::Part>, SlotId, Tag)> {
        let id = tag & SLOT_MASK;
        let slot = self.slots.get_mut(id as usize)?;
        // Where no part is under way, or nothing of it is outstanding, the tag is not ours.
        (slot.open > 0).then_some((slot, id as SlotId, tag >> SLOT_BITS))
    }

    /// Tells a part of what became of its question.
    fn tell(&mut self, tag: Tag, with: impl FnOnce(&mut P::Part, Tag)) {
        let Some((slot, id, tag)) = self.find(tag) else { return };
        slot.open -= 1;
        if slot.ended {
            return self.release(id);
        }
        if let Some(operation) = &mut slot.operation {
            with(operation, tag);
        }
        if !self.settle(id) {
            self.make_ready(id);
        }
    }

    /// Notes a part's outcome, if it has one by now, and lets the next with its key go.
    fn settle(&mut self, id: SlotId) -> bool {
        let slot = &mut self.slots[usize::from(id)];
        let Some(operation) = &slot.operation else { return false };
        let Some(outcome) = operation.outcome() else { return false };
        if let (Outcome::Refused, Some(text)) = (outcome, operation.refusal()) {
            self.refusals.insert(slot.part, text.to_vec());
            if self.refusals.len() > TEXTS {
                self.refusals.pop_last();
            }
        }
        self.outcomes[slot.part] = Some(outcome);
        self.ended += 1;
        slot.ended = true;
        self.bytes -= std::mem::take(&mut slot.bytes);
        if let Some(follower) = self.turns.leave(id) {
            self.go(follower);
        }
        self.release(id);
        true
    }

    /// Frees the slot of a part that ended, once nothing of it is outstanding: until then its tags
    /// must not be anybody else's.
    fn release(&mut self, id: SlotId) {
        let slot = &mut self.slots[usize::from(id)];
        if slot.open == 0 {
            slot.operation = None;
            self.free.push(id);
        }
    }
}

impl<P: Parts> Operation for Many<P> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        loop {
            while let Some(id) = self.ready.pop() {
                if let Some(asked) = self.poll(view, id) {
                    return Some(asked);
                }
            }
            if !self.begin() {
                return None;
            }
        }
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        let slot = self.slots.get((tag & SLOT_MASK) as usize);
        // A tag that nobody was given asks for nothing.
        slot.and_then(|slot| slot.operation.as_ref())
            .map_or(Command::Noop, |operation| operation.command(tag >> SLOT_BITS))
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        self.tell(tag, |part, tag| part.answer(view, tag, reply));
    }

    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        self.tell(tag, |part, tag| part.fail(view, tag, failure));
    }

    fn outcome(&self) -> Option<Outcome> {
        (self.ended == self.outcomes.len()).then_some(Outcome::Done)
    }

    /// That of the first part that was refused.
    fn refusal(&self) -> Option<&[u8]> {
        self.refusals.first_key_value().map(|(_, text)| text.as_slice())
    }

    /// Until the first part is made, nobody knows what the parts do.
    fn mutates(&self) -> bool {
        self.begun == 0 || self.mutates
    }

    fn hashes(&self, tell: &mut dyn FnMut(KeyHash)) {
        (0..self.parts.len()).for_each(|index| tell(KeyHash::of(self.parts.key(index))));
    }

    fn keys(&self, tell: &mut dyn FnMut(&[u8])) -> bool {
        if !self.parts.moves() {
            (0..self.parts.len()).for_each(|index| tell(self.parts.key(index)));
        }
        true
    }
}
