//! A stripe's word: who holds it, and when that must be over.
//!
//! ```text
//! bits 42-63  the holder's process id; 0: nobody holds it
//! bits 33-41  the tag of the holder's process id namespace; 0: unknown
//! bit  32     somebody waits
//! bits 0-31   the lower half of the deadline, in milliseconds of CLOCK_BOOTTIME
//! ```
//!
//! All zeros: free. Nobody holds it and somebody waits: *handed on*, to one of those who wait already.

/// The longest that a stripe is held, in milliseconds. A deadline further off is none that a holder wrote, and
/// so cannot keep anybody waiting.
pub const LONGEST: u64 = 300_000;

const WAITER: u64 = 1 << 32;

/// What a stripe's word says. Any number is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub u64);

/// Who takes a stripe: a process of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pid: u32,
    tag: u16,
}

impl Owner {
    /// A process and the tag of its namespace. (A process id has at most 22 bits on Linux.)
    pub fn new(pid: u32, tag: u16) -> Owner {
        Owner { pid: pid & 0x3f_ffff, tag: tag & 0x1ff }
    }

    /// It as the lower 31 bits of a number, in which other bits may stand above it.
    pub(super) fn of_bits(bits: u64) -> Owner {
        Owner::new((bits >> 9) as u32, bits as u16)
    }

    /// Of which this gives the 31 bits.
    pub(super) fn bits(self) -> u64 {
        u64::from(self.pid) << 9 | u64::from(self.tag)
    }

    /// The process id.
    pub fn pid(self) -> u32 {
        self.pid
    }

    /// Whether the two process ids are of one namespace.
    pub fn comparable(self, other: Owner) -> bool {
        self.tag != 0 && self.tag == other.tag
    }
}

impl Word {
    /// Nobody holds it.
    pub const FREE: Word = Word(0);
    /// Nobody holds it, and it is for one of those who wait.
    pub const HANDED_ON: Word = Word(WAITER);

    /// Held by this process until then.
    pub fn held(owner: Owner, deadline: u64) -> Word {
        Word(u64::from(owner.pid) << 42 | u64::from(owner.tag) << 33 | deadline & 0xffff_ffff)
    }

    /// The holder's process id; 0: nobody.
    pub fn pid(self) -> u32 {
        (self.0 >> 42) as u32
    }

    /// The tag of its namespace.
    pub fn tag(self) -> u16 {
        (self.0 >> 33) as u16 & 0x1ff
    }

    /// Who holds it.
    pub fn owner(self) -> Owner {
        Owner { pid: self.pid(), tag: self.tag() }
    }

    /// Nobody holds it, and it is for one of those who wait.
    pub fn is_handed_on(self) -> bool {
        self.pid() == 0 && self.0 & WAITER != 0
    }

    /// The same, and somebody waits.
    #[must_use]
    pub fn awaited(self) -> Word {
        Word(self.0 | WAITER)
    }

    /// The same, and somebody waits if somebody waited in `before`.
    #[must_use]
    pub fn awaited_as(self, before: Word) -> Word {
        Word(self.0 | before.0 & WAITER)
    }

    /// The half in which the kernel sees it change hands.
    pub fn upper(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// How many milliseconds it may still be held at `now`; `None` when its time is over, or never was one.
    /// `now` must have been read after the word, or a holder that came between the two would seem to claim
    /// more than anybody may.
    pub fn left(self, now: u64) -> Option<u64> {
        let left = u64::from((self.0 as u32).wrapping_sub(now as u32));
        (1..=LONGEST).contains(&left).then_some(left)
    }

    /// Whether one who has (or has not) waited already may take it at `now`.
    pub fn may_be_taken(self, now: u64, waited: bool) -> bool {
        match self.pid() {
            0 => waited || !self.is_handed_on(),
            _ => self.left(now).is_none(),
        }
    }
}
