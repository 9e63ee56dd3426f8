//! What clients report, and whatever else arrives at the daemon's socket.

use std::os::unix::net::UnixDatagram;

use memcache::rules::view::State;
use memcache::table::{Attendance, Notice, notice};

use crate::daemon::{Files, Watchd};
use crate::support::server::Memcached;

/// So rarely that no regular probe falls into a test.
const RARELY: &str = "interval = \"60s\"";

#[test]
fn a_report_leads_to_a_probe_at_once() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], RARELY);
    let _watchd = Watchd::start(&files);
    files.wait_until_met(1);
    server.hang(); // its connections stay, so that only a probe can find out
    assert!(notice::send(&files.table, &Notice::Failed(server.address().parse().expect("an address"))));
    files.wait_for(0, State::Down);
    server.wake();
}

#[test]
fn the_end_of_its_connection_is_as_good_as_a_report() {
    let mut server = Memcached::without_lists();
    let files = Files::new(&[server.address()], RARELY);
    let _watchd = Watchd::start(&files);
    files.wait_until_met(1);
    server.kill();
    files.wait_for(0, State::Down);
}

#[test]
fn who_asks_for_a_sweep_is_heard() {
    let servers = [Memcached::without_lists(), Memcached::without_lists()];
    let files = Files::new(&[servers[0].address(), servers[1].address()], RARELY);
    let watchd = Watchd::start(&files);
    files.wait_until_met(2);
    assert!(notice::send(&files.table, &Notice::Sweep(Some("127.0.0.1:1".parse().expect("an address")))));
    assert!(notice::send(&files.table, &Notice::Sweep(None)));
    watchd.wait_to_say("a program asks for a sweep of the pool ");
    let second = servers[1].address();
    assert!(notice::send(&files.table, &Notice::Sweep(Some(second.parse().expect("an address")))));
    watchd.wait_to_say("a program asks for a sweep of what belongs on s1");
    assert_eq!(watchd.said().matches("asks for a sweep").count(), 2, "a server that is not there is none");
    assert_eq!(files.look().expect("a table").0, Attendance::Attended);
}

#[test]
fn ten_thousand_datagrams_of_anything_do_nothing() {
    let server = Memcached::without_lists();
    let files = Files::new(&[server.address()], RARELY);
    let watchd = Watchd::start(&files);
    files.wait_until_met(1);
    let before = files.look().expect("a table").1;
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.connect(notice::socket_path(&files.table)).expect("the daemon listens");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let good = format!("mc1 failed {}\n", server.address());
    for round in 0..10_000 {
        // Blocking: all of them are read.
        socket.send(&random.datagram(round, &good)).expect("the daemon reads");
    }
    // What is told last is understood.
    server.hang();
    socket.send(good.as_bytes()).expect("the daemon reads");
    let down = files.wait_for(0, State::Down);
    server.wake();
    assert_eq!((before.current.servers[0].state, down.epoch), (State::Steady, 1));
    let after = files.look().expect("a table");
    assert_eq!(after.0, Attendance::Attended);
    assert!(!watchd.said().contains("ERROR"), "{}", watchd.said());
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Noise, or a report with one byte changed, or something about a server that is not there.
    fn datagram(&mut self, round: usize, good: &str) -> Vec<u8> {
        let length = (self.next() % 700) as usize;
        match round % 4 {
            0 => (0..length).map(|_| self.next() as u8).collect(),
            1 => {
                let mut bytes = good.as_bytes().to_vec();
                let at = (self.next() as usize) % bytes.len();
                // A changed digit of the port is a server that is not there.
                bytes[at] ^= 1 << (self.next() % 8);
                bytes
            }
            2 => format!("mc1 sweep 127.0.0.1:{}\n", 1 + self.next() % 9_000).into_bytes(),
            _ => format!("mc1 failed 127.0.0.1:{}\n", 1 + self.next() % 9_000).into_bytes(),
        }
    }
}
