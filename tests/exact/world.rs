//! Servers, the daemon, the pool file, the crowd at work, and what befell them so far.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memcache::rules::view::State;
use memcache::table::identity::boot_millis;
use memcache::table::{Reader, Snapshot, Trust};

use crate::checker::{self, Kind, Report};
use crate::crowd::{self, Crowd, Shape};
use crate::history::{self, Fault, History};
use crate::link::Door;
use crate::proxies::Proxy;
use crate::rounds;
use crate::samples::Sampler;
use crate::standing::Standing;
use crate::support::crowd::now_ns;
use crate::support::relay::Relay;
use crate::support::scratch::Scratch;
use crate::support::server::{Memcached, free_port};
use crate::support::wait;
use crate::support::watchd::Watchd;

/// The time that a call may take: long, because a machine that is busy with tests stops a healthy server for longer than a
/// pool's defaults allow, and then two servers are gone at once.
pub const TIMEOUT: Duration = Duration::from_secs(4);

const OPTIONS: &str = "connect_timeout = \"1s\"\ntimeout = \"4s\"\n";

/// What happened is known after so long at the latest, however busy the machine is. A call that connects and waits in vain takes
/// five seconds, so everybody has had many tries then. Without an end to it, every call that fails meanwhile would be excused.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);

/// A soak of that length is long enough to see whether something grows. In a shorter one that is a matter of luck.
const LONG: Duration = Duration::from_secs(5 * 60);

/// What is ours, as the system calls it: the processes that use the library, the proxies, the daemon.
const OURS: [&str; 3] = ["exact-caller", "memcache-proxy", "memcache-watchd"];

/// How long a server may take until it is in use again, and steady.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two worlds at once are too much for a machine, and each would be the other's fault.
static ALONE: Mutex<()> = Mutex::new(());

/// How the servers are reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// At once.
    Plain,
    /// Each through a relay, which can be cut.
    Relays,
    /// The same; and the first server does not know the meta commands.
    FirstIsOld,
}

/// All of it.
pub struct World {
    pub servers: Vec<Memcached>,
    pub relays: Vec<Relay>,
    pub watchd: Watchd,
    pub proxies: Vec<Proxy>,
    pub crowd: Option<Crowd>,
    pub pool_file: PathBuf,
    /// What befell the servers since the crowd began.
    pub faults: Vec<Fault>,
    /// The seed of everything that is left to chance.
    pub seed: u64,
    client: PathBuf,
    table: PathBuf,
    rounds: u64,
    /// The epochs of the servers as they should be: what changes them beside our faults is another failure.
    epochs: Vec<u64>,
    /// Failures that nobody planned, since the crowd began.
    uninvited: Vec<String>,
    /// Calls that fail without a reason are none of the promises.
    pub lenient: bool,
    /// In a soak: what the processes have of the machine.
    sampler: Option<Sampler>,
    /// In a soak, once a round was played: those that live as long as it.
    standing: Option<Standing>,
    began: Instant,
    /// The last to go: everything above lies in it.
    _scratch: Scratch,
    _alone: MutexGuard<'static, ()>,
}

impl World {
    /// So many servers, in pairs, with the daemon.
    pub fn new(servers: usize, reach: Reach) -> World {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = Scratch::new();
        let servers: Vec<_> = (0..servers).map(|_| Memcached::start()).collect();
        let relay = |(number, server): (usize, &Memcached)| match reach {
            Reach::FirstIsOld if number == 0 => Relay::without_meta(server.port()),
            _ => Relay::start(server.port()),
        };
        let relays: Vec<_> = match reach {
            Reach::Plain => Vec::new(),
            _ => servers.iter().enumerate().map(relay).collect(),
        };
        let addresses: Vec<String> = match reach {
            Reach::Plain => servers.iter().map(Memcached::address).collect(),
            _ => relays.iter().map(Relay::address).collect(),
        };
        let table = scratch.path().join("exact.table");
        let pool_file = scratch.write("pool.toml", &pool_text(&table, &addresses));
        let watchd = Watchd::start(program("memcache-watchd"), &pool_file, &table);
        let mut world = World {
            client: crowd::program(&scratch),
            servers,
            relays,
            watchd,
            proxies: Vec::new(),
            crowd: None,
            pool_file,
            faults: Vec::new(),
            seed: seed(),
            table,
            rounds: 0,
            epochs: Vec::new(),
            uninvited: Vec::new(),
            sampler: soak().map(|_| Sampler::every(Duration::from_secs(1))),
            standing: None,
            began: Instant::now(),
            lenient: false,
            _scratch: scratch,
            _alone: alone,
        };
        world.settle(None);
        world
    }

    /// The same, and two proxies of the pool: one at a port, one at a unix socket.
    pub fn with_proxies(servers: usize, reach: Reach) -> World {
        let mut world = World::new(servers, reach);
        let directory = world._scratch.path();
        let pool = std::fs::read_to_string(&world.pool_file).expect("the pool file");
        let doors = [Door::Port(free_port()), Door::Path(directory.join("proxy.sock"))];
        let proxies = doors.into_iter().enumerate();
        world.proxies = proxies.map(|(number, door)| Proxy::start(directory, number, door, &pool)).collect();
        world
    }

    /// Sends a crowd to work, on keys of its own.
    fn begin(&mut self, shape: Shape) {
        self.settle(None);
        self.rounds += 1;
        self.faults.clear();
        self.uninvited.clear();
        let seed = self.seed.wrapping_add(self.rounds);
        println!("round {}, seed {}: {shape:?}", self.rounds, self.seed);
        if soak().is_some() && self.standing.is_none() {
            self.standing = Some(Standing::start(&self.client, &self.pool_file, self.seed));
        }
        let doors: Vec<Door> = self.proxies.iter().map(|proxy| proxy.door.clone()).collect();
        self.crowd = Some(Crowd::start(&self.client, &self.pool_file, &doors, shape, seed, self.rounds));
    }

    /// The crowd that is at work.
    pub fn crowd(&mut self) -> &mut Crowd {
        self.crowd.as_mut().expect("a crowd is at work")
    }

    /// Lets each process make so many more steps.
    pub fn works(&mut self, steps: u64) {
        self.crowd().works(steps);
    }

    /// What the table says; `None` while nobody attends it.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let mut reader = Reader::open(&self.table, Trust::default()).ok()?;
        let mut snapshot = Snapshot::default();
        reader.snapshot(&mut snapshot).ok()?;
        reader.attended(boot_millis()).then_some(snapshot)
    }

    /// Waits until that is so.
    pub fn wait(&mut self, what: &str, mut is_so: impl FnMut(&mut World) -> bool) {
        let done = wait::within(PATIENCE, || is_so(self).then_some(()));
        let said: String = self.proxies.iter().map(Proxy::said).collect();
        assert!(done.is_some(), "waited in vain until {what}\n{}{said}", self.watchd.said());
    }

    /// Waits until the table says so of itself.
    pub fn table(&self, what: &str, is_so: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let check = || self.snapshot().filter(&is_so);
        wait::within(PATIENCE, check).unwrap_or_else(|| {
            let servers = self.snapshot().map(|snapshot| snapshot.current.servers);
            panic!("waited in vain until {what}: {servers:#?}\n{}", self.watchd.said())
        })
    }

    /// Whether every process and every proxy takes a server for down, or none does.
    pub fn all_see(&mut self, server: usize, down: bool) -> bool {
        let processes = self.crowd().processes();
        let proxies = self.proxies.iter().map(|proxy| proxy.sees_down(server));
        processes
            .iter()
            .map(|process| process.sees_down(server))
            .chain(proxies)
            .flatten()
            .all(|seen| seen == down)
    }

    /// Whether somebody sweeps, so that what returned gets steady.
    pub fn is_swept(&self) -> bool {
        self.snapshot().is_some_and(|snapshot| snapshot.swept)
    }

    /// Waits until every server is steady; while nobody sweeps, until each is in use. Since when it is so; never, when
    /// nobody sweeps. Whoever failed meanwhile although nothing befell him is counted: `victim` is whom something befell.
    pub fn settle(&mut self, victim: Option<usize>) -> u64 {
        let steady = |snapshot: &Snapshot| {
            snapshot.previous.is_none()
                && snapshot.current.servers.iter().all(|server| match server.state {
                    State::Steady => true,
                    State::Returned => !snapshot.swept,
                    _ => false,
                })
        };
        let snapshot = self.table("every server is steady", steady);
        self.count_uninvited(victim);
        let servers = &snapshot.current.servers;
        self.epochs = servers.iter().map(|server| server.epoch).collect();
        if servers.iter().all(|server| server.state == State::Steady) { now_ns() } else { u64::MAX }
    }

    /// Counts servers other than `victim` that failed although nothing befell them.
    pub fn count_uninvited(&mut self, victim: Option<usize>) {
        let Some(snapshot) = self.snapshot() else { return };
        for (number, server) in snapshot.current.servers.iter().enumerate() {
            let expected = self.epochs.get(number).is_none_or(|epoch| *epoch == server.epoch);
            if !expected && victim != Some(number) {
                let failed =
                    format!("server {number} failed on its own: {:?} {}", server.state, server.reason);
                println!("{failed}");
                self.uninvited.push(failed);
            }
        }
    }

    /// A server's epoch when all was well.
    pub fn epoch(&self, server: usize) -> u64 {
        self.epochs[server]
    }

    /// Sends the crowd home and checks what it recorded.
    fn end(&mut self) -> Report {
        let calls = self.crowd.take().expect("a crowd is at work").stop();
        self.count_uninvited(None);
        let began = calls.iter().map(|call| call.start).min().unwrap_or(0);
        for fault in &self.faults {
            let ms = |ns: u64, since: u64| match ns {
                u64::MAX => "never".to_owned(),
                _ => format!("after {:.1} ms", ns.saturating_sub(since) as f64 / 1e6),
            };
            let [at, known, over] =
                [ms(fault.struck, began), ms(fault.known, fault.struck), ms(fault.over, fault.struck)];
            println!("{at} {}: known {known}, over {over}", fault.what);
        }
        let hidden = history::hidden(&self.faults, KNOWN_WITHIN);
        assert!(hidden.is_none(), "seed {}: nobody knew of it for too long: {hidden:?}", self.seed);
        let timeout = u64::try_from(TIMEOUT.as_nanos()).expect("a short time");
        let checking = Instant::now();
        let report = checker::check(&History { calls, faults: self.faults.clone(), timeout });
        println!("{report}checked in {:.0?}", checking.elapsed());
        report
    }

    /// Demands that nothing was wrong and nothing failed that knew better. False: it does not count, because the machine
    /// was too busy: it made a healthy server fail, and where failures overlap values are lost; still none is old. Or so many
    /// calls of a key were under way at once that some of it could not be decided; still nothing else was wrong.
    fn is_right(&mut self, report: &Report) -> bool {
        let old = [Kind::Stale, Kind::Revived, Kind::Foreign].map(|kind| report.count(kind));
        assert_eq!(old, [0; 3], "seed {}: {report}", self.seed);
        if !self.uninvited.is_empty() {
            let (wrong, why) = (report.wrong(), self.uninvited.join("; "));
            rounds::spoilt(format!("seed {}: {why}; {wrong} wrong answers", self.seed));
            return false;
        }
        assert_eq!(report.wrong(), 0, "seed {}: {report}", self.seed);
        if report.undecided > 0 {
            // Too many calls of one key were under way for too long.
            rounds::spoilt(format!("seed {}: {} undecided", self.seed, report.undecided));
            return false;
        }
        assert!(self.lenient || report.count(Kind::Failed) == 0, "seed {}: {report}", self.seed);
        // A call ends within its time. A busy machine gets as much again before it is a fault of ours; a soak does not.
        let limit = u64::try_from(TIMEOUT.as_nanos()).expect("a short time");
        let limit = if soak().is_some() { limit + checker::SLACK } else { 2 * limit };
        assert!(report.longest < limit, "a call took {} ns: {report}", report.longest);
        rounds::good();
        true
    }

    /// Plays it with a crowd, and once more while what came of it does not count. How it was.
    pub fn plays(&mut self, shape: Shape, mut play: impl FnMut(&mut World)) -> Report {
        loop {
            self.begin(shape);
            play(self);
            let report = self.end();
            if let Some(standing) = &mut self.standing {
                standing.go_on();
            }
            if let Some(sampler) = &self.sampler {
                let drawing =
                    format!("soak-{}.svg", std::thread::current().name().unwrap_or("all").replace("::", "-"));
                sampler.check(&Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(drawing));
            }
            if self.is_right(&report) {
                return report;
            }
        }
    }
}

impl World {
    /// Whether another round is to be played: in a soak, until its time is over. Then there must have been something to judge.
    ///
    /// # Panics
    /// When a soak was long enough, and nothing was said of some program of ours.
    pub fn goes_on(&self) -> bool {
        let Some(length) = soak() else { return false };
        if self.began.elapsed() < length {
            return true;
        }
        println!("{}", rounds::so_far());
        if let Some(sampler) = self.sampler.as_ref().filter(|_| length >= LONG) {
            sampler.judged_all(&OURS);
        }
        false
    }

    /// Whether the daemon is left in peace: in the second half of a soak, so that one lives for that long.
    pub fn spares_daemon(&self) -> bool {
        soak().is_some_and(|length| self.began.elapsed() >= length / 2)
    }
}

/// How long to go on: `make soak` says it, else one round will do.
pub fn soak() -> Option<Duration> {
    let minutes: f64 = std::env::var("SOAK_MINUTES").ok()?.parse().expect("SOAK_MINUTES is a number");
    Some(Duration::from_secs_f64(minutes * 60.0))
}

/// The one that is asked for; else always the same, but for a soak another one each time.
fn seed() -> u64 {
    let asked = std::env::var("EXACT_SEED").ok().map(|text| text.parse().expect("EXACT_SEED is a number"));
    asked.unwrap_or_else(|| if soak().is_some() { now_ns() % 1_000_000 } else { 1 })
}

/// A fault begins now; its end is still to come.
pub fn strike(what: String) -> Fault {
    Fault { what, proxy: None, struck: now_ns(), known: u64::MAX, over: u64::MAX }
}

/// A program as cargo built it for this test.
pub fn program(name: &str) -> &'static Path {
    Path::new(match name {
        "memcachectl" => env!("CARGO_BIN_EXE_memcachectl"),
        _ => env!("CARGO_BIN_EXE_memcache-watchd"),
    })
}

fn pool_text(table: &Path, addresses: &[String]) -> String {
    let table = table.display();
    let mut text = format!("[pool]\nname = \"exact\"\nbackup = \"pairs\"\ntable = \"{table}\"\n{OPTIONS}");
    let rejoin = std::env::var("EXACT_REJOIN").unwrap_or_else(|_| "flush".to_owned());
    let _ = write!(text, "\n[watch]\ninterval = \"100ms\"\nrejoin = \"{rejoin}\"\n");
    for address in addresses {
        let _ = write!(text, "\n[[server]]\naddress = \"{address}\"\n");
    }
    text
}
