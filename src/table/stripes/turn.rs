//! Taking turns at one stripe, over any word and any system: a model checker's as well.
//!
//! Free: one exchange takes it and one gives it back. Held by another: a short spin, then sleep, with the
//! word marked as waited for. Who gives back a stripe that is waited for does not free it but hands it
//! on: it is then only for those who have slept already, and one of them, who has slept longest, is woken. So
//! a process that gives back and takes again in a loop finds itself behind all who wait, and with N of them
//! each waits for about N turns. Should the one that was woken be dead, it still is no deadlock:
//! nobody sleeps longer than [`LAST_NAP`], and who has slept may take.

use super::super::words::SharedWord;
use super::word::{LONGEST, Owner, Word};

/// How long the first sleep is, in milliseconds, when nobody wakes the sleeper. That is how soon the death of a
/// holder is noticed.
pub const FIRST_NAP: u64 = 4;
/// Sleeps double up to this: who looks up loses his place in the kernel's queue, so those who have waited
/// long look up more seldom than those who came after them.
pub const LAST_NAP: u64 = 16;

/// What taking turns asks of the system.
pub trait System {
    /// How often a stripe is looked at before the first sleep.
    const SPINS: u32;
    /// Milliseconds of CLOCK_BOOTTIME.
    fn now(&self) -> u64;
    /// Whether a holder has certainly ended.
    fn is_gone(&self, holder: Owner) -> bool;
    /// Sleeps while the word's upper half is `upper`, at most so long. Whether it was woken.
    fn sleep(&self, upper: u32, millis: u64) -> bool;
    /// Wakes the one that has slept longest. Whether there was one.
    fn wake(&self) -> bool;
}

/// The stripe could not be had in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The process that held it last, by its id in its own namespace; 0: nobody, the time was over before.
    pub holder: u32,
}

impl std::fmt::Display for Overdue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.holder {
            0 => f.write_str("the time was up before the key's turn came"),
            pid => write!(f, "process {pid} was at work on the same key until the time was up"),
        }
    }
}

impl std::error::Error for Overdue {}

/// A stripe that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The word that it is held by.
    pub own: Word,
    /// Until when.
    pub deadline: u64,
    /// It was taken from a holder who ended or overran his deadline.
    pub taken_over: bool,
}

/// Takes the stripe until `deadline`, or [`LONGEST`] from now if that is sooner.
///
/// # Errors
/// When it cannot be had before the deadline.
#[inline]
pub fn take<W: SharedWord>(
    word: &W,
    owner: Owner,
    deadline: u64,
    system: &impl System,
) -> Result<Turn, Overdue> {
    let now = system.now();
    if deadline <= now {
        return Err(Overdue { holder: 0 });
    }
    let deadline = deadline.min(now.saturating_add(LONGEST));
    let own = Word::held(owner, deadline);
    let free = word.exchange(Word::FREE.0, own.0).is_ok();
    let before = if free { Word::FREE } else { wait(word, own, deadline, system)? };
    Ok(Turn { own, deadline, taken_over: before.pid() != 0 })
}

/// The word that it was taken from.
#[cold]
fn wait<W: SharedWord, S: System>(word: &W, own: Word, deadline: u64, system: &S) -> Result<Word, Overdue> {
    for _ in 0..S::SPINS {
        std::hint::spin_loop();
        if word.get() == Word::FREE.0 && word.exchange(Word::FREE.0, own.0).is_ok() {
            return Ok(Word::FREE);
        }
    }
    let (mut nap, mut waited) = (FIRST_NAP, false);
    loop {
        let found = Word(word.get());
        // The clock is read after the word: see Word::left.
        W::acquire_fence();
        let now = system.now();
        if now >= deadline {
            if found.is_handed_on() {
                // It may have been to us that it was handed.
                system.wake();
            }
            return Err(Overdue { holder: found.pid() });
        }
        if found.may_be_taken(now, waited) || (found.pid() != 0 && system.is_gone(found.owner())) {
            // Who has slept may have had the only wake that there was: others may sleep behind him.
            let own = if waited { own.awaited() } else { own.awaited_as(found) };
            if word.exchange(found.0, own.0).is_ok() {
                return Ok(found);
            }
            continue;
        }
        let awaited = found.awaited();
        if awaited != found && word.exchange(found.0, awaited.0).is_err() {
            continue;
        }
        let most = found.left(now).unwrap_or(nap).min(deadline - now);
        let woken = system.sleep(awaited.upper(), nap.min(most));
        waited = true;
        if !woken {
            nap = (2 * nap).min(LAST_NAP);
        }
    }
}

/// Takes the stripe until `deadline`, if that can be done at once: for one who does not wait.
pub fn try_take<W: SharedWord>(word: &W, owner: Owner, deadline: u64, system: &impl System) -> Option<Turn> {
    let found = Word(word.get());
    // The clock is read after the word: see Word::left.
    W::acquire_fence();
    let now = system.now();
    let deadline = deadline.min(now.saturating_add(LONGEST));
    let held = found.pid() != 0 && found.left(now).is_some();
    if deadline <= now || (held && !system.is_gone(found.owner())) {
        return None;
    }
    let own = Word::held(owner, deadline);
    word.exchange(found.0, own.0).ok()?;
    Some(Turn { own, deadline, taken_over: found.pid() != 0 })
}

/// Takes the stripe until `deadline`, if it may be taken at once: for one who looks at it now and then in place of sleeping.
/// `waited`: he has looked before, and so is no newcomer.
pub fn look<W: SharedWord>(
    word: &W,
    owner: Owner,
    deadline: u64,
    waited: bool,
    system: &impl System,
) -> Option<Turn> {
    let found = Word(word.get());
    // The clock is read after the word: see Word::left.
    W::acquire_fence();
    let now = system.now();
    let deadline = deadline.min(now.saturating_add(LONGEST));
    let gone = || found.pid() != 0 && system.is_gone(found.owner());
    if deadline <= now || !(found.may_be_taken(now, waited) || gone()) {
        return None;
    }
    // Those who sleep behind it are still there.
    let own = Word::held(owner, deadline).awaited_as(found);
    word.exchange(found.0, own.0).ok()?;
    Some(Turn { own, deadline, taken_over: found.pid() != 0 })
}

/// Takes the stripe until `deadline` if it is free, and from nobody: what a holder who is gone has sent is for those who
/// wait for the stripe to prove.
pub fn take_free<W: SharedWord>(word: &W, owner: Owner, deadline: u64, system: &impl System) -> Option<Turn> {
    let now = system.now();
    let deadline = deadline.min(now.saturating_add(LONGEST));
    let own = Word::held(owner, deadline);
    (deadline > now && word.exchange(Word::FREE.0, own.0).is_ok()).then_some(Turn {
        own,
        deadline,
        taken_over: false,
    })
}

/// Holds it until `deadline` from now on, also when its time was over: if nobody has taken it, nobody had it
/// meanwhile. False: somebody has.
pub fn prolong<W: SharedWord>(word: &W, turn: &mut Turn, deadline: u64) -> bool {
    let own = Word::held(turn.own.owner(), deadline);
    let ours = word.exchange(turn.own.0, own.0).is_ok();
    if ours {
        (turn.own, turn.deadline) = (own, deadline);
    }
    ours
}

/// Gives the stripe back, if it is still held by `own`.
#[inline]
pub fn release<W: SharedWord>(word: &W, own: Word, system: &impl System) {
    if word.exchange(own.0, Word::FREE.0).is_err() {
        hand_on(word, own, system);
    }
}

#[cold]
fn hand_on<W: SharedWord>(word: &W, own: Word, system: &impl System) {
    if word.exchange(own.awaited().0, Word::HANDED_ON.0).is_err() {
        // It was taken over: it is somebody else's to give back.
        return;
    }
    // Nobody sleeps: who waited has given up, or has not gone to sleep yet and will look at the word once more.
    // Unless he, or somebody who came just now, fell asleep over the word that was handed on.
    if !system.wake() && word.exchange(Word::HANDED_ON.0, Word::FREE.0).is_ok() {
        system.wake();
    }
}

/// Whether the stripe is still held by `own`. One load.
#[inline]
pub fn is_held<W: SharedWord>(word: &W, own: Word) -> bool {
    let held = Word(word.get()).awaited() == own.awaited();
    W::acquire_fence();
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::words::{LoadWord, StoreWord};
    use std::cell::Cell;
    use std::sync::atomic::AtomicU64;

    /// A system whose clock goes on by a nap, and in which one process is gone.
    struct Fake {
        now: Cell<u64>,
        naps: Cell<u32>,
        wakes: Cell<u32>,
        gone: Owner,
    }

    impl System for Fake {
        const SPINS: u32 = 3;

        fn now(&self) -> u64 {
            self.now.get()
        }

        fn is_gone(&self, holder: Owner) -> bool {
            holder == self.gone
        }

        fn sleep(&self, _: u32, millis: u64) -> bool {
            self.now.set(self.now.get() + millis);
            self.naps.set(self.naps.get() + 1);
            false
        }

        fn wake(&self) -> bool {
            self.wakes.set(self.wakes.get() + 1);
            true
        }
    }

    const ONE: u64 = 1_000_000;

    fn fake() -> Fake {
        let gone = Owner::new(66, 1);
        Fake { now: Cell::new(ONE), naps: Cell::new(0), wakes: Cell::new(0), gone }
    }

    fn owner(pid: u32) -> Owner {
        Owner::new(pid, 1)
    }

    #[test]
    fn who_looks_now_and_then_takes_a_turn_too() {
        let (word, system) = (AtomicU64::new(0), fake());
        let held = look(&word, owner(1), ONE + 5, false, &system).expect("free");
        assert!(!held.taken_over && look(&word, owner(2), ONE + 5, true, &system).is_none());
        // Somebody sleeps behind it: it is handed on, and for those who waited.
        word.set(held.own.awaited().0);
        release(&word, held.own, &system);
        assert_eq!(word.get(), Word::HANDED_ON.0);
        assert!(look(&word, owner(2), ONE + 5, false, &system).is_none(), "a newcomer");
        let held = look(&word, owner(2), ONE + 5, true, &system).expect("it waited");
        assert_eq!(Word(word.get()), held.own, "who sleeps is still known of");
        assert_ne!(held.own, Word::held(owner(2), ONE + 5));
        // One who is gone, and one who is late.
        word.set(Word::held(Owner::new(66, 1), ONE + 50).0);
        assert!(look(&word, owner(3), ONE + 5, false, &system).is_some_and(|turn| turn.taken_over));
        system.now.set(ONE + 6);
        assert!(look(&word, owner(4), ONE + 50, false, &system).is_some_and(|turn| turn.taken_over));
    }

    #[test]
    fn a_free_stripe_is_two_exchanges() {
        let (word, system) = (AtomicU64::new(0), fake());
        let Turn { own, deadline, taken_over } = take(&word, owner(1), ONE + 5, &system).expect("free");
        assert_eq!((own.pid(), own.tag(), own.left(ONE), deadline), (1, 1, Some(5), ONE + 5));
        assert!(is_held(&word, own) && !taken_over);
        release(&word, own, &system);
        assert_eq!((word.get(), system.naps.get(), system.wakes.get()), (0, 0, 0));
        let Turn { own, deadline, .. } = take(&word, owner(1), u64::MAX, &system).expect("free");
        assert_eq!((own.left(ONE), deadline), (Some(LONGEST), ONE + LONGEST));
    }

    #[test]
    fn a_held_one_is_waited_for_until_somebodys_deadline() {
        let (word, system) = (AtomicU64::new(0), fake());
        let Turn { own, .. } = take(&word, owner(1), ONE + 50, &system).expect("free");
        assert_eq!(take(&word, owner(2), ONE + 30, &system), Err(Overdue { holder: 1 }));
        assert_eq!(system.now.get(), ONE + 30, "no nap goes beyond one's own deadline");
        assert!(is_held(&word, own) && word.get() == own.awaited().0);
        let Turn { own: next, taken_over, .. } =
            take(&word, owner(2), ONE + 99, &system).expect("its deadline is over");
        assert_eq!(system.now.get(), ONE + 50, "nor beyond the holder's");
        assert!(taken_over);
        release(&word, own, &system);
        assert!(!is_held(&word, own) && is_held(&word, next));
        release(&word, next, &system);
        assert_eq!((Word(word.get()), system.wakes.get()), (Word::HANDED_ON, 1));
    }

    #[test]
    fn what_is_handed_on_is_for_those_who_have_slept() {
        let (word, system) = (AtomicU64::new(Word::HANDED_ON.0), fake());
        take(&word, owner(1), ONE + 50, &system).expect("after a nap");
        assert_eq!((system.naps.get(), system.now.get()), (1, ONE + FIRST_NAP));
        word.set(Word::HANDED_ON.0);
        assert_eq!(take(&word, owner(1), ONE + FIRST_NAP + 1, &system), Err(Overdue { holder: 0 }));
        assert_eq!(system.wakes.get(), 1, "what was handed to one who gives up is for the next");
    }

    #[test]
    fn a_dead_one_holds_nothing() {
        let (word, system) = (AtomicU64::new(0), fake());
        word.set(Word::held(system.gone, ONE + 50).awaited().0);
        let Turn { own, .. } = take(&word, owner(1), ONE + 50, &system).expect("at once");
        assert_eq!((system.naps.get(), word.get()), (0, own.awaited().0));
    }

    #[test]
    fn who_does_not_wait_takes_what_nobody_holds_or_holds_any_more() {
        let (word, system) = (AtomicU64::new(0), fake());
        let turn = try_take(&word, owner(1), ONE + 50, &system).expect("free");
        assert!(is_held(&word, turn.own) && !turn.taken_over);
        assert_eq!(try_take(&word, owner(2), ONE + 90, &system), None);
        assert_eq!(word.get(), turn.own.0, "nobody waits");
        system.now.set(ONE + 50);
        let next = try_take(&word, owner(2), ONE + 90, &system).expect("its time is over");
        assert!(next.taken_over && !is_held(&word, turn.own));
        word.set(Word::held(system.gone, ONE + 99).0);
        assert!(try_take(&word, owner(1), ONE + 90, &system).expect("its holder is gone").taken_over);
        word.set(Word::HANDED_ON.0);
        assert!(!try_take(&word, owner(1), ONE + 90, &system).expect("nobody's").taken_over);
        word.set(0);
        assert_eq!(try_take(&word, owner(1), ONE + 50, &system), None, "that time is over");
        let turn = try_take(&word, owner(1), u64::MAX, &system).expect("free");
        assert_eq!(turn.deadline, ONE + 50 + LONGEST);
        assert_eq!(system.naps.get(), 0);
    }

    #[test]
    fn who_takes_a_free_one_takes_it_from_nobody() {
        let (word, system) = (AtomicU64::new(0), fake());
        let turn = take_free(&word, owner(1), ONE + 50, &system).expect("free");
        assert!(is_held(&word, turn.own) && !turn.taken_over);
        assert_eq!(take_free(&word, owner(2), ONE + 90, &system), None);
        word.set(Word::held(system.gone, ONE + 99).0);
        assert_eq!(take_free(&word, owner(2), ONE + 90, &system), None, "nor from one who is gone");
        word.set(Word::HANDED_ON.0);
        assert_eq!(take_free(&word, owner(2), ONE + 90, &system), None, "somebody is about to take it");
        word.set(0);
        assert_eq!(take_free(&word, owner(2), ONE, &system), None, "that time is over");
        assert_eq!((word.get(), system.naps.get()), (0, 0));
    }

    #[test]
    fn what_nobody_took_is_prolonged_and_what_somebody_took_is_lost() {
        let (word, system) = (AtomicU64::new(0), fake());
        let mut turn = try_take(&word, owner(1), ONE + 50, &system).expect("free");
        assert!(prolong(&word, &mut turn, ONE + 70));
        assert_eq!((turn.deadline, turn.own.left(ONE)), (ONE + 70, Some(70)));
        system.now.set(ONE + 70);
        assert!(prolong(&word, &mut turn, ONE + 99) && is_held(&word, turn.own), "late, and nobody came");
        system.now.set(ONE + 99);
        let next = try_take(&word, owner(2), ONE + 150, &system).expect("too late");
        assert!(!prolong(&word, &mut turn, ONE + 300) && is_held(&word, next.own));
        release(&word, turn.own, &system);
        assert!(is_held(&word, next.own), "who lost it gives nothing back");
        release(&word, next.own, &system);
        assert!(!prolong(&word, &mut turn, ONE + 300) && word.get() == 0, "nor takes what others left");
    }

    #[test]
    fn deadlines_come_around() {
        for now in [0, 5, (1 << 32) - 3, 1 << 32, (7 << 32) + 1] {
            let word = |off: u64| Word::held(owner(1), now + off);
            assert_eq!(word(0).left(now), None);
            assert_eq!(word(1).left(now), Some(1));
            assert_eq!(word(LONGEST).left(now), Some(LONGEST));
            assert_eq!(word(LONGEST + 1).left(now), None);
            assert_eq!(word(0).left(now + 1), None);
        }
    }
}
