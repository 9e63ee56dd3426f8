//! Servers that are named by a host's name, and a resolver that does not answer: tests/c/resolver.c.

use std::fs::File;
use std::path::PathBuf;

use memcache::rules::view::State;

use crate::daemon::{Files, Watchd};
use crate::deaths::flushes;
use crate::support::cc;
use crate::support::keep::Variable;
use crate::support::scratch::Scratch;
use crate::support::server::Memcached;
use crate::support::wait;

/// The resolver of what this thread starts: it answers once it is told to.
struct Resolver {
    there: PathBuf,
    _variables: [Variable; 2],
    _scratch: Scratch,
}

impl Resolver {
    fn new() -> Resolver {
        let scratch = Scratch::new();
        let library = cc::compile(&scratch, "resolver.so", &["tests/c/resolver.c"], &["-shared", "-fPIC"]);
        let library = library.unwrap_or_else(|words| panic!("{words}"));
        let there = scratch.path().join("there");
        let variables = [("LD_PRELOAD", &library), ("RESOLVES", &there)];
        let variables = variables.map(|(name, path)| Variable::for_children(name, path));
        Resolver { there, _variables: variables, _scratch: scratch }
    }

    fn answers(&self) {
        File::create(&self.there).expect("a new file");
    }

    /// How often it did not answer.
    fn asked(&self) -> usize {
        std::fs::read(self.there.with_extension("asked")).map_or(0, |questions| questions.len())
    }

    fn answers_no_more(&self) {
        std::fs::remove_file(&self.there).expect("it answered");
    }
}

fn named(servers: &[Memcached]) -> Vec<String> {
    (1..).zip(servers).map(|(number, server)| format!("s{number}.test:{}", server.port())).collect()
}

#[test]
fn a_daemon_that_starts_before_its_resolver_empties_nobody() {
    let servers: Vec<Memcached> = (0..4).map(|_| Memcached::without_lists()).collect();
    let resolver = Resolver::new();
    let files = Files::new(&named(&servers), "interval = \"100ms\"");
    resolver.answers();
    let first = Watchd::start(&files);
    files.wait_until_met(4);
    first.kill();
    servers.iter().for_each(|server| drop(server.ask("set key 0 0 1\r\nv\r\n", "STORED").expect("stored")));

    resolver.answers_no_more();
    let watchd = Watchd::start(&files);
    // Again and again, with a probe between two times.
    wait::until("questions", || (resolver.asked() >= 4 * 4).then_some(()));
    resolver.answers();
    wait::until("addresses for all", || (watchd.said().matches("found at last").count() == 4).then_some(()));
    files.wait_until_met(4);
    for (index, server) in servers.iter().enumerate() {
        assert_eq!((files.entry(index).state, flushes(server)), (State::Steady, 0), "{index}");
    }
}

#[test]
fn a_name_that_stays_without_an_address_is_a_server_that_is_down() {
    let servers = [Memcached::without_lists(), Memcached::without_lists()];
    let _resolver = Resolver::new();
    let files = Files::new(&[named(&servers)[0].clone(), servers[1].address()], "interval = \"20ms\"");
    let _watchd = Watchd::start(&files);
    let entry = files.wait_for(0, State::Down);
    assert_eq!(entry.reason, "its name cannot be looked up");
    assert_eq!(files.entry(1).state, State::Steady);
}
