//! What a table says: plain data, to and from the rules' types.

use crate::rules::health::Incarnation;
use crate::rules::pool::{Options, Pool, Server, ServerId};
use crate::rules::time::Stamp;
use crate::rules::view::{Meta, ServerView, State};

use super::encode::check;
use super::fault::Fault;
use super::identity;

/// One server, and what its watcher knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerEntry {
    /// As it is configured.
    pub server: Server,
    /// Its state.
    pub state: State,
    /// Since when it is in that state.
    pub since: Stamp,
    /// Why it is in that state, in a few words for a message.
    pub reason: String,
    /// The life it was last met in; `None` before it was met, or when it would not tell.
    pub incarnation: Option<Incarnation>,
    /// Whether it has the meta commands.
    pub meta: Meta,
    /// The mark of its epoch in CAS values: [`mark`](crate::rules::mark::mark).
    pub mark: u16,
    /// It is down, but answered its last trial: only its flush was held back (rule 14).
    pub held_back: bool,
    /// It is down, or draining, because an administrator ordered it: no trial brings it back, and there is nothing to
    /// wait for.
    pub ordered: bool,
    /// The server's epoch when this was published (docs/one-view.md).
    pub epoch: u64,
    /// Which word of the stripes file is the server's epoch.
    pub epoch_slot: u16,
}

impl ServerEntry {
    /// A server as `view` sees it since `since`; of which no more is known.
    pub fn new(server: Server, view: ServerView, since: Stamp) -> ServerEntry {
        let ServerView { state, meta, incarnation: mark, held_back, unreachable: _, since: _ } = view;
        ServerEntry {
            server,
            state,
            since,
            reason: String::new(),
            incarnation: None,
            meta,
            mark,
            held_back,
            ordered: false,
            epoch: 0,
            epoch_slot: 0,
        }
    }

    /// What the rules see of it.
    pub fn view(&self) -> ServerView {
        ServerView {
            state: self.state,
            meta: self.meta,
            incarnation: self.mark,
            held_back: self.held_back,
            unreachable: false,
            since: self.since.of_this_boot(identity::clock()).unwrap_or_default(),
        }
    }
}

/// A list of servers: a pool, and what is known of each server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The pool's name.
    pub name: String,
    /// What its owner chose.
    pub options: Options,
    /// The distinct servers, in configured order.
    pub servers: Vec<ServerEntry>,
    /// The slots of modulo distribution.
    pub slots: Vec<ServerId>,
}

impl List {
    /// A pool as `views` sees its servers (in the pool's order; one that is not there is steady) since
    /// `since`, milliseconds since 1970.
    pub fn new(pool: &Pool, views: &[ServerView], since: u64) -> List {
        let views = views.iter().copied().chain(std::iter::repeat(ServerView::default()));
        let servers = pool.servers().iter().cloned().zip(views);
        let since = Stamp::of_wall_clock(since);
        List {
            name: pool.name.clone(),
            options: pool.options.clone(),
            servers: servers.map(|(server, view)| ServerEntry::new(server, view, since)).collect(),
            slots: pool.slots().to_vec(),
        }
    }

    /// The pool that the list describes.
    ///
    /// # Errors
    /// [`Fault::Content`] for a list that is none: a slot or a backup that is no server of it, or more than
    /// there is room for. One that was read from a table never fails.
    pub fn pool(&self) -> Result<Pool, Fault> {
        check(self)?;
        let servers = self.servers.iter().map(|entry| entry.server.clone()).collect();
        Ok(Pool::with_slots(self.name.clone(), self.options.clone(), servers, self.slots.clone()))
    }

    /// What the rules see of each server, in the order of the pool.
    pub fn views(&self) -> impl Iterator<Item = ServerView> + '_ {
        self.servers.iter().map(ServerEntry::view)
    }
}

/// How far a sweep is. For people: nothing is decided by these numbers.
///
/// Each publication of a table is a new generation, which every reader copies: so once a second is often enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// When it began: milliseconds since 1970. (A 0 is written as 1: in a table 0 says that there is no sweep.)
    pub began: u64,
    /// When these numbers were taken: milliseconds since 1970.
    pub updated: u64,
    /// How many servers are to be walked.
    pub sources: u32,
    /// How many of them are done.
    pub sources_done: u32,
    /// Keys that were looked at.
    pub keys: u64,
    /// Keys that there are to look at: an estimate from what the servers say they hold; 0 while it is unknown.
    pub keys_total: u64,
    /// Copies that were moved to where they belong.
    pub moved: u64,
    /// Bytes of the values of these copies.
    pub bytes: u64,
    /// Copies that a server would not take.
    pub refused: u64,
}

/// Everything that is published at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Which one it is; given by the writer, whatever stands here before.
    pub generation: u64,
    /// When it was made: milliseconds since 1970.
    pub published: u64,
    /// The id of the stripes file that goes with this table; 0: there is none.
    pub stripes: u64,
    /// Which clock the times of its servers are read from ([`Stamp::clock`]). A time on another one loses what that told.
    pub clock: u64,
    /// Somebody sweeps this pool: copies on stand-ins need no cap (rule 6). That somebody *would*, when there is something
    /// to be moved; whether one is at it is [`sweep`](Snapshot::sweep).
    pub swept: bool,
    /// How far the sweep is that is under way; `None` when there is none.
    pub sweep: Option<Progress>,
    /// The servers.
    pub current: List,
    /// While a changed list is swept: the list before (rule 7).
    pub previous: Option<List>,
}
