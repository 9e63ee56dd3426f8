//! The stripes file: how the processes of a machine take turns at a key (rule 12), and agree on servers
//! when nobody watches them (docs/one-view.md).
//!
//! One file beside the table, `<table>.stripes`, mapped to be written by the daemon and by every client. Four
//! kinds of words: one per **stripe** (who is at work on the keys with this hash, and until when), one
//! **epoch** per server, one per server for whose turn it is to try it (a **trial**'s), and a count of the
//! epochs' changes, which is all that a call looks at while nothing changes. And a few **journals**: the keys that were changed
//! while a server was out of reach which is to keep what it holds. docs/stripes.md has the layout byte by byte.
//!
//! **Anybody may die anywhere.** No state lasts for longer than one exchange of one word. A stripe whose
//! holder ended is taken over at once, one whose holder was stopped when the deadline is over that the holder
//! itself has named; there is nothing to repair.
//!
//! **Nothing is believed for long.** The file can be written by every member of the pool's group, so any
//! word can be anything: a stripe's cannot keep anybody waiting for longer than his own deadline; an epoch's
//! has a check of its own. What a member of the group can do is to take turns that are not his, and to make the file
//! shorter under those who have it mapped: the group is for programs that may also write to the pool's servers.
//!
//! **Eight bytes a stripe, side by side.** Two calls on different keys meet in a cache line once in 2,048
//! times, in a stripe once in 16,384; the former costs a tenth of a microsecond of a call that
//! talks to servers. A line for each would be a megabyte, which no longer stays in a core's cache.

mod create;
pub mod epoch;
pub mod journal;
mod keeper;
mod kept;
pub mod layout;
mod owner;
mod trial;
pub mod turn;
pub mod word;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::Timespec;

use super::fault::{Fault, Refusal};
use super::identity;
use super::lock::beside;
use super::map::{FileId, SharedMap, Trust, describe, open_file};
use layout::{EPOCHS, EPOCHS_AT, FILE_BYTES, Header, NAMESPACES, NAMESPACES_AT, STRIPES, STRIPES_AT, header};
use owner::This;
use turn::{System, Turn};
use word::Owner;

pub use create::StripesSettings;
pub use epoch::{Epoch, Stands};
pub use journal::{Noted, Spoilt};
pub use keeper::JournalKeeper;
pub use kept::Kept;
pub use trial::TrialTurn;
pub use turn::Overdue;
pub use word::LONGEST;

/// What stands behind a table's name.
const ENDING: &str = ".stripes";

/// Whether a path is a stripes file's, by its name.
pub(super) fn is_path(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(ENDING.as_bytes())
}

/// A stripes file, mapped. To be shared by the threads of a process; a child of a fork goes on with it.
#[derive(Debug)]
pub struct Stripes {
    map: SharedMap,
    header: Header,
    this: This,
    path: PathBuf,
    made: bool,
    /// The file whose epochs it was made with.
    before: Option<u64>,
}

impl Stripes {
    /// Where the stripes file of a table is.
    pub fn path_for(table: &Path) -> PathBuf {
        beside(table, ENDING)
    }

    /// Opens the stripes file of the table at `table`: a client's way, the daemon's is
    /// [`Stripes::create`]. To be compared then: its [`id`](Stripes::id) with the one that the table names.
    ///
    /// # Errors
    /// Why it is not used, in words for a person. The process then has its own view only.
    pub fn open(table: &Path, trust: &Trust) -> Result<Stripes, Refusal> {
        let path = Stripes::path_for(table);
        Stripes::at(&path, trust).map_err(|fault| Refusal { path, fault })
    }

    fn at(path: &Path, trust: &Trust) -> Result<Stripes, Fault> {
        let stripes = Stripes::of_any_boot(path, trust)?;
        stripes.check_boot()?;
        Ok(stripes)
    }

    /// A good file, but for whose clock its deadlines are on.
    fn of_any_boot(path: &Path, trust: &Trust) -> Result<Stripes, Fault> {
        let file = match open_file(path, OFlags::RDWR) {
            Err(Fault::File(_, error)) if error == Errno::ACCESS.to_string() => return Err(Fault::Denied),
            file => file?,
        };
        let metadata = describe(&file)?;
        trust.check_shared(&metadata)?;
        let map = SharedMap::over(&file, FILE_BYTES)?;
        let header = Header::read(map.words())?;
        Ok(Stripes { map, header, this: This::default(), path: path.to_owned(), made: false, before: None })
    }

    fn check_boot(&self) -> Result<(), Fault> {
        if !identity::is_this_boot(self.header.boot, &self.path) {
            return Err(Fault::OtherBoot);
        }
        if self.header.clock != identity::time_namespace() {
            return Err(Fault::OtherClock);
        }
        Ok(())
    }

    /// Tells this file from every other one: the table names it ([`Snapshot::stripes`](super::Snapshot)). A
    /// client whose table names another one opens the file anew. Never 0.
    pub fn id(&self) -> u64 {
        self.header.id
    }

    /// Whether [`Stripes::create`] made the file: then its epochs are those of a file before it that
    /// [`goes on`](Stripes::goes_on_from), or all 0; and calls may still be under way that hold stripes of a file before it.
    pub fn is_new(&self) -> bool {
        self.made
    }

    /// Whether its epochs are what became of those in the file of that id: it is that file, or was made in its place just now.
    pub fn goes_on_from(&self, id: u64) -> bool {
        self.header.id == id || self.before == Some(id)
    }

    /// Whether its path still leads to this file: the daemon makes another one when somebody removed it.
    pub fn is_in_place(&self) -> bool {
        let named = std::fs::symlink_metadata(&self.path);
        named.is_ok_and(|named| FileId::of(&named) == self.map.id())
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    // Epochs.

    /// Grows with every change of any epoch: while it is the same, so are all of them. One load, to be done after
    /// the stripe was taken.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.changes_word().load(Ordering::Acquire)
    }

    /// The epoch in a slot.
    ///
    /// # Errors
    /// [`Fault::Epoch`] for a word that is none, and for a slot that is not there.
    pub fn epoch(&self, slot: u16) -> Result<Epoch, Fault> {
        Epoch::of(self.slot(slot)?.load(Ordering::SeqCst)).ok_or(Fault::Epoch(slot))
    }

    /// Adds 1 to the changes. To be called by who found an epoch that he did not know, **before** he acts on
    /// it: who changed it may have been killed before he could say so, and then others would not look.
    pub fn pass_on(&self) {
        self.changes_word().fetch_add(1, Ordering::SeqCst);
    }

    /// Writes will pass the server by: from an even epoch to the next odd one. Behind it stands a full
    /// memory fence, so that a look at the heartbeat that follows sees a daemon that settles, or that daemon
    /// sees this.
    ///
    /// # Errors
    /// What stands there instead of `from`, or that `from` is odd already.
    pub fn make_odd(&self, slot: u16, from: Epoch) -> Result<(), Stands> {
        if from.is_odd() { self.stands(slot) } else { self.change(slot, from, from.down()) }
    }

    /// The server was brought back and flushed: from an odd epoch to the next even one.
    ///
    /// # Errors
    /// What stands there instead of `from`, or that `from` is even already.
    pub fn make_even(&self, slot: u16, from: Epoch) -> Result<(), Stands> {
        if from.usable() { self.stands(slot) } else { self.change(slot, from, from.back()) }
    }

    /// A younger process of the server was met that nobody saw fall: from an even epoch to the next even one.
    ///
    /// # Errors
    /// What stands there instead of `from`, or that `from` is odd.
    pub fn restarted(&self, slot: u16, from: Epoch) -> Result<(), Stands> {
        if from.is_odd() { self.stands(slot) } else { self.change(slot, from, from.back()) }
    }

    /// Something may be executed by a server that is down which nobody could note (docs/one-view.md, "What a server may keep"):
    /// from an odd epoch to the next odd one, so that it is flushed whatever else is known of it.
    ///
    /// # Errors
    /// What stands there instead of `from`, or that `from` is even.
    pub fn make_odder(&self, slot: u16, from: Epoch) -> Result<(), Stands> {
        if from.usable() { self.stands(slot) } else { self.change(slot, from, from.back().down()) }
    }

    /// The daemon's: makes it this epoch, whatever smaller one stands there, or whatever damage.
    ///
    /// # Errors
    /// The larger epoch that stands there.
    pub fn set(&self, slot: u16, epoch: Epoch) -> Result<(), Stands> {
        let word = self.slot(slot).map_err(Stands::Nothing)?;
        epoch::set(word, self.changes_word(), epoch).map_err(Stands::Epoch)
    }

    fn change(&self, slot: u16, from: Epoch, to: Epoch) -> Result<(), Stands> {
        let word = self.slot(slot).map_err(Stands::Nothing)?;
        epoch::change(word, self.changes_word(), from, to)
            .map_err(|found| found.map_or(Stands::Nothing(Fault::Epoch(slot)), Stands::Epoch))
    }

    /// What stands there, for one who asked for a change that is none.
    fn stands(&self, slot: u16) -> Result<(), Stands> {
        Err(self.epoch(slot).map_or_else(Stands::Nothing, Stands::Epoch))
    }

    fn slot(&self, slot: u16) -> Result<&AtomicU64, Fault> {
        self.epochs().get(usize::from(slot)).ok_or(Fault::Epoch(slot))
    }

    fn epochs(&self) -> &[AtomicU64] {
        &self.map.words()[EPOCHS_AT / 8..][..EPOCHS]
    }

    fn changes_word(&self) -> &AtomicU64 {
        &self.map.words()[header::CHANGES / 8]
    }

    // Stripes.

    /// Takes the stripe of the keys with this hash until `deadline`, or [`LONGEST`] from now if that is
    /// sooner: [`Held::deadline`] tells. `now` reads the clock: [`identity::boot_millis`], whose milliseconds
    /// the deadline has too.
    ///
    /// `process` is any number that tells this process from its ancestors, whose memory it may have: who this
    /// is is then found out once. ([`std::process::id`] is one, at a system call.)
    ///
    /// One thread must not take a second one while it holds one: two hashes can have one stripe.
    ///
    /// # Errors
    /// When the deadline was over before the turn came.
    #[inline]
    pub fn take(
        &self,
        hash: u32,
        deadline: u64,
        process: u64,
        now: impl Fn() -> u64,
    ) -> Result<Held<'_>, Overdue> {
        let index = STRIPES_AT / 8 + hash as usize % STRIPES;
        let this = self.owner(process);
        let system = Linux { map: &self.map, index, this, now };
        let turn = turn::take(&self.map.words()[index], this, deadline, &system)?;
        Ok(Held { map: &self.map, index, turn })
    }

    /// Takes the stripe of the keys with this hash if it is free: for one who does not wait. Otherwise as [`Stripes::take`],
    /// and it is never taken over from anybody.
    pub fn take_if_free(
        &self,
        hash: u32,
        deadline: u64,
        process: u64,
        now: impl Fn() -> u64,
    ) -> Option<Held<'_>> {
        let index = STRIPES_AT / 8 + hash as usize % STRIPES;
        let this = self.owner(process);
        let system = Linux { map: &self.map, index, this, now };
        let turn = turn::take_free(&self.map.words()[index], this, deadline, &system)?;
        Some(Held { map: &self.map, index, turn })
    }

    /// Whether nobody holds this stripe: 0 up to [`layout::STRIPES`]. One load.
    pub fn is_free(&self, stripe: u32) -> bool {
        let word = &self.map.words()[STRIPES_AT / 8 + stripe as usize % STRIPES];
        word::Word(word.load(Ordering::Acquire)).pid() == 0
    }

    fn owner(&self, process: u64) -> Owner {
        self.this.owner(process, &self.map.words()[NAMESPACES_AT / 8..][..NAMESPACES])
    }
}

/// A stripe that this process holds; given back when it is dropped. One that was taken over is not, until it was
/// [proved](Held::proved): it stays taken, and who takes it when its deadline is past takes it over, and knows no less.
#[must_use]
#[derive(Debug)]
pub struct Held<'a> {
    map: &'a SharedMap,
    index: usize,
    turn: Turn,
}

impl Held<'_> {
    /// Until when it is held, in milliseconds of [`identity::boot_millis`]. After that nothing more may be
    /// sent, whether or not somebody has taken it over.
    pub fn deadline(&self) -> u64 {
        self.turn.deadline
    }

    /// Whether it was taken from a holder who ended, or overran his deadline. What that one has sent may still
    /// lie unread in a server's sockets, and be executed after what is sent now.
    pub fn taken_over(&self) -> bool {
        self.turn.taken_over
    }

    /// Nothing of that is still to be executed, or everybody was told where it may be.
    pub fn proved(&mut self) {
        self.turn.taken_over = false;
    }

    /// Whether nobody has taken it over. One load.
    #[inline]
    pub fn still_ours(&self) -> bool {
        turn::is_held(&self.map.words()[self.index], self.turn.own)
    }

    /// Whether at `now` something may still be sent under it.
    #[inline]
    pub fn in_time(&self, now: u64) -> bool {
        now < self.turn.deadline && self.still_ours()
    }

    /// Forgets it without giving it back: for the child of a fork, in which it is the parent's.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.turn.taken_over {
            return;
        }
        let this = self.turn.own.owner();
        let system = Linux { map: self.map, index: self.index, this, now: identity::boot_millis };
        turn::release(&self.map.words()[self.index], self.turn.own, &system);
    }
}

/// Linux, as one stripe's turn needs it.
struct Linux<'a, N> {
    map: &'a SharedMap,
    index: usize,
    this: Owner,
    now: N,
}

impl<N: Fn() -> u64> System for Linux<'_, N> {
    const SPINS: u32 = 100;

    fn now(&self) -> u64 {
        (self.now)()
    }

    fn is_gone(&self, holder: Owner) -> bool {
        owner::is_gone(holder, self.this)
    }

    fn sleep(&self, upper: u32, millis: u64) -> bool {
        let time = Timespec { tv_sec: (millis / 1_000) as i64, tv_nsec: (millis % 1_000 * 1_000_000) as _ };
        let half = self.map.upper_half(self.index);
        // Shared between processes: not a private futex.
        futex::wait(half, futex::Flags::empty(), upper, Some(&time)).is_ok()
    }

    fn wake(&self) -> bool {
        let woken = futex::wake(self.map.upper_half(self.index), futex::Flags::empty(), 1);
        woken.is_ok_and(|woken| woken > 0)
    }
}
