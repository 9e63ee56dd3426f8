//! A real memcached of one's own, on a free port of 127.0.0.1 or on a unix socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::{keep, wait};

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Listen {
    /// A port of 127.0.0.1.
    Port(u16),
    /// A unix socket.
    Path(PathBuf),
}

/// A memcached under the test's control.
pub struct Memcached {
    listen: Listen,
    child: Option<Child>,
    options: Vec<String>,
}

impl Memcached {
    /// Starts one on a free port and waits until it answers.
    ///
    /// # Panics
    /// When none can be started; the message says what memcached said.
    pub fn start() -> Memcached {
        Memcached::start_with(&[])
    }

    /// The same with further options.
    pub fn start_with(options: &[&str]) -> Memcached {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        for _ in 0..50 {
            let mut server =
                Memcached { listen: Listen::Port(free_port()), child: None, options: options.clone() };
            match server.try_run() {
                Ok(()) => return server,
                Err(words) if words.contains("Address already in use") => {}
                Err(words) => panic!("cannot start memcached: {words}"),
            }
        }
        panic!("found no port of 127.0.0.1 for a memcached in 50 tries")
    }

    /// Starts one that gives no lists of its keys: nobody sweeps its pool, and what returned stays so.
    pub fn without_lists() -> Memcached {
        Memcached::start_with(&["-o", "no_lru_crawler"])
    }

    /// Starts one on a unix socket and waits until it answers.
    pub fn start_at(path: &Path) -> Memcached {
        let mut server =
            Memcached { listen: Listen::Path(path.to_owned()), child: None, options: Vec::new() };
        server.restart();
        server
    }

    /// Its address as pool files and `mc_server_add4` take it.
    pub fn address(&self) -> String {
        match &self.listen {
            Listen::Port(port) => format!("127.0.0.1:{port}"),
            Listen::Path(path) => format!("unix:{}", path.display()),
        }
    }

    /// Its port.
    ///
    /// # Panics
    /// When it listens on a unix socket.
    pub fn port(&self) -> u16 {
        match &self.listen {
            Listen::Port(port) => *port,
            Listen::Path(path) => panic!("{} has no port", path.display()),
        }
    }

    /// Its process id; 0 when it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// `kill -9`, and waits for its end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            keep::kill(&mut child);
        }
    }

    /// Runs again, empty, where it ran before; waits until it answers.
    pub fn restart(&mut self) {
        self.kill();
        let mut words = String::new();
        let running = wait::within(wait::PATIENCE, || self.try_run().map_err(|said| words = said).ok());
        assert!(running.is_some(), "cannot start memcached at {}: {words}", self.address());
    }

    /// Stops it in its tracks: it accepts connections and answers nothing.
    pub fn hang(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// Lets it go on after [`Memcached::hang`].
    pub fn wake(&self) {
        self.signal(libc::SIGCONT);
    }

    /// A figure of `stats`; `None` when it does not answer or knows none of that name.
    pub fn stat(&self, name: &str) -> Option<u64> {
        let start = format!("STAT {name} ");
        let lines = self.ask("stats\r\n", "END").ok()?;
        lines.iter().find_map(|line| line.strip_prefix(&start)?.parse().ok())
    }

    /// Sends `request` over a connection of its own and reads lines up to and with the one that is
    /// `last`, or begins an error.
    pub fn ask(&self, request: &str, last: &str) -> std::io::Result<Vec<String>> {
        let patience = Some(Duration::from_secs(5));
        match &self.listen {
            Listen::Port(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port))?;
                stream.set_read_timeout(patience)?;
                converse(stream, request, last)
            }
            Listen::Path(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(patience)?;
                converse(stream, request, last)
            }
        }
    }

    fn signal(&self, signal: libc::c_int) {
        let Some(child) = &self.child else { panic!("the memcached at {} does not run", self.address()) };
        keep::signal(child, signal);
    }

    /// Starts the process and waits until it, and not some other server, answers.
    fn try_run(&mut self) -> Result<(), String> {
        let mut command = Command::new("memcached");
        command.args(["-m", "64", "-t", "1", "-c", "512"]).stdin(Stdio::null()).stdout(Stdio::null());
        match &self.listen {
            Listen::Port(port) => command.args(["-U", "0", "-l", "127.0.0.1", "-p", &port.to_string()]),
            Listen::Path(path) => command.arg("-s").arg(path),
        };
        command.args(&self.options);
        // SAFETY: geteuid has no requirements.
        if unsafe { libc::geteuid() } == 0 {
            command.args(["-u", "root"]); // it refuses to run as root unasked
        }
        let child = keep::spawn(command.stderr(Stdio::piped()))
            .map_err(|error| format!("{error} (is the package memcached installed?)"))?;
        self.child = Some(child);
        wait::until(&format!("a memcached at {} that answers", self.address()), || {
            if self.ended() {
                return Some(Err(self.last_words()));
            }
            (self.stat("pid") == Some(self.pid().into())).then_some(Ok(()))
        })
    }

    fn ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|status| status.is_some()))
    }

    fn last_words(&mut self) -> String {
        let mut words = String::new();
        if let Some(mut child) = self.child.take() {
            keep::ended(&child);
            if let Some(stderr) = child.stderr.as_mut() {
                let _ = stderr.read_to_string(&mut words);
            }
        }
        words
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.kill();
        if let Listen::Path(path) = &self.listen {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn converse(mut stream: impl Read + Write, request: &str, last: &str) -> std::io::Result<Vec<String>> {
    stream.write_all(request.as_bytes())?;
    let mut lines = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let over = line == last || line.starts_with("ERROR") || line.contains("_ERROR ");
        lines.push(line);
        if over {
            return Ok(lines);
        }
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

/// A port that nobody listens on, below those that the kernel gives to outgoing connections: a
/// client that tries a dead server again and again must not be given the server's own port to try
/// it from (it would be connected to itself), nor keep the server from coming back to it.
pub fn free_port() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first_outgoing = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse::<u16>().ok())
        .unwrap_or(32_768);
    let lowest = 10_000;
    let span = u32::from(first_outgoing.saturating_sub(lowest));
    if span < 100 {
        return TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("a free port")
            .port();
    }
    wait::until("a free port of 127.0.0.1", || {
        let tried = u32::from(TRIED.fetch_add(1, Ordering::Relaxed));
        // Programs that run side by side begin far apart.
        let port = lowest + ((std::process::id() * 97 + tried) % span) as u16;
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}
