//! The pool file as the daemon follows it: read, read again when it changed, and never half.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{getegid, geteuid};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::config::{Order as FileOrder, PoolFile, Rejoin};
use crate::rules::health::Order;
use crate::rules::pool::{Options, Pool, Server, match_up};
use crate::rules::watcher;

/// What the file says, as the daemon needs it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub file: PoolFile,
    pub table: PathBuf,
    /// The user and the group that the files are given to, by id.
    pub owner: Option<(u32, u32)>,
    /// How long a probe, or one question of a trial, may take.
    pub deadline: Duration,
    pub settings: watcher::Settings,
}

impl Plan {
    /// Whether a server that comes back with what it held may keep what was not changed meanwhile. Where there are no backups
    /// nobody takes turns at a key, so nothing can be said of the order of its changes.
    pub fn keeps(&self) -> bool {
        self.file.watch.rejoin == Rejoin::Keep && self.file.pool.options.backups
    }

    /// What an administrator wants of each server, in the order of the pool.
    pub fn order(&self, index: usize) -> Order {
        match self.file.orders.get(index) {
            None | Some(FileOrder::Up) => Order::Up,
            Some(FileOrder::Draining) => Order::Draining,
            Some(FileOrder::Down) => Order::Down,
        }
    }
}

impl Plan {
    /// The same plan with another list of servers: what is ordered for a server of it ([`match_up`]) stays ordered; and what is
    /// `in_force`, by its place in the list, for one that the plan does not have, or has at another address.
    pub fn with_list(&self, list: &Pool, in_force: &[FileOrder]) -> Plan {
        let file = &self.file;
        let known: Vec<&Server> = file.pool.servers().iter().collect();
        let matched = match_up(list.servers(), &known);
        let order = |(index, server): (usize, &Server)| {
            let in_force = in_force.get(index).copied().unwrap_or_default();
            let Some(at) = matched[index] else { return in_force };
            match file.orders.get(at) {
                // Who is to be used is the one at the new address.
                Some(FileOrder::Up) if known[at].address != server.address => in_force,
                order => order.copied().unwrap_or_default(),
            }
        };
        let options = Options {
            distribution: list.options.distribution,
            backups: list.options.backups,
            ..file.pool.options.clone()
        };
        let (servers, slots) = (list.servers().to_vec(), list.slots().to_vec());
        let orders = list.servers().iter().enumerate().map(order).collect();
        let pool = Pool::with_slots(file.pool.name.clone(), options, servers, slots);
        Plan { file: PoolFile { pool, orders, ..file.clone() }, ..self.clone() }
    }
}

/// How often a file is read anew that is written again and again.
const TRIES: u32 = 16;

/// A pool file, and which of its states was read last.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    seen: Option<Stamp>,
    /// What it was at the last look.
    looked: Option<Stamp>,
}

/// What tells that a file is not the one it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Source {
    /// The pool file at `path`, not read yet.
    pub fn new(path: PathBuf) -> Source {
        Source { path, seen: None, looked: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is something else than was read last, and was already at the look before. What changes from look to look
    /// is being written: half of a file can be a good one, and who is in the other half would be taken for gone, and be
    /// emptied when the rest has come.
    pub fn changed(&mut self) -> bool {
        let now = stamp(&self.path);
        let rests = std::mem::replace(&mut self.looked, now) == now;
        rests && now != self.seen
    }

    /// Reads it, once more if it was written meanwhile.
    ///
    /// # Errors
    /// Every message, one for each thing that is wrong.
    pub fn read(&mut self) -> Reading {
        let mut tries = 0;
        let file = loop {
            self.seen = stamp(&self.path);
            let file = crate::config::read(&self.path);
            tries += 1;
            if stamp(&self.path) == self.seen || tries == TRIES {
                break file;
            }
        };
        let file = file.map_err(|error| error.to_string().lines().map(str::to_owned).collect::<Vec<_>>())?;
        self.plan(file).map_err(|text| vec![format!("{}: {text}", self.path.display())])
    }

    fn plan(&self, file: PoolFile) -> Result<Plan, String> {
        let table = file.table.clone().ok_or(
            "the pool names no table, so there is nothing to publish; add a line such as \
             table = \"/run/memcache/sessions.table\" to its section [pool]",
        )?;
        let watch = &file.watch;
        let user = watch.owner.as_deref().map(|name| id(name, "owner", "/etc/passwd")).transpose()?;
        let group = watch.group.as_deref().map(|name| id(name, "group", "/etc/group")).transpose()?;
        let owner = (user.is_some() || group.is_some()).then(|| {
            (user.unwrap_or_else(|| geteuid().as_raw()), group.unwrap_or_else(|| getegid().as_raw()))
        });
        let options = &file.pool.options;
        let deadline = watch.deadline.unwrap_or(options.connect_timeout);
        let settings = watcher::Settings::new(options, watch.interval, watch.fall, watch.rise);
        Ok(Plan { table, owner, deadline, settings, file })
    }
}

/// What a reading came to: the plan, or every message.
pub type Reading = Result<Plan, Vec<String>>;

/// Reads the pool file on a thread of its own: a disk that is busy, or a file system that is not there any
/// more, must not keep the loop from its heartbeat.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    /// `None` while the thread has it.
    source: Option<Source>,
    reading: Option<JoinHandle<(Source, Option<Reading>)>>,
    /// Why it is to be read (again) as soon as the reading under way is over.
    wanted: Option<&'static str>,
    /// Why the reading under way was begun.
    why: &'static str,
}

impl Follower {
    /// Follows a source that was read.
    pub fn new(source: Source) -> Follower {
        let path = source.path().to_owned();
        Follower { path, source: Some(source), reading: None, wanted: None, why: "" }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It is to be read: who asks for it says that it is whole.
    pub fn read(&mut self, why: &'static str) {
        self.wanted = Some(why);
        self.begin();
    }

    /// It is to be read if it changed, and is not being written.
    pub fn look(&mut self) {
        self.begin();
    }

    fn begin(&mut self) {
        let Some(mut source) = self.source.take() else { return };
        let wanted = self.wanted.take();
        self.why = wanted.unwrap_or("it changed");
        self.reading = Some(spawn_blocking(move || {
            let read = (wanted.is_some() || source.changed()).then(|| source.read());
            (source, read)
        }));
    }

    /// Returns when it was read: why, and what came of it. Nothing is lost when it is dropped before.
    pub async fn done(&mut self) -> (&'static str, Reading) {
        loop {
            let Some(reading) = &mut self.reading else { std::future::pending().await };
            let (source, read) = match reading.await {
                Ok(done) => done,
                // A panic there, which there should be none of: the next reading is a new one.
                Err(error) => (Source::new(self.path.clone()), Some(Err(vec![error.to_string()]))),
            };
            (self.source, self.reading) = (Some(source), None);
            let why = self.why;
            if self.wanted.is_some() {
                self.begin();
            }
            if let Some(read) = read {
                return (why, read);
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = std::fs::metadata(path).ok()?;
    Some(Stamp {
        file: (about.dev(), about.ino()),
        size: about.len(),
        modified: (about.mtime(), about.mtime_nsec()),
        changed: (about.ctime(), about.ctime_nsec()),
    })
}

/// The id of a user or a group: a number, or a name in one of the system's two lists.
fn id(name: &str, key: &str, list: &str) -> Result<u32, String> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = std::fs::read(list).map_err(|error| format!("{key}: cannot read {list}: {error}"))?;
    let text = String::from_utf8_lossy(&text);
    let number = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    number.ok_or_else(|| format!("{key}: {name:?} is not in {list}; a number is taken as it is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_when_two_looks_saw_the_same() {
        let path = std::env::temp_dir().join(format!("memcache-pool-file-{}", std::process::id()));
        let write = |text: &str| std::fs::write(&path, text).expect("the file");
        let mut looks = Vec::new();
        let mut source = Source::new(path.clone());
        let mut look = |source: &mut Source| looks.push(source.changed());
        write("a");
        assert!(source.read().is_err(), "no pool file");
        look(&mut source);
        look(&mut source);
        for text in ["ab", "abc", "abcd"] {
            write(text);
            look(&mut source);
        }
        look(&mut source);
        assert!(source.read().is_err());
        look(&mut source);
        std::fs::remove_file(&path).expect("it goes");
        look(&mut source);
        look(&mut source);
        assert_eq!(looks, [false, false, false, false, false, true, false, false, true]);
    }

    /// A server that is removed while an earlier list is still swept is in the list until then: out, if that was ordered.
    #[test]
    fn what_was_ordered_of_a_server_holds_until_the_list_without_it_is_followed() {
        let path = std::env::temp_dir().join(format!("memcache-plan-{}", std::process::id()));
        let plan = |servers: &[(&str, &str)]| {
            let mut text = "[pool]\ntable = \"/tmp/none.table\"\n".to_owned();
            for (port, state) in servers {
                text += &format!("[[server]]\naddress = \"127.0.0.1:{port}\"\n{state}\n");
            }
            std::fs::write(&path, text).expect("the file");
            let read = Source::new(path.clone()).read();
            std::fs::remove_file(&path).expect("it goes");
            read.expect("a pool file")
        };
        let (down, draining) = ("state = \"down\"", "state = \"draining\"");
        let before = plan(&[("1", ""), ("2", down), ("3", draining), ("4", down)]);
        let after = plan(&[("1", ""), ("4", "")]);
        let now = after.with_list(&before.file.pool, &before.file.orders);
        let orders: Vec<Order> = (0..4).map(|index| now.order(index)).collect();
        assert_eq!(orders, [Order::Up, Order::Down, Order::Draining, Order::Up]);

        // At another address it is another server that is to be used; under another name it is the same one.
        let before = plan(&[("1", "name = \"a\"\nstate = \"down\""), ("2", ""), ("3", "")]);
        let after = plan(&[("9", "name = \"a\""), ("2", "name = \"b\"\nstate = \"down\"")]);
        let now = after.with_list(&before.file.pool, &before.file.orders);
        let orders: Vec<Order> = (0..3).map(|index| now.order(index)).collect();
        assert_eq!(orders, [Order::Down, Order::Down, Order::Up]);
    }

    #[test]
    fn users_and_groups_are_names_or_numbers() {
        assert_eq!(id("root", "owner", "/etc/passwd"), Ok(0));
        assert_eq!(id("root", "group", "/etc/group"), Ok(0));
        assert_eq!(id("1234", "owner", "/etc/passwd"), Ok(1234));
        let wrong = id("no such user", "owner", "/etc/passwd").unwrap_err();
        assert!(wrong.contains("\"no such user\" is not in /etc/passwd"), "{wrong}");
    }
}
