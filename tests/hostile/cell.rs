//! One operation against one behaviour of one server of a pool, and what is demanded of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use memcache::client::Client as View;
use memcache::rules::places::home;
use memcache::rules::pool::{Pool, ServerId};
use memcache::rules::view::State;

use crate::front::{Behaviour, Front, Stage};
use crate::library::Handle;
use crate::memory::measured;
use crate::operations::{Before, Case, Door, Effect, Operation, Span};
use crate::outcomes::{Said, What};
use crate::proxied;
use crate::proxy::Proxy;
use crate::support::scratch::Scratch;
use crate::support::server::{Memcached, free_port};
use crate::support::wait;

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
}

impl Role {
    pub fn has_backups(self) -> bool {
        matches!(self, Role::Home | Role::Mirror | Role::OneOfEightPairs)
    }

    fn servers(self) -> usize {
        match self {
            Role::Alone => 1,
            Role::Home | Role::Mirror | Role::Plain => 4,
            Role::OneOfEight | Role::OneOfEightPairs => 8,
        }
    }

    /// Those in which an operation is tried.
    pub fn of(operation: &Operation) -> &'static [Role] {
        match operation.span {
            Span::Many => &[Role::Alone, Role::OneOfEight, Role::OneOfEightPairs],
            Span::Everything => &[Role::Alone, Role::Home],
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
    scratch: Scratch,
}

/// What came of a cell.
pub struct Result {
    /// Why it is wrong, if it is.
    pub wrong: Option<String>,
    /// Memory, in bytes, of the call that took most.
    pub peak: usize,
    /// An honest server was too slow for it, on this machine at this moment: it proves nothing.
    pub disturbed: bool,
    /// The next call, for a key of an honest server, failed.
    pub stumbled: bool,
}

impl Bench {
    pub fn new() -> Bench {
        let servers: Vec<Memcached> = (0..8).map(|_| Memcached::start()).collect();
        let connect = |server: &Memcached| TcpStream::connect(("127.0.0.1", server.port()));
        let emptiers = servers.iter().map(|server| connect(server).expect("an honest server")).collect();
        Bench { front: Front::start(servers[0].port()), servers, emptiers, scratch: Scratch::new() }
    }

    /// A pool file with a name that no pool had before: nothing is known of its servers.
    fn pool(&self, role: Role, listen: u16) -> (PathBuf, Arc<Pool>) {
        static POOLS: AtomicUsize = AtomicUsize::new(0);
        let number = POOLS.fetch_add(1, Ordering::Relaxed);
        let backup = if role.has_backups() { "pairs" } else { "none" };
        let mut text = format!(
            "[pool]\nname = \"hostile{number}\"\nbackup = \"{backup}\"\ntimeout = \"400ms\"\n\
             connect_timeout = \"100ms\"\n"
        );
        for server in &self.servers[..role.servers()] {
            let first = server.port() == self.servers[0].port();
            let port = if first { self.front.port } else { server.port() };
            text += &format!("[[server]]\naddress = \"127.0.0.1:{port}\"\n");
        }
        text += &format!("[proxy]\nlisten = [\"127.0.0.1:{listen}\"]\n");
        let path = self.scratch.write("pool.toml", &text);
        let file = memcache::config::parse("pool.toml", &text).unwrap_or_else(|why| panic!("{why}"));
        (path, Arc::new(file.pool))
    }

    pub fn run(&self, operation: &Operation, behaviour: &Arc<Behaviour>, role: Role) -> Result {
        for emptier in &self.emptiers[..role.servers()] {
            let mut answer = [0; 4];
            (&*emptier).write_all(b"flush_all\r\n").expect("an honest server");
            (&*emptier).read_exact(&mut answer).expect("an honest server");
            assert_eq!(&answer, b"OK\r\n");
        }
        let listen = if matches!(operation.door, Door::Proxy(_)) { free_port() } else { 11311 };
        let (path, pool) = self.pool(role, listen);
        let mut cell = Cell { bench: self, operation, behaviour, role, path, pool, listen, peak: 0 };
        let wrong = cell.run();
        self.front.heal();
        let mut result = Result { wrong: None, peak: cell.peak, disturbed: false, stumbled: false };
        match wrong {
            Ok(()) => {}
            Err(Fault::Stumbled) => result.stumbled = true,
            Err(Fault::Disturbed) => result.disturbed = true,
            Err(Fault::Wrong(why)) => result.wrong = Some(why),
        }
        result
    }
}

enum Fault {
    Wrong(String),
    Disturbed,
    Stumbled,
}

struct Cell<'a> {
    bench: &'a Bench,
    operation: &'a Operation,
    behaviour: &'a Arc<Behaviour>,
    role: Role,
    path: PathBuf,
    pool: Arc<Pool>,
    listen: u16,
    peak: usize,
}

/// Whoever is asked.
enum Asked {
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

    fn before(&self, key: &[u8]) -> Option<Vec<u8>> {
        let text = format!("old value of {} ", key.escape_ascii());
        match self.operation.before {
            Before::Nothing => None,
            Before::Value => Some(filled(&text, 40)),
            Before::Large => Some(filled(&text, 512 << 10)),
            Before::Number => Some(b"41".to_vec()),
        }
    }

    fn ask(&mut self, asked: &mut Asked, case: &Case) -> Vec<Said> {
        match (asked, self.operation.door) {
            (Asked::Library(handle), Door::Library(call)) => {
                let (said, peak) = measured(|| call(handle, case));
                self.peak = self.peak.max(peak);
                said
            }
            (Asked::Proxy(_, client), Door::Proxy(call)) => call(client, case),
            _ => unreachable!("an operation goes through its own door"),
        }
    }

    fn fetch(&mut self, asked: &mut Asked, key: &[u8]) -> Said {
        match asked {
            Asked::Library(handle) => {
                let (said, peak) = measured(|| handle.fetch(key));
                self.peak = self.peak.max(peak);
                said
            }
            Asked::Proxy(proxy, client) => {
                let said = client.get(key);
                if said.what == What::Failed {
                    // The connection may be over.
                    *client = proxied::Client::to(proxy.port);
                }
                said
            }
        }
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

    /// Whether everything honest was well, seen from here.
    fn honest_are_well(&self, asked: &Asked) -> bool {
        match asked {
            Asked::Library(_) => self.are_well(1),
            Asked::Proxy(proxy, _) => {
                let state = |id| proxy.text(&format!("server:{}:state", self.pool.server(id).name));
                self.pool.ids().skip(1).all(|id| state(id).as_deref() == Some("steady"))
            }
        }
    }

    /// Whether the servers from that one on are well in the view of this process's handles.
    fn are_well(&self, first: usize) -> bool {
        let mut view = View::open(Arc::clone(&self.pool));
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
                return Err(Fault::Disturbed);
            }
        }
        // What was stored past a server that was slow at that moment, a proxy, whose view is its own, rightly does
        // not find: without a table the two are told nothing of each other.
        if !self.are_well(0) {
            return Err(Fault::Disturbed);
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
            if !matches!(self.fetch(&mut asked, &again).what, What::Hit) {
                return Err(Fault::Disturbed);
            }
            self.bench.front.turn_hostile(self.behaviour);
        }
        let said = self.ask(&mut asked, &case);
        let second = self.fetch(&mut asked, &again);
        let third = honest.as_ref().map(|key| self.fetch(&mut asked, key));
        self.bench.front.heal();
        let judged = self.judge(&mut asked, &case, &said, &second, third.as_ref());
        if let Asked::Proxy(proxy, _) = &mut asked {
            if proxy.ended().is_some() {
                return Err(Fault::Wrong(format!("the proxy ended: {}", proxy.said())));
            }
            self.peak = self.peak.max(peak_of(proxy.pid()));
        }
        if judged.is_err() && !self.honest_are_well(&asked) {
            return Err(Fault::Disturbed);
        }
        if let (Err(Fault::Wrong(why)), Asked::Proxy(proxy, _)) = (&judged, &asked) {
            return Err(Fault::Wrong(format!("{why}; the proxy said {}", proxy.said())));
        }
        judged
    }

    fn judge(
        &mut self,
        asked: &mut Asked,
        case: &Case,
        said: &[Said],
        second: &Said,
        third: Option<&Said>,
    ) -> std::result::Result<(), Fault> {
        let wrong = |why: &str, said: &Said| Err(Fault::Wrong(format!("{why}: {said:?}")));
        for said in said {
            if !self.may_say(said, self.operation.says, case.token == 0) {
                return wrong("it said", said);
            }
            let known = self.before(&said.key);
            // An empty value that is the server's own word for it cannot be known from another one.
            let nothing = said.value.is_empty() && self.behaviour.means.contains(&What::Hit);
            if said.what == What::Hit && !nothing && Some(&said.value) != known.as_ref() {
                return wrong("it gave what was never stored there", said);
            }
        }
        let flushed = self.operation.span == Span::Everything && self.operation.effect == Effect::Delete;
        let other = filled("other ", 30);
        for said in std::iter::once(second).chain(third) {
            let may = said.what == What::Miss && flushed;
            if !may && !self.may_say(said, What::Hit, false) {
                return wrong("the next call said", said);
            }
            if said.what == What::Hit && said.value != other {
                return wrong("the next call gave what was never stored there", said);
            }
        }
        for said in said {
            self.is_as_told(asked, case, said)?;
        }
        match third {
            Some(third) if third.what == What::Failed => Err(Fault::Stumbled),
            _ => Ok(()),
        }
    }

    /// Whether that may be said, where `well` is what an honest server says.
    fn may_say(&self, said: &Said, well: What, stale_token: bool) -> bool {
        let diverted = matches!(said.what, What::Miss | What::NotFound | What::NotStored | What::Exists);
        said.what == What::Failed
            || (said.what == well && (self.behaviour.truthful || self.role != Role::Alone))
            || (said.what == well && self.behaviour.stage == Stage::Unasked)
            // Of many answers some are whole.
            || (said.what == well && self.behaviour.cuts && self.operation.span == Span::Many)
            // A delete that was not answered is sent again, and finds nothing.
            || (said.what == What::NotFound && self.operation.effect == Effect::Delete)
            || self.behaviour.means.contains(&said.what)
            // What a stand-in that never had it says. A token is of one server's life.
            || (diverted && self.role != Role::Alone && !self.role.has_backups())
            || (said.what == What::Exists && (self.role != Role::Alone || stale_token))
            // An add of what a stand-in has not.
            || (self.operation.says == What::Miss && said.what == What::Hit && well == What::Hit)
            || (stale_token && said.what == What::NotFound)
            // A proxy tells its version itself where no server does.
            || self.operation.name == "proxy: version"
    }

    /// Whether what is read afterwards, when all servers are honest, is what was told.
    fn is_as_told(&mut self, asked: &mut Asked, case: &Case, said: &Said) -> std::result::Result<(), Fault> {
        let found = wait::within(wait::PATIENCE, || {
            let found = self.fetch(asked, &said.key);
            (found.what != What::Failed).then_some(found)
        });
        let Some(found) = found else {
            return Err(Fault::Wrong(format!("{said:?}, and afterwards no answer for {:?}", wait::PATIENCE)));
        };
        let found_value = match found.what {
            What::Hit => Some(found.value.clone()),
            What::Miss => None,
            _ => return Err(Fault::Wrong(format!("{said:?}, and afterwards {found:?}"))),
        };
        let before = self.before(&said.key);
        let after = self.operation.effect.on(before.as_deref(), &case.value);
        let done = said.what == self.operation.says;
        let is_read = self.operation.effect == Effect::None;
        let right = if done || is_read {
            // Without backups it went with its server, or with the stand-in's turn.
            found_value == after || (found_value.is_none() && !self.role.has_backups())
        } else {
            found_value.is_none() || found_value == before || found_value == after
        };
        let flushed = self.operation.span == Span::Everything;
        if right || flushed {
            return Ok(());
        }
        Err(Fault::Wrong(format!("{said:?}, and afterwards {found:?}")))
    }
}

/// `text` again and again, up to that length.
fn filled(text: &str, length: usize) -> Vec<u8> {
    text.bytes().cycle().take(length).collect()
}

/// The most memory that a process ever had.
fn peak_of(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<usize>().ok()).unwrap_or(0) << 10
}
