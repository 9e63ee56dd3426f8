//! Fake servers: a listener and one thread per connection, each of which plays a part.
//!
//! A fake ends when its clients have gone: declare it before the client that uses it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use memcache::rules::address::Address;
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection, from the server's side.
pub struct Session {
    stream: BufReader<Box<dyn Stream>>,
    /// Which connection of its server it is, from 0.
    pub nth: usize,
}

impl Session {
    /// The next command line without its end; `None` when the client is gone.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
        }
    }

    /// The value behind a store's line.
    pub fn block(&mut self, len: usize) -> Option<Vec<u8>> {
        let mut block = vec![0; len + 2];
        self.stream.read_exact(&mut block).ok()?;
        block.truncate(len);
        Some(block)
    }

    /// Says something. Whether the client is still there to hear it.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let stream = self.stream.get_mut();
        stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()).is_ok()
    }

    /// Answers a greeting: as process `pid`, with meta commands or without.
    pub fn greet(&mut self, pid: u32, meta: bool) -> Option<()> {
        assert_eq!(self.line()?, "stats");
        assert_eq!(self.line()?, "mn");
        self.say(format!("STAT pid {pid}\r\nSTAT uptime 100\r\nSTAT time 1700000100\r\nEND\r\n"));
        self.say(if meta { "MN\r\n" } else { "ERROR\r\n" });
        Some(())
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, std::path::PathBuf),
}

/// A fake server.
pub struct Fake {
    pub address: Address,
    pub met: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// On 127.0.0.1. Every connection is handed to `play`, in a thread of its own.
    pub fn start(play: impl Fn(&mut Session) -> Option<()> + Send + Sync + 'static) -> Fake {
        Fake::tcp(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), play)
    }

    /// On ::1.
    pub fn v6(play: impl Fn(&mut Session) -> Option<()> + Send + Sync + 'static) -> Fake {
        Fake::tcp(TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap(), play)
    }

    /// On a unix socket.
    pub fn unix(name: &str, play: impl Fn(&mut Session) -> Option<()> + Send + Sync + 'static) -> Fake {
        let path = std::env::temp_dir().join(format!("memcache-{name}-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let address = Address::Unix(path.to_str().unwrap().to_owned());
        Fake::run(Listener::Unix(listener, path), address, play)
    }

    pub fn tcp(
        listener: TcpListener,
        play: impl Fn(&mut Session) -> Option<()> + Send + Sync + 'static,
    ) -> Fake {
        let address = tcp_address(listener.local_addr().unwrap());
        Fake::run(Listener::Tcp(listener), address, play)
    }

    fn run(
        listener: Listener,
        address: Address,
        play: impl Fn(&mut Session) -> Option<()> + Send + Sync + 'static,
    ) -> Fake {
        let (over, met) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (seen, count, play) = (Arc::clone(&over), Arc::clone(&met), Arc::new(play));
        let thread = std::thread::spawn(move || {
            let mut sessions = Vec::new();
            loop {
                let stream = listener.accept();
                if seen.load(Ordering::SeqCst) {
                    break;
                }
                let (play, nth) = (Arc::clone(&play), count.fetch_add(1, Ordering::SeqCst));
                sessions.push(std::thread::spawn(move || {
                    play(&mut Session { stream: BufReader::new(stream), nth });
                }));
            }
            drop(listener);
            let results: Vec<_> = sessions.into_iter().map(JoinHandle::join).collect();
            assert!(results.iter().all(Result::is_ok), "a fake server was asked what it did not expect");
        });
        Fake { address, met, over, thread: Some(thread) }
    }
}

impl Listener {
    fn accept(&self) -> Box<dyn Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().unwrap();
                stream.set_nodelay(true).unwrap();
                Box::new(stream)
            }
            Listener::Unix(listener, _) => Box::new(listener.accept().unwrap().0),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes it from accept.
        match &self.address {
            Address::Tcp { host, port } => drop(TcpStream::connect((host.as_str(), *port))),
            Address::Unix(path) => drop(UnixStream::connect(path)),
        }
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "a fake server failed");
    }
}

fn tcp_address(address: SocketAddr) -> Address {
    Address::Tcp { host: address.ip().to_string(), port: address.port() }
}

/// A port that is taken but refuses connections, until somebody listens on it.
pub struct Closed {
    socket: OwnedFd,
    pub address: Address,
}

impl Closed {
    pub fn new() -> Closed {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
        Closed { socket, address: tcp_address(address) }
    }

    /// Opens: from now on it accepts.
    pub fn open(self, play: impl Fn(&mut Session) -> Option<()> + Send + Sync + 'static) -> Fake {
        listen(&self.socket, 16).unwrap();
        Fake::tcp(TcpListener::from(self.socket), play)
    }
}

/// A memcached of a few lines, for as much of the protocol as trials speak.
#[derive(Clone, Default)]
pub struct Shelf {
    items: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    pub flushes: Arc<AtomicUsize>,
    pub pid: u32,
    /// It has no meta commands, and says so.
    plain: bool,
}

impl Shelf {
    pub fn of(pid: u32) -> Shelf {
        Shelf { pid, ..Shelf::default() }
    }

    /// Without meta commands.
    #[allow(dead_code)] // another test program uses it
    pub fn plain(pid: u32) -> Shelf {
        Shelf { plain: true, ..Shelf::of(pid) }
    }

    /// Plays it until the client goes.
    pub fn play(&self, session: &mut Session) -> Option<()> {
        loop {
            let line = session.line()?;
            let reply = self.reply(&line, session)?;
            session.say(reply);
        }
    }

    /// What it says to a line of a client's, whose value, if there is one, comes next.
    pub fn reply(&self, line: &str, session: &mut Session) -> Option<Vec<u8>> {
        let words: Vec<&str> = line.split(' ').collect();
        let store = |session: &mut Session| session.block(words[4].parse().unwrap());
        let text = match words[0] {
            "stats" => format!("STAT pid {}\r\nSTAT uptime 9\r\nSTAT time 1700000009\r\nEND\r\n", self.pid),
            "mn" if !self.plain => "MN\r\n".to_owned(),
            "set" => {
                let block = store(session)?;
                self.items.lock().unwrap().insert(words[1].to_owned(), block);
                "STORED\r\n".to_owned()
            }
            "add" => {
                let block = store(session)?;
                let mut items = self.items.lock().unwrap();
                let taken = items.contains_key(words[1]);
                items.entry(words[1].to_owned()).or_insert(block);
                if taken { "NOT_STORED\r\n" } else { "STORED\r\n" }.to_owned()
            }
            "cas" => {
                let block = store(session)?;
                self.items.lock().unwrap().insert(words[1].to_owned(), block);
                "STORED\r\n".to_owned()
            }
            "get" | "gets" => return Some(self.values(&words)),
            "flush_all" => {
                self.items.lock().unwrap().clear();
                self.flushes.fetch_add(1, Ordering::SeqCst);
                "OK\r\n".to_owned()
            }
            _ => "ERROR\r\n".to_owned(),
        };
        Some(text.into_bytes())
    }

    fn values(&self, words: &[&str]) -> Vec<u8> {
        let items = self.items.lock().unwrap();
        let mut reply = Vec::new();
        for key in &words[1..] {
            if let Some(value) = items.get(*key) {
                let cas = if words[0] == "gets" { " 1" } else { "" };
                reply.extend_from_slice(format!("VALUE {key} 0 {}{cas}\r\n", value.len()).as_bytes());
                reply.extend_from_slice(value);
                reply.extend_from_slice(b"\r\n");
            }
        }
        reply.extend_from_slice(b"END\r\n");
        reply
    }
}
