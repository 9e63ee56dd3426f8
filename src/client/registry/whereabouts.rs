//! Where a server listens: what its name stood for when it was last looked up.
//!
//! A resolver knows no deadline of ours and can take half a minute. So a name is looked up where somebody expects to wait, when
//! a client is opened or the list of servers changes; and once more, from time to time, when somebody dialled what
//! leads nowhere: a name can have had no address yet when the machine came up, and it can have another one by now.
//!
//! Who dials does not look up, for he may hold a key's turn and have commands that are not sent. He wants it, and a client of the
//! process does it where no server owes it an answer and it reads the clock before it goes on; a loop that has others to serve has
//! a thread do it. What the parent of a forked child wanted to be looked up the child wants when it dials.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, Ordering::Relaxed};
#[cfg(feature = "programs")]
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustix::net::SocketAddrAny;

use super::{Known, REVISION};
use crate::client::clock;
use crate::client::resolve::{is_name, resolve};
use crate::rules::time::Instant;

/// A name is not looked up again for so long,
const PAUSE: Duration = Duration::from_secs(2);
/// nor for so many times as long as that took, so that a resolver which hangs costs no more of a program's time than this.
const SHARE: u32 = 50;

/// How often anybody wanted a name to be looked up. Nothing is ever taken from it, so that neither a wish that nobody fulfils nor a
/// fork in the middle of one leaves anything behind.
static WISHES: AtomicU64 = AtomicU64::new(0);

/// Grows with every wish of this process's: who sees that looks whether one of his names is wanted.
#[inline]
pub(in crate::client) fn wishes() -> u64 {
    WISHES.load(Ordering::Acquire)
}

/// Who looks up a name again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::client) enum Lookup {
    /// A client, in its call.
    InCall,
    /// A thread's of its own: the caller has others to serve.
    #[cfg(feature = "programs")]
    Beside,
}

/// What is known of a name beside its addresses.
#[derive(Default)]
pub(super) struct Whereabouts {
    /// No connection was made since one could not be.
    astray: AtomicBool,
    /// When it may be looked up again, in microseconds.
    again: AtomicU64,
    /// A client is to do so.
    wanted: AtomicBool,
}

impl Known {
    /// Where it listens, as any client of this process last resolved it; empty: never.
    pub(in crate::client) fn sites(&self) -> Arc<[SocketAddrAny]> {
        self.inner.read(|inner| Arc::clone(&inner.sites))
    }

    /// Looks up where it listens. Blocks as long as the resolver does.
    ///
    /// # Errors
    /// A message for a person. What was known before is known still.
    pub(in crate::client) fn look_up(&self) -> Result<(), String> {
        let began = clock::now();
        let found = resolve(&self.address);
        let now = clock::now();
        let pause = PAUSE.max(now.since(began) * SHARE);
        self.whereabouts.again.store((now + pause).0, Relaxed);
        let sites = found?;
        self.whereabouts.astray.store(false, Relaxed);
        self.found(sites);
        Ok(())
    }

    /// Takes in where it listens.
    pub(in crate::client) fn found(&self, sites: Vec<SocketAddrAny>) {
        self.change(|inner| {
            inner.sites = sites.into();
            ((), false)
        });
    }

    /// Somebody dialled. `made`: and there is a connection.
    pub(in crate::client) fn dialled(&self, made: bool) {
        if self.whereabouts.astray.load(Relaxed) == made {
            self.whereabouts.astray.store(!made, Relaxed);
        }
    }

    /// What to dial: empty, if there is no address. A name that leads nowhere is to be looked up again.
    pub(in crate::client) fn sites_to_dial(
        self: &Arc<Known>,
        lookup: Lookup,
        now: Instant,
    ) -> Arc<[SocketAddrAny]> {
        let sites = self.sites();
        let leads_nowhere = sites.is_empty() || self.whereabouts.astray.load(Relaxed);
        if leads_nowhere && is_name(&self.address) && self.claims_lookup(now) {
            match lookup {
                Lookup::InCall => self.want_lookup(),
                #[cfg(feature = "programs")]
                Lookup::Beside => {
                    // Without a thread it stays as it is until the next time.
                    if self.look_up_beside().is_none() {
                        self.whereabouts.again.store((now + PAUSE).0, Relaxed);
                    }
                }
            }
        }
        sites
    }

    /// Looks it up in a thread of its own. What is heard when that is done; `None`: there is no thread to be had.
    #[cfg(feature = "programs")]
    pub(in crate::client) fn look_up_beside(self: &Arc<Known>) -> Option<Receiver<Result<(), String>>> {
        let known = Arc::clone(self);
        let (tell, heard) = sync_channel(1);
        // Who wanted it may be gone by then.
        let look_up = move || drop(tell.send(known.look_up()));
        std::thread::Builder::new().spawn(look_up).ok().map(|_| heard)
    }

    fn want_lookup(&self) {
        self.whereabouts.wanted.store(true, Relaxed);
        // Who sees the number sees the wish too.
        WISHES.fetch_add(1, Ordering::Release);
        // The next call of a client to which all seems well is to look up too.
        REVISION.fetch_add(1, Ordering::Release);
    }

    /// Looks it up, if somebody wanted that; whether he did. Blocks as long as the resolver does.
    pub(in crate::client) fn look_up_if_wanted(&self) -> bool {
        let wanted = &self.whereabouts.wanted;
        let takes_it = wanted.load(Relaxed) && wanted.swap(false, Relaxed);
        if takes_it {
            // Why not was told when the client was opened.
            let _ = self.look_up();
        }
        takes_it
    }

    /// Whether the name is to be looked up by who asks.
    fn claims_lookup(&self, now: Instant) -> bool {
        let again = self.whereabouts.again.load(Relaxed);
        // Who claims it may never be heard of again.
        let next = (now + PAUSE * SHARE).0;
        now.0 >= again && self.whereabouts.again.compare_exchange(again, next, Relaxed, Relaxed).is_ok()
    }
}
