//! A server that is honest until it is told otherwise: a relay before a real memcached, which then does to the
//! answers whatever a [`Behaviour`] says. So every lie is told of a true answer, whatever was asked.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::outcomes::What;

/// One thing that a hostile server does.
#[derive(Clone, Debug)]
pub enum Act {
    Say(Vec<u8>),
    /// Byte by byte, with a pause before each.
    Slowly(Vec<u8>, Duration),
    Pause(Duration),
    /// The same bytes again and again, up to so many.
    Flood(Vec<u8>, usize),
    /// Says no more, and reads on.
    HangUp,
    Close,
    Reset,
    /// Says nothing more, and keeps the connection.
    Hang,
}

/// When it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// When a connection is made.
    Accept,
    /// In place of the answers to the greeting.
    Greeting,
    /// In place of an answer, and of each one after it. The server has done what it was asked.
    Answer,
    /// The same, and the server was never asked.
    Request,
    /// At once, on a connection that nobody asked anything.
    Unasked,
}

/// How much of what a server says without end may be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flood {
    /// It is no flood, or one of values, which are as long as they say.
    Value,
    /// 2,048 bytes.
    Line,
    /// 1 MiB.
    Statistics,
}

pub type Acts = Box<dyn Fn(&[u8]) -> Vec<Act> + Send + Sync>;

/// What a hostile server does.
pub struct Behaviour {
    pub name: String,
    pub stage: Stage,
    /// What is done, by the true answer.
    pub acts: Acts,
    /// It says the true answer and nothing else, in time: nothing is excused.
    pub honest: bool,
    /// What it says without end, where a client must not take all of it.
    pub flood: Flood,
    /// The true answer is among what it says.
    pub truthful: bool,
    /// It says a part of the true answer.
    pub cuts: bool,
    /// What else it can be understood to say.
    pub means: &'static [What],
}

/// One connection, as others see it.
struct Link {
    client: Weak<TcpStream>,
    /// Something was done to it.
    touched: Arc<AtomicBool>,
}

#[derive(Default)]
struct Shared {
    behaviour: Option<Arc<Behaviour>>,
    links: Vec<Link>,
    over: bool,
}

/// The server.
pub struct Front {
    pub port: u16,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Front {
    /// An honest one, before the memcached on that port.
    pub fn start(backend: u16) -> Front {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let seen = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut threads: Vec<JoinHandle<()>> = Vec::new();
            for client in listener.incoming() {
                let client = Arc::new(client.expect("a connection"));
                let touched = Arc::new(AtomicBool::new(false));
                let mut all = locked(&seen);
                if all.over {
                    break;
                }
                all.links.retain(|link| link.client.strong_count() > 0);
                all.links.push(Link { client: Arc::downgrade(&client), touched: Arc::clone(&touched) });
                drop(all);
                let shared = Arc::clone(&seen);
                threads.retain(|thread| !thread.is_finished());
                threads.push(std::thread::spawn(move || {
                    // An error is the end of a connection, and no more than that.
                    let _ = Connection { client, touched, shared }.serve(backend);
                }));
            }
            drop(listener);
            threads.into_iter().for_each(|thread| thread.join().expect("no connection panics"));
        });
        Front { port, shared, thread: Some(thread) }
    }

    /// From now on it behaves so.
    pub fn turn_hostile(&self, behaviour: &Arc<Behaviour>) {
        let mut shared = locked(&self.shared);
        if behaviour.stage == Stage::Unasked {
            for link in &shared.links {
                link.touched.store(true, Ordering::SeqCst);
                let ended = |client: &TcpStream| perform(client, &(behaviour.acts)(b"")).is_err();
                if let Some(client) = link.client.upgrade().filter(|client| ended(client)) {
                    let _ = client.shutdown(Shutdown::Both);
                }
            }
        }
        shared.behaviour = Some(Arc::clone(behaviour));
    }

    /// An honest server takes its place: what was done to connections ends with them.
    pub fn heal(&self) {
        let mut shared = locked(&self.shared);
        shared.behaviour = None;
        close(&shared.links, |link| link.touched.load(Ordering::SeqCst));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let mut shared = locked(&self.shared);
        shared.over = true;
        close(&shared.links, |_| true);
        drop(shared);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let ended = self.thread.take().expect("it was started").join();
        assert!(ended.is_ok() || std::thread::panicking(), "a hostile server failed");
    }
}

fn close(links: &[Link], which: impl Fn(&Link) -> bool) {
    for client in links.iter().filter(|link| which(link)).filter_map(|link| link.client.upgrade()) {
        let _ = client.shutdown(Shutdown::Both);
    }
}

struct Connection {
    client: Arc<TcpStream>,
    touched: Arc<AtomicBool>,
    shared: Arc<Mutex<Shared>>,
}

/// The connection is over.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Over {
        Over
    }
}

impl Connection {
    /// How it behaves at this stage, if it does; from then on it is no honest connection.
    fn hostile(&self, stage: Stage) -> Option<Arc<Behaviour>> {
        let shared = locked(&self.shared);
        let behaviour = shared.behaviour.clone().filter(|behaviour| behaviour.stage == stage);
        if behaviour.is_some() {
            // Under the lock: whoever heals it closes this connection.
            self.touched.store(true, Ordering::SeqCst);
        }
        behaviour
    }

    fn serve(&self, backend: u16) -> Result<(), Over> {
        if let Some(behaviour) = self.hostile(Stage::Accept) {
            perform(&self.client, &(behaviour.acts)(b""))?;
        }
        let mut server = TcpStream::connect(("127.0.0.1", backend))?;
        server.set_nodelay(true)?;
        self.client.set_nodelay(true)?;
        let mut room = vec![0; 256 << 10];
        let mut greeted = false;
        loop {
            let [from_client, from_server] = {
                let client = &*self.client;
                let mut both = [PollFd::new(client, PollFlags::IN), PollFd::new(&server, PollFlags::IN)];
                poll(&mut both, None).map_err(|_| Over)?;
                both.map(|one| !one.revents().is_empty())
            };
            if from_server {
                let count = some(server.read(&mut room)?)?;
                let stage = if greeted { Stage::Answer } else { Stage::Greeting };
                match self.hostile(stage) {
                    Some(behaviour) => perform(&self.client, &(behaviour.acts)(&room[..count]))?,
                    None => (&*self.client).write_all(&room[..count])?,
                }
                greeted |= room[..count].ends_with(b"MN\r\n");
            }
            if from_client {
                let count = some((&*self.client).read(&mut room)?)?;
                match self.hostile(Stage::Request).filter(|_| greeted) {
                    Some(behaviour) => perform(&self.client, &(behaviour.acts)(&room[..count]))?,
                    None => server.write_all(&room[..count])?,
                }
            }
        }
    }
}

fn some(count: usize) -> Result<usize, Over> {
    if count == 0 { Err(Over) } else { Ok(count) }
}

fn perform(mut client: &TcpStream, acts: &[Act]) -> Result<(), Over> {
    for act in acts {
        match act {
            Act::Say(bytes) => client.write_all(bytes)?,
            Act::Slowly(bytes, pause) => {
                for byte in bytes {
                    std::thread::sleep(*pause);
                    client.write_all(&[*byte])?;
                }
            }
            Act::Pause(pause) => std::thread::sleep(*pause),
            Act::Flood(bytes, most) => {
                for _ in 0..most / bytes.len() {
                    client.write_all(bytes)?;
                }
            }
            Act::HangUp => client.shutdown(Shutdown::Write)?,
            Act::Close => return Err(Over),
            Act::Reset => {
                rustix::net::sockopt::set_socket_linger(client, Some(Duration::ZERO)).map_err(|_| Over)?;
                return Err(Over);
            }
            Act::Hang => while client.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {},
        }
    }
    Ok(())
}
