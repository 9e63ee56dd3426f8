//! docs/guarantees.md and docs/security.md name a test for what they promise: whether each of them is there.

use std::fs;
use std::path::{Path, PathBuf};

/// What stands between backquotes and looks like the name of a test.
fn named(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.contains("::") && !text.contains(' ')).collect()
}

/// All files below a path that begins so, or the one that it is.
fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_owned());
    } else if let Ok(entries) = fs::read_dir(path) {
        entries.for_each(|entry| files(&entry.expect("a readable directory").path(), found));
    }
}

/// Whether a function of the name's last part stands in the target of its first, under a module of those between.
fn is_there(name: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let parts: Vec<&str> = name.split("::").collect();
    let [target, modules @ .., function] = &parts[..] else { return false };
    let mut paths = Vec::new();
    files(&root.join(target), &mut paths);
    files(&root.join(format!("{target}.rs")), &mut paths);
    paths.iter().any(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let inside = modules.iter().all(|module| {
            path.components()
                .any(|part| part.as_os_str().to_string_lossy().trim_end_matches(".rs") == *module)
        });
        inside && text.contains(&format!("fn {function}("))
    })
}

#[test]
fn every_test_that_is_named_is_there() {
    for (page, least) in [("guarantees", 30), ("security", 25), ("migrating", 1), ("wire", 1)] {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{page}.md"));
        let text = fs::read_to_string(&page).expect("a page");
        // (`watchd::hostile::…` stands for such names.)
        let names: Vec<_> = named(&text).into_iter().filter(|name| !name.ends_with('…')).collect();
        assert!(names.len() >= least, "{names:?}");
        let wrong: Vec<_> = names.into_iter().filter(|name| !is_there(name)).collect();
        assert!(wrong.is_empty(), "{} names tests that are not there: {wrong:#?}", page.display());
    }
}

#[test]
fn a_name_that_is_none_is_found() {
    assert!(is_there("guarantees::a_name_that_is_none_is_found"));
    assert!(!is_there("guarantees::a_test_that_nobody_wrote") && !is_there("nowhere::a_test"));
    assert!(!is_there("exact::growing::eight_servers_are_restarted_one_after_another"), "in another module");
}
