//! One server under watch: its watcher, and what is under way for it.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};
use tokio::time::sleep;

use super::carrier::{Carrier, Patience, SharedView, Sites, Socket};
use super::journal;
use super::ledger::Turn;
use super::weed::Weeder;
use crate::client::{is_name, resolve};
use crate::rules::greeting::Greeting;
use crate::rules::operation::{Operation, Outcome};
use crate::rules::pool::{Server, ServerId};
use crate::rules::probe::Probe;
use crate::rules::rejoin::Rejoin;
use crate::rules::time::{Instant, Stamp};
use crate::rules::view::State;
use crate::rules::watcher::{Failing, Moment, Watcher};
use crate::table::JournalKeeper;
use crate::table::identity::stamp;

/// How long what a name stands for is believed.
const NAME_LASTS: Duration = Duration::from_secs(60);
/// How long what another process has sent on its trial may be under way.
const LATE: Duration = Duration::from_millis(4);
/// Milliseconds after which a server that is down is flushed, whatever is known of it.
const SHORT: u64 = 300_000;
/// How long after a name could not be looked up it is tried again; a new one after an interval.
const NAME_AGAIN: Duration = Duration::from_secs(5);
/// For so many intervals no server is blamed for its name's having no address yet. A daemon that starts while the
/// resolver does not answer (it starts too, or the network does) must not call every server down: they would be flushed for
/// it.
const NAME_PATIENCE: u32 = 40;

/// What a task has to say. `server` is a [`Watched::key`], `ticket` a task's number.
pub struct News {
    pub server: u64,
    pub ticket: u64,
    pub found: Found,
}

/// What a task found.
pub enum Found {
    Probed(Result<Greeting, Failing>, Option<Socket>),
    Tried(Box<Rejoin>, Option<Outcome>, Option<Socket>, Turn, Option<JournalKeeper>),
    /// The connection that is kept open to see its end has ended.
    Ended,
    Resolved(Result<Vec<rustix::net::SocketAddrAny>, String>),
}

/// A task that ends with its owner.
struct Task {
    ticket: u64,
    handle: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// A server under watch.
pub struct Watched {
    /// Names it to its tasks: a place in the list can be another server's after a reload.
    pub key: u64,
    /// As it is configured.
    pub server: Server,
    pub watcher: Watcher,
    /// Which word of the stripes file is its epoch.
    pub slot: u16,
    sites: Option<Sites>,
    /// Why its name could not be looked up, when it could not.
    unresolved: Option<String>,
    resolve_at: Instant,
    /// When its name was first looked up in vain, with no address known from before.
    nameless_since: Option<Instant>,
    question: Option<Task>,
    sentinel: Option<Task>,
    lookup: Option<Task>,
    /// Of a trial that is over: given back when what it found is published.
    turn: Option<Turn>,
    /// It is down, and what is changed without it is noted from the beginning: it may keep the rest. A trial under way has it.
    journal: Option<JournalKeeper>,
    lent: bool,
    tickets: u64,
    /// What was logged last: the state, since when, and why.
    noted: (State, Stamp, String),
    /// The last refusal that was logged.
    refusal: Vec<u8>,
}

impl Watched {
    pub fn new(key: u64, server: Server, watcher: Watcher, slot: u16) -> Watched {
        let noted = (watcher.state(), watcher.since(), watcher.reason().into_owned());
        Watched {
            key,
            server,
            watcher,
            slot,
            sites: None,
            unresolved: None,
            resolve_at: Instant(0),
            nameless_since: None,
            question: None,
            sentinel: None,
            lookup: None,
            turn: None,
            journal: None,
            lent: false,
            tickets: 0,
            noted,
            refusal: Vec::new(),
        }
    }

    /// Its addresses, as far as they are known.
    pub fn sites(&self) -> Option<Sites> {
        self.sites.clone()
    }

    /// Another entry of the list describes it now.
    pub fn rename(&mut self, server: Server) {
        if server.address != self.server.address {
            (self.sites, self.lookup, self.unresolved) = (None, None, None);
            (self.resolve_at, self.nameless_since) = (Instant(0), None);
            self.sentinel = None;
        }
        self.server = server;
    }

    /// Gives up what is under way: the ids that it works with mean other servers now.
    pub fn drop_question(&mut self, now: Moment) {
        self.lent = false;
        if self.question.take().is_some() {
            self.watcher.dropped(now);
        }
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Looks its name up when that is due. What is no name is known at once.
    pub fn resolve(&mut self, now: Instant, news: &UnboundedSender<News>) {
        if now < self.resolve_at || self.lookup.is_some() {
            return;
        }
        let address = self.server.address.clone();
        if !is_name(&address) {
            self.resolved(now, resolve(&address));
            self.resolve_at = Instant(u64::MAX);
            return;
        }
        let (server, ticket, news) = (self.key, self.ticket(), news.clone());
        let handle = spawn_local(async move {
            let found = spawn_blocking(move || resolve(&address)).await;
            let found = found.unwrap_or_else(|error| Err(error.to_string()));
            // Without a receiver there is no daemon that could want to know.
            let _ = news.send(News { server, ticket, found: Found::Resolved(found) });
        });
        self.lookup = Some(Task { ticket, handle });
    }

    /// A lookup is over.
    pub fn resolved(&mut self, now: Instant, found: Result<Vec<rustix::net::SocketAddrAny>, String>) {
        self.lookup = None;
        match found {
            Ok(sites) => {
                if let Some(why) = self.unresolved.take() {
                    log::info!("{}: found at last ({why})", self.title());
                }
                self.sites = Some(sites.into());
                (self.resolve_at, self.nameless_since) = (now + NAME_LASTS, None);
            }
            Err(why) => {
                if self.unresolved.as_ref() != Some(&why) {
                    log::warn!("{}: {}", self.title(), why.escape_debug());
                }
                self.unresolved = Some(why);
                let pause = match self.sites {
                    Some(_) => NAME_AGAIN,
                    None => {
                        self.nameless_since.get_or_insert(now);
                        self.watcher.settings.interval
                    }
                };
                self.resolve_at = now + pause;
            }
        }
    }

    /// Whether its name has had no address for so long that this is what is wrong with it.
    fn is_nameless(&self, now: Instant) -> bool {
        let patience = self.watcher.settings.interval.saturating_mul(NAME_PATIENCE);
        self.nameless_since.is_some_and(|since| now.since(since) >= patience)
    }

    /// Begins a probe. `id`: which one it is in the view.
    pub fn probe(
        &mut self,
        now: Instant,
        id: ServerId,
        view: &SharedView,
        limit: Duration,
        news: &UnboundedSender<News>,
    ) {
        let (server, ticket, news) = (self.key, self.ticket(), news.clone());
        let view = view.clone();
        let sites = self.sites.clone();
        let nameless = self.is_nameless(now);
        let handle = spawn_local(async move {
            let mut probe = Probe::new(&view.borrow(), id);
            let mut carrier = Carrier::new(view, Patience::Whole(limit));
            let failing = carrier.drive(&mut probe, &|_| sites.clone()).await;
            let result = match probe.outcome() {
                Some(Outcome::Done | Outcome::Refused) => Ok(probe.greeting().clone()),
                _ if nameless => Err(Failing::Ill("its name cannot be looked up")),
                _ => Err(failing.unwrap_or(Failing::Ill(probe.reason()))),
            };
            let socket = result.is_ok().then(|| carrier.take(id)).flatten();
            let _ = news.send(News { server, ticket, found: Found::Probed(result, socket) });
        });
        self.question = Some(Task { ticket, handle });
    }

    /// What its last trial found is published.
    pub fn give_turn_back(&mut self) {
        self.turn = None;
    }

    /// How it is now is published: of one that is back nothing is noted any more.
    pub fn told(&mut self) {
        if self.watcher.state() != State::Down {
            self.journal = None;
        }
    }

    /// What is changed without it from now on is noted. It is about to be published as down.
    pub fn note_changes(&mut self, journal: Option<JournalKeeper>) {
        self.journal = journal;
    }

    /// It must be flushed when it comes back, and nothing is noted for it any more.
    pub fn forget_changes(&mut self, now: Moment) {
        self.journal = None;
        if self.lent {
            self.drop_question(now);
        }
    }

    /// Begins a trial. `sites`: of every server of the view, for one of them keeps the marker.
    pub fn try_again(
        &mut self,
        id: ServerId,
        view: &SharedView,
        limit: Duration,
        sites: Vec<Option<Sites>>,
        mut turn: Turn,
        news: &UnboundedSender<News>,
    ) {
        let (server, ticket, news) = (self.key, self.ticket(), news.clone());
        let view = view.clone();
        let short = stamp().millis_since(self.watcher.since()) <= SHORT;
        let mut journal = self.journal.take().filter(|_| short);
        self.lent = journal.is_some();
        let rejoin = self.watcher.trial(&view.borrow(), id).keeping(self.lent);
        let mut rejoin = Box::new(rejoin);
        let handle = spawn_local(async move {
            if turn.taken_over() {
                sleep(LATE).await;
            }
            let mut carrier = Carrier::new(view.clone(), Patience::Each(limit));
            let sites = |id: ServerId| sites.get(id.index()).cloned().flatten();
            carrier.drive_while(&mut *rejoin, &sites, &mut || turn.goes_on()).await;
            if rejoin.weeds() {
                let mut weeder =
                    Weeder { server: id, sites: sites(id), carrier: &mut carrier, turn: &mut turn };
                let weeded = match &mut journal {
                    Some(journal) => weeder.weed(journal).await,
                    None => None,
                };
                // Whoever waits goes on: it is flushed.
                journal = journal.filter(|_| weeded.is_some());
                rejoin.weeded(&view.borrow(), weeded);
                carrier.drive_while(&mut *rejoin, &sites, &mut || turn.goes_on()).await;
            }
            let outcome = rejoin.outcome().filter(|_| turn.goes_on());
            let socket = (outcome == Some(Outcome::Done)).then(|| carrier.take(id)).flatten();
            let _ = news.send(News {
                server,
                ticket,
                found: Found::Tried(rejoin, outcome, socket, turn, journal),
            });
        });
        self.question = Some(Task { ticket, handle });
    }

    /// Takes in what a task found. Whether others see something new.
    pub fn learn(&mut self, now: Moment, ticket: u64, found: Found, news: &UnboundedSender<News>) -> bool {
        let counts = |task: &Option<Task>| task.as_ref().is_some_and(|task| task.ticket == ticket);
        match found {
            Found::Probed(result, socket) if counts(&self.question) => {
                self.question = None;
                let changed = self.watcher.probed(now, result.as_ref().map_err(|failing| *failing));
                self.keep_sentinel(socket, news);
                changed
            }
            Found::Tried(rejoin, outcome, socket, mut turn, journal) if counts(&self.question) => {
                self.question = None;
                let outcome = outcome.filter(|_| turn.goes_on());
                let outcome = outcome.filter(|_| may_be_told(&rejoin, journal.as_ref()));
                (self.turn, self.lent) = (Some(turn), false);
                self.tell_refusal(&rejoin);
                let changed = self.watcher.tried(now, &rejoin, outcome);
                // One that was closed in vain is over.
                let in_vain = rejoin.kept().is_some() && self.watcher.state() == State::Down;
                self.journal = journal.filter(|_| !in_vain);
                self.keep_sentinel(socket, news);
                changed
            }
            Found::Ended if counts(&self.sentinel) => {
                self.sentinel = None;
                self.watcher.told(now);
                false
            }
            Found::Resolved(found) if counts(&self.lookup) => {
                let was_unknown = self.sites.is_none();
                self.resolved(now.clock, found);
                if was_unknown {
                    // What was asked without an address was asked of nobody.
                    self.watcher.told(now);
                }
                false
            }
            // Of a task that was given up.
            _ => false,
        }
    }

    /// The connection of a good probe stays open until the next one has made another: its end tells of most deaths
    /// before anybody meets with them.
    fn keep_sentinel(&mut self, socket: Option<Socket>, news: &UnboundedSender<News>) {
        if self.watcher.state() == State::Down {
            self.sentinel = None;
        } else if let Some(socket) = socket {
            let (server, ticket, news) = (self.key, self.ticket(), news.clone());
            let handle = spawn_local(async move {
                socket.ended().await;
                let _ = news.send(News { server, ticket, found: Found::Ended });
            });
            self.sentinel = Some(Task { ticket, handle });
        }
    }

    /// What the server says itself when it refuses a trial, once. They are a stranger's bytes.
    fn tell_refusal(&mut self, rejoin: &Rejoin) {
        let refusal = rejoin.refusal().unwrap_or_default();
        if !refusal.is_empty() && refusal != self.refusal {
            log::warn!("{}: {}: \"{}\"", self.title(), rejoin.reason(), refusal.escape_ascii());
        }
        self.refusal = refusal.to_vec();
    }

    /// How a log line names it.
    pub fn title(&self) -> String {
        let address = self.server.address.to_string();
        if self.server.name == address { address } else { format!("{} ({address})", self.server.name) }
    }

    /// Writes the log line of a change, if there was one since the last.
    pub fn note(&mut self) {
        let (state, since, reason) = (self.watcher.state(), self.watcher.since(), self.watcher.reason());
        let (was, before, said) = &self.noted;
        if (state, since, &*reason) == (*was, *before, said) {
            return;
        }
        let (title, name) = (self.title(), journal::word(state));
        if (state, since) == (*was, *before) {
            log::info!("{title}: still {name}: {reason}");
        } else {
            let lasted = journal::span(Duration::from_millis(since.millis_since(*before)));
            let (level, was) = match state {
                State::Down => (log::Level::Warn, journal::word(*was)),
                _ => (log::Level::Info, journal::word(*was)),
            };
            log::log!(level, "{title}: {name}: {reason} (after {lasted} {was})");
        }
        let reason = reason.into_owned();
        self.noted = (state, since, reason);
    }
}

/// Whether a trial's end is to be believed: where a server kept what it held, the keys that were noted are all dealt with.
fn may_be_told(rejoin: &Rejoin, journal: Option<&JournalKeeper>) -> bool {
    rejoin.kept().is_none() || journal.is_some_and(|journal| journal.commit().is_ok())
}
