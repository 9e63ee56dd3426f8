//! What is known of a pool: its file, and its table when there is one.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::{self, Order, PoolFile};
use crate::rules::address::Address;
use crate::rules::pool::{Pool, Server, ServerId};
use crate::rules::time::Stamp;
use crate::rules::view::{ServerView, State, View};
use crate::table::stripes::Stripes;
use crate::table::{Attendance, Fault, Reader, Refusal, ServerEntry, Snapshot, Trust, identity};

use super::Answer;
use super::text::clean;

/// How often a table is read anew that its writer changes again and again.
const TRIES: u32 = 16;

/// A pool file, and the table that goes with it.
#[derive(Debug)]
pub struct Known {
    /// What the file says.
    pub file: PoolFile,
    /// The table.
    pub table: Table,
}

/// The table, as far as it can be read.
#[derive(Debug)]
pub enum Table {
    /// The pool file names none.
    None,
    /// There is none, or one that is not used.
    Refused(Refusal),
    /// It says this.
    Read(Box<Seen>),
}

/// What a table says, and its reader.
#[derive(Debug)]
pub struct Seen {
    /// To look again.
    pub reader: Reader,
    trust: Trust,
    /// What it says.
    pub snapshot: Snapshot,
    /// Whether somebody sees to it that it is so.
    pub attendance: Attendance,
}

impl Known {
    /// Reads both.
    ///
    /// # Errors
    /// The messages of a pool file that cannot be used.
    pub fn read(path: &Path) -> Result<Known, Answer> {
        let file = config::read(path).map_err(|error| Answer::wrong(error.to_string()))?;
        let table = match &file.table {
            None => Table::None,
            Some(place) => match Seen::open(place, path) {
                Ok(seen) => Table::Read(Box::new(seen)),
                Err(refusal) => Table::Refused(refusal),
            },
        };
        Ok(Known { file, table })
    }

    /// The table, when it can be read.
    pub fn seen(&self) -> Option<&Seen> {
        match &self.table {
            Table::Read(seen) => Some(seen),
            _ => None,
        }
    }

    /// The table, when a daemon attends it.
    pub fn attended(&self) -> Option<&Seen> {
        self.seen().filter(|seen| seen.attendance == Attendance::Attended)
    }

    /// Whether the table's servers are those of the file.
    pub fn lists_agree(&self) -> bool {
        self.seen().is_none_or(|seen| is_of_list(&seen.snapshot, &self.file))
    }

    /// The pool, and each server's state: the table's, or else what the file orders.
    pub fn view(&self) -> View {
        let from_table = self.seen().and_then(|seen| {
            let pool = seen.snapshot.current.pool().ok()?;
            let previous = seen.snapshot.previous.as_ref().and_then(|list| list.pool().ok());
            Some((pool, seen.snapshot.current.views().collect(), seen.snapshot.swept, previous))
        });
        let (pool, views, swept, previous) = from_table.unwrap_or_else(|| {
            let views: Vec<ServerView> = self.file.orders.iter().map(|&order| ordered(order)).collect();
            (self.file.pool.clone(), views, false, None)
        });
        let mut view = View::new(pool.into());
        view.set_previous(previous.map(Into::into));
        view.refresh(1, views.into_iter());
        view.swept = swept;
        view
    }

    /// What is ordered for a server of whatever list: by its name.
    pub fn order_of(&self, name: &str) -> Order {
        let servers = self.file.pool.servers().iter().zip(&self.file.orders);
        servers.into_iter().find(|(server, _)| server.name == name).map_or(Order::Up, |(_, &order)| order)
    }
}

impl Seen {
    fn open(place: &Path, pool_file: &Path) -> Result<Seen, Refusal> {
        let trust = trust(pool_file);
        let reader = Reader::open(place, trust.clone())?;
        let attendance = Attendance::Unreadable;
        let mut seen = Seen { reader, trust, snapshot: Snapshot::default(), attendance };
        seen.look()?;
        Ok(seen)
    }

    /// Looks again.
    ///
    /// # Errors
    /// Why what is there now cannot be read.
    pub fn look(&mut self) -> Result<(), Refusal> {
        let mut tries = 0;
        loop {
            let read = self.reader.snapshot(&mut self.snapshot);
            self.attendance = self.reader.attendance(identity::boot_millis());
            tries += 1;
            match read {
                Err(Refusal { fault: Fault::Busy, .. }) if tries < TRIES => {}
                Err(refusal) => return Err(refusal),
                Ok(_) => break,
            }
        }
        // A writer that ended, or one that could not retire its table: another one may have begun.
        if self.attendance != Attendance::Attended && self.reader.revisit()? {
            self.reader.snapshot(&mut self.snapshot)?;
            self.attendance = self.reader.attendance(identity::boot_millis());
        }
        if !self.has_daemon() {
            self.hear_epochs();
        }
        Ok(())
    }

    /// While nobody attends the table, its clients tell each other of servers by their epochs
    /// (docs/one-view.md): an odd one is down, another even one than the table's is returned.
    fn hear_epochs(&mut self) {
        let Ok(stripes) = Stripes::open(self.reader.path(), &self.trust) else { return };
        if stripes.id() != self.snapshot.stripes {
            return;
        }
        for entry in &mut self.snapshot.current.servers {
            let Ok(epoch) = stripes.epoch(entry.epoch_slot) else { continue };
            let (state, reason) = match epoch.number() {
                same if same == entry.epoch => continue,
                odd if odd % 2 == 1 => (State::Down, "a client found it down, and no daemon attends"),
                _ => (State::Returned, "a client brought it back, and no daemon attends"),
            };
            if entry.state != state || entry.reason != reason {
                (entry.state, entry.since, entry.reason) = (state, Stamp::default(), reason.to_owned());
            }
        }
    }

    /// Whether a daemon is at work on the table, be it that it has only begun.
    pub fn has_daemon(&self) -> bool {
        matches!(self.attendance, Attendance::Attended | Attendance::Settling)
    }

    /// A server by its name.
    pub fn entry(&self, name: &str) -> Option<&ServerEntry> {
        self.snapshot.current.servers.iter().find(|entry| entry.server.name == name)
    }
}

/// Whose tables are believed: also those of the pool file's owner.
pub fn trust(pool_file: &Path) -> Trust {
    let owner = std::fs::metadata(pool_file).map(|about| about.uid());
    owner.into_iter().fold(Trust::default(), Trust::also)
}

/// Whether a snapshot's servers are those of the file, in their order.
pub fn is_of_list(snapshot: &Snapshot, file: &PoolFile) -> bool {
    snapshot.current.servers.iter().map(|entry| &entry.server).eq(file.pool.servers())
}

/// A server of which no more is known than what is ordered for it.
fn ordered(order: Order) -> ServerView {
    let state = match order {
        Order::Up => State::Steady,
        Order::Draining => State::Draining,
        Order::Down => State::Down,
    };
    ServerView { state, ..ServerView::default() }
}

/// Which server of the pool a text means: by name, else by address, however that is written.
///
/// # Errors
/// That there is none, and which one was probably meant.
pub fn find(pool: &Pool, text: &str) -> Result<ServerId, Answer> {
    let address: Option<Address> = text.parse().ok();
    let by = |is: &dyn Fn(&Server) -> bool| pool.ids().find(|&id| is(pool.server(id)));
    by(&|server| server.name == text)
        .or_else(|| by(&|server| Some(&server.address) == address.as_ref()))
        .ok_or_else(|| Answer::wrong(nobody(pool, text)))
}

/// The message for a server that is none of the pool's.
fn nobody(pool: &Pool, text: &str) -> String {
    let addresses: Vec<String> = pool.servers().iter().map(|server| server.address.to_string()).collect();
    let mut names: Vec<&str> = pool.servers().iter().map(|server| server.name.as_str()).collect();
    // One that was nearly met by its address is told by that.
    let near = config::closest(text, names.iter().copied())
        .or_else(|| config::closest(text, addresses.iter().map(String::as_str)));
    if let (Some(near), true) = (near, pool.servers().len() > FEW) {
        return format!("no server {:?} in the pool (did you mean {near}?)", clean(text));
    }
    if pool.servers().len() > FEW {
        return format!(
            "no server {:?} in the pool; `memcachectl status` shows its {}",
            clean(text),
            names.len()
        );
    }
    names.extend(near.filter(|near| !names.contains(near)).as_slice());
    config::unknown("server", text, &names)
}

/// In a larger pool a message does not list all servers.
const FEW: usize = 32;

/// How a server is called in a message: its name, and its address when that is another.
pub fn called(server: &Server) -> String {
    let address = server.address.to_string();
    if server.name == address { address } else { format!("{} ({address})", server.name) }
}

/// A state's word, in texts and documents.
pub fn word(state: State) -> &'static str {
    match state {
        State::Steady => "steady",
        State::Returned => "returned",
        State::Draining => "draining",
        State::Down => "down",
    }
}
