//! Rejoin: the trial of a server that was down, and its return (rules 4, 13, 14, 17).
//!
//! A trial asks one question at a time: who are you (the greeting), do you work (`rise` probes that
//! store a value and read it back), and, when the server may hold values that this client
//! has since replaced elsewhere, whether it was emptied. Who empties it is settled by a
//! marker on a *keeper*, the first live server behind it in the list, so that all clients
//! ask the same one:
//!
//! ```text
//! greet -> probes -+-> nothing to flush ------------------------------------------------> done
//!                  +-> claim (add) -+-> won -> flush -> one more probe -> record ---------> done
//!                  |                +-> taken -> look -+-> flushed since it went down ------> done
//!                  |                                   +-> flushing -> look again, 8 times at most
//!                  |                                   +-> old -> take over (cas) -> won, or look
//!                  +-> no keeper -> flush -> one more probe ---------------------------------> done
//!                  +-> it may keep what it holds -> weeded by the driver --------------------> done
//! ```
//!
//! **A server that may keep what it holds** ([`Rejoin::keeping`]) is the very process that it was, and its driver knows every key
//! that was changed meanwhile. Then these are deleted in place of the flush, by the driver, when the trial says so
//! ([`Rejoin::weeds`]); when that fails, the trial goes on with the flush. No marker is asked for: what one deletes twice is
//! gone as well.
//!
//! **Which time the `flushed` marker carries.** A client may leave the flush to another only if that
//! flush came after everything the client ever sent to the server was executed. What it sent lies in
//! the server's sockets at the latest when the client gave the server up (it resets its
//! connections then). Good probes that *began* after that moment show that the server works through its
//! sockets again, so the marker carries the time before the flusher's first probe, not that of its
//! flush: a flush can be later than the give-up while the probes before it were earlier and prove nothing
//! about it. It does so on the clock of the boot too, which alone counts between processes of one machine: the wall
//! clock may be set. A flush too many is cheap, a flush too few is a stale read: every doubt (equal times, no
//! keeper, a foreign value, a keeper that refuses) ends in flushing.
//!
//! **What the marker cannot do.** It orders the flush against this client's own past, not against
//! other clients that use the server already: what another client stored on it after the flush can be
//! older than what this one meanwhile stored elsewhere. That is why the promises are those of one process
//! where no table gives all of them one view (rule 18).

mod debt;
mod marker;
mod weeding;

use self::marker::Marker;
pub use self::weeding::Weeding;
use super::health::{Health, Incarnation};
use super::operation::{Failure, Operation, Outcome, Tag};
use super::pool::ServerId;
use super::probe::{Examination, Finding};
use super::time::Stamp;
use super::view::View;
use super::wire::{Command, Reply, Verb};

/// Good probes in a row that a trial asks for, unless told otherwise.
pub const RISE: u32 = 2;

/// Milliseconds after which a flush that was claimed and not recorded is taken over, and after which
/// the claimer itself no longer sends it.
const CLAIM_MILLIS: u64 = 5_000;
/// Seconds a `flushing` marker stays: an end to it even when clocks disagree.
const CLAIM_SECONDS: i64 = 60;
/// Seconds a `flushed` marker stays; whoever comes later flushes once more.
const RECORD_SECONDS: i64 = 3_600;
/// Questions to the keeper in one trial; another trial comes soon enough.
const LOOKS: u32 = 8;
/// How far ahead of our own clock, in milliseconds, a marker's time may be and still be believed.
const SKEW_MILLIS: u64 = 1_000;
/// The longest refusal that is kept, in bytes.
const REFUSAL_LEN: usize = 256;

/// What is being asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Who are you, and do you work? Asked of the server.
    Examine,
    /// May I flush? Asked of the keeper.
    Claim,
    /// Who flushes? Asked of the keeper.
    Look,
    /// May I flush in place of that one? Asked of the keeper; carries the old marker's CAS value.
    TakeOver(u64),
    /// Asked of the server.
    Flush,
    /// Told the keeper.
    Record,
    /// The driver's.
    Weed,
    /// Nothing more.
    Over(Outcome),
}

/// The trial of one down server. An [`Operation`] that ends as `Done` (it may be used:
/// [`Rejoin::incarnation`] and [`Rejoin::meta`] go into `Event::Rejoined`) or as anything else (the
/// trial failed, and [`Rejoin::reason`] says why).
///
/// It asks one question at a time, of the server on trial or of one other, over connections that the
/// driver makes for it and does not greet. When it ends, they may be kept: nothing is outstanding.
#[derive(Debug)]
pub struct Rejoin {
    server: ServerId,
    down_since: Stamp,
    missed_write: bool,
    previous: Option<Incarnation>,
    rise: u32,
    step: Step,
    tag: Tag,
    asked: bool,
    examination: Examination,
    keeper: Option<ServerId>,
    flushed: bool,
    /// It may keep what was not changed meanwhile.
    keeping: bool,
    /// So many keys were deleted in place of a flush.
    kept: Option<usize>,
    /// It is full and evicts nothing: when it said so. That is an answer of a server that works, and the flush which it
    /// owes makes room.
    full_since: Option<Stamp>,
    held_back: bool,
    /// Questions to the keeper so far.
    looks: u32,
    claimed_at: Stamp,
    marker_key: String,
    value: String,
    reason: &'static str,
    refusal: Vec<u8>,
}

impl Rejoin {
    /// A trial of `server`, which `health` says is down. `down_since`: when it went down, on the clocks of
    /// [`View::now`]; every connection to it was reset by then.
    pub fn new(view: &View, server: ServerId, health: &Health, down_since: Stamp) -> Rejoin {
        Rejoin {
            server,
            down_since,
            missed_write: health.missed_write(),
            previous: health.incarnation(),
            rise: RISE,
            step: Step::Examine,
            tag: 0,
            asked: false,
            examination: Examination::new(view.now, down_since.unix_millis),
            keeper: None,
            flushed: false,
            keeping: false,
            kept: None,
            full_since: None,
            held_back: false,
            looks: 0,
            claimed_at: Stamp::default(),
            marker_key: String::new(),
            value: String::new(),
            reason: "on trial",
            refusal: Vec::new(),
        }
    }

    /// The same trial with `rise` good probes in a row, at least one.
    #[must_use]
    pub fn with_rise(self, rise: u32) -> Rejoin {
        Rejoin { rise: rise.max(1), ..self }
    }

    /// The same trial of a server whose driver knows which keys were changed since it went down, if `keeping`.
    #[must_use]
    pub fn keeping(self, keeping: bool) -> Rejoin {
        Rejoin { keeping, ..self }
    }

    /// Whether the keys that were changed meanwhile are to be deleted on it now: to be reported by [`Rejoin::weeded`]. Until then the trial asks
    /// nothing.
    pub fn weeds(&self) -> bool {
        self.step == Step::Weed
    }

    /// So many keys were deleted, all that were changed, and none is changed any more until the server's return is published. `None`: that
    /// did not succeed, and it is flushed.
    pub fn weeded(&mut self, view: &View, keys: Option<usize>) {
        if self.step != Step::Weed {
            return;
        }
        self.kept = keys;
        match keys {
            Some(_) => self.pass(),
            None => self.ask_to_flush(view),
        }
    }

    /// How many keys were deleted on it in place of a flush; `None`: it was flushed, or had nothing to be deleted.
    pub fn kept(&self) -> Option<usize> {
        self.kept
    }

    /// The server on trial.
    pub fn server(&self) -> ServerId {
        self.server
    }

    /// Which life it was met in; `None` before it was greeted, or when it would not tell.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.examination.greeting().incarnation()
    }

    /// Whether it has the meta commands.
    pub fn meta(&self) -> bool {
        self.examination.greeting().meta()
    }

    /// Whether the server answered who it is.
    pub fn greeted(&self) -> bool {
        self.examination.greeted()
    }

    /// It ended because the server answers well and must be flushed, and may not be yet: report
    /// `Event::HeldBack`.
    pub fn held_back(&self) -> bool {
        self.held_back
    }

    /// How the trial stands, or why it ended as it did, in a few words for a message.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Rule 14: most servers seem down, so the fault is rather ours and nothing is flushed. The server
    /// on trial itself has just answered and does not count among them, nor does one that is down
    /// only because it could not be flushed either.
    fn isolated(&self, view: &View) -> bool {
        let ids = view.pool.ids();
        let down =
            ids.filter(|&id| id != self.server && !view.live(id) && !view.server(id).held_back).count();
        down * 2 > view.pool.servers().len()
    }

    /// Whether `tag` is the question that is outstanding; then it no longer is.
    fn take(&mut self, tag: Tag) -> bool {
        let ours = self.asked && tag == self.tag;
        self.asked &= !ours;
        ours
    }

    fn live_keeper(&self, view: &View) -> bool {
        self.keeper.is_some_and(|keeper| view.live(keeper))
    }

    fn end(&mut self, outcome: Outcome, reason: &'static str) {
        self.step = Step::Over(outcome);
        self.reason = reason;
    }

    fn fail_trial(&mut self, reason: &'static str) {
        self.end(Outcome::Unavailable, reason);
    }

    fn pass(&mut self) {
        self.end(Outcome::Done, "passed its trial");
    }

    fn refused(&mut self, line: &[u8], reason: &'static str) {
        self.refusal.extend_from_slice(&line[..line.len().min(REFUSAL_LEN)]);
        self.end(Outcome::Refused, reason);
    }

    fn probe(&mut self, view: &View) {
        self.examination.again(view.now);
        self.step = Step::Examine;
    }

    fn probed(&mut self, view: &View) {
        if self.examination.good() < self.rise {
            self.probe(view);
        } else if self.flushed {
            self.record(view);
        } else if !self.owes_flush() {
            self.pass();
        } else if self.may_keep(view) {
            self.step = Step::Weed;
        } else {
            self.ask_to_flush(view);
        }
    }

    /// Whether weeding is enough: it is the process that it was for certain. (Where nothing may be flushed, nothing is deleted either.)
    fn may_keep(&self, view: &View) -> bool {
        let lives = (self.previous, self.incarnation());
        let same = matches!(lives, (Some(previous), Some(life)) if previous.same_as(life));
        self.keeping && same && self.full_since.is_none() && !self.isolated(view) && !view.live(self.server)
    }

    fn ask_to_flush(&mut self, view: &View) {
        let count = view.pool.servers().len();
        let behind = (1..count).map(|step| ServerId(((self.server.index() + step) % count) as u16));
        self.keeper = behind.into_iter().find(|&id| view.live(id));
        if self.keeper.is_none() || self.isolated(view) {
            return self.flush(view);
        }
        self.marker_key = marker::key(&view.pool.server(self.server).name, self.incarnation());
        self.claim(view, Step::Claim);
    }

    /// Every question to the keeper passes here: they are counted, and it must still be live.
    fn ask_keeper(&mut self, view: &View, step: Step) {
        if self.looks >= LOOKS {
            return self.fail_trial("another client is flushing it");
        }
        if !self.live_keeper(view) {
            return self.fail_trial("the server that keeps the flush marker went down");
        }
        self.looks += 1;
        self.step = step;
    }

    fn claim(&mut self, view: &View, step: Step) {
        self.claimed_at = view.now;
        Marker::Flushing(self.claimed_at).write(&mut self.value);
        self.ask_keeper(view, step);
    }

    fn flush(&mut self, view: &View) {
        if self.isolated(view) {
            self.held_back = true;
            return self
                .fail_trial("it must be flushed, but most other servers are down: the network is suspect");
        }
        if view.live(self.server) {
            return self.fail_trial("it came back by another trial");
        }
        let claimed_long_ago = view.now.millis_since(self.claimed_at) >= CLAIM_MILLIS;
        if self.keeper.is_some() && claimed_long_ago {
            return self.fail_trial("its claim to flush grew too old to be used");
        }
        self.step = Step::Flush;
    }

    fn record(&mut self, view: &View) {
        if !self.live_keeper(view) {
            return self.pass();
        }
        // Of one that was full the probes came after the flush, and who went on writing elsewhere in between must not
        // take it for his.
        let proved_from = self.full_since.unwrap_or(self.examination.proved_from());
        Marker::Flushed(proved_from).write(&mut self.value);
        self.step = Step::Record;
    }

    fn looked(&mut self, view: &View, found: &[u8], cas: u64) {
        let now = view.now;
        match Marker::parse(found) {
            Some(Marker::Flushed(time))
                if time.is_after(self.down_since) && time.millis_since(now) <= SKEW_MILLIS =>
            {
                // One that was full has yet to show that it works.
                if self.full_since.is_some() {
                    self.flushed = true;
                    return self.probe(view);
                }
                self.pass();
            }
            Some(Marker::Flushing(time)) if now.millis_since(time) < CLAIM_MILLIS => {
                self.ask_keeper(view, Step::Look);
            }
            // An older outage's, a dead client's, or nothing of ours.
            _ => self.claim(view, Step::TakeOver(cas)),
        }
    }

    fn server_answered(&mut self, view: &View, reply: &Reply<'_>) {
        match (self.step, reply) {
            (Step::Flush, Reply::Ok) => {
                self.flushed = true;
                self.probe(view);
            }
            (Step::Flush, Reply::Refused(line)) => {
                self.refused(line, "it must be flushed and refuses flush_all (was it started with -F?)");
            }
            (Step::Flush, _) => self.fail_trial("its answer to flush_all makes no sense"),
            _ => match self.examination.answer(view.now, reply) {
                Finding::More => {}
                Finding::Good => self.probed(view),
                Finding::Refused(line) if is_full(line) && !self.flushed && self.owes_flush() => {
                    self.full_since = Some(view.now);
                    self.ask_to_flush(view);
                }
                Finding::Refused(line) => self.refused(line, "it refused a probe"),
                Finding::Ill(reason) => self.fail_trial(reason),
            },
        }
    }

    fn keeper_answered(&mut self, view: &View, reply: &Reply<'_>) {
        match (self.step, reply) {
            (Step::Record, _) => self.pass(),
            (Step::Claim | Step::TakeOver(_), Reply::Stored) => self.flush(view),
            (Step::Claim, Reply::NotStored) | (Step::TakeOver(_), Reply::Exists) => {
                self.ask_keeper(view, Step::Look);
            }
            (Step::Look, Reply::Value(value)) => self.looked(view, value.data, value.cas),
            (Step::Look, Reply::Miss) | (Step::TakeOver(_), Reply::NotFound) => self.claim(view, Step::Claim),
            // It keeps no marker for us (out of memory, say). That must not keep the server down.
            (_, Reply::Refused(_)) => {
                self.keeper = None;
                self.flush(view);
            }
            _ => {
                self.fail_trial("the server that keeps the flush marker gave an answer that fits no question")
            }
        }
    }
}

/// Whether a refusal is that of a server without room which evicts nothing (-M).
fn is_full(line: &[u8]) -> bool {
    line.starts_with(b"SERVER_ERROR out of memory")
}

impl Operation for Rejoin {
    fn next(&mut self, _: &View) -> Option<(ServerId, Tag)> {
        if self.asked {
            return None;
        }
        let target = match self.step {
            Step::Over(_) | Step::Weed => return None,
            Step::Claim | Step::Look | Step::TakeOver(_) | Step::Record => self.keeper?,
            Step::Examine | Step::Flush => self.server,
        };
        self.asked = true;
        self.tag = self.tag.wrapping_add(1);
        Some((target, self.tag))
    }

    fn command(&self, _: Tag) -> Command<'_> {
        let value = self.value.as_bytes();
        let key = self.marker_key.as_bytes();
        let store = |verb, key, exptime| Command::Store { verb, key, flags: 0, exptime, value };
        match self.step {
            Step::Examine | Step::Weed | Step::Over(_) => self.examination.command(),
            Step::Claim => store(Verb::Add, key, CLAIM_SECONDS),
            Step::Look => Command::Fetch { key },
            Step::TakeOver(cas) => store(Verb::Cas(cas), key, CLAIM_SECONDS),
            Step::Flush => Command::FlushAll { delay: 0 },
            Step::Record => store(Verb::Set, key, RECORD_SECONDS),
        }
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        if !self.take(tag) {
            return;
        }
        match self.step {
            Step::Over(_) | Step::Weed => {}
            Step::Claim | Step::Look | Step::TakeOver(_) | Step::Record => self.keeper_answered(view, reply),
            Step::Examine | Step::Flush => self.server_answered(view, reply),
        }
    }

    fn fail(&mut self, _: &View, tag: Tag, _: Failure) {
        if !self.take(tag) {
            return;
        }
        match self.step {
            Step::Over(_) | Step::Weed => {}
            // It was flushed and has shown that it works; the others will flush it once more.
            Step::Record => self.pass(),
            Step::Claim | Step::Look | Step::TakeOver(_) => {
                self.fail_trial("the server that keeps the flush marker did not answer");
            }
            Step::Examine => self.fail_trial(self.examination.unanswered()),
            Step::Flush => self.fail_trial("it did not answer flush_all"),
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        match self.step {
            Step::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn refusal(&self) -> Option<&[u8]> {
        (!self.refusal.is_empty()).then_some(&self.refusal)
    }

    /// Probes and markers are nobody's data: a server that misses one owes no flush for it.
    fn mutates(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
