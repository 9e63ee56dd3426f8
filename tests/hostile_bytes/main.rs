//! Those who read foreign bytes, on bytes that nobody would send: requests and answers as they should be,
//! and then changed at random. What is demanded of them stands in `fuzz/checks.rs`, where `make fuzz` has a
//! fuzzer choose the bytes; here it is some thousands of the same ones each time, on stable Rust.
//!
//! `HOSTILE_ROUNDS=1000000 HOSTILE_SEED=7`: more of them, or others. `HOSTILE_SEEDS=FOLDER` leaves the
//! unchanged ones, and what was kept, there, for the fuzzer to begin with; `HOSTILE_KEEP=FOLDER` takes over what it found from there
//! (`make fuzz-keep`).

#![cfg(feature = "programs")]

#[path = "../../fuzz/checks.rs"]
mod checks;
#[allow(dead_code, reason = "what only a comparison asks of a sequence")]
#[path = "../proxy_conformance/corpus.rs"]
mod corpus;
#[path = "../proxy_conformance/render.rs"]
mod render;

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Numbers that are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound.max(1)
    }
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What is worth being put anywhere.
const WORDS: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b"\0",
    b" ",
    b"noreply",
    b"18446744073709551616",
    b"4294967296",
    b"-1",
    b"99999999999",
    b" b",
    b" q",
    b" Oabc",
    b"VALUE key 0 3\r\n",
    b"END\r\n",
    b"VA 3 kkey f0\r\n",
    b"SERVER_ERROR x\r\n",
];

/// `seed`, changed at a few places.
fn changed(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
            2 => drop(bytes.splice(at..end, bytes[at..end].repeat(3))),
            3 => bytes.truncate(at),
            4 => bytes.splice(at.., other[random.below(other.len() + 1)..].iter().copied()).for_each(drop),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.below(256) as u8),
        }
    }
    bytes
}

/// What is demanded of one reader.
type Check = fn(&[u8]);

/// One input may take so long, as with the fuzzer; most take less than a thousandth of it.
const LONGEST: Duration = Duration::from_secs(30);

/// Runs a check on one input after the other, and says which one it is that it fails on or does not come back from. How many
/// there were.
fn all_of_them(
    name: &str,
    longest: Duration,
    inputs: impl Iterator<Item = Vec<u8>> + Send + 'static,
    check: Check,
) -> usize {
    let now = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    let (told, done) = channel();
    let at_work = Arc::clone(&now);
    // It is left behind where it does not come back, and ends with the process.
    thread::spawn(move || {
        let mut count = 0;
        for input in inputs {
            *at_work.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), input.clone());
            check(&input);
            count += 1;
        }
        let _ = told.send(count);
    });
    loop {
        let said = done.recv_timeout(longest.min(Duration::from_secs(1)));
        let (since, input) = &*now.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = input.escape_ascii();
        match said {
            Ok(count) => return count,
            Err(RecvTimeoutError::Disconnected) => panic!("{name}: of these bytes: {bytes}"),
            Err(RecvTimeoutError::Timeout) => {
                assert!(since.elapsed() <= longest, "{name}: {longest:?} were not enough for {bytes}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "10ms were not enough for abc")]
fn an_input_that_takes_forever_is_named() {
    let forever: Check = |_| thread::park();
    all_of_them("nothing", Duration::from_millis(10), std::iter::once(b"abc".to_vec()), forever);
}

/// Runs a check on seeds as they are and on so many changed ones.
fn hostile(name: &str, seeds: Vec<Vec<u8>>, rounds: u64, check: Check) {
    if let Some(folder) = std::env::var_os("HOSTILE_SEEDS") {
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the seeds");
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(number.to_string()), seed).expect("a file for a seed");
        }
    }
    let mut random = Random(from_environment("HOSTILE_SEED", 20_261_128) | 1);
    let rounds = from_environment("HOSTILE_ROUNDS", rounds);
    let unchanged = seeds.clone().into_iter();
    let others = (0..rounds).map(move |_| {
        let (seed, other) = (&seeds[random.below(seeds.len())], &seeds[random.below(seeds.len())]);
        changed(seed, other, &mut random)
    });
    all_of_them(name, LONGEST, unchanged.chain(others), check);
}

#[test]
fn requests_changed_at_random() {
    let bytes = |sequence: &corpus::Sequence| -> Vec<u8> {
        sequence.steps.iter().flat_map(|step| render::rendered(step, 1, 2, 3, 1_700_000_000)).collect()
    };
    let all = corpus::read();
    let seeds: Vec<_> = all.iter().map(bytes).filter(|bytes| bytes.len() <= 4096).collect();
    hostile("client_bytes", seeds, 30_000, checks::client_bytes);
}

/// What a memcached says to each of the questions of `checks.rs`, in their order, and then to more of them.
const ANSWERS: [&str; 20] = [
    "VALUE key 0 3\r\nabc\r\nEND\r\n",
    "END\r\n",
    "VA 3 f0\r\nabc\r\n",
    "EN\r\n",
    "VALUE key 0 3 77\r\nabc\r\nEND\r\n",
    "VA 0 f0 t30 c5 W\r\n\r\n",
    "VA 3 f0 t-1 c5 X Z\r\nabc\r\n",
    "STORED\r\n",
    "EXISTS\r\n",
    "HD\r\n",
    "NF\r\n",
    "DELETED\r\n",
    "18446744073709551615\r\n",
    "TOUCHED\r\n",
    "OK\r\n",
    "VERSION 1.6.18\r\n",
    "STAT pid 1\r\nSTAT uptime 12\r\nSTAT time 1700000000\r\nEND\r\n",
    "VA 3 kkey O1\r\nabc\r\n",
    "MN\r\n",
    "CLIENT_ERROR bad command line format\r\n",
];

#[test]
fn answers_changed_at_random() {
    let mut random = Random(77);
    let mut seeds = Vec::new();
    for number in 0..400 {
        // The first bytes are what was asked; half of the seeds answer just that.
        let mut bytes = vec![number as u8];
        let asked: Vec<usize> = (0..8).map(|_| random.below(19)).collect();
        bytes.extend(asked.iter().map(|question| *question as u8));
        for question in asked {
            let answer = if number % 2 == 0 { question } else { random.below(ANSWERS.len()) };
            bytes.extend(ANSWERS[answer].bytes());
        }
        seeds.push(bytes);
    }
    hostile("server_bytes", seeds, 30_000, checks::server_bytes);
}

/// Bytes that mean something to a target whose input is what to do: so many of them, each once.
fn orders(count: u64, length: usize) -> Vec<Vec<u8>> {
    let mut random = Random(99);
    (0..count).map(|_| (0..1 + random.below(length)).map(|_| random.below(256) as u8).collect()).collect()
}

#[test]
fn calls_at_random_and_servers_that_lie() {
    hostile("c_calls", orders(40, 400), 100, checks::calls::calls);
}

#[test]
fn tables_changed_at_random() {
    let seeds: Vec<_> = (1..12).map(checks::tables::good_body).collect();
    hostile("table", seeds, 5_000, checks::tables::table_body);
    hostile("table_file", orders(100, 360), 3_000, checks::tables::table_file);
    hostile("stripes", orders(60, 500), 200, checks::tables::stripes_file);
}

#[test]
fn datagrams_and_lists_of_keys_changed_at_random() {
    let seeds = [
        "mc1 failed 127.0.0.1:11211\n",
        "mc1 failed unix:/a\n",
        "mc1 reload\n",
        "mc1 sweep [::1]:1\n",
        "mc1 sweep\n",
    ];
    let seeds = seeds.map(|text| text.as_bytes().to_vec()).to_vec();
    hostile("datagram", seeds, 50_000, checks::tables::datagram);
    let lines =
        b"key=a%20b exp=-1 la=1700000000 cas=3 fetch=no cls=1 size=63\nkey=k exp=1700000000 size=9 flags=0\n";
    hostile("key_list", vec![lines.to_vec()], 50_000, checks::tables::key_list);
}

/// So much is kept of what a fuzzer found for one target, in bytes.
const KEPT: usize = 18_500;

const _: () = assert!(KEPT <= u16::MAX as usize);

/// The order in which inputs of about the same length are taken: any, but the same each time.
fn lot(input: &[u8]) -> u64 {
    input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Some inputs of every length: each doubling of it has an equal share of the bytes, and those longer than it what it leaves.
/// The shortest alone would leave out what is reached by long sequences only. And one, before all, of the length that most have:
/// a table's body is never short.
fn chosen(mut inputs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let doubling = |input: &Vec<u8>| input.len().checked_ilog2().map_or(0, |log| log + 1);
    inputs.sort_by_cached_key(|input| (doubling(input), lot(input), input.clone()));
    let mut shares: Vec<_> = inputs.chunk_by(|one, other| doubling(one) == doubling(other)).collect();
    let (mut left, mut kept, mut others) = (KEPT, Vec::new(), Vec::new());
    let most = shares.iter().max_by_key(|share| share.len());
    let typical = most.and_then(|share| share.iter().min_by_key(|input| input.len()));
    if let Some(input) = typical.filter(|input| 2 + input.len() <= KEPT) {
        left -= 2 + input.len();
        kept.push(input.clone());
    }
    // Those that are longer than this leave too little for all others.
    shares.retain(|share| share[0].len() < KEPT / 4);
    for (number, share) in shares.iter().enumerate() {
        let mut part = left / (shares.len() - number);
        for input in share.iter().filter(|input| Some(*input) != typical) {
            match part.checked_sub(2 + input.len()) {
                Some(rest) => {
                    left -= part - rest;
                    part = rest;
                    kept.push(input.clone());
                }
                None => others.push(input),
            }
        }
    }
    // What is left is the shortest's.
    others.sort_by_key(|input| input.len());
    for input in others {
        let Some(rest) = left.checked_sub(2 + input.len()) else { break };
        left = rest;
        kept.push(input.clone());
    }
    kept
}

#[test]
fn of_every_length_some_are_kept() {
    let inputs: Vec<Vec<u8>> = (1..=2000).map(|length| vec![length as u8; length]).collect();
    let kept = chosen(inputs);
    let bytes: usize = kept.iter().map(|input| 2 + input.len()).sum();
    assert!((KEPT / 2..=KEPT).contains(&bytes), "{bytes} bytes");
    for doubling in 0..11 {
        assert!(kept.iter().any(|input| input.len().ilog2() == doubling), "2 to the {doubling}");
    }
}

/// Puts the inputs of a folder into one file, one behind the other, each with its length.
fn keep(folder: &Path, file: &Path) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let inputs =
        entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("an input")).collect();
    let mut kept = Vec::new();
    for input in chosen(inputs) {
        kept.extend_from_slice(&(input.len() as u16).to_le_bytes());
        kept.extend_from_slice(&input);
    }
    std::fs::write(file, kept).expect("a file to keep them in");
}

/// What a fuzzer has found worth keeping.
#[test]
fn what_was_found_before() {
    let checks: [(&str, Check); 9] = [
        ("client_bytes", checks::client_bytes),
        ("server_bytes", checks::server_bytes),
        ("pool_file", checks::pool_file),
        ("c_calls", checks::calls::calls),
        ("table", checks::tables::table_body),
        ("table_file", checks::tables::table_file),
        ("stripes", checks::tables::stripes_file),
        ("datagram", checks::tables::datagram),
        ("key_list", checks::tables::key_list),
    ];
    let found = std::env::var_os("HOSTILE_KEEP");
    for (name, check) in checks {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/kept").join(name);
        if let Some(folder) = &found {
            keep(&Path::new(folder).join(name), &file);
        }
        let kept = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let begins = std::env::var_os("HOSTILE_SEEDS").map(|folder| Path::new(&folder).join(name));
        let (mut rest, mut inputs) = (&kept[..], Vec::new());
        while let Some((length, more)) = rest.split_first_chunk::<2>() {
            let (input, more) = more.split_at(usize::from(u16::from_le_bytes(*length)));
            rest = more;
            inputs.push(input.to_vec());
            if let Some(folder) = &begins {
                std::fs::create_dir_all(folder).expect("a folder for the seeds");
                std::fs::write(folder.join(format!("kept-{}", inputs.len())), input)
                    .expect("a file for a seed");
            }
        }
        let count = all_of_them(name, LONGEST, inputs.into_iter(), check);
        assert!(count > 5, "{name}: {count} inputs");
    }
}

#[test]
fn pool_files_changed_at_random() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pools");
    let files = std::fs::read_dir(folder).expect("examples of pool files");
    let seeds: Vec<_> =
        files.map(|file| std::fs::read(file.expect("a file").path()).expect("a text")).collect();
    hostile("pool_file", seeds, 3_000, checks::pool_file);
}
