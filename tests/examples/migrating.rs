//! docs/migrating.md: how the settings of others place keys, tried with the real ones. Keys are stored through
//! libmemcached and nutcracker on real servers, and looked for where a pool file of ours has them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::installed::output_of;
use crate::support::scratch::Scratch;
use crate::support::server::{Memcached, free_port};
use crate::support::{cc, keep, wait};

/// So many keys are stored through each of the others.
const KEYS: usize = 1_000;

/// The cache that a fleet has warm: three servers.
pub struct Fleet {
    pub servers: Vec<Memcached>,
    scratch: Scratch,
    store: PathBuf,
    fetch: PathBuf,
}

impl Fleet {
    pub fn new() -> Fleet {
        let scratch = Scratch::new();
        let store = cc::compile(&scratch, "store", &["tests/peers/store_libmemcached.c"], &["-lmemcached"])
            .unwrap_or_else(|words| panic!("{words}\nit needs Debian's libmemcached-dev"));
        let fetch = cc::program(&scratch, "fetch", &["tests/peers/fetch_libmemcache.c"]);
        Fleet { servers: (0..3).map(|_| Memcached::start()).collect(), scratch, store, fetch }
    }

    fn empty(&self) {
        for server in &self.servers {
            server.ask("flush_all\r\n", "OK").expect("it answers");
        }
    }

    fn weighted<'a>(&'a self, weights: &'a [u32], mark: &'a str) -> impl Iterator<Item = String> + 'a {
        self.servers
            .iter()
            .zip(weights)
            .map(move |(server, weight)| format!("{}{mark}{weight}", server.address()))
    }

    /// Stores `session:0` and so on through libmemcached.
    pub fn by_libmemcached(&self, count: usize, weights: &[u32], behaviors: &str) {
        let servers = self.weighted(weights, "/").collect::<Vec<_>>().join(",");
        let mut store = Command::new(&self.store);
        store.args([&count.to_string(), &servers]).args(behaviors.split_whitespace());
        output_of("libmemcached-dev", &mut store);
    }

    /// The same through nutcracker (twemproxy).
    pub fn by_nutcracker(&self, count: usize, weights: &[u32], settings: &str) {
        let port = free_port();
        let mut text = format!("pool:\n  listen: 127.0.0.1:{port}\n");
        settings.split(", ").for_each(|setting| text += &format!("  {setting}\n"));
        text += "  servers:\n";
        self.weighted(weights, ":").for_each(|server| text += &format!("   - {server}\n"));
        let file = self.scratch.write("nutcracker.yml", &text);
        let mut command = Command::new("nutcracker");
        command.arg("-c").arg(file).arg("-o").arg(self.scratch.path().join("nutcracker.log"));
        command.args(["-s", &free_port().to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = keep::spawn(&mut command).expect("Debian's nutcracker is installed");
        let mut client = wait::until("nutcracker listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        let mut answers = BufReader::new(client.try_clone().expect("a socket"));
        for number in 0..count {
            let key = format!("session:{number}");
            client
                .write_all(format!("set {key} 7 3600 {}\r\n{key}\r\n", key.len()).as_bytes())
                .expect("it takes it");
            let mut answer = String::new();
            answers.read_line(&mut answer).expect("it answers");
            assert_eq!(answer, "STORED\r\n", "{settings}");
        }
        keep::kill(&mut child);
    }

    /// How many of them a program of ours finds in a pool without backups, with the servers weighted so.
    fn found(&self, weights: &[u32], distribution: &str) -> usize {
        self.found_with(weights, distribution, "none")
    }

    fn found_in_pairs(&self) -> usize {
        self.found_with(&[1, 1, 1], "modulo", "pairs")
    }

    fn found_with(&self, weights: &[u32], distribution: &str, backup: &str) -> usize {
        let section = |(server, weight): (&Memcached, &u32)| {
            format!("[[server]]\naddress = \"{}\"\nweight = {weight}\n", server.address())
        };
        let servers: String = self.servers.iter().zip(weights).map(section).collect();
        let pool = format!("connect_timeout = \"5s\"\ntimeout = \"20s\"\ndistribution = \"{distribution}\"");
        let file =
            self.scratch.write("pool.toml", &format!("[pool]\nbackup = \"{backup}\"\n{pool}\n{servers}"));
        let mut fetch = Command::new(&self.fetch);
        let said = output_of("it", fetch.arg(KEYS.to_string()).env("MEMCACHE_POOL", file));
        said.trim().parse().expect("a number")
    }
}

/// A row: the other, its settings, what is said of weights, our distribution, and the share.
fn rows(page: &str) -> Vec<[String; 5]> {
    let table = page.split("| keys found |").nth(1).expect("a table");
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cell = |text: &str| text.trim().trim_matches('`').to_owned();
    let row = |line: &str| {
        let [_, who, settings, ours, share, _] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("a row has four cells: {line}")
        };
        let (settings, rest) = settings.split_once("`, ").unwrap_or((settings, ""));
        [who, settings, rest, ours, share].map(cell)
    };
    lines.map(row).collect()
}

/// A row that says *all* is one by which every key is found; by any other, most are missed whatever the pool file says.
#[test]
fn every_row_of_the_table_is_so() {
    let page = std::fs::read_to_string(cc::root().join("docs/migrating.md")).expect("the page");
    let fleet = Fleet::new();
    let rows = rows(&page);
    assert!(rows.len() > 10, "{rows:?}");
    for [who, settings, weighted, ours, share] in &rows {
        let weights = if weighted.is_empty() { [1, 1, 1] } else { [1, 2, 3] };
        fleet.empty();
        match who.as_str() {
            "libmemcached" => {
                fleet.by_libmemcached(KEYS, &weights, settings.trim_start_matches("nothing set"))
            }
            "twemproxy" => fleet.by_nutcracker(KEYS, &weights, settings),
            _ => panic!("nobody knows {who}"),
        }
        if share == "all" {
            assert_eq!(fleet.found(&weights, ours), KEYS, "{who} {settings}");
        } else {
            for distribution in ["modulo", "ketama"] {
                let found = fleet.found(&weights, distribution);
                assert!(found < KEYS / 2, "{who} {settings}: {found} are found with {distribution}");
            }
        }
    }
}

/// Weights mean the same, where the page says so.
#[test]
fn weights_are_the_same() {
    let fleet = Fleet::new();
    let weights = [3, 1, 2];
    for (settings, ours) in
        [("hash: crc32, distribution: modula", "modulo"), ("hash: md5, distribution: ketama", "ketama")]
    {
        fleet.empty();
        fleet.by_nutcracker(KEYS, &weights, settings);
        assert_eq!(fleet.found(&weights, ours), KEYS, "{settings}");
    }
    fleet.empty();
    fleet.by_libmemcached(KEYS, &weights, "KETAMA_WEIGHTED=1");
    assert_eq!(fleet.found(&weights, "ketama"), KEYS);
    fleet.empty();
    fleet.by_libmemcached(KEYS, &weights, "HASH=CRC DISTRIBUTION=MODULA");
    assert_eq!(fleet.found(&[1, 1, 1], "modulo"), KEYS, "libmemcached's modula has no weights");
}

/// The page is followed on a cache that libmemcached has filled: everything is there at the end, twice.
#[test]
fn the_page_is_followed_on_a_warm_cache() {
    let mut fleet = Fleet::new();
    fleet.by_libmemcached(KEYS, &[1, 1, 1], "HASH=CRC DISTRIBUTION=MODULA");
    let ports = [11211, 11212, 11213].into_iter().zip(fleet.servers.iter().map(Memcached::port));
    crate::pages::runs_beside("docs/migrating.md", ports);
    fleet.servers[2].kill();
    assert!(fleet.found(&[1, 1, 1], "modulo") < KEYS, "it had something that a pool without backups needs");
    assert_eq!(fleet.found_in_pairs(), KEYS, "with backups nothing is gone");
}
