//! A history: what every process called, when, and what it was answered; and what befell the servers meanwhile.
//!
//! Plain data. The processes of [`crowd`](crate::crowd) note it, the tests of the checker make it up.

use std::time::Duration;

/// What a key holds. A value is known by its *print*: the names of all writes that made it, folded into one
/// number by [`printed`], as the processes do with what they read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Nothing.
    Absent,
    /// A value with that print.
    Value(u64),
    /// A counter.
    Number(u64),
    /// Something that no write of ours can have left: cut short, mixed, or with the flags of another one.
    Garbled,
    /// Nobody knows any more: an answer was wrong.
    Unknown,
}

/// The print of a value with the print `before` when the write called `name` appended to it; with 0, of a value that this
/// write stored. The processes compute the same.
pub fn printed(before: u64, name: u64) -> u64 {
    let mixed = (before ^ name).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// What was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A read, alone or with others.
    Get,
    /// A read that sets a new expiry time, far off.
    GetAndTouch,
    /// A new expiry time, far off.
    Touch,
    /// Store, whatever is there.
    Set(State),
    /// Store if nothing is there.
    Add(State),
    /// Store if something is there.
    Replace(State),
    /// Store if what the token came with is still there.
    Cas {
        /// What is stored.
        new: State,
        /// What the token came with.
        old: State,
        /// When the call began that brought the token.
        fetched: u64,
    },
    /// The write of that name appends to what is there.
    Append(u64),
    /// Delete.
    Delete,
    /// Add; wraps around at 2^64.
    Incr(u64),
    /// Subtract; stops at 0.
    Decr(u64),
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Found.
    Hit(State),
    /// Nothing there.
    Miss,
    /// Stored.
    Stored,
    /// The condition did not hold.
    NotStored,
    /// The token was no longer good.
    Exists,
    /// Nothing there to be changed.
    NotFound,
    /// Deleted.
    Deleted,
    /// It has a new expiry time.
    Touched,
    /// Counted: the new number.
    Number(u64),
    /// It was not carried out, or nobody knows: the reason, below 0; 127 when the process ended before its call did.
    Failed(i8),
}

/// One call for one key.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Who called.
    pub process: u32,
    /// The key's number.
    pub key: u32,
    /// Just before the call, in nanoseconds of one clock for all processes.
    pub start: u64,
    /// Just after it; `u64::MAX`: it never ended.
    pub end: u64,
    /// So long of it the process was ready to go on and got no processor.
    pub waited: u64,
    /// What was asked.
    pub what: What,
    /// How it ended.
    pub answer: Answer,
    /// The proxy that it went through; `None`: the library made it.
    pub proxy: Option<u8>,
}

impl Call {
    /// Whether its answer says nothing about the key.
    pub fn failed(&self) -> bool {
        matches!(self.answer, Answer::Failed(_))
    }

    /// How long it took, without the time that it got no processor.
    pub fn took(&self) -> u64 {
        self.end.saturating_sub(self.start).saturating_sub(self.waited)
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What happened, for people.
    pub what: String,
    /// The proxy that it befell: calls that did not go through this one have no reason to fail. `None`: all may.
    pub proxy: Option<u8>,
    /// Just before it was done.
    pub struck: u64,
    /// From here on every process can know of it: a call that begins later has no reason to fail.
    pub known: u64,
    /// From here on nothing of it is left: CAS tokens that are handed out now stay good.
    pub over: u64,
}

/// The first fault that some process may not have known of for longer than that.
pub fn hidden(faults: &[Fault], longer_than: Duration) -> Option<&Fault> {
    faults.iter().find(|fault| Duration::from_nanos(fault.known.saturating_sub(fault.struck)) > longer_than)
}

/// Everything that is checked.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Every call, in any order.
    pub calls: Vec<Call>,
    /// Every fault.
    pub faults: Vec<Fault>,
    /// What a call may take, in nanoseconds.
    pub timeout: u64,
}

#[test]
fn a_fault_that_nobody_knows_of_for_too_long_is_found() {
    let fault =
        |known| Fault { what: String::new(), proxy: None, struck: 5_000_000_000, known, over: u64::MAX };
    let found = |faults: &[Fault]| hidden(faults, Duration::from_secs(2)).map(|fault| fault.known);
    assert_eq!(found(&[fault(5_000_000_000), fault(7_000_000_000)]), None);
    assert_eq!(found(&[fault(5_000_000_000), fault(7_000_000_001), fault(u64::MAX)]), Some(7_000_000_001));
    assert_eq!(found(&[fault(u64::MAX)]), Some(u64::MAX));
}
