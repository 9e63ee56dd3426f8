//! A server that the program's own functions chose (mcHashKey, mcServerFind): the call goes to it, and to no other.
//!
//! Where the program's find function gives another server while one is down, it makes a failover of its own, of which nothing
//! is known here but that it may. So a server that was down while the program changed anything on another is emptied
//! before it is used again: it may hold what is old. (What another server holds from an earlier time in its place
//! only the program can know.) A hash function alone makes none: its calls keep to the server that failed.

use std::sync::Arc;
use std::time::Duration;

use super::handle::entry;
use super::memcache::Cache;
use super::server::{self, memcache_server};
use crate::client::Client;
use crate::rules::operation::{Broadcast, Everywhere, Operation, Outcome};
use crate::rules::pool::{Options, Pool, ServerId};

/// The one server of such a client.
const IT: ServerId = ServerId(0);

/// A client of one server.
pub(super) struct Alone {
    client: Box<Client>,
    /// What it was told of how long a call may take.
    timeout: Duration,
}

impl Alone {
    /// `None`: the struct names no server. `connect`: how long a connection may take to be made.
    fn open(server: *mut memcache_server, connect: Duration) -> Option<Alone> {
        let timeout = server::timeout_of(server);
        let options = Options { timeout, connect_timeout: connect.min(timeout), ..Options::default() };
        let pool = Pool::new("", options, vec![entry(server::address_of(server)?)]);
        let mut client = Box::new(Client::open(Arc::new(pool)));
        client.set_nodelay(IT, server::has_nodelay(server));
        Some(Alone { client, timeout })
    }

    /// The program may write another timeout into the struct at any time.
    fn keep_to(&mut self, timeout: Duration, connect: Duration) {
        if timeout != self.timeout {
            self.timeout = timeout;
            self.client.set_timeouts(connect.min(timeout), timeout);
        }
    }

    /// Writes what is known of the server into its struct, for functions that choose by it.
    fn show(&mut self, server: &mut memcache_server) {
        server.active = server::activity(self.client.view().server(IT));
        server.fd = self.client.fd(IT).unwrap_or(-1);
    }
}

impl Cache {
    /// Carries out an operation on one server, which the program chose.
    pub(super) fn run_on(
        self,
        server: *mut memcache_server,
        operation: &mut (impl Operation + ?Sized),
    ) -> Outcome {
        if !server::is_in_use(server) {
            self.handle().last.set(Outcome::Unavailable.into());
            return Outcome::Unavailable;
        }
        let Some(mut alone) = self.take_alone(server) else { return Outcome::Unavailable };
        // The program's allocator runs meanwhile, and may use the handle.
        let outcome = alone.client.run(operation);
        self.put_back(server, alone);
        self.handle().last.set(outcome.into());
        outcome
    }

    /// A server's client. Taken out, so that a panic on the way takes a client in an unknown state with it.
    fn take_alone(self, server: *mut memcache_server) -> Option<Alone> {
        let handle = self.handle();
        let connect = handle.chosen.options.connect_timeout;
        let kept = handle.alone.remove(&server);
        let mut alone = kept.or_else(|| Alone::open(server, connect))?;
        alone.keep_to(server::timeout_of(server), connect);
        alone.client.set_busy_poll(handle.chosen.busy_poll);
        Some(alone)
    }

    fn put_back(self, server: *mut memcache_server, mut alone: Alone) {
        if let Some(listed) = self.servers_in_use().find(|listed| std::ptr::eq(*listed, server)) {
            alone.show(listed);
        }
        self.handle().alone.insert(server, alone);
    }

    /// Before a find function of the program's looks at the servers: those that failed go on with their way back, as far as
    /// that costs no waiting, and show how far they are. A function that gives none that is down would else
    /// never give one again that failed once. Whether any still shows as down.
    pub(super) fn try_those_that_failed(self) -> bool {
        let mut failed = false;
        for server in self.servers().filter(|server| server::has_failed(*server)) {
            if let Some(mut alone) = self.take_alone(server) {
                alone.client.look_again();
                self.put_back(server, alone);
            }
            failed |= server::has_failed(server);
        }
        failed
    }

    /// A change goes to `server`, as a find function of the program's decided, and every other one that is down may have been
    /// passed by: what it holds may be older, so it is emptied before it is used again.
    pub(super) fn note_passed_by(self, server: *mut memcache_server) {
        let others = self.servers().filter(|other| *other != server && server::has_failed(*other));
        for other in others {
            if let Some(alone) = self.handle().alone.get_mut(&other) {
                alone.client.pass_by(IT);
            }
        }
    }

    /// Empties a server that the program took back into use: where it wrote meanwhile nobody knows but the program. If that
    /// cannot be done now, it is done before the server is used.
    pub(super) fn empty(self, server: *mut memcache_server) {
        let mut sink = |_: ServerId, _: Result<&[u8], Outcome>| {};
        let mut flush = Broadcast::new(Everywhere::FlushAll { delay: 0 }, None, &mut sink);
        if self.run_on(server, &mut flush) == Outcome::Done {
            return;
        }
        if let Some(mut alone) = self.take_alone(server) {
            alone.client.pass_by(IT);
            self.put_back(server, alone);
        }
    }
}
