//! The marker by which of several machines' daemons one sweeps: an expiring value in the pool itself, renewed as long as there
//! is work.
//!
//! Two that sweep at once do no harm (each move takes a lease), they only do everything twice. So whoever cannot
//! store the marker goes on without it.
//!
//! Its value names a table and its machine, not a process: the lock on a table lets one daemon have it at a time, so one that
//! finds the marker of a daemon before it on the same table finds its own.

use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use super::pace::Pace;
use crate::client::Client;
use crate::rules::operation::{Batch, Conditional, Outcome, Read, Spread, Write as Store};
use crate::rules::wire::{Value, Verb};
use crate::table::identity;

/// How long it lasts without being renewed, in seconds.
const LASTS: i64 = 15;
/// How often it is renewed, and how often somebody else's is looked at.
const RENEW: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(2);

/// Whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Holder {
    /// Ours: nobody else sweeps.
    Ours,
    /// Somebody else's, as he calls himself. He sweeps.
    Other(String),
    /// It can neither be stored nor read: nobody can know.
    Unknown,
}

/// The marker's key for a pool: always a valid key, whatever the pool's name is.
pub fn key(pool: &str) -> String {
    let mut key = String::from("libmemcache:sweep:");
    if pool.len() <= 100 && pool.bytes().all(|byte| byte.is_ascii_graphic()) {
        key.push_str(pool);
    } else {
        let _ = write!(key, "{:08x}", crate::rules::hash::KeyHash::of(pool.as_bytes()).whole());
    }
    key
}

/// How the daemon of the table at this path calls itself: for a person, and different from all others.
pub fn name(table: &Path) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let about = table.parent().and_then(|directory| std::fs::metadata(directory).ok());
    let (device, inode) = about.map_or((0, 0), |about| (about.dev(), about.ino()));
    let [boot, _] = identity::boot();
    let host = host.trim();
    format!("{} on {host} ({boot:016x}.{device:x}.{inode:x})", table.display())
}

/// One key that is read.
struct One<'a> {
    key: &'a str,
    value: Option<String>,
}

impl Batch for One<'_> {
    fn len(&self) -> usize {
        1
    }

    fn key(&self, _: usize) -> &[u8] {
        self.key.as_bytes()
    }

    fn settle(&mut self, _: usize, answer: Result<&Value<'_>, Outcome>) {
        self.value = answer.ok().map(|value| String::from_utf8_lossy(value.data).into_owned());
    }
}

/// The marker of one pool, for one daemon.
pub struct Marker {
    client: Client,
    key: String,
    name: String,
    holder: Option<Holder>,
}

impl Marker {
    /// `name` is what [`name`] gives.
    pub fn new(client: Client, pool: &str, name: String) -> Marker {
        Marker { client, key: key(pool), name, holder: None }
    }

    /// Tries to have it, and then keeps it, until it is told to stop; then it is given back. Tells every change.
    pub fn keep(mut self, stop: Arc<AtomicBool>, mut tell: impl FnMut(Holder)) {
        let pace = Pace::new(Arc::new(AtomicU32::new(100)), stop);
        loop {
            let holder = self.look();
            if self.holder.as_ref() != Some(&holder) {
                self.holder = Some(holder.clone());
                tell(holder.clone());
            }
            let span = if matches!(holder, Holder::Other(_)) { LOOK } else { RENEW };
            if !pace.wait(span) {
                break;
            }
        }
        if self.holder == Some(Holder::Ours) && self.read() == Ok(Some(self.name.clone())) {
            self.client.run(&mut Spread::delete(self.key.as_bytes()));
        }
    }

    /// Stores or renews it, if it is nobody else's.
    fn look(&mut self) -> Holder {
        let (key, name) = (self.key.as_bytes(), self.name.as_bytes());
        if self.holder != Some(Holder::Ours)
            && self.client.run(&mut Conditional::new(Verb::Add, key, 0, LASTS, name)) == Outcome::Stored
        {
            return Holder::Ours;
        }
        match self.read() {
            Ok(Some(other)) if other != self.name => Holder::Other(other),
            Ok(_) => {
                let (key, name) = (self.key.as_bytes(), self.name.as_bytes());
                match self.client.run(&mut Store::new(key, 0, LASTS, name)) {
                    Outcome::Stored => Holder::Ours,
                    _ => Holder::Unknown,
                }
            }
            Err(_) => Holder::Unknown,
        }
    }

    /// Who has it.
    fn read(&mut self) -> Result<Option<String>, Outcome> {
        let mut one = One { key: &self.key, value: None };
        match self.client.run(&mut Read::new(&mut one)) {
            Outcome::Hit => Ok(one.value),
            Outcome::Miss => Ok(None),
            outcome => Err(outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_for_every_pool_and_a_name_for_every_table() {
        assert_eq!(key("sessions"), "libmemcache:sweep:sessions");
        for pool in ["two words", "", "p\u{f6}ol", &"x".repeat(200)] {
            assert!(crate::rules::key::check(key(pool).as_bytes()).is_ok(), "{pool}");
        }
        assert_ne!(key("one pool"), key("other pool"));
        let table = Path::new("/tmp/a.table");
        assert_eq!(name(table), name(table));
        assert!(name(table).starts_with("/tmp/a.table on "));
        assert_ne!(name(table), name(Path::new("/a.table")));
    }
}
