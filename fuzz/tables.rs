//! What is demanded of those who read what other processes write: the table, the stripes file, and what comes to the
//! daemon's socket. Whatever the bytes: no panic, nothing out of bounds, an end; what is accepted is sound.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use memcache::rules::address::Address;
use memcache::rules::places;
use memcache::table::layout::{BUFFERS, Header, SHAPE};
use memcache::table::stripes::layout as stripes;
use memcache::table::{
    Epoch, Lock, Notice, Snapshot, Stripes, StripesSettings, Trust, buffers, decode, encode, identity,
    layout, notice,
};

use super::reader::Bytes;

#[path = "../tests/table/sample.rs"]
mod sample;

/// What a table says of a pool, under a checksum that is right.
pub fn table_body(bytes: &[u8]) {
    let Ok(snapshot) = decode(7, bytes) else { return };
    for list in [Some(&snapshot.current), snapshot.previous.as_ref()].into_iter().flatten() {
        let pool = list.pool().expect("what is read makes a pool");
        places::home(&pool, b"key");
        let walked = places::Walk::new(&pool, b"key").count();
        assert!(walked <= pool.servers().len(), "a walk meets each server once");
    }
    let mut again = Vec::new();
    encode(&snapshot, &mut again).expect("what is read can be written");
    assert_eq!(decode(7, &again).as_ref(), Ok(&snapshot), "and read again");
}

/// A folder that is there for as long as something is made in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let folder = std::env::temp_dir().join(format!("memcache-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A good table, in memory.
static TABLE: LazyLock<Mutex<Vec<AtomicU64>>> = LazyLock::new(|| {
    let folder = Folder::new();
    let path = folder.0.join("table");
    drop(sample::table(&path, 9));
    let file = std::fs::read(&path).expect("a table");
    Mutex::new(file.as_chunks().0.iter().map(|word| AtomicU64::new(u64::from_ne_bytes(*word))).collect())
});

/// What a good table says, of two lists of servers or of one.
pub fn good_body(number: u64) -> Vec<u8> {
    let mut body = Vec::new();
    encode(&sample::snapshot(number), &mut body).expect("it fits");
    body
}

/// Words of `words` that are changed as the bytes say, near `places`; each with what was there.
fn changes(bytes: &mut Bytes<'_>, places: &[usize], size: usize) -> Vec<(usize, u64)> {
    let count = usize::from(bytes.byte()) % 33;
    let one = |_| {
        let place = places[usize::from(bytes.byte()) % places.len()];
        let at = (place / 8 + usize::from(bytes.short())) % (size / 8);
        (at, bytes.word())
    };
    (0..count).map(one).collect()
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A table file in which somebody has changed words.
pub fn table_file(bytes: &[u8]) {
    let words = locked(&TABLE);
    let mut bytes = Bytes(bytes);
    let heads = [0, 0, BUFFERS[0], BUFFERS[1]];
    let changed = changes(&mut bytes, &heads, layout::FILE_BYTES);
    let before: Vec<_> = changed.iter().map(|(at, word)| (*at, words[*at].swap(*word, Relaxed))).collect();
    let mut body = Vec::new();
    let read = Header::read(&words[..])
        .and_then(|_| buffers::read(&words[..], &SHAPE, &mut body, 3))
        .and_then(|stamp| decode(stamp.generation, &body));
    assert!(body.capacity() <= 2 * layout::FILE_BYTES, "memory for {} bytes", body.capacity());
    if let Ok(Snapshot { current, .. }) = read {
        current.pool().expect("what is read makes a pool");
    }
    before.iter().rev().for_each(|(at, word)| words[*at].store(*word, Relaxed));
}

/// A stripes file that is mapped, and the same file for whoever damages it.
struct Shared {
    stripes: Arc<Stripes>,
    file: File,
}

static STRIPES: LazyLock<Mutex<Shared>> = LazyLock::new(|| {
    let folder = Folder::new();
    let path = folder.0.join("stripes");
    let lock = Lock::take(&path).expect("nobody has it");
    drop(Stripes::create(&lock, &StripesSettings::default()).expect("a stripes file"));
    let stripes = Arc::new(Stripes::open(&path, &Trust::default()).expect("the stripes file"));
    let file = OpenOptions::new().read(true).write(true).open(Stripes::path_for(&path));
    Mutex::new(Shared { stripes, file: file.expect("the stripes file") })
});

/// A stripes file in which somebody has changed words, in the hands of those who use it.
pub fn stripes_file(bytes: &[u8]) {
    let shared = locked(&STRIPES);
    let mut bytes = Bytes(bytes);
    // As it was made: without turns, epochs and journals. What is in a journal that is nobody's is not looked at.
    let clean = vec![0; stripes::INDEXES_AT - stripes::header::CHANGES];
    shared.file.write_all_at(&clean, stripes::header::CHANGES as u64).expect("within the file");
    let places = [
        stripes::header::CHANGES,
        stripes::NAMESPACES_AT,
        stripes::EPOCHS_AT,
        stripes::TRIALS_AT,
        stripes::STRIPES_AT,
        stripes::JOURNALS_AT,
        stripes::INDEXES_AT,
        stripes::KEYS_AT,
    ];
    let mut keeper = (bytes.byte() % 2 == 0).then(|| shared.stripes.open_journal(1, Epoch::new(1))).flatten();
    for (at, word) in changes(&mut bytes, &places, stripes::FILE_BYTES) {
        if at * 8 >= stripes::header::CHANGES {
            shared.file.write_all_at(&word.to_ne_bytes(), 8 * at as u64).expect("within the file");
        }
    }
    let me = u64::from(std::process::id());
    while !bytes.0.is_empty() {
        let (what, slot) = (bytes.byte(), bytes.short() % 16);
        let epoch = Epoch::new(u64::from(slot % 4));
        match what % 10 {
            0 => drop(shared.stripes.epoch(slot)),
            1 => drop(shared.stripes.make_odd(slot, epoch)),
            2 => drop(shared.stripes.make_even(slot, epoch)),
            3 => drop(shared.stripes.note(slot % 2, epoch, bytes.some(40))),
            4 => drop(shared.stripes.note_all(slot % 2, epoch)),
            5 => drop(shared.stripes.try_turn(slot, identity::boot_millis() + 9, me)),
            6 => turn(&shared.stripes, u32::from(slot), me),
            7 => drop(shared.stripes.take_if_free(slot.into(), identity::boot_millis() + 9, me, || 0)),
            8 => read(keeper.as_mut()),
            _ => drop(keeper.as_ref().map(|keeper| keeper.close().and_then(|()| keeper.commit()))),
        }
    }
}

/// Whatever stands in a stripe, nobody waits for longer than his own deadline.
fn turn(stripes: &Stripes, hash: u32, me: u64) {
    let deadline = identity::boot_millis() + 2;
    if let Ok(held) = stripes.take(hash, deadline, me, identity::boot_millis) {
        assert!(held.deadline() <= deadline, "a turn ends with the call");
    }
}

fn read(keeper: Option<&mut memcache::table::JournalKeeper>) {
    let mut keys = 0;
    let each = &mut |key: &[u8]| {
        keys += 1;
        assert!(key.len() <= 250, "a key of {} bytes", key.len());
    };
    let _ = keeper.map(|keeper| keeper.read(each));
    assert!(keys <= stripes::JOURNAL_KEYS, "each once");
}

/// What came to the daemon's socket.
pub fn datagram(bytes: &[u8]) {
    let Some(read) = notice::parse(bytes) else { return };
    assert!(bytes.len() <= notice::LONGEST);
    assert_eq!(read.to_string().as_bytes(), bytes, "one spelling for one notice");
    assert!(!bytes[..bytes.len() - 1].iter().any(u8::is_ascii_control), "it goes into the log");
    if let Notice::Failed(address) | Notice::Sweep(Some(address)) = read {
        assert_eq!(address.to_string().parse::<Address>().as_ref(), Ok(&address));
    }
}

/// A line of a server's list of keys, as the sweep reads it.
pub fn key_list(bytes: &[u8]) {
    use memcache::watch::sweep::line;
    for text in bytes.split(|byte| *byte == b'\n') {
        if let Some((key, _)) = line::read(text, &mut [0; line::LONGEST_KEY]) {
            assert!((1..=250).contains(&key.len()), "a key of {} bytes", key.len());
        }
    }
}
