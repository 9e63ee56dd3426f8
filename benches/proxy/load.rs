//! The load: so many clients, each with so many requests under way, and how long each took.
//!
//! One thread and one event queue for all clients: it has to leave the processors to those that are
//! measured. A client sends as many requests as it has got answers, in one write; so it is at its depth
//! always, and what arrives together is answered together. Every answer is looked at: one that is wrong
//! ends the run.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::epoll;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// So many clients.
    pub clients: usize,
    /// Each with so many requests under way.
    pub depth: usize,
    /// So many keys.
    pub keys: usize,
    /// So many bytes are stored.
    pub value: usize,
    /// So many of a hundred requests are `set`, the others `get`.
    pub writes_percent: u64,
    /// When it is over.
    pub until: Until,
}

/// When a load is over.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After that time.
    For(Duration),
    /// After so many answers.
    Answers(usize),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How long each request took, in nanoseconds, sorted.
    pub nanos: Vec<u32>,
    /// How long all took.
    pub took: Duration,
}

impl Measured {
    /// Requests in a second.
    pub fn per_second(&self) -> f64 {
        self.nanos.len() as f64 / self.took.as_secs_f64()
    }

    /// What that share of the requests did not exceed, in microseconds.
    pub fn micros(&self, share: f64) -> f64 {
        let last = self.nanos.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        f64::from(self.nanos.get(at).copied().unwrap_or(0)) / 1_000.0
    }
}

/// A request that is not answered yet.
struct Asked {
    write: bool,
    key: usize,
    at: Instant,
}

/// A connection.
struct Lane {
    stream: TcpStream,
    asked: VecDeque<Asked>,
    to_send: Vec<u8>,
    received: Vec<u8>,
}

/// Clients at work. Those of a pool have a connection to each server.
struct Work<'a> {
    load: &'a Load,
    lanes: Vec<Lane>,
    /// So many connections a client has.
    width: usize,
    queue: rustix::fd::OwnedFd,
    random: u64,
    value: Vec<u8>,
    nanos: Vec<u32>,
}

/// Runs a load on a server, or on several between which the clients choose by the key.
///
/// # Panics
/// When an answer is wrong, or a connection breaks.
pub fn run(load: &Load, addresses: &[String]) -> Measured {
    let queue = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an event queue");
    let all = (0..load.clients).flat_map(|_| addresses);
    let lanes: Vec<Lane> = all.map(|address| Lane::new(address)).collect();
    for (number, lane) in (0..).zip(&lanes) {
        let data = epoll::EventData::new_u64(number);
        epoll::add(&queue, &lane.stream, data, epoll::EventFlags::IN).expect("a place in the queue");
    }
    let value = value(load.value);
    let width = addresses.len();
    let random = 0x9e37_79b9_7f4a_7c15;
    let mut work = Work { load, lanes, width, queue, random, value, nanos: Vec::new() };
    work.store_all();
    work.measure()
}

/// The value that all keys have.
fn value(length: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(length).collect()
}

impl Lane {
    fn new(address: &str) -> Lane {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_nodelay(true).expect("no delay");
        stream.set_nonblocking(true).expect("a socket that does not wait");
        Lane { stream, asked: VecDeque::new(), to_send: Vec::new(), received: Vec::new() }
    }

    fn ask(&mut self, write: bool, key: usize, value: &[u8], at: Instant) {
        self.asked.push_back(Asked { write, key, at });
        if write {
            let _ = write!(self.to_send, "set bench-key-{key:08} 0 0 {}\r\n", value.len());
            self.to_send.extend_from_slice(value);
            self.to_send.extend_from_slice(b"\r\n");
        } else {
            let _ = write!(self.to_send, "get bench-key-{key:08}\r\n");
        }
    }

    /// Sends what there is to send. The load is small enough for the socket to take it at once.
    fn send(&mut self) {
        let mut rest = self.to_send.as_slice();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("a connection broke: {error}"),
            }
        }
        self.to_send.clear();
    }

    /// Reads what came; calls `done` for each request that is answered.
    fn receive(&mut self, value: &[u8], mut done: impl FnMut(&Asked)) {
        let mut room = [0; 16 * 1024];
        match self.stream.read(&mut room) {
            Ok(0) => panic!("the connection was closed with {} requests under way", self.asked.len()),
            Ok(count) => self.received.extend_from_slice(&room[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("a connection broke: {error}"),
        }
        let mut used = 0;
        while let Some(asked) = self.asked.front() {
            let Some(length) = answer(asked, value, &self.received[used..]) else { break };
            used += length;
            done(asked);
            self.asked.pop_front();
        }
        self.received.drain(..used);
    }
}

/// How long the answer to a request is, when it is whole.
///
/// # Panics
/// When it is another one than it must be.
fn answer(asked: &Asked, value: &[u8], received: &[u8]) -> Option<usize> {
    let mut head = [0; 64];
    let head: &[u8] = if asked.write {
        b"STORED\r\n"
    } else {
        let mut room = &mut head[..];
        let _ = write!(room, "VALUE bench-key-{:08} 0 {}\r\n", asked.key, value.len());
        let left = room.len();
        &head[..head.len() - left]
    };
    let parts = if asked.write { [head, b"", b""] } else { [head, value, b"\r\nEND\r\n"] };
    let mut at = 0;
    for part in parts {
        let there = &received[at.min(received.len())..];
        let common = there.len().min(part.len());
        assert!(
            there[..common] == part[..common],
            "a wrong answer (to {}): {}",
            if asked.write { "set" } else { "get" },
            received[..received.len().min(200)].escape_ascii()
        );
        at += part.len();
    }
    (received.len() >= at).then_some(at)
}

impl Work<'_> {
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 16
    }

    /// The connection of a client that a key's requests go over.
    fn lane_of(&self, client: usize, key: usize) -> usize {
        client * self.width + key % self.width
    }

    /// Every key once, one after another over the first client.
    fn store_all(&mut self) {
        for key in 0..self.load.keys {
            let lane = self.lane_of(0, key);
            let (lane, value) = (&mut self.lanes[lane], &self.value);
            lane.ask(true, key, value, Instant::now());
            lane.send();
            while !lane.asked.is_empty() {
                lane.receive(value, |_| {});
                std::thread::yield_now();
            }
        }
    }

    /// One more request of a client.
    fn ask(&mut self, client: usize, at: Instant) {
        let key = self.next() as usize % self.load.keys;
        let write = self.next() % 100 < self.load.writes_percent;
        let lane = self.lane_of(client, key);
        self.lanes[lane].ask(write, key, &self.value, at);
    }

    fn send(&mut self, client: usize) {
        for lane in &mut self.lanes[client * self.width..(client + 1) * self.width] {
            lane.send();
        }
    }

    fn measure(mut self) -> Measured {
        let began = Instant::now();
        for client in 0..self.load.clients {
            (0..self.load.depth).for_each(|_| self.ask(client, began));
            self.send(client);
        }
        let mut events = Vec::with_capacity(1024);
        let mut over = false;
        while self.lanes.iter().any(|lane| !lane.asked.is_empty()) {
            events.clear();
            epoll::wait(&self.queue, rustix::buffer::spare_capacity(&mut events), None)
                .or_else(|error| if error == rustix::io::Errno::INTR { Ok(0) } else { Err(error) })
                .expect("an event queue that works");
            for event in &events {
                self.answered(event.data.u64() as usize, over);
            }
            over = over
                || match self.load.until {
                    Until::For(time) => began.elapsed() >= time,
                    Until::Answers(count) => self.nanos.len() >= count,
                };
        }
        let took = began.elapsed();
        self.nanos.sort_unstable();
        Measured { nanos: self.nanos, took }
    }

    /// Something came over a connection; its client asks as much again, unless it is over.
    fn answered(&mut self, lane: usize, over: bool) {
        let now = Instant::now();
        let before = self.nanos.len();
        let nanos = &mut self.nanos;
        self.lanes[lane].receive(&self.value, |asked| {
            nanos.push(u32::try_from((now - asked.at).as_nanos()).unwrap_or(u32::MAX));
        });
        let answers = self.nanos.len() - before;
        if answers > 0 && !over {
            let client = lane / self.width;
            (0..answers).for_each(|_| self.ask(client, now));
            self.send(client);
        }
    }
}
