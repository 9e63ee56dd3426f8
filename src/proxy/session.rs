//! A session: one client's connection, its requests in the order in which they came, and what it is owed.
//!
//! Answers leave in the order of the requests, whatever the order in which they are known. A client that sends and does not
//! read is not read any further once it has too much under way: what it sends then waits in its own socket.
//!
//! A client that is idle has no buffers: what comes is read into the loop's own, and only what is not whole yet is kept.

use std::collections::VecDeque;

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::call::Supplies;
use super::everyone::Pending;
use crate::rules::time::Instant;

/// The most requests of one client that are under way at a time.
const MOST_REQUESTS: usize = 4096;
/// What an answer costs at least, in bytes.
const ANSWER: usize = 256;
/// What is said at once is no command's.
pub(super) const SAID: u8 = u8::MAX;
/// An empty buffer longer than this is given back, in bytes.
const KEPT: usize = 4 << 10;
/// The same while answers are still to come.
const KEPT_AT_WORK: usize = 64 << 10;

/// Where an answer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// By itself.
    Alone,
    /// It is one of a get's.
    Within,
    /// It is a get's last, and `END` stands behind it.
    Last,
}

/// The place of one answer.
pub(super) struct Answer {
    pub(super) number: u32,
    /// It is known.
    pub(super) done: bool,
    /// The client does not want to hear it.
    pub(super) silent: bool,
    pub(super) place: Place,
    /// A key of this get could not be asked for: the text stands in place of `END`.
    pub(super) failed: bool,
    /// Bytes of a value that its call holds.
    pub(super) held: usize,
    /// What kind of command it is, for those who count.
    pub(super) command: u8,
    pub(super) began: Instant,
    pub(super) text: Vec<u8>,
}

/// A get that was begun, and its keys that there was no room for yet.
pub(super) struct Unbegun {
    /// Keys, as the client wrote them. Up to `at` they were begun meanwhile.
    pub(super) keys: Vec<u8>,
    pub(super) at: usize,
    pub(super) cas: bool,
    /// The new expiry time, where they get one.
    pub(super) touch: Option<i64>,
}

/// One client.
pub(super) struct Session {
    pub(super) socket: OwnedFd,
    /// Tells it from others that had its number before.
    pub(super) life: u32,
    /// Nothing came yet.
    pub(super) new: bool,
    /// What came and is not whole.
    pub(super) inbox: Vec<u8>,
    /// So many bytes are needed before it is worth a look.
    pub(super) needed: usize,
    /// The get that comes before these.
    pub(super) unbegun: Option<Unbegun>,
    /// So many bytes are passed over.
    pub(super) skip: usize,
    /// What is to be sent.
    out: Vec<u8>,
    sent: usize,
    answers: VecDeque<Answer>,
    /// The number of the next request.
    next: u32,
    /// Bytes of answers that are known and not their turn.
    known: usize,
    /// About how long its answers are.
    typical: usize,
    /// Bytes of values that its calls hold.
    held: usize,
    /// Nothing more is begun until all that was is over.
    pub(super) barrier: bool,
    /// It asked for its end: nothing behind that is begun, and it is closed when it has all its answers.
    pub(super) leaving: bool,
    /// Nothing more is read: what came is begun yet, and then it is closed when it has all its answers.
    pub(super) ended: bool,
    /// What is in its socket now is the last that is read of it.
    pub(super) last: bool,
    /// Nobody is there to be answered. What was asked is done all the same.
    pub(super) gone: bool,
    /// A question of it to every server. It is a barrier, so there is one at most.
    pub(super) pending: Option<Pending>,
    /// Why a get that is half written cannot be ended.
    failure: Option<Vec<u8>>,
    /// It is watched for these.
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// What it weighed when that was added up last.
    pub(super) weighed: usize,
    /// It stands among those to be served before the loop waits.
    pub(super) marked: bool,
}

/// What became of an attempt to read or write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Socket {
    Fine,
    /// There may be more.
    More,
    Closed,
}

impl Session {
    pub(super) fn new(socket: OwnedFd, life: u32) -> Session {
        Session {
            socket,
            life,
            new: true,
            inbox: Vec::new(),
            needed: 0,
            unbegun: None,
            skip: 0,
            out: Vec::new(),
            sent: 0,
            answers: VecDeque::new(),
            next: 0,
            known: 0,
            typical: 32 << 10,
            held: 0,
            barrier: false,
            leaving: false,
            ended: false,
            last: false,
            gone: false,
            pending: None,
            failure: None,
            reads: true,
            writes: false,
            weighed: 0,
            marked: false,
        }
    }

    /// Whether it has too much under way for another request. `most`: bytes, of which an answer that is not known yet
    /// is taken to have as many as the last ones had.
    pub(super) fn is_full(&self, most: usize) -> bool {
        let window = (most / self.typical.max(1)).clamp(1, MOST_REQUESTS);
        self.answers.len() >= window || self.owed() + self.known + self.held >= most
    }

    /// About how many bytes it costs at this moment, beside what rests with every client.
    pub(super) fn weight(&self) -> usize {
        let unbegun = self.unbegun.as_ref().map_or(0, |unbegun| unbegun.keys.len());
        self.owed() + self.known + self.held + self.inbox.capacity() + unbegun
    }

    /// Has it weighed anew among all of them.
    pub(super) fn weigh(&mut self, all: &mut usize) {
        let weight = self.weight();
        *all = *all + weight - std::mem::replace(&mut self.weighed, weight);
    }

    /// Bytes that it was not sent yet.
    pub(super) fn owed(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Whether it is owed nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.answers.is_empty() && self.owed() == 0
    }

    /// Whether all that was begun is over.
    pub(super) fn is_quiet(&self) -> bool {
        self.answers.is_empty()
    }

    /// Whether another request may be begun. `most`: as for [`Session::is_full`].
    pub(super) fn may_begin(&self, most: usize) -> bool {
        !(self.leaving || self.barrier || self.is_full(most))
    }

    /// Whether more may be read of it: what came is begun first. Of one that may not, what it sends stays where it is.
    pub(super) fn may_read(&self, most: usize) -> bool {
        !self.ended && !self.has_more() && self.may_begin(most)
    }

    /// Whether something may be begun at once: of what is kept, or of the last that is read.
    pub(super) fn can_go_on(&self, most: usize) -> bool {
        (self.has_more() || (self.last && !self.ended)) && self.may_begin(most)
    }

    /// Whether nothing is owed to it, and nothing more is to be begun. Half a request is not waited for: the other half may
    /// never come.
    pub(super) fn is_over(&self) -> bool {
        self.is_idle() && (self.leaving || (self.ended && !self.has_more()))
    }

    /// Whether there is a whole request among what is kept, as far as is known, or more of a get.
    pub(super) fn has_more(&self) -> bool {
        self.unbegun.is_some() || (!self.inbox.is_empty() && self.inbox.len() >= self.needed)
    }

    /// A place for the answer to a request. Its number.
    pub(super) fn expect(
        &mut self,
        silent: bool,
        place: Place,
        command: u8,
        held: usize,
        began: Instant,
    ) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.held += held;
        let (done, failed, text) = (false, false, Vec::new());
        self.answers.push_back(Answer { number, done, silent, place, failed, held, command, began, text });
        number
    }

    /// An answer is known.
    pub(super) fn settle(&mut self, number: u32, text: Vec<u8>, failed: bool) {
        let Some(answer) = self.answer(number) else { return };
        let len = text.len();
        answer.done = true;
        answer.text = text;
        answer.failed = failed && answer.place != Place::Alone;
        let held = answer.held;
        self.held = self.held.saturating_sub(held);
        self.known += len;
        // A large one is believed at once, small ones only by and by.
        self.typical = len.max(self.typical / 2).max(ANSWER);
    }

    /// The place of an answer that is not known yet.
    fn answer(&mut self, number: u32) -> Option<&mut Answer> {
        let first = self.answers.front()?.number;
        let at = number.wrapping_sub(first) as usize;
        self.answers.get_mut(at).filter(|answer| !answer.done)
    }

    /// Says something at once, in its place.
    pub(super) fn say(&mut self, text: &[u8], noreply: bool) {
        if noreply {
            return;
        }
        if self.answers.is_empty() {
            self.out.extend_from_slice(text);
            return self.out.extend_from_slice(b"\r\n");
        }
        let number = self.expect(false, Place::Alone, SAID, 0, Instant(0));
        self.settle(number, [text, b"\r\n"].concat(), false);
    }

    /// What is left of a get is not asked for, and that is said in place of its end.
    pub(super) fn break_off(&mut self, text: &[u8]) {
        let number = self.expect(false, Place::Last, SAID, 0, Instant(0));
        self.settle(number, [text, b"\r\n"].concat(), true);
    }

    /// Moves what is known, as far as it is the next, to what is sent. `over` hears of each that is over.
    pub(super) fn collect(&mut self, supplies: &mut Supplies, over: &mut dyn FnMut(&Answer)) {
        while self.answers.front().is_some_and(|answer| answer.done) {
            let Some(mut answer) = self.answers.pop_front() else { break };
            over(&answer);
            let mut text = std::mem::take(&mut answer.text);
            self.known = self.known.saturating_sub(text.len());
            if answer.failed {
                // What a get says in place of its end, it says once.
                self.failure.get_or_insert(std::mem::take(&mut text));
            }
            if answer.place == Place::Last {
                match self.failure.take() {
                    Some(failure) => text.extend_from_slice(&failure),
                    None => text.extend_from_slice(b"END\r\n"),
                }
            }
            if !answer.silent {
                if self.out.is_empty() && (text.len() > KEPT || self.out.capacity() == 0) {
                    std::mem::swap(&mut self.out, &mut text);
                } else {
                    self.out.extend_from_slice(&text);
                }
            }
            supplies.take_text(text);
        }
    }

    /// Nobody is there any more to be answered: answers are dropped, and what is in the socket is the last of what was asked.
    pub(super) fn is_gone(&mut self, epoll: &OwnedFd) {
        // A dead socket would wake the loop again and again, whatever it is watched for.
        let _ = epoll::delete(epoll, &self.socket);
        (self.gone, self.last) = (true, true);
        let _ = self.flush();
    }

    /// Sends what the client takes.
    pub(super) fn flush(&mut self) -> Socket {
        if self.gone {
            self.out.clear();
            self.sent = 0;
        }
        while self.sent < self.out.len() {
            match send(&self.socket, &self.out[self.sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => self.sent += sent,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN | Errno::NOBUFS) => {
                    if self.sent > self.out.len() / 2 {
                        self.out.drain(..self.sent);
                        self.sent = 0;
                    }
                    return Socket::More;
                }
                Err(_) => return Socket::Closed,
            }
        }
        self.out.clear();
        self.sent = 0;
        if self.out.capacity() > KEPT_AT_WORK {
            self.out = Vec::new();
        }
        Socket::Fine
    }

    /// Reads once, into the loop's buffer behind what is kept of earlier bytes.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Socket> {
        match recv(&self.socket, buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Err(Socket::Closed),
            Ok((count, _)) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Err(Socket::Fine),
            Err(_) => Err(Socket::Closed),
        }
    }

    /// Takes memory back from one that rests, also in the middle of a request.
    pub(super) fn rest(&mut self, supplies: &mut Supplies) {
        if self.is_idle() {
            if self.inbox.is_empty() {
                self.inbox = Vec::new();
            } else if self.inbox.capacity() > KEPT.max(4 * self.inbox.len()) {
                self.inbox.shrink_to_fit();
            }
            supplies.take_text(std::mem::take(&mut self.out));
            if self.answers.capacity() > 32 {
                self.answers.shrink_to(8);
            }
        }
    }
}
