//! Calm: every call of this machine is over that was under way, and what it sent is executed.
//!
//! For a sweep, which looks at what the servers hold. A call that began under an older view of them may still store a copy
//! where the newer one does not look for it, and be killed before it learns better. Every call that changes something
//! holds its keys' stripes until it ends. So whoever has seen each stripe free, or had it himself, knows that those calls
//! are over; and where a stripe was taken from one who died over it, the servers are proved ([`proof`]).

use std::time::Duration;

use super::{Client, clock, fork, proof};
use crate::table::Held;
use crate::table::stripes::layout::STRIPES;

impl Client {
    /// Waits until every call is over that changes something in this pool and was under way when this one began, on this
    /// machine. False: `within` was over first, or the pool has no stripes to tell by.
    pub fn wait_for_calm(&mut self, within: Duration) -> bool {
        self.tidy_up();
        let deadline = clock::now() + within;
        self.begin(false, clock::now());
        let Some(stripes) = self.views.stripes().cloned() else { return false };
        let now = || clock::millis(clock::now());
        let mut taken_over = Vec::new();
        for stripe in (0..STRIPES as u32).filter(|&stripe| !stripes.is_free(stripe)) {
            match stripes.take(stripe, clock::millis(deadline), fork::epoch(), now) {
                Ok(held) if held.taken_over() => taken_over.push(held),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        if taken_over.is_empty() {
            return true;
        }
        // By the list of now: those who had them may have gone by it, and who joined it is to be proved too.
        self.begin(false, clock::now());
        if self.views.stripes().map(|other| other.id()) != Some(stripes.id()) {
            return false;
        }
        let proved = proof::prove(&mut self.views, &self.terms, deadline);
        if proved {
            taken_over.iter_mut().for_each(Held::proved);
        }
        proved
    }
}
