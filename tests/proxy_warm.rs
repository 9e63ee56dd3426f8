//! Once warm, the proxy allocates nothing for a request: neither for a get nor for a set, on one connection or on several,
//! without backups and with. A program of its own, because the allocator that counts serves a whole program.
#![cfg(feature = "programs")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::scratch::Scratch;
use support::server::{Memcached, free_port};
use support::wait;

/// The system's allocator, counting what all threads ask of it.
struct CountingAll;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for CountingAll {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAll = CountingAll;

const ASKED: &[u8] = b"get k1\r\nset k1 0 0 3\r\nabc\r\nget k2 k1\r\nmg k1 v f\r\ntouch k1 0\r\n";
const ANSWERED: &[u8] =
    b"VALUE k1 0 3\r\nabc\r\nEND\r\nSTORED\r\nVALUE k1 0 3\r\nabc\r\nEND\r\nVA 3 f0\r\nabc\r\nTOUCHED\r\n";

#[test]
fn a_warm_proxy_allocates_nothing_for_a_request() {
    for backup in ["none", "pairs"] {
        let servers: Vec<Memcached> = (0..4).map(|_| Memcached::start()).collect();
        let scratch = Scratch::new();
        let port = free_port();
        let list: String = servers
            .iter()
            .map(|server| format!("[[server]]\naddress = \"{}\"\n", server.address()))
            .collect();
        let pool = scratch.write(
            "pool.toml",
            &format!(
                "[pool]\nname = \"warm-{backup}\"\nbackup = \"{backup}\"\ntimeout = \"20s\"\n{list}\
                 [proxy]\nlisten = [\"127.0.0.1:{port}\"]\n"
            ),
        );
        // It ends with the process.
        drop(std::thread::spawn(move || memcache::proxy::run(pool, 1)));
        let mut clients: Vec<TcpStream> = (0..3)
            .map(|_| wait::until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok()))
            .collect();
        let mut room = [0u8; 4096];
        let mut ask = |clients: &mut [TcpStream], times: usize| {
            for _ in 0..times {
                for client in clients.iter_mut() {
                    client.write_all(ASKED).expect("it takes what is sent");
                }
                for client in clients.iter_mut() {
                    client.read_exact(&mut room[..ANSWERED.len()]).expect("an answer in time");
                    assert_eq!(&room[..ANSWERED.len()], ANSWERED);
                }
            }
        };
        clients
            .iter()
            .for_each(|client| client.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout"));
        clients[0].write_all(b"set k1 0 0 3\r\nabc\r\n").expect("sent");
        clients[0].read_exact(&mut [0; 8]).expect("stored");
        ask(&mut clients, 300);
        let before = COUNT.load(Ordering::Relaxed);
        ask(&mut clients, 300);
        let more = COUNT.load(Ordering::Relaxed) - before;
        // 5,400 requests; what the loop tells of itself ten times a second is a handful.
        println!("{more} allocations with backup = {backup}");
        assert!(more < 500, "{more} allocations with backup = {backup}");
    }
}
