//! Plain connections: what a program does that knows the keys and nothing of pools.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Commands that are sent before their answers are awaited.
const AT_ONCE: u32 = 512;

/// The key of this number.
pub fn key(number: u32) -> String {
    format!("session:{number:010}")
}

/// A connection.
pub struct Plain {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Plain {
    /// To a server.
    pub fn new(address: &str) -> Plain {
        let stream = TcpStream::connect(address).expect("our server listens");
        stream.set_nodelay(true).expect("nodelay can be set");
        Plain { stream, input: Vec::new() }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("a server that reads");
    }

    /// Receives until so many answers ended with this line.
    fn receive(&mut self, end: &[u8], count: u32) {
        let mut seen = 0;
        let mut looked_at = 0;
        self.input.clear();
        let mut room = vec![0; 256 << 10];
        while seen < count {
            let length = self.stream.read(&mut room).expect("an answer");
            assert!(length > 0, "the server hung up");
            self.input.extend_from_slice(&room[..length]);
            while let Some(at) = find(&self.input[looked_at..], end) {
                seen += 1;
                looked_at += at + end.len();
            }
        }
    }

    /// Stores all keys.
    pub fn fill(&mut self, keys: u32, bytes: usize) {
        let value = "x".repeat(bytes);
        for first in (0..keys).step_by(AT_ONCE as usize) {
            let mut lines = String::new();
            for number in first..keys.min(first + AT_ONCE) {
                lines += &format!("set {} 0 0 {bytes} noreply\r\n{value}\r\n", key(number));
            }
            self.send(lines.as_bytes());
        }
        self.send(b"mn\r\n");
        self.receive(b"MN\r\n", 1);
    }

    /// Copies all keys from here to there.
    pub fn copy(&mut self, to: &mut Plain, keys: u32) {
        let mut lines = Vec::new();
        for first in (0..keys).step_by(AT_ONCE as usize) {
            let last = keys.min(first + AT_ONCE);
            lines.clear();
            for number in first..last {
                lines.extend_from_slice(format!("get {}\r\n", key(number)).as_bytes());
            }
            self.send(&lines);
            self.receive(b"\r\nEND\r\n", last - first);
            lines.clear();
            // VALUE key flags bytes, the data, END.
            let mut rest = &self.input[..];
            while let Some(end) = find(rest, b"\r\n") {
                let head = std::str::from_utf8(&rest[..end]).expect("a head");
                let mut words = head.split(' ').skip(1);
                let mut word = || words.next().expect("a word");
                let (key, flags, bytes) = (word(), word(), word());
                let length: usize = bytes.parse().expect("a length");
                lines.extend_from_slice(format!("set {key} {flags} 0 {bytes}\r\n").as_bytes());
                lines.extend_from_slice(&rest[end + 2..end + 2 + length + 2]);
                rest = &rest[end + 2 + length + 2 + 5..];
            }
            to.send(&lines);
            to.receive(b"STORED\r\n", last - first);
        }
    }

    /// Asks for one key at a time, and stores one of ten, until the end; adds to the count of calls, and to the longest (in
    /// microseconds).
    pub fn load(
        &mut self,
        keys: u32,
        bytes: usize,
        mut seed: u32,
        end: &AtomicBool,
        (calls, longest): (&AtomicU64, &AtomicU64),
    ) {
        let value = "y".repeat(bytes);
        while !end.load(Ordering::Relaxed) {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = key((seed >> 4) % keys);
            let begin = Instant::now();
            if seed.is_multiple_of(10) {
                self.send(format!("set {key} 0 0 {bytes}\r\n{value}\r\n").as_bytes());
                self.receive(b"STORED\r\n", 1);
            } else {
                self.send(format!("get {key}\r\n").as_bytes());
                self.receive(b"END\r\n", 1);
            }
            calls.fetch_add(1, Ordering::Relaxed);
            longest.fetch_max(begin.elapsed().as_micros() as u64, Ordering::Relaxed);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
