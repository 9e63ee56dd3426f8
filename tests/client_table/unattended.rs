//! While nobody attends the table, every process judges by itself, on top of the table's last word, and tells
//! the others by the epochs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memcache::client::{Client, TableAt};
use memcache::rules::operation::Outcome;
use memcache::rules::places;
use memcache::rules::pool::{Options, Pool, ServerId};
use memcache::rules::view::State;
use memcache::table::{Attendance, Reader, Snapshot, Trust};

use crate::daemon::{Daemon, get, key, options, pool, set};
use crate::support::server::Memcached;
use crate::support::{keep, wait};

const FIRST: ServerId = ServerId(0);

fn servers(count: usize) -> Vec<Memcached> {
    (0..count).map(|_| Memcached::start()).collect()
}

/// Trials follow each other quickly.
pub fn eager() -> Options {
    Options { connect_timeout: Duration::from_millis(200), ..options() }
}

/// Another process with a client of the same table, which does as it is told, line by line.
pub struct Other {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

const TABLE: &str = "MEMCACHE_TEST_TABLE";

impl Other {
    pub fn start(daemon: &Daemon) -> Other {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["--exact", "unattended::the_other_process", "--nocapture", "--test-threads=1"])
            .env(TABLE, daemon.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = keep::spawn(&mut command).expect("this program runs");
        let answers = BufReader::new(child.stdout.take().expect("its answers"));
        Other { child, answers }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn ask(&mut self, what: &str) -> String {
        let to = self.child.stdin.as_mut().expect("a pipe");
        writeln!(to, "{what}").expect("it listens");
        loop {
            let mut line = String::new();
            assert_ne!(self.answers.read_line(&mut line).expect("text"), 0, "it ended");
            // Between them stands what the test harness says.
            if let Some(answer) = line.trim_end().split_once("> ").map(|(_, answer)| answer) {
                return answer.to_owned();
            }
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        keep::kill(&mut self.child);
    }
}

/// No test: what [`Other`] starts. It ends at once when nobody started it so.
#[test]
fn the_other_process() {
    let Some(path) = std::env::var_os(TABLE) else { return };
    let table = TableAt { path: path.into(), trust: Trust::default() };
    let mut snapshot = Snapshot::default();
    let mut reader = Reader::open(&table.path, Trust::default()).expect("a table");
    reader.snapshot(&mut snapshot).expect("a snapshot");
    let pool: Pool = snapshot.current.pool().expect("a pool");
    let mut client = Client::open_with_table(Arc::new(pool), Some(table));
    for line in std::io::stdin().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["set", key, value] => {
                println!("> {:?}", set(&mut client, key.as_bytes(), value.as_bytes()));
            }
            ["get", key] => match get(&mut client, key.as_bytes()) {
                Ok(value) => println!("> {}", String::from_utf8_lossy(&value)),
                Err(why) => println!("> {why:?}"),
            },
            ["state"] => println!("> {:?}", client.view().state(FIRST)),
            _ => panic!("{line}"),
        }
    }
}

#[test]
fn what_one_process_finds_the_others_go_by() {
    let mut servers = servers(4);
    let pool = pool(&servers, eager());
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let name = String::from_utf8_lossy(&key).into_owned();
    let mut client = daemon.client(&pool);
    let mut other = Other::start(&daemon);
    assert_eq!(other.ask(&format!("set {name} old")), "Stored");
    assert_eq!(get(&mut client, &key), Ok(b"old".to_vec()));
    daemon.resign();
    servers[0].kill();

    assert_eq!(get(&mut client, &key), Ok(b"old".to_vec()));
    assert_eq!((client.view().state(FIRST), daemon.epoch(FIRST)), (State::Down, 2), "a read diverts nothing");
    assert_eq!(client.attendance(), Some(Attendance::Resigned));
    let messages = client.take_messages();
    assert!(messages.len() == 1 && messages[0].contains("its writer ended"), "{messages:?}");
    assert!(daemon.client(&pool).take_messages().is_empty(), "once in a process");
    assert_eq!(other.ask("state"), "Steady");
    assert_eq!(set(&mut client, &key, b"new"), Outcome::Stored);
    assert_eq!(daemon.epoch(FIRST), 3, "it was told before it was passed by");
    assert_eq!(other.ask("state"), "Down");
    assert_eq!(other.ask(&format!("get {name}")), "new");

    servers[0].restart();
    // Calls of either bring it back.
    wait::until("the server's return", || {
        let _ = get(&mut client, b"another key");
        (other.ask("state") == "Returned" && client.view().state(FIRST) == State::Returned).then_some(())
    });
    assert_eq!(daemon.epoch(FIRST), 4);
    assert_eq!(other.ask(&format!("get {name}")), "new");
    assert_eq!(other.ask(&format!("set {name} newer")), "Stored");
    assert_eq!(get(&mut client, &key), Ok(b"newer".to_vec()));

    // A restart that one of them meets, the other hears of.
    let epoch = daemon.epoch(FIRST);
    servers[0].restart();
    assert_eq!(get(&mut client, &key), Ok(b"newer".to_vec()), "from the mirror");
    assert!(daemon.epoch(FIRST) > epoch, "{} then, {epoch} before", daemon.epoch(FIRST));
    assert_eq!(other.ask(&format!("get {name}")), "newer");
}

#[test]
fn a_server_that_the_table_called_down_stays_so_and_comes_back_empty() {
    let servers = servers(4);
    let pool = pool(&servers, eager());
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let mut client = daemon.client(&pool);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    daemon.stripes().make_odd(0, memcache::table::Epoch::new(2)).expect("it was even");
    daemon.say(|snapshot| {
        let entry = &mut snapshot.current.servers[0];
        (entry.state, entry.epoch) = (State::Down, 3);
    });
    assert_eq!(set(&mut client, &key, b"new"), Outcome::Stored);
    daemon.resign();
    assert_eq!(client.view().state(FIRST), State::Down);
    assert_eq!(get(&mut client, &key), Ok(b"new".to_vec()));
    wait::until("the server's return", || {
        assert_eq!(get(&mut client, &key), Ok(b"new".to_vec()), "never the old one");
        client.view().live(FIRST).then_some(())
    });
    assert_eq!(daemon.epoch(FIRST), 4);
    assert_eq!(servers[0].stat("cmd_flush"), Some(1));
}

#[test]
fn while_the_table_settles_nothing_is_diverted() {
    let mut servers = servers(4);
    let pool = pool(&servers, eager());
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let mut client = daemon.client(&pool);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    let settling = daemon.settle();
    servers[0].kill();
    assert_eq!(client.attendance(), Some(Attendance::Settling));
    assert_eq!(get(&mut client, &key), Ok(b"old".to_vec()), "reads go on");
    let seen = client.view().server(FIRST);
    assert!(seen.unreachable && seen.state == State::Steady, "{seen:?}");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"new"));
        wait::until("the write's first half", || {
            let lines = servers[1].ask(&format!("get {}\r\n", String::from_utf8_lossy(&key)), "END").ok()?;
            lines.contains(&"new".to_owned()).then_some(())
        });
        assert_eq!(daemon.epoch(FIRST), 2);
        daemon.turn(FIRST, State::Down);
        daemon.attend(settling);
        assert_eq!(writer.join().unwrap(), Outcome::Stored);
    });
}

#[test]
fn a_write_that_waits_when_its_daemon_ends_goes_by_its_own_judgement() {
    let mut servers = servers(4);
    let pool = pool(&servers, eager());
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let mut client = daemon.client(&pool);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    servers[0].kill();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"new"));
        wait::until("the write's first half", || {
            let lines = servers[1].ask(&format!("get {}\r\n", String::from_utf8_lossy(&key)), "END").ok()?;
            lines.contains(&"new".to_owned()).then_some(())
        });
        daemon.resign();
        assert_eq!(writer.join().unwrap(), Outcome::Stored);
    });
    assert_eq!(daemon.epoch(FIRST), 3);
    assert_eq!(get(&mut client, &key), Ok(b"new".to_vec()));
    // And the daemon that comes next says what it found.
    daemon.say_nothing_but(|snapshot| {
        let entry = &mut snapshot.current.servers[0];
        (entry.state, entry.epoch) = (State::Down, 3);
    });
    daemon.begin_again();
    wait::until("the table's return", || {
        assert_eq!(get(&mut client, &key), Ok(b"new".to_vec()));
        (client.attendance() == Some(Attendance::Attended)).then_some(())
    });
}

#[test]
fn what_the_table_does_not_know_yet_is_waited_for() {
    let servers = servers(4);
    let pool = pool(&servers, eager());
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let mut client = daemon.client(&pool);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    // Somebody diverted while the daemon was stopped between its look at the clock and its beat.
    daemon.stripes().make_odd(0, memcache::table::Epoch::new(2)).expect("it was even");
    assert_eq!(get(&mut client, &key), Ok(b"old".to_vec()));
    assert_eq!(client.attendance(), Some(Attendance::Settling));
    let met = servers[0].stat("cmd_set");
    let seen = client.view().server(FIRST);
    assert!(seen.unreachable && seen.state == State::Steady, "{seen:?}");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"new"));
        wait::until("the write's first half", || {
            let lines = servers[1].ask(&format!("get {}\r\n", String::from_utf8_lossy(&key)), "END").ok()?;
            lines.contains(&"new".to_owned()).then_some(())
        });
        assert_eq!(servers[0].stat("cmd_set"), met, "it is well, and asked nothing");
        daemon.say(|snapshot| {
            let entry = &mut snapshot.current.servers[0];
            (entry.state, entry.epoch) = (State::Down, 3);
        });
        assert_eq!(writer.join().unwrap(), Outcome::Stored);
    });
    assert_eq!(servers[0].stat("cmd_set"), met);
    assert_eq!(get(&mut client, &key), Ok(b"new".to_vec()));
    assert_eq!(client.attendance(), Some(Attendance::Attended));
}

#[test]
fn an_epoch_that_the_writer_could_not_store_is_the_tables() {
    let mut servers = servers(4);
    let pool = pool(&servers, eager());
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let mut client = daemon.client(&pool);
    // It published the server's return and ended before it could say so in the stripes file.
    daemon.stripes().make_odd(0, memcache::table::Epoch::new(2)).expect("it was even");
    daemon.say(|snapshot| {
        let entry = &mut snapshot.current.servers[0];
        (entry.state, entry.epoch) = (State::Returned, 4);
    });
    daemon.resign();
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    assert_eq!((client.view().state(FIRST), daemon.epoch(FIRST)), (State::Returned, 3));
    servers[0].kill();
    assert_eq!(set(&mut client, &key, b"new"), Outcome::Stored);
    assert_eq!((client.view().state(FIRST), daemon.epoch(FIRST)), (State::Down, 5));
}

#[test]
fn a_healthy_server_that_had_no_time_to_answer_is_heard_again() {
    let servers = servers(4);
    let pool = pool(&servers, Options { connect_timeout: Duration::from_secs(2), ..options() });
    let patience = pool.options.patience();
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let mut client = daemon.client(&pool);
    assert_eq!(set(&mut client, &key, b"old"), Outcome::Stored);
    daemon.resign();
    servers[0].hang();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| set(&mut client, &key, b"new"));
        wait::until("its patience is over", || (start.elapsed() > patience * 4 / 3).then_some(()));
        servers[0].wake();
        assert_eq!(writer.join().unwrap(), Outcome::Stored);
    });
    assert_eq!((client.view().state(FIRST), daemon.epoch(FIRST)), (State::Steady, 2));
    assert_eq!(get(&mut client, &key), Ok(b"new".to_vec()));
}

/// Each finds out by itself; one tells the others, and both mean the same.
#[test]
fn two_threads_that_divert_at_once_agree() {
    let mut servers = servers(4);
    let pool = pool(&servers, eager());
    let daemon = Daemon::of(&pool, &servers);
    let keys: Vec<_> = (0..)
        .map(|number| format!("key of thread {number}").replace(' ', "-").into_bytes())
        .filter(|key| places::home(&pool, key) == Some(FIRST))
        .take(2)
        .collect();
    let mut clients = [daemon.client(&pool), daemon.client(&pool)];
    for (client, key) in clients.iter_mut().zip(&keys) {
        assert_eq!(set(client, key, b"old"), Outcome::Stored);
    }
    daemon.resign();
    let mut epoch = 2;
    for round in 0..5 {
        let value = format!("value {round}").into_bytes();
        servers[0].kill();
        let together = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for (client, key) in clients.iter_mut().zip(&keys) {
                let (together, value) = (&together, &value);
                scope.spawn(move || {
                    together.wait();
                    assert_eq!(set(client, key, value), Outcome::Stored);
                });
            }
        });
        assert_eq!(daemon.epoch(FIRST), epoch + 1, "round {round}: told once");
        for client in &mut clients {
            assert_eq!(client.view().state(FIRST), State::Down);
            for key in &keys {
                assert_eq!(get(client, key), Ok(value.clone()), "round {round}");
            }
        }
        servers[0].restart();
        wait::until("the server's return", || {
            for key in &keys {
                assert_eq!(get(&mut clients[0], key), Ok(value.clone()), "round {round}");
            }
            clients[0].view().live(FIRST).then_some(())
        });
        epoch += 2;
        assert_eq!(daemon.epoch(FIRST), epoch, "round {round}");
    }
}
