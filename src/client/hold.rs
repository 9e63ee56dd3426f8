//! A server that the program takes out of use for itself, or passes by.

use super::{Client, Whole, clock};
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

    /// A change that may be this server's goes elsewhere, as a program decided that chooses its servers itself: what the
    /// server holds may be old. It is down for every client of this process until a trial, which rides along
    /// with the next calls, has emptied it.
    pub fn pass_by(&mut self, server: ServerId) {
        self.tidy_up();
        self.views.pass_by(server, clock::now());
    }

    /// What the beginning of a call does for servers that are down: their trials go on as far as that costs no waiting. For who
    /// decides by [`Client::view`] whether there will be a call.
    pub fn look_again(&mut self) {
        let _whole = Whole::begin();
        self.tidy_up();
        let now = clock::now();
        self.begin(false, now);
        self.views.end(now);
    }
}
