//! Gets of one key and of many.

use std::thread;

use crate::proxy::{Client, Fleet, Proxy};
use crate::support::wait;

#[test]
fn a_get_that_cannot_be_asked_says_so_once_in_place_of_its_end() {
    for backup in ["none", "pairs"] {
        let mut fleet = Fleet::start(2, &format!("backup = \"{backup}\""), "");
        let proxy = fleet.proxy(&[]);
        fleet.servers.iter_mut().for_each(|server| server.kill());
        let mut client = proxy.client();
        for command in ["get", "gets", "gat 100", "gats 100"] {
            for count in [1, 4, 100] {
                let said = client.ask(&format!("{command}{}\r\n", " k".repeat(count)));
                assert!(said.starts_with("SERVER_ERROR "), "{backup} {command} {count}: {said}");
                assert_eq!(client.ask("mn\r\n"), "MN", "{backup} {command} {count}");
            }
        }
    }
}

/// One key of many that is too long: nothing is answered but that, however many there was room for.
#[test]
fn a_get_with_a_bad_key_is_refused_once() {
    let fleet = Fleet::start(1, "backup = \"none\"", "");
    let proxy = fleet.proxy(&[]);
    let mut client = proxy.client();
    assert_eq!(client.set("k", b"v"), "STORED");
    for command in ["get", "gets", "gat 0", "gats 0"] {
        let keys = [" k".repeat(99), format!(" {}", "x".repeat(251)), " k".repeat(99)].concat();
        assert_eq!(client.ask(&format!("{command}{keys}\r\n")), "CLIENT_ERROR bad command line format");
        assert_eq!(client.ask("mn\r\n"), "MN", "{command}");
    }
}

/// What a client has under way has a limit within one get as well.
#[test]
fn a_get_of_many_large_values_costs_little() {
    let fleet = Fleet::start(1, "backup = \"none\"", "buffer = 200000");
    let proxy = fleet.proxy(&[]);
    let value = vec![b'x'; 500_000];
    assert_eq!(proxy.client().set("big", &value), "STORED");
    let before = proxy.peak();
    for (command, counted) in
        [("get", "cmd_get"), ("gets", "cmd_get"), ("gat 0", "cmd_touch"), ("gats 0", "cmd_touch")]
    {
        let count = 100;
        let begun = proxy.stat(counted);
        let mut client = proxy.client();
        client.send(format!("{command}{}  \r\nmn\r\n", " big".repeat(count)).as_bytes());
        client.hang_up();
        wait::until("it was begun", || proxy.stat(counted).filter(|count| Some(*count) > begun));
        // There is one connection to the server: what was asked before this is there when this is.
        assert_eq!(proxy.client().get("big"), Ok(Some(value.clone())));
        for number in 0..count {
            assert!(client.line().starts_with("VALUE big 0 500000"), "{command} {number}");
            assert!(client.exactly(value.len() + 2).starts_with(&value), "{command} {number}");
        }
        assert_eq!(client.all(), b"END\r\nMN\r\n");
    }
    let grown = proxy.peak() - before;
    assert!(grown < 32 << 20, "it grew by {grown} bytes");
}

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// As many keys as one line has room for.
const MANY: usize = 30_000;

fn letters() -> impl Iterator<Item = char> {
    LETTERS.iter().cycle().take(MANY).map(|letter| char::from(*letter))
}

fn many(proxy: &Proxy) -> Client {
    let mut client = proxy.client();
    let line: String = letters().flat_map(|letter| [' ', letter]).collect();
    client.send(format!("get{line}\r\n").as_bytes());
    client
}

/// Keys that are begun at once beyond all that a loop has numbers for would get each other's answers.
#[test]
fn gets_of_as_many_keys_as_there_is_room_for_in_a_line() {
    let fleet = Fleet::start(2, "backup = \"none\"", "");
    let proxy = fleet.proxy(&[]);
    let mut counting = proxy.client();
    for letter in LETTERS {
        let letter = char::from(*letter).to_string();
        assert_eq!(counting.set(&letter, letter.as_bytes()), "STORED");
    }
    assert_eq!(counting.set("count", b"0"), "STORED");
    let expected: String = letters().map(|letter| format!("VALUE {letter} 0 1\r\n{letter}\r\n")).collect();
    fleet.servers.iter().for_each(|server| server.hang());
    let clients: Vec<Client> = (0..5).map(|_| many(&proxy)).collect();
    wait::until("all have begun", || proxy.stat("curr_requests").filter(|count| *count > 5 * 30));
    fleet.servers.iter().for_each(|server| server.wake());
    let readers: Vec<_> = clients
        .into_iter()
        .map(|mut client| thread::spawn(move || client.exactly(MANY * "VALUE a 0 1\r\na\r\n".len() + 5)))
        .collect();
    for number in 1..=200 {
        assert_eq!(counting.ask("incr count 1\r\n"), number.to_string());
    }
    for reader in readers {
        assert!(reader.join().expect("no panic") == [expected.as_bytes(), b"END\r\n"].concat());
    }
}
