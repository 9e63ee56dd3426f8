//! Clients and servers that send anything at all.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::proxy::Fleet;
use crate::support::wait;

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

const WORDS: &[&[u8]] = &[
    b"get",
    b"gets",
    b"gat",
    b"set",
    b"add",
    b"cas",
    b"append",
    b"incr",
    b"decr",
    b"touch",
    b"delete",
    b"mg",
    b"ms",
    b"md",
    b"ma",
    b"me",
    b"mn",
    b"flush_all",
    b"stats",
    b"version",
    b"verbosity",
    b"quit",
    b"k",
    b"kk",
    b"0",
    b"1",
    b"-1",
    b"5",
    b"99999999999999999999",
    b"2000000",
    b"noreply",
    b"v",
    b"f",
    b"T5",
    b"N5",
    b"b",
    b"q",
    b"C1",
    b"MS",
    b"Yg==",
    b"\r\n",
    b"\n",
    b"\0",
    b"\r\nabcde\r\n",
    b"\xff\xfe",
    b"\t",
];

#[test]
fn clients_may_send_anything() {
    let fleet = Fleet::start(3, "backup = \"pairs\"", "value = 100000\nbuffer = 200000");
    let proxy = fleet.proxy(&["--threads", "2"]);
    let before = proxy.memory();
    let rounds = 400;
    for round in 0..rounds {
        let mut dice = Dice(round);
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).expect("it takes clients in");
        let mut text = Vec::new();
        for _ in 0..dice.roll(200) {
            match dice.roll(8) {
                0 => text.extend((0..dice.roll(40)).map(|_| dice.roll(256) as u8).collect::<Vec<_>>()),
                1 => text.extend_from_slice(b"\r\n"),
                _ => {
                    text.extend_from_slice(WORDS[dice.roll(WORDS.len())]);
                    text.push(b' ');
                }
            }
        }
        let cut = dice.roll(text.len() + 1);
        // It may be gone by then.
        let _ = client.write_all(&text[..cut]).and_then(|()| client.write_all(&text[cut..]));
        if dice.roll(2) == 0 {
            client.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
            let _ = client.read(&mut [0; 4096]);
        }
    }
    let mut client = proxy.client();
    // A flush of theirs may still be under way.
    wait::until("a sane client is served", || {
        assert_eq!(client.set("sane", b"v"), "STORED", "{}", proxy.said());
        (client.get("sane") == Ok(Some(b"v".to_vec()))).then_some(())
    });
    let grown = proxy.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "it grew by {grown} bytes");
}

/// A server that answers everything with bytes that make no sense, or no end.
fn liar(port: &mut u16, seed: u64) -> thread::JoinHandle<()> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    *port = listener.local_addr().expect("its number").port();
    thread::spawn(move || {
        let mut dice = Dice(seed);
        for client in listener.incoming().take(300) {
            let Ok(mut client) = client else { return };
            let mut room = [0; 4096];
            let _ = client.set_read_timeout(Some(Duration::from_secs(5)));
            while let Ok(count) = client.read(&mut room) {
                let says: &[u8] = match dice.roll(7) {
                    _ if count == 0 => break,
                    0 => b"VALUE k 0 99999999999\r\n",
                    1 => b"STORED\r\n",
                    2 => b"\xff\xff\xff\xff\r\n",
                    3 => b"VA 3 kother f0\r\nabc\r\n",
                    4 => b"STAT pid 1\r\nSTAT time 1\r\nSTAT uptime 1\r\nEND\r\nMN\r\n",
                    5 => b"END\r\nEND\r\nEND\r\n",
                    _ => &[b'x'; 4000],
                };
                if client.write_all(says).is_err() {
                    break;
                }
            }
        }
    })
}

#[test]
fn servers_may_answer_anything() {
    let mut ports = [0; 2];
    for (seed, port) in (1..).zip(&mut ports) {
        // They end with the test's process.
        drop(liar(port, seed));
    }
    let fleet = Fleet::start(1, "backup = \"none\"", "");
    let text = std::fs::read_to_string(&fleet.pool).expect("the pool file");
    let servers: String =
        ports.iter().map(|port| format!("[[server]]\naddress = \"127.0.0.1:{port}\"\n")).collect();
    std::fs::write(&fleet.pool, text.replacen("[[server]]", &format!("{servers}[[server]]"), 1))
        .expect("written");
    let proxy = fleet.proxy(&[]);
    let before = proxy.memory();
    let mut client = proxy.client();
    for number in 0..300 {
        let key = format!("k{number}");
        let _ = client.set(&key, b"v");
        let _ = client.get(&key);
        let _ = client.ask(&format!("incr {key} 1\r\n"));
        let _ = client.ask(&format!("mg {key} s\r\n"));
    }
    assert_eq!(client.ask("mn\r\n"), "MN", "{}", proxy.said());
    let grown = proxy.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "it grew by {grown} bytes");
}
