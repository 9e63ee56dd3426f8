//! The hall: one loop, its clients, and the crowd of their calls.

mod entry;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::Timespec;

use super::begin::{Begin, Next};
use super::binary::Binary;
use super::call::{Call, Supplies, TIMEOUT, Told};
use super::counters::Counters;
use super::everyone::Pending;
use super::request::{Parsed, parse};
use super::service::{Allowed, Shared};
use super::session::{Session, Socket};
use crate::client::crowd::{Crowd, Ended};
use crate::rules::operation::Operation;
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;

/// What is read of a client at a time, in bytes.
const ROOM: usize = 64 << 10;
/// What one client may have under way, and what is read of it at a time, while all together have too much, in bytes.
const LITTLE: usize = 4 << 10;
/// How often a client is read at most before others are.
const MOST_READS: usize = 256;
/// How many values are moved in one round.
const MOST_MOVES: usize = 16;
/// How many events are taken in at a time.
const EVENTS: usize = 256;
/// How long nobody is let in where there is no descriptor for them.
const REST: Duration = Duration::from_millis(100);
/// What the loop's own descriptors are known by.
const WAKE: u64 = u64::MAX;
const DOOR: u64 = 1 << 40;

/// One loop. See the module.
pub(super) struct Hall {
    index: usize,
    shared: Arc<Shared>,
    allowed: Allowed,
    counters: Arc<Counters>,
    crowd: Crowd<Call>,
    supplies: Supplies,
    epoll: OwnedFd,
    /// Where this loop lets clients in: one loop does, and deals them out.
    doors: Vec<OwnedFd>,
    binary: Binary,
    /// When the doors are looked at again, after a moment without a descriptor for who came in.
    rests_until: Option<Instant>,
    /// That was said, and nobody was let in since.
    short: bool,
    deals_to: usize,
    sessions: Vec<Option<Session>>,
    free: Vec<u32>,
    lives: u32,
    clients: usize,
    /// About what all of them weigh: see [`Session::weight`].
    weight: usize,
    /// Clients that have something to be sent, or to be begun, before the loop waits.
    marked: Vec<u32>,
    again: Vec<u32>,
    room: Vec<u8>,
    /// Keys whose values reads found at a later place than they belong.
    displaced: Vec<(Vec<u8>, ServerId)>,
    leaving: bool,
}

impl Hall {
    pub(super) fn new(index: usize, shared: Arc<Shared>, doors: Vec<OwnedFd>) -> Result<Hall, String> {
        let fault = |error: rustix::io::Errno| format!("epoll: {error}");
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(fault)?;
        let wake = &shared.loops[index].wake;
        epoll::add(&epoll, wake, EventData::new_u64(WAKE), EventFlags::IN).map_err(fault)?;
        for (number, door) in (0..).zip(&doors) {
            epoll::add(&epoll, door, EventData::new_u64(DOOR + number), EventFlags::IN).map_err(fault)?;
        }
        let crowd = Crowd::open(Arc::clone(&shared.pool), shared.table.clone());
        Ok(Hall {
            index,
            counters: Arc::clone(&shared.loops[index].counters),
            allowed: shared.allowed(),
            shared,
            crowd,
            supplies: Supplies::default(),
            epoll,
            doors,
            binary: Binary::default(),
            rests_until: None,
            short: false,
            deals_to: 0,
            sessions: Vec::new(),
            free: Vec::new(),
            lives: 0,
            clients: 0,
            weight: 0,
            marked: Vec::new(),
            again: Vec::new(),
            room: vec![0; ROOM],
            displaced: Vec::new(),
            leaving: false,
        })
    }

    /// Runs until it is told to leave and every client has what it is owed.
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let limit = if self.leaving { Duration::from_millis(50) } else { Duration::from_secs(1) };
            let limit = if self.rests_until.is_some() { limit.min(REST) } else { limit };
            // In a full crowd nothing can be begun before something is over.
            let limit = if self.marked.is_empty() || !self.crowd.has_room() { limit } else { Duration::ZERO };
            if self.crowd.wait(&self.epoll, limit) {
                self.take_events(&mut events);
            }
            self.open_again();
            self.go_on_with_marked();
            self.round();
            self.send_marked();
            self.tell();
            if self.leaving && self.left() && self.has_nobody_left() {
                return;
            }
        }
    }

    fn take_events(&mut self, events: &mut Vec<Event>) {
        events.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if epoll::wait(&self.epoll, spare_capacity(events), Some(&now)).is_err() {
            return;
        }
        for &Event { data, flags } in events.iter() {
            match data.u64() {
                WAKE => self.woken(),
                door if door >= DOOR => _ = self.let_in((door - DOOR) as usize),
                client => self.serve(client as u32, flags),
            }
        }
    }

    fn mark(&mut self, owner: u32) {
        if let Some(Some(session)) = self.sessions.get_mut(owner as usize)
            && !std::mem::replace(&mut session.marked, true)
        {
            self.marked.push(owner);
        }
    }

    /// Something can be done with a client's socket.
    fn serve(&mut self, owner: u32, flags: EventFlags) {
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            return self.is_gone(owner);
        }
        if flags.contains(EventFlags::OUT) {
            self.mark(owner);
        }
        if flags.contains(EventFlags::IN) {
            let _ = self.read(owner);
        }
    }

    /// All clients together have too much under way.
    fn is_full(&self) -> bool {
        self.weight >= self.allowed.memory
    }

    /// The most bytes that one client may have under way at this moment.
    fn most(&self) -> usize {
        self.allowed.buffer.min(if self.is_full() { LITTLE } else { usize::MAX })
    }

    /// Reads a client, and begins what came. Whether there may be more.
    fn read(&mut self, owner: u32) -> bool {
        let (most, at_once) = (self.most(), if self.is_full() { LITTLE } else { ROOM });
        let Some(Some(session)) = self.sessions.get_mut(owner as usize) else { return false };
        if !session.may_read(most) {
            self.mark(owner);
            return false;
        }
        let mut room = std::mem::take(&mut self.room);
        let came = session.read(&mut room[..at_once]);
        match came {
            Ok(count) => {
                self.counters.bytes_in.add(count as u64);
                // A read that is not full has taken all that was there.
                session.ended |= session.last && count < at_once;
                let is_first = std::mem::replace(&mut session.new, false);
                if is_first && self.binary.is(&room[..count], &self.counters, self.crowd.now()) {
                    self.close(owner);
                } else {
                    self.take_in(owner, &room[..count]);
                }
            }
            // What it asked for it may still wait for.
            Err(end) if end == Socket::Closed || session.last => {
                session.ended = true;
                self.mark(owner);
            }
            Err(_) => {}
        }
        self.room = room;
        came == Ok(at_once)
    }

    /// Nobody is there any more to be answered. What was asked is done all the same, as far as it is whole.
    fn is_gone(&mut self, owner: u32) {
        let Some(Some(session)) = self.sessions.get_mut(owner as usize) else { return };
        session.is_gone(&self.epoll);
        self.read_last(owner);
    }

    /// What is in its socket now is read yet, as there is room.
    fn read_last(&mut self, owner: u32) {
        let Some(Some(session)) = self.sessions.get_mut(owner as usize) else { return };
        session.last = true;
        self.read_all(owner);
        self.mark(owner);
    }

    /// Reads what a client has sent by now, as far as there is room.
    fn read_all(&mut self, owner: u32) {
        let mut left = MOST_READS;
        while left > 0 && self.read(owner) {
            left -= 1;
        }
    }

    fn take_in(&mut self, owner: u32, came: &[u8]) {
        if self.is_full()
            && let Some(Some(session)) = self.sessions.get_mut(owner as usize)
        {
            // What is not whole is looked at again: it may be given up.
            session.needed = 0;
            self.go_on(owner);
        }
        let Some(Some(session)) = self.sessions.get_mut(owner as usize) else { return };
        if session.inbox.is_empty() {
            let taken = self.begin_all(owner, came);
            let Some(Some(session)) = self.sessions.get_mut(owner as usize) else { return };
            session.inbox.extend_from_slice(&came[taken..]);
        } else {
            if session.inbox.capacity() < session.needed {
                // Not more than came by now, twice: what is announced need not come.
                let more = session.needed.min(2 * (session.inbox.len() + came.len()));
                session.inbox.reserve(more.saturating_sub(session.inbox.len()));
            }
            session.inbox.extend_from_slice(came);
            self.go_on(owner);
        }
        self.mark(owner);
    }

    /// Begins what is whole of what was kept.
    fn go_on(&mut self, owner: u32) {
        let Some(Some(session)) = self.sessions.get_mut(owner as usize) else { return };
        if !session.has_more() {
            return;
        }
        let mut inbox = std::mem::take(&mut session.inbox);
        let taken = self.begin_all(owner, &inbox);
        let Some(Some(session)) = self.sessions.get_mut(owner as usize) else { return };
        if taken == inbox.len() {
            inbox.clear();
            if inbox.capacity() > ROOM {
                inbox = Vec::new();
            }
        } else {
            inbox.drain(..taken);
            if inbox.capacity() > 2 * ROOM && inbox.len().max(session.needed) <= ROOM {
                inbox.shrink_to(ROOM);
            }
        }
        session.inbox = inbox;
    }

    /// Begins the requests that are whole, as long as there is room. How many bytes were taken.
    fn begin_all(&mut self, owner: u32, bytes: &[u8]) -> usize {
        if let Some(Some(session)) = self.sessions.get_mut(owner as usize) {
            session.needed = 0;
        }
        let mut taken = 0;
        while let Some(count) = self.begin_next(owner, &bytes[taken..]) {
            taken += count;
        }
        taken
    }

    /// Begins what comes next: more of a get, or the request at the start of these bytes. How many of them were taken;
    /// `None`: it is not whole, or there is no room.
    fn begin_next(&mut self, owner: u32, bytes: &[u8]) -> Option<usize> {
        let (most, full) = (self.most(), self.is_full());
        let session = self.sessions.get_mut(owner as usize)?.as_mut()?;
        if session.leaving || session.skip > 0 {
            let passed_over = if session.leaving { bytes.len() } else { session.skip.min(bytes.len()) };
            session.skip = session.skip.saturating_sub(passed_over);
            return (passed_over > 0).then_some(passed_over);
        }
        if !session.may_begin(most) || !self.crowd.has_room() {
            return None;
        }
        let mut begin = Begin {
            owner,
            session,
            crowd: &mut self.crowd,
            supplies: &mut self.supplies,
            limits: &self.allowed.limits,
            counters: &self.counters,
            most,
            full,
        };
        let (next, count) = match begin.session.unbegun.take() {
            Some(unbegun) => (begin.go_on(unbegun), 0),
            None if bytes.is_empty() => return None,
            None => match parse(bytes, &self.allowed.limits) {
                Parsed::Whole(request, count) => (begin.request(&request), count),
                Parsed::More(needed) => match begin.unfinished(bytes) {
                    Some(given_up) => given_up,
                    None => {
                        session.needed = needed;
                        return None;
                    }
                },
            },
        };
        match next {
            Next::Go => {}
            Next::Wait => {
                session.barrier = true;
                return None;
            }
            Next::Barrier => session.barrier = true,
            Next::Gather(number, gathered, made) => {
                session.barrier = true;
                session.pending = Some(Pending { number, gathered, made });
            }
            Next::Report => session.say(&self.shared.report(self.index, &self.crowd), false),
            Next::Leave => session.leaving = true,
        }
        session.weigh(&mut self.weight);
        Some(count)
    }

    /// Clients that had too much under way, or waited for it to be over, may go on.
    fn go_on_with_marked(&mut self) {
        for at in 0..self.marked.len() {
            let owner = self.marked[at];
            let most = self.most();
            let Some(Some(session)) = self.sessions.get_mut(owner as usize) else { continue };
            session.barrier &= !session.is_quiet();
            if session.can_go_on(most) {
                let last = session.last;
                self.go_on(owner);
                if last {
                    self.read_all(owner);
                }
            }
        }
    }

    fn round(&mut self) {
        let Hall { crowd, sessions, supplies, marked, shared, displaced, .. } = self;
        crowd.round(&mut |ended| match ended {
            Ended::Whole(mut call, outcome) => {
                let about = call.about;
                if let Some(Some(session)) = sessions.get_mut(about.owner as usize)
                    && session.life == about.life
                {
                    let mut text = supplies.text();
                    let told = call.answer(outcome, &mut text);
                    if let Some(pending) = session.pending.take_if(|it| it.number == about.number) {
                        pending.answer(shared, &mut text);
                    }
                    session.settle(about.number, text, told == Told::Failed);
                    if !std::mem::replace(&mut session.marked, true) {
                        marked.push(about.owner);
                    }
                }
                call.displaced(&mut |key, server| {
                    if displaced.len() < MOST_MOVES {
                        displaced.push((key.to_vec(), server));
                    }
                });
                call.recycle(supplies);
            }
            Ended::Late(about) => {
                if let Some(Some(session)) = sessions.get_mut(about.owner as usize)
                    && session.life == about.life
                {
                    let mut text = supplies.text();
                    text.extend_from_slice(TIMEOUT);
                    session.pending.take_if(|it| it.number == about.number);
                    session.settle(about.number, text, true);
                    if !std::mem::replace(&mut session.marked, true) {
                        marked.push(about.owner);
                    }
                }
            }
        });
        self.counters.rounds.add(1);
        // What was found where it should not be is moved, so that the next read of it asks one server.
        for (key, server) in std::mem::take(&mut self.displaced) {
            self.crowd.begin_if_free(Call::moving(&key, server, &mut self.supplies));
        }
    }

    /// Sends every client what it is owed, each with one write.
    fn send_marked(&mut self) {
        let now = self.crowd.now();
        let mut marked = std::mem::take(&mut self.marked);
        let mut again = std::mem::take(&mut self.again);
        for owner in marked.drain(..) {
            let most = self.most();
            let Some(Some(session)) = self.sessions.get_mut(owner as usize) else { continue };
            session.marked = false;
            session.collect(&mut self.supplies, &mut |answer| {
                self.counters.over(answer.command, answer.began, now)
            });
            let owed = session.owed();
            let state = if owed > 0 { session.flush() } else { Socket::Fine };
            if !session.gone {
                self.counters.bytes_out.add((owed - session.owed()) as u64);
            }
            if state == Socket::Closed {
                session.is_gone(&self.epoll);
            }
            session.barrier &= !session.is_quiet();
            if session.is_over() {
                self.close(owner);
                continue;
            }
            let reads = session.may_read(most);
            let writes = state == Socket::More;
            if (reads, writes) != (session.reads, session.writes) {
                (session.reads, session.writes) = (reads, writes);
                let mut flags = EventFlags::empty();
                flags.set(EventFlags::IN, reads);
                flags.set(EventFlags::OUT, writes);
                let _ =
                    epoll::modify(&self.epoll, &session.socket, EventData::new_u64(u64::from(owner)), flags);
            }
            // What was kept back for want of room is begun in the next round.
            if session.can_go_on(most) {
                again.push(owner);
            }
            session.rest(&mut self.supplies);
            session.weigh(&mut self.weight);
        }
        self.marked = marked;
        again.drain(..).for_each(|owner| self.mark(owner));
        self.again = again;
    }

    /// Tells others how things stand.
    fn tell(&mut self) {
        self.counters.late.set(self.crowd.late());
        self.counters.in_flight.set(self.crowd.len() as u64);
        for message in self.crowd.take_messages() {
            log::warn!("{message}");
        }
        self.shared.loops[self.index].tell(&self.crowd);
    }

    /// Whether every client has what it is owed.
    fn left(&mut self) -> bool {
        self.clients == 0 || self.shared.overdue()
    }
}

/// What other loops hand to this one.
pub(super) type Dealt = Mutex<Option<Vec<OwnedFd>>>;
