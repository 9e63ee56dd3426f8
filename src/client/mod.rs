//! The blocking carrier: drives one [`Operation`] at a time over sockets, for a program that calls
//! and waits. It starts no thread and needs no runtime.
//!
//! - [`Client`] (here): the public face, one call at a time;
//! - `exchange`: one operation and its connections; `connection`, `dial`, `inbox`, `outbox`: one of them;
//! - `reach`: a connection for a thread that waits for it; `wait`: poll; `busy`: to poll without a sleep; `clock`: the clocks; [`resolve`]: addresses;
//! - `names`: when they are looked up; `registry`: what this process knows of its servers; `views`: how a client sees them, by the pool's
//!   table or by its own judgement; `trouble`: a server that only this process cannot reach;
//! - `quiet`: the everyday call, which need not look at most of what follows;
//! - `turn`: writers of one key take turns; `proof`: a turn that was taken over; `calm`: every call is over that began
//!   before; `repair`: what a read found displaced is moved; `lineup`: a changed list of servers;
//! - `trial`: the way back of a server that is down, riding along with the calls, where no daemon does it;
//! - `crowd`: many operations at once over the same connections, for the proxy's event loop;
//! - `hold`: a server that a program takes out of use; `messages`: what a person should know, once; `shown`: what a client tells of itself;
//! - `fork`: how a forked child is noticed; `twin`: locks that it need not fear; `whole`: how a cancelled thread ends.
//!
//! A client is for one thread at a time. A child of fork may go on with its parent's clients, unless
//! another thread of the parent was inside of one at that moment: it makes connections of its own,
//! leaves the parent's as they are, and knows of the servers what the parent knew.
//!
//! What a call costs: one send and one receive for a simple operation on a live server, whatever
//! its timeouts are; one send per server and polls in between for one that asks several. A server
//! that is known dead costs it nothing. A table costs two loads, a stripe two exchanges of a word.
//!
//! How the processes of a machine agree about servers, docs/one-view.md tells step by step.

mod busy;
mod calm;
mod clock;
mod connection;
#[cfg(feature = "programs")]
pub(crate) mod crowd;
mod dial;
mod exchange;
pub(crate) mod fork;
mod hold;
mod inbox;
mod lineup;
mod messages;
mod names;
mod outbox;
mod proof;
mod quiet;
#[cfg(feature = "programs")]
pub(crate) mod reach;
mod registry;
mod repair;
mod resolve;
mod shown;
mod silence;
#[cfg(test)]
mod tests;
mod trial;
mod trouble;
mod turn;
mod twin;
mod views;
mod wait;
mod whole;

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "programs")]
pub(crate) use clock::now;
#[cfg(feature = "programs")]
pub(crate) use dial::has_a_way_to;
#[cfg(test)]
pub(crate) use dial::tests as network;
#[cfg(feature = "programs")]
pub(crate) use resolve::is_name;
pub use resolve::resolve;
pub use views::TableAt;
pub(crate) use whole::Whole;

use self::busy::Busy;
use self::connection::{Connection, Terms};
use self::exchange::{Exchange, Witness};
use self::quiet::micros;
use self::registry::Lookup;
use self::trial::Trials;
use self::turn::Turn;
use self::views::Views;
use crate::rules::health::Settings;
use crate::rules::operation::{Operation, Outcome};
use crate::rules::pool::{Options, Pool, ServerId};
use crate::rules::time::Instant;
use crate::rules::view::View;
use crate::rules::wire::parse::Limits;
use crate::table::{Attendance, Stripes};

/// How often a call that waits for the table's word looks at the table.
const LOOK: Duration = Duration::from_millis(1);

/// How often a silent server is heard, each time as long as patience lasts, by a process that judges for all others
/// of the machine, in a pool whose table nobody attends, if half of the call's time is enough for that. A daemon asks it as
/// often as its `fall` says. A pool without a table is one process's own, and promises to be done within
/// the connect timeout.
const HEARINGS: u32 = 3;

/// A pool's client. One call at a time; any number of clients in any number of threads, which share
/// what this process knows of the servers of a pool, but no connection.
pub struct Client {
    pool: Arc<Pool>,
    /// The pool's, as changed by [`Client::set_timeouts`].
    options: Options,
    /// What [`Client::set_server_timeout`] chose, by server.
    own_timeouts: Vec<Option<Duration>>,
    /// What [`Client::set_nodelay`] chose, by server.
    nodelay: Vec<bool>,
    /// Whether a call that waits polls before it sleeps.
    busy: Busy,
    /// How long a whole call may take, in microseconds.
    total: u64,
    /// How long a call by the short way may wait for its one answer at most, in microseconds.
    short_wait: u64,
    terms: Vec<Terms>,
    views: Views,
    exchange: Exchange,
    trials: Trials,
    /// Why a server's address could not be resolved, by server.
    unresolved: Vec<Option<String>>,
    /// In which process the connections were made.
    epoch: u64,
    /// The program chose its timeouts itself.
    own_terms: bool,
    /// How often the list of servers changed.
    lineup: u64,
    /// The wishes for names to be looked up that it has seen.
    wishes: u64,
}

impl Client {
    /// Opens a client of `pool`. Resolves every server's address, which can take as long as the
    /// system's resolver does, and connects to none. A server whose address cannot be resolved is
    /// down, unless another client of this process resolved it: see [`Client::unresolved`].
    pub fn open(pool: Arc<Pool>) -> Client {
        Client::open_with_table(pool, None)
    }

    /// As [`Client::open`], for a pool that may have a shared table. While it is attended, its states are
    /// the client's view. Else, and when it is missing or refused, the client judges by itself, and looks for
    /// it again now and then: see [`Client::take_messages`].
    ///
    /// The table's list of servers is the pool, from the beginning: see [`Client::lineup`].
    pub fn open_with_table(pool: Arc<Pool>, table: Option<TableAt>) -> Client {
        let options = pool.options.clone();
        let count = pool.servers().len();
        let views = Views::new(Arc::clone(&pool), table);
        let mut client = Client {
            total: micros(options.timeout),
            short_wait: 0,
            own_timeouts: vec![None; count],
            nodelay: vec![true; count],
            busy: Busy::of(Duration::ZERO),
            terms: vec![terms(&options, None, true); count],
            exchange: Exchange::new(Vec::new()),
            trials: Trials::default(),
            unresolved: vec![None; count],
            epoch: fork::epoch(),
            own_terms: false,
            lineup: 0,
            wishes: registry::wishes(),
            pool,
            options,
            views,
        };
        client.exchange = Exchange::new(client.connections());
        client.set_short_wait();
        client.follow_list(clock::now());
        client.resolve();
        client
    }

    fn connections(&self) -> Vec<Connection> {
        let known = |id| Arc::clone(self.views.known(id));
        let ids = self.pool.ids().zip(&self.terms);
        ids.map(|(id, terms)| Connection::new(id, known(id), *terms)).collect()
    }

    /// Runs one operation to its end: the whole call. It ends within the client's timeout whatever
    /// the servers do; then as [`Outcome::Timeout`].
    pub fn run(&mut self, operation: &mut (impl Operation + ?Sized)) -> Outcome {
        let mut start = clock::now();
        if self.is_quiet() {
            return self.run_quietly(operation, start);
        }
        let _whole = Whole::begin();
        self.tidy_up();
        // Before any key's turn is held, and before the call's time begins.
        if self.look_up_wanted() {
            start = clock::now();
        }
        let deadline = self.deadline(start);
        loop {
            let stripes = self.views.stripes().filter(|_| operation.mutates()).cloned();
            let mut turn = match stripes.as_deref() {
                None => Turn::free(deadline),
                Some(stripes) => match Turn::take(stripes, operation, start, deadline) {
                    Ok(turn) => turn,
                    Err(_) => return Outcome::Timeout,
                },
            };
            if operation.mutates() {
                self.views.changes(operation, turn.deadline());
            }
            if turn.taken_over() {
                // By the pool's list of servers: who joined it may have to be proved too.
                self.begin(operation.mutates(), clock::now());
                if !proof::prove(&mut self.views, &self.terms, turn.deadline()) {
                    self.views.end(clock::now());
                    return Outcome::Timeout;
                }
                turn.proved();
            }
            // The table is looked at after the turn has come.
            let now = self.begin(operation.mutates(), turn.came(start));
            let other = self.views.stripes().filter(|_| operation.mutates()).map(|other| other.id());
            if other == stripes.as_deref().map(Stripes::id) {
                let outcome = self.drive(operation, now, &turn);
                self.views.end(now);
                drop(turn);
                if !self.views.view().all_steady() && !operation.mutates() {
                    self.repair(operation, start, deadline);
                }
                return outcome;
            }
            // There is another stripes file.
            start = clock::now();
        }
    }

    /// When a call is over that began then.
    #[inline]
    fn deadline(&self, start: Instant) -> Instant {
        Instant(start.0.saturating_add(self.total))
    }

    /// The client's side of the beginning of a call. The time after it: a name on a new list may have been looked up.
    fn begin(&mut self, mutates: bool, mut now: Instant) -> Instant {
        self.views.begin(mutates, now);
        if self.views.relisted() {
            self.follow_list(now);
            now = clock::now();
            self.views.begin(mutates, now);
        }
        if !self.views.view().all_steady() || !self.trials.is_empty() {
            if self.views.waits() {
                self.trials.stop(&mut self.views, now);
            } else {
                self.trials.ride(&mut self.views, &self.terms, now);
            }
            self.drop_idle_of_down();
        }
        now
    }

    /// Carries the operation to its end. The view is as the beginning of the call left it; it is looked at
    /// anew after every wait that was not the last.
    fn drive(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        start: Instant,
        turn: &Turn<'_>,
    ) -> Outcome {
        if self.views.is_overdue() {
            return Outcome::Timeout;
        }
        let now = turn.now(start);
        let in_time = now.0.saturating_add(self.short_wait) <= turn.deadline().0;
        match self.go_short(operation, now, in_time) {
            Ok(outcome) => outcome,
            Err(now) => self.drive_on(operation, now, turn),
        }
    }

    /// Carries an operation that has begun to its end.
    #[inline(never)]
    fn drive_on(
        &mut self,
        operation: &mut (impl Operation + ?Sized),
        mut now: Instant,
        turn: &Turn<'_>,
    ) -> Outcome {
        let deadline = turn.deadline();
        let mut generation = self.views.view().generation;
        loop {
            if now < deadline && operation.outcome().is_none() {
                self.exchange.pump(operation, &mut self.views, now);
            }
            if let Some(outcome) = operation.outcome() {
                self.exchange.end(now);
                return outcome;
            }
            if now >= deadline {
                self.exchange.give_up(operation, &mut self.views, now);
                return Outcome::Timeout;
            }
            if self.exchange.idle() {
                if self.views.relisted() && turn.is_free_of_stripes() {
                    // What it missed, or did not flush, may be where the pool's list of servers places it by now.
                    now = self.begin(operation.mutates(), now);
                    if !self.views.relisted() {
                        continue;
                    }
                }
                // It neither asks nor ends. No operation of ours does that; a call ends all the same.
                return Outcome::Unavailable;
            }
            self.wait(operation, now, deadline);
            if operation.outcome().is_some() {
                continue;
            }
            if self.exchange.awaits_nobody() {
                self.look_up_wanted();
            }
            now = clock::now();
            self.exchange.judge(operation, &mut self.views, now);
            if operation.outcome().is_none() {
                self.views.refresh(now);
                let looked_at = std::mem::replace(&mut generation, self.views.view().generation);
                if self.views.waits() || self.exchange.parked() || generation != looked_at {
                    self.exchange.reconsider(operation, &mut self.views, now);
                }
            }
        }
    }

    /// Waits until something came, or it is time for something.
    fn wait(&mut self, operation: &mut (impl Operation + ?Sized), now: Instant, deadline: Instant) {
        let left = deadline.since(now);
        // While all is well every server answers soon, and nothing is to be done before the last did.
        let together = self.views.view().all_steady();
        let reader = self.exchange.reader(together, now).filter(|_| self.trials.is_empty());
        let patience = |&index: &usize| self.exchange.patience(index) + self.busy.longest();
        if reader.as_ref().is_some_and(|reader| patience(reader) <= left) {
            let (views, busy) = (&mut self.views, &mut self.busy);
            return self.exchange.read_in_turn(operation, views, busy, now, deadline);
        }
        let span = self.busy.span();
        if !span.is_zero() && self.polled_busily(operation, now + span.min(left), deadline) {
            return;
        }
        let due = if self.exchange.parked() { Some(now + LOOK) } else { None };
        let due = self.exchange.due().into_iter().chain(due).min();
        let until = due.map_or(deadline, |due| due.min(deadline));
        self.poll(operation, until.since(now), deadline);
    }

    /// What a call before this one could have left: connections of the parent of a forked child, or of
    /// an operation that panicked. Everything that touches a connection or what is known of a
    /// server begins with it: in a child the parent's locks may be held by nobody.
    fn tidy_up(&mut self) {
        if self.epoch != fork::epoch() {
            self.epoch = fork::epoch();
            self.trials.forget();
            self.views.renew();
            // The old connections go: descriptors are closed, sockets are left as they are.
            self.exchange = Exchange::new(self.connections());
        } else if !self.exchange.idle() {
            self.exchange.close(true);
        }
    }

    /// Nothing is used of a server between its fall and its return, old connections neither.
    fn drop_idle_of_down(&mut self) {
        let view = self.views.view();
        for connection in self.exchange.connections() {
            if connection.ready() && !view.live(connection.server()) {
                connection.close(true);
            }
        }
    }

    /// How the servers are seen at this moment.
    pub fn view(&mut self) -> &View {
        self.tidy_up();
        self.views.refresh(clock::now());
        self.views.view()
    }

    /// The pool.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Whether the pool's table is attended at this moment, and if not, why; `None`: the client was opened
    /// without a table, or never could read it.
    pub fn attendance(&self) -> Option<Attendance> {
        self.views.attendance(clock::now())
    }

    /// How long a connection may take to be made, and how long a whole call may take. From the next
    /// call on.
    pub fn set_timeouts(&mut self, connect: Duration, total: Duration) {
        self.tidy_up();
        self.options.connect_timeout = connect;
        self.options.timeout = total;
        self.own_terms = true;
        self.views.set_settings(Settings::new(&self.options));
        self.set_terms();
    }

    /// How long a call may take that asks this server, in place of the client's timeout; `None`:
    /// the client's again. A call may take as long as the longest of all; a server with a shorter
    /// one only loses its patience earlier. From the next call on.
    pub fn set_server_timeout(&mut self, server: ServerId, timeout: Option<Duration>) {
        self.tidy_up();
        if let Some(own) = self.own_timeouts.get_mut(server.index()) {
            *own = timeout;
            self.set_terms();
        }
    }

    /// Whether what is sent to a server leaves at once (TCP_NODELAY; as it does unless told otherwise),
    /// or may wait for the acknowledgement of what was sent before. Of no effect on unix sockets. From
    /// now on.
    pub fn set_nodelay(&mut self, server: ServerId, nodelay: bool) {
        if let Some(own) = self.nodelay.get_mut(server.index()) {
            *own = nodelay;
            self.set_terms();
        }
    }

    /// How long a call that waits for answers asks its sockets again and again before it
    /// sleeps; zero, as it is unless told otherwise, for not at all. An answer that comes within that time costs
    /// no sleep and no waking, and the processor is busy meanwhile. Where answers mostly come later than that, it is left off
    /// and tried again now and then. From the next call on.
    pub fn set_busy_poll(&mut self, span: Duration) {
        self.busy.set(span);
        self.set_short_wait();
    }

    fn set_terms(&mut self) {
        let longest = self.own_timeouts.iter().flatten().max();
        let total = longest.map_or(self.options.timeout, |longest| self.options.timeout.max(*longest));
        self.total = micros(total);
        let chosen = self.own_timeouts.iter().zip(&self.nodelay).zip(&mut self.terms);
        for (((own, nodelay), terms_of), connection) in chosen.zip(self.exchange.connections()) {
            *terms_of = terms(&self.options, *own, *nodelay);
            connection.set_terms(*terms_of);
        }
        self.set_short_wait();
    }

    /// Closes the connection to a server. The next call that needs it makes a new one.
    pub fn disconnect(&mut self, server: ServerId) {
        self.tidy_up();
        if let Some(connection) = self.exchange.connection(server) {
            connection.close(false);
        }
    }
}

impl Drop for Client {
    /// Trials that are under way are left to the next client.
    fn drop(&mut self) {
        self.tidy_up();
        let now = clock::now();
        for server in (0..).map(ServerId).take(self.terms.len()) {
            self.views.release(server, now);
        }
        self.trials.leave(&self.views);
    }
}

fn terms(options: &Options, own_timeout: Option<Duration>, nodelay: bool) -> Terms {
    let own = own_timeout.map(|timeout| Options { timeout, ..options.clone() });
    let options_of_server = own.as_ref().unwrap_or(options);
    let patience = options_of_server.patience();
    // The other half of the call's time is for where the operation goes then.
    let most = options_of_server.timeout.as_micros() / 2 / patience.as_micros().max(1);
    let hearings = HEARINGS.min(u32::try_from(most).unwrap_or(HEARINGS)).max(1);
    let (connect, call) = (options.connect_timeout, options_of_server.timeout);
    let (limits, lookup) = (Limits::default(), Lookup::InCall);
    Terms { connect, patience, hearings, call, limits, greets: true, nodelay, lookup }
}
