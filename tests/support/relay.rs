//! A relay between a client and its server that can be told to misbehave: the fault injection
//! that needs no root. One thread, one poll loop.
//!
//! A network that is cut gives no answer to anything, not even to a new connection. A listener
//! cannot ignore connections by itself (the kernel accepts them for it), so [`Mode::Cut`] shrinks
//! the queue of the kernel to one and fills it with a connection of its own: every later attempt
//! is met with silence. What was on its way when the network was cut stays in the sockets and
//! is delivered when it is whole again, unless its sender has given the connection up meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::old::OldAge;
use super::server::free_port;
use super::wait;

/// What a relay does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Passes everything on.
    Pass,
    /// The network is cut: nothing comes through, and nothing is answered, by nobody.
    Cut,
    /// Accepts connections and bytes, and throws the bytes away.
    Swallow,
    /// Resets its connections and listens no longer: the kernel refuses new ones.
    Refuse,
}

/// A relay in front of one server.
pub struct Relay {
    address: SocketAddr,
    orders: Sender<Mode>,
    done: Receiver<()>,
    bell: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts one, on a free port of 127.0.0.1, before the server at `port`.
    pub fn start(port: u16) -> Relay {
        Relay::start_with(port, false)
    }

    /// The same; and its server seems to be a memcached without meta commands: see [`OldAge`].
    pub fn without_meta(port: u16) -> Relay {
        Relay::start_with(port, true)
    }

    fn start_with(port: u16, old: bool) -> Relay {
        let listener =
            wait::until("a port for a relay", || TcpListener::bind(("127.0.0.1", free_port())).ok());
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("the listener's address");
        let (bell, rung) = UnixStream::pair().expect("a pair of sockets");
        let (orders, taken) = channel();
        let (finished, done) = channel();
        let at_work = AtWork {
            address,
            server: SocketAddr::from(([127, 0, 0, 1], port)),
            old,
            mode: Mode::Pass,
            listener: Some(listener),
            fillers: Vec::new(),
            pairs: Vec::new(),
        };
        let thread = std::thread::spawn(move || at_work.run(rung, taken, finished));
        Relay { address, orders, done, bell: Some(bell), thread: Some(thread) }
    }

    /// Where clients connect to.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes what it does. When this returns it is so.
    pub fn set(&self, mode: Mode) {
        self.orders.send(mode).expect("the relay's thread runs");
        let mut bell = self.bell.as_ref().expect("open until dropped");
        bell.write_all(&[0]).expect("the relay's thread listens");
        self.done.recv().expect("the relay's thread obeys");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.bell = None; // the thread sees the end of its bell and ends
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A client's connection and the one to the server that was made for it.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    upward: Vec<u8>,
    downward: Vec<u8>,
    /// What is done to what goes to the server.
    age: Option<OldAge>,
}

/// The thread's own.
struct AtWork {
    address: SocketAddr,
    server: SocketAddr,
    /// Whether the server seems to have no meta commands.
    old: bool,
    mode: Mode,
    listener: Option<TcpListener>,
    fillers: Vec<TcpStream>,
    pairs: Vec<Pair>,
}

impl AtWork {
    fn run(mut self, mut bell: UnixStream, orders: Receiver<Mode>, done: Sender<()>) {
        loop {
            if self.wait(bell.as_fd()) {
                match bell.read(&mut [0]) {
                    Ok(1) => {}
                    _ => return,
                }
                if let Ok(mode) = orders.recv() {
                    self.turn_to(mode);
                    let _ = done.send(());
                }
            }
            if self.mode != Mode::Cut {
                self.accept();
                let mode = self.mode;
                self.pairs.retain_mut(|pair| pair.relay(mode));
            }
        }
    }

    /// Sleeps until there is something to do. Whether the bell rang.
    fn wait(&self, bell: BorrowedFd<'_>) -> bool {
        let mut watched = vec![PollFd::from_borrowed_fd(bell, PollFlags::IN)];
        if self.mode != Mode::Cut {
            watched.extend(self.listener.iter().map(|socket| PollFd::new(socket, PollFlags::IN)));
            for pair in &self.pairs {
                watched.push(PollFd::new(&pair.client, wanted(&pair.downward)));
                watched.push(PollFd::new(&pair.server, wanted(&pair.upward)));
            }
        }
        let _ = poll(&mut watched, None);
        !watched[0].revents().is_empty()
    }

    fn turn_to(&mut self, mode: Mode) {
        if self.mode == Mode::Cut && mode != Mode::Cut {
            self.mend();
        }
        self.mode = mode;
        match mode {
            Mode::Cut => self.cut(),
            Mode::Refuse => self.refuse(),
            Mode::Pass | Mode::Swallow => self.listen(),
        }
    }

    fn listen(&mut self) {
        if self.listener.is_none() {
            let again = wait::until("the relay's own port", || TcpListener::bind(self.address).ok());
            again.set_nonblocking(true).expect("a non-blocking listener");
            self.listener = Some(again);
        }
    }

    /// Fills the kernel's queue of connections to be accepted, until one more is not answered.
    fn cut(&mut self) {
        self.listen();
        let listener = self.listener.as_ref().expect("listening");
        rustix::net::listen(listener, 0).expect("a shorter queue");
        while let Ok(filler) = TcpStream::connect_timeout(&self.address, Duration::from_millis(50)) {
            self.fillers.push(filler);
        }
    }

    /// Empties the queue again. Connections that were given up while the network was cut are
    /// dropped with what lies in them.
    fn mend(&mut self) {
        let own: Vec<_> = self.fillers.drain(..).filter_map(|filler| filler.local_addr().ok()).collect();
        if let Some(listener) = &self.listener {
            rustix::net::listen(listener, 128).expect("a longer queue");
            while let Ok((client, from)) = listener.accept() {
                if !own.contains(&from) {
                    self.pairs.extend(Pair::new(client, self.server, self.old));
                }
            }
        }
        self.pairs.retain(|pair| {
            let mut client = [PollFd::new(&pair.client, PollFlags::RDHUP)];
            let _ = poll(&mut client, Some(&rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 }));
            client[0].revents().is_empty()
        });
    }

    fn refuse(&mut self) {
        self.listener = None;
        for pair in self.pairs.drain(..) {
            let _ = rustix::net::sockopt::set_socket_linger(&pair.client, Some(Duration::ZERO));
        }
    }

    fn accept(&mut self) {
        while let Some(Ok((client, _))) = self.listener.as_ref().map(TcpListener::accept) {
            self.pairs.extend(Pair::new(client, self.server, self.old));
        }
    }
}

impl Pair {
    /// `None` when the server cannot be reached: then the client's connection ends at once.
    fn new(client: TcpStream, server: SocketAddr, old: bool) -> Option<Pair> {
        let server = TcpStream::connect_timeout(&server, Duration::from_secs(1)).ok()?;
        for stream in [&client, &server] {
            stream.set_nonblocking(true).ok()?;
            stream.set_nodelay(true).ok()?;
        }
        let age = old.then(OldAge::default);
        Some(Pair { client, server, upward: Vec::new(), downward: Vec::new(), age })
    }

    /// Moves what can be moved. Whether both ends are still there.
    fn relay(&mut self, mode: Mode) -> bool {
        let before = self.upward.len();
        let up = read_some(&mut self.client, &mut self.upward);
        if let Some(age) = &mut self.age {
            let new = self.upward.split_off(before);
            self.upward.append(&mut age.pass(&new));
        }
        let down = read_some(&mut self.server, &mut self.downward);
        if mode == Mode::Swallow {
            self.upward.clear();
            self.downward.clear();
        }
        let sent = write_some(&mut self.server, &mut self.upward)
            && write_some(&mut self.client, &mut self.downward);
        up && down && sent
    }
}

/// A relay holds back no more than this before it stops reading.
const ROOM: usize = 256 * 1024;

fn wanted(to_write: &[u8]) -> PollFlags {
    if to_write.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
}

/// False at the end of the stream.
fn read_some(from: &mut TcpStream, held: &mut Vec<u8>) -> bool {
    let mut bytes = [0; 16 * 1024];
    while held.len() < ROOM {
        match from.read(&mut bytes) {
            Ok(0) => return false,
            Ok(count) => held.extend_from_slice(&bytes[..count]),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
    true
}

/// False when the stream is broken.
fn write_some(to: &mut TcpStream, held: &mut Vec<u8>) -> bool {
    while !held.is_empty() {
        match to.write(held) {
            Ok(count) => drop(held.drain(..count)),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
    true
}
