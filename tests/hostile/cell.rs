//! One operation against one behaviour of one server of a pool, and what is demanded of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use memcache::client::{Client as View, TableAt};
use memcache::rules::places::home;
use memcache::rules::pool::{Pool, ServerId};
use memcache::rules::view::State;
use memcache::table::Trust;

use crate::front::{Behaviour, Front, Stage};
use crate::judge::Fault;
use crate::library::Handle;
use crate::memory::measured;
use crate::operations::{Before, Case, Door, Effect, Operation, Span};
use crate::outcomes::{Said, What};
use crate::proxied;
use crate::proxy::Proxy;
use crate::support::scratch::Scratch;
use crate::support::server::{Memcached, free_port};
use crate::support::wait;
use crate::support::watchd::Watchd;

/// The `timeout` of the pools, which a call may take.
const TIMEOUT: Duration = Duration::from_millis(400);
/// No call takes longer, also on a machine that has much else to do. It is no measure of speed, but tells a wait that
/// has another end than the call's own.
const LIMIT: Duration = TIMEOUT.saturating_mul(8);

/// What the hostile server is to the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The only server.
    Alone,
    /// The key's home, in a pool with backups.
    Home,
    /// The second copy's.
    Mirror,
    /// The key's home, in a pool without backups.
    Plain,
    /// One of eight, without backups and with.
    OneOfEight,
    OneOfEightPairs,
    /// The key's home, in a pool with backups whose table a daemon attends.
    Watched,
}

impl Role {
    pub fn has_backups(self) -> bool {
        matches!(self, Role::Home | Role::Mirror | Role::OneOfEightPairs | Role::Watched)
    }

    pub fn servers(self) -> usize {
        match self {
            Role::Alone => 1,
            Role::Home | Role::Mirror | Role::Plain | Role::Watched => 4,
            Role::OneOfEight | Role::OneOfEightPairs => 8,
        }
    }

    /// Those in which an operation is tried.
    pub fn of(operation: &Operation) -> &'static [Role] {
        match operation.span {
            Span::Many => &[Role::Alone, Role::OneOfEight, Role::OneOfEightPairs],
            Span::Everything | Span::OneServer => &[Role::Alone, Role::Home],
            // To the mirror a read is nothing.
            _ if operation.effect == Effect::None && operation.says != What::Touched => {
                &[Role::Alone, Role::Home, Role::Plain]
            }
            _ => &[Role::Alone, Role::Home, Role::Mirror, Role::Plain],
        }
    }
}

/// Eight servers of one's own, the first of them behind a hostile front.
pub struct Bench {
    front: Front,
    servers: Vec<Memcached>,
    /// A connection to each of them.
    emptiers: Vec<TcpStream>,
    /// How many connections each has when nobody else asks it.
    alone: Vec<u64>,
    scratch: Scratch,
}

/// What came of a cell.
pub struct Result {
    pub judged: std::result::Result<(), Fault>,
    /// Memory, in bytes, of the call that took most.
    pub peak: usize,
    /// How long the longest call took.
    pub slowest: Duration,
}

impl Bench {
    pub fn new() -> Bench {
        let servers: Vec<Memcached> = (0..8).map(|_| Memcached::start()).collect();
        let connect = |server: &Memcached| TcpStream::connect(("127.0.0.1", server.port()));
        let emptiers: Vec<TcpStream> =
            servers.iter().map(|server| connect(server).expect("an honest server")).collect();
        let alone = emptiers.iter().map(connections).collect();
        Bench { front: Front::start(servers[0].port()), servers, emptiers, alone, scratch: Scratch::new() }
    }

    /// Waits until the honest servers have read all that the cell before this one sent them. On a busy machine that may be a
    /// while, and a flush of a server that was slow would be in it.
    fn wait_until_quiet(&self) {
        for (emptier, alone) in self.emptiers.iter().zip(&self.alone).skip(1) {
            wait::until("the callers before are gone", || (connections(emptier) <= *alone).then_some(()));
        }
    }

    /// A pool file with a name that no pool had before: nothing is known of its servers.
    fn pool(&self, role: Role, listen: u16) -> (PathBuf, Arc<Pool>, Option<TableAt>) {
        static POOLS: AtomicUsize = AtomicUsize::new(0);
        let number = POOLS.fetch_add(1, Ordering::Relaxed);
        let backup = if role.has_backups() { "pairs" } else { "none" };
        let mut text = format!(
            "[pool]\nname = \"hostile{number}\"\nbackup = \"{backup}\"\ntimeout = \"{}ms\"\n\
             connect_timeout = \"100ms\"\n",
            TIMEOUT.as_millis()
        );
        for server in &self.servers[..role.servers()] {
            let first = server.port() == self.servers[0].port();
            let port = if first { self.front.port } else { server.port() };
            text += &format!("[[server]]\naddress = \"127.0.0.1:{port}\"\n");
        }
        let table = self.scratch.path().join(format!("{number}.table"));
        if role == Role::Watched {
            text = text.replacen("[pool]\n", &format!("[pool]\ntable = \"{}\"\n", table.display()), 1);
            // Its own probes of honest servers are not what is tried.
            text += "[watch]\ninterval = \"100ms\"\ndeadline = \"1s\"\n";
        }
        text += &format!("[proxy]\nlisten = [\"127.0.0.1:{listen}\"]\n");
        let path = self.scratch.write("pool.toml", &text);
        let file = memcache::config::parse("pool.toml", &text).unwrap_or_else(|why| panic!("{why}"));
        let table = file.table.map(|path| TableAt { path, trust: Trust::default() });
        (path, Arc::new(file.pool), table)
    }

    pub fn run(&self, operation: &Operation, behaviour: &Arc<Behaviour>, role: Role) -> Result {
        self.wait_until_quiet();
        for emptier in &self.emptiers[..role.servers()] {
            assert_eq!(exchange(emptier, b"flush_all\r\n", b"OK\r\n"), b"OK\r\n");
        }
        let listen = if matches!(operation.door, Door::Proxy(_)) { free_port() } else { 11311 };
        let (path, pool, table) = self.pool(role, listen);
        let program = Path::new(env!("CARGO_BIN_EXE_memcache-watchd"));
        let _daemon = table.as_ref().map(|table| Watchd::start(program, &path, &table.path));
        let (peak, slowest) = (0, Duration::ZERO);
        let mut cell =
            Cell { bench: self, operation, behaviour, role, path, pool, table, listen, peak, slowest };
        let mut judged = cell.run();
        self.front.heal();
        if cell.peak > cell.bound() {
            judged = Err(Fault::Wrong(format!("it took {} bytes, of {}", cell.peak, cell.bound())));
        }
        Result { judged, peak: cell.peak, slowest: cell.slowest }
    }

    /// Whether that server has the key, by its own word.
    pub fn holds(&self, server: usize, key: &[u8]) -> bool {
        let answer = exchange(&self.emptiers[server], &[b"get ", key, b"\r\n"].concat(), b"END\r\n");
        answer.starts_with(b"VALUE ")
    }

    /// The sum of a figure of the first servers.
    pub fn sum(&self, figure: &str, servers: usize) -> u64 {
        self.servers[..servers].iter().map(|server| server.stat(figure).expect("an honest server")).sum()
    }
}

/// How many connections an honest server has.
fn connections(server: &TcpStream) -> u64 {
    let answer = String::from_utf8(exchange(server, b"stats\r\n", b"END\r\n")).expect("statistics");
    let told = answer.lines().find_map(|line| line.strip_prefix("STAT curr_connections "));
    told.and_then(|count| count.parse().ok()).expect("a number")
}

/// Asks an honest server; its answer with its end.
fn exchange(mut server: &TcpStream, request: &[u8], end: &[u8]) -> Vec<u8> {
    server.write_all(request).expect("an honest server");
    let (mut answer, mut room) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(end) {
        let count = server.read(&mut room).expect("an honest server");
        assert!(count > 0, "an honest server is gone");
        answer.extend_from_slice(&room[..count]);
    }
    answer
}

pub struct Cell<'a> {
    pub bench: &'a Bench,
    pub operation: &'a Operation,
    pub behaviour: &'a Arc<Behaviour>,
    pub role: Role,
    path: PathBuf,
    pool: Arc<Pool>,
    table: Option<TableAt>,
    listen: u16,
    peak: usize,
    /// How long the longest call took.
    slowest: Duration,
}

/// Whoever is asked.
pub enum Asked {
    Library(Handle),
    Proxy(Proxy, proxied::Client),
}

impl Cell<'_> {
    /// The `nth` key whose home is that server.
    fn key_at(&self, server: u16, nth: usize, binary: bool) -> Vec<u8> {
        let spelled = |number: usize| match binary {
            true => format!("key {number}\0").into_bytes(),
            false => format!("key{number}").into_bytes(),
        };
        let at_home = |key: &Vec<u8>| home(&self.pool, key) == Some(ServerId(server));
        (0..).map(spelled).filter(at_home).nth(nth).expect("there are always more")
    }

    fn case(&self) -> Case {
        let subject = u16::from(self.role == Role::Mirror);
        let binary = self.operation.span == Span::OneBinary;
        let mut keys = vec![self.key_at(subject, 0, binary)];
        if self.operation.span == Span::Many {
            keys.extend((1..2 * self.role.servers()).map(|nth| {
                self.key_at((nth % self.role.servers()) as u16, 1 + nth / self.role.servers(), false)
            }));
        }
        let length = if self.operation.is_large() { 512 << 10 } else { 20 };
        Case { keys, value: filled("new ", length), token: 0 }
    }

    pub fn before(&self, key: &[u8]) -> Option<Vec<u8>> {
        let text = format!("old value of {} ", key.escape_ascii());
        match self.operation.before {
            Before::Nothing => None,
            Before::Value => Some(filled(&text, 40)),
            Before::Large => Some(filled(&text, 512 << 10)),
            Before::Number => Some(b"41".to_vec()),
        }
    }

    fn ask(&mut self, asked: &mut Asked, case: &Case) -> Vec<Said> {
        let begun = Instant::now();
        let (said, peak) = match (asked, self.operation.door) {
            (Asked::Library(handle), Door::Library(call)) => measured(|| call(handle, case)),
            (Asked::Proxy(_, client), Door::Proxy(call)) => (call(client, case), 0),
            _ => unreachable!("an operation goes through its own door"),
        };
        self.took(begun, peak);
        said
    }

    fn took(&mut self, begun: Instant, peak: usize) {
        self.slowest = self.slowest.max(begun.elapsed());
        self.peak = self.peak.max(peak);
    }

    pub fn fetch(&mut self, asked: &mut Asked, key: &[u8]) -> Said {
        let begun = Instant::now();
        let (said, peak) = match asked {
            Asked::Library(handle) => measured(|| handle.fetch(key)),
            Asked::Proxy(_, client) => (client.get(key), 0),
        };
        self.took(begun, peak);
        if let Asked::Proxy(proxy, client) = asked
            && said.what == What::Failed
        {
            // The connection may be over.
            *client = proxied::Client::to(proxy.port);
        }
        said
    }

    fn open(&self) -> Asked {
        match self.operation.door {
            Door::Library(_) => Asked::Library(Handle::open(&self.path)),
            Door::Proxy(_) => {
                let proxy = Proxy::start(&self.path, self.listen, &["--threads", "1"]);
                let client = proxied::Client::to(self.listen);
                Asked::Proxy(proxy, client)
            }
        }
    }

    /// Whether everything honest is well, seen from here.
    fn honest_are_well(&self, asked: &Asked) -> bool {
        let first = usize::from(!self.behaviour.honest);
        match asked {
            Asked::Library(_) => self.are_well(first),
            Asked::Proxy(proxy, _) => {
                let state = |id| proxy.text(&format!("server:{}:state", self.pool.server(id).name));
                self.pool.ids().skip(first).all(|id| state(id).as_deref() == Some("steady"))
            }
        }
    }

    /// Whether the servers from that one on are well in the view of this process's handles.
    fn are_well(&self, first: usize) -> bool {
        let mut view = View::open_with_table(Arc::clone(&self.pool), self.table.clone());
        let view = view.view();
        self.pool.ids().skip(first).all(|id| view.state(id) == State::Steady)
    }

    fn run(&mut self) -> std::result::Result<(), Fault> {
        let mut case = self.case();
        // Another of the hostile server's, and one that has nothing to do with it.
        let again = self.key_at(u16::from(self.role == Role::Mirror), 7, false);
        let honest = (self.role != Role::Alone).then(|| self.key_at(2, 9, false));
        let others: Vec<_> = std::iter::once(&again).chain(&honest).collect();
        let seeds: Vec<_> = case.keys.iter().chain(others).cloned().collect();
        let seed = Handle::open(&self.path);
        for key in &seeds {
            let known = case.keys.contains(key);
            let value = if known { self.before(key) } else { Some(filled("other ", 30)) };
            if value.is_some_and(|value| seed.store(key, &value) != What::Stored) {
                return Err(Fault::Before);
            }
        }
        // What was stored past a server that was slow at that moment, a proxy, whose view is its own, rightly does
        // not find: without a table the two are told nothing of each other.
        if !self.are_well(0) {
            return Err(Fault::Before);
        }
        let stage = self.behaviour.stage;
        let cold = matches!(stage, Stage::Accept | Stage::Greeting);
        let (mut asked, seed) = match self.operation.door {
            Door::Library(_) if !cold => (Asked::Library(seed), None),
            _ => {
                if cold {
                    self.bench.front.turn_hostile(self.behaviour);
                }
                (self.open(), Some(seed))
            }
        };
        drop(seed);
        if !cold {
            case.token = match &mut asked {
                Asked::Library(handle) => handle.fetch_with_token(case.key()).1,
                Asked::Proxy(_, client) => proxied::token(client, case.key()),
            };
            let has_token = case.token != 0 || !self.operation.takes_token();
            if !has_token || self.fetch(&mut asked, &again).what != What::Hit {
                return Err(Fault::Before);
            }
            self.bench.front.turn_hostile(self.behaviour);
        }
        let said = self.ask(&mut asked, &case);
        let everywhere = self.is_so_everywhere(&case, &said, &seeds);
        let second = self.fetch(&mut asked, &again);
        let third = honest.as_ref().map(|key| self.fetch(&mut asked, key));
        self.bench.front.heal();
        let judged = everywhere.and_then(|()| self.judge(&mut asked, &case, &said, &second, third.as_ref()));
        if let Asked::Proxy(proxy, _) = &mut asked {
            if proxy.ended().is_some() {
                return Err(Fault::Wrong(format!("the proxy ended: {}", proxy.said())));
            }
            self.peak = self.peak.max(peak_of(proxy.pid()));
        }
        let judged = match judged {
            Err(Fault::Odd(why)) if self.slowest <= LIMIT && self.honest_are_well(&asked) => {
                Err(Fault::Wrong(why))
            }
            Ok(()) if !self.honest_are_well(&asked) => {
                Err(Fault::disturbed("an honest server was taken for one that is not well"))
            }
            Ok(()) if self.slowest > LIMIT => {
                Err(Fault::Odd(format!("a call took {:.1?}, of {LIMIT:?}", self.slowest)))
            }
            judged => judged,
        };
        match (judged, &asked) {
            (Err(Fault::Wrong(why)), Asked::Proxy(proxy, _)) => {
                Err(Fault::Wrong(format!("{why}; the proxy said {}", proxy.said())))
            }
            (judged, _) => judged,
        }
    }
}

/// `text` again and again, up to that length.
pub fn filled(text: &str, length: usize) -> Vec<u8> {
    text.bytes().cycle().take(length).collect()
}

/// The most memory that a process ever had.
fn peak_of(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<usize>().ok()).unwrap_or(0) << 10
}
