//! A value behind a lock, of which a forked child finds a whole copy whichever thread was at it.
//!
//! A lock that another thread of the parent held is held for ever in the child, and what it guards
//! may be half changed. So there are two copies, each behind a lock of its own, and a third lock lets
//! one thread at a time at either: one of the two is free at any moment, and whole. A change in
//! the middle of which the fork fell is in one of them or in none, as if it came later.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// See the module. For what changes seldom: every change is made once and copied once.
#[derive(Default)]
pub(super) struct Twin<T> {
    turn: Mutex<()>,
    first: Mutex<T>,
    second: Mutex<T>,
}

/// A panic elsewhere leaves nothing half done that a later event would not set right.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The value, unless a thread is at it.
pub(super) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl<T: Clone> Twin<T> {
    pub(super) fn new(value: T) -> Twin<T> {
        Twin { turn: Mutex::new(()), first: Mutex::new(value.clone()), second: Mutex::new(value) }
    }

    /// Looks at it.
    pub(super) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        let _turn = lock(&self.turn);
        look(&lock(&self.first))
    }

    /// Changes it.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let _turn = lock(&self.turn);
        let (answer, copy) = {
            let mut first = lock(&self.first);
            (change(&mut first), first.clone())
        };
        *lock(&self.second) = copy;
        answer
    }

    /// What a forked child finds; waits for nobody. `None` when both are taken, which takes two
    /// threads that do not wait for each other: not to be met with.
    pub(super) fn inherited(&self) -> Option<T> {
        let copy = |mutex| try_lock(mutex).map(|value| T::clone(&value));
        copy(&self.first).or_else(|| copy(&self.second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_finds_a_whole_copy_at_every_moment_of_a_change() {
        let twin = Twin::new((1, 1));
        assert_eq!(twin.inherited(), Some((1, 1)));
        twin.change(|pair| {
            pair.0 = 2;
            assert_eq!(twin.inherited(), Some((1, 1)), "in the middle of it");
            pair.1 = 2;
        });
        assert_eq!(twin.inherited(), Some((2, 2)));
        // Between the first copy and the second, and while the second is made.
        *lock(&twin.first) = (3, 3);
        let _second = lock(&twin.second);
        assert_eq!(twin.inherited(), Some((3, 3)));
    }

    #[test]
    fn a_reader_leaves_the_other_copy_free() {
        let twin = Twin::new(7);
        assert_eq!(twin.read(|_| twin.inherited()), Some(7));
    }
}
