//! A server whose every byte is meant for a terminal, or for who reads the log.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use memcache::rules::view::State;
use memcache::table::{Notice, notice};

use crate::daemon::{Files, Watchd};
use crate::support::server::Memcached;
use crate::support::wait;

/// Cleans the screen, sets the title, turns the direction, forges a line and a priority of the journal.
const STEERING: &[u8] = b"\x1b[2J\x1b]0;owned\x07\x9b31m\xe2\x80\xae\r<0>forged\x00\xff";

/// How it answers.
#[derive(Default)]
struct Mood {
    /// It greets as a server does, and refuses to store.
    polite: AtomicBool,
    over: AtomicBool,
    refusals: AtomicU32,
}

fn answer(stream: TcpStream, mood: &Mood) -> Option<()> {
    let mut input = BufReader::new(stream.try_clone().ok()?);
    let mut output = stream;
    let mut line = Vec::new();
    let hostile = |words: &[&[u8]]| [words.concat(), STEERING.to_vec(), b"\r\n".to_vec()].concat();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let polite = mood.polite.load(Ordering::SeqCst);
        let reply = match &line[..] {
            _ if !polite => hostile(&[b""]),
            b"stats\r\n" => {
                let life = b"STAT pid 7\r\nSTAT uptime 100\r\nSTAT time 1700000100\r\n";
                [hostile(&[life, b"STAT version "]), b"END\r\n".to_vec()].concat()
            }
            b"mn\r\n" => b"MN\r\n".to_vec(),
            line if line.starts_with(b"set ") => {
                input.read_until(b'\n', &mut Vec::new()).ok()?;
                mood.refusals.fetch_add(1, Ordering::SeqCst);
                hostile(&[b"SERVER_ERROR "])
            }
            _ => hostile(&[b"ERROR "]),
        };
        output.write_all(&reply).ok()?;
    }
}

/// Serves everybody until the mood is over.
fn serve(listener: &TcpListener, mood: &Arc<Mood>) {
    for stream in listener.incoming() {
        if mood.over.load(Ordering::SeqCst) {
            return;
        }
        let mood = Arc::clone(mood);
        // Each ends with its client, which is the daemon.
        let _ = stream.map(|stream| std::thread::spawn(move || answer(stream, &mood)));
    }
}

#[test]
fn what_a_server_says_steers_nobody_who_reads_the_log() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    let mood = Arc::new(Mood::default());
    let server = std::thread::spawn({
        let mood = Arc::clone(&mood);
        move || serve(&listener, &mood)
    });
    let files = Files::new(&[address.to_string()], "interval = \"20ms\"");
    let watchd = Watchd::start(&files);
    files.wait_for(0, State::Down);
    mood.polite.store(true, Ordering::SeqCst);
    watchd.wait_to_say("it refused a probe: \"SERVER_ERROR \\x1b[2J\\x1b]0;owned\\x07");
    mood.polite.store(false, Ordering::SeqCst);
    let before = files.entry(0).reason;
    mood.polite.store(true, Ordering::SeqCst);
    let so_far = mood.refusals.load(Ordering::SeqCst);
    wait::until("some more trials", || (mood.refusals.load(Ordering::SeqCst) > so_far + 3).then_some(()));

    let steers = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    let said = watchd.said();
    assert!(!said.contains(steers), "{said:?}");
    assert!(!said.lines().any(|line| line.starts_with("<0>")), "{said}");
    assert_eq!(said.matches("owned").count(), 1, "what it says again is not told again:\n{said}");
    for reason in [before, files.entry(0).reason] {
        assert!(!reason.contains(steers) && !reason.contains("owned"), "{reason:?}");
    }
    drop(watchd);
    mood.over.store(true, Ordering::SeqCst);
    let _ = TcpStream::connect(address);
    server.join().expect("it ends");
}

/// Whoever can write to the servers can write the mark by which daemons tell each other which of them sweeps.
#[test]
fn what_stands_in_the_place_of_another_daemons_name_steers_nobody_either() {
    let servers = [Memcached::start(), Memcached::start()];
    let name = format!("\u{1b}[2J\u{9b}31m\u{202e}\r\n<0>forged{}", "x".repeat(5_000));
    let set = format!("set libmemcache:sweep:tried 0 0 {}\r\n{name}\r\n", name.len());
    for server in &servers {
        server.ask(&set, "STORED").expect("it stores");
    }
    let files = Files::new(&servers.each_ref().map(Memcached::address), "interval = \"50ms\"");
    let watchd = Watchd::start(&files);
    wait::until("a swept pool", || files.look()?.1.swept.then_some(()));
    assert!(notice::send(&files.table, &Notice::Sweep(None)), "the daemon is asked");
    watchd.wait_to_say("the pool tried is swept by another daemon: ");
    let said = watchd.said();
    assert!(
        !said.contains(|letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}'),
        "{said:?}"
    );
    assert!(!said.lines().any(|line| line.starts_with("<0>") || line.len() > 1_000), "{said}");
}
