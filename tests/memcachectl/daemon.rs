//! A daemon that believes everything: it writes the table as the pool file orders it, and reads the file
//! anew when it is told to. What it says of a server can be set.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use memcache::config::{self, Order};
use memcache::rules::address::Address;
use memcache::rules::time::Stamp;
use memcache::rules::view::State;
use memcache::table::notice::{self, Notice};
use memcache::table::stripes::{Stripes, StripesSettings};
use memcache::table::{List, Lock, Settings, Snapshot, Writer, identity};

/// What a test says of a server: its state, since so many seconds, and why.
type Word = (State, u64, String);

/// What a test makes of everything that is published.
type Twist = Box<dyn Fn(&mut Snapshot) + Send>;

enum Told {
    Say(String, Word),
    Deaf,
    Twist(Twist),
}

/// The daemon, on a thread of its own; it resigns when it is dropped.
pub struct Daemon {
    tell: Option<Sender<(Told, Sender<()>)>>,
    thread: Option<JoinHandle<()>>,
    sweeps: Receiver<Option<Address>>,
}

impl Daemon {
    /// Begins to attend the table of this pool file.
    pub fn start(file: &Path) -> Daemon {
        let (tell, told) = channel();
        let (begun, begins) = channel();
        let (asks, sweeps) = channel();
        let file = file.to_owned();
        let thread = std::thread::spawn(move || attend(&file, &told, &begun, &asks));
        begins.recv().expect("the table is made");
        Daemon { tell: Some(tell), thread: Some(thread), sweeps }
    }

    /// Changes what it publishes, from now on.
    pub fn twist(&self, twist: impl Fn(&mut Snapshot) + Send + 'static) {
        self.tell(Told::Twist(Box::new(twist)));
    }

    /// Waits until it is asked for a sweep: of what.
    pub fn is_asked_to_sweep(&self) -> Option<Address> {
        self.sweeps.recv_timeout(Duration::from_secs(60)).expect("it is asked")
    }

    /// Says this of a server from now on.
    pub fn say(&self, name: &str, state: State, seconds: u64, reason: &str) {
        self.tell(Told::Say(name.to_owned(), (state, seconds, reason.to_owned())));
    }

    /// Reads the pool file no more.
    pub fn turn_deaf(&self) {
        self.tell(Told::Deaf);
    }

    fn tell(&self, what: Told) {
        let (done, is_done) = channel();
        self.tell.as_ref().expect("it runs").send((what, done)).expect("it listens");
        is_done.recv().expect("it was published");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.tell = None;
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the daemon panicked");
        }
    }
}

fn attend(
    file: &Path,
    told: &Receiver<(Told, Sender<()>)>,
    begun: &Sender<()>,
    asks: &Sender<Option<Address>>,
) {
    let table = config::read(file).expect("a pool file").table.expect("a table");
    let lock = Lock::take(&table).expect("nobody else writes it");
    let socket = notice::bind(&lock, 0o660, None).expect("a socket");
    let stripes = Stripes::create(&lock, &StripesSettings::default()).expect("stripes");
    let mut words: HashMap<String, Word> = HashMap::new();
    let first = snapshot(file, &words, stripes.id());
    // A minute: a busy machine does not make it unattended.
    let settings = Settings { bound: Duration::from_secs(60), ..Settings::default() };
    let mut writer = Writer::create(lock, &settings, &first).expect("a table");
    let settled = writer.settle(identity::boot_millis());
    writer.attend(settled, identity::boot_millis()).expect("at once");
    begun.send(()).expect("the test waits");

    let mut is_deaf = false;
    let mut twist: Twist = Box::new(|_| {});
    loop {
        let mut datagram = [0; 600];
        while let Ok(length) = socket.recv(&mut datagram) {
            match notice::parse(&datagram[..length]) {
                Some(Notice::Reload) if !is_deaf => {
                    writer.publish(&twisted(snapshot(file, &words, stripes.id()), &twist)).expect("it fits");
                }
                // A test that does not wait for it has ended.
                Some(Notice::Sweep(only)) => drop(asks.send(only)),
                _ => {}
            }
        }
        match told.recv_timeout(Duration::from_millis(5)) {
            Ok((what, done)) => {
                match what {
                    Told::Say(name, word) => drop(words.insert(name, word)),
                    Told::Deaf => is_deaf = true,
                    Told::Twist(new) => twist = new,
                }
                if !is_deaf {
                    writer.publish(&twisted(snapshot(file, &words, stripes.id()), &twist)).expect("it fits");
                }
                done.send(()).expect("the test waits");
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let _ = std::fs::remove_file(notice::socket_path(&table));
    drop(writer.resign());
}

fn twisted(mut snapshot: Snapshot, twist: &Twist) -> Snapshot {
    twist(&mut snapshot);
    snapshot
}

fn snapshot(file: &Path, words: &HashMap<String, Word>, stripes: u64) -> Snapshot {
    let file = config::read(file).expect("a pool file");
    let now = identity::unix_millis();
    let mut current = List::new(&file.pool, &[], now);
    for (slot, (entry, order)) in (0..).zip(current.servers.iter_mut().zip(file.orders)) {
        entry.epoch_slot = slot;
        entry.reason = "it answers".to_owned();
        entry.ordered = order != Order::Up;
        match order {
            Order::Up => {}
            Order::Draining => (entry.state, entry.reason) = (State::Draining, "ordered".to_owned()),
            Order::Down => (entry.state, entry.reason) = (State::Down, "ordered".to_owned()),
        }
        if let Some((state, seconds, reason)) = words.get(&entry.server.name) {
            (entry.state, entry.reason) = (*state, reason.clone());
            entry.since = Stamp::of_wall_clock(now - seconds * 1_000);
        }
    }
    Snapshot { published: now, stripes, swept: true, current, ..Snapshot::default() }
}
