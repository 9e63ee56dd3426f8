//! The list of a server's keys (`lru_crawler metadump`), in parts that fit into memory.
//!
//! **What a memcached 1.6.18 was seen to do** (Debian's package, two cores):
//!
//! - `metadump all` walks the lists by which items grow old, while fetched items move between them: of 300,000 keys that were there all the time it
//!   missed 50 to 800 under load. `metadump hash` walks the hash table and missed none, also while the table was about to grow or
//!   growing (it waits until that is over). So `hash` it is; `all` only for a server that does not know it, and [`Dump::exact`] says so.
//! - 1,000,000 keys of 10 bytes: 70 MB of text, 0.4 s for one who reads as fast as they come.
//! - **Who reads slowly stops the server.** It has a buffer of its own for the list, and when that and the sockets are full the crawler waits *with the
//!   bucket's lock held*, for ever: no reader was disconnected within four minutes. A thread of the server that comes upon a key of that bucket waits
//!   too, with all of its connections: three of four hung within a few thousand gets. The table does not grow meanwhile. All goes on when the reader reads or hangs up (2 ms).
//!   So a list is read to its end at once, into memory, and worked through afterwards; the keys that nobody wants are dropped as they come, and if
//!   those that are left are too many, they are read in several goes ([`part`](super::part)). A daemon that is stopped in the middle of a list (SIGSTOP, a
//!   debugger, a machine cut off) does this to the server as long as it is: all that can be done about it is that a list is read in half a second per million keys.
//! - Another `metadump` while one is under way is answered `BUSY currently processing crawler request`, but when that one's reader is slow, it is answered
//!   nothing, and the thread that was asked hangs. So `stats` (`lru_crawler_running`) is asked first. The server crawls now and then by itself, too.
//! - With the crawler switched off (`lru_crawler disable`, `-o no_lru_crawler`) everything is answered `CLIENT_ERROR lru crawler disabled`; a class that is none,
//!   `BADCLASS invalid class id`, with or without a list under way. That is how a server is asked whether it has lists ([`supported`]).
//! - Expired items are not listed; stubs of leases and items marked stale are. Lines end in `\n`, the last one (`END`) in `\r\n`.
//!
//! Later versions answer `ERROR locked try again later` while their table grows, and some before them ended the list at once. So the statistics
//! are looked at before and after, and a list that is much too short around a growing table is read again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::net::SocketAddrAny;

use super::line::{self, Entry};
use super::part::{END, Part};
use super::talk::{Head, LOOK, Numbers, Talk, nonsense};

/// How long to wait before a server that is busy is asked again: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// A list that was too short is read so often.
const READINGS: u32 = 10;

/// How a list is read.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a connection may take to be made.
    pub connect: Duration,
    /// How long the server may send nothing when it owes something. It owes nothing while its table grows.
    pub silence: Duration,
    /// How long a server that makes a list for another, or crawls for itself, is asked again.
    pub busy: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        let (connect, silence) = (Duration::from_secs(1), Duration::from_secs(10));
        Settings { connect, silence, busy: Duration::from_secs(60) }
    }
}

/// Why there is no list. Its words are for a person, to be read behind the server's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It was told to end.
    Stopped,
    /// The server has no lists, or does not give any.
    Unsupported(&'static str),
    /// It could not be reached, hung up or fell silent; that is for its probes to judge.
    Lost(&'static str),
    /// It gives lists, but not now.
    Busy(&'static str),
    /// What it sent is no list.
    Nonsense(String),
}

impl Trouble {
    /// Whether it may be better another time.
    pub fn again(&self) -> bool {
        matches!(self, Trouble::Lost(_) | Trouble::Busy(_))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Stopped => f.write_str("the list of its keys was not read to the end: told to stop"),
            Trouble::Unsupported(why) => write!(f, "gives no list of its keys: {why}"),
            Trouble::Lost(why) => write!(f, "the list of its keys was not read to the end: {why}"),
            Trouble::Busy(why) => write!(f, "gives no list of its keys now: {why}"),
            Trouble::Nonsense(what) => write!(f, "sent what is no list of keys: {what}"),
        }
    }
}

/// Whether a server gives lists of its keys; it makes none for this. `Err`: it does not, or it was not to be asked.
pub fn supported(
    sites: &Arc<[SocketAddrAny]>,
    settings: &Settings,
    stop: &Arc<AtomicBool>,
) -> Result<(), Trouble> {
    let mut talk = Talk::open(sites, settings, stop)?;
    talk.send(b"lru_crawler metadump none\r\n")?;
    match talk.head(settings.silence)? {
        Head::NoSuchList => Ok(()),
        Head::Refused(trouble) => Err(trouble),
        Head::List => Err(Trouble::Nonsense("a list that nobody asked for".into())),
    }
}

/// How many items a server holds, as far as it knows.
pub fn items(
    sites: &Arc<[SocketAddrAny]>,
    settings: &Settings,
    stop: &Arc<AtomicBool>,
) -> Result<u64, Trouble> {
    Ok(Talk::open(sites, settings, stop)?.stats()?.items)
}

/// A server's list, part by part.
pub struct Dump {
    sites: Arc<[SocketAddrAny]>,
    settings: Settings,
    stop: Arc<AtomicBool>,
    /// Where the next part begins.
    from: u64,
    exact: bool,
    seen: u64,
}

impl Dump {
    /// At its beginning; nothing is asked yet. `stop` ends whatever is under way within a tenth of a second.
    pub fn new(sites: Arc<[SocketAddrAny]>, settings: Settings, stop: Arc<AtomicBool>) -> Dump {
        Dump { sites, settings, stop, from: 0, exact: true, seen: 0 }
    }

    /// Whether keys that were there all the time are in it for certain. A server that lists them only by age can
    /// miss some that are in use.
    pub fn exact(&self) -> bool {
        self.exact
    }

    /// How many keys the server listed the last time, wanted or not.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How much of the whole the parts so far were: 0 to 1.
    pub fn done(&self) -> f64 {
        self.from as f64 / END as f64
    }

    /// Reads the next part into `part`, the keys that `wanted` wants. False: there is none, all were read. Blocks as long as
    /// the server takes, about half a second for a million keys. After an error the same part can be asked for again.
    pub fn next_part(
        &mut self,
        part: &mut Part,
        wanted: &mut dyn FnMut(&[u8], &Entry) -> bool,
    ) -> Result<bool, Trouble> {
        if self.from >= END {
            return Ok(false);
        }
        for _ in 0..READINGS {
            if self.read(part, wanted)? {
                self.from = part.range().1;
                return Ok(true);
            }
            self.pause(PAUSES.1)?;
        }
        Err(Trouble::Busy("its hash table was growing each time, and the list was cut short"))
    }

    /// Reads the list once. False: it was cut short.
    fn read(
        &mut self,
        part: &mut Part,
        wanted: &mut dyn FnMut(&[u8], &Entry) -> bool,
    ) -> Result<bool, Trouble> {
        let (mut talk, before) = self.begin()?;
        part.begin(self.from);
        self.seen = 0;
        // A server lists what it has. What lists more for ever, by mistake or by malice, is no server.
        let most = before.items.saturating_mul(4).saturating_add(1 << 24);
        let mut room = [0; line::LONGEST_KEY];
        while !talk.keys(&mut |text| {
            let Some((key, entry)) = line::read(text, &mut room) else { return Err(nonsense(text)) };
            self.seen += 1;
            if self.seen > most {
                return Err(Trouble::Nonsense(format!("{most} keys, and no end")));
            }
            match part.takes(key) {
                Some(cut) if wanted(key, &entry) => part
                    .keep(cut, key, entry.size)
                    .map_err(|_| Trouble::Nonsense("far too many keys of one hash".into())),
                _ => Ok(()),
            }
        })? {
            talk.receive(self.settings.silence)?;
        }
        let after = talk.stats()?;
        let grew = before.growing || after.growing || before.power != after.power;
        Ok(!(grew && self.seen < before.items.min(after.items) / 4 * 3))
    }

    /// A connection over which the list has begun to come, and the statistics before.
    fn begin(&mut self) -> Result<(Talk, Numbers), Trouble> {
        let until = Instant::now() + self.settings.busy;
        let mut pause = PAUSES.0;
        loop {
            let mut talk = Talk::open(&self.sites, &self.settings, &self.stop)?;
            let before = talk.stats()?;
            let trouble = if before.crawling {
                Trouble::Busy("it is making one for somebody else, or looks for what is too old")
            } else {
                let list: &[u8] = if self.exact { b"hash" } else { b"all" };
                talk.send(&[b"lru_crawler metadump ", list, b"\r\n"].concat())?;
                // It waits until its table has grown.
                match talk.head(self.settings.silence.max(self.settings.busy))? {
                    Head::List => return Ok((talk, before)),
                    Head::NoSuchList if self.exact => {
                        self.exact = false;
                        continue;
                    }
                    Head::NoSuchList => return Err(Trouble::Unsupported("it has none of all keys")),
                    Head::Refused(trouble) => trouble,
                }
            };
            if !trouble.again() || Instant::now() >= until {
                return Err(trouble);
            }
            drop(talk);
            self.pause(pause)?;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn pause(&self, span: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + span;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Trouble::Stopped);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}
