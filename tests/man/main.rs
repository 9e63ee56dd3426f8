//! The manual is what the headers' comments say: its pages are made here anew and compared with the
//! committed ones. `make man` (UPDATE_MAN=1 cargo test --test man) writes them.
//!
//! Each group of functions has a page in section 3, made from the comments alone; the library's overview,
//! the pool file and the programs are written by hand, in `man/src`, and only get the date and the list of pages.
//! The other functions of a page's NAME section get their `.so` pages when they are installed. Every
//! page is read by man(1), which must not have a word to say about it.

mod header;
mod page;
mod pages;
mod roff;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use header::{Item, Kind};
use pages::PAGES;
use roff::Places;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

fn items() -> Vec<Item> {
    ["include/memcache.h", "include/memcache/_buffer.h", "include/memcache/buffer.h"]
        .iter()
        .flat_map(|path| header::items(&read(path)))
        .collect()
}

/// The release date as pages tell it.
fn date(items: &[Item]) -> String {
    let number = items.iter().find(|item| item.name == "MEMCACHE_RELDATE").expect("a release date");
    let (year, day) = number.text.split_at(4);
    let (month, day) = day.split_at(2);
    format!("{year}-{month}-{day}")
}

/// The manual: the path of each page below `man`, and its text.
fn manual() -> BTreeMap<String, String> {
    let items = items();
    let date = date(&items);
    let made = page::made(&items);
    let mut places = Places::new();
    for page in &made {
        for function in page::functions(page, &items) {
            places.insert(&function.name, page.name);
        }
    }
    let mut manual = BTreeMap::new();
    for page in &made {
        manual.insert(format!("man3/{}.3", page.name), page::text(page, &items, &places, &date));
    }
    let list: String =
        made.iter().map(|page| format!(".TP\n.BR {} (3)\n{}\n", page.name, page.about)).collect();
    for (name, section) in [
        ("libmemcache", 3),
        ("libmemcache-pool", 5),
        ("memcachectl", 1),
        ("memcache-proxy", 8),
        ("memcache-watchd", 8),
    ] {
        let text = read(&format!("man/src/{name}.{section}"));
        let example: String = read("examples-c/hello.c").lines().map(|it| roff::escaped(it) + "\n").collect();
        let text = text.replace("@DATE@", &date).replace("@PAGES@\n", &list).replace("@HELLO@\n", &example);
        manual.insert(format!("man{section}/{name}.{section}"), text);
    }
    manual
}

fn committed() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for section in ["man1", "man3", "man5", "man8"] {
        let Ok(entries) = fs::read_dir(root().join("man").join(section)) else { continue };
        for entry in entries {
            let name = entry.expect("a readable directory").file_name().into_string().expect("a plain name");
            let path = format!("{section}/{name}");
            let text = read(&format!("man/{path}"));
            found.insert(path, text);
        }
    }
    found
}

#[test]
fn the_committed_pages_are_what_the_headers_say() {
    let made = manual();
    let before = committed();
    if std::env::var_os("UPDATE_MAN").is_some() {
        for path in before.keys().filter(|path| !made.contains_key(*path)) {
            fs::remove_file(root().join("man").join(path)).expect("a page can be removed");
        }
        for (path, text) in &made {
            let path = root().join("man").join(path);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("the folder can be made");
            fs::write(path, text).expect("a page can be written");
        }
        return;
    }
    let paths: BTreeSet<_> = made.keys().chain(before.keys()).collect();
    let stale: Vec<_> = paths.into_iter().filter(|path| made.get(*path) != before.get(*path)).collect();
    assert!(stale.is_empty(), "not what the headers say: {stale:?}; run `make man`, and commit");
}

#[test]
fn every_function_and_type_has_its_page() {
    let items = items();
    let mut faults = Vec::new();
    for item in &items {
        let found: Vec<_> = match item.kind {
            Kind::Function => PAGES.iter().filter(|page| page::names(page, &item.name)).collect(),
            // The links of lists are explained where the lists are.
            Kind::Type if !item.name.starts_with("tailq_") => {
                PAGES.iter().filter(|page| page.types.contains(&item.name.as_str())).collect()
            }
            _ => continue,
        };
        match found.len() {
            0 => faults.push(format!("{} is in no page: name it in tests/man/pages.rs", item.name)),
            1 => {}
            _ => faults.push(format!("{} is in several pages", item.name)),
        }
        if item.doc.is_empty() {
            faults.push(format!("{} has no comment: write one in src/capi", item.name));
        }
    }
    for page in page::made(&items) {
        for pattern in page.functions.iter().chain(page.types) {
            if !items.iter().any(|item| page::fits(&item.name, pattern)) {
                faults.push(format!("{} names {pattern}, which the headers do not have", page.name));
            }
        }
        for other in page.see {
            if *other != "libmemcache-pool" && !PAGES.iter().any(|page| page.name == *other) {
                faults.push(format!("{} refers to {other}, which is no page", page.name));
            }
        }
    }
    let functions = items.iter().filter(|item| item.kind == Kind::Function).count();
    assert!(functions > 150, "this test no longer recognises the functions: {functions}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Runs a tool of Debian's package `package`.
fn tool(package: &str, command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        panic!("cannot run {command:?}: {error} (is Debian's package {package} installed?)")
    })
}

/// The made pages as files, for tools to read; removed with their owner.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Files {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("man-{test}-{}", std::process::id()));
        for (path, text) in manual() {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("the folder can be made");
            fs::write(path, text).expect("a page can be written");
        }
        Files(folder)
    }

    fn paths(&self) -> Vec<PathBuf> {
        manual().keys().map(|path| self.0.join(path)).collect()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn man_reads_every_page_without_a_warning() {
    let files = Files::new("warnings");
    for path in files.paths() {
        let shown = tool(
            "man-db",
            Command::new("man")
                .args(["--warnings", "-E", "UTF-8", "-l"])
                .arg(&path)
                .env("MANWIDTH", "80")
                .env("LC_ALL", "C.UTF-8")
                .env_remove("MANOPT"),
        );
        let told = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success() && told.is_empty(), "{}: {told}", path.display());
        let text = String::from_utf8_lossy(&shown.stdout);
        for part in ["NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"] {
            assert!(text.lines().any(|line| line == part), "{} shows no {part}:\n{text}", path.display());
        }
        let wide = text.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{} does not fit a terminal", path.display());
    }
}

/// What `apropos` and `man -k` look into.
#[test]
fn every_name_is_found_by_the_manuals_index() {
    let files = Files::new("index");
    let mut found = BTreeSet::new();
    for path in files.paths() {
        let output = tool("man-db", Command::new("lexgrog").arg(&path));
        assert!(output.status.success(), "{}", path.display());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        found.extend(
            text.lines().filter_map(|line| Some(line.split_once("\"")?.1.split(' ').next()?.to_owned())),
        );
    }
    let missing: Vec<_> = items()
        .into_iter()
        .filter(|item| item.kind == Kind::Function && !found.contains(&item.name))
        .map(|item| item.name)
        .collect();
    assert!(missing.is_empty(), "in no NAME section: {missing:?}");
    assert!(found.contains("libmemcache") && found.contains("libmemcache-pool"), "{found:?}");
}

/// The page of the pool file tells every key that a pool file can have, and its example is one.
#[test]
fn the_pool_files_page_is_complete() {
    let page = manual().remove("man5/libmemcache-pool.5").expect("a page of the pool file");
    let everything = read("tests/pools/everything.toml");
    let mut keys = 0;
    for key in everything.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key) {
        let head = format!(".TP\n.B {key}\n");
        assert!(page.contains(&head), "libmemcache-pool(5) does not explain {key}");
        keys += 1;
    }
    assert!(keys > 15, "this test no longer recognises the keys");
    let (_, example) = page.split_once(".SH EXAMPLE\n").expect("an example");
    let (_, example) = example.split_once(".nf\n").expect("the example's start");
    let (example, _) = example.split_once("\n.fi").expect("the example's end");
    let example = example.replace("\\-", "-");
    if let Err(wrong) = memcache::config::parse("example.toml", &example) {
        panic!("the example of libmemcache-pool(5) is no pool file: {wrong}");
    }
    let shipped = read("packaging/pool.toml");
    if let Err(wrong) = memcache::config::parse("packaging/pool.toml", &shipped) {
        panic!("the pool file that is installed as an example is none: {wrong}");
    }
}
