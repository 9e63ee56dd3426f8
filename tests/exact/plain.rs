//! Plain clients: what `client.c` does with the library, they do with a connection to a proxy. Each is a thread here.
//!
//! There is no failover in them. A client whose connection breaks goes on with the other proxy, and at some later step it
//! hangs up and tries its own again. A call whose connection broke, or that the proxy answered with an error, is one
//! without an answer: it may have been carried out.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use crate::chance::Rng;
use crate::crowd::Shape;
use crate::history::{Answer, Call, State, What, printed};
use crate::link::{BROKEN, Door, Link, Value};
use crate::support::crowd::now_ns;
use crate::values::{flags_of, piece, read_number, read_value, value_text};
use crate::world::TIMEOUT;

/// 20 days in seconds: nothing expires in a test.
const FAR_OFF: u32 = 1_728_000;
/// The most keys in one call.
const MANY: u64 = 8;
/// A proxy that says nothing for so long never will.
const PATIENCE: Duration = TIMEOUT.saturating_mul(5);
/// Of so many steps away from its own proxy, a client tries that again in one.
const AWAY: u64 = 64;

/// What a client says of itself while it is at work.
#[derive(Default)]
pub struct Progress {
    pub ready: AtomicBool,
    pub steps: AtomicU64,
    pub calls: AtomicU64,
    pub stop: AtomicBool,
    /// Nobody wants to know any more, and the proxies may be gone.
    abandoned: AtomicBool,
}

/// A client at work. It ends when it is told to, or dropped.
pub struct Plain {
    pub progress: Arc<Progress>,
    thread: Option<JoinHandle<Vec<Call>>>,
}

impl Plain {
    /// Starts one. Its number is one among all clients of the crowd.
    pub fn start(doors: &[Door], shape: Shape, number: usize, seed: u64, round: u64) -> Plain {
        let progress = Arc::new(Progress::default());
        let mut client = Client {
            doors: doors.to_vec(),
            home: number % doors.len(),
            at: number % doors.len(),
            link: None,
            shape,
            number,
            round,
            chance: Rng::new(printed(seed, number as u64 + 1)),
            progress: Arc::clone(&progress),
            schedule: None,
            writes: 0,
            calls: Vec::new(),
        };
        let thread = std::thread::spawn(move || {
            client.work();
            client.calls
        });
        Plain { progress, thread: Some(thread) }
    }

    /// Whether its thread came to an end.
    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Sends it home, after a last look at its keys; what it recorded.
    pub fn stop(mut self) -> Vec<Call> {
        self.progress.stop.store(true, Ordering::Release);
        let thread = self.thread.take().expect("it is at work");
        let calls = thread.join().expect("a plain client does not panic");
        let made = self.progress.calls.load(Ordering::Relaxed);
        assert_eq!(made, calls.len() as u64, "a plain client made more calls than could be recorded");
        calls
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.progress.abandoned.store(true, Ordering::Release);
        self.progress.stop.store(true, Ordering::Release);
    }
}

struct Client {
    doors: Vec<Door>,
    home: usize,
    at: usize,
    link: Option<Link>,
    shape: Shape,
    number: usize,
    round: u64,
    chance: Rng,
    progress: Arc<Progress>,
    /// What the system tells of this thread's time.
    schedule: Option<File>,
    writes: u64,
    calls: Vec<Call>,
}

impl Client {
    fn work(&mut self) {
        self.schedule = File::open("/proc/thread-self/schedstat").ok();
        let Shape { keys, counters, processes, pause_us, .. } = self.shape;
        for counter in (self.number..counters).step_by(processes) {
            self.set_counter(counter as u64);
        }
        for key in (self.number..keys).step_by(processes) {
            self.change(What::Set(State::Unknown), key as u32, 0);
        }
        self.progress.ready.store(true, Ordering::Release);
        while !self.progress.stop.load(Ordering::Acquire) {
            sleep(Duration::from_micros(self.chance.below(2 * pause_us + 1)));
            if self.at != self.home && self.chance.below(AWAY) == 0 {
                (self.link, self.at) = (None, self.home);
            }
            self.one_step();
            self.progress.steps.fetch_add(1, Ordering::Release);
        }
        for key in (self.number..keys + counters).step_by(processes) {
            if self.is_abandoned() {
                return;
            }
            self.get(key as u32, "get");
        }
    }

    fn is_abandoned(&self) -> bool {
        self.progress.abandoned.load(Ordering::Acquire)
    }

    fn one_step(&mut self) {
        let weights = self.shape.mix.0;
        let mut choice = self.chance.below(weights.iter().sum());
        let mut operation = 0;
        while choice >= weights[operation] {
            choice -= weights[operation];
            operation += 1;
        }
        let Shape { keys, counters, .. } = self.shape;
        let mut below = |first: usize, count: usize| first as u32 + self.chance.below(count as u64) as u32;
        // The operations of client.c.
        let key = if operation >= 11 { below(keys, counters) } else { below(0, keys) };
        let delta = 1 + self.chance.below(100);
        match operation {
            0 | 11 => drop(self.get(key, "get")),
            1 => self.get_many(),
            2 => drop(self.get(key, "gat")),
            3 => self.change(What::Touch, key, 0),
            4 => self.change(What::Set(State::Unknown), key, 0),
            5 => self.set_many(),
            6 => self.change(What::Add(State::Unknown), key, 0),
            7 => self.change(What::Replace(State::Unknown), key, 0),
            8 => self.cas(key),
            9 => self.change(What::Append(0), key, 0),
            10 => self.change(What::Delete, key, 0),
            12 => self.count(What::Incr(delta), key),
            _ => self.count(What::Decr(delta), key),
        }
    }

    /// The connection: of somebody who listens.
    fn connected(&mut self) {
        while self.link.is_none() && !self.is_abandoned() {
            self.link = Link::to(&self.doors[self.at], PATIENCE);
            if self.link.is_none() {
                self.at = (self.at + 1) % self.doors.len();
                sleep(Duration::from_millis(1));
            }
        }
    }

    /// Sends something and hears what comes. What it costs to be connected is no part of the call.
    fn call<T>(
        &mut self,
        what: What,
        request: &[u8],
        hear: impl FnOnce(&mut Link) -> Option<T>,
    ) -> (Call, Option<T>) {
        self.connected();
        let waited = self.waited_ns();
        let start = now_ns();
        let proxy = self.at;
        let heard = self.link.as_mut().and_then(|link| {
            link.send(request)?;
            hear(link)
        });
        let end = now_ns();
        let waited = self.waited_ns() - waited;
        if heard.is_none() {
            self.link = None;
            self.at = (self.at + 1) % self.doors.len();
        }
        let (process, proxy) = (self.number as u32, Some(proxy as u8));
        let call = Call { process, key: 0, start, end, waited, what, answer: Answer::Failed(BROKEN), proxy };
        (call, heard)
    }

    /// Those for which there is no room are lost, as with the processes.
    fn note(&mut self, call: Call) {
        self.progress.calls.fetch_add(1, Ordering::Relaxed);
        if self.calls.len() < self.shape.room {
            self.calls.push(call);
        }
    }

    /// How long this thread was ready and got no processor, since it began.
    fn waited_ns(&self) -> u64 {
        let mut text = [0; 128];
        let len = self.schedule.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or(0);
        let text = String::from_utf8_lossy(&text[..len]);
        text.split(' ').nth(1).and_then(|waited| waited.trim().parse().ok()).unwrap_or(0)
    }

    /// A name that no other write has.
    fn new_name(&mut self) -> u64 {
        self.writes += 1;
        (self.number as u64 + 1) << 40 | self.writes
    }

    fn key_text(&self, key: u32) -> String {
        let counter = u64::from(key).checked_sub(self.shape.keys as u64);
        match counter {
            Some(counter) => format!("count-{}-{counter}", self.round),
            None => format!("exact-{}-{key}", self.round),
        }
    }

    fn state_of(&self, key: u32, value: &Value) -> State {
        if self.key_text(key) != value.key {
            State::Garbled
        } else if (key as usize) < self.shape.keys {
            read_value(key, &value.bytes, value.flags)
        } else {
            read_number(&value.bytes)
        }
    }

    /// A read of one key. What was found, since when, and its token.
    fn get(&mut self, key: u32, verb: &str) -> Option<(State, u64, u64)> {
        let text = self.key_text(key);
        let (what, request) = match verb {
            "gat" => (What::GetAndTouch, format!("gat {FAR_OFF} {text}\r\n")),
            verb => (What::Get, format!("{verb} {text}\r\n")),
        };
        let mut values = Vec::new();
        let (call, ended) = self.call(what, request.as_bytes(), |link| link.values(&mut values));
        let answer = match (&values[..], ended) {
            ([], ended) => ended.unwrap_or(call.answer),
            ([value], Some(_)) => Answer::Hit(self.state_of(key, value)),
            // Cut off behind the value.
            (_, None) => call.answer,
            _ => Answer::Hit(State::Garbled),
        };
        self.note(Call { key, answer, ..call });
        match answer {
            Answer::Hit(state) => Some((state, call.start, values.first()?.token)),
            _ => None,
        }
    }

    /// Keys for one call, each once.
    fn choose_many(&mut self) -> Vec<u32> {
        let wanted = 2 + self.chance.below(MANY - 1);
        let mut keys: Vec<u32> = Vec::new();
        for _ in 0..wanted {
            let key = self.chance.below(self.shape.keys as u64) as u32;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    fn get_many(&mut self) {
        let keys = self.choose_many();
        let texts: Vec<String> = keys.iter().map(|key| self.key_text(*key)).collect();
        let request = format!("get {}\r\n", texts.join(" "));
        let mut values = Vec::new();
        let (call, ended) = self.call(What::Get, request.as_bytes(), |link| link.values(&mut values));
        let whole = ended.unwrap_or(call.answer);
        for (key, text) in keys.iter().zip(&texts) {
            let mut found = values.iter().filter(|value| value.key == *text);
            let answer = match (found.next(), found.next()) {
                (None, _) => whole,
                (Some(value), None) => Answer::Hit(self.state_of(*key, value)),
                _ => Answer::Hit(State::Garbled),
            };
            self.note(Call { key: *key, answer, ..call });
        }
    }

    /// Stores that are sent at once, each a call of its own.
    fn set_many(&mut self) {
        let keys = self.choose_many();
        let (mut names, mut request) = (Vec::new(), Vec::new());
        for key in &keys {
            let name = self.new_name();
            request.extend(self.store_text("set", *key, name, &value_text(*key, name), 0, ""));
            names.push(name);
        }
        let mut answers = Vec::new();
        let what = What::Set(State::Unknown);
        let (call, _) = self.call(what, &request, |link| {
            for _ in &keys {
                answers.push((link.answer()?, now_ns()));
            }
            Some(())
        });
        for (at, (key, name)) in keys.iter().zip(names).enumerate() {
            let (answer, end) = answers.get(at).copied().unwrap_or((call.answer, call.end));
            let what = What::Set(State::Value(printed(0, name)));
            self.note(Call { key: *key, what, answer, end, ..call });
        }
    }

    fn store_text(&self, verb: &str, key: u32, name: u64, value: &[u8], expire: u32, token: &str) -> Vec<u8> {
        let flags = flags_of(name);
        let head = format!("{verb} {} {flags} {expire} {}{token}\r\n", self.key_text(key), value.len());
        [head.as_bytes(), value, b"\r\n"].concat()
    }

    fn cas(&mut self, key: u32) {
        let Some((old @ State::Value(_), fetched, token)) = self.get(key, "gets") else { return };
        self.change(What::Cas { new: State::Unknown, old, fetched }, key, token);
    }

    /// A call that writes a value, or deletes or touches one. What it writes is found here.
    fn change(&mut self, what: What, key: u32, token: u64) {
        let name = self.new_name();
        let new = State::Value(printed(0, name));
        let expire = if self.chance.below(4) == 0 { FAR_OFF } else { 0 };
        let text = self.key_text(key);
        let store =
            |verb: &str, token: &str| self.store_text(verb, key, name, &value_text(key, name), expire, token);
        let (what, request) = match what {
            What::Add(_) => (What::Add(new), store("add", "")),
            What::Replace(_) => (What::Replace(new), store("replace", "")),
            What::Cas { old, fetched, .. } => {
                (What::Cas { new, old, fetched }, store("cas", &format!(" {token}")))
            }
            What::Append(_) => {
                let piece = piece(name);
                let head = format!("append {text} 0 0 {}\r\n{piece}\r\n", piece.len());
                (What::Append(name), head.into_bytes())
            }
            What::Delete => (what, format!("delete {text}\r\n").into_bytes()),
            What::Touch => (what, format!("touch {text} {FAR_OFF}\r\n").into_bytes()),
            _ => (What::Set(new), store("set", "")),
        };
        self.simple(what, key, &request);
    }

    /// A call that has one line for an answer.
    fn simple(&mut self, what: What, key: u32, request: &[u8]) {
        let (call, answer) = self.call(what, request, Link::answer);
        self.note(Call { key, answer: answer.unwrap_or(call.answer), ..call });
    }

    fn set_counter(&mut self, counter: u64) {
        // As client.c: some near both ends.
        let first = match counter % 4 {
            2 => u64::MAX - 500,
            3 => 20,
            _ => 1_000_000_000,
        };
        let key = (self.shape.keys as u64 + counter) as u32;
        let number = first.to_string();
        let request = format!("set {} 0 0 {}\r\n{number}\r\n", self.key_text(key), number.len());
        self.simple(What::Set(State::Number(first)), key, request.as_bytes());
    }

    fn count(&mut self, what: What, key: u32) {
        let (verb, delta) = match what {
            What::Incr(delta) => ("incr", delta),
            What::Decr(delta) => ("decr", delta),
            other => panic!("{other:?} is no counting"),
        };
        let request = format!("{verb} {} {delta}\r\n", self.key_text(key));
        self.simple(what, key, request.as_bytes());
    }
}
