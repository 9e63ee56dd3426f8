//! What a subject costs: its processor time, its system calls, its memory.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{keep, wait};

/// The processor time that all threads of a process have used, in nanoseconds.
pub fn cpu_nanos(pid: u32) -> u64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let of_one = |path: &Path| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    threads.flatten().filter_map(|thread| of_one(&thread.path())).sum()
}

/// The memory that a process has in use, in bytes.
pub fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The memory of a connection, in bytes: of one that was never used, and of one that has asked something
/// when all others did.
pub fn of_connections(pid: u32, address: &str, count: usize) -> [f64; 2] {
    let before = memory(pid);
    let mut all: Vec<TcpStream> = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}")));
    }
    // It has accepted all when it answers the last one.
    let last = all.last_mut().expect("at least one connection");
    ask(last);
    answered(last);
    let fresh = memory(pid);
    all.iter_mut().for_each(ask);
    all.iter_mut().for_each(answered);
    let used = memory(pid);
    // Closed by a reset: so many ports would rest for a minute.
    for stream in &all {
        let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
    }
    [fresh, used].map(|now| (now as f64 - before as f64) / count as f64)
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(b"get nothing\r\n").expect("a connection that takes a request");
}

fn answered(stream: &mut TcpStream) {
    let mut answer = [0; 5];
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"END\r\n");
}

/// How many system calls a process makes while `work` goes on, by name; nothing when this machine lets
/// nobody look.
pub fn system_calls(pid: u32, summary: &Path, work: impl FnOnce()) -> Vec<(String, u64)> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o"]).arg(summary).args(["-p", &pid.to_string()]);
    let Ok(mut child) = keep::spawn(strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()))
    else {
        return Vec::new();
    };
    let mut words = BufReader::new(child.stderr.take().expect("piped"));
    let mut first = String::new();
    let _ = words.read_line(&mut first);
    if first.contains("attached") {
        work();
    }
    // The signals that ask more politely are blocked in what we start, as they are in ourselves.
    let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::QUIT);
    let ended = wait::within(wait::PATIENCE, || child.try_wait().ok()?);
    match ended {
        Some(_) => keep::ended(&child),
        None => keep::kill(&mut child),
    }
    let text = std::fs::read_to_string(summary).unwrap_or_default();
    let calls = text.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [first, .., name] = words[..] else { return None };
        // The lines of figures begin with a share of the time.
        first.parse::<f64>().ok()?;
        (name != "total").then_some((name.to_owned(), words.get(3)?.parse().ok()?))
    });
    calls.collect()
}
