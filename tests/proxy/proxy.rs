//! A proxy of one's own, its servers, and clients of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use memcache::rules::hash::KeyHash;
use memcache::table::{Stripes, Trust, identity};

use crate::support::scratch::Scratch;
use crate::support::server::{Memcached, free_port};
use crate::support::service::Service;
use crate::support::wait;
use crate::support::watchd::Watchd;

/// A client of the proxy must not wait for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pool of memcacheds and its file.
pub struct Fleet {
    pub servers: Vec<Memcached>,
    pub scratch: Scratch,
    pub pool: PathBuf,
    pub port: u16,
    pub watchd: Option<Watchd>,
    /// Where the table is.
    table: Option<Scratch>,
}

impl Fleet {
    /// `pool` and `proxy`: further lines of these sections.
    pub fn start(count: usize, pool: &str, proxy: &str) -> Fleet {
        Fleet::start_with(count, pool, "", proxy)
    }

    fn start_with(count: usize, pool: &str, watch: &str, proxy: &str) -> Fleet {
        let times = if pool.contains("timeout") { "" } else { "timeout = \"10s\"\nconnect_timeout = \"5s\"" };
        let servers: Vec<Memcached> = (0..count).map(|_| Memcached::start()).collect();
        let scratch = Scratch::new();
        let port = free_port();
        let list: String = servers
            .iter()
            .map(|server| format!("[[server]]\naddress = \"{}\"\n", server.address()))
            .collect();
        let text = format!(
            "[pool]\nname = \"tried{port}\"\n{times}\n{pool}\n{list}[watch]\ninterval = \"100ms\"\n{watch}\n\
             [proxy]\nlisten = [\"127.0.0.1:{port}\"]\n{proxy}\n"
        );
        let pool = scratch.write("pool.toml", &text);
        Fleet { servers, scratch, pool, port, watchd: None, table: None }
    }

    /// With backups, a table, and the daemon at work. `deadline`: of its probes. A machine that is short of processors
    /// makes healthy servers silent, and of two that are down at once nothing is promised.
    pub fn watched(count: usize, deadline: &str) -> Fleet {
        Fleet::watched_with(count, "", deadline)
    }

    /// The same; `pool`: further lines of this section.
    pub fn watched_with(count: usize, pool: &str, deadline: &str) -> Fleet {
        let place = Scratch::new();
        let table = place.path().join("t.table");
        let pool = format!("{pool}\nbackup = \"pairs\"\ntable = \"{}\"", table.display());
        let mut fleet = Fleet::start_with(count, &pool, &format!("deadline = \"{deadline}\""), "");
        fleet.watchd =
            Some(Watchd::start(Path::new(env!("CARGO_BIN_EXE_memcache-watchd")), &fleet.pool, &table));
        fleet.table = Some(place);
        fleet
    }

    /// The table's path.
    pub fn table(&self) -> PathBuf {
        self.table.as_ref().expect("a table").path().join("t.table")
    }

    /// As [`overrun`], in its table.
    pub fn overrun(&self, key: &str) {
        overrun(&self.table(), key);
    }

    /// Has its proxies listen on a unix socket too.
    pub fn unix(&self) -> PathBuf {
        let path = self.scratch.path().join("p.sock");
        let tcp = format!("\"127.0.0.1:{}\"", self.port);
        self.change(&tcp, &format!("{tcp}, \"unix:{}\"", path.display()));
        path
    }

    /// Writes something else into the pool file.
    pub fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.pool).expect("the pool file");
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&self.pool, text.replace(from, to)).expect("written");
    }

    pub fn proxy(&self, arguments: &[&str]) -> Proxy {
        Proxy::start(&self.pool, self.port, arguments)
    }
}

/// Somebody holds the key's stripe until a moment that is past when this returns, and does not give it back.
pub fn overrun(table: &Path, key: &str) {
    let stripes = Stripes::open(table, &Trust::default()).expect("a stripes file");
    let (hash, me) = (KeyHash::of(key.as_bytes()).value(), u64::from(std::process::id()));
    let soon = identity::boot_millis() + 50;
    stripes.take(hash, soon, me, identity::boot_millis).expect("its turn").forget();
    wait::until("its time is over", || (identity::boot_millis() > soon).then_some(()));
}

/// A running proxy.
pub struct Proxy {
    service: Service,
    pub port: u16,
}

impl Proxy {
    fn service(pool: &Path, port: u16, arguments: &[&str]) -> Service {
        let program = Path::new(env!("CARGO_BIN_EXE_memcache-proxy"));
        Service::new(program, pool, arguments, pool.with_extension(format!("{port}.err")))
    }

    /// How one is run that nobody waits for.
    pub fn command(pool: &Path, arguments: &[&str]) -> Command {
        Proxy::service(pool, 0, arguments).command()
    }

    pub fn start(pool: &Path, port: u16, arguments: &[&str]) -> Proxy {
        let mut service = Proxy::service(pool, port, arguments);
        service.restart(|_| TcpStream::connect(("127.0.0.1", port)).ok());
        Proxy { service, port }
    }

    pub fn said(&self) -> String {
        self.service.said()
    }

    pub fn client(&self) -> Client {
        Client::to(self.port)
    }

    pub fn pid(&self) -> u32 {
        self.service.pid()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("it runs"), signal).expect("it is there");
    }

    /// How it ended; `None`: it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.service.ended()
    }

    /// Waits until it has ended.
    pub fn ends(&mut self) -> ExitStatus {
        wait::until("the proxy ends", || self.ended())
    }

    pub fn kill(&mut self) {
        self.service.kill();
    }

    /// Its resident memory, in bytes.
    pub fn memory(&self) -> usize {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).expect("its memory");
        let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
        pages * 4096
    }

    /// The most that was resident of it by now, in bytes.
    pub fn peak(&self) -> usize {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its memory");
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the line of it");
        let kilobytes = line.split_whitespace().next().and_then(|count| count.parse::<usize>().ok());
        kilobytes.expect("a number") << 10
    }

    /// A number of `stats proxy`.
    pub fn stat(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// What `stats proxy` says of something.
    pub fn text(&self, name: &str) -> Option<String> {
        let mut client = self.client();
        client.send(b"stats proxy\r\n");
        let mut found = None;
        loop {
            let line = client.line();
            if line == "END" {
                return found;
            }
            let mut words = line.split(' ').skip(1);
            if words.next() == Some(name) {
                found = words.next().map(str::to_owned);
            }
        }
    }
}

/// A client that speaks lines.
pub struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    pub fn to(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let reader = BufReader::new(stream.try_clone().expect("a second handle"));
        Client { stream, reader }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it takes what is sent");
    }

    /// A writer of its own.
    pub fn writer(&self) -> TcpStream {
        self.stream.try_clone().expect("another handle")
    }

    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).expect("an answer in time");
        String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned()
    }

    pub fn ask(&mut self, bytes: &str) -> String {
        self.send(bytes.as_bytes());
        self.line()
    }

    pub fn set(&mut self, key: &str, value: &[u8]) -> String {
        let head = format!("set {key} 0 0 {}\r\n", value.len());
        self.send(&[head.as_bytes(), value, b"\r\n"].concat());
        self.line()
    }

    /// Whether it was stored; also when there is nobody any more who could say so.
    pub fn try_set(&mut self, key: &str, value: &[u8]) -> bool {
        let head = format!("set {key} 0 0 {}\r\n", value.len());
        let mut line = Vec::new();
        self.stream.write_all(&[head.as_bytes(), value, b"\r\n"].concat()).is_ok()
            && self.reader.read_until(b'\n', &mut line).is_ok()
            && line == b"STORED\r\n"
    }

    /// The value; `Err`: what was said in its stead.
    pub fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.send(format!("get {key}\r\n").as_bytes());
        let line = self.line();
        if line == "END" {
            return Ok(None);
        }
        let Some(head) = line.strip_prefix("VALUE ") else { return Err(line) };
        let len: usize = head.split(' ').nth(2).and_then(|len| len.parse().ok()).expect("a length");
        let mut value = vec![0; len + 2];
        self.reader.read_exact(&mut value).expect("the value in time");
        value.truncate(len);
        assert_eq!(self.line(), "END");
        Ok(Some(value))
    }

    /// Everything that comes until the proxy closes the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.reader.read_to_end(&mut rest);
        rest
    }

    /// As [`Client::rest`]; the proxy closes it in time, and in order.
    pub fn all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.reader.read_to_end(&mut all).expect("the end in time");
        all
    }

    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).expect("so many bytes in time");
        bytes
    }

    /// Sends no more.
    pub fn hang_up(&self) {
        self.stream.shutdown(Shutdown::Write).expect("half of it closes");
    }
}
