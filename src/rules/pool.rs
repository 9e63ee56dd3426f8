//! A pool: the ordered list of *configured* servers, and what its owner chose for it.
//!
//! A pool never changes because a server dies: what is alive at the moment is the
//! [`View`](super::view::View)'s business.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::address::Address;
use super::ring::Ring;

/// A server of a pool: its index among the pool's distinct servers, in configured order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ServerId(pub u16);

impl ServerId {
    /// The index into [`Pool::servers`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One configured server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The name it is administered by, and the name of its points on a ketama ring; the address
    /// when none is configured.
    pub name: String,
    /// Where it listens.
    pub address: Address,
    /// How many slots it has; at least 1.
    pub weight: u32,
    /// The server that holds the second copy of what this one holds; `None` in a pool without backups.
    pub backup: Option<ServerId>,
}

/// How a key's hash chooses a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Distribution {
    /// `slots[hash % configured]`, and rehashing from there.
    #[default]
    Modulo,
    /// The next point of a hash ring, and along the ring from there.
    Ketama,
}

/// Whether a steady home's miss is the last word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReadBackup {
    /// The backup is asked only while home is not steady.
    #[default]
    Recovering,
    /// The backup is asked after every miss.
    Always,
}

/// What a pool's owner chose; the defaults are DESIGN.md's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How a key's hash chooses a server.
    pub distribution: Distribution,
    /// Whether every write is stored twice.
    pub backups: bool,
    /// Whether a steady home's miss is the last word.
    pub read_backup: ReadBackup,
    /// Without a sweeper: how long a returned server stays returned, and the longest life of a
    /// copy on a stand-in.
    pub window: Duration,
    /// Nothing in the pool lives longer than this.
    pub max_ttl: Option<Duration>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a whole call may take.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            distribution: Distribution::Modulo,
            backups: false,
            read_backup: ReadBackup::Recovering,
            window: Duration::from_secs(24 * 3600),
            max_ttl: None,
            connect_timeout: Duration::from_millis(100),
            timeout: Duration::from_millis(500),
        }
    }
}

impl Options {
    /// How long a server may owe an answer without sending a byte before it counts as failed.
    ///
    /// With backups the answer is elsewhere too and doubt is cheap: three quarters of the connect
    /// timeout, so that a whole call that meets a hung or cut-off server still ends within the
    /// connect timeout. Without them there is only the stand-in to go to, and half of the call's
    /// time is left for it.
    pub fn patience(&self) -> Duration {
        let half = self.timeout / 2;
        if self.backups { half.min(self.connect_timeout * 3 / 4) } else { half }
    }
}

/// The configured servers with their slots. Immutable: a changed list is a new pool.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The name in the pool file; empty for a pool that a program built itself.
    pub name: String,
    /// What its owner chose.
    pub options: Options,
    servers: Vec<Server>,
    slots: Vec<ServerId>,
    ring: Option<Ring>,
}

impl Pool {
    /// A pool of these servers, whose slots follow from their weights, in order.
    ///
    /// # Panics
    /// With more than 65,535 servers; the callers refuse such lists with a message first.
    pub fn new(name: impl Into<String>, options: Options, servers: Vec<Server>) -> Pool {
        let slots = (0..=u16::MAX)
            .zip(&servers)
            .flat_map(|(id, server)| std::iter::repeat_n(ServerId(id), server.weight as usize))
            .collect();
        Pool::with_slots(name, options, servers, slots)
    }

    /// A pool whose slots come in an order of their own: a program that adds the same server at
    /// several positions of its list gave it several slots there.
    ///
    /// # Panics
    /// With more than 65,535 servers, or a slot or a backup that names none of them.
    pub fn with_slots(
        name: impl Into<String>,
        options: Options,
        servers: Vec<Server>,
        slots: Vec<ServerId>,
    ) -> Pool {
        assert!(servers.len() <= usize::from(u16::MAX), "a pool has at most 65,535 servers");
        assert!(slots.iter().all(|slot| slot.index() < servers.len()), "every slot has a server");
        let known = |id: ServerId| id.index() < servers.len();
        assert!(servers.iter().all(|s| s.backup.is_none_or(known)), "every backup is a server");
        let ring = (options.distribution == Distribution::Ketama).then(|| Ring::new(&servers));
        Pool { name: name.into(), options, servers, slots, ring }
    }

    /// The distinct servers, in configured order; [`ServerId`] is the index.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The slots of modulo distribution: `slots[hash % slots.len()]` is a key's home.
    pub fn slots(&self) -> &[ServerId] {
        &self.slots
    }

    /// The ring of ketama distribution.
    pub fn ring(&self) -> Option<&Ring> {
        self.ring.as_ref()
    }

    /// One server.
    pub fn server(&self, id: ServerId) -> &Server {
        &self.servers[id.index()]
    }

    /// Every server's id, in configured order.
    pub fn ids(&self) -> impl Iterator<Item = ServerId> + use<> {
        (0..self.servers.len() as u16).map(ServerId)
    }
}

/// Gives every server its backup by pairs: 1↔2, 3↔4, …; an odd last one is backed up by the first.
/// A single server has none. Servers that already have one keep it.
pub fn pair_up(servers: &mut [Server]) {
    let count = servers.len();
    if count < 2 {
        return;
    }
    for (index, server) in servers.iter_mut().enumerate() {
        let partner = if index ^ 1 < count { index ^ 1 } else { 0 };
        server.backup.get_or_insert(ServerId(partner as u16));
    }
}

/// For each server of the new list, which one of the old list it is: the one of the same name, else the one at the same
/// address.
pub fn match_up(new: &[Server], old: &[&Server]) -> Vec<Option<usize>> {
    let mut by_name: HashMap<&str, usize> =
        old.iter().enumerate().map(|(index, server)| (server.name.as_str(), index)).collect();
    let mut found: Vec<Option<usize>> =
        new.iter().map(|server| by_name.remove(server.name.as_str())).collect();
    let taken: BTreeSet<usize> = found.iter().flatten().copied().collect();
    let left = old.iter().enumerate().filter(|(index, _)| !taken.contains(index));
    let mut by_address: HashMap<_, usize> = left.map(|(index, server)| (&server.address, index)).collect();
    for (server, found) in new.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
        *found = by_address.remove(&server.address);
    }
    found
}

/// Whether both lists place every key, and its second copy, on the same servers: [`match_up`] tells which these are.
pub fn place_alike(new: &Pool, old: &Pool) -> bool {
    let known: Vec<&Server> = old.servers().iter().collect();
    let was = match_up(new.servers(), &known);
    let one = |new: ServerId, old: ServerId| was[new.index()] == Some(old.index());
    let backups = |(new, old): (Option<ServerId>, Option<ServerId>)| match (new, old) {
        (Some(new), Some(old)) => one(new, old),
        (new, old) => new == old,
    };
    let matched = new.ids().all(|id| was[id.index()].is_some()) && new.servers().len() == old.servers().len();
    let backed_up_alike = || {
        let pairs = new
            .servers()
            .iter()
            .zip(&was)
            .map(|(server, was)| (server.backup, was.and_then(|at| old.servers()[at].backup)));
        pairs.into_iter().all(backups)
    };
    let distributed_alike = || match new.options.distribution {
        Distribution::Modulo => {
            let slots = new.slots().iter().zip(old.slots());
            new.slots().len() == old.slots().len() && slots.into_iter().all(|(new, old)| one(*new, *old))
        }
        // A ring's points are those of a server's name.
        Distribution::Ketama => {
            let points = |pool: &Pool| {
                let servers = pool.servers().iter().map(|server| (server.name.clone(), server.weight));
                servers.collect::<BTreeSet<_>>()
            };
            points(new) == points(old)
        }
    };
    let (ours, theirs) = (&new.options, &old.options);
    matched
        && (ours.distribution, ours.backups) == (theirs.distribution, theirs.backups)
        && backed_up_alike()
        && distributed_alike()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_place_alike_are_told_from_others() {
        let pool = |list: &[(&str, u16)], distribution| {
            let mut servers = servers(list);
            pair_up(&mut servers);
            Pool::new("", Options { distribution, backups: true, ..Options::default() }, servers)
        };
        let old = [("a", 1), ("b", 2), ("c", 3), ("d", 4)];
        for distribution in [Distribution::Modulo, Distribution::Ketama] {
            let alike =
                |new: &[(&str, u16)]| place_alike(&pool(new, distribution), &pool(&old, distribution));
            assert!(alike(&old));
            assert!(alike(&[("a", 1), ("b", 9), ("c", 3), ("d", 4)]), "the slot keeps its keys");
            assert!(!alike(&old[..3]) && !alike(&[&old[..], &[("e", 5)]].concat()));
            assert!(!alike(&[("a", 1), ("c", 3), ("b", 2), ("d", 4)]), "other pairs at least");
            let renamed = alike(&[("x", 1), ("b", 2), ("c", 3), ("d", 4)]);
            assert_eq!(renamed, distribution == Distribution::Modulo);
        }
        let (modulo, ketama) = (pool(&old, Distribution::Modulo), pool(&old, Distribution::Ketama));
        assert!(!place_alike(&modulo, &ketama));
        let mut alone = pool(&old, Distribution::Modulo);
        alone.options.backups = false;
        assert!(!place_alike(&alone, &modulo));
    }

    fn servers(list: &[(&str, u16)]) -> Vec<Server> {
        let server = |(name, port): &(&str, u16)| Server {
            name: name.to_string(),
            address: format!("127.0.0.1:{port}").parse().expect("an address"),
            weight: 1,
            backup: None,
        };
        list.iter().map(server).collect()
    }

    fn matched(new: &[(&str, u16)], old: &[(&str, u16)]) -> Vec<Option<usize>> {
        match_up(&servers(new), &servers(old).iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_server_is_known_by_its_name_else_by_its_address() {
        let old = [("a", 1), ("b", 2), ("c", 3)];
        assert_eq!(matched(&old, &old), [Some(0), Some(1), Some(2)]);
        assert_eq!(matched(&[("c", 3), ("a", 1)], &old), [Some(2), Some(0)]);
        assert_eq!(matched(&[("a", 9), ("x", 2), ("y", 8)], &old), [Some(0), Some(1), None]);
        assert_eq!(matched(&[("b", 1), ("a", 2)], &old), [Some(1), Some(0)], "the name counts first");
        assert_eq!(matched(&[("x", 1), ("a", 7)], &old), [None, Some(0)], "nobody is two");
        assert_eq!(matched(&[("a", 1)], &[]), [None]);
    }
}
