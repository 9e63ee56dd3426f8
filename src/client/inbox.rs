//! What was received and not yet read as answers.
//!
//! Room grows only with bytes that came, whatever length an answer announces: a server that
//! promises a gigabyte and sends a line has cost a line.

use rustix::buffer::{SpareCapacity, spare_capacity};

/// The room to begin with, in bytes; it doubles when it is full.
pub(super) const ROOM: usize = 16 << 10;
/// Less room than this, in bytes, is not worth a system call.
const SCANT: usize = 2 << 10;
/// A buffer that is not in use keeps at most this much, in bytes.
pub(super) const KEPT: usize = 64 << 10;

/// A receive buffer.
#[derive(Default)]
pub(super) struct Inbox {
    input: Vec<u8>,
    /// How much of `input` was read.
    taken: usize,
}

impl Inbox {
    /// Makes room for what is still to come. False: there is no memory.
    #[inline]
    pub(super) fn make_room(&mut self) -> bool {
        if self.taken == self.input.len() {
            self.clear();
        }
        if self.spare() < SCANT {
            self.input.drain(..self.taken);
            self.taken = 0;
        }
        self.spare() >= SCANT || self.input.try_reserve_exact(self.input.len().max(ROOM)).is_ok()
    }

    /// Room to receive into; `None`: there is no memory.
    pub(super) fn room(&mut self) -> Option<SpareCapacity<'_, u8>> {
        if self.make_room() { Some(spare_capacity(&mut self.input)) } else { None }
    }

    fn spare(&self) -> usize {
        self.input.capacity() - self.input.len()
    }

    /// What was not read yet, and the count to raise by what is read of it. An answer borrows the
    /// bytes while it is told, and the next one is behind it.
    pub(super) fn unread(&mut self) -> (&[u8], &mut usize) {
        (self.input.get(self.taken..).unwrap_or_default(), &mut self.taken)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.input.clear();
        self.taken = 0;
    }

    /// Forgets everything, and gives memory back. To make a buffer smaller takes an allocation, which can fail; to drop
    /// it takes none.
    pub(super) fn shrink(&mut self) {
        self.clear();
        if self.input.capacity() > KEPT {
            self.input = Vec::new();
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.input.capacity()
    }
}
