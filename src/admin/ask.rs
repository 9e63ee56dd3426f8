//! The servers' own figures, asked from all at once.
//!
//! Each question has a thread of its own that nobody waits for beyond the time: looking up a host's
//! name knows no deadline. A few lines over plain sockets: the library's client would bring its
//! judgement of servers along, and here a server is asked whatever anybody thinks of it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::rules::address::Address;
use crate::rules::greeting::Greeting;
use crate::rules::health::Incarnation;
use crate::rules::pool::Pool;
use crate::rules::wire::{Reply, stats};

/// More than all statistics of any memcached: who sends more is none.
const LARGEST: usize = 256 * 1024;

/// How many servers are asked at the same time.
const AT_ONCE: usize = 256;

/// The longest version that is shown.
const LONGEST_VERSION: usize = 40;

/// What a server says of itself; `None` where it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many values it holds.
    pub items: Option<u64>,
    /// Bytes in use for them.
    pub used: Option<u64>,
    /// Bytes that it may use.
    pub limit: Option<u64>,
    /// Reads that found something.
    pub hits: Option<u64>,
    /// Reads that found nothing.
    pub misses: Option<u64>,
    /// Its version, as it says it: any text.
    pub version: Option<String>,
    /// Which life of its process this is.
    pub life: Option<Incarnation>,
    /// Whether it has the meta commands.
    pub meta: bool,
}

/// Asks every server of the pool; each has its answer, or why there is none, within about `time`.
pub fn all(pool: &Pool, time: Duration) -> Vec<Result<Figures, String>> {
    let mut answers: Vec<Result<Figures, String>> = Vec::new();
    let addresses: Vec<&Address> = pool.servers().iter().map(|server| &server.address).collect();
    for some in addresses.chunks(AT_ONCE) {
        let deadline = Instant::now() + time;
        let first = answers.len();
        answers.extend(some.iter().map(|_| Err(format!("no answer within {} ms", time.as_millis()))));
        let (tell, told) = channel();
        for (index, address) in some.iter().enumerate() {
            let (tell, address) = (tell.clone(), (*address).clone());
            let asked = std::thread::Builder::new().spawn(move || {
                // Nobody may be listening any more.
                let _ = tell.send((index, one(&address, deadline)));
            });
            if let Err(error) = asked {
                answers[first + index] = Err(format!("cannot be asked: {error}"));
            }
        }
        drop(tell);
        // A little more than the time, so that who meets its end can say what it waited for.
        let grace = Duration::from_millis(50);
        while let Ok((index, answer)) =
            told.recv_timeout((deadline + grace).saturating_duration_since(Instant::now()))
        {
            answers[first + index] = answer;
        }
    }
    answers
}

/// Asks one server.
fn one(address: &Address, deadline: Instant) -> Result<Figures, String> {
    match address {
        Address::Unix(path) => UnixStream::connect(path).map_err(|error| said(&error)).and_then(|stream| {
            talk(stream, deadline, UnixStream::set_read_timeout, UnixStream::set_write_timeout)
        }),
        Address::Tcp { host, port } => {
            let sites = (host.as_str(), *port)
                .to_socket_addrs()
                .map_err(|error| format!("its host cannot be looked up: {error}"))?;
            let mut last = "its host has no address".to_owned();
            for site in sites {
                match TcpStream::connect_timeout(&site, left(deadline).map_err(|error| said(&error))?) {
                    Ok(stream) => {
                        return talk(
                            stream,
                            deadline,
                            TcpStream::set_read_timeout,
                            TcpStream::set_write_timeout,
                        );
                    }
                    Err(error) => last = said(&error),
                }
            }
            Err(last)
        }
    }
}

type SetTime<S> = fn(&S, Option<Duration>) -> io::Result<()>;

fn talk<S: Read + Write>(
    mut stream: S,
    deadline: Instant,
    reads: SetTime<S>,
    writes: SetTime<S>,
) -> Result<Figures, String> {
    let mut converse = || -> io::Result<Figures> {
        writes(&stream, Some(left(deadline)?))?;
        stream.write_all(b"stats\r\nmn\r\n")?;
        let mut heard = Vec::new();
        let mut piece = [0; 4096];
        loop {
            if let Some(figures) = read(&heard) {
                return Ok(figures);
            }
            if heard.len() > LARGEST {
                return Err(io::Error::other("it answers as no memcached does"));
            }
            reads(&stream, Some(left(deadline)?))?;
            match stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => heard.extend_from_slice(&piece[..count]),
            }
        }
    };
    converse().map_err(|error| said(&error))
}

/// What was answered to `stats` and `mn`; `None` while it is not all there. Who refuses `stats` answers
/// with one line.
fn read(heard: &[u8]) -> Option<Figures> {
    let mut from = 0;
    let mut lines = Vec::new();
    while let Some(end) = memchr::memchr(b'\n', &heard[from..]) {
        let line = &heard[from..=from + end];
        from += end + 1;
        lines.push((from, line));
    }
    let is_last = |line: &[u8]| !line.starts_with(b"STAT ");
    let last = lines.iter().position(|(_, line)| is_last(line))?;
    let (_, noop) = lines.get(last + 1)?;
    let (end, _) = lines[last];
    let block = &heard[..end];

    let mut greeting = Greeting::default();
    greeting.answer(&Reply::Stats(block));
    let has_meta = noop.starts_with(b"MN");
    let number = |name: &str| stats::number(block, name.as_bytes());
    let version = stats::lines(block)
        .find(|(name, _)| *name == b"version")
        .map(|(_, value)| String::from_utf8_lossy(value).chars().take(LONGEST_VERSION).collect());
    Some(Figures {
        items: number("curr_items"),
        used: number("bytes"),
        limit: number("limit_maxbytes"),
        hits: number("get_hits"),
        misses: number("get_misses"),
        version,
        life: greeting.incarnation(),
        meta: has_meta,
    })
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// What happened, in a few words for a column.
fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        io::ErrorKind::NotFound => "no such socket".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let whole = b"STAT pid 7\r\nSTAT uptime 10\r\nSTAT time 110\r\nSTAT version 1.6.18\r\nSTAT curr_items 3\r\n\
            STAT bytes 300\r\nSTAT limit_maxbytes 67108864\r\nSTAT get_hits 9\r\nSTAT get_misses 1\r\nEND\r\nMN\r\n";
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), None, "after {end} bytes");
        }
        let figures = read(whole).unwrap();
        let expected = Figures {
            items: Some(3),
            used: Some(300),
            limit: Some(67_108_864),
            hits: Some(9),
            misses: Some(1),
            version: Some("1.6.18".to_owned()),
            life: Some(Incarnation { pid: 7, start: 100 }),
            meta: true,
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn who_refuses_is_heard() {
        assert_eq!(read(b"ERROR\r\nERROR\r\n"), Some(Figures::default()));
        let old = read(b"STAT pid 7\r\nEND\r\nERROR\r\n").unwrap();
        assert!(!old.meta && old.items.is_none());
    }
}
