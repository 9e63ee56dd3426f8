//! House rules of the C interface: every export is behind the panic boundary and is called by a C test,
//! and exports are nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of src").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Each export of a file: its name and its body.
fn exports(text: &str) -> Vec<(&str, &str)> {
    let items = text.split("#[unsafe(no_mangle)]").skip(1);
    items
        .map(|item| {
            let name = item.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).expect("a function");
            let end = item.find("\n}\n").expect("its body ends in the first column");
            let body = item[..end].split_once("{\n").expect("it has a body").1;
            (name, body)
        })
        .collect()
}

/// The calls of a body that is nothing but a call of another export.
fn is_one_call(body: &str) -> bool {
    let code: String = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//") && !line.starts_with("let _ ="))
        .collect();
    let call = code.strip_prefix("unsafe {").and_then(|code| code.strip_suffix('}')).unwrap_or(&code).trim();
    let twin = call.split('(').next().unwrap_or_default();
    ["mc_", "mcm_", "mcErr", "mcMem"].iter().any(|prefix| twin.starts_with(prefix))
        && call.ends_with(')')
        && !call.contains(';')
}

#[test]
fn every_export_is_behind_the_panic_boundary() {
    let mut count = 0;
    for file in files(Path::new("src/capi")) {
        let text = fs::read_to_string(&file).expect("a source file");
        for (name, body) in exports(&text) {
            count += 1;
            let guarded = body.contains("guard(") || is_one_call(body);
            assert!(guarded, "{}: {name} lets a panic into the C program", file.display());
        }
    }
    assert!(count >= 152, "only {count} exports were seen");
}

#[test]
fn exports_are_in_the_c_interface_only() {
    for file in files(Path::new("src")).iter().filter(|file| !file.starts_with("src/capi")) {
        let text = fs::read_to_string(file).expect("a source file");
        assert!(!text.contains("no_mangle") && !text.contains("extern \"C\" fn"), "{}", file.display());
    }
}

/// The functions that a C program calls in its own lines, after preprocessing: the tests write
/// `MC(set, ...)` for mc_set and mcm_set, and headers only declare.
fn calls(program: &Path, define: &[&str]) -> BTreeSet<String> {
    let output = Command::new("cc")
        .args(["-E", "-std=c11", "-D_DEFAULT_SOURCE", "-Iinclude"])
        .args(define)
        .arg(program)
        .output()
        .expect("the C compiler runs");
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let mut ours = false;
    let mut calls = BTreeSet::new();
    for line in text.lines() {
        if let Some(marker) = line.strip_prefix("# ") {
            ours = marker.split('"').nth(1).is_some_and(|file| file.starts_with("c-tests/"));
        } else if ours {
            calls.extend(called_in(line).map(str::to_owned));
        }
    }
    calls
}

/// The names in a line of C that an opening parenthesis follows.
fn called_in(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices('(').map(|(at, _)| {
        let before = line[..at].trim_end();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        before.rsplit(|c| !word(c)).next().unwrap_or_default()
    })
}

#[test]
fn every_export_is_called_by_a_c_test() {
    let programs = files(Path::new("c-tests"));
    let programs = programs.iter().filter(|path| path.extension().is_some_and(|end| end == "c"));
    let mut called = BTreeSet::new();
    for program in programs {
        called.append(&mut calls(program, &[]));
        called.append(&mut calls(program, &["-DTWINS"]));
    }
    let sources: Vec<String> =
        files(Path::new("src/capi")).iter().map(|file| fs::read_to_string(file).expect("a source")).collect();
    let exported: BTreeSet<&str> =
        sources.iter().flat_map(|text| exports(text)).map(|(name, _)| name).collect();
    let missing: Vec<_> = exported.iter().filter(|name| !called.contains(**name)).collect();
    assert!(exported.len() >= 152 && missing.is_empty(), "no program of c-tests calls {missing:?}");
}
