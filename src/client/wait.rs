//! Waiting: poll, over any number of sockets with any numbers (select would end at 1,024).

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use smallvec::SmallVec;

use super::{Client, clock};
use crate::rules::operation::Operation;
use crate::rules::time::Instant;

/// The sockets to watch, and whose each is: an index that means something to whoever added it.
#[derive(Default)]
pub(super) struct Watch<'a> {
    sockets: SmallVec<[PollFd<'a>; 16]>,
    owners: SmallVec<[usize; 16]>,
}

/// What was seen: whose socket, and what can be done with it. In the order in which they were added.
pub(super) type Seen = SmallVec<[(usize, PollFlags); 16]>;

impl<'a> Watch<'a> {
    /// Adds a socket.
    pub(super) fn add(&mut self, owner: usize, socket: &'a OwnedFd, events: PollFlags) {
        self.sockets.push(PollFd::new(socket, events));
        self.owners.push(owner);
    }

    /// Waits until something can be done with one of them, but no longer than `limit`. A signal
    /// ends the wait early, with nothing seen: the caller looks at the clock in any case.
    pub(super) fn wait(mut self, limit: Duration) -> Seen {
        match poll(&mut self.sockets, Some(&clock::timespec(limit))) {
            Ok(_) => {
                let said = self.sockets.iter().map(PollFd::revents);
                self.owners.iter().copied().zip(said).collect()
            }
            Err(Errno::INTR) => self.owners.iter().map(|&owner| (owner, PollFlags::empty())).collect(),
            Err(_) => {
                // No memory, or more sockets than the process may have open by now. Whoever waits
                // then asks every socket itself, a thousand times a second.
                std::thread::sleep(limit.min(Duration::from_millis(1)));
                let anything = PollFlags::IN | PollFlags::OUT;
                self.owners.iter().map(|&owner| (owner, anything)).collect()
            }
        }
    }
}

impl Client {
    /// Waits for all sockets, and serves those with which something can be done. Whether there were any. Who comes back
    /// after the deadline sends nothing more.
    pub(super) fn poll(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        limit: Duration,
        deadline: Instant,
    ) -> bool {
        let mut watch = Watch::default();
        let ours = self.exchange.watch(&mut watch);
        let counts = self.trials.watch(&mut watch);
        let seen = watch.wait(limit);
        let now = clock::now();
        self.exchange.note(&seen[..ours]);
        if now >= deadline {
            self.exchange.hush();
        }
        self.exchange.serve(operation, &mut self.views, now);
        self.trials.advance(&seen, ours, &counts, &mut self.views);
        seen.iter().any(|(_, flags)| !flags.is_empty())
    }
}
