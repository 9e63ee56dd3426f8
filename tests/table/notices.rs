//! Datagrams to the daemon: sent without waiting, read strictly, and never in anybody's way.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use memcache::table::notice::{LONGEST, bind, parse, send, socket_path};
use memcache::table::{Lock, Notice};

use super::numbers::Numbers;
use super::support::scratch::Scratch;

fn failed(address: &str) -> Notice {
    Notice::Failed(address.parse().expect("an address"))
}

fn swept(address: &str) -> Notice {
    Notice::Sweep(Some(address.parse().expect("an address")))
}

#[test]
fn notices_arrive_as_they_were_sent() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    assert!(!send(&path, &Notice::Reload), "nobody listens");
    let lock = Lock::take(&path).expect("nobody has it");
    let socket = bind(&lock, 0o660, None).expect("a socket");
    let mode = fs::symlink_metadata(socket_path(&path)).expect("the socket").mode();
    assert_eq!(mode & 0o7777, 0o660);
    let longest = format!("unix:/{}", "x".repeat(106));
    let sent = [
        Notice::Reload,
        Notice::Sweep(None),
        swept("127.0.0.1:11211"),
        swept(&longest),
        failed("127.0.0.1:11211"),
        failed("[::1]:1"),
        failed("unix:/run/a b.sock"),
        failed(&longest),
        failed(&format!("{}:65535", ["x".repeat(60), "x".repeat(60), "x".repeat(60)].join("."))),
    ];
    for notice in &sent {
        assert!(send(&path, notice), "{notice}");
        let mut bytes = [0; LONGEST + 1];
        let length = socket.recv(&mut bytes).expect("a datagram");
        assert_eq!(parse(&bytes[..length]), Some(notice.clone()));
        assert_eq!(bytes[..length], *notice.to_string().as_bytes());
    }
    // A daemon that does not read is not waited for.
    let taken = (0..100_000).take_while(|_| send(&path, &sent[1])).count();
    assert!(taken < 100_000, "its room ends somewhere, and with it the sending");
    drop(socket);
    assert!(!send(&path, &Notice::Reload), "nobody listens any more");
    let _again = bind(&lock, 0o600, None).expect("what is left of a socket is removed");
    assert!(send(&path, &Notice::Reload));
}

#[test]
fn what_is_no_socket_stays_where_it_is() {
    let scratch = Scratch::new();
    let path = scratch.path().join("table");
    let lock = Lock::take(&path).expect("nobody has it");
    let place = socket_path(&path);
    fs::write(&place, "mine").expect("a file");
    let error = bind(&lock, 0o660, None).expect_err("in the way").to_string();
    assert!(error.contains("table.sock") && error.contains("something else is there"), "{error}");
    assert_eq!(fs::read(&place).expect("the file"), b"mine");
    assert!(!send(&path, &Notice::Reload));
    fs::remove_file(&place).expect("our file");
    symlink("elsewhere", &place).expect("a link");
    bind(&lock, 0o660, None).expect_err("in the way");

    let long = scratch.path().join("x".repeat(110));
    assert!(!send(&long, &Notice::Reload));
    let lock = Lock::take(&long).expect("nobody has it");
    let error = bind(&lock, 0o660, None).expect_err("too long").to_string();
    assert!(error.contains("at most 107 bytes"), "{error}");
    assert!(!send(Path::new(""), &Notice::Reload));
}

#[test]
fn only_what_is_written_so_is_read() {
    for text in [
        "",
        "\n",
        "mc1",
        "mc1 reload",
        "mc1 reload\n\n",
        "mc1 reload \n",
        "mc2 reload\n",
        "MC1 reload\n",
        "mc1  reload\n",
        "mc1 failed\n",
        "mc1 failed \n",
        "mc1 failed 127.0.0.1\n",
        "mc1 failed  127.0.0.1:11211\n",
        "mc1 failed 127.0.0.1:011211\n",
        "mc1 failed 127.0.0.1:11211\r\n",
        "mc1 failed 127.0.0.1:11211\0\n",
        "mc1 failed 127.0.0.1:11211\nmc1 reload\n",
        "mc1 failed unix:relative\n",
        "mc1 sweep",
        "mc1 sweep \n",
        "mc1 sweep  127.0.0.1:11211\n",
        "mc1 sweep s1\n",
        "mc1 sweep 127.0.0.1:011211\n",
        "mc1 sweep 127.0.0.1:11211 \n",
        "mc1 sweep\nmc1 sweep\n",
        "mc1 Sweep\n",
    ] {
        assert_eq!(parse(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(parse(&[b'x'; LONGEST + 1]), None);
    let long = format!("mc1 failed {}:1\n", "x".repeat(600));
    assert_eq!(parse(long.as_bytes()), None);
}

#[test]
fn ten_thousand_random_datagrams() {
    let good = [
        &b"mc1 reload\n"[..],
        b"mc1 failed 127.0.0.1:11211\n",
        b"mc1 failed unix:/run/x.sock\n",
        b"mc1 sweep\n",
        b"mc1 sweep [::1]:11211\n",
    ];
    let mut read = 0;
    for seed in 0..10_000 {
        let numbers = &mut Numbers(seed);
        let mut bytes = match numbers.below(4) {
            0 => (0..numbers.below(600)).map(|_| numbers.next() as u8).collect(),
            _ => good[numbers.below(good.len())].to_vec(),
        };
        for _ in 0..numbers.below(4) {
            let at = numbers.below(bytes.len() + 1);
            match numbers.below(3) {
                0 => bytes.insert(at, numbers.next() as u8),
                1 => bytes.truncate(at),
                _ => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << numbers.below(8)),
            }
        }
        if let Some(notice) = parse(&bytes) {
            assert_eq!(notice.to_string().as_bytes(), bytes, "seed {seed}: one spelling only");
            read += 1;
        }
    }
    assert!((1_000..9_000).contains(&read), "{read}");
}
