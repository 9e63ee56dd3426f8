//! The clocks, read in one place. Everything else is handed the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::rules::time::Instant;

/// The time that never goes back.
pub(super) fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // Neither is ever negative on this clock.
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Instant(seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000))
}

/// Milliseconds since 1970; 0 when the machine's clock stands before that.
pub(super) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A span as the kernel takes it. A day is as good as for ever: whoever waits looks again.
pub(super) fn timespec(span: Duration) -> Timespec {
    let span = span.min(Duration::from_secs(24 * 3600));
    Timespec { tv_sec: span.as_secs() as i64, tv_nsec: i64::from(span.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_go_back() {
        let first = now();
        assert!(first > Instant(0));
        assert!(now() >= first);
        assert!(unix_millis() > 1_600_000_000_000, "milliseconds, not seconds");
    }

    #[test]
    fn spans_keep_their_microseconds() {
        let span = timespec(Duration::from_micros(2_000_003));
        assert_eq!((span.tv_sec, span.tv_nsec), (2, 3_000));
        assert_eq!(timespec(Duration::MAX).tv_sec, 24 * 3600);
    }
}
