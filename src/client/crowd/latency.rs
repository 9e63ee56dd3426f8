//! How long things took: a histogram of fixed steps, each twice as long as the one before.
//!
//! It is an array of counts, so to note one costs an addition and no memory, and those of several loops are added up. What
//! it tells of a quantile is the upper end of its step: at most twice the truth, and never less than it.

/// The shortest step's upper end is 2 to this, in microseconds.
const FIRST: u32 = 4;
/// How many steps there are; the last ends at 16 seconds.
pub(crate) const STEPS: usize = 21;

/// The upper end of a step, in microseconds. What is longer than the last one's is in none.
pub(crate) fn end_of(step: usize) -> u64 {
    1 << (FIRST as usize + step.min(STEPS - 1))
}

/// The step that so many microseconds are in; [`STEPS`]: in none.
pub(crate) fn step_of(micros: u64) -> usize {
    let bits = u64::BITS - micros.saturating_sub(1).leading_zeros();
    (bits.saturating_sub(FIRST) as usize).min(STEPS)
}

/// How many of what took how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Latency {
    /// How many were in each step, and beyond the last.
    pub(crate) steps: [u64; STEPS + 1],
    /// All together, in microseconds.
    pub(crate) micros: u64,
}

impl Latency {
    /// Notes one.
    pub(crate) fn note(&mut self, micros: u64) {
        self.steps[step_of(micros)] += 1;
        self.micros += micros;
    }

    /// Adds another's.
    pub(crate) fn add(&mut self, other: &Latency) {
        self.steps.iter_mut().zip(&other.steps).for_each(|(own, more)| *own += more);
        self.micros += other.micros;
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.steps.iter().sum()
    }

    /// So many thousandths took no longer than this, in microseconds; 0 when there were none.
    pub(crate) fn quantile(&self, thousandths: u64) -> u64 {
        let wanted = self.count().saturating_mul(thousandths).div_ceil(1000);
        let mut below = 0;
        for (step, count) in self.steps.iter().enumerate() {
            below += count;
            if wanted > 0 && below >= wanted {
                // Beyond the last step there is no end to tell of but twice its.
                return if step < STEPS { end_of(step) } else { 2 * end_of(step) };
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_in_the_first_step_that_does_not_end_before_it() {
        for micros in (0..5_000).chain([1 << 23, (1 << 23) + 1, (1 << 24) - 1, 1 << 24]) {
            let step = step_of(micros);
            assert!(step < STEPS && micros <= end_of(step), "{micros}");
            assert!(step == 0 || micros > end_of(step - 1), "{micros}");
        }
        assert_eq!((end_of(0), end_of(STEPS - 1)), (16, 1 << 24));
        assert_eq!((step_of((1 << 24) + 1), step_of(u64::MAX)), (STEPS, STEPS));
    }

    #[test]
    fn quantiles_are_the_ends_of_their_steps() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile(500), 0);
        (1..=98).for_each(|_| latency.note(20));
        latency.note(1000);
        latency.note(100_000_000);
        assert_eq!(latency.count(), 100);
        assert_eq!((latency.quantile(1), latency.quantile(500), latency.quantile(980)), (32, 32, 32));
        assert_eq!((latency.quantile(990), latency.quantile(1000)), (1024, 1 << 25));
    }

    #[test]
    fn those_of_two_loops_are_added_up() {
        let (mut one, mut other) = (Latency::default(), Latency::default());
        one.note(10);
        other.note(10);
        other.note(300);
        one.add(&other);
        assert_eq!((one.count(), one.micros, one.steps[0], one.steps[5]), (3, 320, 2, 1));
    }
}
