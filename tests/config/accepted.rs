//! What a file means that is accepted.

use std::path::PathBuf;
use std::time::Duration;

use memcache::config::{self, Order, Proxy, Rejoin, Watch};
use memcache::rules::address::Address;
use memcache::rules::pool::{Distribution, Options, ReadBackup, Server, ServerId};

use super::*;

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp { host: host.to_owned(), port }
}

fn server(name: &str, address: Address, weight: u32, backup: Option<u16>) -> Server {
    Server { name: name.to_owned(), address, weight, backup: backup.map(ServerId) }
}

#[test]
fn the_sample_of_the_design_is_read_as_it_is_meant() {
    let file = config::read(&sample("sessions.toml")).unwrap();
    assert_eq!(file.pool.name, "sessions");
    let options = Options {
        distribution: Distribution::Modulo,
        backups: true,
        read_backup: ReadBackup::Recovering,
        window: Duration::from_secs(86_400),
        max_ttl: None,
        connect_timeout: Duration::from_millis(100),
        timeout: Duration::from_millis(500),
    };
    assert_eq!(file.pool.options, options);
    assert_eq!(file.pool.servers(), [server("s1", tcp("127.0.0.1", 11211), 1, None)]);
    assert_eq!(slots(&file), [0]);
    assert_eq!(file.table, Some(PathBuf::from("/run/memcache/sessions.table")));
    assert_eq!(
        file.watch,
        Watch { interval: Duration::from_millis(500), fall: 2, rise: 2, ..Watch::default() }
    );
    let listen = vec![tcp("127.0.0.1", 11311), Address::Unix("/run/memcache/proxy.sock".to_owned())];
    assert_eq!(file.proxy, Proxy { listen, ..Proxy::default() });
}

#[test]
fn what_a_proxy_takes_in() {
    let text = format!(
        "{MINIMAL}[proxy]\nlisten = [\"h:1\"]\nmode = \"0666\"\nhttp = \"127.0.0.1:9150\"\nconnections = 5\n\
         buffer = 6\nmemory = 7\nvalue = 8\nkey = 9\nline = 10\n"
    );
    let proxy = Proxy {
        listen: vec![tcp("h", 1)],
        mode: 0o666,
        http: Some(tcp("127.0.0.1", 9150)),
        connections: 5,
        buffer: 6,
        memory: 7,
        value: 8,
        key: 9,
        line: 10,
    };
    assert_eq!(accepted(&text).proxy, proxy);
}

#[test]
fn what_a_file_leaves_out_has_its_default() {
    let file = config::read(&sample("minimal.toml")).unwrap();
    assert_eq!(file.pool.name, "minimal");
    assert_eq!(file.pool.options, Options { backups: true, ..Options::default() });
    let servers = [
        server("10.0.0.1:11211", tcp("10.0.0.1", 11211), 1, Some(1)),
        server("10.0.0.2:11211", tcp("10.0.0.2", 11211), 1, Some(0)),
        server("10.0.0.3:11211", tcp("10.0.0.3", 11211), 1, Some(0)),
    ];
    assert_eq!(file.pool.servers(), servers);
    assert_eq!(file.table, None);
    assert_eq!(file.orders, [Order::Up; 3]);
    let watch = Watch {
        interval: Duration::from_millis(500),
        fall: 2,
        rise: 2,
        deadline: None,
        mode: 0o644,
        owner: None,
        group: None,
        sweep_share: 10,
        sweep_servers: 2,
        rejoin: Rejoin::Flush,
    };
    assert_eq!(file.watch, watch);
    let proxy = Proxy {
        listen: Vec::new(),
        mode: 0o660,
        http: None,
        connections: 20_000,
        buffer: 1 << 20,
        memory: 1 << 28,
        value: 1 << 20,
        key: 250,
        line: 65_536,
    };
    assert_eq!(file.proxy, proxy);
    assert_eq!(accepted(MINIMAL).pool.name, "pool");
}

#[test]
fn every_key_is_heard() {
    let file = accepted(EVERYTHING);
    assert_eq!(file.pool.name, "everything");
    let options = Options {
        distribution: Distribution::Ketama,
        backups: true,
        read_backup: ReadBackup::Always,
        window: Duration::from_secs(5_400),
        max_ttl: Some(Duration::from_secs(7 * 86_400)),
        connect_timeout: Duration::from_micros(250),
        timeout: Duration::from_secs(2),
    };
    assert_eq!(file.pool.options, options);
    let servers = [
        server("a", tcp("::1", 11211), 3, Some(2)),
        server("cache.example:11212", tcp("cache.example", 11212), 1, Some(0)),
        server("c", Address::Unix("/run/memcached.sock".to_owned()), 2, Some(3)),
        server("d", tcp("127.0.0.1", 11211), 1, Some(1)),
        server("e", tcp("127.0.0.1", 11212), 1, Some(0)),
    ];
    assert_eq!(file.pool.servers(), servers);
    assert_eq!(slots(&file), [0, 0, 0, 1, 2, 2, 3, 4]);
    assert!(file.pool.ring().is_some());
    assert_eq!(file.table, Some(PathBuf::from("/run/memcache/everything.table")));
    assert_eq!(file.orders, [Order::Up, Order::Up, Order::Draining, Order::Down, Order::Up]);
    let watch = Watch {
        interval: Duration::from_secs(1),
        fall: 3,
        rise: 5,
        deadline: Some(Duration::from_millis(75)),
        mode: 0o640,
        owner: Some("memcache".to_owned()),
        group: Some("11211".to_owned()),
        sweep_share: 35,
        sweep_servers: 16,
        rejoin: Rejoin::Keep,
    };
    assert_eq!(file.watch, watch);
    assert_eq!(file.proxy.listen, [tcp("127.0.0.1", 11311), tcp("::1", 11311)]);
}

#[test]
fn a_pool_without_backups_has_none() {
    let file = accepted(&format!("[pool]\nbackup = \"none\"\nread_backup = \"recovering\"\n{MINIMAL}"));
    assert!(!file.pool.options.backups);
    assert!(file.pool.servers().iter().all(|server| server.backup.is_none()));
}

#[test]
fn every_mode_that_a_table_may_have() {
    for (text, mode) in [("0644", 0o644), ("644", 0o644), ("0640", 0o640), ("600", 0o600), ("0400", 0o400)] {
        assert_eq!(accepted(&format!("[watch]\nmode = \"{text}\"\n{ONE}")).watch.mode, mode, "{text}");
    }
}

#[test]
fn a_short_call_shortens_the_default_for_connecting() {
    let file = accepted(&format!("[pool]\ntimeout = \"50ms\"\n{ONE}"));
    assert_eq!(file.pool.options.timeout, Duration::from_millis(50));
    assert_eq!(file.pool.options.connect_timeout, Duration::from_millis(50));
}

#[test]
fn line_ends_of_other_systems_are_accepted() {
    let file = accepted(&EVERYTHING.replace('\n', "\r\n"));
    assert_eq!(file.pool.servers(), accepted(EVERYTHING).pool.servers());
    refused(
        "[pool]\r\n\r\nnam = \"x\"\r\n[[server]]\r\naddress = \"h:1\"\r\n",
        &["3: unknown key \"nam\" in [pool] (did you mean name?); allowed are name, distribution, backup, \
         read_backup, window, max_ttl, connect_timeout, timeout and table"],
    );
}
