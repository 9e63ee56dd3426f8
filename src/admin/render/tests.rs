//! Pictures of pools, letter by letter.

use crate::admin::progress::Sweep;
use crate::table::Progress;

use super::*;

fn server(name: &str, address: &str) -> Line {
    Line {
        name: name.to_owned(),
        address: address.to_owned(),
        state: "steady",
        since: None,
        reason: String::new(),
        backup: None,
        order: "up",
        weight: 1,
        held_back: false,
        ordered: false,
        unreachable: None,
        version: None,
        pid: None,
        started: None,
        meta: None,
        items: None,
        memory_used: None,
        memory_limit: None,
        hits: None,
        misses: None,
        hit_rate: None,
        since_millis: None,
    }
}

fn pool(servers: Vec<Line>) -> Report {
    Report {
        pool: "sessions".to_owned(),
        file: "/etc/memcache/sessions.toml".to_owned(),
        table: Some("/run/memcache/sessions.table".to_owned()),
        attended: true,
        attendance: "attended".to_owned(),
        writer: Some(4711),
        states: "table",
        generation: Some(42),
        published: None,
        sweep: Some("running"),
        lists_agree: true,
        servers,
        sweep_progress: None,
    }
}

#[test]
fn a_pool_that_is_attended() {
    let mut first = server("s1", "10.0.0.1:11211");
    first.backup = Some("s2".to_owned());
    first.items = Some(120_417);
    first.memory_used = Some(51_118_080);
    first.memory_limit = Some(64 << 20);
    first.hit_rate = Some(0.9814);
    first.since_millis = Some(1_000_000);
    first.reason = "it answers".to_owned();
    let mut second = server("s2", "unix:/run/memcached/s2.sock");
    second.state = "down";
    second.backup = Some("s1".to_owned());
    second.since_millis = Some(10_000_000);
    second.reason = "connection refused".to_owned();
    second.unreachable = Some("connection refused".to_owned());
    let expected = "\
pool sessions   /etc/memcache/sessions.toml
table /run/memcache/sessions.table   attended by process 4711, generation 42, sweep running

SERVER  ADDRESS                      STATE   SINCE     BACKUP    ITEMS             MEMORY    HITS  WHY
s1      10.0.0.1:11211               steady  2 h ago   s2      120,417  48.7 MiB / 64 MiB  98.1 %  it answers
s2      unix:/run/memcached/s2.sock  down    12 s ago  s1            -                  -       -  connection refused
";
    assert_eq!(report(&pool(vec![first, second]), 10_012_345), expected);
}

#[test]
fn a_sweep_that_is_under_way() {
    let mut report_of = pool(vec![server("s1", "h:1")]);
    let progress = Progress {
        began: 1_000,
        updated: 14_000,
        sources: 1,
        keys: 521_000,
        keys_total: 1_000_000,
        moved: 48_211,
        bytes: 104 << 20,
        refused: 2,
        ..Progress::default()
    };
    report_of.sweep_progress = Some(Sweep::new(&progress, 14_000));
    let text = report(&report_of, 14_000);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].ends_with(", sweep running"), "{text}");
    let expected = [
        "sweep  [##########..........] 52 %   521,000 of 1,000,000 keys, 48,211 copies moved (104 MiB), about 12 s left",
        "       2 copies were refused by the servers that they belong on",
        "",
    ];
    assert_eq!(lines[2..5], expected);
    report_of.attended = false;
    assert!(
        report(&report_of, 14_000).contains(" moved (104 MiB), stopped until a daemon attends the table\n")
    );
}

#[test]
fn a_pool_without_a_table_and_servers_without_names() {
    let mut one = server("10.0.0.1:11211", "10.0.0.1:11211");
    one.order = "draining";
    one.unreachable = Some("no answer in time".to_owned());
    let mut report_of = pool(vec![one]);
    (report_of.table, report_of.attended, report_of.states) = (None, false, "assumed");
    (report_of.generation, report_of.sweep, report_of.writer) = (None, None, None);
    report_of.attendance = "no table: the pool file names none, so each process judges by itself".to_owned();
    let expected = "\
pool sessions   /etc/memcache/sessions.toml
no table: the pool file names none, so each process judges by itself
the states are assumed, from what is ordered and who answers here

SERVER          STATE   SINCE  BACKUP  ITEMS  MEMORY  HITS  WHY
10.0.0.1:11211  steady  -      -           -       -     -  ordered to drain; cannot be asked: no answer in time
";
    assert_eq!(report(&report_of, 0), expected);
}

#[test]
fn an_unattended_table_of_another_list_says_so() {
    let mut report_of = pool(vec![server("s1", "h:1")]);
    (report_of.attended, report_of.states, report_of.lists_agree) = (false, "last", false);
    report_of.attendance = "unattended: its writer ended".to_owned();
    let text = report(&report_of, 0);
    assert!(text.contains("sessions.table   unattended: its writer ended, generation 42"), "{text}");
    assert!(text.contains("\nthe states are the table's last: "), "{text}");
    assert!(
        text.contains("\nthe pool file names other servers than the table, whose list is shown\n"),
        "{text}"
    );
}

#[test]
fn one_line_for_each_server_however_much_is_to_be_said() {
    let mut one = server("s1", "h:1");
    (one.state, one.held_back, one.reason) = ("down", true, "r".repeat(120));
    let mut two = server("s2", "h:2");
    (two.state, two.held_back, two.order, two.ordered) = ("down", true, "down", true);
    let mut three = server("s3", "h:3");
    three.order = "down";
    let text = report(&pool(vec![one, two, three]), 0);
    let rows: Vec<_> = text.lines().skip(4).collect();
    assert_eq!(rows.len(), 3, "{text}");
    assert!(rows[0].ends_with("rrr; it answers, and its flush is held back"), "{text}");
    assert_eq!(rows[1].split_whitespace().last(), Some("-"), "it is held back by the order: {text}");
    assert!(rows[2].ends_with("  ordered down"), "{text}");
}

#[test]
fn what_is_hostile_is_shown_and_does_nothing() {
    let mut one = server("s\u{202e}1", "h:1");
    one.reason = "a\u{1b}[2Jb\nc".to_owned();
    one.unreachable = Some("\u{9b}31m".to_owned());
    one.backup = Some("\u{7}".to_owned());
    let mut report_of = pool(vec![one]);
    report_of.pool = "p\u{1b}]0;x\u{7}".to_owned();
    let text = report(&report_of, 0);
    assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text:?}");
    assert!(!text.contains('\u{202e}'), "{text:?}");
    assert!(text.contains("a\\u{1b}[2Jb\\u{a}c"), "{text}");
}
