//! A connection of a plain client, and memcached's classic protocol as such a client speaks it. It knows nothing of
//! servers, of failures, or of the library.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::history::{Answer, State};

/// Where a proxy listens.
#[derive(Clone, Debug)]
pub enum Door {
    /// A port of 127.0.0.1.
    Port(u16),
    /// A unix socket.
    Path(PathBuf),
}

impl Door {
    /// As a pool file names it.
    pub fn address(&self) -> String {
        match self {
            Door::Port(port) => format!("127.0.0.1:{port}"),
            Door::Path(path) => format!("unix:{}", path.display()),
        }
    }
}

/// The reason of a call whose connection broke, or on which something came that is no answer.
pub const BROKEN: i8 = -100;

/// One value that came.
pub struct Value {
    pub key: String,
    pub flags: u32,
    pub bytes: Vec<u8>,
    /// 0: none was asked for.
    pub token: u64,
}

/// A connection.
pub struct Link {
    reader: BufReader<Box<dyn Read + Send>>,
    writer: Box<dyn Write + Send>,
}

impl Link {
    /// `None`: nobody listens.
    pub fn to(door: &Door, patience: Duration) -> Option<Link> {
        let (reader, writer): (Box<dyn Read + Send>, Box<dyn Write + Send>) = match door {
            Door::Port(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port)).ok()?;
                stream.set_nodelay(true).ok()?;
                stream.set_read_timeout(Some(patience)).ok()?;
                (Box::new(stream.try_clone().ok()?), Box::new(stream))
            }
            Door::Path(path) => {
                let stream = UnixStream::connect(path).ok()?;
                stream.set_read_timeout(Some(patience)).ok()?;
                (Box::new(stream.try_clone().ok()?), Box::new(stream))
            }
        };
        Some(Link { reader: BufReader::new(reader), writer })
    }

    /// Sends a request, or several. `None`: the connection is broken.
    pub fn send(&mut self, request: &[u8]) -> Option<()> {
        self.writer.write_all(request).ok()
    }

    /// A line, without its end. `None`: the connection is broken.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).ok()?;
        String::from_utf8(line).ok()?.strip_suffix("\r\n").map(str::to_owned)
    }

    /// The answer to a request that has one line. `None`: the connection is broken.
    pub fn answer(&mut self) -> Option<Answer> {
        let line = self.line()?;
        Some(match line.as_str() {
            "STORED" => Answer::Stored,
            "NOT_STORED" => Answer::NotStored,
            "EXISTS" => Answer::Exists,
            "NOT_FOUND" => Answer::NotFound,
            "DELETED" => Answer::Deleted,
            "TOUCHED" => Answer::Touched,
            line => refusal(line).or_else(|| line.parse().ok().map(Answer::Number)).unwrap_or(NONSENSE),
        })
    }

    /// The values that came in answer to a get, and how it ended: `Miss` says that what did not come is not there.
    /// `None`: the connection is broken.
    pub fn values(&mut self, values: &mut Vec<Value>) -> Option<Answer> {
        loop {
            let line = self.line()?;
            if line == "END" {
                return Some(Answer::Miss);
            }
            let Some((value, len)) = line.strip_prefix("VALUE ").and_then(head_of) else {
                return Some(refusal(&line).unwrap_or(NONSENSE));
            };
            let mut bytes = vec![0; len + 2];
            self.reader.read_exact(&mut bytes).ok()?;
            if bytes.split_off(len) != b"\r\n" {
                return Some(NONSENSE);
            }
            values.push(Value { bytes, ..value });
        }
    }
}

/// No answer to anything: the checker calls it absurd, whatever was asked.
const NONSENSE: Answer = Answer::Hit(State::Garbled);

/// What says nothing about the key. These are the library's reasons for the same.
fn refusal(line: &str) -> Option<Answer> {
    Some(Answer::Failed(match line {
        "SERVER_ERROR unavailable" => -1,
        "SERVER_ERROR timeout" => -2,
        line if line.starts_with("SERVER_ERROR ") => -3,
        _ => return None,
    }))
}

fn head_of(line: &str) -> Option<(Value, usize)> {
    let mut words = line.split(' ');
    let key = words.next()?.to_owned();
    let flags = words.next()?.parse().ok()?;
    let len = words.next()?.parse().ok()?;
    let token = words.next().map_or(Some(0), |word| word.parse().ok())?;
    Some((Value { key, flags, bytes: Vec::new(), token }, len))
}
