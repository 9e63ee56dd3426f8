//! The service around the loops: threads, signals, what the loops share, and what is told to whom.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;

use super::call::Call;
use super::counters::Counters;
use super::hall::{Dealt, Hall};
use super::request::Limits;
use super::{listen, report};
use crate::client::TableAt;
use crate::client::crowd::{Crowd, Traffic};
use crate::config::{PoolFile, Proxy};
use crate::rules::address::Address;
use crate::rules::pool::Pool;
use crate::rules::time::Instant;
use crate::rules::view::State;
use crate::table::Trust;

/// How long clients have, when the proxy is to end, to take what they are owed.
const GRACE: Duration = Duration::from_secs(5);
/// So many may ask for figures at the same time: they come in beside the clients, and must leave these their descriptors.
const SCRAPES: usize = 16;
/// How often a loop tells how its servers stand.
const TELL: u64 = 100_000;

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It was asked to.
    Asked,
    /// It could not have of the system what it needs.
    System,
    /// The pool file cannot be used.
    PoolFile,
}

/// A server as a loop sees it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) state: State,
    pub(super) unreachable: bool,
    pub(super) traffic: Traffic,
}

/// A loop as others see it.
pub(super) struct Loop {
    /// It is woken by it.
    pub(super) wake: OwnedFd,
    pub(super) counters: Arc<Counters>,
    /// Clients that are dealt to it.
    pub(super) dealt: Dealt,
    servers: Mutex<Vec<Told>>,
    attendance: Mutex<String>,
    told: AtomicU64,
}

impl Loop {
    fn new() -> Result<Loop, String> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        Ok(Loop {
            wake: wake.map_err(|error| format!("eventfd: {error}"))?,
            counters: Arc::default(),
            dealt: Dealt::new(Some(Vec::new())),
            servers: Mutex::default(),
            attendance: Mutex::default(),
            told: AtomicU64::new(0),
        })
    }

    /// Hands a client to it. One that has left already gives it back.
    pub(super) fn deal(&self, client: OwnedFd) -> Option<OwnedFd> {
        match self.dealt.lock().as_deref_mut() {
            Ok(Some(dealt)) => dealt.push(client),
            _ => return Some(client),
        }
        self.wake();
        None
    }

    pub(super) fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Tells how the servers stand, now and then.
    pub(super) fn tell(&self, crowd: &Crowd<Call>) {
        let now = crowd.now().0;
        if now.saturating_sub(self.told.load(Ordering::Relaxed)) >= TELL {
            self.tell_now(crowd);
        }
    }

    fn tell_now(&self, crowd: &Crowd<Call>) {
        self.told.store(crowd.now().0, Ordering::Relaxed);
        let view = crowd.view();
        let servers = crowd.pool().ids().zip(crowd.pool().servers()).zip(crowd.traffic());
        let told = servers.map(|((id, server), traffic)| Told {
            name: server.name.clone(),
            state: view.state(id),
            unreachable: view.unreachable(id),
            traffic: *traffic,
        });
        if let Ok(mut servers) = self.servers.lock() {
            *servers = told.collect();
        }
        if let Ok(mut attendance) = self.attendance.lock() {
            *attendance =
                crowd.attendance().map_or_else(|| "none".to_owned(), |attendance| attendance.to_string());
        }
    }
}

/// What clients are allowed, as the pool file says it by now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Allowed {
    pub(super) limits: Limits,
    /// The most clients at a time.
    pub(super) clients: usize,
    /// The most bytes that one may have under way.
    pub(super) buffer: usize,
    /// What all clients of one loop may have under way.
    pub(super) memory: usize,
}

impl Allowed {
    fn new(proxy: &Proxy, loops: usize) -> Allowed {
        Allowed {
            limits: Limits { key: proxy.key, value: proxy.value, line: proxy.line },
            clients: proxy.connections as usize,
            buffer: proxy.buffer,
            memory: (proxy.memory / loops).max(1),
        }
    }
}

/// What the loops share.
pub(super) struct Shared {
    pub(super) pool: Arc<Pool>,
    /// The pool as its file names it by now.
    pub(super) reread: Mutex<Option<Arc<Pool>>>,
    pub(super) table: Option<TableAt>,
    allowed: Mutex<Allowed>,
    /// The doors go with this process. Those of systemd stay, and who stands there is the next one's.
    pub(super) owns_doors: bool,
    pub(super) loops: Vec<Loop>,
    pub(super) leaving: AtomicBool,
    /// When the last clients are left, in microseconds of the loops' clock.
    until: AtomicU64,
    began: Instant,
}

impl Shared {
    pub(super) fn allowed(&self) -> Allowed {
        *self.allowed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many clients there are.
    pub(super) fn clients(&self) -> u64 {
        self.loops.iter().map(|one| one.counters.clients.get()).sum()
    }

    /// Numbers over all loops.
    pub(super) fn totals(&self) -> Vec<(&'static str, u64)> {
        let total = |of: &dyn Fn(&Counters) -> u64| self.loops.iter().map(|one| of(&one.counters)).sum();
        let uptime = crate::client::now().0.saturating_sub(self.began.0) / 1_000_000;
        vec![
            ("uptime", uptime),
            ("curr_clients", self.clients()),
            ("curr_requests", total(&|counters| counters.in_flight.get())),
            ("clients", total(&|counters| counters.accepted.get())),
            ("clients_turned_away", total(&|counters| counters.turned_away.get())),
            ("clients_binary", total(&|counters| counters.binary.get())),
            ("requests_refused", total(&|counters| counters.refused.get())),
            ("requests_late", total(&|counters| counters.late.get())),
            ("rounds", total(&|counters| counters.rounds.get())),
            ("bytes_read", total(&|counters| counters.bytes_in.get())),
            ("bytes_written", total(&|counters| counters.bytes_out.get())),
        ]
    }

    /// The servers, with the traffic of all loops.
    pub(super) fn servers(&self) -> Vec<Told> {
        let mut all: Vec<Told> = Vec::new();
        for one in &self.loops {
            let Ok(servers) = one.servers.lock() else { continue };
            for told in servers.iter() {
                match all.iter_mut().find(|other| other.name == told.name) {
                    Some(other) => other.traffic.add(&told.traffic),
                    None => all.push(told.clone()),
                }
            }
        }
        all
    }

    /// Whether the table is attended.
    pub(super) fn attendance(&self) -> String {
        let first = self.loops.first().and_then(|one| one.attendance.lock().ok().map(|text| text.clone()));
        first.unwrap_or_default()
    }

    /// `stats proxy`, asked of a loop.
    pub(super) fn report(&self, index: usize, crowd: &Crowd<Call>) -> Vec<u8> {
        self.loops[index].tell_now(crowd);
        report::lines(self)
    }

    /// Whether clients had all the time to leave that they get.
    pub(super) fn overdue(&self) -> bool {
        crate::client::now().0 >= self.until.load(Ordering::Relaxed)
    }

    fn leave(&self) {
        let until = crate::client::now() + GRACE + self.pool.options.timeout;
        self.until.store(until.0, Ordering::Relaxed);
        self.leaving.store(true, Ordering::Release);
        self.loops.iter().for_each(Loop::wake);
    }
}

/// Runs the proxy of the pool file at `path` until it is asked to end.
pub fn run(path: PathBuf, threads: usize) -> End {
    let file = match crate::config::read(&path) {
        Ok(file) => file,
        Err(error) => {
            error.to_string().lines().for_each(|line| log::error!("{line}"));
            return End::PoolFile;
        }
    };
    serve(&path, file, threads).unwrap_or_else(|why| {
        log::error!("{why}");
        End::System
    })
}

/// Where clients come in, and whether these doors go with this process.
fn doors(path: &Path, file: &PoolFile) -> Result<(Vec<OwnedFd>, bool), String> {
    let handed_over = listen::handed_over()?;
    if !handed_over.is_empty() {
        log::info!("listening on {} sockets of systemd", handed_over.len());
        return Ok((handed_over, false));
    }
    if file.proxy.listen.is_empty() {
        return Err(format!(
            "{}: it names nowhere to listen; add a section [proxy] with a line such as \
             listen = [\"127.0.0.1:11311\"]",
            path.display()
        ));
    }
    let door = |address: &Address| {
        let door = listen::open(address, file.proxy.mode)?;
        log::info!("listening on {address}");
        if !listen::is_of_this_machine(&door) {
            log::warn!(
                "{address}: whoever reaches it from elsewhere may read and change every value: nobody is asked who he is"
            );
        }
        Ok(door)
    };
    Ok((file.proxy.listen.iter().map(door).collect::<Result<_, String>>()?, true))
}

fn serve(path: &Path, file: PoolFile, threads: usize) -> Result<End, String> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot begin: {error}"))?;
    // Before anybody is let in: who is answered once is not left over a signal that was not taken yet.
    let ears = runtime.block_on(async { Ears::open(&file) })?;
    let (doors, owns_doors) = doors(path, &file)?;
    let loops = (0..threads).map(|_| Loop::new()).collect::<Result<Vec<_>, _>>()?;
    let trust = file.owner.map_or_else(Trust::default, |owner| Trust::default().also(owner));
    let shared = Arc::new(Shared {
        table: file.table.clone().map(|path| TableAt { path, trust }),
        allowed: Mutex::new(Allowed::new(&file.proxy, threads)),
        owns_doors,
        loops,
        leaving: AtomicBool::new(false),
        until: AtomicU64::new(u64::MAX),
        began: crate::client::now(),
        pool: Arc::new(file.pool.clone()),
        reread: Mutex::default(),
    });
    let mut halls = Vec::new();
    let mut doors = Some(doors);
    for index in 0..threads {
        let hall = Hall::new(index, Arc::clone(&shared), doors.take().unwrap_or_default())?;
        let name = format!("loop-{index}");
        let thread = std::thread::Builder::new().name(name).spawn(move || hall.run());
        halls.push(thread.map_err(|error| format!("cannot begin a thread: {error}"))?);
    }
    let end = runtime.block_on(attend(ears, path, &file, &shared));
    // With it goes the door of those who ask for figures: the next one's may be at the same address.
    drop(runtime);
    // While its doors are open nobody else can be at their addresses: later a socket that is there is the next one's. One of
    // systemd's is not ours to remove.
    for address in &file.proxy.listen {
        if let Address::Unix(path) = address
            && owns_doors
        {
            let _ = std::fs::remove_file(path.as_str());
        }
    }
    shared.leave();
    for hall in halls {
        if hall.join().is_err() {
            log::error!("a loop ended before its time");
        }
    }
    end
}

/// What the service listens to beside its clients.
struct Ears {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    http: Option<TcpListener>,
}

impl Ears {
    fn open(file: &PoolFile) -> Result<Ears, String> {
        let take = |kind| signal(kind).map_err(|error| format!("cannot take signals: {error}"));
        let http = file.proxy.http.as_ref().map(|address| {
            let listener = std::net::TcpListener::bind(address.to_string()).and_then(|listener| {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            });
            listener.map_err(|error| format!("{address}: cannot listen: {error}"))
        });
        Ok(Ears {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hangup: take(SignalKind::hangup())?,
            http: http.transpose()?,
        })
    }
}

/// Waits until it is asked to end; answers HTTP meanwhile.
async fn attend(mut ears: Ears, path: &Path, file: &PoolFile, shared: &Arc<Shared>) -> Result<End, String> {
    if let (Some(listener), Some(address)) = (ears.http.take(), &file.proxy.http) {
        log::info!("telling Prometheus on http://{address}/metrics");
        tokio::spawn(tell_prometheus(listener, Arc::clone(shared)));
    }
    if let Err(error) = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]) {
        log::debug!("systemd was not told: {error}");
    }
    log::info!("serving the pool {} with {} threads", shared.pool.name, shared.loops.len());
    loop {
        tokio::select! {
            _ = ears.terminate.recv() => break,
            _ = ears.interrupt.recv() => break,
            _ = ears.hangup.recv() => reload(path, file, shared),
        }
    }
    log::info!("ending: no clients are taken in any more, and those that are here get what they are owed");
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    Ok(End::Asked)
}

/// What is another in the file that was read again, and cannot be changed under way.
fn needs_restart(before: &PoolFile, now: &PoolFile) -> Vec<&'static str> {
    let (old, new) = (&before.proxy, &now.proxy);
    [
        ("listen", old.listen != new.listen),
        ("mode", old.mode != new.mode),
        ("http", old.http != new.http),
        ("table", before.table != now.table),
        ("the pool's name", before.pool.name != now.pool.name),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

/// Where there is a table, the list of servers comes with that.
fn reload(path: &Path, before: &PoolFile, shared: &Shared) {
    let file = match crate::config::read(path) {
        Ok(file) => file,
        Err(error) => return error.to_string().lines().for_each(|line| log::error!("{line}")),
    };
    let waits = needs_restart(before, &file);
    if !waits.is_empty() {
        log::warn!(
            "{}: changed, and takes a restart: {}; until then it is as it was",
            path.display(),
            waits.join(", ")
        );
    }
    let allowed = Allowed::new(&file.proxy, shared.loops.len());
    if let Ok(mut now) = shared.allowed.lock()
        && *now != allowed
    {
        *now = allowed;
        log::info!("{}: the limits of clients changed; they hold from now on", path.display());
    }
    log::info!(
        "{}: read; where there is a table, the list of servers is the one that it names",
        path.display()
    );
    if let Ok(mut reread) = shared.reread.lock() {
        *reread = Some(Arc::new(file.pool));
    }
    shared.loops.iter().for_each(Loop::wake);
}

async fn tell_prometheus(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(SCRAPES));
    loop {
        // Each gives his back within five seconds, whatever he does.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((mut client, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let answered = tokio::time::timeout(Duration::from_secs(5), async {
                let mut request = Vec::new();
                while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 8192 {
                    let mut some = [0; 1024];
                    match client.read(&mut some).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => request.extend_from_slice(&some[..count]),
                    }
                }
                let (status, body) = match request.split(|byte| *byte == b' ').nth(1) {
                    Some(b"/metrics" | b"/") if request.starts_with(b"GET ") => {
                        ("200 OK", report::prometheus(&shared))
                    }
                    _ => ("404 Not Found", "see /metrics\n".to_owned()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = client.write_all(head.as_bytes()).await;
                let _ = client.write_all(body.as_bytes()).await;
                let _ = client.shutdown().await;
            });
            let _ = answered.await;
            drop(place);
        });
    }
}
