//! The house rules that no compiler checks: who may use whom, where unsafe code may stand, that it
//! says why it is sound, that no panic leaves through the C interface, that files stay readable.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path from the repository, and its lines.
struct Source {
    path: String,
    lines: Vec<String>,
}

impl Source {
    /// Its lines without comments, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(&self.lines).map(|(number, line)| (number, line.split("//").next().unwrap_or("")))
    }

    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable directory").path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
}

/// All files with that extension below these folders of the repository.
fn sources(folders: &[&str], extension: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        files(&root.join(folder), extension, &mut paths);
    }
    paths.sort();
    assert!(!paths.is_empty(), "nothing found in {folders:?}");
    let relative = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let lines = |path| fs::read_to_string(path).expect("UTF-8 text").lines().map(str::to_owned).collect();
    paths.iter().map(|path| Source { path: relative(path), lines: lines(path) }).collect()
}

fn nothing_found(rule: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

/// Whether `name` stands in the line as a word of its own.
fn has_word(line: &str, name: &str) -> bool {
    let part_of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    line.match_indices(name).any(|(at, _)| {
        let before = at.checked_sub(1).map(|at| line.as_bytes()[at]);
        let after = line.as_bytes().get(at + name.len()).copied();
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

/// Whether a line names the module `module` by its path from the crate, or by climbing to it.
fn mentions(line: &str, module: &str) -> bool {
    ["crate::", "memcache::", "super::"].iter().any(|way| {
        line.match_indices(&format!("{way}{module}")).any(|(at, path)| {
            let after = line.as_bytes().get(at + path.len());
            !after.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        })
    })
}

#[test]
fn layers_use_only_those_below_them() {
    let mut faults = Vec::new();
    for (layer, forbidden) in [
        ("src/rules/", &["config", "client", "capi", "table", "watch", "proxy", "admin"][..]),
        ("src/config/", &["client", "capi", "table", "watch", "proxy", "admin"]),
        ("src/table/", &["config", "client", "capi", "watch", "proxy", "admin"]),
        ("src/client/", &["capi", "watch", "proxy", "admin"]),
        ("src/capi/", &["watch", "proxy", "admin"]),
        ("src/proxy/", &["capi", "watch", "admin"]),
        ("src/admin/", &["client", "capi", "watch", "proxy"]),
    ] {
        for source in sources(&["src"], "rs").iter().filter(|source| source.is_in(layer)) {
            for (number, line) in source.code() {
                for module in forbidden.iter().filter(|module| mentions(line, module)) {
                    faults.push(format!("{}:{number} uses {module}", source.path));
                }
            }
        }
    }
    nothing_found("a layer uses only those below it (src/lib.rs has their order)", faults);
}

#[test]
fn rules_do_no_input_or_output() {
    let foreign = [
        "TcpStream",
        "UdpSocket",
        "ToSocketAddrs",
        "std::fs",
        "std::io",
        "std::os",
        "std::process",
        "std::env",
        "std::thread",
    ];
    let clocks = ["SystemTime", "std::time::Instant", "libc::", "rustix::", "rand::"];
    let mut faults = Vec::new();
    for source in sources(&["src/rules"], "rs") {
        for (number, line) in source.code() {
            for word in foreign.iter().chain(&clocks).filter(|word| line.contains(**word)) {
                faults.push(format!("{}:{number} uses {word}", source.path));
            }
        }
    }
    nothing_found("rules know no socket, file, clock, thread or C type", faults);
}

#[test]
fn unsafe_code_stands_where_it_must() {
    let mut faults = Vec::new();
    let mut in_config = 0;
    for source in sources(&["src"], "rs") {
        for (number, line) in source.code() {
            if !has_word(line, "unsafe") || line.contains("forbid(unsafe_code)") {
                continue;
            }
            in_config += usize::from(source.is_in("src/config/"));
            let allowed = source.is_in("src/capi/")
                || ["src/client/fork.rs", "src/client/whole.rs", "src/table/map.rs"]
                    .contains(&source.path.as_str())
                || (source.is_in("src/config/") && in_config == 1);
            if !allowed {
                faults.push(format!("{}:{number}", source.path));
            }
        }
    }
    nothing_found(
        "unsafe code only in the C interface, for the page of fork.rs, one declaration of whole.rs, for the table's map, and one block in \
         config",
        faults,
    );
}

/// How many unsafe blocks there are, and where: a new one is a line of its own in a change, and one that is gone is
/// struck off. (What is `unsafe fn` in the C interface is so for its callers, who are C.)
#[test]
fn unsafe_blocks_are_counted() {
    let places =
        [("src/capi/", 397), ("src/client/fork.rs", 9), ("src/table/map.rs", 7), ("src/config/source.rs", 1)];
    let mut counted = [0; 4];
    for source in sources(&["src"], "rs") {
        for (_, line) in source.code() {
            let blocks = line.matches("unsafe {").count() + line.matches("unsafe impl").count();
            let quoted = line.contains("\"unsafe");
            if blocks > 0 && !quoted {
                let place = places.iter().position(|(place, _)| source.is_in(place));
                counted[place.unwrap_or_else(|| panic!("one in {}: {line}", source.path))] += blocks;
            }
        }
    }
    println!("{:?}", places.iter().map(|(place, _)| place).zip(counted).collect::<Vec<_>>());
    for ((place, allowed), counted) in places.iter().zip(counted) {
        assert_eq!(
            counted, *allowed,
            "unsafe blocks in {place}: as many as are written here, no more and no fewer"
        );
    }
}

/// An unsafe block or impl must have its argument within the comment above it.
#[test]
fn unsafe_code_says_why_it_is_sound() {
    let mut faults = Vec::new();
    for source in sources(&["src", "tests", "examples", "benches"], "rs") {
        for (number, line) in source.code() {
            let block =
                has_word(line, "unsafe") && (line.contains("unsafe {") || line.contains("unsafe impl"));
            let quoted = line.contains("\"unsafe") || line.contains("unsafe {\"");
            if block && !quoted && !has_argument(&source.lines, number) {
                faults.push(format!("{}:{number}", source.path));
            }
        }
    }
    nothing_found("every unsafe block is preceded by a `// SAFETY:`", faults);
}

/// `SAFETY:` on the line itself, or in the comment above the statement that it is part of.
fn has_argument(lines: &[String], number: usize) -> bool {
    let above = lines[..number].iter().rev().take(8);
    above.clone().next().is_some_and(|line| line.contains("SAFETY:"))
        || above
            .skip(1)
            .take_while(|line| !line.trim().is_empty() && !line.trim().ends_with(';') && line.trim() != "}")
            .any(|line| line.contains("SAFETY:"))
}

/// Every function that C code can call runs inside a guard, or is nothing but a call of another one
/// that does.
#[test]
fn no_panic_leaves_through_the_c_interface() {
    let sources = sources(&["src"], "rs");
    let mut exports = Vec::new();
    for source in &sources {
        for (start, line) in source.code() {
            if let Some((_, signature)) = line.split_once("extern \"C\" fn ") {
                let name = signature.split('(').next().unwrap_or_default();
                let body: Vec<_> = source.lines[start..].iter().take_while(|line| *line != "}").collect();
                exports.push((source, start, name, body));
            }
        }
    }
    assert!(exports.len() > 100, "this test no longer recognises the exports");
    let mut faults = Vec::new();
    for (source, start, name, body) in &exports {
        if !source.is_in("src/capi/") {
            faults.push(format!("{}:{start} {name} is an export outside of src/capi", source.path));
        }
        let others = exports.iter().map(|(.., other, _)| *other).filter(|other| other != name);
        let mut entries = others.chain(["guard"]).map(|entry| format!("{entry}("));
        let calls = |entry: &str| body.iter().any(|line| line.contains(entry));
        if !entries.any(|entry| calls(&entry)) {
            faults.push(format!("{}:{start} {name} has no guard", source.path));
        }
    }
    nothing_found("every export runs inside a guard that stops panics", faults);
}

#[test]
fn files_stay_readable() {
    let mut all = sources(&["src", "tests", "examples"], "rs");
    all.extend(sources(&["examples-c", "benches"], "c"));
    let long = all.iter().filter(|source| source.lines.len() > 500);
    nothing_found(
        "no file is longer than 500 lines",
        long.map(|source| format!("{} has {}", source.path, source.lines.len())).collect(),
    );
}

#[test]
fn nothing_is_left_unwritten() {
    let stubs = [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("db", "g!(")];
    let mut faults = Vec::new();
    for source in sources(&["src", "tests", "examples", "benches"], "rs") {
        for (number, line) in source.code() {
            for stub in stubs.iter().filter(|stub| line.contains(**stub)) {
                faults.push(format!("{}:{number} {stub}", source.path));
            }
        }
    }
    nothing_found("no stubs", faults);
}

#[test]
fn modules_open_with_what_they_are() {
    let all = sources(&["src", "tests", "examples"], "rs");
    let silent =
        all.iter().filter(|source| !source.lines.first().is_some_and(|line| line.starts_with("//!")));
    nothing_found("every module opens with a comment", silent.map(|source| source.path.clone()).collect());
}

/// The rules above are read off the text; these are the shapes that they must recognise.
#[test]
fn the_rules_recognise_what_they_forbid() {
    assert!(mentions("use crate::client::Connection;", "client"));
    assert!(mentions("use super::capi::guard;", "capi"));
    assert!(!mentions("use crate::clients;", "client"));
    assert!(!mentions("use crate::rules::client_side;", "client"));
    assert!(has_word("    unsafe { free(pointer) }", "unsafe") && !has_word("deny(unsafe_code)", "unsafe"));
    let text = |lines: &[&str]| lines.iter().map(|line| line.to_string()).collect::<Vec<_>>();
    assert!(has_argument(&text(&["// SAFETY: it is.", "let x = unsafe { y() };"]), 2));
    assert!(!has_argument(&text(&["// SAFETY: it is.", "let a = b;", "let x = unsafe { y() };"]), 3));
}
