//! Pace: a walk works for a share of the time and rests for the rest of it, so that the servers have theirs for others.
//!
//! It is the time that counts, not the keys: a server under load takes longer for a batch, and so gets longer rests.
//!
//! A batch is small, for what others have to wait behind is one batch: at a server, and for the stripes of its keys. It has fewer keys
//! where the share is small, and fewer still when the last one took long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Who rests looks so often whether he is to end.
const LOOK: Duration = Duration::from_millis(20);

/// Keys that are moved at once with a small share of the time, and with all of it.
const BATCHES: (u32, u32) = (64, 512);
/// Up to which share, in percent, it is small.
const SMALL: u32 = 10;
/// However long they take, so many.
const FEWEST: u32 = 8;
/// A batch that took longer is followed by one half as large; one that took less than half of it, by a larger one.
const LONG: Duration = Duration::from_millis(5);

/// See the module.
#[derive(Clone, Debug)]
pub struct Pace {
    share: Arc<AtomicU32>,
    /// Keys of the next batch.
    batch: u32,
    stop: Arc<AtomicBool>,
}

impl Pace {
    /// `share`: percents of the time, 1 to 100, which may change. `stop` ends every rest.
    pub fn new(share: Arc<AtomicU32>, stop: Arc<AtomicBool>) -> Pace {
        let mut pace = Pace { share, batch: 0, stop };
        pace.batch = most(pace.share());
        pace
    }

    fn share(&self) -> u32 {
        self.share.load(Ordering::Relaxed).clamp(1, 100)
    }

    /// How many keys are moved at once.
    pub fn batch(&self) -> usize {
        self.batch as usize
    }

    /// A whole batch took so long: how large the next one is.
    pub fn took(&mut self, work: Duration) {
        if work > LONG {
            self.batch = (self.batch / 2).max(FEWEST);
        } else if work < LONG / 2 {
            self.batch = (self.batch + self.batch / 4).min(most(self.share()));
        }
    }

    /// How long to rest after so much work.
    fn span(&self, work: Duration) -> Duration {
        let share = self.share();
        work * (100 - share) / share
    }

    /// Rests after so much work. False: it is time to end. A share that changes counts for the rest under way.
    pub fn rest(&self, work: Duration) -> bool {
        self.wait_for(|| self.span(work))
    }

    /// Waits. False: it is time to end.
    pub fn wait(&self, span: Duration) -> bool {
        self.wait_for(|| span)
    }

    fn wait_for(&self, span: impl Fn() -> Duration) -> bool {
        let begin = Instant::now();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            let left = span().saturating_sub(begin.elapsed());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}

/// The most keys of a batch.
fn most(share: u32) -> u32 {
    let (small, large) = BATCHES;
    small + (large - small) * share.saturating_sub(SMALL) / (100 - SMALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_time_and_batches_to_go_with_it() {
        let pace = |share| Pace::new(Arc::new(AtomicU32::new(share)), Arc::default());
        let work = Duration::from_millis(10);
        for (share, rest, batch) in [(1, 990, 64), (10, 90, 64), (50, 10, 263), (100, 0, 512)] {
            assert_eq!((pace(share).span(work).as_millis(), pace(share).batch()), (rest, batch), "{share} %");
        }
        assert_eq!((pace(0).share(), pace(1000).share()), (1, 100));
    }

    #[test]
    fn batches_that_take_long_become_small_and_grow_again() {
        let mut pace = Pace::new(Arc::new(AtomicU32::new(100)), Arc::default());
        let mut after = |millis| {
            pace.took(Duration::from_millis(millis));
            pace.batch()
        };
        assert_eq!([after(6), after(3), after(500)], [256, 256, 128]);
        assert_eq!((0..10).map(|_| after(500)).last(), Some(8));
        assert_eq!((0..30).map(|_| after(1)).last(), Some(512));
    }

    #[test]
    fn a_share_that_grows_ends_a_rest() {
        let share = Arc::new(AtomicU32::new(1));
        let pace = Pace::new(Arc::clone(&share), Arc::default());
        let resting = std::thread::spawn(move || pace.rest(Duration::from_secs(3600)));
        share.store(100, Ordering::Relaxed);
        assert!(resting.join().expect("no panic"), "it goes on");
    }

    #[test]
    fn who_is_to_end_does_not_rest() {
        let stop = Arc::new(AtomicBool::new(true));
        let share = |share| Arc::new(AtomicU32::new(share));
        assert!(!Pace::new(share(1), stop).rest(Duration::from_secs(3600)));
        assert!(Pace::new(share(100), Arc::default()).rest(Duration::from_secs(3600)));
    }
}
