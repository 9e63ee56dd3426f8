//! What was received and not yet read as answers.
//!
//! Room grows only with bytes that came, whatever length an answer announces: a server that
//! promises a gigabyte and sends a line has cost a line.

use rustix::buffer::{SpareCapacity, spare_capacity};

/// The room to begin with, in bytes; it doubles when it is full.
pub(super) const ROOM: usize = 16 << 10;
/// Less room than this, in bytes, is not worth a system call.
const SCANT: usize = 2 << 10;
/// A buffer that calls have no use for keeps at most this much, in bytes.
pub(super) const KEPT: usize = 64 << 10;
/// And one that they have use for now and then, this much.
pub(super) const KEPT_IN_USE: usize = 4 << 20;
/// So many calls in a row without a use for so much, and it is given back: to have it again for each large answer costs
/// more than the answer.
pub(super) const CALLS: u8 = 8;

/// How long a buffer's memory is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spare {
    most: usize,
    idle: u8,
}

impl Spare {
    /// So many bytes were in the buffer.
    #[inline]
    pub(super) fn used(&mut self, bytes: usize) {
        self.most = self.most.max(bytes);
    }

    /// A call is over, and with it the use of `buffer`.
    #[inline]
    pub(super) fn rest(&mut self, buffer: &mut Vec<u8>) {
        let most = std::mem::take(&mut self.most);
        if buffer.capacity() > KEPT {
            self.idle = if most > KEPT { 0 } else { self.idle + 1 };
            let keeps = if self.idle < CALLS { KEPT_IN_USE } else { KEPT };
            if buffer.capacity() > keeps {
                self.idle = 0;
                // To make it smaller would take an allocation, which can fail; to drop it takes none.
                debug_assert!(buffer.is_empty(), "nobody has a use for it");
                *buffer = Vec::new();
            }
        }
    }
}

/// A receive buffer.
#[derive(Default)]
pub(super) struct Inbox {
    input: Vec<u8>,
    /// How much of `input` was read.
    taken: usize,
    spare: Spare,
}

impl Inbox {
    /// Makes room for what is still to come. False: there is no memory.
    #[inline]
    pub(super) fn make_room(&mut self) -> bool {
        if self.taken == self.input.len() {
            self.clear();
        }
        if self.left() < SCANT {
            self.input.drain(..self.taken);
            self.taken = 0;
        }
        self.has_room() || self.input.try_reserve_exact(self.input.len().max(ROOM)).is_ok()
    }

    /// Room to receive into; `None`: there is no memory.
    pub(super) fn room(&mut self) -> Option<SpareCapacity<'_, u8>> {
        if self.make_room() { Some(spare_capacity(&mut self.input)) } else { None }
    }

    /// Whether there is room for an answer as they mostly are.
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        self.left() >= SCANT
    }

    /// The room that there is.
    #[inline(always)]
    pub(super) fn own_room(&mut self) -> SpareCapacity<'_, u8> {
        spare_capacity(&mut self.input)
    }

    fn left(&self) -> usize {
        self.input.capacity() - self.input.len()
    }

    /// What was not read yet, and the count to raise by what is read of it. An answer borrows the
    /// bytes while it is told, and the next one is behind it.
    pub(super) fn unread(&mut self) -> (&[u8], &mut usize) {
        (self.input.get(self.taken..).unwrap_or_default(), &mut self.taken)
    }

    /// Whether there is something that was not read.
    #[inline]
    pub(super) fn holds_a_part(&self) -> bool {
        self.taken < self.input.len()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.spare.used(self.input.len());
        self.input.clear();
        self.taken = 0;
    }

    /// The call is over: forgets everything, and gives memory back that calls have no need of.
    #[inline]
    pub(super) fn rest(&mut self) {
        if self.input.capacity() > KEPT {
            self.clear();
            self.spare.rest(&mut self.input);
        }
        self.input.clear();
        self.taken = 0;
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.input.capacity()
    }
}
