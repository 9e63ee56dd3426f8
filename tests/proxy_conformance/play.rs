//! Plays a sequence on one side, in many variants at once: each on a connection of its own, with keys of
//! its own, cut into fragments at places of its own.
//!
//! That a fragment is read before the next one is sent is not left to chance: after a round of fragments
//! another connection asks a question, and its answer comes after the fragments, which lay there before,
//! were read. (So it is with one thread and one event queue, as memcached has with `-t 1`.)
//!
//! Where a step's answers end is seen by the answer to a request that is added to it: an `md` of a key
//! that nobody stores, with an opaque of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::compare;
use crate::corpus::{Sequence, Step};
use crate::render::rendered;

/// Whom sequences are played on.
pub trait Subject {
    /// `127.0.0.1:port` or `unix:/path`.
    fn address(&self) -> String;
    /// What it is: whether the differences that the corpus lists are its.
    fn kind(&self) -> Kind;
}

/// What a subject is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A memcached, or somebody who has to look like one in everything.
    Memcached,
    /// A proxy before servers.
    Proxy,
    /// The same, and every key lies on two of them.
    ProxyWithBackups,
}

/// A connection to one.
pub enum Socket {
    /// `127.0.0.1:port`.
    Tcp(TcpStream),
    /// `unix:/path`.
    Unix(UnixStream),
}

/// Who has said nothing for so long will say nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// And then the others of the same step had as much time.
const NO_PATIENCE: Duration = Duration::from_millis(20);

impl Socket {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn connect(address: &str) -> Socket {
        Socket::open(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    fn open(address: &str) -> std::io::Result<Socket> {
        if let Some(path) = address.strip_prefix("unix:") {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            return Ok(Socket::Unix(stream));
        }
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        // So many connections would use up the ports, each of which would rest for a minute.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        Ok(Socket::Tcp(stream))
    }

    /// Sends all of it.
    pub fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.write_all(bytes),
            Socket::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// What has come.
    pub fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(room),
            Socket::Unix(stream) => stream.read(room),
        }
    }

    fn set_patience(&self, patience: Duration) {
        match self {
            Socket::Tcp(stream) => stream.set_read_timeout(Some(patience)),
            Socket::Unix(stream) => stream.set_read_timeout(Some(patience)),
        }
        .expect("a timeout");
    }

    /// Says that nothing more will be sent.
    fn hang_up(&mut self) -> std::io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

/// A way to send a sequence.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Makes its keys its own.
    pub number: u32,
    /// Where it is cut, counted from its first byte, rising.
    pub cuts: Cuts,
}

/// Where a variant is cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cuts {
    /// Nowhere: every step is one write.
    Nowhere,
    /// Once, before that byte.
    Before(usize),
    /// Everywhere.
    Everywhere,
}

/// What came back for a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The bytes, without the answer to the request that was added.
    pub bytes: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// How the answers to a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// All is answered.
    Answered,
    /// The connection was closed.
    Closed,
    /// Nothing more came, for a long time.
    Silent,
}

/// A side that sequences are played on.
pub struct Side {
    address: String,
    idle: Vec<Socket>,
    bell: Socket,
}

/// A variant at work.
struct Run<'a> {
    variant: &'a Variant,
    stream: Option<Socket>,
    sent: usize,
    cas: i64,
    replies: Vec<Reply>,
}

impl Side {
    /// At `address`.
    pub fn new(address: &str) -> Side {
        Side { address: address.to_owned(), idle: Vec::new(), bell: Socket::connect(address) }
    }

    /// Plays the variants of a sequence side by side; what came back for each, step by step.
    pub fn play(
        &mut self,
        sequence: &Sequence,
        id: usize,
        now: i64,
        variants: &[Variant],
    ) -> Vec<Vec<Reply>> {
        let fresh = |variant| Run { variant, stream: None, sent: 0, cas: 0, replies: Vec::new() };
        let mut runs: Vec<Run<'_>> = variants.iter().map(fresh).collect();
        let mut connects = true;
        for step in &sequence.steps {
            let mut to_send = Vec::new();
            for run in &mut runs {
                if connects {
                    run.stream = Some(self.idle.pop().unwrap_or_else(|| Socket::connect(&self.address)));
                }
                let bytes = rendered(step, id, run.variant.number, run.cas, now);
                to_send.push(parts(&bytes, run.sent, &run.variant.cuts, step.hangs_up, &nonce(run, id)));
                run.sent += bytes.len();
            }
            self.send(&mut runs, &to_send);
            let mut silence = false;
            for run in &mut runs {
                if let Some(stream) = run.stream.as_ref().filter(|_| silence) {
                    stream.set_patience(NO_PATIENCE);
                }
                run.receive(step, &nonce(run, id));
                silence |= run.replies.last().is_some_and(|reply| reply.end == End::Silent);
            }
            connects = step.hangs_up;
        }
        // A connection that is where it should be is used again: it must have got over everything.
        let in_order = |run: &Run<'_>| run.replies.iter().all(|reply| reply.end == End::Answered);
        for run in runs.iter_mut().filter(|run| in_order(run)) {
            self.idle.extend(run.stream.take());
        }
        runs.into_iter().map(|run| run.replies).collect()
    }

    /// The first part of each, then, when all are read, the second, and so on.
    fn send(&mut self, runs: &mut [Run<'_>], to_send: &[Vec<Vec<u8>>]) {
        let rounds = to_send.iter().map(Vec::len).max().unwrap_or(0);
        for round in 0..rounds {
            if round > 0 {
                self.wait_until_read();
            }
            for (run, parts) in runs.iter_mut().zip(to_send) {
                if let (Some(stream), Some(part)) = (&mut run.stream, parts.get(round)) {
                    // A side that closed the connection early is found out by what it answered.
                    let _ = stream.write_all(part);
                }
            }
        }
    }

    fn wait_until_read(&mut self) {
        self.bell.write_all(b"version\r\n").expect("a second connection works");
        let mut answer = [0; 64];
        let count = self.bell.read(&mut answer).expect("a second connection is answered");
        assert!(answer[..count].ends_with(b"\r\n"), "{:?}", answer[..count].escape_ascii());
    }
}

/// The opaque of the request that is added to a step.
fn nonce(run: &Run<'_>, id: usize) -> String {
    format!("{id}-{}-{}", run.variant.number, run.replies.len())
}

/// A step's bytes cut into those that are written together.
fn parts(bytes: &[u8], sent: usize, cuts: &Cuts, hangs_up: bool, nonce: &str) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = match cuts {
        Cuts::Before(cut) if (sent + 1..sent + bytes.len()).contains(cut) => {
            let (before, after) = bytes.split_at(cut - sent);
            vec![before.to_vec(), after.to_vec()]
        }
        Cuts::Everywhere => bytes.iter().map(|byte| vec![*byte]).collect(),
        _ => vec![bytes.to_vec()],
    };
    if !hangs_up {
        let added = format!("md end-{nonce} O{nonce}\r\n");
        match parts.last_mut() {
            Some(last) => last.extend(added.as_bytes()),
            None => parts.push(added.into_bytes()),
        }
    }
    parts
}

impl Run<'_> {
    fn receive(&mut self, step: &Step, nonce: &str) {
        let Some(stream) = &mut self.stream else {
            return self.replies.push(Reply { bytes: Vec::new(), end: End::Closed });
        };
        let end = format!("NF O{nonce}\r\n");
        if step.hangs_up {
            let _ = stream.hang_up();
        }
        let mut reply = Reply { bytes: Vec::new(), end: End::Answered };
        let mut room = vec![0; 64 * 1024];
        while !reply.bytes.ends_with(end.as_bytes()) {
            reply.end = match stream.read(&mut room) {
                Ok(0) => End::Closed,
                Ok(count) => {
                    reply.bytes.extend_from_slice(&room[..count]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    End::Silent
                }
                Err(_) => End::Closed,
            };
            break;
        }
        if reply.end == End::Answered {
            reply.bytes.truncate(reply.bytes.len() - end.len());
        } else {
            self.stream = None;
        }
        self.cas = compare::last_cas(&reply.bytes).unwrap_or(self.cas);
        self.replies.push(reply);
    }
}
