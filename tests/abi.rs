//! What the shared library shows to a linker: the 152 functions of the old library, our own beside
//! them under the same prefixes, the old soname, and nothing else.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

fn library() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let deps = test.parent().expect("it is in a folder");
    let near = [deps.join("libmemcache.so"), deps.with_file_name("libmemcache.so")];
    near.into_iter().find(|path| path.exists()).expect("cargo built libmemcache.so")
}

fn told(program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).arg(library()).output().expect("binutils are installed");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("symbols are text")
}

#[test]
fn exactly_the_interface_is_exported() {
    let listing = told("nm", &["-D", "--defined-only"]);
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
fn programs_of_the_old_library_find_it() {
    let dynamic = told("readelf", &["-d"]);
    assert!(dynamic.contains("Library soname: [libmemcache.so.0]"), "{dynamic}");
}
