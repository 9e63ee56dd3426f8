//! What is to be sent: command lines and small values, copied, and between them large values that are only lent.
//!
//! A lent value is never copied here. It is known by the tag of its command, and the operation is asked for
//! its bytes whenever some of them can be sent. That ends with the command's answer. A server that refuses a
//! value answers before it has read all of it, so what is left of it then is kept here: the server still counts on it.

use std::collections::VecDeque;
use std::io::IoSlice;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use smallvec::SmallVec;

use super::inbox::{KEPT, Spare};
use crate::rules::key::MAX_KEY_LEN;
use crate::rules::operation::Tag;
use crate::rules::wire::Command;
use crate::rules::wire::pending::Pending;

/// A value of so many bytes is not copied: less is copied in less time than a further piece costs the kernel.
pub(super) const LENT: usize = 16 << 10;
/// For a command of a key alone so much room is enough, whatever key it is: [`Command::room`].
const AMPLE: usize = 2 * MAX_KEY_LEN + 160;
/// The room to begin with, in bytes: a whole line of keys fits.
const FIRST: usize = 4 << 10;
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
/// So many lent values are sent with one system call at most.
const AT_ONCE: usize = 8;

/// A value that stands before the byte at `place`.
struct Lent {
    place: usize,
    tag: Tag,
    len: usize,
}

/// A send buffer. See the module.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How much of `bytes` was sent.
    at: usize,
    lent: VecDeque<Lent>,
    /// How much of the first lent value was sent.
    within: usize,
    /// How long all values are that were lent since `bytes` was empty, and how much of them was sent.
    lent_bytes: u64,
    lent_sent: u64,
    /// How many bytes were sent before `bytes` began.
    before: u64,
    /// What is to be sent next is lost.
    spoiled: bool,
    spare: Spare,
}

impl Outbox {
    /// Whether something is to be sent. (Behind a lent value there is at least its line end.)
    #[inline]
    pub(super) fn unsent(&self) -> bool {
        self.at < self.bytes.len()
    }

    /// How many bytes were composed over the connection's life.
    pub(super) fn composed(&self) -> u64 {
        self.before + self.bytes.len() as u64 + self.lent_bytes
    }

    /// How many of them were sent.
    pub(super) fn sent(&self) -> u64 {
        self.before + self.at as u64 + self.lent_sent
    }

    /// Takes a command in, as [`Pending::ask`] does, which is told of it as `question`.
    #[inline(always)]
    pub(super) fn ask<T: Copy>(
        &mut self,
        pending: &mut Pending<T>,
        (question, tag): (T, Tag),
        command: &Command<'_>,
        meta: bool,
    ) -> bool {
        let Some(place) = pending.ask_beside(question, command, meta, LENT, &mut self.bytes) else {
            return false;
        };
        if place < self.bytes.len() {
            self.lend(place, tag, command);
        }
        true
    }

    #[cold]
    fn lend(&mut self, place: usize, tag: Tag, command: &Command<'_>) {
        let len = command.value().map_or(0, <[u8]>::len);
        self.lent.push_back(Lent { place, tag, len });
        self.lent_bytes += len as u64;
    }

    /// Makes room for `command`, so that [`Outbox::ask`] allocates nothing. False: there is no memory for it.
    #[inline(always)]
    pub(super) fn make_room<T: Copy>(&mut self, pending: &mut Pending<T>, command: &Command<'_>) -> bool {
        let is_get = matches!(command, Command::Get { .. });
        let is_ample = self.bytes.capacity() - self.bytes.len() >= AMPLE;
        (is_get && is_ample && pending.has_room()) || self.make_more_room(pending, command)
    }

    #[inline(never)]
    fn make_more_room<T: Copy>(&mut self, pending: &mut Pending<T>, command: &Command<'_>) -> bool {
        if self.bytes.capacity() < FIRST {
            // If there is none, what is needed may still be had.
            let _ = self.bytes.try_reserve_exact(FIRST);
        }
        let copied = command.value().map_or(0, <[u8]>::len);
        match copied < LENT {
            true => pending.make_room(command, copied, &mut self.bytes),
            false => pending.make_room(command, 0, &mut self.bytes) && self.lent.try_reserve(1).is_ok(),
        }
    }

    /// Takes in a command that goes alone and is remembered by nobody, as [`Pending::say`] does, with a value that is not lent.
    #[inline(always)]
    pub(super) fn say<T: Copy>(&mut self, pending: &Pending<T>, command: &Command<'_>, meta: bool) -> bool {
        let copied = command.value().map_or(0, <[u8]>::len);
        let has_room = self.bytes.capacity() - self.bytes.len() >= command.room(copied);
        copied < LENT && has_room && pending.say(command, meta, &mut self.bytes)
    }

    /// Ends what further questions could have joined.
    pub(super) fn close<T: Copy>(&mut self, pending: &mut Pending<T>) {
        pending.close(&mut self.bytes);
    }

    /// Sends once, as much as the kernel takes. `value`: the bytes of a value that was lent, always the same.
    #[inline]
    pub(super) fn send<'v>(
        &mut self,
        socket: &OwnedFd,
        value: impl Fn(Tag) -> Option<&'v [u8]>,
    ) -> Result<(), Errno> {
        if self.spoiled {
            return Err(Errno::INVAL);
        }
        if self.lent.is_empty() {
            return self.send_copied(socket);
        }
        let sent = sendmsg(socket, &self.pieces(value)?, &mut SendAncillaryBuffer::default(), FLAGS)?;
        self.advance(sent);
        self.clear_if_sent();
        Ok(())
    }

    /// As [`Outbox::send`], while no value is lent.
    #[inline(always)]
    pub(super) fn send_copied(&mut self, socket: &OwnedFd) -> Result<(), Errno> {
        self.at += send(socket, &self.bytes[self.at..], FLAGS)?;
        self.clear_if_sent();
        Ok(())
    }

    #[inline(always)]
    fn clear_if_sent(&mut self) {
        if !self.unsent() {
            self.before = self.composed();
            (self.lent_bytes, self.lent_sent) = (0, 0);
            self.at = 0;
            if self.bytes.len() > KEPT {
                self.spare.used(self.bytes.len());
            }
            self.bytes.clear();
        }
    }

    /// What is to be sent next, in order.
    fn pieces<'p, 'v: 'p>(
        &'p self,
        value: impl Fn(Tag) -> Option<&'v [u8]>,
    ) -> Result<SmallVec<[IoSlice<'p>; 2 * AT_ONCE + 1]>, Errno> {
        let mut pieces = SmallVec::new();
        let (mut at, mut within) = (self.at, self.within);
        for lent in self.lent.iter().take(AT_ONCE) {
            // Another value than was announced: to send it would be to send commands that nobody gave.
            let value = value(lent.tag).filter(|value| value.len() == lent.len).ok_or(Errno::INVAL)?;
            pieces.push(IoSlice::new(&self.bytes[at..lent.place]));
            pieces.push(IoSlice::new(&value[within..]));
            (at, within) = (lent.place, 0);
        }
        let end = self.lent.get(AT_ONCE).map_or(self.bytes.len(), |lent| lent.place);
        pieces.push(IoSlice::new(&self.bytes[at..end]));
        Ok(pieces)
    }

    /// So much more was sent.
    fn advance(&mut self, mut sent: usize) {
        while let Some(lent) = self.lent.front() {
            let line = sent.min(lent.place - self.at);
            self.at += line;
            let data = (sent - line).min(lent.len - self.within);
            self.within += data;
            self.lent_sent += data as u64;
            sent -= line + data;
            if self.at < lent.place || self.within < lent.len {
                return;
            }
            self.lent.pop_front();
            self.within = 0;
        }
        self.at += sent;
    }

    /// Whether values are lent.
    #[inline]
    pub(super) fn borrows(&self) -> bool {
        !self.lent.is_empty()
    }

    /// A command is about to be answered, and its operation will not be asked for `value` any more: what was not sent of
    /// it is copied.
    #[cold]
    pub(super) fn keep(&mut self, tag: Tag, value: Option<&[u8]>) {
        let Some(index) = self.lent.iter().position(|lent| lent.tag == tag) else { return };
        let Some(Lent { place, len, .. }) = self.lent.remove(index) else { return };
        let sent = if index == 0 { std::mem::take(&mut self.within) } else { 0 };
        let rest =
            value.filter(|value| value.len() == len).and_then(|value| value.get(sent..)).unwrap_or_default();
        if self.bytes.try_reserve(rest.len()).is_err() {
            // The server would take what is sent next for what it still waits for.
            return self.spoiled = true;
        }
        self.bytes.splice(place..place, rest.iter().copied());
        self.lent_bytes -= rest.len() as u64;
        for lent in self.lent.iter_mut().skip(index) {
            lent.place += rest.len();
        }
    }

    /// Forgets everything; another connection begins.
    pub(super) fn clear(&mut self) {
        (self.at, self.within, self.before) = (0, 0, 0);
        (self.lent_bytes, self.lent_sent) = (0, 0);
        self.spoiled = false;
        self.lent.clear();
        self.bytes.clear();
    }

    /// The call is over: gives memory back that calls have no need of.
    #[inline]
    pub(super) fn rest(&mut self) {
        if self.bytes.capacity() > KEPT {
            self.spare.rest(&mut self.bytes);
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::wire::Verb;

    #[test]
    fn ample_room_is_enough_for_the_longest_key() {
        assert!(Command::Get { key: &[b'k'; MAX_KEY_LEN], meta: true }.room(0) <= AMPLE);
    }

    fn store(value: &[u8]) -> Command<'_> {
        Command::Store { verb: Verb::Set, key: b"k", flags: 0, exptime: 0, value }
    }

    /// More values than are sent at once, small and large, and what the server is to read.
    fn values() -> (Vec<Vec<u8>>, Vec<u8>) {
        let lens = [LENT, 3, LENT + 1].into_iter().chain((0..AT_ONCE).map(|more| LENT + 2 + more));
        let values: Vec<Vec<u8>> = lens.map(|len| (0..len).map(|at| (at % 251) as u8).collect()).collect();
        let mut whole = Vec::new();
        for value in &values {
            whole.extend_from_slice(format!("set k 0 0 {}\r\n", value.len()).as_bytes());
            whole.extend_from_slice(value);
            whole.extend_from_slice(b"\r\n");
        }
        (values, whole)
    }

    fn filled(values: &[Vec<u8>]) -> Outbox {
        let (mut outbox, mut pending) = (Outbox::default(), Pending::<Tag>::default());
        for (tag, value) in (0..).zip(values) {
            assert!(outbox.ask(&mut pending, (tag, tag), &store(value), false));
        }
        outbox
    }

    /// The kernel takes as much as `takes` says of what it is offered. What it took.
    fn taken(outbox: &mut Outbox, values: &[Vec<u8>], takes: usize) -> Vec<u8> {
        let value = |tag: Tag| values.get(tag as usize).map(Vec::as_slice);
        let mut offered = Vec::new();
        outbox.pieces(value).unwrap().iter().for_each(|piece| offered.extend_from_slice(piece));
        offered.truncate(takes);
        outbox.advance(offered.len());
        offered
    }

    #[test]
    fn wherever_the_kernel_stops_it_goes_on_there() {
        let (values, whole) = values();
        let mut ends = vec![];
        let mut at = 0;
        for value in &values {
            at += format!("set k 0 0 {}\r\n", value.len()).len();
            ends.extend([at, at + value.len(), at + value.len() + 2]);
            at += value.len() + 2;
        }
        for stop in ends.iter().flat_map(|end| [end - 1, *end, end + 1]).filter(|stop| *stop < whole.len()) {
            let mut outbox = filled(&values);
            assert_eq!((outbox.sent(), outbox.composed()), (0, whole.len() as u64));
            let mut read = Vec::new();
            while read.len() < stop {
                let left = stop - read.len();
                read.extend(taken(&mut outbox, &values, left));
            }
            assert_eq!(outbox.sent(), stop as u64);
            while outbox.unsent() {
                read.extend(taken(&mut outbox, &values, 7_001));
            }
            assert!(read == whole, "stopped at {stop}");
            assert_eq!((outbox.sent(), outbox.composed()), (whole.len() as u64, whole.len() as u64));
        }
    }

    #[test]
    fn what_is_kept_of_an_answered_value_stands_where_it_stood() {
        let (values, whole) = values();
        for (tag, stop) in [(0, 0), (0, 5), (0, 5_000), (0, LENT + 17), (2, 20_000), (2, 0), (9, 0)] {
            let mut outbox = filled(&values);
            let mut read = Vec::new();
            while read.len() < stop {
                let left = stop - read.len();
                read.extend(taken(&mut outbox, &values, left));
            }
            outbox.keep(tag, Some(&values[tag as usize]));
            assert_eq!((outbox.sent(), outbox.composed()), (stop as u64, whole.len() as u64));
            let mut others = values.clone();
            others[tag as usize].clear();
            while outbox.unsent() {
                read.extend(taken(&mut outbox, &others, 7_001));
            }
            assert!(read == whole, "value {tag}, at {stop}");
        }
    }

    #[test]
    fn memory_for_many_small_values_is_kept_for_a_few_calls_without_a_use_for_it() {
        let mut spare = Spare::default();
        let mut buffer = Vec::with_capacity(1 << 20);
        spare.used(1 << 20);
        spare.rest(&mut buffer);
        for call in 1..super::super::inbox::CALLS {
            spare.used(100);
            spare.rest(&mut buffer);
            assert_eq!(buffer.capacity(), 1 << 20, "call {call}");
        }
        spare.used(100_000);
        spare.rest(&mut buffer);
        assert_eq!(buffer.capacity(), 1 << 20, "there was a use for it");
        for _ in 0..super::super::inbox::CALLS {
            spare.rest(&mut buffer);
        }
        assert!(buffer.capacity() <= super::super::inbox::KEPT);
        let mut huge = Vec::with_capacity(64 << 20);
        spare.used(64 << 20);
        spare.rest(&mut huge);
        assert!(huge.capacity() <= super::super::inbox::KEPT, "so much is not kept at all");
    }
}
