//! Bring: before acting decides anything about a key, what the later places hold of it is moved
//! there (rules 8 to 10).
//!
//! The move never beats a newer write or a delete: a lease is taken first (a stub with a CAS value),
//! then the copy is read, then it is stored in the stub's place. Whoever writes or deletes the key
//! meanwhile removes the stub, and the store under the lease fails. Where acting has no meta
//! commands, or the copy's remaining time to live cannot be told, nothing is moved: the first place
//! that holds the key decides in acting's stead.
//!
//! Before that everybody is just asked. What no place has gets no stub: whose owner is killed would leave it behind, on
//! a server that a sweep can call steady before its time is over, and there it would pass for a value: an `add` would
//! fail, an `append` succeed. Of a key that some place has, the sweep's own move finds the stub and takes it away.
//!
//! **A complete home gets no stub** for the same reason, and loses the one that was put there before it was complete: when a
//! newer view overtakes the search, it is asked first whether somebody decides alone by now.

use super::{Attempts, Failure, Outcome, Tag, decides_alone, expiry, writable};
use crate::rules::bytes::Bytes;
use crate::rules::places::Placement;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Lease, Reply, Value};

/// How long a stub lives, in seconds, when its owner dies.
pub(super) const LEASE_SECONDS: u32 = 5;

/// How often a lease that somebody else holds is looked at before it is taken away. A move takes
/// two round trips, a look one; who still holds it after this many looks is gone or hangs.
pub(super) const LOOKS: u16 = 64;

/// A copy that was read from a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Copied {
    pub(super) data: Vec<u8>,
    pub(super) flags: u32,
    /// Seconds it has left; `None`: it never expires.
    pub(super) ttl: Option<u32>,
}

impl Copied {
    /// `None`: there is no memory for it.
    pub(super) fn of(value: &Value<'_>) -> Option<Copied> {
        let mut data = Vec::new();
        data.try_reserve_exact(value.data.len()).ok()?;
        data.extend_from_slice(value.data);
        Some(Copied { data, flags: value.flags, ttl: value.ttl })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Begin,
    /// Acting is asked for the value.
    Looking,
    /// A later place has it: acting is asked for the value once more, or a lease on its miss.
    Leasing,
    /// The place of this index is asked for the copy.
    Searching(usize),
    /// The copy is stored under the lease.
    Storing,
    /// The server that decides alone by now is asked what it has under the key: a stub of ours may be there.
    LookingBack,
    /// The stub is taken away: there is nothing to bring, or it cannot be brought. Then it ends so.
    EndingLease(Result<ServerId, Outcome>),
    /// A stub that its owner left behind is taken away.
    TakingOver,
    /// This server decides.
    Over(Result<ServerId, Outcome>),
}

/// The search for who decides about a key, and the move that makes it acting.
#[derive(Clone, Debug)]
pub(super) struct Bring<'a> {
    key: Bytes<'a>,
    stage: Stage,
    generation: u64,
    attempts: Attempts,
    looks: u16,
    lease: Option<u64>,
    /// Where a lease was asked for last, under an earlier plan too. Whether a stub is there may be unknown.
    leased_at: Option<ServerId>,
    /// The lease that was had there.
    had: Option<u64>,
    /// A lease may be had at acting.
    leases: bool,
    moved: bool,
    copy: Copied,
    /// Whether the stage's question was handed to the driver.
    asked: bool,
    exptime: i64,
}

impl<'a> Bring<'a> {
    pub(super) fn new(key: impl Into<Bytes<'a>>) -> Bring<'a> {
        Bring {
            key: key.into(),
            stage: Stage::Begin,
            generation: 0,
            attempts: Attempts::default(),
            looks: 0,
            lease: None,
            leased_at: None,
            had: None,
            leases: false,
            moved: false,
            copy: Copied::default(),
            asked: false,
            exptime: 0,
        }
    }

    /// A copy was moved to acting, and to nobody else yet.
    pub(super) fn moved(&self) -> bool {
        self.moved
    }

    /// Who decides; `None` while it is being found out.
    pub(super) fn end(&self) -> Option<Result<ServerId, Outcome>> {
        match self.stage {
            Stage::Over(end) => Some(end),
            _ => None,
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.asked = false;
    }

    fn begin(&mut self, view: &View) {
        self.generation = view.generation;
        self.lease = None;
        // Readers of a pool without backups send classic gets, to which a stub is an empty value.
        self.leases = view.pool.options.backups;
        let alone = writable(view, &self.key).ok().and_then(|placement| decides_alone(view, &placement));
        self.enter(match alone {
            Some(server) if self.leased_at == Some(server) => Stage::LookingBack,
            Some(server) => Stage::Over(Ok(server)),
            None if self.leases => Stage::Looking,
            None => Stage::Searching(0),
        });
    }

    fn begin_again(&mut self, view: &View) {
        if self.attempts.spent(view, self.generation) {
            self.enter(Stage::Over(Err(Outcome::Unavailable)));
        } else {
            self.begin(view);
        }
    }

    /// `server` decides, if what it was chosen by still holds.
    fn decide(&mut self, view: &View, server: ServerId) {
        if self.generation == view.generation {
            self.enter(Stage::Over(Ok(server)));
        } else {
            self.begin_again(view);
        }
    }

    /// Takes the stub away, if there is one, and lets `server` decide.
    fn leave_to(&mut self, view: &View, server: ServerId) {
        match self.lease {
            Some(_) => self.enter(Stage::EndingLease(Ok(server))),
            None => self.decide(view, server),
        }
    }

    /// Takes the stub away, if there is one, and gives up.
    fn give_up(&mut self, outcome: Outcome) {
        self.enter(match self.lease {
            Some(_) => Stage::EndingLease(Err(outcome)),
            None => Stage::Over(Err(outcome)),
        });
    }

    /// Asks the next of the later places, or finds that there is nothing to bring.
    fn search(&mut self, view: &View, placement: &Placement, index: usize) {
        if index < placement.places.len() {
            self.enter(Stage::Searching(index));
        } else if let Some(acting) = placement.acting() {
            self.leave_to(view, acting);
        }
    }

    fn server(&self, placement: &Placement) -> Option<ServerId> {
        match self.stage {
            Stage::Searching(index) => placement.places.get(index).copied(),
            _ => placement.acting(),
        }
    }

    pub(super) fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        if self.stage == Stage::Begin {
            self.begin(view);
        }
        if self.asked || self.end().is_some() {
            return None;
        }
        let placement = match writable(view, &self.key) {
            Ok(placement) => placement,
            Err(outcome) => {
                self.enter(Stage::Over(Err(outcome)));
                return None;
            }
        };
        if self.generation != view.generation {
            self.begin_again(view);
            return self.next(view);
        }
        let server = self.server(&placement)?;
        self.exptime = expiry::on_server(view, &placement, server, expiry::remaining(view, self.copy.ttl));
        self.asked = true;
        if self.stage == Stage::Leasing && self.leased_at.replace(server) != Some(server) {
            self.had = None;
        }
        Some((server, 0))
    }

    pub(super) fn command(&self) -> Command<'_> {
        let key = &*self.key;
        let lease = self.lease.unwrap_or_default();
        match self.stage {
            Stage::Looking | Stage::LookingBack | Stage::Searching(_) => Command::Fetch { key },
            Stage::Storing => Command::StoreLeased {
                key,
                flags: self.copy.flags,
                exptime: self.exptime,
                value: &self.copy.data,
                lease,
            },
            Stage::EndingLease(_) | Stage::TakingOver => Command::EndLease { key, lease },
            Stage::Begin | Stage::Leasing | Stage::Over(_) => Command::Lease { key, seconds: LEASE_SECONDS },
        }
    }

    pub(super) fn answer(&mut self, view: &View, reply: &Reply<'_>) {
        // A stub that is there is ours, and what is stored is stored, whatever the view is by now.
        match (self.stage, reply) {
            (Stage::Leasing, Reply::Value(value)) if value.lease == Some(Lease::Won) => {
                self.had = Some(value.cas);
            }
            (Stage::Storing, Reply::Stored) => self.moved = true,
            _ => {}
        }
        let Some(placement) = Placement::of(view, &self.key).filter(|_| self.generation == view.generation)
        else {
            return self.begin_again(view);
        };
        let Some(acting) = placement.acting() else { return self.begin_again(view) };
        match self.stage {
            Stage::Looking | Stage::Leasing => self.leased(view, &placement, acting, reply),
            Stage::Searching(index) => self.searched(view, &placement, index, reply),
            Stage::Storing => match reply {
                Reply::Refused(_) | Reply::Unsupported => self.leave_to_holder(view, &placement),
                // Somebody deleted it, or the stub's time was over.
                Reply::NotFound => self.begin_again(view),
                // Stored; or somebody wrote it meanwhile, and that counts.
                _ => self.decide(view, acting),
            },
            Stage::LookingBack => {
                if let Reply::Value(value) = reply
                    && value.is_stub()
                {
                    // Ours from before, or somebody else's, who asks anew: no good comes of any.
                    self.lease = Some(value.cas);
                }
                self.leave_to(view, acting);
            }
            Stage::EndingLease(Ok(server)) => self.decide(view, server),
            Stage::EndingLease(end) => self.enter(Stage::Over(end)),
            Stage::TakingOver => self.begin_again(view),
            Stage::Begin | Stage::Over(_) => {}
        }
    }

    fn leased(&mut self, view: &View, placement: &Placement, acting: ServerId, reply: &Reply<'_>) {
        match reply {
            Reply::Value(value) if !value.is_stub() => self.decide(view, acting),
            Reply::Value(value) => {
                self.lease = Some(value.cas);
                let ours = self.leased_at == Some(acting) && self.had == self.lease;
                if ours || value.lease == Some(Lease::Won) {
                    self.search(view, placement, 1);
                } else if self.looks < LOOKS {
                    self.looks += 1;
                    self.enter(self.stage);
                } else {
                    self.looks = 0;
                    self.enter(Stage::TakingOver);
                }
            }
            Reply::Miss if self.stage == Stage::Looking => self.search(view, placement, 1),
            // No lease to be had: the first place that holds the key decides, acting among them.
            _ => {
                self.leases = false;
                self.search(view, placement, 0);
            }
        }
    }

    fn searched(&mut self, view: &View, placement: &Placement, index: usize, reply: &Reply<'_>) {
        match reply {
            // Marked as stale: copied, it would pass for a fresh one.
            Reply::Value(value) if value.stale => self.search(view, placement, index + 1),
            Reply::Value(value) if !value.is_stub() => {
                let Some(copy) = Copied::of(value) else { return self.give_up(Outcome::Unavailable) };
                self.copy = copy;
                match self.lease {
                    Some(_) if value.ttl_known => self.enter(Stage::Storing),
                    None if self.leases && value.ttl_known => self.enter(Stage::Leasing),
                    _ => self.leave_to(view, placement.places[index]),
                }
            }
            Reply::Refused(_) => self.give_up(Outcome::Unavailable),
            _ => self.search(view, placement, index + 1),
        }
    }

    /// Acting would not take the copy: it stays where it is, and its holder decides.
    fn leave_to_holder(&mut self, view: &View, placement: &Placement) {
        (self.lease, self.leases) = (None, false);
        self.search(view, placement, 1);
    }

    pub(super) fn fail(&mut self, view: &View, failure: Failure) {
        // It may be there all the same, and then on no other place.
        self.moved |= self.stage == Stage::Storing && failure == Failure::Unanswered;
        self.begin_again(view);
    }
}
