//! The model of memcached beside the real program: the same random commands to both, by the codec to
//! the real one, and every answer compared. CAS numbers need not be equal, only correspond: the same
//! number of one always to the same number of the other.
//!
//! Nothing here waits for seconds to pass: expiry times are never, over, or far away. A remaining
//! time to live may differ by as much as passed between the two.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memcache::rules::wire::parse::Limits;
use memcache::rules::wire::pending::Pending;
use memcache::rules::wire::{Command, Direction, Reply, Verb};

use super::calls::key_bytes;
use super::memcached::Memcached as Model;
use super::message::{Answer, Ask, Bytes};
use super::rng::Rng;
use super::support::server::Memcached as Real;

/// What can be stored: numbers, what only looks like one, padding, nothing. No number of 2^63 or more:
/// there the real one looks for a minus sign, and beyond the value's end at that, so that its answer
/// depends on what lies there.
const VALUES: &[&[u8]] = &[
    b"",
    b"0",
    b"7",
    b"10",
    b"9 ",
    b"100  ",
    b"9000000000000000000",
    b"18446744073709551616",
    b"abc",
    b".5",
    b"5.5",
    b"-3",
    b" 4",
    b"1 x",
];
const EXPTIMES: &[i64] = &[0, 0, 0, 0, -1, 5_000, 2_592_000, 2_592_001, 1_000_000_000, 2_000_000_000];
/// A CAS number that neither has given.
const NEVER_SEEN: (u64, u64) = (u64::MAX >> 1, u64::MAX >> 1);

fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// A connection to the real one.
struct Wire {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Wire {
    fn to(real: &Real) -> Wire {
        let stream = TcpStream::connect(("127.0.0.1", real.port())).expect("our server listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
        Wire { stream, bytes: Vec::new() }
    }

    fn ask(&mut self, command: &Command<'_>) -> Answer {
        let (mut pending, mut out) = (Pending::default(), Vec::new());
        assert!(pending.ask((), command, true, &mut out), "{command:?}");
        pending.close(&mut out);
        self.stream.write_all(&out).expect("a question can be sent");
        loop {
            let next = pending.next(&self.bytes, true, &Limits::default(), |()| *command);
            if let Some(((), reply, taken)) = next.expect("it makes sense") {
                let answer = owned(&reply);
                self.bytes.drain(..taken);
                assert!(self.bytes.is_empty(), "out of step after {command:?}");
                return answer;
            }
            let mut piece = [0; 4096];
            let count = self.stream.read(&mut piece).expect("an answer in time");
            assert!(count > 0, "the server hung up after {command:?}");
            self.bytes.extend_from_slice(&piece[..count]);
        }
    }
}

fn owned(reply: &Reply<'_>) -> Answer {
    match *reply {
        Reply::Value(value) => Answer::Value {
            data: Bytes::from_slice(value.data),
            flags: value.flags,
            cas: value.cas,
            ttl: value.ttl,
            ttl_known: value.ttl_known,
            lease: value.lease,
            stale: value.stale,
        },
        Reply::Miss => Answer::Miss,
        Reply::Stored => Answer::Stored,
        Reply::NotStored => Answer::NotStored,
        Reply::Exists => Answer::Exists,
        Reply::NotFound => Answer::NotFound,
        Reply::Deleted => Answer::Deleted,
        Reply::Touched => Answer::Touched,
        Reply::Number(n) => Answer::Number(n),
        Reply::Ok => Answer::Ok,
        Reply::Version(_) => Answer::Version,
        Reply::Stats(block) => Answer::Stats(block.to_vec()),
        Reply::Meta { line, data } => Answer::Meta { line: line.to_vec(), data: data.map(Bytes::from_slice) },
        Reply::Noop => Answer::Noop,
        Reply::Unsupported => Answer::Unsupported,
        Reply::Refused(text) => Answer::Refused(text.to_vec().leak_text()),
    }
}

fn int(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("a number")
}

/// Refusals of the model are constants: the real one's are made such, a few bytes per kind.
trait LeakText {
    fn leak_text(self) -> &'static str;
}

impl LeakText for Vec<u8> {
    fn leak_text(self) -> &'static str {
        const KNOWN: &[&str] = &["ERROR", "CLIENT_ERROR cannot increment or decrement non-numeric value"];
        let text = String::from_utf8_lossy(&self).into_owned();
        KNOWN.iter().find(|known| **known == text).copied().unwrap_or_else(|| panic!("refused: {text}"))
    }
}

/// Both, and how their CAS numbers correspond.
struct Pair {
    wire: Wire,
    model: Model,
    to_real: BTreeMap<u64, u64>,
    to_model: BTreeMap<u64, u64>,
    story: Vec<String>,
}

impl Pair {
    /// `at_model` and `at_real` are the same command but for CAS numbers.
    fn compare(&mut self, at_model: &Command<'_>, at_real: &Command<'_>) {
        let before = unix_millis();
        let expected = self.model.execute(before, &Ask::of(at_model));
        let found = self.wire.ask(at_real);
        let passed = (unix_millis() - before) / 1000 + 2;
        self.story.push(format!("{at_real:?} -> {found:?}, the model {expected:?}"));
        if !self.same(&expected, &found, passed) {
            let from = self.story.len().saturating_sub(40);
            panic!("they differ:\n{}", self.story[from..].join("\n"));
        }
    }

    fn same(&mut self, expected: &Answer, found: &Answer, passed: u64) -> bool {
        match (expected, found) {
            (
                Answer::Value { data, flags, cas, ttl, ttl_known, lease, stale },
                Answer::Value {
                    data: data2,
                    flags: flags2,
                    cas: cas2,
                    ttl: ttl2,
                    ttl_known: known2,
                    lease: lease2,
                    stale: stale2,
                },
            ) => {
                let close = match (ttl, ttl2) {
                    (Some(one), Some(two)) => u64::from(one.abs_diff(*two)) <= passed,
                    (one, two) => one == two,
                };
                let rest = (data, flags, ttl_known, lease, stale) == (data2, flags2, known2, lease2, stale2);
                close && rest && self.correspond(*cas, *cas2)
            }
            (Answer::Stats(one), Answer::Stats(two)) => {
                // Of the real one's many lines the model has those that are read.
                let name = |line: &[u8]| line.split(|b| *b == b' ').nth(1).map(<[u8]>::to_vec);
                let names: Vec<_> = two.split(|b| *b == b'\n').filter_map(name).collect();
                one.split(|b| *b == b'\n').filter_map(name).all(|wanted| names.contains(&wanted))
            }
            (Answer::Meta { line, data }, Answer::Meta { line: line2, data: data2 }) => {
                let words = |line: &[u8]| line.split(|b| *b == b' ').map(<[u8]>::to_vec).collect::<Vec<_>>();
                let (one, two) = (words(line), words(line2));
                let word = |(one, two): (&Vec<u8>, &Vec<u8>)| match (one.split_first(), two.split_first()) {
                    (Some((b'c', one)), Some((b'c', two))) => self.correspond(int(one), int(two)),
                    (Some((b't', one)), Some((b't', two))) if one != b"-1" && two != b"-1" => {
                        int(one).abs_diff(int(two)) <= passed
                    }
                    _ => one == two,
                };
                one.len() == two.len() && data == data2 && one.iter().zip(&two).all(word)
            }
            (one, two) => one == two,
        }
    }

    fn correspond(&mut self, model: u64, real: u64) -> bool {
        (model == 0) == (real == 0)
            && *self.to_real.entry(model).or_insert(real) == real
            && *self.to_model.entry(real).or_insert(model) == model
    }

    /// Whether a number that grew shorter is padded depends on who else holds the item at that moment
    /// (an answer that is still being sent). The model always pads; here it learns what really is.
    fn adopt_padding(&mut self, key: &[u8]) {
        let look = Command::Fetch { key };
        let (now, found) = (unix_millis(), self.wire.ask(&look));
        self.model.execute(now, &Ask::of(&look));
        let item = self.model.items.get_mut(&Bytes::from_slice(key));
        if let (Answer::Value { data, lease, stale, ttl, .. }, Some(item)) = (found, item) {
            assert_eq!(data.trim_ascii_end(), item.data.trim_ascii_end());
            // What was not counted in its place has no marks, and no new expiry time either.
            (item.data, item.taken, item.stale) = (data, lease.is_some(), stale);
            item.expires = ttl.map(|ttl| (now / 1000) as i64 + i64::from(ttl));
        }
    }

    /// A CAS number that was seen, most likely one of the last; or one that never was.
    fn cas(&self, rng: &mut Rng) -> (u64, u64) {
        let back = rng.below(4) as usize;
        let seen = self.to_real.iter().rev().nth(back).map(|(model, real)| (*model, *real));
        seen.filter(|(model, _)| *model != 0 && !rng.chance(50)).unwrap_or(NEVER_SEEN)
    }

    /// A client's own command, with a CAS value or none.
    fn passed(&mut self, rng: &mut Rng) {
        let key = key_bytes(rng.below(4) as u8);
        let (of_model, of_real) = if rng.chance(300) { self.cas(rng) } else { (0, 0) };
        let mut words: Vec<String> = Vec::new();
        let some = |rng: &mut Rng, words: &mut Vec<String>, all: &[&str]| {
            for word in all {
                if rng.chance(300) {
                    let at = rng.below(words.len() as u64 + 1) as usize;
                    words.insert(at, word.to_string());
                }
            }
        };
        let exptime = *rng.pick(&["0", "0", "5000", "2592000", "2000000000"]);
        let (touch, vivify) = (format!("T{exptime}"), format!("N{exptime}"));
        let (letter, value) = match rng.below(100) {
            0..30 => {
                some(rng, &mut words, &["v", "c", "t", "f", "s", "k", &touch, &vivify, "R10000"]);
                (b'g', None)
            }
            30..60 => {
                let mode = format!("M{}", rng.pick(&["E", "A", "P", "R", "S"]));
                some(rng, &mut words, &["c", "k", "F7", &touch, &vivify, &mode, "I"]);
                (b's', Some(*rng.pick(VALUES)))
            }
            60..80 => {
                some(rng, &mut words, &["I", "k", &touch]);
                (b'd', None)
            }
            _ => {
                let mode = format!("M{}", rng.pick(&["I", "D", "+", "-"]));
                some(rng, &mut words, &["v", "c", "t", "k", &touch, &vivify, "J95", "D9", &mode]);
                (b'a', None)
            }
        };
        let with = |cas: u64| {
            let compared = (cas != 0 && letter != b'g').then(|| format!("C{cas}"));
            words.iter().cloned().chain(compared).collect::<Vec<_>>().join(" ").into_bytes()
        };
        let (flags_of_model, flags_of_real) = (with(of_model), with(of_real));
        let command = |flags| Command::Meta { letter, key, name: key, flags, value };
        self.compare(&command(&flags_of_model), &command(&flags_of_real));
        if letter == b'a' {
            self.adopt_padding(key);
        }
    }

    fn turn(&mut self, rng: &mut Rng) {
        if rng.chance(300) {
            return self.passed(rng);
        }
        let key = key_bytes(rng.below(4) as u8);
        let (flags, exptime) = (*rng.pick(&[0, 1, u32::MAX]), *rng.pick(EXPTIMES));
        let (value, (of_model, of_real)) = (*rng.pick(VALUES), self.cas(rng));
        let delta = *rng.pick(&[0, 1, 9, 95, 1 << 40]);
        let meta = rng.chance(500);
        let same = match rng.below(100) {
            0..12 => Command::Get { key, meta },
            12..24 => Command::Fetch { key },
            24..34 => Command::Lease { key, seconds: 1000 },
            34..38 => Command::GetAndTouch { key, exptime },
            38..60 => {
                let verbs = [Verb::Set, Verb::Set, Verb::Add, Verb::Replace, Verb::Append, Verb::Prepend];
                Command::Store { verb: *rng.pick(&verbs), key, flags, exptime, value }
            }
            60..66 => {
                let with = |cas| Command::Store { verb: Verb::Cas(cas), key, flags, exptime, value };
                return self.compare(&with(of_model), &with(of_real));
            }
            66..72 => {
                let with = |lease| Command::StoreLeased { key, flags, exptime, value, lease };
                return self.compare(&with(of_model), &with(of_real));
            }
            72..76 => {
                let with = |lease| Command::EndLease { key, lease };
                return self.compare(&with(of_model), &with(of_real));
            }
            76..81 => Command::Delete { key },
            81 => {
                let with = |cas| Command::Invalidate { key, cas };
                return self.compare(&with(of_model), &with(of_real));
            }
            82..92 => {
                let direction = *rng.pick(&[Direction::Incr, Direction::Decr]);
                let count = Command::Arithmetic { direction, key, delta };
                self.compare(&count, &count);
                return self.adopt_padding(key);
            }
            92..96 => Command::Touch { key, exptime },
            96 => Command::FlushAll { delay: 0 },
            97 => Command::Version,
            98 => Command::Stats { group: b"" },
            _ => Command::Noop,
        };
        self.compare(&same, &same);
    }
}

#[test]
fn model_vs_real() {
    let real = Real::start();
    let model = Model::new(u64::from(real.pid()), unix_millis(), true);
    let (to_real, to_model) = (BTreeMap::new(), BTreeMap::new());
    let mut pair = Pair { wire: Wire::to(&real), model, to_real, to_model, story: Vec::new() };
    let mut rng = Rng::new(1);
    for _ in 0..30_000 {
        pair.turn(&mut rng);
    }
}
