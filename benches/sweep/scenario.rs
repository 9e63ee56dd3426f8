//! Two servers in a pair, their daemon, and what is measured of them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memcache::rules::view::State;
use memcache::table::{Reader, Snapshot, Trust};

use crate::plain::Plain;
use crate::support::scratch::Scratch;
use crate::support::server::Memcached;
use crate::support::wait;
use crate::support::watchd::Watchd;

/// Connections that keep a server busy.
const CONNECTIONS: u32 = 4;
/// On a machine that is busy with other things a healthy server must not count as failed.
const UNHURRIED: &str = "connect_timeout = \"2s\"\ntimeout = \"8s\"\n";
/// A sweep of millions of keys takes its time.
const PATIENCE: Duration = Duration::from_secs(300);

/// So many keys in so many seconds.
pub struct Speed {
    pub per_second: f64,
    pub seconds: f64,
}

impl Speed {
    fn of(keys: u32, begin: Instant) -> Speed {
        let seconds = begin.elapsed().as_secs_f64();
        Speed { per_second: f64::from(keys) / seconds, seconds }
    }
}

/// Calls in a second, and the longest of all.
pub struct Load {
    pub per_second: f64,
    pub longest_ms: f64,
}

/// See the module.
pub struct World {
    servers: [Memcached; 2],
    watchd: Watchd,
    scratch: Scratch,
    keys: u32,
    bytes: usize,
    begun: Instant,
}

impl World {
    /// With this line of `[watch]`. Both servers hold every key.
    pub fn new(watchd: &Path, watch: &str, keys: u32, bytes: usize) -> World {
        let memory = (u64::from(keys) * (bytes as u64 + 150) / 700_000 + 64).to_string();
        let servers = [(); 2].map(|()| Memcached::start_with(&["-m", &memory, "-t", "4"]));
        for server in &servers {
            Plain::new(&server.address()).fill(keys, bytes);
        }
        let scratch = Scratch::new();
        let table = scratch.path().join("bench.table");
        let list = servers.iter().map(|server| format!("[[server]]\naddress = \"{}\"\n", server.address()));
        let text = format!(
            "[pool]\nname = \"bench\"\ntable = \"{}\"\n{UNHURRIED}[watch]\ninterval = \"100ms\"\n{watch}\n{}",
            table.display(),
            list.collect::<String>()
        );
        let watchd = Watchd::start(watchd, &scratch.write("pool.toml", &text), &table);
        let world = World { servers, watchd, scratch, keys, bytes, begun: Instant::now() };
        wait::until("a swept pool", || world.look().swept.then_some(()));
        world
    }

    fn look(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let reader = Reader::open(&self.scratch.path().join("bench.table"), Trust::default());
        reader.expect("a table").snapshot(&mut snapshot).expect("a table that can be read");
        snapshot
    }

    fn states(&self) -> [State; 2] {
        let servers = self.look().current.servers;
        [servers[0].state, servers[1].state]
    }

    /// Copies what one server holds to a third one.
    pub fn copy_plainly(&mut self) -> Speed {
        let third = Memcached::start_with(&["-m", "1024", "-t", "4"]);
        let (mut from, mut to) = (Plain::new(&self.servers[1].address()), Plain::new(&third.address()));
        let begin = Instant::now();
        from.copy(&mut to, self.keys);
        Speed::of(self.keys, begin)
    }

    /// Restarts a server; it is returned then, and its sweep begins.
    pub fn begin_sweep(&mut self) {
        self.servers[0].kill();
        wait::until("a server that is down", || (self.states()[0] == State::Down).then_some(()));
        self.servers[0].restart();
        wait::until("a server that is back", || (self.states()[0] != State::Down).then_some(()));
        self.begun = Instant::now();
    }

    /// A whole sweep.
    pub fn sweep(&mut self) -> Speed {
        self.begin_sweep();
        wait::within(PATIENCE, || (self.states()[0] == State::Steady).then_some(()))
            .unwrap_or_else(|| panic!("it does not come to an end:\n{}", self.watchd.said()));
        let speed = Speed::of(self.keys, self.begun);
        let held = self.servers[0].stat("curr_items").expect("it answers");
        assert!(held >= u64::from(self.keys), "{held} keys are there, of {}", self.keys);
        speed
    }

    /// The list of the keys is read, and the first of them are moved; or all of them, if there are few.
    pub fn wait_until_it_moves(&self) {
        let moves = || self.moved() > 0 || self.states()[0] == State::Steady;
        wait::within(PATIENCE, || moves().then_some(())).expect("a sweep that moves keys");
    }

    /// How much the sweep under way has moved, as it was published last: a second ago at most.
    pub fn moved(&self) -> u64 {
        self.look().sweep.map_or(0, |progress| progress.moved)
    }

    /// What a few connections get done on the server that is walked, while something is waited for.
    pub fn load(&self, wait: impl FnOnce()) -> Load {
        let (end, calls, longest) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for seed in 0..CONNECTIONS {
                let (end, calls, longest) = (&end, &calls, &longest);
                let mut plain = Plain::new(&self.servers[1].address());
                scope.spawn(move || plain.load(self.keys, self.bytes, seed, end, (calls, longest)));
            }
            wait();
            end.store(true, Ordering::Relaxed);
        });
        let calls = calls.load(Ordering::Relaxed) as f64;
        let longest_ms = longest.load(Ordering::Relaxed) as f64 / 1e3;
        Load { per_second: calls / begin.elapsed().as_secs_f64(), longest_ms }
    }

    /// The most memory that the daemon took, in MiB.
    pub fn peak_mib(&self) -> f64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.watchd.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
        kib / 1024.0
    }
}
