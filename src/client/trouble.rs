//! A server that the table calls live and this process cannot reach (rule 18).
//!
//! It counts as out of reach for every client of the process, so that one of them pays for finding
//! out and no other, until the table says something new of it, or a good answer comes. Now and then, at
//! intervals that double, one call tries it again.

use std::time::Duration;

use crate::rules::health::Incarnation;
use crate::rules::time::{Instant, Stamp};
use crate::rules::view::State;
use crate::table::ServerEntry;

/// The wait before it is tried again, at first.
const FIRST: Duration = Duration::from_millis(10);
/// And at most.
const LONGEST: Duration = Duration::from_secs(1);

/// What the table says of a server, as far as news of it are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word {
    state: State,
    since: Stamp,
    mark: u16,
    epoch: u64,
    incarnation: Option<Incarnation>,
}

impl Word {
    pub(super) fn of(entry: &ServerEntry) -> Word {
        let ServerEntry { state, since, mark, epoch, incarnation, .. } = *entry;
        Word { state, since, mark, epoch, incarnation }
    }
}

#[derive(Clone, Copy, Debug)]
struct OutOfReach {
    /// What the table said of it then.
    word: Word,
    /// When it may be tried again.
    until: Instant,
    /// The wait that led there.
    wait: Duration,
}

/// What is known against one server. See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    out_of_reach: Option<OutOfReach>,
    /// A connection to it broke, and no good answer came since.
    broke: bool,
}

impl Trouble {
    /// Whether a good answer would be news.
    pub(super) fn any(&self) -> bool {
        self.broke || self.out_of_reach.is_some()
    }

    /// It cannot be reached. Whether that is news: not while somebody else found it out, or is trying.
    pub(super) fn unreached(&mut self, word: Word, now: Instant) -> bool {
        let before = self.out_of_reach.filter(|found| found.word == word);
        if before.is_some_and(|found| now < found.until) {
            return false;
        }
        let wait = before.map_or(FIRST, |found| (found.wait * 2).min(LONGEST));
        self.out_of_reach = Some(OutOfReach { word, until: now + wait, wait });
        true
    }

    /// A connection broke. Servers close connections for reasons of their own, and one that was
    /// restarted is met as another one: so it is dialled once more before it counts as out of reach.
    pub(super) fn broke(&mut self, word: Word, now: Instant) -> bool {
        std::mem::replace(&mut self.broke, true) && self.unreached(word, now)
    }

    pub(super) fn applies(&self, word: Word) -> bool {
        self.out_of_reach.is_some_and(|found| found.word == word)
    }

    pub(super) fn may_try(&self, word: Word, now: Instant) -> bool {
        self.out_of_reach.is_none_or(|found| found.word != word || now >= found.until)
    }

    /// Whether who asks is to try it.
    pub(super) fn claim(&mut self, word: Word, now: Instant) -> bool {
        if !self.may_try(word, now) {
            return false;
        }
        if let Some(found) = self.out_of_reach.as_mut().filter(|found| found.word == word) {
            // The next one's turn comes later, should this one never tell how it went.
            found.wait = (found.wait * 2).min(LONGEST);
            found.until = now + found.wait;
        }
        true
    }

    /// It was claimed and not tried.
    pub(super) fn unclaim(&mut self, now: Instant) {
        if let Some(found) = &mut self.out_of_reach {
            found.wait = (found.wait / 2).max(FIRST);
            found.until = now;
        }
    }

    /// Somebody waits for it who cannot wait for longer: it may be tried then at the latest.
    pub(super) fn hasten(&mut self, word: Word, latest: Instant) {
        if let Some(found) = self.out_of_reach.as_mut().filter(|found| found.word == word) {
            found.until = found.until.min(latest);
        }
    }

    /// It gave a good answer. Whether it counted as out of reach.
    pub(super) fn over(&mut self) -> bool {
        std::mem::take(self).out_of_reach.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(epoch: u64) -> Word {
        Word { state: State::Steady, since: Stamp::of_wall_clock(1), mark: 1, epoch, incarnation: None }
    }

    fn at(millis: u64) -> Instant {
        Instant(1_000_000_000 + millis * 1_000)
    }

    #[test]
    fn one_call_tries_it_again_and_the_waits_double() {
        let mut trouble = Trouble::default();
        assert!(trouble.claim(word(2), at(0)), "nothing is known against it");
        assert!(trouble.unreached(word(2), at(0)));
        assert!(!trouble.unreached(word(2), at(1)), "another thread finds the same");
        assert!(trouble.applies(word(2)) && !trouble.claim(word(2), at(9)));
        assert!(trouble.claim(word(2), at(10)));
        assert!(!trouble.claim(word(2), at(10)), "one at a time");
        assert!(!trouble.claim(word(2), at(29)) && trouble.claim(word(2), at(30)));
        let mut now = 30;
        for _ in 0..10 {
            now += 1_000;
            assert!(trouble.claim(word(2), at(now)), "a second at most");
        }
        assert!(!trouble.claim(word(2), at(now + 999)));
        assert!(trouble.over() && !trouble.any());
    }

    #[test]
    fn a_claim_that_was_not_used_is_given_back() {
        let mut trouble = Trouble::default();
        trouble.unreached(word(2), at(0));
        assert!(trouble.claim(word(2), at(10)));
        trouble.unclaim(at(11));
        assert!(trouble.claim(word(2), at(11)));
    }

    #[test]
    fn who_waits_tries_in_time() {
        let mut trouble = Trouble::default();
        assert!((0..10).all(|n| trouble.unreached(word(2), at(2_000 * n))));
        assert!(!trouble.may_try(word(2), at(18_500)), "it is left alone for a second");
        trouble.hasten(word(4), at(18_200));
        assert!(!trouble.may_try(word(2), at(18_500)), "that was said under another word of the table");
        trouble.hasten(word(2), at(18_200));
        assert!(!trouble.may_try(word(2), at(18_199)) && trouble.may_try(word(2), at(18_200)));
        trouble.hasten(word(2), at(18_900));
        assert!(trouble.may_try(word(2), at(18_200)), "it never becomes later");
    }

    #[test]
    fn news_from_the_table_end_it() {
        let mut trouble = Trouble::default();
        trouble.unreached(word(2), at(0));
        assert!(!trouble.applies(word(4)) && trouble.claim(word(4), at(0)));
        assert!(trouble.unreached(word(4), at(1)), "and what is found after them is news again");
        assert!(trouble.applies(word(4)) && !trouble.applies(word(2)));
    }

    #[test]
    fn the_second_break_in_a_row_counts() {
        let mut trouble = Trouble::default();
        assert!(!trouble.broke(word(2), at(0)) && trouble.any());
        assert!(!trouble.over() && !trouble.broke(word(2), at(1)), "forgiven by a good answer");
        assert!(trouble.broke(word(2), at(2)));
    }
}
