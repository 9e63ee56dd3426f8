//! The programs of `examples-c` in the style of the old library, built from the installed files alone, as a
//! user would: pkg-config says how. In the oldest and in a recent dialect of C, without a warning; on real
//! servers; and once more under valgrind. And what stands in the pages of docs/, in [`pages`].

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "programs")]
mod blocks;
#[cfg(feature = "programs")]
mod log_lines;
#[cfg(feature = "programs")]
mod migrating;
#[cfg(feature = "programs")]
mod pages;
#[cfg(feature = "programs")]
mod units;

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use support::cc;
use support::installed::{Installed, output_of};
use support::scratch::Scratch;
use support::server::Memcached;

const PROGRAMS: [&str; 3] = ["sessions", "multiget", "apache_like"];

/// What a good run says last, and in each line before.
fn all_is_well(program: &str, said: &str) {
    let last = format!("{program}: 0 wrong");
    assert_eq!(said.lines().last(), Some(last.as_str()), "{said}");
    let checks = said.lines().filter(|line| line.ends_with(" ok")).count();
    assert!(checks > 10, "{program} checks too little:\n{said}");
}

#[test]
fn programs_in_the_old_style_build_and_run_from_the_installed_files() {
    let scratch = Scratch::new();
    let installed = Installed::by_make(scratch.path().join("root"));
    let servers = [Memcached::start(), Memcached::start(), Memcached::start()];
    let addresses = servers.each_ref().map(Memcached::address);

    for name in PROGRAMS {
        let source = format!("examples-c/{name}.c");
        for standard in ["gnu89", "c11"] {
            let program = scratch.path().join(format!("{name}-{standard}"));
            installed.build(&source, &program, &[&format!("-std={standard}")], &["--cflags", "--libs"]);
            let said = output_of(name, installed.command(&program).args(&addresses));
            all_is_well(name, &said);
        }
        under_valgrind(&installed, name, &scratch.path().join(format!("{name}-c11")), &addresses);
        // One that finds no server must not say that all is well.
        let dead = "unix:".to_owned() + &scratch.path().join("nobody").display().to_string();
        let status = installed.command(&scratch.path().join(format!("{name}-c11"))).arg(dead).output();
        let status = status.expect("the program runs").status;
        assert_eq!(status.code(), Some(1), "{name} without a server");
    }
    let shared: u64 = servers.iter().map(|server| u64::from(server.stat("cmd_set") > Some(0))).sum();
    assert_eq!(shared, 3, "every server has stored something");
}

fn under_valgrind(installed: &Installed, name: &str, program: &Path, addresses: &[String]) {
    let mut valgrind = installed.command(Path::new("valgrind"));
    valgrind
        .args(["-q", "--error-exitcode=9", "--leak-check=full"])
        .args(["--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"])
        .arg(program)
        .args(addresses);
    all_is_well(name, &output_of("valgrind", &mut valgrind));
}

/// The session store with a pool file, which it does not know of: its own servers are ignored, and every
/// session lies on both servers of the pair.
#[test]
fn the_session_store_takes_a_pool_file() {
    let scratch = Scratch::new();
    let installed = Installed::by_make(scratch.path().join("root"));
    let servers = [Memcached::start(), Memcached::start()];
    let example = installed.path("usr/share/doc/libmemcache/pool.toml");
    let mut pool = std::fs::read_to_string(example).expect("the example of a pool file");
    for (server, address) in servers.iter().zip(["127.0.0.1:11211", "127.0.0.1:11212"]) {
        assert!(pool.contains(address), "the example has a server at {address}");
        pool = pool.replace(address, &server.address());
    }
    // A busy machine stops a healthy server for longer than the example's timeouts allow.
    let pool = pool.replace("\"100ms\"", "\"5s\"").replace("\"500ms\"", "\"20s\"");
    let pool = scratch.write("pool.toml", &pool);
    let program = scratch.path().join("sessions");
    installed.build("examples-c/sessions.c", &program, &[], &["--cflags", "--libs"]);
    let mut command: Command = installed.command(&program);
    // Nobody is there: only the pool's servers can make this go well.
    command.env("MEMCACHE_POOL", pool).arg("unix:/nonexistent/memcached.sock");
    all_is_well("sessions", &output_of("sessions", &mut command));
    let stored = servers.each_ref().map(|server| server.stat("cmd_set"));
    assert!(stored[0] > Some(100) && stored[1] > Some(100), "both servers store every session: {stored:?}");
}

/// A user whose session could not be asked for is not told to log in. The README shows the heart of it.
#[test]
fn no_session_is_one_thing_and_no_server_another() {
    let readme = std::fs::read_to_string(cc::root().join("README.md")).expect("a README");
    let source = std::fs::read_to_string(cc::root().join("examples-c/reasons.c")).expect("the example");
    let blocks: Vec<&str> =
        readme.split("```c\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2, "the README has hello.c and a part of reasons.c");
    assert!(source.contains(blocks[1]), "examples-c/reasons.c no longer has what the README shows");

    let scratch = Scratch::new();
    let installed = Installed::by_make(scratch.path().join("root"));
    let program = scratch.path().join("reasons");
    installed.build("examples-c/reasons.c", &program, &["-std=c99"], &["--cflags", "--libs"]);
    let server = Memcached::start();
    let says = || output_of("reasons", installed.command(&program).arg(server.address()));
    assert_eq!(says(), "log in\n");
    let mut session = std::net::TcpStream::connect(server.address()).expect("the server is there");
    session.write_all(b"set session-17 0 60 3\r\nAnn\r\n").expect("it listens");
    let mut stored = [0; 8];
    session.read_exact(&mut stored).expect("it answers");
    assert_eq!(&stored, b"STORED\r\n");
    assert_eq!(says(), "welcome back, Ann\n");
    let nobody = "unix:".to_owned() + &scratch.path().join("nobody").display().to_string();
    let said = output_of("reasons", installed.command(&program).arg(nobody));
    assert!(said.len() > 10 && said != "log in\n", "{said}");
    println!("without a server: {said}");
}
