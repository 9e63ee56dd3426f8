//! A queue in one piece of memory: what a ring saves in copies it costs in every look, and there are many looks and few copies.

/// First in, first out.
#[derive(Clone, Debug)]
pub(super) struct Queue<T> {
    all: Vec<T>,
    /// How many of them were taken out.
    taken: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue { all: Vec::new(), taken: 0 }
    }
}

impl<T: Copy> Queue<T> {
    /// Makes room for one more, so that [`Queue::push`] allocates nothing. False: there is no memory for it.
    #[inline]
    pub(super) fn make_room(&mut self) -> bool {
        self.has_room() || self.is_half_free() || self.all.try_reserve(1).is_ok()
    }

    /// Whether there is some.
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        self.all.len() < self.all.capacity()
    }

    fn is_half_free(&self) -> bool {
        self.taken > 0 && self.taken * 2 >= self.all.len()
    }

    #[inline]
    pub(super) fn push(&mut self, item: T) {
        if self.all.len() == self.all.capacity() && self.is_half_free() {
            // Half of it is free, or more: each item is moved once at most for one that was taken out.
            self.all.drain(..self.taken);
            self.taken = 0;
        }
        self.all.push(item);
    }

    #[inline]
    pub(super) fn front(&self) -> Option<&T> {
        self.all.get(self.taken)
    }

    #[inline]
    pub(super) fn back_mut(&mut self) -> Option<&mut T> {
        // Whatever was taken out is gone when it was the last.
        self.all.last_mut()
    }

    /// Takes the first item out.
    #[inline]
    pub(super) fn pop(&mut self) {
        self.taken += 1;
        if self.taken >= self.all.len() {
            self.all.clear();
            self.taken = 0;
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.all[self.taken..].iter()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.all.capacity()
    }

    /// Takes everything out, oldest first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        let taken = std::mem::take(&mut self.taken);
        self.all.drain(..).skip(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_what_a_ring_does(steps in proptest::collection::vec(0u8..10, 0..400)) {
            let (mut queue, mut ring) = (Queue::default(), VecDeque::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    0..=4 => {
                        queue.push(number);
                        ring.push_back(number);
                    }
                    5..=8 if !ring.is_empty() => {
                        queue.pop();
                        ring.pop_front();
                    }
                    9 => prop_assert!(queue.drain().eq(ring.drain(..))),
                    _ => {}
                }
                prop_assert_eq!(queue.front(), ring.front());
                prop_assert_eq!(queue.back_mut(), ring.back_mut());
                prop_assert_eq!(queue.is_empty(), ring.is_empty());
                prop_assert!(queue.iter().eq(ring.iter()));
            }
        }
    }

    #[test]
    fn what_was_taken_out_does_not_stay() {
        let mut queue = Queue::default();
        queue.push(0);
        for number in 1..10_000 {
            queue.push(number);
            queue.pop();
        }
        assert!(queue.capacity() <= 16, "{}", queue.capacity());
    }
}
