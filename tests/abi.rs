//! What the installed shared library shows to a linker: the 152 functions of the old library, our own
//! beside them under the same prefixes, the old soname, and nothing else. And what it brings into a process:
//! no library but the C library and what comes with the compiler, no crate that only the programs need.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::cc;
use support::scratch::Scratch;

fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("symbols are text")
}

/// The library as `make install` puts it, found by the name that programs of the old one load.
fn installed(scratch: &Scratch) -> PathBuf {
    let destination = scratch.path().join("root");
    let mut make = Command::new("make");
    make.current_dir(cc::root()).args(["--no-print-directory", "install", "PREFIX=/usr"]);
    make.arg(format!("DESTDIR={}", destination.display())).env_remove("MAKEFLAGS");
    run(&mut make);
    destination.join("usr/lib/libmemcache.so.0")
}

fn only_the_interface_is_exported(library: &Path) {
    let listing = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library));
    let exported: BTreeSet<&str> =
        listing.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let wanted: BTreeSet<&str> = include_str!("../c-tests/symbols.txt").lines().collect();
    assert_eq!(wanted.len(), 152);
    let missing: Vec<_> = wanted.difference(&exported).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    let prefixes = ["mc_", "mcm_", "mcErr", "mcMem"];
    let foreign: Vec<_> =
        exported.iter().filter(|name| !prefixes.iter().any(|prefix| name.starts_with(prefix))).collect();
    assert!(foreign.is_empty(), "exported beside the interface: {foreign:?}");
}

#[test]
fn the_installed_library_is_what_old_programs_load() {
    let scratch = Scratch::new();
    let library = installed(&scratch);
    only_the_interface_is_exported(&library);
    let dynamic = run(Command::new("readelf").arg("-d").arg(&library));
    assert!(dynamic.contains("Library soname: [libmemcache.so.0]"), "{dynamic}");
    needs_nothing_but_the_c_library(&dynamic);
}

fn needs_nothing_but_the_c_library(dynamic: &str) {
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    let names: Vec<_> = needed.filter_map(|line| line.split(['[', ']']).nth(1)).collect();
    assert!(names.contains(&"libc.so.6"), "{dynamic}");
    let known = ["libc.so.", "libgcc_s.so.", "ld-linux", "libm.so.", "libpthread.so.", "libdl.so."];
    let foreign: Vec<_> =
        names.iter().filter(|name| !known.iter().any(|known| name.starts_with(known))).collect();
    assert!(foreign.is_empty(), "the library needs {foreign:?}");
}

/// The packages that are built in for the features that are given.
fn crates(options: &[&str]) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(cc::root()).args(["tree", "--locked", "--edges", "normal"]);
    let tree = run(tree.args(["--prefix", "none"]).args(options));
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// What the programs need stands in Cargo.toml as their feature: the library is built without it, and
/// then none of it is there.
#[test]
fn the_library_alone_needs_no_crate_of_the_programs() {
    let manifest = std::fs::read_to_string(cc::root().join("Cargo.toml")).expect("Cargo.toml");
    let feature = manifest.lines().find_map(|line| line.strip_prefix("programs = ")).expect("the feature");
    let of_programs: Vec<_> = feature.split('"').filter_map(|word| word.strip_prefix("dep:")).collect();
    let (alone, with_programs) = (crates(&[]), crates(&["--features", "programs"]));
    assert!(alone.contains("rustix") && of_programs.len() > 3, "this test no longer reads what it should");
    for name in of_programs {
        assert!(with_programs.contains(name), "{name} is not built for the programs");
        assert!(!alone.contains(name), "{name} is built into the library");
    }
}

#[test]
fn the_built_library_exports_the_same() {
    only_the_interface_is_exported(&cc::built_library());
}
