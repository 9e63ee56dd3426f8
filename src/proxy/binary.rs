//! Clients that speak memcached's binary protocol, which the proxy does not: the first byte of their first request tells.
//!
//! Such a request has no line end that could be waited for, and no text is an answer to it. So they are let go at once: the
//! client's library reports a connection that was closed, and the log says why, once a minute at most.

use super::counters::Counters;
use crate::rules::time::Instant;

/// The first byte of every request of the binary protocol; no command begins with it.
const MAGIC: u8 = 0x80;
/// How long the log is left alone then, in microseconds.
const MINUTE: u64 = 60_000_000;

/// When it was said last.
#[derive(Default)]
pub(super) struct Binary {
    told: Option<Instant>,
}

impl Binary {
    /// Whether these are the first bytes of such a client; then it is counted.
    pub(super) fn is(&mut self, first: &[u8], counters: &Counters, now: Instant) -> bool {
        if first.first() != Some(&MAGIC) {
            return false;
        }
        counters.binary.add(1);
        if self.told.is_none_or(|told| now.0.saturating_sub(told.0) >= MINUTE) {
            self.told = Some(now);
            log::warn!(
                "a client speaks memcached's binary protocol and is let go: let it speak the text protocol (of \
                 php-memcached's sessions: memcached.sess_binary_protocol=0)"
            );
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_and_one_a_minute_is_told_of() {
        let (mut binary, counters) = (Binary::default(), Counters::default());
        assert!(
            !binary.is(b"get k\r\n", &counters, Instant(0)) && !binary.is(b"\x81", &counters, Instant(0))
        );
        assert_eq!((counters.binary.get(), binary.told), (0, None));
        for (now, told) in [(5, 5), (6, 5), (MINUTE + 4, 5), (MINUTE + 5, MINUTE + 5)] {
            assert!(binary.is(b"\x80\x0b", &counters, Instant(now)));
            assert_eq!(binary.told, Some(Instant(told)));
        }
        assert_eq!(counters.binary.get(), 4);
    }
}
