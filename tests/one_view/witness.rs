//! The crowd that the other tests believe: does it notice what it is there to notice? Here somebody else
//! puts other values under its keys.

use crate::support::crowd::{Crowd, Note, Verdict};
use crate::support::drill::{Fault, Fleet};
use crate::support::scratch::Scratch;
use crate::support::server::Memcached;
use crate::support::wait;
use crate::world;

/// A request to a server for each of the crowd's keys that it has, made of the key and its value.
fn for_each_key(server: &Memcached, found: &[(String, String)], request: impl Fn(&str, &str) -> String) {
    for (key, value) in found {
        let _ = server.ask(&request(key, value), "STORED").expect("the server answers");
    }
}

fn values_on(server: &Memcached, keys: usize) -> Vec<(String, String)> {
    let value = |key: &String| server.ask(&format!("get {key}\r\n"), "END").ok()?.get(1).cloned();
    let keys = (0..keys).map(|number| format!("fleet-{number}"));
    keys.filter_map(|key| value(&key).filter(|value| value != "END").map(|value| (key, value))).collect()
}

/// What the crowd notes while `meddle` is done again and again.
fn noted(meddle: impl Fn(&Memcached, &[(String, String)])) -> Vec<Note> {
    let scratch = Scratch::new();
    let fleet = Fleet::start(Fault::Killed);
    let shape = world::shape(4);
    let mut crowd = Crowd::new(&scratch, shape, &world::pool_file(&scratch, &fleet).0);
    crowd.join(0..shape.processes);
    let found = values_on(fleet.victim(), shape.processes * shape.keys);
    assert!(!found.is_empty(), "none of the crowd's keys is on the server");
    crowd.works(100);
    assert_eq!(crowd.present().map(|process| process.wrong).sum::<u64>(), 0);
    wait::until("the crowd notices", || {
        meddle(fleet.victim(), &found);
        crowd.present().any(|process| process.wrong > 0).then_some(())
    });
    crowd.stop()
}

fn all_are(notes: &[Note], verdict: Verdict) {
    let wrong: Vec<_> = notes.iter().filter(|note| note.verdict != Verdict::Right).collect();
    assert!(!wrong.is_empty() && wrong.iter().all(|note| note.verdict == verdict), "{wrong:?}");
    assert!(wrong.iter().all(|note| note.victim && !note.write), "{wrong:?}");
}

#[test]
fn it_sees_an_old_value() {
    all_are(
        &noted(|server, found| {
            for_each_key(server, found, |key, old| format!("set {key} 0 0 {}\r\n{old}\r\n", old.len()));
        }),
        Verdict::Stale,
    );
}

#[test]
fn it_sees_a_value_that_was_never_written() {
    all_are(
        &noted(|server, found| {
            for_each_key(server, found, |key, old| {
                let other = old.replace(" by ", " BY ");
                format!("set {key} 0 0 {}\r\n{other}\r\n", other.len())
            });
        }),
        Verdict::Foreign,
    );
}

#[test]
fn it_sees_that_a_value_is_gone() {
    all_are(
        &noted(|server, _| {
            let _ = server.ask("flush_all\r\n", "OK").expect("the server answers");
        }),
        Verdict::Missing,
    );
}
