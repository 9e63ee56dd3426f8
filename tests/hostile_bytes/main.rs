//! Those who read foreign bytes, on bytes that nobody would send: requests and answers as they should be,
//! and then changed at random. What is demanded of them stands in `fuzz/checks.rs`, where `make fuzz` has a
//! fuzzer choose the bytes; here it is some thousands of the same ones each time, on stable Rust.
//!
//! `HOSTILE_ROUNDS=1000000 HOSTILE_SEED=7`: more of them, or others. `HOSTILE_SEEDS=FOLDER` leaves the
//! unchanged ones there, for the fuzzer to begin with.

#![cfg(feature = "programs")]

#[path = "../../fuzz/checks.rs"]
mod checks;
#[allow(dead_code, reason = "what only a comparison asks of a sequence")]
#[path = "../proxy_conformance/corpus.rs"]
mod corpus;
#[path = "../proxy_conformance/render.rs"]
mod render;

use std::path::Path;

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

/// Runs a check on seeds as they are and on so many changed ones.
fn hostile(name: &str, seeds: &[Vec<u8>], rounds: u64, check: impl Fn(&[u8])) {
    if let Some(folder) = std::env::var_os("HOSTILE_SEEDS") {
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the seeds");
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(number.to_string()), seed).expect("a file for a seed");
        }
    }
    let mut random = Random(from_environment("HOSTILE_SEED", 20_261_128) | 1);
    seeds.iter().for_each(|seed| check(seed));
    for _ in 0..from_environment("HOSTILE_ROUNDS", rounds) {
        let (seed, other) = (&seeds[random.below(seeds.len())], &seeds[random.below(seeds.len())]);
        let bytes = changed(seed, other, &mut random);
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&bytes)));
        assert!(judged.is_ok(), "{name}: of these bytes: {}", bytes.escape_ascii());
    }
}

#[test]
fn requests_changed_at_random() {
    let bytes = |sequence: &corpus::Sequence| -> Vec<u8> {
        sequence.steps.iter().flat_map(|step| render::rendered(step, 1, 2, 3, 1_700_000_000)).collect()
    };
    let all = corpus::read();
    let seeds: Vec<_> = all.iter().map(bytes).filter(|bytes| bytes.len() <= 4096).collect();
    hostile("client_bytes", &seeds, 30_000, checks::client_bytes);
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
    hostile("server_bytes", &seeds, 30_000, checks::server_bytes);
}

#[test]
fn pool_files_changed_at_random() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pools");
    let files = std::fs::read_dir(folder).expect("examples of pool files");
    let seeds: Vec<_> =
        files.map(|file| std::fs::read(file.expect("a file").path()).expect("a text")).collect();
    hostile("pool_file", &seeds, 3_000, checks::pool_file);
}
