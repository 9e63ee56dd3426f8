//! A server that the program takes out of use for itself.

use super::{Client, clock};
use crate::rules::pool::ServerId;

impl Client {
    /// Takes a server for down, whatever it is (`down`), or sees it as it is again. Concerns this
    /// client alone: meanwhile it asks the server nothing, tries it never, and writes elsewhere.
    ///
    /// A server that a write passed by holds old values. When it is released it is down for every
    /// client of this process, until a trial, which rides along with the next calls, has emptied it.
    /// The end of a client releases what it holds.
    ///
    /// Whether it is so now. Where the pool's table was ever read, no server can be held down: what one client
    /// writes elsewhere on its own, others would not find. Then this reports the server to the
    /// daemon, which probes it, and is `false`.
    pub fn hold(&mut self, server: ServerId, down: bool) -> bool {
        self.tidy_up();
        let now = clock::now();
        self.views.refresh(now);
        if !down {
            self.views.release(server, now);
            return true;
        }
        if self.views.may_not_hold(server) {
            return false;
        }
        if self.views.hold(server, now) {
            self.trials.give_up(server, &mut self.views, now);
            if let Some(connection) = self.exchange.connection(server) {
                connection.close(true);
            }
        }
        self.views.held(server)
    }
}
