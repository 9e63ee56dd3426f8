//! Programs that fork, that use threads, and that load and unload the library.

use super::*;

fn source(name: &'static str) -> Source {
    Source { name, family: Family::Mc }
}

fn run_one(name: &'static str, watch: Watch, arguments: &[&str], addresses: &[String]) {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned());
    run_watched(source(name), watch, &arguments.chain(addresses.iter().cloned()).collect::<Vec<_>>());
}

/// A value carries its writer and its number, and none is ever wrong.
#[test]
fn a_parent_and_its_children_share_a_handle() {
    let (_servers, addresses) = three();
    run_one("fork", Watch::None, &["8", "100000", "0"], &addresses);
    run_one("fork", Watch::None, &["20", "4000", "3"], &addresses);
    run_one("fork", Watch::Valgrind, &["2", "300", "0"], &addresses);
}

#[test]
fn the_library_is_loaded_forked_and_unloaded_again_and_again() {
    let server = Memcached::start();
    let program = compile(source("reload"), Watch::None);
    let library = program.folder.join("libmemcache.so.0");
    let output = command(&program, Watch::None)
        .arg(library)
        .args(["100", &server.address()])
        .output()
        .expect("it runs");
    passed("reload", &output);
}

#[test]
fn two_threads_in_one_handle_are_noticed() {
    let servers = [Memcached::start(), Memcached::start()];
    let addresses = servers.each_ref().map(Memcached::address);
    let program = compile(source("threads"), Watch::None);
    let output = command(&program, Watch::None).args(&addresses).output().expect("it runs");
    passed("threads", &output);
    let noticed = if cfg!(debug_assertions) { "1\n" } else { "0\n" };
    assert_eq!(String::from_utf8_lossy(&output.stdout), noticed, "ASSERTs raised");
    run_watched(source("threads"), Watch::Valgrind, &addresses);
}
