//! A C program that was never told of a table, and a table that changes under it. The test plays the daemon.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use memcache::config;
use memcache::rules::pool::{Pool, Server};
use memcache::rules::view::{Meta, ServerView, State};
use memcache::table::{List, Lock, Settings, Snapshot, Writer, identity};

use super::*;

/// The program under the test's orders.
struct Driven {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _program: Program,
}

impl Driven {
    fn start(pool_file: &Path, watch: Watch) -> Driven {
        let program = compile(Source { name: "table", family: Family::Mc }, watch);
        let mut child = command(&program, watch)
            .env("MEMCACHE_POOL", pool_file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program, or valgrind, runs");
        let (orders, answers) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        Driven { child, orders, answers: BufReader::new(answers), _program: program }
    }

    fn ask(&mut self, order: &str) -> String {
        let orders = self.orders.as_mut().expect("it was not ended");
        writeln!(orders, "{order}").expect("the program reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the program answers");
        answer.trim_end().to_owned()
    }

    /// Ends it well; what its error handler was told.
    fn end(mut self) -> Vec<String> {
        drop(self.orders.take());
        let mut told = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut told).expect("text");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}: {told}");
        told.lines().map(str::to_owned).collect()
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pool file in a folder of its own, and the table's place beside it.
struct Files {
    _scratch: support::scratch::Scratch,
    pool: PathBuf,
    table: PathBuf,
}

impl Files {
    fn new(addresses: &[String]) -> Files {
        let scratch = support::scratch::Scratch::new();
        let table = scratch.path().join("table");
        let servers: String = addresses.iter().map(|at| format!("[[server]]\naddress = {at:?}\n")).collect();
        let head = format!("[pool]\nconnect_timeout = \"4s\"\ntimeout = \"5s\"\ntable = {table:?}\n");
        let pool = scratch.write("pool.toml", &format!("{head}{servers}"));
        Files { _scratch: scratch, pool, table }
    }

    fn read(&self) -> Pool {
        config::read(&self.pool).expect("a good file").pool
    }
}

/// The daemon's part: a table that is attended for a minute.
fn attended(files: &Files, pool: &Pool, states: &[State]) -> Writer {
    let lock = Lock::take(&files.table).expect("nobody else writes it");
    let settings = Settings { bound: Duration::from_secs(60), ..Settings::default() };
    let mut writer = Writer::create(lock, &settings, &snapshot(pool, states)).expect("a table");
    let settled = writer.settle(identity::boot_millis());
    writer.attend(settled, identity::boot_millis()).expect("no minute passed");
    writer
}

fn snapshot(pool: &Pool, states: &[State]) -> Snapshot {
    let views: Vec<_> =
        states.iter().map(|&state| ServerView { state, meta: Meta::Yes, ..ServerView::default() }).collect();
    Snapshot { current: List::new(pool, &views, 1), ..Snapshot::default() }
}

fn publish(writer: &mut Writer, pool: &Pool, states: &[State]) {
    writer.publish(&snapshot(pool, states)).expect("it has room");
}

fn server(at: &str) -> Server {
    Server { name: at.to_owned(), address: at.parse().expect("an address"), weight: 1, backup: None }
}

const STORED: &str = "MC_REASON_STORED 0";
const ALL: [State; 4] = [State::Steady; 4];

#[test]
fn the_states_are_those_of_the_table() {
    for watch in [Watch::None, Watch::Valgrind] {
        let servers = [Memcached::start(), Memcached::start(), Memcached::start(), Memcached::start()];
        let addresses = servers.each_ref().map(Memcached::address);
        let files = Files::new(&addresses);
        let pool = files.read();
        let mut writer = attended(&files, &pool, &ALL);
        let mut program = Driven::start(&files.pool, watch);
        for number in 0..20 {
            assert_eq!(program.ask(&format!("set key{number} value{number}")), STORED);
        }
        assert_eq!(program.ask("state 1"), "0");
        publish(&mut writer, &pool, &[State::Steady, State::Draining, State::Down, State::Returned]);
        for (number, state) in ["0", "3", "2", "1"].iter().enumerate() {
            assert_eq!(program.ask(&format!("state {number}")), *state);
        }
        for number in 0..20 {
            assert_eq!(
                program.ask(&format!("get key{number}")),
                format!("MC_REASON_HIT value{number}"),
                "{watch:?}"
            );
        }
        let [one, two, three, four] = &addresses;
        let shown = program.ask("servers");
        assert_eq!(shown, format!("{one}=u {two}=u {three}=d {four}=u"), "draining is up");
        assert_eq!(program.end(), Vec::<String>::new());
    }
}

#[test]
fn the_list_follows_the_table() {
    for watch in [Watch::None, Watch::Valgrind] {
        let servers = [Memcached::start(), Memcached::start(), Memcached::start(), Memcached::start()];
        let addresses = servers.each_ref().map(Memcached::address);
        let files = Files::new(&addresses[..3]);
        let mut writer = attended(&files, &files.read(), &ALL[..3]);
        let mut program = Driven::start(&files.pool, watch);
        let [one, two, three, four] = &addresses;
        assert_eq!(program.ask("set key value"), STORED);
        assert!(program.ask("servers").starts_with(one.as_str()));

        // The first server goes and a fourth comes.
        let others: Vec<Server> = addresses[1..].iter().map(|at| server(at)).collect();
        let options = files.read().options.clone();
        let smaller = Pool::new("pool", options.clone(), others[..2].to_vec());
        let changed = Pool::new("pool", options, others);
        for (pool, expected) in [
            (&changed, vec![two, three, four]),
            (&smaller, vec![two, three]),
            (&changed, vec![two, three, four]),
        ] {
            publish(&mut writer, pool, &ALL[..expected.len()]);
            for number in 0..20 {
                let stored = program.ask(&format!("set key{number} value{number}"));
                assert_eq!(stored, STORED, "{expected:?}");
                assert_eq!(program.ask(&format!("get key{number}")), format!("MC_REASON_HIT value{number}"));
            }
            let shown: Vec<_> = expected.iter().map(|at| format!("{at}=u")).collect();
            assert_eq!(program.ask("servers"), shown.join(" "), "{watch:?}");
            assert_eq!(program.ask("held"), format!("{one}=d"), "a struct that the program still holds");
        }
        // What is asked is the fourth server too, not only shown.
        assert!(servers[3].stat("cmd_set").is_some_and(|sets| sets > 0));
        assert_eq!(program.end(), Vec::<String>::new());
    }
}

#[test]
fn the_list_is_the_tables_from_the_first_call() {
    let servers = [Memcached::start(), Memcached::start()];
    let [one, two] = servers.each_ref().map(Memcached::address);
    let files = Files::new(std::slice::from_ref(&one));
    let pool = Pool::new("pool", files.read().options.clone(), vec![server(&one), server(&two)]);
    let _writer = attended(&files, &pool, &ALL[..2]);
    let mut program = Driven::start(&files.pool, Watch::None);
    assert_eq!(program.ask("set key value"), STORED);
    assert_eq!(program.ask("servers"), format!("{one}=u {two}=u"));
    assert_eq!(program.end(), Vec::<String>::new());
}

#[test]
fn a_server_that_joins_has_the_timeout_of_those_that_were_there() {
    let running = [Memcached::start(), Memcached::start(), Memcached::start(), Memcached::start()];
    let addresses = running.each_ref().map(Memcached::address);
    let files = Files::new(&addresses[..1]);
    let options = files.read().options.clone();
    let first = |count: usize| {
        Pool::new("pool", options.clone(), addresses[..count].iter().map(|at| server(at)).collect())
    };
    let mut writer = attended(&files, &first(1), &ALL[..1]);
    let mut program = Driven::start(&files.pool, Watch::None);
    assert_eq!(program.ask("set key value"), STORED);
    let mut joined = |program: &mut Driven, count: usize| {
        publish(&mut writer, &first(count), &ALL[..count]);
        assert_eq!(program.ask("set key value"), STORED);
        program.ask("timeouts")
    };
    assert_eq!(joined(&mut program, 2), "5.000000 5.000000", "the file's, as nobody chose another");
    assert_eq!(program.ask("choose 3500ms"), "MC_REASON_DONE");
    assert_eq!(joined(&mut program, 3), "3.500000 3.500000 3.500000");
    assert_eq!(program.ask("preset 4"), "4");
    assert_eq!(
        joined(&mut program, 4),
        "3.500000 3.500000 3.500000 3.500000",
        "mc_timeout is about servers that the program adds"
    );
    assert_eq!(program.end(), Vec::<String>::new());
}

#[test]
fn one_message_says_that_a_table_is_not_there() {
    let servers = [Memcached::start(), Memcached::start()];
    let files = Files::new(&servers.each_ref().map(Memcached::address));
    let mut program = Driven::start(&files.pool, Watch::None);
    for number in 0..20 {
        assert_eq!(program.ask(&format!("set key{number} value{number}")), STORED);
        assert_eq!(program.ask(&format!("get key{number}")), format!("MC_REASON_HIT value{number}"));
    }
    let told = program.end();
    let about = files.table.display().to_string();
    assert_eq!(told.iter().filter(|line| line.contains(&about)).count(), 1, "{told:?}");
}

#[test]
fn a_server_that_was_taken_out_stays_out_without_a_daemon() {
    let servers = [Memcached::start(), Memcached::start()];
    let [one, two] = servers.each_ref().map(Memcached::address);
    let scratch = support::scratch::Scratch::new();
    let text = format!("[[server]]\naddress = {one:?}\nstate = \"down\"\n[[server]]\naddress = {two:?}\n");
    let mut program = Driven::start(&scratch.write("pool.toml", &text), Watch::None);
    for number in 0..20 {
        assert_eq!(program.ask(&format!("set key{number} value{number}")), STORED);
        assert_eq!(program.ask(&format!("get key{number}")), format!("MC_REASON_HIT value{number}"));
    }
    assert_eq!(program.ask("servers"), format!("{one}=d {two}=u"));
    assert_eq!(servers[0].stat("cmd_set"), Some(0));
    assert_eq!(program.end(), Vec::<String>::new());
}
