//! What is known about a pool's servers at one moment: the input of every decision.

use std::sync::Arc;

use super::pool::{Pool, ServerId};

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
    /// It is down, but answered its last trial: only its flush was held back (rule 14).
    pub held_back: bool,
    /// It is live for everybody, and this process cannot reach it at the moment: reads pass it by and
    /// writes wait for the daemon's word (rule 18). Only where an attended table gives the states.
    pub unreachable: bool,
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
    /// Milliseconds since 1970: for expiry times that are absolute, and for the marker of rule 4.
    /// A driver keeps it right while a server is not steady.
    pub unix_millis: u64,
    /// Whether somebody sweeps this pool (then copies on stand-ins need no cap, rule 6).
    pub swept: bool,
    servers: Vec<ServerView>,
    all_steady: bool,
    any_live: bool,
    isolated: bool,
}

impl View {
    /// A view of `pool` in which every server is steady and nothing is known of any.
    pub fn new(pool: Arc<Pool>) -> View {
        let servers = vec![ServerView::default(); pool.servers().len()];
        View {
            pool,
            generation: 0,
            unix_millis: 0,
            swept: false,
            any_live: !servers.is_empty(),
            servers,
            all_steady: true,
            isolated: false,
        }
    }

    /// Takes in what is now known of the servers, in the order of the pool.
    pub fn refresh(&mut self, generation: u64, servers: impl Iterator<Item = ServerView>) {
        self.generation = generation;
        self.servers.clear();
        self.servers.extend(servers);
        debug_assert_eq!(self.servers.len(), self.pool.servers().len());
        self.all_steady = self.servers.iter().all(|s| s.state == State::Steady);
        let down = self.servers.iter().filter(|s| s.state == State::Down).count();
        self.any_live = down < self.servers.len();
        self.isolated = down * 2 > self.servers.len();
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

    /// Every server is steady: the everyday case, which needs no walk.
    pub fn all_steady(&self) -> bool {
        self.all_steady
    }

    /// Any server is live: what [`Placement::of`](super::places::Placement::of) asks before it hashes.
    pub fn any_live(&self) -> bool {
        self.any_live
    }

    /// More than half of the servers are down: this machine's network is the likelier fault, and
    /// nothing is diverted (rule 14).
    pub fn isolated(&self) -> bool {
        self.isolated
    }
}
