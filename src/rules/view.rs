//! What is known about a pool's servers at one moment: the input of every decision.

use std::sync::Arc;

use super::places::{Placement, Places};
use super::pool::{Pool, ServerId, match_up};
use super::time::{Instant, Stamp};

/// A server's state. *Live* is every one but down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, PartialOrd, Ord)]
pub enum State {
    /// It answers, and everything that belongs on it is there.
    #[default]
    Steady,
    /// It answers again, but not everything that belongs on it is there yet.
    Returned,
    /// It answers and is to be taken out of the pool: it gets no new keys; what it holds is still read.
    Draining,
    /// It failed, or was taken out.
    Down,
}

/// Whether a server has the meta commands. Probed when a connection is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Meta {
    /// No connection was made yet.
    #[default]
    Unknown,
    /// It has them (memcached 1.6 and later).
    Yes,
    /// It answered `mn` with ERROR.
    No,
}

/// One server as it is seen at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServerView {
    /// Its state.
    pub state: State,
    /// Whether it has the meta commands.
    pub meta: Meta,
    /// 16 bits that tell this life of its process from its earlier ones: the mark that its CAS
    /// values carry when they are handed to a caller (rule 10). Never 0 once it was met.
    pub incarnation: u16,
    /// It is down and that says nothing about the network (rule 14): it answered its last trial and only
    /// its flush was held back, or it was taken out by an administrator's order.
    pub held_back: bool,
    /// It is live for everybody, and this process cannot reach it at the moment: reads pass it by and
    /// writes wait for the daemon's word (rule 18). Only where an attended table gives the states.
    pub unreachable: bool,
    /// Since when it is in that state, on the clock that [`Stamp::boot_millis`] tells. Nothing that a plan rests on.
    pub since: Instant,
}

/// A pool and the state of each of its servers at one moment. A driver refreshes it whenever the
/// generation changed; an operation compares generations to learn whether what it decided on
/// still holds.
#[derive(Clone, Debug)]
pub struct View {
    /// The configured servers.
    pub pool: Arc<Pool>,
    /// Grows with every change of any state.
    pub generation: u64,
    /// The time of day: for expiry times that are absolute, and for the marker of rule 4.
    /// A driver keeps it right while a server is not steady, and to a second otherwise. By its clock of the boot a returned
    /// server's window ends.
    pub now: Stamp,
    /// Whether somebody sweeps this pool (then copies on stand-ins need no cap, rule 6).
    pub swept: bool,
    /// The pool has another list of servers by now, and whoever begins anew goes by that: a miss under this one
    /// proves nothing. A read holds it back, and goes on when its driver has changed over to the other list.
    pub outdated: bool,
    previous: Option<Box<Previous>>,
    servers: Vec<ServerView>,
    all_steady: bool,
    any_live: bool,
    any_unreachable: bool,
    isolated: bool,
}

impl View {
    /// A view of `pool` in which every server is steady and nothing is known of any.
    pub fn new(pool: Arc<Pool>) -> View {
        let servers = vec![ServerView::default(); pool.servers().len()];
        View {
            pool,
            generation: 0,
            now: Stamp::default(),
            swept: false,
            outdated: false,
            previous: None,
            any_live: !servers.is_empty(),
            servers,
            all_steady: true,
            any_unreachable: false,
            isolated: false,
        }
    }

    /// Takes in what is now known of the servers, in the order of the pool.
    pub fn refresh(&mut self, generation: u64, servers: impl Iterator<Item = ServerView>) {
        self.generation = generation;
        self.servers.clear();
        self.servers.extend(servers);
        debug_assert_eq!(self.servers.len(), self.pool.servers().len());
        self.all_steady = self.previous.is_none() && self.servers.iter().all(|s| s.state == State::Steady);
        self.any_live = self.servers.iter().any(|s| s.state != State::Down);
        self.any_unreachable = self.servers.iter().any(|s| s.unreachable && s.state != State::Down);
        // One that is down for another reason than silence is no sign of a broken network.
        let silent = self.servers.iter().filter(|s| s.state == State::Down && !s.held_back).count();
        self.isolated = silent * 2 > self.servers.len();
        if let Some(previous) = &mut self.previous {
            previous.refresh(&self.servers);
        }
    }

    /// What the list before this one placed is still being moved: its places count too (rule 7). `None`: no more. A
    /// [`View::refresh`] is to follow.
    pub fn set_previous(&mut self, list: Option<Arc<Pool>>) {
        self.previous = list.map(|list| Box::new(Previous::new(list, &self.pool)));
    }

    /// The list of servers before this one, while what it placed is being moved.
    pub fn previous(&self) -> Option<&Arc<Pool>> {
        self.previous.as_ref().map(|previous| &previous.view.pool)
    }

    /// The live servers of this list that may hold a copy because the previous one placed it there.
    pub(super) fn previous_places(&self, key: &[u8]) -> Places {
        self.previous.as_ref().map_or_else(Places::new, |previous| previous.places(key))
    }

    /// Everything that belongs on it is there: it is steady, and so is the list of servers. Then its miss is a miss.
    pub fn complete(&self, id: ServerId) -> bool {
        self.state(id) == State::Steady && self.previous.is_none()
    }

    /// What is known of one server.
    pub fn server(&self, id: ServerId) -> ServerView {
        self.servers[id.index()]
    }

    /// One server's state.
    pub fn state(&self, id: ServerId) -> State {
        self.servers[id.index()].state
    }

    /// Not down.
    pub fn live(&self, id: ServerId) -> bool {
        self.state(id) != State::Down
    }

    /// Every server is steady, and so is the list of them: the everyday case, which needs no walk.
    pub fn all_steady(&self) -> bool {
        self.all_steady
    }

    /// Any server is live: what [`Placement::of`](super::places::Placement::of) asks before it hashes.
    pub fn any_live(&self) -> bool {
        self.any_live
    }

    /// It is live, and this process cannot reach it at the moment (rule 18).
    pub fn unreachable(&self, id: ServerId) -> bool {
        let server = &self.servers[id.index()];
        server.unreachable && server.state != State::Down
    }

    /// Any server is: what a read asks before it looks at one.
    pub fn any_unreachable(&self) -> bool {
        self.any_unreachable
    }

    /// More than half of the servers are down, and not by an order or held back: this machine's network is the likelier fault, and
    /// nothing is diverted (rule 14).
    pub fn isolated(&self) -> bool {
        self.isolated
    }

    /// It is isolated, and what belongs on `home` may be on servers that are only out of reach: that nobody else has it proves
    /// nothing, and nothing of it is diverted.
    pub fn cut_off_from(&self, home: ServerId) -> bool {
        self.isolated && !self.complete(home)
    }

    /// It is isolated, and what is written to `home` would pass by a server that is only out of reach: nothing of it is changed
    /// (rule 14). While home and backup are complete nothing else can hold a copy. As long as one of them is not, a
    /// server that is down may keep an older one, and could not come back unflushed.
    pub fn keeps_changes_from(&self, home: ServerId) -> bool {
        let backup = self.pool.server(home).backup;
        let at_home = self.complete(home) && backup.is_none_or(|backup| self.complete(backup));
        self.isolated && !at_home
    }
}

/// The list of servers before the current one. One that is in no list any more counts as down: its backup has the
/// second copies.
#[derive(Clone, Debug)]
struct Previous {
    /// Its servers, in the states that they have by the current view.
    view: View,
    /// Which server of the current list each of them is.
    now: Vec<Option<ServerId>>,
}

impl Previous {
    fn new(list: Arc<Pool>, current: &Pool) -> Previous {
        let known: Vec<_> = current.servers().iter().collect();
        let now = match_up(list.servers(), &known);
        let now = now.into_iter().map(|found| found.map(|index| ServerId(index as u16))).collect();
        Previous { view: View::new(list), now }
    }

    fn refresh(&mut self, servers: &[ServerView]) {
        let gone = ServerView { state: State::Down, held_back: true, ..ServerView::default() };
        let seen = self.now.iter().map(|now| now.map_or(gone, |id| servers[id.index()]));
        self.view.refresh(0, seen);
    }

    fn places(&self, key: &[u8]) -> Places {
        let placement = Placement::of(&self.view, key);
        let places = placement.into_iter().flat_map(|placement| placement.places);
        places.filter_map(|id| self.now[id.index()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::pool::{Options, Server};

    fn view(servers: &[ServerView]) -> View {
        let list = (0..servers.len()).map(|n| Server {
            name: format!("s{n}"),
            address: format!("127.0.0.1:{}", n + 1).parse().expect("an address"),
            weight: 1,
            backup: None,
        });
        let mut view = View::new(Arc::new(Pool::new("", Options::default(), list.collect())));
        view.refresh(1, servers.iter().copied());
        view
    }

    const STEADY: ServerView = ServerView {
        state: State::Steady,
        meta: Meta::Yes,
        incarnation: 7,
        held_back: false,
        unreachable: false,
        since: Instant(0),
    };
    const SILENT: ServerView = ServerView { state: State::Down, ..STEADY };

    #[test]
    fn servers_that_are_down_for_a_known_reason_are_no_sign_of_a_broken_network() {
        let known = ServerView { held_back: true, ..SILENT };
        assert!(view(&[SILENT, SILENT, SILENT, STEADY]).isolated());
        assert!(!view(&[known, known, SILENT, STEADY]).isolated());
        assert!(!view(&[known, SILENT, SILENT, STEADY]).isolated(), "half of them is not most");
        let nobody = view(&[known; 3]);
        assert!(!nobody.isolated() && !nobody.any_live());
    }

    #[test]
    fn who_is_down_is_not_unreachable_as_well() {
        let marked = |server: ServerView| ServerView { unreachable: true, ..server };
        let seen = view(&[STEADY, marked(SILENT)]);
        assert!(!seen.any_unreachable() && !seen.unreachable(ServerId(1)));
        let seen = view(&[STEADY, marked(STEADY)]);
        assert!(seen.any_unreachable() && seen.unreachable(ServerId(1)) && !seen.unreachable(ServerId(0)));
        assert!(seen.all_steady(), "it is for everybody else");
    }
}
