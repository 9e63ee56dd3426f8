//! Time as the rules see it: a number that somebody else read off a clock.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: microseconds since an arbitrary origin, never going back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// How long ago `earlier` was; zero when it lies in the future.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A time that one process writes down and another one reads: on the wall clock, which all machines have and somebody may set;
/// and on the clock of the boot, which nobody sets and one machine has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// Milliseconds since 1970.
    pub unix_millis: u64,
    /// Which boot of which machine `boot_millis` counts from, and in which time namespace. 0: that is not known.
    pub clock: u64,
    /// Milliseconds of `CLOCK_BOOTTIME`; without a meaning where `clock` is 0.
    pub boot_millis: u64,
}

impl Stamp {
    /// A time of which only the wall clock's is known, in milliseconds since 1970.
    pub fn of_wall_clock(unix_millis: u64) -> Stamp {
        Stamp { unix_millis, clock: 0, boot_millis: 0 }
    }

    /// `span` before it.
    #[must_use]
    pub fn before(self, span: Duration) -> Stamp {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let (unix_millis, boot_millis) =
            (self.unix_millis.saturating_sub(millis), self.boot_millis.saturating_sub(millis));
        Stamp { unix_millis, boot_millis, ..self }
    }

    /// The same time as an [`Instant`] of this boot, whose clock is `clock`; `None`: it is of another one, or of an unknown one.
    pub fn of_this_boot(self, clock: u64) -> Option<Instant> {
        (clock != 0 && self.clock == clock).then(|| Instant(self.boot_millis.saturating_mul(1_000)))
    }

    /// Whether it is the later one. Times of one boot tell that whatever became of the wall clock; of others, that clock does.
    pub fn is_after(self, other: Stamp) -> bool {
        self.millis_since(other) > 0
    }

    /// Milliseconds since `earlier`, as [`Stamp::is_after`] tells; 0 when that is the later one.
    pub fn millis_since(self, earlier: Stamp) -> u64 {
        if self.clock != 0 && self.clock == earlier.clock {
            self.boot_millis.saturating_sub(earlier.boot_millis)
        } else {
            self.unix_millis.saturating_sub(earlier.unix_millis)
        }
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, span: Duration) -> Instant {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(micros))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_boot_saw_is_told_by_its_clock_and_all_else_by_the_wall_clock() {
        let stamp = |unix_millis, clock, boot_millis| Stamp { unix_millis, clock, boot_millis };
        let (first, second) = (stamp(9_000, 7, 100), stamp(5_000, 7, 350));
        assert_eq!((second.millis_since(first), first.millis_since(second)), (250, 0), "it was set back");
        assert!(second.is_after(first) && !first.is_after(second) && !first.is_after(first));
        for other in [stamp(9_500, 8, 50), stamp(9_500, 0, 0), Stamp::of_wall_clock(9_500)] {
            assert_eq!((other.millis_since(first), first.millis_since(other)), (500, 0));
        }
        assert_eq!(stamp(9_500, 0, 50).millis_since(stamp(9_000, 0, 60)), 500, "both are of no known boot");
        assert_eq!([7, 8].map(|clock| first.of_this_boot(clock)), [Some(Instant(100_000)), None]);
        assert_eq!(Stamp::of_wall_clock(9_000).of_this_boot(0), None);
        assert_eq!(first.before(Duration::from_micros(60_999)), stamp(8_940, 7, 40));
        assert_eq!(first.before(Duration::from_secs(5)), stamp(4_000, 7, 0));
    }
}
