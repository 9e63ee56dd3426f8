//! What a call can be told to have been, by a client of the library and by one of the proxy alike.

use std::fmt;

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Hit,
    Miss,
    Stored,
    NotStored,
    Exists,
    NotFound,
    Deleted,
    Touched,
    Number(u64),
    Done,
    /// There is nothing more to say: `MN`.
    NoMore,
    /// Refused, unavailable, timeout: nothing may be concluded from it.
    Failed,
    /// A fault inside, or what is no answer at all.
    Broken,
}

/// What was said of one key.
#[derive(Clone)]
pub struct Said {
    pub key: Vec<u8>,
    pub what: What,
    /// The value of a hit.
    pub value: Vec<u8>,
}

impl Said {
    pub fn of(key: &[u8], what: What) -> Said {
        Said { key: key.to_vec(), what, value: Vec::new() }
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = &self.value[..self.value.len().min(60)];
        write!(f, "{}: {:?} {:?}", self.key.escape_ascii(), self.what, value.escape_ascii().to_string())
    }
}
