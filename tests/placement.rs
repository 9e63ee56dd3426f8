//! A key lives where libmemcached puts it: proven against the real library, key by key.
//!
//! `tests/peers/placement_libmemcached.c` is compiled and asked for the server of every key in every
//! pool; no server needs to run for that. The one difference is libmemcache's own rule, that a hash
//! of 0 becomes 1, and is pinned here too.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use memcache::rules::address::Address;
use memcache::rules::places::home;
use memcache::rules::pool::{Distribution, Options, Pool, Server};

const KEYS: usize = 120_000;
const SIZES: [u16; 6] = [1, 2, 3, 7, 8, 100];

/// A pool as both sides are told of it.
struct Fleet {
    distribution: Distribution,
    /// Addresses in our notation, and weights.
    servers: Vec<(String, u32)>,
}

impl Fleet {
    fn new(distribution: Distribution, servers: impl Iterator<Item = (String, u32)>) -> Fleet {
        Fleet { distribution, servers: servers.collect() }
    }

    fn ours(&self) -> Pool {
        let servers = self.servers.iter().map(|(address, weight)| {
            let address: Address = address.parse().expect("an address of this test");
            Server { name: address.to_string(), address, weight: *weight, backup: None }
        });
        let options = Options { distribution: self.distribution, ..Options::default() };
        Pool::new("", options, servers.collect())
    }

    /// The argument that describes it to the peer.
    fn argument(&self) -> String {
        let servers: Vec<_> = self
            .servers
            .iter()
            .map(|(address, weight)| match address.parse().expect("an address of this test") {
                Address::Tcp { host, port } => format!("{host}*{weight}*{port}"),
                Address::Unix(path) => format!("{path}*{weight}*0"),
            })
            .collect();
        let distribution = match self.distribution {
            Distribution::Modulo => "modula",
            Distribution::Ketama => "ketama",
        };
        format!("{distribution}={}", servers.join(","))
    }
}

/// The peer, compiled once for all tests of this file.
fn peer() -> &'static Path {
    static PEER: OnceLock<PathBuf> = OnceLock::new();
    PEER.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/placement_libmemcached.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = folder.join("placement_libmemcached");
        // Compiled aside and moved in place: another test run may be executing it.
        let fresh = folder.join(format!("placement_libmemcached.{}", std::process::id()));
        let built = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", source, "-lmemcached", "-o"])
            .arg(&fresh)
            .output();
        let needs = "this test compares with the real libmemcached and needs it and a C compiler: \
                     apt-get install gcc libc6-dev libmemcached-dev";
        let built = built.unwrap_or_else(|error| panic!("cc: {error}; {needs}"));
        let errors = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{source} does not build; {needs}\n{errors}");
        std::fs::rename(&fresh, &program).expect("the program just built");
        program
    })
}

/// The index of the server of each key in each fleet, as libmemcached has it.
fn libmemcached(fleets: &[Fleet], keys: &[Vec<u8>]) -> Vec<Vec<usize>> {
    let mut child = Command::new(peer())
        .args(fleets.iter().map(Fleet::argument))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program just built");
    let mut stdin = child.stdin.take().expect("piped");
    let lines: Vec<u8> = keys.iter().flat_map(|key| key.iter().chain(b"\n")).copied().collect();
    // Beside the reading, or both sides would wait for each other with full pipes.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(&lines).expect("the peer reads its keys"));
        child.wait_with_output().expect("the peer's output")
    });
    assert!(output.status.success(), "the peer ended with {}", output.status);
    let text = String::from_utf8(output.stdout).expect("numbers");
    let mut answers: Vec<_> = text.lines().collect();
    assert_eq!(answers.pop(), Some(format!("end {}", keys.len()).as_str()), "one line for each key");
    assert_eq!(answers.len(), keys.len());
    let numbers = |line: &str| line.split(' ').map(|number| number.parse().expect("an index")).collect();
    answers.into_iter().map(numbers).collect()
}

/// Keys of every length and of every byte that a key may have, the same in each run.
fn some_keys(count: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as usize
    };
    let allowed: Vec<u8> = (0x21..=0xff).filter(|&byte| byte != 0x7f).collect();
    let mut key = |index: usize| match index % 3 {
        // As programs name their keys; these differ in their last bytes only.
        0 => format!("session:{index}").into_bytes(),
        _ => (0..1 + random() % 250).map(|_| allowed[random() % allowed.len()]).collect(),
    };
    (0..count).map(&mut key).collect()
}

/// What the CRC gives before 0 becomes 1.
fn raw_value(key: &[u8]) -> u32 {
    (crc32fast::hash(key) >> 16) & 0x7fff
}

/// Keys whose hash is 0 until it becomes 1.
fn keys_of_hash_zero(count: usize) -> Vec<Vec<u8>> {
    let keys = (0..).map(|number: u64| format!("zero:{number}").into_bytes());
    keys.filter(|key| raw_value(key) == 0).take(count).collect()
}

/// Every key whose hash is not 0 must have the same home on both sides.
fn compare(fleets: &[Fleet], keys: &[Vec<u8>]) {
    let pools: Vec<_> = fleets.iter().map(Fleet::ours).collect();
    let mut used = vec![std::collections::BTreeSet::new(); pools.len()];
    for (key, theirs) in keys.iter().zip(libmemcached(fleets, keys)) {
        assert_eq!(theirs.len(), pools.len());
        for (index, (pool, their)) in pools.iter().zip(theirs).enumerate() {
            let modulo = fleets[index].distribution == Distribution::Modulo;
            if modulo && raw_value(key) == 0 {
                continue;
            }
            let our = home(pool, key).map(|id| id.index());
            assert_eq!(our, Some(their), "{:?} in {}", key.escape_ascii(), fleets[index].argument());
            used[index].insert(their);
        }
    }
    // A comparison that only ever saw one server would prove nothing.
    for (fleet, used) in fleets.iter().zip(used) {
        assert_eq!(used.len(), fleet.servers.len(), "servers of {} that got a key", fleet.argument());
    }
}

fn on_port(index: u16) -> String {
    format!("127.0.0.1:{}", 11211 + index)
}

/// What libmemcache 1.4.0 does, worked out apart from ours: 15 bits of the CRC-32 (IEEE), 0 becomes 1, and the servers in
/// their order.
fn slot_in_libmemcache(key: &[u8], servers: u32) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let crc = !key.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step));
    (crc >> 16 & 0x7fff).max(1) % servers
}

#[test]
fn modulo_is_libmemcaches_hash_and_order() {
    assert_eq!(slot_in_libmemcache(b"123456789", 0x8000), 0x4bf4, "the CRC of these is known: cbf43926");
    let mut keys = some_keys(KEYS / 10);
    keys.extend(keys_of_hash_zero(20));
    for size in SIZES {
        let pool = Fleet::new(Distribution::Modulo, (0..size).map(|index| (on_port(index), 1))).ours();
        for key in &keys {
            let theirs = slot_in_libmemcache(key, u32::from(size));
            assert_eq!(home(&pool, key).map(|id| u32::from(id.0)), Some(theirs), "{:?}", key.escape_ascii());
        }
    }
}

#[test]
fn modulo_is_libmemcacheds_crc_and_modula() {
    let fleet = |size| Fleet::new(Distribution::Modulo, (0..size).map(|index| (on_port(index), 1)));
    compare(&SIZES.map(fleet), &some_keys(KEYS));
}

#[test]
fn a_hash_of_zero_is_slot_one_and_not_libmemcacheds_slot_zero() {
    let fleets = SIZES.map(|size| Fleet::new(Distribution::Modulo, (0..size).map(|i| (on_port(i), 1))));
    let keys = keys_of_hash_zero(50);
    for (key, theirs) in keys.iter().zip(libmemcached(&fleets, &keys)) {
        assert_eq!(theirs, [0; SIZES.len()], "libmemcached has no such rule");
        for (fleet, size) in fleets.iter().zip(SIZES) {
            assert_eq!(home(&fleet.ours(), key).map(|id| id.0), Some(1 % size));
        }
    }
}

/// Point names: the port that is left out, other ports, v6 and unix sockets.
#[test]
fn a_ring_of_equal_weights_is_libmemcacheds() {
    let mut fleets: Vec<_> = SIZES
        .iter()
        .map(|&size| Fleet::new(Distribution::Ketama, (0..size).map(|index| (on_port(index), 1))))
        .collect();
    let mixed = ["10.0.0.1:11211", "cache.example:11211", "[::1]:11211", "[::1]:11212", "unix:/run/m.sock"];
    fleets.push(Fleet::new(Distribution::Ketama, mixed.iter().map(|text| (text.to_string(), 7))));
    compare(&fleets, &some_keys(KEYS));
}

#[test]
fn a_ring_of_weights_is_libmemcacheds() {
    let weighted = |size: u16, weight: fn(u32) -> u32| {
        Fleet::new(Distribution::Ketama, (0..size).map(|i| (on_port(i), weight(u32::from(i)))))
    };
    let mut fleets: Vec<_> = SIZES.iter().map(|&size| weighted(size, |i| 1 + i * 7 % 10)).collect();
    // 25, 47 and 50 are sizes in which rounding costs every server a block.
    fleets.extend([25, 47, 50].map(|size| weighted(size, |_| 3)));
    compare(&fleets, &some_keys(KEYS));
}

#[test]
fn a_server_with_less_than_a_blocks_share_gets_no_key_on_either_side() {
    let servers = [(on_port(0), 1_000), (on_port(1), 1_000_000)];
    let fleets = [Fleet::new(Distribution::Ketama, servers.into_iter())];
    let keys = some_keys(10_000);
    let pool = fleets[0].ours();
    assert!(libmemcached(&fleets, &keys).iter().all(|theirs| theirs == &[1]));
    assert!(keys.iter().all(|key| home(&pool, key).is_some_and(|id| id.0 == 1)));
}
