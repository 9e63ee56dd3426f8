//! Who comes in to a loop and who goes: what it is woken for, its doors, and its end.

use std::sync::atomic::Ordering;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::{DOOR, Hall, REST};
use crate::proxy::listen;
use crate::proxy::session::Session;

/// How many clients are let in at a time.
const AT_ONCE: i32 = 64;

impl Hall {
    /// Another thread has something to say.
    pub(super) fn woken(&mut self) {
        let own = &self.shared.loops[self.index];
        let mut count = [0; 8];
        let _ = rustix::io::read(&own.wake, &mut count);
        let dealt = own.dealt.lock().ok().and_then(|mut dealt| dealt.as_mut().map(std::mem::take));
        dealt.into_iter().flatten().for_each(|client| self.welcome(client));
        self.allowed = self.shared.allowed();
        if let Some(pool) = self.shared.reread.lock().ok().and_then(|reread| reread.clone()) {
            self.crowd.change_list(pool);
        }
        if self.shared.leaving.load(Ordering::Acquire) && !std::mem::replace(&mut self.leaving, true) {
            self.leave();
        }
    }

    /// Nobody is let in any more but who stands at a door that goes with the proxy, and what clients have sent by now is
    /// the last that is taken in of them.
    fn leave(&mut self) {
        for door in 0..self.doors.len() {
            // As many as may stand there; who comes after them is too late.
            let mut left = if self.shared.owns_doors { listen::BACKLOG } else { 0 };
            while left > 0 && self.let_in(door) {
                left -= AT_ONCE;
            }
        }
        for door in self.doors.drain(..) {
            let _ = epoll::delete(&self.epoll, &door);
        }
        for owner in 0..self.sessions.len() as u32 {
            self.read_last(owner);
        }
    }

    /// Takes clients in at a door, and deals them out among the loops. Whether there may be more.
    pub(super) fn let_in(&mut self, door: usize) -> bool {
        for _ in 0..AT_ONCE {
            let Some(door) = self.doors.get(door) else { return false };
            let client = match listen::accept(door) {
                Ok(client) => client,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    self.rest();
                    return false;
                }
                Err(_) => return false,
            };
            self.short = false;
            let all: u64 = self.shared.loops.iter().map(|other| other.counters.clients.get()).sum();
            if all >= self.allowed.clients as u64 {
                self.counters.turned_away.add(1);
                let _ = send(
                    &client,
                    b"SERVER_ERROR too many connections\r\n",
                    SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
                );
                continue;
            }
            let to = self.deals_to;
            self.deals_to = (to + 1) % self.shared.loops.len();
            let ours = to == self.index || self.leaving;
            let kept = if ours { Some(client) } else { self.shared.loops[to].deal(client) };
            kept.into_iter().for_each(|client| self.welcome(client));
        }
        true
    }

    /// Takes nobody any more that another loop lets in. Whether nobody was dealt to this one in the last moment.
    pub(super) fn has_nobody_left(&mut self) -> bool {
        let own = &self.shared.loops[self.index];
        let dealt = own.dealt.lock().ok().and_then(|mut dealt| dealt.take()).unwrap_or_default();
        let nobody = dealt.is_empty();
        dealt.into_iter().for_each(|client| self.welcome(client));
        nobody
    }

    /// There is no descriptor, or no memory, for one more client. Who stands at a door stays there, and would wake this
    /// loop again and again: nobody is looked for there for a moment.
    fn rest(&mut self) {
        if !std::mem::replace(&mut self.short, true) {
            log::warn!(
                "no descriptors are left for more clients (ulimit -n, LimitNOFILE=): they wait until there are"
            );
        }
        self.look_at_doors(EventFlags::empty());
        self.rests_until = Some(self.crowd.now() + REST);
    }

    /// The rest is over.
    pub(super) fn open_again(&mut self) {
        if self.rests_until.is_some_and(|until| self.crowd.now() >= until) {
            self.rests_until = None;
            self.look_at_doors(EventFlags::IN);
        }
    }

    fn look_at_doors(&self, flags: EventFlags) {
        for (number, door) in (0..).zip(&self.doors) {
            let _ = epoll::modify(&self.epoll, door, EventData::new_u64(DOOR + number), flags);
        }
    }

    fn welcome(&mut self, client: OwnedFd) {
        let owner = self.free.pop().unwrap_or(self.sessions.len() as u32);
        if epoll::add(&self.epoll, &client, EventData::new_u64(u64::from(owner)), EventFlags::IN).is_err() {
            self.free.push(owner);
            return;
        }
        self.lives = self.lives.wrapping_add(1);
        let session = Session::new(client, self.lives);
        match self.sessions.get_mut(owner as usize) {
            Some(slot) => *slot = Some(session),
            None => self.sessions.push(Some(session)),
        }
        self.clients += 1;
        self.counters.accepted.add(1);
        self.counters.clients.set(self.clients as u64);
        if self.leaving {
            self.read_last(owner);
        }
    }

    pub(super) fn close(&mut self, owner: u32) {
        if let Some(session) = self.sessions.get_mut(owner as usize).and_then(Option::take) {
            self.weight -= session.weighed;
            self.free.push(owner);
            self.clients -= 1;
            self.counters.clients.set(self.clients as u64);
        }
    }
}
