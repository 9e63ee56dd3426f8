//! `make bench-uring`: whether io_uring would serve the sockets of many servers better than send, poll and receive do. Nothing of it
//! is in the library; what came of it is in docs/speed.md.
//!
//! ```text
//! uring [--servers N,N...] [--keys N] [--rounds N] [--seconds N]
//! ```
//!
//! A batch is what the library sends and receives for a get of many keys: one line for each server, sent to all of them before any answer is
//! awaited. It is done in three ways over the same connections, in turn, in rounds; the client has a processor, the
//! servers have the others. A figure is that of the round in the middle, a ratio is taken within each round, and the best round is told beside: on a
//! machine that has other things to do, many short rounds find one that was not disturbed (--rounds 500 --seconds 0.003).
//!
//! - *in order*: a send for each server, then a receive for each, which sleeps. (Who waits for servers in turn like that
//!   cannot tell the one that hangs from the others.)
//! - *polled*: a send for each, then a poll for all that owe something and a receive for each that is ready, until none owes
//!   anything: the library's way.
//! - *ring*: sends and receives of all servers are handed to the kernel at once and awaited together, over registered
//!   descriptors, by a ring that does its work when it is waited for (SINGLE_ISSUER, DEFER_TASKRUN).

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use io_uring::{IoUring, opcode, types};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

#[path = "../../tests/support/mod.rs"]
mod support;

use support::keep;
use support::server::Memcached;

const VALUE: usize = 100;
const WAYS: [&str; 3] = ["polled", "in order", "ring"];

/// A connection, what is asked over it again and again, and the answer.
struct Talk {
    socket: TcpStream,
    question: Vec<u8>,
    answer: Vec<u8>,
    had: usize,
}

impl Talk {
    fn begin(server: &Memcached, keys: usize) -> Talk {
        let mut socket = TcpStream::connect(server.address()).expect("a server that takes connections");
        socket.set_nodelay(true).expect("a TCP socket");
        let (mut stores, mut question, mut answer) = (String::new(), "get".to_owned(), String::new());
        for key in 0..keys {
            let value = "v".repeat(VALUE);
            let _ = write!(stores, "set key-{key:07} 0 0 {VALUE} noreply\r\n{value}\r\n");
            let _ = write!(question, " key-{key:07}");
            let _ = write!(answer, "VALUE key-{key:07} 0 {VALUE}\r\n{value}\r\n");
        }
        answer.push_str("END\r\n");
        // It has stored all when it answers.
        stores.push_str("mn\r\n");
        socket.write_all(stores.as_bytes()).expect("a server that takes commands");
        let mut done = [0; 4];
        socket.read_exact(&mut done).expect("an answer");
        assert_eq!(&done, b"MN\r\n");
        question.push_str("\r\n");
        Talk { socket, question: question.into_bytes(), answer: vec![0; answer.len()], had: 0 }
    }

    fn owes(&self) -> bool {
        self.had < self.answer.len()
    }

    fn say(&mut self) {
        let sent = send(&self.socket, &self.question, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        assert_eq!(sent, Ok(self.question.len()));
        self.had = 0;
    }

    fn hear(&mut self, flags: RecvFlags) {
        let (came, _) = recv(&self.socket, &mut self.answer[self.had..], flags).expect("an answer");
        self.came(came);
    }

    fn came(&mut self, came: usize) {
        assert!(came > 0, "a server ended");
        self.had += came;
        assert!(self.owes() || self.answer.ends_with(b"END\r\n"));
    }
}

/// A batch; how many system calls it took.
fn in_order(talks: &mut [Talk]) -> usize {
    let mut calls = talks.len();
    talks.iter_mut().for_each(Talk::say);
    for talk in talks {
        while talk.owes() {
            talk.hear(RecvFlags::empty());
            calls += 1;
        }
    }
    calls
}

fn polled(talks: &mut [Talk]) -> usize {
    let mut calls = talks.len();
    talks.iter_mut().for_each(Talk::say);
    while talks.iter().any(Talk::owes) {
        let owing: Vec<usize> = (0..talks.len()).filter(|&at| talks[at].owes()).collect();
        let mut sockets: Vec<_> =
            owing.iter().map(|&at| PollFd::new(&talks[at].socket, PollFlags::IN)).collect();
        poll(&mut sockets, None).expect("sockets");
        let ready: Vec<bool> = sockets.iter().map(|socket| !socket.revents().is_empty()).collect();
        calls += 1;
        for (at, _) in owing.into_iter().zip(ready).filter(|(_, ready)| *ready) {
            talks[at].hear(RecvFlags::DONTWAIT);
            calls += 1;
        }
    }
    calls
}

/// Makes a ring with these sockets registered.
fn ring(talks: &[Talk]) -> io::Result<IoUring> {
    let entries = (2 * talks.len()).next_power_of_two() as u32;
    let ring = IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(entries)?;
    let sockets: Vec<i32> = talks.iter().map(|talk| talk.socket.as_raw_fd()).collect();
    ring.submitter().register_files(&sockets)?;
    Ok(ring)
}

fn by_ring(ring: &mut IoUring, talks: &mut [Talk]) -> usize {
    const SENT: u64 = 1 << 32;
    let receive = |at: usize, talk: &mut Talk| {
        let room = &mut talk.answer[talk.had..];
        let entry = opcode::Recv::new(types::Fixed(at as u32), room.as_mut_ptr(), room.len() as u32);
        entry.build().user_data(at as u64)
    };
    for (at, talk) in talks.iter_mut().enumerate() {
        talk.had = 0;
        let question = &talk.question;
        let entry = opcode::Send::new(types::Fixed(at as u32), question.as_ptr(), question.len() as u32);
        let entry = entry.flags(libc::MSG_NOSIGNAL).build().user_data(SENT | at as u64);
        // SAFETY: a talk's question stays where it is until its send has ended, which is awaited below.
        unsafe { ring.submission().push(&entry) }.expect("room for all");
    }
    for (at, talk) in talks.iter_mut().enumerate() {
        let entry = receive(at, talk);
        // SAFETY: nor does anybody use its answer's memory before the receive has ended.
        unsafe { ring.submission().push(&entry) }.expect("room for all");
    }
    let (mut open, mut calls) = (2 * talks.len(), 0);
    while open > 0 {
        ring.submit_and_wait(open).expect("a ring that works");
        calls += 1;
        let ended: Vec<_> = ring.completion().map(|entry| (entry.user_data(), entry.result())).collect();
        for (data, result) in ended {
            let result = usize::try_from(result).expect("no error");
            let talk = &mut talks[(data & (SENT - 1)) as usize];
            if data >= SENT {
                assert_eq!(result, talk.question.len());
            } else {
                talk.came(result);
                if talk.owes() {
                    let entry = receive(data as usize, talk);
                    // SAFETY: as above.
                    unsafe { ring.submission().push(&entry) }.expect("room for all");
                    continue;
                }
            }
            open -= 1;
        }
    }
    calls
}

/// What a batch costs: time and our own work, in microseconds, and system calls.
#[derive(Clone, Copy, Default)]
struct Cost {
    micros: f64,
    cpu: f64,
    calls: f64,
}

fn cost(batches: usize, mut batch: impl FnMut() -> usize) -> Cost {
    let cpu = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32).as_secs_f64()
    };
    let (begun, worked) = (Instant::now(), cpu());
    let calls: usize = (0..batches).map(|_| batch()).sum();
    let each = |seconds: f64| seconds * 1e6 / batches as f64;
    Cost {
        micros: each(begun.elapsed().as_secs_f64()),
        cpu: each(cpu() - worked),
        calls: calls as f64 / batches as f64,
    }
}

fn middle(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Measures with so many servers, and prints a line for each way.
fn measure(servers: &[Memcached], keys: usize, rounds: usize, seconds: f64) {
    let mut talks: Vec<Talk> = servers.iter().map(|server| Talk::begin(server, keys)).collect();
    let mut ring = match ring(&talks) {
        Ok(ring) => Some(ring),
        Err(error) => {
            println!(
                "no ring: {error}; is it forbidden (/proc/sys/kernel/io_uring_disabled, seccomp), or the kernel older than 6.1?"
            );
            None
        }
    };
    let warm = cost(50, || polled(&mut talks));
    let batches = ((seconds * 1e6 / warm.micros) as usize).clamp(10, 100_000);
    let mut all = Vec::new();
    for round in 0..rounds {
        let mut costs = [None; WAYS.len()];
        for turn in 0..WAYS.len() {
            let way = (round + turn) % WAYS.len();
            costs[way] = match (way, &mut ring) {
                (0, _) => Some(cost(batches, || polled(&mut talks))),
                (1, _) => Some(cost(batches, || in_order(&mut talks))),
                (_, Some(ring)) => Some(cost(batches, || by_ring(ring, &mut talks))),
                (_, None) => None,
            };
        }
        all.push(costs);
    }
    for (way, name) in WAYS.iter().enumerate() {
        let of =
            |what: fn(&Cost) -> f64| middle(all.iter().filter_map(|costs| costs[way].as_ref()).map(what));
        if all.iter().any(|costs| costs[way].is_none()) {
            continue;
        }
        let ratio = all.iter().filter_map(|costs| Some(costs[way]?.micros / costs[0]?.micros));
        let (micros, cpu, calls) = (of(|cost| cost.micros), of(|cost| cost.cpu), of(|cost| cost.calls));
        let best =
            all.iter().filter_map(|costs| costs[way]).map(|cost| cost.micros).fold(f64::INFINITY, f64::min);
        let ratio = middle(ratio);
        println!(
            "{:>7}  {name:<9}{micros:>9.1}{best:>9.1}{cpu:>9.1}{calls:>9.1}{ratio:>13.2}",
            servers.len()
        );
    }
}

/// What this thread starts from now on runs there.
fn pin(processors: &[usize]) {
    let mut set = CpuSet::new();
    processors.iter().for_each(|number| set.set(*number));
    // Where this is not allowed it is the kernel's choice.
    let _ = sched_setaffinity(None, &set);
}

const USAGE: &str = "usage: uring [--servers N,N...] [--keys N] [--rounds N] [--seconds N]";

fn main() {
    let (mut counts, mut keys, mut rounds, mut seconds) = (vec![8, 32, 100], 12, 20, 0.1);
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench"); // cargo says so
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| (1..=1_000).contains(number));
        let understood = match word.as_str() {
            "--servers" => value.split(',').map(number).collect::<Option<_>>().map(|all| counts = all),
            "--keys" => number(&value).map(|number| keys = number),
            "--rounds" => number(&value).map(|number| rounds = number),
            "--seconds" => value.parse().ok().map(|number| seconds = number),
            _ => None,
        };
        if understood.is_none() {
            eprintln!("{USAGE}");
            std::process::exit(64);
        }
    }
    keep::clear_up_when_interrupted();
    let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect();
    let most = counts.iter().copied().max().unwrap_or(0);
    if let [_, others @ ..] = &processors[..]
        && !others.is_empty()
    {
        pin(others);
    }
    let servers: Vec<_> = (0..most).map(|_| Memcached::start_with(&["-t", "1", "-m", "8"])).collect();
    pin(&processors[..1.min(processors.len())]);
    println!(
        "a batch: a get of {keys} keys of each server; {rounds} rounds of {seconds} s; {} processors",
        processors.len()
    );
    println!("servers  way             us  best us   cpu us    calls  of polled's");
    for count in counts {
        measure(&servers[..count], keys, rounds, seconds);
    }
}
