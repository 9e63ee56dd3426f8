//! What the daemon writes: the table, the servers' epochs, and the socket it listens at; in the order that
//! docs/one-view.md demands.
//!
//! Everything is made when the daemon starts, and made anew when somebody took it away under a daemon that
//! runs. That may fail (no right to the directory, no room), and then clients are without a daemon
//! until it succeeds: it is tried again and again, and told once.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::table::stripes::{Epoch, Stands};
use crate::table::{
    Fault, JournalKeeper, Lock, Settling, Snapshot, Stripes, StripesSettings, TrialTurn, Trust, Writer,
    identity, notice,
};

/// The permission bits of what the pool's clients write to.
const SHARED: u32 = 0o660;

/// Milliseconds for which a trial has its turn after each step: longer than any deadline of a probe that makes sense.
const HOLD: u64 = 2_000;

/// The files of a pool, as its daemon holds them.
pub struct Ledger {
    writer: Writer,
    stripes: Arc<Stripes>,
    terms: Terms,
    /// The socket's file, to tell it from another one's; `None`: there is none.
    socket_id: Option<(u64, u64)>,
    /// The last heartbeat, and the longest time between two, in milliseconds.
    beaten: u64,
    longest: u64,
}

/// The daemon's turn to try a server: a second trial's flush would empty what the first has brought back.
#[derive(Debug)]
pub struct Turn(TrialTurn);

impl Turn {
    /// Before anything is sent, or said of the trial. False: this process was stopped for so long that another has
    /// taken the turn.
    pub fn goes_on(&mut self) -> bool {
        self.0.prolong(identity::boot_millis() + HOLD)
    }

    /// What the one before has sent may still be under way.
    pub fn taken_over(&self) -> bool {
        self.0.taken_over()
    }
}

/// How the files are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub table: PathBuf,
    pub mode: u32,
    pub owner: Option<(u32, u32)>,
}

/// The right to make the files, and the one that clients write to.
pub struct Begun {
    lock: Lock,
    pub stripes: Stripes,
}

impl Begun {
    /// Makes what is beside the table.
    ///
    /// # Errors
    /// What failed, and what to do.
    pub fn new(lock: Lock, terms: &Terms) -> Result<Begun, String> {
        let settings = StripesSettings { mode: SHARED, owner: terms.owner };
        let stripes = Stripes::create(&lock, &settings).map_err(|error| error.to_string())?;
        Ok(Begun { lock, stripes })
    }

    /// Makes the table with its first snapshot. It is settling.
    ///
    /// # Errors
    /// What failed, and what to do. A table that was there is as it was.
    pub fn finish(self, terms: Terms, first: &Snapshot) -> Result<Ledger, String> {
        let Begun { lock, stripes } = self;
        set_epochs(&stripes, first, true);
        if stripes.is_new() {
            // Nobody may find a zero in the file that the table names.
            set_epochs(&stripes, first, false);
        }
        let settings = crate::table::Settings { mode: terms.mode, owner: terms.owner, ..Default::default() };
        let writer = Writer::create(lock, &settings, first).map_err(|error| error.to_string())?;
        let ledger = Ledger {
            writer,
            stripes: Arc::new(stripes),
            terms,
            socket_id: None,
            beaten: u64::MAX,
            longest: 0,
        };
        ledger.set_even(first);
        Ok(ledger)
    }
}

impl Ledger {
    /// Publishes a snapshot, between the epochs that must be known before and those that must not be.
    ///
    /// # Errors
    /// What has no place in a table; then nothing was published.
    pub fn publish(&mut self, snapshot: &Snapshot) -> Result<(), String> {
        set_epochs(&self.stripes, snapshot, true);
        self.writer.publish(snapshot).map_err(|fault| fault.to_string())?;
        self.set_even(snapshot);
        Ok(())
    }

    fn set_even(&self, snapshot: &Snapshot) {
        set_epochs(&self.stripes, snapshot, false);
    }

    /// The id of the stripes file, which the table names.
    pub fn stripes(&self) -> &Stripes {
        &self.stripes
    }

    /// A journal for the server of this slot, before it is published as down in this epoch. `None`: there is no free one; or
    /// a client gave the server up at the same moment, and what it leaves in doubt nobody has noted; or no boot is known, and
    /// clients, who do not note what a server complete before the fall holds, had only a time of day to tell "before" by.
    pub fn open_journal(&self, slot: u16, epoch: u64) -> Option<JournalKeeper> {
        if identity::clock() == 0 {
            return None;
        }
        let journal = self.stripes.open_journal(slot, Epoch::new(epoch))?;
        let before = Epoch::new(epoch.saturating_sub(1));
        self.stripes.make_odd(slot, before).ok().map(|()| journal)
    }

    /// The turn to try the server of this slot; `None`: a client that judged by itself is at it.
    pub fn turn_to_try(&self, slot: u16) -> Option<Turn> {
        // This process never forks.
        let process = u64::from(std::process::id());
        let turn = self.stripes.try_turn(slot, identity::boot_millis() + HOLD, process)?;
        Some(Turn(turn))
    }

    /// Clients divert nothing from now on, and wait.
    pub fn settle(&mut self) -> Settling {
        self.writer.settle(identity::boot_millis())
    }

    /// The table's states are the truth.
    ///
    /// # Errors
    /// It took too long: what to begin anew with.
    pub fn attend(&mut self, settling: Settling) -> Result<(), Settling> {
        self.writer.attend(settling, identity::boot_millis())
    }

    /// The heartbeat.
    ///
    /// # Errors
    /// The last one was too long ago: everything is to be proved anew.
    pub fn beat(&mut self) -> Result<(), Settling> {
        let now = identity::boot_millis();
        self.longest = self.longest.max(now.saturating_sub(self.beaten));
        self.beaten = now;
        self.writer.beat(now)
    }

    /// The longest time between two heartbeats.
    pub fn longest(&self) -> Duration {
        Duration::from_millis(self.longest)
    }

    /// How they were made.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The right to make others in their place, while these are still attended.
    pub fn lock(&self) -> Lock {
        self.writer.lock()
    }

    /// Whether clients still find the files under their names. The one that they write to can also be damaged so that
    /// nobody can open it any more.
    pub fn is_in_place(&self) -> bool {
        let trust = self.terms.owner.map_or_else(Trust::default, |(user, _)| Trust::default().also(user));
        let is_ours = || match Stripes::open(&self.terms.table, &trust) {
            Ok(opened) => opened.id() == self.stripes.id(),
            // A daemon that is out of descriptors or memory cannot look. That says nothing about the file.
            Err(refusal) => matches!(refusal.fault, Fault::File(..)),
        };
        self.writer.is_in_place() && is_ours()
    }

    /// Whether clients find the socket.
    pub fn is_heard(&self) -> bool {
        self.socket_id.is_some() && file_id(&self.socket()) == self.socket_id
    }

    /// Makes the socket that clients report to. Without it they cannot, and every failure is found by a probe.
    ///
    /// # Errors
    /// What failed, and what to do.
    pub fn hear(&mut self) -> Result<UnixDatagram, String> {
        let bound = notice::bind(&self.writer.lock(), SHARED, self.terms.owner);
        self.socket_id = bound.as_ref().ok().and_then(|_| file_id(&self.socket()));
        bound.map_err(|error| error.to_string())
    }

    fn socket(&self) -> PathBuf {
        notice::socket_path(&self.terms.table)
    }

    /// Ends the writing: the table stays, usable and unattended. The lock, to make another one with.
    pub fn resign(self) -> Lock {
        if self.is_heard() {
            let _ = std::fs::remove_file(self.socket());
        }
        self.writer.resign()
    }
}

/// The epoch in a slot of the stripes file; a word that was damaged may have been any, so it is taken for the
/// worst: that a client gave the server up.
pub fn epoch_in(stripes: &Stripes, slot: u16, published: u64) -> u64 {
    stripes.epoch(slot).unwrap_or(Epoch::new(published).down()).number()
}

/// Stores the epochs of the servers that are down, or of those that are not.
fn set_epochs(stripes: &Stripes, snapshot: &Snapshot, down: bool) {
    for entry in &snapshot.current.servers {
        let epoch = Epoch::new(entry.epoch);
        if epoch.is_odd() == down
            && let Err(Stands::Nothing(fault)) = stripes.set(entry.epoch_slot, epoch)
        {
            log::warn!("{}: its epoch cannot be told to unattended clients: {fault}", entry.server.name);
        }
    }
}

fn file_id(path: &Path) -> Option<(u64, u64)> {
    let about = std::fs::symlink_metadata(path).ok()?;
    about.file_type().is_socket().then_some((about.dev(), about.ino()))
}
