//! Busy polling: to ask a socket again and again for a while before one sleeps on it.
//!
//! It spares the sleep and the waking, which are most of what a call waits for where the server is near and has a
//! processor of its own. Where it is slow, or shares ours, the answer never comes while we ask. So it is done
//! only where it helps: [`Busy`] stops when more waits were polled in vain than not, and tries again once in a while.

use std::time::Duration;

use super::connection::Loss;
use super::{Client, clock};
use crate::rules::operation::Operation;
use crate::rules::time::Instant;

/// So many more waits in vain than others, and polling stops.
const DOUBT: u32 = 8;
/// For so many waits it then sleeps at once; twice as many each time that the next one is in vain again.
const PAUSE: u32 = 64;
const LONGEST_PAUSE: u32 = 4096;

/// Whether to poll, by what came of it so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy {
    span: Duration,
    /// How many more waits were in vain than were not, lately.
    doubt: u32,
    /// How many waits are to sleep at once.
    pause: u32,
    next_pause: u32,
}

impl Busy {
    /// For so long a wait; zero: never.
    pub(super) fn of(span: Duration) -> Busy {
        Busy { span, doubt: 0, pause: 0, next_pause: PAUSE }
    }

    /// Whether nothing is ever polled.
    #[inline(always)]
    pub(super) fn is_off(&self) -> bool {
        self.span.is_zero()
    }

    /// For how long a wait is polled at most.
    pub(super) fn longest(&self) -> Duration {
        self.span
    }

    /// From now on for so long; what was learnt is forgotten, if it was another time before.
    pub(super) fn set(&mut self, span: Duration) {
        if self.span != span {
            *self = Busy::of(span);
        }
    }

    /// For how long the wait that begins is polled, by [`Busy::poll`]. Zero: it sleeps at once.
    #[inline]
    pub(super) fn span(&mut self) -> Duration {
        if self.pause == 0 || self.span.is_zero() {
            return self.span;
        }
        self.pause -= 1;
        Duration::ZERO
    }

    /// Receives by `receive`, which is told whether it may sleep: for the first moments it may not. The default is that nothing
    /// came.
    #[inline(always)]
    pub(super) fn receive<T: Default + PartialEq>(
        &mut self,
        now: Instant,
        mut receive: impl FnMut(bool) -> Result<T, Loss>,
    ) -> Result<T, Loss> {
        let mut received = Ok(T::default());
        let polled = !self.is_off() && {
            let until = now + self.span();
            until > now
                && self.poll(until, || {
                    received = receive(false);
                    received != Ok(T::default())
                })
        };
        if polled { received } else { receive(true) }
    }

    /// Looks again and again until something came. False: it is time to sleep.
    pub(super) fn poll(&mut self, until: Instant, mut look: impl FnMut() -> bool) -> bool {
        loop {
            let came = look();
            let late = clock::now() >= until;
            if came || late {
                // Who came back late was not running: others had a use for the processor.
                self.note(came && !late);
                return came;
            }
            std::hint::spin_loop();
        }
    }

    /// A wait was polled. `came`: not in vain.
    fn note(&mut self, came: bool) {
        if came {
            self.doubt = self.doubt.saturating_sub(1);
            self.next_pause = PAUSE;
            return;
        }
        self.doubt += 1;
        if self.doubt >= DOUBT {
            // One wait decides then whether it is worth while again.
            self.doubt = DOUBT - 1;
            self.pause = self.next_pause;
            self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Client {
    /// Polls all connections that owe something. False: nothing came, and it is time to sleep.
    pub(super) fn polled_busily(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        until: Instant,
        deadline: Instant,
    ) -> bool {
        let mut busy = self.busy;
        let came = busy.poll(until, || self.poll(operation, Duration::ZERO, deadline));
        self.busy = busy;
        came
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_micros(50);

    /// Waits in turn, of which answers come to those that `comes` says of, while they are polled. How many of them were polled.
    fn polled(busy: &mut Busy, waits: u32, comes: impl Fn(u32) -> bool) -> u32 {
        let mut polled = 0;
        for wait in 0..waits {
            if !busy.span().is_zero() {
                polled += 1;
                busy.note(comes(wait));
            }
        }
        polled
    }

    #[test]
    fn where_nobody_asked_for_it_nothing_is_polled() {
        assert_eq!(polled(&mut Busy::of(Duration::ZERO), 10_000, |_| true), 0);
    }

    #[test]
    fn where_answers_come_every_wait_is_polled() {
        assert_eq!(polled(&mut Busy::of(SPAN), 10_000, |_| true), 10_000);
        assert_eq!(polled(&mut Busy::of(SPAN), 10_000, |wait| wait % 2 == 0), 10_000, "to every other one");
        assert_eq!(
            polled(&mut Busy::of(SPAN), 10_000, |wait| wait % 100 >= 7),
            10_000,
            "but for short pauses"
        );
    }

    #[test]
    fn where_none_comes_it_stops_and_tries_ever_more_seldom() {
        let mut busy = Busy::of(SPAN);
        assert_eq!(polled(&mut busy, DOUBT, |_| false), DOUBT);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let mut pause = 0;
            while busy.span().is_zero() {
                pause += 1;
            }
            busy.note(false);
            pauses.push(pause);
        }
        assert_eq!(pauses, [64, 128, 256, 512, 1024, 2048, 4096, 4096, 4096]);
        assert!(polled(&mut busy, 100_000, |_| false) <= 100_000 / LONGEST_PAUSE + 1);
    }

    #[test]
    fn where_few_come_it_stops_too() {
        let polled = polled(&mut Busy::of(SPAN), 100_000, |wait| wait % 3 == 0);
        assert!(polled < 20_000, "{polled} of 100,000");
    }

    #[test]
    fn where_they_come_again_it_is_back_with_the_next_trial() {
        let mut busy = Busy::of(SPAN);
        polled(&mut busy, 1_000, |_| false);
        let mut pause = 0;
        while busy.span().is_zero() {
            pause += 1;
        }
        assert!(pause <= 1_024, "{pause}");
        busy.note(true);
        assert_eq!(polled(&mut busy, 10_000, |_| true), 10_000);
        // Doubt is forgotten, and the next pause is a short one.
        assert_eq!(polled(&mut busy, DOUBT, |_| false), DOUBT);
        assert_eq!(polled(&mut busy, PAUSE, |_| true), 0);
        assert_eq!(polled(&mut busy, PAUSE, |_| true), PAUSE);
    }
}
