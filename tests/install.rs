//! What `make install` puts where: the library under its full name with the links that the loader
//! and the linker look for, the headers where a C compiler finds them, and a file for pkg-config.
//! The programs of the README are built from the installed files alone, as a user would.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::cc;
use support::scratch::Scratch;
use support::server::Memcached;

/// What a command prints.
///
/// # Panics
/// With what it said when it failed.
fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed ({}):\n{out}\n{err}", output.status);
    out.into_owned()
}

/// `make install`; the directory below which everything lies.
fn install(scratch: &Scratch) -> PathBuf {
    let destination = scratch.path().join("root");
    output_of(
        Command::new("make")
            .current_dir(cc::root())
            .args(["--no-print-directory", "install", "PREFIX=/usr"])
            .arg(format!("DESTDIR={}", destination.display()))
            .env_remove("MAKEFLAGS"),
    );
    destination.join("usr")
}

fn everything_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() && !path.is_symlink() {
            everything_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The first block of the README in that language.
fn readme_block(language: &str) -> String {
    let readme = fs::read_to_string(cc::root().join("README.md")).expect("a README");
    let start = format!("```{language}\n");
    let (_, block) = readme.split_once(&start).unwrap_or_else(|| panic!("no {start} in the README"));
    block.split_once("```").expect("the block's end").0.to_owned()
}

#[test]
fn installed_files_are_complete_and_serve_a_c_compiler() {
    let scratch = Scratch::new();
    let usr = install(&scratch);
    let full_name = concat!("lib/libmemcache.so.", env!("CARGO_PKG_VERSION"));

    let mut found = Vec::new();
    everything_below(&usr, &mut found);
    let mut found: Vec<_> =
        found.iter().map(|path| path.strip_prefix(&usr).expect("below usr").display().to_string()).collect();
    found.sort();
    let mut expected = [
        "include/memcache.h",
        "include/memcache/_buffer.h",
        "include/memcache/buffer.h",
        "lib/libmemcache.a",
        "lib/libmemcache.so",
        "lib/libmemcache.so.0",
        full_name,
        "lib/pkgconfig/libmemcache.pc",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);

    for link in ["lib/libmemcache.so", "lib/libmemcache.so.0"] {
        let target = fs::canonicalize(usr.join(link)).expect("a link that leads somewhere");
        assert_eq!(target, fs::canonicalize(usr.join(full_name)).expect("the library"));
    }
    let dynamic = output_of(Command::new("readelf").arg("-d").arg(usr.join(full_name)));
    assert!(dynamic.contains("Library soname: [libmemcache.so.0]"), "{dynamic}");

    let pc = fs::read_to_string(usr.join("lib/pkgconfig/libmemcache.pc")).expect("the pkg-config file");
    assert!(!pc.contains('@'), "{pc}");
    assert!(
        pc.contains("prefix=/usr\n") && pc.contains(concat!("Version: ", env!("CARGO_PKG_VERSION"))),
        "{pc}"
    );

    the_readme_program_runs(&scratch, &usr, &pc);
}

fn the_readme_program_runs(scratch: &Scratch, usr: &Path, pc: &str) {
    let text = readme_block("c");
    let example = fs::read_to_string(cc::root().join("examples-c/hello.c")).expect("examples-c/hello.c");
    assert_eq!(text, example, "the README shows examples-c/hello.c");

    let servers = [Memcached::start(), Memcached::start()];
    let mut pool = readme_block("toml");
    for (server, address) in servers.iter().zip(["127.0.0.1:11211", "127.0.0.1:11212"]) {
        assert!(pool.contains(address), "the README's pool has a server at {address}");
        pool = pool.replace(address, &server.address());
    }
    let pool_file = scratch.write("pool.toml", &pool);

    let include = format!("-I{}", usr.join("include").display());
    let lib = usr.join("lib").display().to_string();
    let shared = [include.clone(), format!("-L{lib}"), "-lmemcache".to_owned()];
    let of_static = pc.lines().find_map(|line| line.strip_prefix("Libs.private: ")).expect("Libs.private");
    let mut archive = vec![include, format!("{lib}/libmemcache.a")];
    archive.extend(of_static.split(' ').map(str::to_owned));

    for (name, options) in [("hello-shared", shared.to_vec()), ("hello-static", archive)] {
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let program = cc::compile(scratch, name, &["examples-c/hello.c"], &options)
            .unwrap_or_else(|words| panic!("{name} does not compile:\n{words}"));
        let said =
            output_of(Command::new(program).env("LD_LIBRARY_PATH", &lib).env("MEMCACHE_POOL", &pool_file));
        assert_eq!(said, "hello\n", "{name}");
    }
    for server in &servers {
        assert_eq!(server.stat("curr_items"), Some(1), "each server of the pair holds a copy");
    }
}
