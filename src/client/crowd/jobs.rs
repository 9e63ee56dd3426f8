//! The jobs of a crowd as one operation: an exchange asks it for commands and tells it the answers, and it passes both on
//! to the job whose they are.
//!
//! A tag names a job's slot and the job's own tag. A job whose time is up leaves a *ghost* in its slot until every
//! command of it is answered or lost: an answer is read as the answer to its command, also when nobody waits for it.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::lines::Lines;
use super::member::{Ended, Member, Traffic};
use crate::client::clock;
use crate::rules::operation::{Failure, Operation, Outcome, Tag};
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// How many bits of a tag are the job's own: a round over every server of the largest pool fits in.
const OWN: u32 = 12;
/// How many are the answer's age: see [`Job::age`].
const AGE: u32 = 3;
/// How many jobs there can be at a time.
pub(super) const MOST: usize = 1 << (32 - OWN - AGE);
/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// A job's name among those of its crowd.
pub(super) fn slot_of(tag: Tag) -> u32 {
    tag >> (OWN + AGE)
}

fn age_of(tag: Tag) -> u8 {
    (tag >> OWN) as u8 & ((1 << AGE) - 1)
}

fn own(tag: Tag) -> Tag {
    tag & ((1 << OWN) - 1)
}

/// How a job stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// It waits for its turn, or for the beginning of the next round of the loop.
    Waiting,
    /// It is at work.
    Running,
    /// Its time is up, and answers to it are outstanding.
    Ghost,
}

/// One operation and its place in the crowd.
pub(super) struct Job<O> {
    pub(super) operation: O,
    pub(super) state: State,
    /// It changes something.
    pub(super) changes: bool,
    /// The line that it stands in, by its stripe; [`NONE`]: in none.
    pub(super) line: u32,
    /// Who stands behind it in that line.
    pub(super) behind: u32,
    /// It came while another one of its owner stood before it in that line: its own time begins with its turn.
    pub(super) follows_own: bool,
    pub(super) arrived: Instant,
    pub(super) deadline: Instant,
    /// Commands that are neither answered nor lost.
    outstanding: u32,
    /// Commands of an earlier age that are neither: it was told that they are lost, and went elsewhere.
    forsaken: u32,
    /// Which answers are meant for it: those of this age.
    age: u8,
    /// It stands among those that may have something to ask.
    ready: bool,
    serial: u32,
    /// Whom its outstanding commands were handed to, and when.
    asked: SmallVec<[(Tag, ServerId, Instant); 3]>,
}

enum Slot<O> {
    Free { next: u32 },
    Taken(Job<O>),
}

/// All of them. See the module.
pub(super) struct Jobs<O> {
    slots: Vec<Slot<O>>,
    free: u32,
    taken: usize,
    /// Those whose [`Operation::next`] may have something.
    ready: VecDeque<u32>,
    /// Those that neither ask nor end: they wait for the pool's list of servers.
    pub(super) idle: Vec<u32>,
    /// What ended and was not handed out.
    pub(super) ended: Vec<Ended<O>>,
    /// When the time of each is up, soonest first: a slot and its serial number.
    deadlines: VecDeque<(Instant, u32, u32)>,
    pub(super) lines: Lines,
    /// Jobs that change something and are at work.
    pub(super) changing: usize,
    pub(super) running: usize,
    serial: u32,
    /// The time of this round of the loop.
    pub(super) now: Instant,
    pub(super) traffic: Vec<Traffic>,
    /// Jobs that ended because their time was up.
    pub(super) late: u64,
}

impl<O: Member> Jobs<O> {
    pub(super) fn new(servers: usize) -> Jobs<O> {
        Jobs {
            slots: Vec::new(),
            free: NONE,
            taken: 0,
            ready: VecDeque::new(),
            idle: Vec::new(),
            ended: Vec::new(),
            deadlines: VecDeque::new(),
            lines: Lines::default(),
            changing: 0,
            running: 0,
            serial: 0,
            now: Instant(0),
            traffic: vec![Traffic::default(); servers],
            late: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.taken
    }

    pub(super) fn job(&mut self, slot: u32) -> Option<&mut Job<O>> {
        match self.slots.get_mut(slot as usize) {
            Some(Slot::Taken(job)) => Some(job),
            _ => None,
        }
    }

    /// Takes a job in. `None`: there are [`MOST`], and this one is over: a tag has no room for the number of one more.
    pub(super) fn add(&mut self, operation: O, deadline: Instant) -> Option<u32> {
        if self.taken >= MOST {
            self.ended.push(Ended::Whole(operation, Outcome::Unavailable));
            return None;
        }
        self.serial = self.serial.wrapping_add(1);
        let changes = operation.mutates();
        let job = Job {
            operation,
            state: State::Waiting,
            changes,
            line: NONE,
            behind: NONE,
            follows_own: false,
            arrived: self.now,
            deadline,
            outstanding: 0,
            forsaken: 0,
            age: 0,
            ready: false,
            serial: self.serial,
            asked: SmallVec::new(),
        };
        self.taken += 1;
        let slot = self.free;
        let slot = match self.slots.get(slot as usize) {
            Some(Slot::Free { next }) => {
                self.free = *next;
                self.slots[slot as usize] = Slot::Taken(job);
                slot
            }
            _ => {
                self.slots.push(Slot::Taken(job));
                (self.slots.len() - 1) as u32
            }
        };
        self.note_deadline(deadline, slot, self.serial);
        Some(slot)
    }

    /// Its own time begins now: its owner's before it are over.
    pub(super) fn renew(&mut self, slot: u32, deadline: Instant) {
        let Some(job) = self.job(slot) else { return };
        job.deadline = deadline;
        let serial = job.serial;
        self.note_deadline(deadline, slot, serial);
    }

    /// It goes to work.
    pub(super) fn run(&mut self, slot: u32) {
        let Some(job) = self.job(slot) else { return };
        job.state = State::Running;
        let changes = job.changes;
        self.running += 1;
        self.changing += usize::from(changes);
        self.wake(slot);
    }

    /// It may have something to ask.
    pub(super) fn wake(&mut self, slot: u32) {
        let Some(job) = self.job(slot) else { return };
        if !std::mem::replace(&mut job.ready, true) {
            self.ready.push_back(slot);
        }
    }

    /// Whether some may have something to ask.
    pub(super) fn any_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Its time is up then. Mostly that is later than everybody's; not after the pool's timeout was made shorter.
    fn note_deadline(&mut self, deadline: Instant, slot: u32, serial: u32) {
        let sooner = self.deadlines.back().is_some_and(|&(last, ..)| deadline < last);
        let place = if sooner {
            self.deadlines.partition_point(|&(at, ..)| at <= deadline)
        } else {
            self.deadlines.len()
        };
        self.deadlines.insert(place, (deadline, slot, serial));
    }

    /// When the next one's time is up.
    pub(super) fn due(&mut self) -> Option<Instant> {
        while let Some(&(at, slot, serial)) = self.deadlines.front() {
            let counts =
                |job: &mut Job<O>| job.serial == serial && job.deadline == at && job.state != State::Ghost;
            if self.job(slot).is_some_and(counts) {
                return Some(at);
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// The next one whose time is up.
    pub(super) fn overdue(&mut self) -> Option<u32> {
        let due = self.due()?;
        if due > self.now {
            return None;
        }
        self.deadlines.pop_front().map(|(_, slot, _)| slot)
    }

    /// Its time is up: the owner is told, and what is outstanding becomes a ghost's.
    pub(super) fn give_up(&mut self, slot: u32) {
        let was = self.retire(slot);
        self.let_go(slot, was);
    }

    /// Its time is up: the owner is told, and it asks nothing more and hears nothing more. It has its turn until
    /// [`Jobs::let_go`]. What it was.
    pub(super) fn retire(&mut self, slot: u32) -> State {
        let Some(job) = self.job(slot) else { return State::Ghost };
        let was = std::mem::replace(&mut job.state, State::Ghost);
        // It is not to go with the last of what is outstanding, but when it is let go.
        job.outstanding += 1;
        let about = job.operation.about();
        self.late += 1;
        self.ended.push(Ended::Late(about));
        was
    }

    /// One that was retired gives its turn back, and goes when nothing of it is outstanding.
    pub(super) fn let_go(&mut self, slot: u32, was: State) {
        let Some(job) = self.job(slot) else { return };
        job.outstanding = job.outstanding.saturating_sub(1);
        let changes = job.changes;
        self.leave(slot, was, changes);
        self.bury(slot);
    }

    /// Commands of it were taken back and will neither be answered nor lost.
    pub(super) fn withdrawn(&mut self, tag: Tag) {
        let slot = slot_of(tag);
        if let Some(job) = self.job(slot) {
            job.settle(tag);
            self.bury(slot);
        }
    }

    /// It is no longer at work.
    fn leave(&mut self, slot: u32, was: State, changes: bool) {
        if was == State::Running {
            self.running -= 1;
            self.changing -= usize::from(changes);
            if !self.idle.is_empty() {
                self.idle.retain(|&idle| idle != slot);
            }
        }
        let Some(job) = self.job(slot) else { return };
        let (line, behind) =
            (std::mem::replace(&mut job.line, NONE), std::mem::replace(&mut job.behind, NONE));
        if line != NONE {
            self.leave_line(slot, line, behind);
        }
    }

    fn leave_line(&mut self, slot: u32, line: u32, behind: u32) {
        if self.lines.leave(line, slot, behind) {
            return;
        }
        // It stood further back.
        let mut at = self.lines.first(line);
        while let Some(job) = self.job(at) {
            if job.behind == slot {
                job.behind = behind;
                if behind == NONE {
                    self.lines.last_is(line, at);
                }
                return;
            }
            at = job.behind;
        }
    }

    /// A ghost goes when nothing of it is outstanding.
    fn bury(&mut self, slot: u32) {
        let gone = |job: &mut Job<O>| job.state == State::Ghost && job.outstanding + job.forsaken == 0;
        if self.job(slot).is_some_and(gone) {
            self.release(slot);
        }
    }

    fn release(&mut self, slot: u32) -> Option<O> {
        let next = std::mem::replace(&mut self.free, slot);
        self.taken -= 1;
        match std::mem::replace(&mut self.slots[slot as usize], Slot::Free { next }) {
            Slot::Taken(job) => Some(job.operation),
            Slot::Free { .. } => None,
        }
    }

    /// It came to its end.
    fn finish(&mut self, slot: u32, outcome: Outcome) {
        let Some(job) = self.job(slot) else { return };
        let (was, changes, left) = (job.state, job.changes, job.outstanding + job.forsaken);
        self.leave(slot, was, changes);
        if left == 0 {
            let operation = self.release(slot);
            self.ended.extend(operation.map(|operation| Ended::Whole(operation, outcome)));
        } else if let Some(job) = self.job(slot) {
            // Somebody owes an answer to it that is of no use any more, and is to be read as what it is.
            job.state = State::Ghost;
            let ended = match job.operation.ghost() {
                Some(ghost) => Ended::Whole(std::mem::replace(&mut job.operation, ghost), outcome),
                None => Ended::Late(job.operation.about()),
            };
            self.ended.push(ended);
        }
    }

    /// A server is not waited for any more: what can be asked elsewhere is.
    pub(super) fn forsake(&mut self, tag: Tag, view: &View) {
        let slot = slot_of(tag);
        let Some(job) = self.job(slot) else { return };
        let fits = job.state == State::Running && job.age == age_of(tag) && job.age + 1 < 1 << AGE;
        if !fits || job.outstanding != 1 || !job.operation.may_go_elsewhere() {
            return;
        }
        (job.outstanding, job.forsaken) = (0, job.forsaken + 1);
        job.age += 1;
        job.operation.fail(view, own(tag), Failure::Unanswered);
        self.wake(slot);
    }

    /// A command was answered, or lost.
    fn count(&mut self, tag: Tag, answered: bool) {
        let now = self.now;
        let Some(job) = self.job(slot_of(tag)) else { return };
        let Some(at) = job.asked.iter().position(|asked| asked.0 == tag) else { return };
        let (_, server, since) = job.asked.swap_remove(at);
        let Some(traffic) = self.traffic.get_mut(server.index()) else { return };
        if answered {
            traffic.answered += 1;
            traffic.latency.note(now.0.saturating_sub(since.0));
        } else {
            traffic.lost += 1;
        }
    }

    /// Whether what a job asks may still be sent.
    fn may_ask(&self, slot: u32) -> bool {
        let Some(Slot::Taken(job)) = self.slots.get(slot as usize) else { return false };
        job.state == State::Running
            && self.now < job.deadline
            && self.lines.holds(job.line, clock::millis(self.now))
    }
}

impl<O> Job<O> {
    /// Whether the answer, or its loss, is for the operation.
    fn settle(&mut self, tag: Tag) -> bool {
        if age_of(tag) != self.age {
            self.forsaken = self.forsaken.saturating_sub(1);
            return false;
        }
        self.outstanding = self.outstanding.saturating_sub(1);
        self.state == State::Running
    }
}

impl<O: Member> Operation for Jobs<O> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        while let Some(&slot) = self.ready.front() {
            let (may_ask, now) = (self.may_ask(slot), self.now);
            let Some(job) = self.job(slot).filter(|job| job.state == State::Running) else {
                if let Some(job) = self.job(slot) {
                    job.ready = false;
                }
                self.ready.pop_front();
                continue;
            };
            if may_ask && let Some((server, tag)) = job.operation.next(view) {
                job.outstanding += 1;
                let tag = slot << (OWN + AGE) | u32::from(job.age) << OWN | own(tag);
                job.asked.push((tag, server, now));
                if let Some(traffic) = self.traffic.get_mut(server.index()) {
                    traffic.asked += 1;
                }
                return Some((server, tag));
            }
            job.ready = false;
            let (outcome, idle) = (job.operation.outcome(), job.outstanding == 0);
            self.ready.pop_front();
            match outcome {
                Some(outcome) => self.finish(slot, outcome),
                // One whose time is up, or whose turn was lost, is given up in a moment.
                None if idle && may_ask => self.idle.push(slot),
                None => {}
            }
        }
        None
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        match self.slots.get(slot_of(tag) as usize) {
            Some(Slot::Taken(job)) => job.operation.command(own(tag)),
            _ => Command::Noop,
        }
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        let slot = slot_of(tag);
        self.count(tag, true);
        let Some(job) = self.job(slot) else { return };
        if job.settle(tag) {
            job.operation.answer(view, own(tag), reply);
            self.wake(slot);
        } else {
            self.bury(slot);
        }
    }

    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        let slot = slot_of(tag);
        self.count(tag, false);
        let Some(job) = self.job(slot) else { return };
        if job.settle(tag) {
            job.operation.fail(view, own(tag), failure);
            self.wake(slot);
        } else {
            self.bury(slot);
        }
    }

    /// A crowd has no end.
    fn outcome(&self) -> Option<Outcome> {
        None
    }

    fn mutates(&self) -> bool {
        self.changing > 0
    }

    /// Of those too that wait for their turn: they may go to work at any moment.
    fn keys(&self, tell: &mut dyn FnMut(&[u8])) -> bool {
        let mut all = true;
        for slot in &self.slots {
            if let Slot::Taken(job) = slot
                && job.changes
                && job.state != State::Ghost
            {
                all &= job.operation.keys(tell);
            }
        }
        all
    }

    fn changes(&self, tag: Tag) -> bool {
        match self.slots.get(slot_of(tag) as usize) {
            Some(Slot::Taken(job)) => job.operation.changes(own(tag)),
            _ => false,
        }
    }
}
