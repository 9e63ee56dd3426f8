//! Who this process is to the others, and who they are to it.
//!
//! A process id means something in its own namespace only, and a stripe's word has no room for a namespace's
//! number. So the numbers stand in the file, and the word names the place: its *tag*. Two namespaces never
//! have one tag, and so nobody takes a living holder of another container for a dead one of his
//! own. When there is no more room, or no number is known, the tag is 0, and only deadlines count.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::identity::{self, Process};
use super::super::words::SharedWord;
use super::word::Owner;

/// This process, as the words name it.
#[derive(Debug, Default)]
pub struct This {
    /// Who it is, and in which process that was found out: a child of a fork is somebody else, and may live in
    /// a namespace of its own.
    known: AtomicU64,
}

/// How many bits an owner has; those above them tell the process.
const OWNER_BITS: u32 = 31;

impl This {
    /// The owner to be named in a word. `process` tells this process from its ancestors: a child that took its
    /// parent's name could lose its stripe to a third process as soon as the parent ends.
    #[inline]
    pub fn owner<W: SharedWord>(&self, process: u64, namespaces: &[W]) -> Owner {
        let known = self.known.load(Ordering::Relaxed);
        if known >> OWNER_BITS == process & (u64::MAX >> OWNER_BITS) && known != 0 {
            Owner::of_bits(known)
        } else {
            self.learn(process, namespaces)
        }
    }

    #[cold]
    fn learn<W: SharedWord>(&self, process: u64, namespaces: &[W]) -> Owner {
        let owner = Owner::new(std::process::id(), tag(namespaces, identity::namespace()));
        self.known.store(process << OWNER_BITS | owner.bits(), Ordering::Relaxed);
        owner
    }
}

/// The tag of a namespace, which is entered when it is new; 0 when it is unknown or there is no room.
pub fn tag<W: SharedWord>(namespaces: &[W], number: u64) -> u16 {
    if number == 0 {
        return 0;
    }
    // Everybody looks from the first place on, and nobody takes anything out: one number, one place.
    for (tag, word) in (0..).zip(namespaces).skip(1) {
        if word.get() == number || word.exchange(0, number).is_ok() || word.get() == number {
            return tag;
        }
    }
    0
}

/// Whether a holder has certainly ended, as this process can tell.
pub fn is_gone(holder: Owner, this: Owner) -> bool {
    holder.comparable(this) && Process { pid: holder.pid(), start: 0 }.is_gone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_namespaces_never_have_one_tag() {
        let namespaces: Vec<_> = (0..8).map(|_| AtomicU64::new(0)).collect();
        for round in 0..2 {
            let tags: Vec<_> = (101..=109).map(|number| tag(&namespaces, number)).collect();
            assert_eq!(tags, [1, 2, 3, 4, 5, 6, 7, 0, 0], "round {round}");
        }
        assert_eq!(tag(&namespaces, 0), 0, "an unknown one");
    }

    #[test]
    #[cfg(not(miri))]
    fn only_its_own_namespace_tells_whether_a_process_is_gone() {
        let this = Owner::new(std::process::id(), 1);
        let [nobody, elsewhere, unknown] = [1, 2, 0].map(|tag| Owner::new(0x3f_ffff, tag));
        assert!(is_gone(nobody, this));
        assert!(!is_gone(elsewhere, this) && !is_gone(this, this));
        assert!(!is_gone(unknown, Owner::new(1, 0)), "two unknown ones may be two");
    }
}
