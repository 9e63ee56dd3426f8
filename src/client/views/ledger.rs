//! The table as one client reads it: is there one, is it attended, what does it say.
//!
//! A look costs two loads while nothing changed. Everything else, such as to look for a table where there was
//! none, happens when something did, or a few times a second.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::client::clock;
use crate::client::messages::{Cause, is_news};
use crate::client::registry::{Basis, Epochs};
use crate::client::trouble::Word;
use crate::rules::address::Address;
use crate::rules::pool::Pool;
use crate::rules::time::Instant;
use crate::table::{Attendance, Epoch, List, Reader, Refusal, ServerEntry, Snapshot, Stripes, Trust};

/// How often a table that is missing, refused or unattended is looked for anew.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

fn describes(list: &List, pool: &Pool) -> bool {
    list.name == pool.name
        && list.options == pool.options
        && list.slots == pool.slots()
        && list.servers.iter().map(|entry| &entry.server).eq(pool.servers())
}

/// Whether a list is that of a pool, or there is neither.
pub(super) fn is_same(list: Option<&List>, pool: Option<&Arc<Pool>>) -> bool {
    match (list, pool) {
        (Some(list), Some(pool)) => describes(list, pool),
        (None, None) => true,
        _ => false,
    }
}

/// Where a pool's table is.
#[derive(Clone, Debug)]
pub struct TableAt {
    /// Its path.
    pub path: PathBuf,
    /// Whose tables are believed.
    pub trust: Trust,
}

/// What can be made of a table at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Nothing was ever read of it.
    Absent,
    /// What it says is so.
    Attended,
    /// What it said last was so; its writer is finding out what happened since, and nobody diverts anything.
    Settling,
    /// What it said last was so.
    Unattended,
}

/// One client's table.
pub(super) struct Ledger {
    at: TableAt,
    reader: Option<Reader>,
    snapshot: Snapshot,
    /// Something was read of it.
    read: bool,
    standing: Standing,
    /// When it is next looked for, while it is not attended; and the stripes file, while that cannot be opened.
    again: Instant,
    /// The stripes file that the table names.
    stripes: Option<Arc<Stripes>>,
    /// How often an epoch in it had changed when they were last compared with the table's.
    changes: u64,
    messages: Vec<String>,
}

impl Ledger {
    pub(super) fn new(at: TableAt) -> Ledger {
        Ledger {
            at,
            reader: None,
            snapshot: Snapshot::default(),
            read: false,
            standing: Standing::Absent,
            again: Instant(0),
            stripes: None,
            changes: 0,
            messages: Vec::new(),
        }
    }

    /// Looks at the table. Whether anything is different from the last look.
    #[inline]
    pub(super) fn look(&mut self, now: Instant) -> bool {
        let Some(reader) = self.reader.as_mut().filter(|_| self.standing == Standing::Attended) else {
            return self.look_for(now);
        };
        match reader.snapshot(&mut self.snapshot) {
            Ok(false)
                if reader.attended(clock::millis(now))
                    && match &self.stripes {
                        Some(stripes) => stripes.changes() == self.changes,
                        None => !self.is_to_open_stripes(now),
                    } =>
            {
                false
            }
            read => self.take_in(read, now),
        }
    }

    /// Looks whether the table is attended by now, as is to be done by who changed an epoch and is about to act
    /// on it. Also whether another table has taken its place: a writer that ended before it could retire
    /// the old one leaves readers behind.
    pub(super) fn look_twice(&mut self, now: Instant) -> bool {
        self.again = now;
        self.look(now)
    }

    /// It was not attended when it was last looked at, or was not there.
    #[cold]
    fn look_for(&mut self, now: Instant) -> bool {
        if now >= self.again {
            self.again = now + LOOK_AGAIN;
            self.search();
            self.open_stripes();
        }
        let Some(reader) = &mut self.reader else { return false };
        let read = reader.snapshot(&mut self.snapshot);
        self.take_in(read, now)
    }

    #[cold]
    fn take_in(&mut self, read: Result<bool, Refusal>, now: Instant) -> bool {
        let before = self.standing;
        let changed = read.unwrap_or_else(|refusal| {
            self.refused(&refusal);
            false
        });
        self.read |= changed;
        let once_more = self.is_to_open_stripes(now);
        if once_more {
            self.again = now + LOOK_AGAIN;
        }
        if changed || once_more {
            self.open_stripes();
        }
        let changes = self.stripes.as_ref().map_or(0, |stripes| stripes.changes());
        let moved = std::mem::replace(&mut self.changes, changes) != changes;
        self.judge(now);
        changed || moved || self.standing != before
    }

    /// Looks whether there is a table by now, or another one.
    fn search(&mut self) {
        let found = match &mut self.reader {
            Some(reader) => reader.revisit().map(drop),
            none => Reader::open(&self.at.path, self.at.trust.clone()).map(|reader| *none = Some(reader)),
        };
        if let Err(refusal) = found {
            self.refused(&refusal);
        }
    }

    fn refused(&mut self, refusal: &Refusal) {
        if is_news(Cause::Refused, &self.at.path) {
            self.messages.push(format!("{refusal}; this process judges the servers by itself"));
        }
    }

    /// Whether the stripes file that an attended table names is to be tried once more. What kept it from being opened may be
    /// over: a process that was out of descriptors must not go on without turns when it has some again.
    fn is_to_open_stripes(&self, now: Instant) -> bool {
        self.snapshot.stripes != 0 && self.stripes.is_none() && now >= self.again
    }

    /// Opens the stripes file that the table names, if it is not open.
    fn open_stripes(&mut self) {
        let wanted = self.snapshot.stripes;
        if !self.read || self.stripes.as_ref().map_or(0, |stripes| stripes.id()) == wanted {
            return;
        }
        self.stripes = None;
        if wanted == 0 {
            return;
        }
        match Stripes::open(&self.at.path, &self.at.trust) {
            Ok(stripes) if stripes.id() == wanted => self.stripes = Some(Arc::new(stripes)),
            // It was replaced a moment ago, and the table will name it.
            Ok(_) => {}
            Err(refusal) => {
                if is_news(Cause::Stripes, &self.at.path) {
                    self.messages.push(format!(
                        "{refusal}; this process takes no turns with others at a key, and when the table is \
                         unattended it does not share what it finds out about servers"
                    ));
                }
            }
        }
    }

    fn judge(&mut self, now: Instant) {
        let attendance = self.attendance(now);
        self.standing = match attendance {
            Some(Attendance::Attended) => Standing::Attended,
            Some(Attendance::Settling) => Standing::Settling,
            Some(_) => Standing::Unattended,
            None => Standing::Absent,
        };
        if let Some(attendance) = attendance.filter(|_| self.standing == Standing::Unattended)
            && is_news(Cause::Unattended, &self.at.path)
        {
            let path = self.at.path.display();
            self.messages.push(format!(
                "the table {path}: {attendance}; this process judges the servers by itself until \
                 memcache-watchd is at work again"
            ));
        }
    }

    /// Whether an epoch is ahead of the one that the table names: somebody found what the table does not know.
    fn is_behind(&self) -> bool {
        self.snapshot.current.servers.iter().any(|entry| self.is_ahead(entry))
    }

    /// Whether this server's epoch is.
    pub(super) fn is_ahead(&self, entry: &ServerEntry) -> bool {
        let epoch = self.stripes.as_ref().and_then(|stripes| stripes.epoch(entry.epoch_slot).ok());
        epoch.is_some_and(|epoch| epoch.number() > entry.epoch)
    }

    /// Whether it is attended; `None` while nothing was read of it.
    pub(super) fn attendance(&self, now: Instant) -> Option<Attendance> {
        let reader = self.reader.as_ref().filter(|_| self.read)?;
        match reader.attendance(clock::millis(now)) {
            Attendance::Attended if self.is_behind() => Some(Attendance::Settling),
            attendance => Some(attendance),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    pub(super) fn path(&self) -> &Path {
        &self.at.path
    }

    /// Tells a person, once.
    pub(super) fn tell(&mut self, cause: Cause, message: impl FnOnce(&Path) -> String) {
        if is_news(cause, &self.at.path) {
            self.messages.push(message(&self.at.path));
        }
    }

    /// What it says, or said last.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The stripes file that goes with it.
    pub(super) fn stripes(&self) -> Option<&Arc<Stripes>> {
        self.stripes.as_ref()
    }

    /// The epoch of a server of the table; `None`: there are no stripes.
    pub(super) fn epochs(&self, entry: Option<&ServerEntry>) -> Option<Epochs<'_>> {
        let (stripes, entry) = (self.stripes.as_ref()?, entry?);
        Some(Epochs { stripes, slot: entry.epoch_slot, told: Epoch::new(entry.epoch) })
    }

    /// Which of its words the snapshot is.
    pub(super) fn basis(&self) -> Basis {
        let created = self.reader.as_ref().map_or(0, |reader| reader.header().created);
        (created, self.snapshot.generation)
    }

    /// Whether its list is that of `pool`.
    pub(super) fn lists(&self, pool: &Pool) -> bool {
        describes(&self.snapshot.current, pool)
    }

    /// What it says of a server that has this number in a list of ours: in one that changed, of the one
    /// with the same address.
    pub(super) fn entry(&self, index: usize, address: &Address) -> Option<&ServerEntry> {
        let servers = &self.snapshot.current.servers;
        let there = servers.get(index).filter(|entry| entry.server.address == *address);
        there.or_else(|| servers.iter().find(|entry| entry.server.address == *address))
    }

    pub(super) fn word(&self, index: usize, address: &Address) -> Option<Word> {
        self.entry(index, address).map(Word::of)
    }

    /// Whether there is something to tell a person.
    pub(super) fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    /// What there is to tell a person.
    pub(super) fn messages(&mut self) -> &mut Vec<String> {
        &mut self.messages
    }
}
