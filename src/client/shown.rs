//! What a client shows of itself to whoever opened it, and how he learns cheaply that it is something else.

use std::os::fd::{AsRawFd, RawFd};

use super::{Client, connection};
use crate::rules::pool::ServerId;

impl Client {
    /// Grows when [`Client::view`] or [`Client::fd`] may tell something else than before, as far as this process knows; it
    /// asks no clock and no table. A call has looked at both.
    pub fn edition(&self) -> u64 {
        self.views.edition().wrapping_add(connection::changes())
    }

    /// What went wrong around the servers, in messages for a person: the table is not used or is unattended,
    /// and the like. Each cause is told once in a process, to the client that meets with it first.
    pub fn take_messages(&mut self) -> Vec<String> {
        self.views.take_messages()
    }

    /// Whether [`Client::take_messages`] has any.
    pub fn has_messages(&self) -> bool {
        self.views.has_messages()
    }

    /// The file descriptor of the connection to a server; `None` while there is none. It stays this
    /// client's own.
    pub fn fd(&mut self, server: ServerId) -> Option<RawFd> {
        self.tidy_up();
        let connection = self.exchange.connection(server)?;
        connection.socket().map(AsRawFd::as_raw_fd)
    }
}
