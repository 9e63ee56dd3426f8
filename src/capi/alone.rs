//! A server that the program's own functions chose (mcHashKey, mcServerFind): the call goes to it, and to no other.

use std::sync::Arc;
use std::time::Duration;

use super::handle::entry;
use super::memcache::Cache;
use super::server::{self, memcache_server};
use crate::client::Client;
use crate::rules::operation::{Operation, Outcome};
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
        let handle = self.handle();
        if !server::is_in_use(server) {
            handle.last.set(Outcome::Unavailable.into());
            return Outcome::Unavailable;
        }
        let connect = handle.chosen.options.connect_timeout;
        // Taken out, so that a panic on the way takes a client in an unknown state with it.
        let kept = handle.alone.remove(&server);
        let Some(mut alone) = kept.or_else(|| Alone::open(server, connect)) else {
            return Outcome::Unavailable;
        };
        alone.keep_to(server::timeout_of(server), connect);
        alone.client.set_busy_poll(handle.chosen.busy_poll);
        let outcome = alone.client.run(operation);
        if let Some(listed) = self.servers_in_use().find(|listed| std::ptr::eq(*listed, server)) {
            alone.show(listed);
        }
        handle.alone.insert(server, alone);
        handle.last.set(outcome.into());
        outcome
    }
}
