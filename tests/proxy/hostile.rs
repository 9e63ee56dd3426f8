//! Clients and servers that send anything at all.

use std::io::{ErrorKind, Read, Write};
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

/// How many bytes of what follows a text can belong to a value that it announced. A line begins anywhere in it: behind a value
/// whose end is not where it was said.
fn announced(text: &[u8]) -> usize {
    const STORES: [(&[u8], usize); 7] = [
        (b"set ", 4),
        (b"add ", 4),
        (b"replace ", 4),
        (b"append ", 4),
        (b"prepend ", 4),
        (b"cas ", 4),
        (b"ms ", 2),
    ];
    let mut most = 0;
    for line in text.split(|byte| matches!(byte, b'\n' | 0)) {
        for (start, (name, which)) in (0..line.len()).flat_map(|start| STORES.map(|store| (start, store))) {
            if !line[start..].starts_with(name) {
                continue;
            }
            let mut words = line[start..].split(|byte| *byte == b' ').filter(|word| !word.is_empty());
            let length = words.nth(which).and_then(|word| std::str::from_utf8(word).ok());
            // More than a memcached takes for a length is none.
            let length = length.and_then(|word| word.trim().parse().ok()).filter(|length| *length < 1 << 31);
            most = most.max(length.unwrap_or(0));
        }
    }
    most
}

/// Behind a text of any kind the same connection is asked what is known: it answers that, in that order, or is closed
/// (`None`). Whether the value was there still: others flush.
fn in_step(mut client: TcpStream, text: &[u8], round: u64) -> Option<bool> {
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    client.set_write_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    // Its last line ends; and there are lines for a half sent value to take.
    let line = [&[b'x'; 1000][..], b"\r\n"].concat();
    let value = format!("the value of {round}");
    let mark = format!("HD kstep{round} O{round}\r\n");
    let mut more = [b"\r\n", &line.repeat(2 + announced(text) / line.len())[..]].concat();
    more.extend_from_slice(
        format!("\r\nmn\r\nms step{round} {} k O{round}\r\n{value}\r\n", value.len()).as_bytes(),
    );
    // A server that reads no more has closed: what it said before does not matter.
    client.write_all(&more).ok()?;
    let mut said = answers_to(&mut client, mark.as_bytes())?;
    said.truncate(said.len() - mark.len());
    assert!(said.ends_with(b"MN\r\n"), "round {round}: before its mark it said {}", said.escape_ascii());
    client.write_all(format!("mn\r\nget step{round}\r\nmn\r\n").as_bytes()).ok()?;
    let told = answers_to(&mut client, b"END\r\nMN\r\n")?;
    let found = format!("MN\r\nVALUE step{round} 0 {}\r\n{value}\r\nEND\r\nMN\r\n", value.len());
    assert!(
        told == found.as_bytes() || told == b"MN\r\nEND\r\nMN\r\n",
        "round {round}, behind {}: {}",
        text.escape_ascii(),
        told.escape_ascii()
    );
    Some(told == found.as_bytes())
}

/// What comes up to these words, and nothing may come behind them. `None`: it was closed before.
fn answers_to(client: &mut TcpStream, last: &[u8]) -> Option<Vec<u8>> {
    let (mut told, mut room) = (Vec::new(), [0; 4096]);
    while !told.ends_with(last) {
        match client.read(&mut room) {
            Ok(0) => return None,
            Ok(count) => told.extend_from_slice(&room[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("neither {} nor an end, only {}", last.escape_ascii(), told.escape_ascii())
            }
            Err(_) => return None,
        }
    }
    Some(told)
}

#[test]
fn clients_may_send_anything() {
    let fleet = Fleet::start(3, "backup = \"pairs\"", "value = 100000\nbuffer = 200000");
    let proxy = fleet.proxy(&["--threads", "2"]);
    let before = proxy.memory();
    let rounds = 400;
    let (mut steps, mut hits, mut closed) = (0, 0, 0);
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
        match dice.roll(4) {
            // It goes, with answers unread.
            0 => {}
            _ => match in_step(client, &text, round) {
                Some(found) => (steps, hits) = (steps + 1, hits + u32::from(found)),
                None => closed += 1,
            },
        }
    }
    // Else the rounds show nothing: most texts do not end their connection, and most values are not flushed at once.
    assert!(steps >= 150 && hits > steps / 2, "{steps} in step, {hits} values found, {closed} closed");
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
