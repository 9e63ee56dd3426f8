//! The carrier: drives an [`Operation`] that asks one question at a time (a probe, a trial) over sockets that
//! are its own, on the event loop.
//!
//! **A judge that woke late hears the server once more.** When this process had no processor, or was stopped, the
//! answer lies in the socket and the deadline is over all the same. So what can be read is read before a
//! verdict, and a verdict that comes much too late is put off once: the server never had the time it was
//! to have.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType};
use rustix::net::{connect, connect_unspec, recv, send, socket_with, sockopt};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::client::has_a_way_to;
use crate::rules::operation::{Failure, Operation, Outcome, Tag};
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::watcher::Failing;
use crate::rules::wire::parse::Limits;
use crate::rules::wire::pending::Pending;
use crate::rules::wire::{Command, Reply};
use crate::table::identity::stamp;

/// How long to wait for room in a unix socket's backlog before asking again; nothing tells when there is some.
const BACKLOG_PAUSE: Duration = Duration::from_millis(1);
/// Bytes that are received at once.
const ROOM: usize = 16 << 10;
/// Whoever waits for so long looks again.
const FOR_LONG: Duration = Duration::from_secs(3600);

/// The addresses that a server's name stands for.
pub type Sites = Rc<[SocketAddrAny]>;

/// The view that trials decide by, kept right by the daemon's loop.
pub type SharedView = Rc<RefCell<View>>;

/// A socket that the event loop waits for. What is done with it is done by system calls of our own, for what
/// matters is what lies in it, not what the loop knows of it so far.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn new(socket: OwnedFd, family: AddressFamily) -> std::io::Result<Socket> {
        if family == AddressFamily::UNIX {
            UnixStream::from_std(socket.into()).map(Socket::Unix)
        } else {
            TcpStream::from_std(socket.into()).map(Socket::Tcp)
        }
    }

    /// Waits until there is something to do with it. False: the time is over first.
    async fn ready(&self, interest: Interest, until: Instant) -> bool {
        let ready = async {
            match self {
                Socket::Tcp(socket) => socket.ready(interest).await,
                Socket::Unix(socket) => socket.ready(interest).await,
            }
        };
        timeout_at(until, ready).await.is_ok()
    }

    /// Tries once more what the socket was not ready for. If it still is not, the loop knows by this that it must wait.
    fn again<R>(&self, interest: Interest, action: impl FnMut() -> Result<R, Errno>) -> Result<R, Errno> {
        let mut action = action;
        let action = || action().map_err(std::io::Error::from);
        let done = match self {
            Socket::Tcp(socket) => socket.try_io(interest, action),
            Socket::Unix(socket) => socket.try_io(interest, action),
        };
        done.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))
    }

    /// Looks whether anything can be read; end and error count.
    fn peek(&self) -> Result<(), Errno> {
        recv(self, &mut [0u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT).map(drop)
    }

    /// Returns when the other side ended the connection, or sent what nobody asked for.
    pub async fn ended(&self) {
        loop {
            if self.ready(Interest::READABLE, Instant::now() + FOR_LONG).await
                && !matches!(self.again(Interest::READABLE, || self.peek()), Err(Errno::AGAIN | Errno::INTR))
            {
                return;
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// For everything from the first connection to the last answer.
    Whole(Duration),
    /// For each question anew, its connection included.
    Each(Duration),
}

/// A deadline and the grace of those who are judged late.
struct Deadline {
    span: Duration,
    until: Instant,
    heard_again: bool,
}

impl Deadline {
    fn new(span: Duration) -> Deadline {
        Deadline { span, until: Instant::now() + span, heard_again: false }
    }

    /// To be asked when nothing came: whether it is over, and that is the server's fault.
    fn is_over(&mut self) -> bool {
        let now = Instant::now();
        if now < self.until {
            return false;
        }
        if now - self.until > self.span / 2 && !self.heard_again {
            *self = Deadline { heard_again: true, ..Deadline::new(self.span) };
            return false;
        }
        true
    }
}

/// One connection.
struct Connection {
    server: ServerId,
    socket: Socket,
    input: Vec<u8>,
    pending: Pending<Tag>,
}

/// The connections of one operation; those that are left when it is dropped are reset, so that nothing that
/// lies unsent in them arrives later (rule 17).
pub struct Carrier {
    view: SharedView,
    patience: Patience,
    connections: Vec<Connection>,
}

impl Carrier {
    /// Without connections yet.
    pub fn new(view: SharedView, patience: Patience) -> Carrier {
        Carrier { view, patience, connections: Vec::new() }
    }

    /// Drives the operation to its end. `sites` knows each server's addresses. The last failure of a
    /// connection; `None`: there was none.
    pub async fn drive(
        &mut self,
        operation: &mut dyn Operation,
        sites: &dyn Fn(ServerId) -> Option<Sites>,
    ) -> Option<Failing> {
        self.drive_while(operation, sites, &mut || true).await
    }

    /// Drives the operation as long as `may` says that it may ask on. One that may not is left as it is.
    pub async fn drive_while(
        &mut self,
        operation: &mut dyn Operation,
        sites: &dyn Fn(ServerId) -> Option<Sites>,
        may: &mut dyn FnMut() -> bool,
    ) -> Option<Failing> {
        let mut failing = None;
        let (Patience::Whole(span) | Patience::Each(span)) = self.patience;
        let mut deadline = Deadline::new(span);
        loop {
            let next = operation.next(&self.now());
            let Some((server, tag)) = next.filter(|_| may()) else { return failing };
            if let Patience::Each(span) = self.patience {
                deadline = Deadline::new(span);
            }
            if let Err((why, sent)) = self.ask(operation, server, tag, sites(server), &mut deadline).await {
                failing = Some(why);
                self.lose(server);
                let failure = if sent { Failure::Unanswered } else { Failure::Unsent };
                operation.fail(&self.now(), tag, failure);
            }
        }
    }

    /// Drives an operation that asks one server, all that it has to ask before any answer is awaited: no more than fits
    /// into a socket. The server has the meta commands. Whether it is done; if not, its connection is lost.
    pub async fn drive_together(
        &mut self,
        operation: &mut dyn Operation,
        server: ServerId,
        sites: Option<Sites>,
    ) -> bool {
        let done = self.ask_together(operation, server, sites).await.is_some();
        if !done {
            self.lose(server);
        }
        done
    }

    async fn ask_together(
        &mut self,
        operation: &mut dyn Operation,
        server: ServerId,
        sites: Option<Sites>,
    ) -> Option<()> {
        let (Patience::Whole(span) | Patience::Each(span)) = self.patience;
        let mut deadline = Deadline::new(span);
        let index = self.connection(server, sites, &mut deadline).await.ok()?;
        let connection = &mut self.connections[index];
        let (mut out, view) = (Vec::new(), &self.view);
        while let Some((_, tag)) = operation.next(&view.borrow()) {
            if !connection.pending.ask(tag, &operation.command(tag), true, &mut out) {
                operation.answer(&view.borrow(), tag, &Reply::Unsupported);
            }
        }
        connection.pending.close(&mut out);
        connection.send(&out, &mut deadline).await.ok()?;
        while operation.outcome().is_none() {
            if !connection.tell(operation, &view.borrow(), true).ok()? {
                connection.receive(&mut deadline).await.ok()?;
            }
        }
        // What is left of an answer that was refused ends the connection.
        (operation.outcome() == Some(Outcome::Done)).then_some(())
    }

    fn lose(&mut self, server: ServerId) {
        self.connections.retain(|connection| {
            if connection.server == server {
                reset(&connection.socket);
            }
            connection.server != server
        });
    }

    /// The connection to a server, in step with it; the carrier gives it away.
    pub fn take(&mut self, server: ServerId) -> Option<Socket> {
        let index = self.connections.iter().position(|connection| connection.server == server)?;
        Some(self.connections.swap_remove(index).socket)
    }

    /// The view, with the right time of day. No borrow of it is held while anything is awaited.
    fn now(&self) -> std::cell::Ref<'_, View> {
        self.view.borrow_mut().now = stamp();
        self.view.borrow()
    }

    /// One question and its answer. The error says whether anything was sent.
    async fn ask(
        &mut self,
        operation: &mut dyn Operation,
        server: ServerId,
        tag: Tag,
        sites: Option<Sites>,
        deadline: &mut Deadline,
    ) -> Result<(), (Failing, bool)> {
        let index = self.connection(server, sites, deadline).await.map_err(|why| (why, false))?;
        let connection = &mut self.connections[index];
        let mut out = Vec::new();
        if !connection.pending.ask(tag, &operation.command(tag), false, &mut out) {
            operation.answer(&self.view.borrow(), tag, &Reply::Unsupported);
            return Ok(());
        }
        connection.pending.close(&mut out);
        connection.send(&out, deadline).await.map_err(|why| (why, true))?;
        loop {
            let connection = &mut self.connections[index];
            connection.receive(deadline).await.map_err(|why| (why, true))?;
            self.view.borrow_mut().now = stamp();
            if connection.tell(operation, &self.view.borrow(), false).map_err(|why| (why, true))? {
                return Ok(());
            }
        }
    }
}

impl Carrier {
    /// Which connection leads to a server; a new one when there is none.
    async fn connection(
        &mut self,
        server: ServerId,
        sites: Option<Sites>,
        deadline: &mut Deadline,
    ) -> Result<usize, Failing> {
        if let Some(known) = self.connections.iter().position(|connection| connection.server == server) {
            return Ok(known);
        }
        let socket = dial(&sites.ok_or(Failing::Local)?, deadline).await?;
        let (input, pending) = (Vec::new(), Pending::default());
        self.connections.push(Connection { server, socket, input, pending });
        Ok(self.connections.len() - 1)
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.connections.iter().for_each(|connection| reset(&connection.socket));
    }
}

impl Connection {
    async fn send(&self, mut bytes: &[u8], deadline: &mut Deadline) -> Result<(), Failing> {
        while !bytes.is_empty() {
            match send(&self.socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN | Errno::NOBUFS) if deadline.is_over() => return Err(Failing::Silent),
                Err(Errno::AGAIN | Errno::NOBUFS) => {
                    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                    match self.socket.again(Interest::WRITABLE, || send(&self.socket, bytes, flags)) {
                        Ok(sent) => bytes = &bytes[sent..],
                        Err(_) => drop(self.socket.ready(Interest::WRITABLE, deadline.until).await),
                    }
                }
                Err(_) => return Err(Failing::Broken),
            }
        }
        Ok(())
    }

    /// Receives once; room grows only with what came.
    async fn receive(&mut self, deadline: &mut Deadline) -> Result<(), Failing> {
        loop {
            let mut room = [0; ROOM];
            match recv(&self.socket, &mut room[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err(Failing::Broken),
                Ok((count, _)) => {
                    self.input.extend_from_slice(&room[..count]);
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if deadline.is_over() => return Err(Failing::Silent),
                Err(Errno::AGAIN) => {
                    if self.socket.again(Interest::READABLE, || self.socket.peek()) == Err(Errno::AGAIN) {
                        self.socket.ready(Interest::READABLE, deadline.until).await;
                    }
                }
                Err(_) => return Err(Failing::Broken),
            }
        }
    }

    /// Tells the operation the answer, if it is whole.
    fn tell(&mut self, operation: &mut dyn Operation, view: &View, meta: bool) -> Result<bool, Failing> {
        let question = |tag: Tag| -> Command<'_> { operation.command(tag) };
        let answer = self.pending.next(&self.input, meta, &Limits::default(), question);
        let Some((tag, reply, taken)) = answer.map_err(|_| Failing::Broken)? else { return Ok(false) };
        operation.answer(view, tag, &reply);
        self.input.drain(..taken);
        Ok(true)
    }
}

/// A connection to the first of the addresses that takes one; each gets its share of the time that is left.
async fn dial(sites: &Sites, deadline: &mut Deadline) -> Result<Socket, Failing> {
    let mut failing = None;
    for (index, site) in sites.iter().enumerate() {
        let left = u32::try_from(sites.len() - index).unwrap_or(u32::MAX);
        let now = Instant::now();
        let until = now + deadline.until.saturating_duration_since(now) / left;
        match reach(site, until, deadline).await {
            Ok(socket) => return Ok(socket),
            Err(Failing::Local) if has_a_way_to(site) => return Err(Failing::Local),
            Err(Failing::Local) => {}
            Err(why) => failing = Some(why),
        }
    }
    Err(failing.unwrap_or(if sites.is_empty() { Failing::Refused } else { Failing::Local }))
}

async fn reach(site: &SocketAddrAny, until: Instant, deadline: &mut Deadline) -> Result<Socket, Failing> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let family = site.address_family();
    let socket = match socket_with(family, SocketType::STREAM, flags, None) {
        Ok(socket) => socket,
        // This machine speaks no IPv6, say; the next address may be of another kind.
        Err(Errno::AFNOSUPPORT) => {
            return Err(Failing::Ill("this machine does not speak its kind of address"));
        }
        Err(_) => return Err(Failing::Local),
    };
    if family != AddressFamily::UNIX {
        // Without it the kernel holds back the end of a command until the last answer is acknowledged.
        let _ = sockopt::set_tcp_nodelay(&socket, true);
    }
    loop {
        match connect(&socket, site) {
            Ok(()) | Err(Errno::ISCONN) => break,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if family == AddressFamily::UNIX => {
                if deadline.is_over() {
                    return Err(Failing::Silent);
                }
                sleep_until((Instant::now() + BACKLOG_PAUSE).min(deadline.until)).await;
            }
            Err(Errno::INPROGRESS | Errno::ALREADY) => return connected(socket, site, until).await,
            Err(error) => return Err(why(error)),
        }
    }
    Socket::new(socket, family).map_err(|_| Failing::Local)
}

/// Waits for a connection that is being made. Asking the kernel to connect once more is how its progress is
/// learned, also by one who wakes late.
async fn connected(socket: OwnedFd, site: &SocketAddrAny, until: Instant) -> Result<Socket, Failing> {
    let socket = Socket::new(socket, site.address_family()).map_err(|_| Failing::Local)?;
    loop {
        let in_time = socket.ready(Interest::WRITABLE, until).await;
        match socket.again(Interest::WRITABLE, || progress(&socket, site)) {
            Ok(()) => return Ok(socket),
            Err(Errno::AGAIN | Errno::INTR) if in_time => {}
            Err(Errno::AGAIN | Errno::INTR) => {
                return progress(&socket, site).map(|()| socket).map_err(|_| Failing::Silent);
            }
            Err(error) => return Err(why(error)),
        }
    }
}

fn progress(socket: &Socket, site: &SocketAddrAny) -> Result<(), Errno> {
    match connect(socket, site) {
        Ok(()) | Err(Errno::ISCONN) => Ok(()),
        Err(Errno::INPROGRESS | Errno::ALREADY) => Err(Errno::AGAIN),
        Err(error) => Err(error),
    }
}

/// What a failed connection means.
fn why(error: Errno) -> Failing {
    match error {
        // No port or memory left on this machine: that says nothing about the server.
        Errno::AGAIN | Errno::ADDRNOTAVAIL | Errno::NOBUFS | Errno::NOMEM => Failing::Local,
        Errno::TIMEDOUT => Failing::Silent,
        Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::NETDOWN => {
            Failing::Ill("there is no way to its host")
        }
        Errno::NOENT => Failing::Ill("its socket is not there"),
        Errno::ACCESS | Errno::PERM => Failing::Ill("this user may not connect to it"),
        _ => Failing::Refused,
    }
}

/// Ends a connection, and lets nothing more arrive at the server.
fn reset(socket: &Socket) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
    let _ = connect_unspec(socket);
}

#[cfg(test)]
mod tests;
