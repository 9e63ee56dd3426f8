//! The new calls from C, against real memcacheds: every result and every reason, while servers are
//! killed, restarted and stopped; and all of it again under valgrind.

mod support;

use std::ffi::c_int;
use std::path::PathBuf;
use std::process::Command;

use memcache::capi::place::mc_state;
use memcache::capi::reason::mc_reason;
use support::cc;
use support::orders::run;
use support::scratch::Scratch;
use support::server::Memcached;

const VALGRIND: [&str; 5] = [
    "-q",
    "--error-exitcode=9",
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect",
    "--errors-for-leak-kinds=definite,indirect",
];

/// The program twice: with the calls that take the global context, and with those that are given it.
fn compiled(scratch: &Scratch, name: &str) -> [PathBuf; 2] {
    let sources = [&*format!("c-tests/{name}.c")];
    let twins = cc::program_with(scratch, &format!("{name}_twins"), &sources, &["-DTWINS"]);
    [cc::program(scratch, name, &sources), twins]
}

/// One family as it is, the other under valgrind.
fn twice([program, twins]: &[PathBuf; 2]) -> [Command; 2] {
    let mut checked = Command::new("valgrind");
    checked.args(VALGRIND).arg(twins);
    [Command::new(program), checked]
}

fn addresses(servers: &[Memcached]) -> Vec<String> {
    servers.iter().map(Memcached::address).collect()
}

fn values(backups: &str, count: usize) {
    let scratch = Scratch::new();
    let program = compiled(&scratch, "new_values");
    for mut command in twice(&program) {
        let mut servers: Vec<_> = (0..count).map(|_| Memcached::start()).collect();
        let arguments = [vec![backups.to_owned()], addresses(&servers)].concat();
        run(command.env_remove("MEMCACHE_POOL"), &arguments, &mut servers);
    }
}

#[test]
fn values_on_one_server() {
    values("none", 1);
}

#[test]
fn values_on_three_servers() {
    values("none", 3);
}

#[test]
fn values_with_backups() {
    values("pairs", 3);
}

#[test]
fn servers_that_die_come_back_and_hang() {
    let scratch = Scratch::new();
    let program = compiled(&scratch, "new_failures");
    let mut servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    for what in ["one", "tokens", "hang", "all"] {
        let arguments = [vec![what.to_owned()], addresses(&servers)].concat();
        for mut command in twice(&program) {
            // Emptied: what one process knew of its servers' lives, the next one does not know.
            servers.iter_mut().for_each(Memcached::restart);
            run(command.env_remove("MEMCACHE_POOL"), &arguments, &mut servers);
        }
    }
}

#[test]
fn pool_files_and_options() {
    let scratch = Scratch::new();
    let program = compiled(&scratch, "new_pool");
    let mut servers = [Memcached::start(), Memcached::start()];
    let good = format!(
        "[pool]\ntimeout = \"5s\"\nconnect_timeout = \"1s\"\nmax_ttl = \"7d\"\n\
         [[server]]\nname = \"first\"\naddress = {:?}\n[[server]]\naddress = {:?}\n",
        servers[0].address(),
        servers[1].address()
    );
    let good = scratch.write("good.toml", &good).display().to_string();
    let bad = "[pool]\ntimeout = \"soon\"\n[[server]]\naddress = \"127.0.0.1:11211\"\nwait = 3\n";
    let bad = scratch.write("bad.toml", bad).display().to_string();
    let options = [vec!["options".to_owned()], addresses(&servers)].concat();
    let every = [vec!["files".to_owned(), good, bad.clone()], vec!["bad".into()], options];
    for arguments in every {
        for mut command in twice(&program) {
            match arguments[0].as_str() {
                "bad" => command.env("MEMCACHE_POOL", &bad),
                _ => command.env_remove("MEMCACHE_POOL"),
            };
            run(&mut command, &arguments, &mut servers);
        }
    }
}

#[test]
fn every_number_is_as_documented() {
    use mc_reason::*;
    use mc_state::*;
    let reasons = [
        (MC_REASON_DONE, 0),
        (MC_REASON_HIT, 1),
        (MC_REASON_STORED, 2),
        (MC_REASON_DELETED, 3),
        (MC_REASON_TOUCHED, 4),
        (MC_REASON_NUMBER, 5),
        (MC_REASON_MISS, 10),
        (MC_REASON_NOT_STORED, 11),
        (MC_REASON_EXISTS, 12),
        (MC_REASON_NOT_FOUND, 13),
        (MC_REASON_UNAVAILABLE, -1),
        (MC_REASON_TIMEOUT, -2),
        (MC_REASON_REFUSED, -3),
        (MC_REASON_BAD_KEY, -4),
        (MC_REASON_BAD_VALUE, -5),
        (MC_REASON_NO_MEMORY, -6),
        (MC_REASON_NO_SERVERS, -7),
        (MC_REASON_BAD_FILE, -8),
        (MC_REASON_BAD_OPTION, -9),
        (MC_REASON_INTERNAL, -10),
    ];
    let header = std::fs::read_to_string(cc::root().join("include/memcache.h")).expect("the header");
    for (reason, number) in reasons {
        assert_eq!(reason as c_int, number);
        assert!(header.contains(&format!("    {reason:?} = {number},\n")), "{reason:?} in the header");
        // SAFETY: it takes any number, and gives a text of the library's own.
        let name = unsafe { std::ffi::CStr::from_ptr(memcache::capi::reason::mc_reason_name(number)) };
        assert_eq!(name.to_str(), Ok(format!("{reason:?}").as_str()));
    }
    for (state, number) in [(MC_STATE_STEADY, 0), (MC_STATE_RETURNED, 1), (MC_STATE_DOWN, 2)] {
        assert_eq!(state as c_int, number);
        assert!(header.contains(&format!("    {state:?} = {number},\n")), "{state:?} in the header");
    }
}
