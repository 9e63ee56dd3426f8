//! The connection over which a server's list comes. It blocks, for it is read by a thread of its own, but never
//! for longer than a look at whether it is to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, recv, send};
use rustix::time::Timespec;

use super::dump::{Settings, Trouble};
use crate::client::reach::reach;
use crate::rules::wire::stats;

/// No line is longer: a key of 250 bytes, all of them encoded, and the fields of years to come.
const LONGEST_LINE: usize = 4 << 10;
/// No block of statistics is longer.
const LONGEST_STATS: usize = 64 << 10;
/// What is received into. Large, so that few system calls keep the server waiting.
const ROOM: usize = 256 << 10;
/// Whoever waits looks so often whether it is to end.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// What the statistics say of a server's hash table and crawler.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// Its items; some may have expired, which are not listed.
    pub(super) items: u64,
    /// Its table is growing.
    pub(super) growing: bool,
    /// How large its table is.
    pub(super) power: u64,
    /// Its crawler is at work for somebody.
    pub(super) crawling: bool,
}

/// How the answer to a question for a list begins.
pub(super) enum Head {
    /// With a key, or with the end; nothing of it was taken yet.
    List,
    /// There is no such kind of list.
    NoSuchList,
    /// Otherwise.
    Refused(Trouble),
}

/// See the module.
pub(super) struct Talk {
    socket: OwnedFd,
    silence: Duration,
    stop: Arc<AtomicBool>,
    input: Box<[u8]>,
    /// What of `input` was taken, and how far it is filled.
    taken: usize,
    filled: usize,
}

impl Talk {
    pub(super) fn open(
        sites: &Arc<[SocketAddrAny]>,
        settings: &Settings,
        stop: &Arc<AtomicBool>,
    ) -> Result<Talk, Trouble> {
        let may = || !stop.load(Ordering::Relaxed);
        let socket = reach(sites, settings.connect, &may)
            .map_err(|why| if may() { Trouble::Lost(why) } else { Trouble::Stopped })?;
        let (stop, input) = (Arc::clone(stop), vec![0; ROOM].into_boxed_slice());
        Ok(Talk { socket, silence: settings.silence, stop, input, taken: 0, filled: 0 })
    }

    /// Sends a question. The sockets are empty, and it is short: there is room for it at once.
    pub(super) fn send(&mut self, question: &[u8]) -> Result<(), Trouble> {
        match send(&self.socket, question, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(count) if count == question.len() => Ok(()),
            _ => Err(Trouble::Lost("it hung up")),
        }
    }

    /// Waits until something more has come.
    pub(super) fn receive(&mut self, silence: Duration) -> Result<(), Trouble> {
        if self.filled == self.input.len() {
            self.input.copy_within(self.taken..self.filled, 0);
            self.filled -= std::mem::take(&mut self.taken);
        }
        let until = Instant::now() + silence;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Trouble::Stopped);
            }
            match recv(&self.socket, &mut self.input[self.filled..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err(Trouble::Lost("it hung up")),
                Ok((count, _)) => {
                    self.filled += count;
                    return Ok(());
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {}
                Err(_) => return Err(Trouble::Lost("the connection broke")),
            }
            let left = until.saturating_duration_since(Instant::now()).min(LOOK);
            if left.is_zero() {
                return Err(Trouble::Lost("it fell silent"));
            }
            let left = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
            // How it ends, the next look at the socket tells.
            let _ = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&left));
        }
    }

    fn unread(&self) -> &[u8] {
        &self.input[self.taken..self.filled]
    }

    /// The statistics; nothing else may be under way.
    pub(super) fn stats(&mut self) -> Result<Numbers, Trouble> {
        self.send(b"stats\r\n")?;
        let end = loop {
            let unread = self.unread();
            if unread.ends_with(b"\r\nEND\r\n") {
                break unread.len();
            }
            if unread.len() > LONGEST_STATS
                || (!unread.is_empty() && !b"STAT ".starts_with(&unread[..unread.len().min(5)]))
            {
                return Err(nonsense(unread));
            }
            self.receive(self.silence)?;
        };
        let block = &self.input[self.taken..self.taken + end];
        let number = |name: &[u8]| stats::number(block, name).unwrap_or(0);
        let numbers = Numbers {
            items: number(b"curr_items"),
            growing: number(b"hash_is_expanding") != 0,
            power: number(b"hash_power_level"),
            crawling: number(b"lru_crawler_running") != 0,
        };
        self.taken += end;
        Ok(numbers)
    }

    /// How the answer begins. Waits for it, at most for `silence`.
    pub(super) fn head(&mut self, silence: Duration) -> Result<Head, Trouble> {
        loop {
            let unread = self.unread();
            if let Some(end) = memchr::memchr(b'\n', unread) {
                return Ok(head(unread[..end].trim_ascii_end()));
            }
            if unread.len() > LONGEST_LINE {
                return Err(nonsense(unread));
            }
            self.receive(silence)?;
        }
    }

    /// Hands on every line of a list that has come whole. True: the end came.
    pub(super) fn keys(
        &mut self,
        each: &mut dyn FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<bool, Trouble> {
        let unread = &self.input[self.taken..self.filled];
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', unread) {
            let line = &unread[begin..end];
            begin = end + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line == b"END" {
                self.taken += begin;
                return Ok(true);
            }
            each(line)?;
        }
        if unread.len() - begin > LONGEST_LINE {
            return Err(nonsense(&unread[begin..]));
        }
        self.taken += begin;
        Ok(false)
    }
}

fn head(line: &[u8]) -> Head {
    let starts = |with: &str| line.starts_with(with.as_bytes());
    Head::Refused(match line {
        b"END" => return Head::List,
        _ if starts("key=") => return Head::List,
        _ if starts("BADCLASS") => return Head::NoSuchList,
        _ if starts("BUSY") => {
            Trouble::Busy("it is making one for somebody else, or looks for what is too old")
        }
        // Its table is growing.
        _ if starts("ERROR locked") => Trouble::Busy("it asks to be asked later"),
        b"ERROR" => Trouble::Unsupported("it does not know the command"),
        _ if starts("CLIENT_ERROR lru crawler disabled") => {
            Trouble::Unsupported("its crawler is switched off")
        }
        _ if starts("NOSPARE") || starts("SERVER_ERROR") || starts("ERROR ") => {
            Trouble::Busy("it is short of something")
        }
        _ if starts("CLIENT_ERROR") => Trouble::Unsupported("it does not take the command"),
        _ => return Head::Refused(nonsense(line)),
    })
}

pub(super) fn nonsense(line: &[u8]) -> Trouble {
    Trouble::Nonsense(line[..line.len().min(100)].escape_ascii().to_string())
}
