//! Messages for a person about what is wrong around the servers: each cause is told once per process,
//! by whichever client meets with it first.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use super::fork::PerProcess;
use super::twin::lock;

/// What there is to tell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Cause {
    /// The table is not used.
    Refused,
    /// The table is unattended.
    Unattended,
    /// The stripes are not used.
    Stripes,
    /// A program wanted to hold a server down.
    Hold,
    /// A name cannot be looked up.
    Name,
}

/// What this process told. A forked child tells its own.
static TOLD: PerProcess<Mutex<BTreeSet<(Cause, String)>>> = PerProcess::new();

/// Whether this process is to be told of that, about the file or the server `of`: it was not yet.
pub(super) fn is_news(cause: Cause, of: &Path) -> bool {
    let told = TOLD.get(|_| Mutex::default());
    lock(told).insert((cause, of.display().to_string()))
}
