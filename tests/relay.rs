//! The relay that the other tests break connections with: does it do what its modes say? A test
//! whose faults do not happen proves nothing.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use support::old::OldAge;
use support::relay::{Mode, Relay};
use support::server::Memcached;
use support::wait;

fn connect(relay: &Relay) -> std::io::Result<TcpStream> {
    let address: SocketAddr = relay.address().parse().expect("an address");
    let stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    Ok(stream)
}

/// Asks for the version; the answer's first word.
fn ask(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.write_all(b"version\r\n")?;
    let mut answer = [0; 64];
    let count = stream.read(&mut answer)?;
    let text = String::from_utf8_lossy(&answer[..count]).into_owned();
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

#[test]
fn passes_everything_on() {
    let server = Memcached::start();
    let relay = Relay::start(server.port());
    let mut stream = connect(&relay).expect("a connection");
    assert_eq!(ask(&mut stream).expect("an answer"), "VERSION");
}

#[test]
fn a_cut_network_answers_nothing_and_delivers_later_what_was_not_given_up() {
    let server = Memcached::start();
    let relay = Relay::start(server.port());
    let mut stream = connect(&relay).expect("a connection");
    let mut given_up = connect(&relay).expect("a connection");
    assert_eq!(ask(&mut stream).expect("an answer"), "VERSION");
    assert_eq!(ask(&mut given_up).expect("an answer"), "VERSION");

    relay.set(Mode::Cut);
    assert_eq!(ask(&mut stream).expect_err("silence").kind(), ErrorKind::WouldBlock);
    assert_eq!(connect(&relay).expect_err("no new connection").kind(), ErrorKind::TimedOut);
    given_up.write_all(b"set late 0 0 1\r\nx\r\n").expect("room in the socket");
    drop(given_up);

    relay.set(Mode::Pass);
    let mut answer = [0; 64];
    let count = wait::until("the late answer", || stream.read(&mut answer).ok());
    assert!(answer[..count].starts_with(b"VERSION"));
    let mut again = connect(&relay).expect("a connection");
    assert_eq!(ask(&mut again).expect("an answer"), "VERSION");
    assert_eq!(server.stat("cmd_set"), Some(0), "a connection that was given up delivers nothing");
}

#[test]
fn swallows_bytes_and_accepts_connections() {
    let server = Memcached::start();
    let relay = Relay::start(server.port());
    relay.set(Mode::Swallow);
    let mut stream = connect(&relay).expect("a connection");
    assert_eq!(ask(&mut stream).expect_err("silence").kind(), ErrorKind::WouldBlock);
    relay.set(Mode::Pass);
    assert_eq!(ask(&mut stream).expect("an answer"), "VERSION");
}

#[test]
fn refuses_connections_and_resets_those_it_has() {
    let server = Memcached::start();
    let relay = Relay::start(server.port());
    let mut stream = connect(&relay).expect("a connection");
    assert_eq!(ask(&mut stream).expect("an answer"), "VERSION");
    relay.set(Mode::Refuse);
    assert_eq!(connect(&relay).expect_err("nobody listens").kind(), ErrorKind::ConnectionRefused);
    let broken = wait::until("the reset", || ask(&mut stream).err());
    assert!(matches!(broken.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{broken}");
    relay.set(Mode::Pass);
    assert_eq!(ask(&mut connect(&relay).expect("a connection")).expect("an answer"), "VERSION");
}

/// A killed server's port stays its own, and a restarted one is empty.
#[test]
fn a_server_comes_back_empty_where_it_was() {
    let mut server = Memcached::start();
    let address = server.address();
    server.ask("set a 0 0 1\r\nx\r\n", "STORED").expect("an answer");
    assert_eq!(server.stat("curr_items"), Some(1));
    server.kill();
    assert_eq!(server.stat("curr_items"), None);
    server.restart();
    assert_eq!((server.address(), server.stat("curr_items")), (address, Some(0)));
}

/// The same on a unix socket.
#[test]
fn a_server_listens_on_a_unix_socket() {
    let scratch = support::scratch::Scratch::new();
    let path = scratch.path().join("socket");
    let server = Memcached::start_at(&path);
    assert_eq!(server.address(), format!("unix:{}", path.display()));
    assert_eq!(server.stat("pid"), Some(server.pid().into()));
    drop(server);
    assert!(!path.exists());
}

#[test]
fn meta_commands_lose_their_names_and_nothing_else_changes() {
    let stream = b"mn\r\nset k 0 0 6\r\nmn\r\nmn\r\nmg k v\r\nget mg\r\nms k 2\r\nmn\r\ncas k 0 0 0 1\r\n\r\nversion\r\n";
    let old = b"xn\r\nset k 0 0 6\r\nmn\r\nmn\r\nxg k v\r\nget mg\r\nxs k 2\r\nxn\r\ncas k 0 0 0 1\r\n\r\nversion\r\n";
    for piece in [1, 2, 3, 7, stream.len()] {
        let mut age = OldAge::default();
        let passed: Vec<u8> = stream.chunks(piece).flat_map(|bytes| age.pass(bytes)).collect();
        assert_eq!(String::from_utf8_lossy(&passed), String::from_utf8_lossy(old));
    }
}
