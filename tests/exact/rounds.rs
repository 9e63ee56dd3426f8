//! Rounds that do not count, because the machine was too busy for what they were to show: few of them are borne, over the
//! whole run. A product that blames healthy servers looks just like a busy machine, but for how often.

use std::sync::{Mutex, PoisonError};

/// So many may be spoilt however few there are: each test of `make check` is one round, and is played once more then.
const ALWAYS: usize = 3;
/// And one more for so many good ones.
const GOOD_FOR_ONE: usize = 10;

/// How many there were.
#[derive(Default)]
pub struct Rounds {
    good: usize,
    /// Why these did not count.
    spoilt: Vec<String>,
}

impl Rounds {
    fn spoil(&mut self, why: String) -> Result<(), String> {
        self.spoilt.push(why);
        let allowed = ALWAYS + self.good / GOOD_FOR_ONE;
        if self.spoilt.len() <= allowed { Ok(()) } else { Err(format!("at most {allowed} may be: {self}")) }
    }
}

impl std::fmt::Display for Rounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Rounds { good, spoilt } = self;
        write!(f, "{} of {} rounds did not count", spoilt.len(), good + spoilt.len())?;
        spoilt.iter().try_for_each(|why| write!(f, "\n  {why}"))
    }
}

/// Those of all worlds of this run.
static ALL: Mutex<Rounds> = Mutex::new(Rounds { good: 0, spoilt: Vec::new() });

/// One was as it should be.
pub fn good() {
    ALL.lock().unwrap_or_else(PoisonError::into_inner).good += 1;
}

/// One did not count.
///
/// # Panics
/// When too many did not.
pub fn spoilt(why: String) {
    let result = ALL.lock().unwrap_or_else(PoisonError::into_inner).spoil(why);
    assert!(result.is_ok(), "the machine is too busy for this test, or that is not all: {result:?}");
    println!("this round does not count; so far {}", so_far());
}

/// How many there were, and why they did not count.
pub fn so_far() -> String {
    ALL.lock().unwrap_or_else(PoisonError::into_inner).to_string()
}

#[test]
fn few_rounds_may_be_spoilt_however_many_are_good_between_them() {
    let mut one = Rounds::default();
    let spoilt = (0..).take_while(|_| one.spoil("a".to_owned()).is_ok()).count();
    assert_eq!(spoilt, ALWAYS);
    let mut many = Rounds::default();
    let mut refused = None;
    for _ in 0..60 {
        many.good += 4;
        refused = refused.or(many.spoil("one of five".to_owned()).err());
    }
    assert!(refused.is_some_and(|why| why.contains("at most 5 may be: 6 of 30 rounds did not count")));
    let mut few = Rounds::default();
    for _ in 0..60 {
        few.good += 11;
        assert_eq!(few.spoil("one of twelve".to_owned()), Ok(()));
    }
}
