//! A table that is damaged in every way under a client that uses it: whatever is in it, the client reads the right
//! values from the right servers.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memcache::client::{Client, TableAt};
use memcache::rules::operation::{Batch, Outcome, Read};
use memcache::rules::wire::Value;
use memcache::table::layout::{BUFFERS, FILE_BYTES, body, header, record};
use memcache::table::{Attendance, Lock, Settings, Trust, Writer, identity};

use crate::daemon::{Files, Watchd};
use crate::support::server::Memcached;
use crate::support::wait;

const ROUNDS: u64 = 10_000;
const SERVERS: usize = 4;
const KEYS: u64 = 40;

/// The part of a buffer that is used.
const USED: usize = 0x40 + body::SERVERS + (SERVERS + 1) * record::SIZE;

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

struct One<'a> {
    key: &'a [u8],
    found: Result<Vec<u8>, Outcome>,
}

impl Batch for One<'_> {
    fn len(&self) -> usize {
        1
    }
    fn key(&self, _: usize) -> &[u8] {
        self.key
    }
    fn settle(&mut self, _: usize, answer: Result<&Value<'_>, Outcome>) {
        self.found = answer.map(|value| value.data.to_vec());
    }
}

fn get(client: &mut Client, key: &[u8]) -> Result<Vec<u8>, Outcome> {
    let mut one = One { key, found: Err(Outcome::Timeout) };
    let _ = client.run(&mut Read::new(&mut one));
    one.found
}

/// Puts a whole table in place of the one that is there, as a writer does.
fn replace(path: &Path, bytes: &[u8]) -> File {
    let new = path.with_extension("made");
    fs::write(&new, bytes).expect("a file");
    fs::rename(&new, path).expect("a file");
    open(path)
}

fn open(path: &Path) -> File {
    File::options().write(true).open(path).expect("the table")
}

/// Damages a table somewhere. The bytes are those of the good one.
fn damage(random: &mut Random, file: &File, good: &[u8]) {
    let put = |at: usize, bytes: &[u8]| file.write_all_at(bytes, at as u64).expect("a store");
    let (here, there) = match random.below(2) {
        0 => (BUFFERS[0], BUFFERS[1]),
        _ => (BUFFERS[1], BUFFERS[0]),
    };
    let at = match random.below(3) {
        0 => random.below(0x180),
        _ => here + random.below(USED),
    };
    match random.below(7) {
        // Bits of a byte or a few.
        0 | 1 => (0..=random.below(8)).for_each(|_| put(at, &[good[at] ^ 1 << random.below(8)])),
        // A page that was lost, or is another one's.
        2 => put(at, &vec![0; 1 + random.below(4_000)]),
        3 => put(at, &(0..1 + random.below(4_000)).map(|_| random.below(256) as u8).collect::<Vec<_>>()),
        // Half of one generation in the other.
        4 => {
            let (from, length) = (random.below(USED), 1 + random.below(USED));
            let length = length.min(USED - from);
            put(here + from, &good[there + from..there + from + length]);
        }
        // The two generations, exchanged.
        5 => {
            put(here, &good[there..there + USED]);
            put(there, &good[here..here + USED]);
        }
        // Any generation, heartbeat or header word.
        _ => {
            let word = [header::GENERATION, header::HEARTBEAT, 8 * random.below(16)][random.below(3)];
            put(word, &(0..8).map(|_| random.below(256) as u8).collect::<Vec<_>>());
        }
    }
}

#[test]
fn ten_thousand_damages_of_the_table_mislead_no_client() {
    let servers: Vec<Memcached> = (0..SERVERS).map(|_| Memcached::without_lists()).collect();
    let files =
        Files::new(&servers.iter().map(Memcached::address).collect::<Vec<_>>(), "interval = \"50ms\"");
    let watchd = Watchd::start(&files);
    files.wait_until_met(SERVERS);
    let mut real = files.look().expect("a table").1;
    watchd.kill();
    // No machine is so loaded that a server of this test seems hung.
    real.current.options.timeout = Duration::from_secs(20);
    real.current.options.connect_timeout = Duration::from_secs(20);
    real.stripes = 0;

    // A copy of the daemon's table, in some of its generations. The first had one server more, which nobody is to use.
    let stranger = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    stranger.set_nonblocking(true).expect("a socket");
    let mut older = real.clone();
    let mut entry = older.current.servers[0].clone();
    let port = stranger.local_addr().expect("an address").port();
    entry.server.name = "stranger".to_owned();
    entry.server.address = format!("127.0.0.1:{port}").parse().expect("an address");
    older.current.servers.insert(0, entry);
    let path = files.scratch.path().join("copy.table");
    let lock = Lock::take(&path).expect("nobody has it");
    let settings = Settings { bound: Duration::from_secs(60), ..Settings::default() };
    let mut writer = Writer::create(lock, &settings, &older).expect("a table");
    let settling = writer.settle(identity::boot_millis());
    writer.attend(settling, identity::boot_millis()).expect("at once");
    let mut images = Vec::new();
    for number in 0..6 {
        real.published += number;
        writer.publish(&real).expect("published");
        images.push(fs::read(&path).expect("the table"));
    }

    let pool = Arc::new(real.current.pool().expect("a pool"));
    let at = TableAt { path: path.clone(), trust: Trust::default() };
    let mut client = Client::open_with_table(pool, Some(at));
    let text =
        |number: u64| (format!("key-{number}").into_bytes(), format!("value of {number}").into_bytes());
    for number in 0..KEYS {
        let (key, value) = text(number);
        let mut write = memcache::rules::operation::Write::new(&key, 0, 0, &value);
        assert_eq!(client.run(&mut write), Outcome::Stored);
    }

    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut file = open(&path);
    let (mut refused, mut attended, mut unreadable) = (0, 0, 0);
    for round in 0..ROUNDS {
        let good = &images[random.below(images.len())];
        if round.is_multiple_of(2_000) {
            // Another file in its place, of any length; and the old one says that it is not the one any more.
            let retired = good[header::GENERATION..header::GENERATION + 8].to_vec();
            let word = u64::from_ne_bytes(retired.try_into().expect("8 bytes")) ^ 1 << 47;
            file.write_all_at(&word.to_ne_bytes(), header::GENERATION as u64).expect("a store");
            replace(&path, &good[..random.below(FILE_BYTES)]);
        } else {
            (0..=random.below(3)).for_each(|_| damage(&mut random, &file, good));
        }
        let (key, value) = text(random.below(KEYS as usize) as u64);
        assert_eq!(get(&mut client, &key), Ok(value), "round {round}");
        attended += usize::from(client.attendance() == Some(Attendance::Attended));
        unreadable += usize::from(client.attendance() == Some(Attendance::Unreadable));
        refused += client.take_messages().len();
        if round.is_multiple_of(2_000) {
            file = replace(&path, good);
            wait::until("the client finds the new table", || {
                assert_eq!(get(&mut client, b"no such key"), Err(Outcome::Miss));
                (client.attendance() == Some(Attendance::Attended)).then_some(())
            });
        }
        for (at, length) in [(0, header::SIZE), (BUFFERS[0], USED + 8_192), (BUFFERS[1], USED + 8_192)] {
            file.write_all_at(&good[at..at + length], at as u64).expect("a store");
        }
        if round.is_multiple_of(3) {
            let (key, value) = text(random.below(KEYS as usize) as u64);
            assert_eq!(get(&mut client, &key), Ok(value), "round {round}, mended");
        }
    }
    println!(
        "attended after {attended} of {ROUNDS} damages, unreadable after {unreadable}: {refused} messages"
    );
    assert!(
        refused > 0 && unreadable > 1_000 && attended > 1_000,
        "it was looked at, and used where it was good"
    );
    assert!(stranger.accept().is_err(), "a server was asked that is in no list");
    for server in &servers {
        assert_eq!(server.stat("cmd_flush"), Some(0), "nobody had a reason");
    }
}
