//! The clock that a client waits by, read in one place. Everything else is handed the time.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::rules::time::Instant;

/// The time that never goes back: `CLOCK_BOOTTIME`, which is what a table's heartbeat is told in, so that
/// a call reads one clock for both. It goes on while the machine is suspended; what was silent through
/// that is heard once more (`silence`). It is read without a system call from Linux 5.3 on, as
/// `CLOCK_MONOTONIC` is.
#[inline]
pub(crate) fn now() -> Instant {
    let time = clock_gettime(ClockId::Boottime);
    // Neither is ever negative on this clock, nor are there so many seconds.
    Instant((time.tv_sec as u64).wrapping_mul(1_000_000).wrapping_add(time.tv_nsec as u64 / 1_000))
}

/// The same time as a table's heartbeat is told in: milliseconds.
pub(super) fn millis(now: Instant) -> u64 {
    now.0 / 1_000
}

/// A span as the kernel takes it. A day is as good as for ever: whoever waits looks again.
pub(super) fn timespec(span: Duration) -> Timespec {
    let span = span.min(Duration::from_secs(24 * 3600));
    Timespec { tv_sec: span.as_secs() as i64, tv_nsec: i64::from(span.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::identity;

    #[test]
    fn the_clock_does_not_go_back() {
        let first = now();
        assert!(first > Instant(0));
        assert!(now() >= first);
        let before = identity::boot_millis();
        assert!(millis(now()) >= before && millis(first) <= before, "the clock of the heartbeat");
    }

    #[test]
    fn spans_keep_their_microseconds() {
        let span = timespec(Duration::from_micros(2_000_003));
        assert_eq!((span.tv_sec, span.tv_nsec), (2, 3_000));
        assert_eq!(timespec(Duration::MAX).tv_sec, 24 * 3600);
    }
}
