//! What goes wrong in a world, and what is planted in it.

use memcache::rules::places::{self, Placement};
use memcache::rules::pool::ServerId;
use memcache::rules::view::View;

use crate::message::Ask;
use crate::task::Task;

/// A known fault, put into every process on purpose, so that the checks prove themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Planted {
    #[default]
    Nothing,
    /// A write deletes nothing on the other places.
    NoClearing,
    /// A process that cannot reach a server takes it for down although the table is attended.
    DivertsAlone,
    /// A process that judges by itself tells nobody.
    NoEpochs,
    /// A daemon that begins, or slept, does not ask what happened meanwhile.
    NoSettling,
    /// Writers of one key do not take turns.
    NoStripes,
    /// Who takes a stripe over does not wait for what the one before may have sent.
    NoProof,
    /// A server that owes the answer to a change when its call is over is used on.
    NoDoubts,
    /// A read that passed a place by takes the other places' word for a miss.
    HastyMiss,
    /// The table is looked at when a call begins, and not when an answer comes.
    LateLook,
    /// A connection outlives the fall and the return of its server.
    OldConnections,
    /// Several try one server at the same time.
    TrialsTogether,
    /// A draining server is used as a steady one.
    DrainingActs,
    /// Servers are walked while calls of before are under way.
    NoCalm,
    /// A copy is moved without its key's turn.
    MoveNoStripe,
    /// A walk that was cut short counts.
    HalfWalk,
    /// A copy that was moved stays where it was found, too.
    SourceStays,
    /// A walk counts for goals that were set after it began.
    EarlyWalk,
    /// A read takes a miss under an older list for one.
    OldMiss,
    /// A write leaves what the list before placed.
    OldPlacesStay,
    /// A read moves what it found whoever has the key's turn.
    RudeRepair,
    /// A move leaves the stubs where they are that it finds on a home which became complete meanwhile.
    StubStays,
    /// Times are compared on the wall clock.
    WallClock,
}

impl Planted {
    /// Whether a copy, or a stub, is not deleted which is to be deleted.
    pub fn clears_nothing(self, view: &View, task: &Task, ask: &Ask, server: ServerId) -> bool {
        if let (Planted::StubStays, Ask::EndLease { key, .. }) = (self, ask) {
            return task.is_move() && view.complete(server) && places::home(&view.pool, key) == Some(server);
        }
        let Ask::Delete { key } = ask else { return false };
        match self {
            Planted::NoClearing => task.is_set(),
            Planted::SourceStays => task.is_move(),
            Planted::OldPlacesStay => {
                let mut list = view.clone();
                list.set_previous(None);
                let now = (list.generation, view.pool.ids().map(|id| view.server(id)));
                list.refresh(now.0, now.1);
                let placed = Placement::of(&list, key).is_some_and(|it| it.places.contains(&server));
                task.is_set() && !placed
            }
            _ => false,
        }
    }
}

/// What a world suffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Crash(usize),
    Restart(usize),
    Cut(usize),
    Refuse(usize),
    Hang(usize),
    Break(usize),
    /// One process is cut off from a server.
    CutFrom(usize, usize),
    Drain(usize),
    DaemonStops,
    DaemonDies,
    DaemonDiesHalfway,
    DaemonResigns,
    ProcessStops(usize),
    ProcessDies(usize),
}

impl Fault {
    pub const KINDS: usize = 14;

    /// In the order of their numbers.
    pub const NAMES: [&str; Fault::KINDS] = [
        "crashes",
        "restarts before anybody looked",
        "cuts, silent",
        "cuts, refusing",
        "hangs",
        "broken connections",
        "cuts from one process",
        "drains",
        "daemons stopped for a while",
        "daemons killed",
        "daemons killed between two halves",
        "daemons ended",
        "processes stopped for a while",
        "processes killed",
    ];

    /// Its place among the counts.
    pub fn number(self) -> usize {
        match self {
            Self::Crash(_) => 0,
            Self::Restart(_) => 1,
            Self::Cut(_) => 2,
            Self::Refuse(_) => 3,
            Self::Hang(_) => 4,
            Self::Break(_) => 5,
            Self::CutFrom(..) => 6,
            Self::Drain(_) => 7,
            Self::DaemonStops => 8,
            Self::DaemonDies => 9,
            Self::DaemonDiesHalfway => 10,
            Self::DaemonResigns => 11,
            Self::ProcessStops(_) => 12,
            Self::ProcessDies(_) => 13,
        }
    }

    /// The server that suffers it.
    pub fn server(self) -> Option<usize> {
        match self {
            Self::Crash(s) | Self::Restart(s) | Self::Cut(s) | Self::Refuse(s) | Self::Hang(s) => Some(s),
            Self::Break(s) | Self::CutFrom(s, _) | Self::Drain(s) => Some(s),
            _ => None,
        }
    }
}
