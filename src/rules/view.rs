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
    /// It is down and that says nothing about the network (rule 14): it answered its last trial and only
    /// its flush was held back, or it was taken out by an administrator's order.
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
            unix_millis: 0,
            swept: false,
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
        self.all_steady = self.servers.iter().all(|s| s.state == State::Steady);
        self.any_live = self.servers.iter().any(|s| s.state != State::Down);
        self.any_unreachable = self.servers.iter().any(|s| s.unreachable && s.state != State::Down);
        // One that is down for another reason than silence is no sign of a broken network.
        let silent = self.servers.iter().filter(|s| s.state == State::Down && !s.held_back).count();
        self.isolated = silent * 2 > self.servers.len();
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
