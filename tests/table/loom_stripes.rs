//! The stripes file's words under every order of loads and stores: turns at a stripe, epochs that change hands,
//! and a client that diverts while the daemon settles.

use loom::sync::atomic::AtomicU64;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use memcache::table::stripes::epoch::{self, Epoch};
use memcache::table::stripes::turn::{self, System, Turn};
use memcache::table::stripes::word::{Owner, Word as Stripe};
use memcache::table::words::{LoadWord, SharedWord, StoreWord};

use super::{Word, model};

fn word(value: u64) -> Word {
    Word(AtomicU64::new(value))
}

/// A stripe, what it protects (counted with plain loads and stores), and who sleeps at it.
struct Place {
    stripe: Word,
    count: Word,
    sleepers: Mutex<usize>,
    bell: Condvar,
}

fn place() -> Arc<Place> {
    Arc::new(Place { stripe: word(0), count: word(0), sleepers: Mutex::new(0), bell: Condvar::new() })
}

/// A system at a fixed time, with the kernel's promise: it compares and falls asleep in one step. Nobody
/// wakes up by himself here, so a wake that is lost is a thread that never ends.
struct Kernel<'a>(&'a Place, u64);

impl System for Kernel<'_> {
    const SPINS: u32 = 0;

    fn now(&self) -> u64 {
        self.1
    }

    fn is_gone(&self, _: Owner) -> bool {
        false
    }

    fn sleep(&self, upper: u32, _: u64) -> bool {
        let mut sleepers = self.0.sleepers.lock().expect("no panic");
        if Stripe(self.0.stripe.get()).upper() == upper {
            *sleepers += 1;
            drop(self.0.bell.wait(sleepers).expect("no panic"));
        }
        true
    }

    fn wake(&self) -> bool {
        let mut sleepers = self.0.sleepers.lock().expect("no panic");
        let some = *sleepers > 0;
        if some {
            *sleepers -= 1;
            self.0.bell.notify_one();
        }
        some
    }
}

fn turn_at(place: &Place, pid: u32) {
    let kernel = Kernel(place, 1);
    let Turn { own, .. } = turn::take(&place.stripe, Owner::new(pid, 1), 100, &kernel).expect("a turn");
    assert!(turn::is_held(&place.stripe, own));
    place.count.set(place.count.get() + 1);
    turn::release(&place.stripe, own, &kernel);
}

fn turns(threads: u32, each: u32, preemptions: usize) {
    model(Some(preemptions), move || {
        let place = place();
        let others: Vec<_> = (2..=threads)
            .map(|pid| {
                let place = place.clone();
                thread::spawn(move || (0..each).for_each(|_| turn_at(&place, pid)))
            })
            .collect();
        (0..each).for_each(|_| turn_at(&place, 1));
        others.into_iter().for_each(|other| other.join().expect("a taker"));
        assert_eq!(place.count.get(), u64::from(threads * each), "two were inside at once");
        assert_eq!(Stripe(place.stripe.get()), Stripe::FREE);
    });
}

#[test]
fn two_take_turns_again_and_again() {
    turns(2, 3, 4);
}

#[test]
fn three_take_turns() {
    turns(3, 2, 3);
}

/// The holder's time is over for one of the two others: it gives nothing back that is theirs.
#[test]
fn who_was_taken_over_gives_nothing_back() {
    model(Some(3), || {
        let place = place();
        let early = Kernel(&place, 1);
        let Turn { own, .. } = turn::take(&place.stripe, Owner::new(1, 1), 100, &early).expect("free");
        let other = thread::spawn({
            let place = place.clone();
            move || {
                let late = Kernel(&place, 200);
                let Turn { own, .. } = turn::take(&place.stripe, Owner::new(2, 1), 300, &late).expect("over");
                assert!(turn::is_held(&place.stripe, own));
                thread::yield_now();
                assert!(turn::is_held(&place.stripe, own), "given back by somebody else");
                turn::release(&place.stripe, own, &late);
            }
        });
        turn::release(&place.stripe, own, &early);
        other.join().expect("the other");
        assert!(!turn::is_held(&place.stripe, own));
        assert_eq!(Stripe(place.stripe.get()).pid(), 0);
    });
}

/// Of two that judge from the same epoch one is first, and the other learns of it; whoever sees the count of
/// the changes grow sees the epoch.
#[test]
fn one_of_two_changes_the_epoch() {
    model(None, || {
        let place = Arc::new([word(Epoch::default().word()), word(0)]);
        let odd = Epoch::default().down();
        let change = move |place: &[Word; 2]| epoch::change(&place[0], &place[1], Epoch::default(), odd);
        let other = thread::spawn({
            let place = place.clone();
            move || change(&place)
        });
        let seen = place[1].get();
        Word::acquire_fence();
        if seen > 0 {
            assert_eq!(Epoch::of(place[0].get()), Some(odd));
        }
        let (one, two) = (change(&place), other.join().expect("the other"));
        assert!(matches!((one, two), (Ok(()), Err(Some(_))) | (Err(Some(_)), Ok(()))), "{one:?} {two:?}");
        assert_eq!((Epoch::of(place[0].get()), place[1].get()), (Some(odd), 2));
    });
}

/// docs/one-view.md: of a client's "odd, look" and a daemon's "settling, read" at least one sees the
/// other.
#[test]
fn nobody_diverts_unseen_while_the_table_settles() {
    const SETTLING: u64 = 1 << 63;
    model(None, || {
        // An epoch, the count of the changes, the heartbeat of a writer that was silent.
        let place = Arc::new([word(Epoch::default().word()), word(0), word(0)]);
        let client = thread::spawn({
            let place = place.clone();
            move || {
                let odd = Epoch::default().down();
                epoch::change(&place[0], &place[1], Epoch::default(), odd).expect("nobody else changes it");
                place[2].get() != SETTLING
            }
        });
        place[2].set_release(SETTLING);
        Word::full_fence();
        let seen = Epoch::of(place[0].get()).is_some_and(Epoch::is_odd);
        let diverts = client.join().expect("the client");
        assert!(seen || !diverts, "it diverts, and the daemon does not know");
    });
}
