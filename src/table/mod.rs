//! The shared table: one view of a pool's servers for all processes of a machine.
//!
//! One file per pool, mapped into memory: one writer (the daemon), any number of readers in any
//! number of processes. A reader's question "did anything change?" is one load of one word. All the
//! rest happens only when it did: the reader copies the published bytes into memory of its own,
//! checks them there, and makes a [`Snapshot`] of them.
//!
//! The file format stands in `docs/table.md`; how the daemon and the clients agree by it, and by the two things
//! beside it, in `docs/one-view.md`. Beside it are the [`stripes`] file, through which processes take turns at a
//! key and agree on servers while nobody watches them, and the daemon's socket for a [`notice`].
//!
//! **Two whole snapshots and a word that says which.** The writer never touches the snapshot that
//! the word names; it writes the other one and then changes the word. So a writer that dies
//! between any two stores leaves the last good snapshot in force, without recovery of any kind. A single
//! buffer under a sequence lock needs half the room and would leave every reader without a view
//! when its writer dies in the middle; a pointer to freshly allocated room needs to know when the last
//! reader has left, which readers that never write cannot tell. What two buffers cannot prevent is a
//! reader overtaken twice while it copies: it notices (each buffer says which generation it holds,
//! before and after) and copies again, a bounded number of times.
//!
//! **Nothing read is believed.** The bytes can be anything: a writer died, a disk failed, somebody
//! else made the file. Sizes are checked before the copy, a checksum over it, every field
//! after it; what does not fit is refused with a [`Fault`] that says why, and the reader keeps its last good
//! view.
//!
//! In layers, each usable without the next: [`words`] (what a load and a store are, so that a model
//! checker can stand in), [`buffers`] (the protocol over any slice of words), [`layout`] (where
//! things are), [`snapshot`] (what is said, and to and from the rules' types), `encode` and `decode`,
//! [`map`] (the one mmap), [`writer`] and [`reader`] (files). docs/table.md has the layout byte by byte.

pub mod buffers;
mod decode;
mod encode;
pub mod fault;
pub mod identity;
pub mod layout;
pub mod lock;
pub mod map;
pub mod notice;
pub mod reader;
pub mod snapshot;
pub mod socket_file;
pub mod stripes;
pub mod words;
pub mod writer;

pub use decode::decode;
pub use encode::encode;
pub use fault::{Fault, Refusal, WriteError};
pub use lock::Lock;
pub use map::Trust;
pub use notice::Notice;
pub use reader::{Attendance, Reader};
pub use snapshot::{List, Progress, ServerEntry, Snapshot};
pub use stripes::{
    Epoch, Held, JournalKeeper, Kept, Noted, Overdue, Spoilt, Stands, Stripes, StripesSettings, TrialTurn,
};
pub use writer::{Settings, Settling, Writer};
