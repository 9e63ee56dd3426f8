//! docs/operating.md has an entry for every line that the daemons log for a person, and for every reason that they
//! give for a server's state; and it has no entry for what nobody says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::blocks::matches;
use crate::support::cc;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// Every source below a folder of src, or that one file, without comments and tests.
fn code(place: &str) -> Vec<String> {
    let path = cc::root().join("src").join(place);
    let mut paths = Vec::new();
    if path.is_dir() {
        sources(&path, &mut paths)
    } else {
        paths.push(path)
    }
    let read = |path: &PathBuf| fs::read_to_string(path).expect("a source");
    let without = |text: String| {
        let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    paths.iter().map(read).map(without).collect()
}

/// The string that begins at the first quotation mark, as the compiler reads it; and what follows it.
fn string(code: &str) -> Option<(String, &str)> {
    let begin = code.find('"')? + 1;
    let mut text = String::new();
    let mut letters = code[begin..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &code[begin + at + 1..])),
            '\\' => match letters.next()?.1 {
                '\n' => {
                    let rest = letters.as_str();
                    letters = code[code.len() - rest.trim_start().len()..].char_indices();
                    return string_from(text, letters.as_str());
                }
                other => text.push(other),
            },
            letter => text.push(letter),
        }
    }
    None
}

/// The rest of a string that goes on on the next line.
fn string_from(begun: String, code: &str) -> Option<(String, &str)> {
    let quoted = format!("\"{code}");
    let (more, rest) = string(&quoted)?;
    let rest = &code[code.len() - rest.len()..];
    Some((begun + &more, rest))
}

/// A format as the page has it: `…` for each thing that is put in.
fn shown(format: &str) -> String {
    let mut text = String::new();
    let mut depth = 0;
    for letter in format.chars() {
        match letter {
            '{' => {
                depth += 1;
                text.push('…');
            }
            '}' => depth -= 1,
            letter if depth == 0 => text.push(letter),
            _ => {}
        }
    }
    text
}

/// Whether there is more in it than what is put in.
fn says_something(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

/// What stands in a call of one of these.
fn said_by(place: &str, calls: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for code in code(place) {
        for call in calls {
            for (at, _) in code.match_indices(call) {
                let (text, _) = string(&code[at + call.len()..]).expect("a call has a text");
                found.insert(shown(&text));
            }
        }
    }
    found.retain(|text| says_something(text));
    found
}

/// What the daemons log, but for what is only there to find faults in them (debug).
fn logged() -> BTreeSet<String> {
    let macros = ["log::error!(", "log::warn!(", "log::info!(", "log::log!("];
    let mut all = said_by("watch", &macros);
    all.extend(said_by("proxy", &macros));
    // Why one does not begin is handed on, and logged where it ends.
    for place in [
        "proxy/listen.rs",
        "proxy/service.rs",
        "watch/system.rs",
        "client/resolve.rs",
        "table/stripes/create.rs",
    ] {
        let calls =
            ["map_err(|error| format!(", "Err(format!(", ".ok_or_else(|| format!(", "WriteError(format!("];
        all.extend(said_by(place, &calls));
    }
    // The proxy logs what a program of the library would be told.
    all.extend(said_by("client/views", &["messages.push(format!(", "|path| {\n            format!("]));
    all
}

/// Every reason for a state: what looks like one in the files that give them.
fn reasons() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for place in [
        "rules/health.rs",
        "rules/watcher.rs",
        "rules/watcher/keeping.rs",
        "rules/rejoin/mod.rs",
        "rules/probe.rs",
        "watch/server.rs",
        "watch/roster.rs",
    ] {
        for code in code(place) {
            let mut rest = code.as_str();
            while let Some((text, after)) = string(rest) {
                let before = &rest[..rest.find('"').unwrap_or(0)];
                let call = before.rsplit(['\n', ';']).next().unwrap_or_default();
                rest = after;
                let is_other = ["log::", "expect(", "assert", "write!("]
                    .iter()
                    .any(|it| before.ends_with(it) || call.contains(it));
                if !is_other && text.contains(' ') && text.starts_with(char::is_lowercase) {
                    found.insert(shown(&text));
                }
            }
        }
    }
    found
}

/// What stands between backquotes in the first cell of each row behind that title.
fn entries(title: &str) -> BTreeSet<String> {
    let page = fs::read_to_string(cc::root().join("docs/operating.md")).expect("the page");
    let part = page.split("\n## ").find(|part| part.starts_with(title)).expect("a part of the page");
    let rows = part.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.map(|row| row.split(" | ").next().unwrap_or_default());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// So little that it says nothing by itself: such a line is shown by an example.
fn is_frame(text: &str) -> bool {
    text.chars().filter(|letter| letter.is_alphabetic()).count() < 12
}

/// The page has no backquotes within an entry.
fn is_shown(line: &str, entries: &BTreeSet<String>) -> bool {
    let line = line.replace('`', "");
    entries.contains(&line) || (is_frame(&line) && entries.iter().any(|entry| matches(&line, entry)))
}

#[test]
fn every_line_has_its_entry() {
    let (entries, logged, reasons) = (entries("What each log line means"), logged(), reasons());
    assert!(logged.len() > 40 && reasons.len() > 35, "this test no longer recognises what is logged");
    let missing: Vec<_> = logged.iter().chain(&reasons).filter(|line| !is_shown(line, &entries)).collect();
    assert!(missing.is_empty(), "docs/operating.md does not explain {missing:#?}");
}

/// Also what others word: why a daemon does not begin.
#[test]
fn no_entry_is_of_what_nobody_says() {
    let all: BTreeSet<String> =
        logged().into_iter().chain(reasons()).map(|line| line.replace('`', "")).collect();
    // Every string of the sources, however many lines it is written on.
    let mut strings = String::new();
    for code in ["watch", "proxy", "rules", "table", "client/resolve.rs"].iter().flat_map(|place| code(place))
    {
        let mut rest = code.as_str();
        while let Some((text, after)) = string(rest) {
            strings += &format!("{text}\n");
            rest = after;
        }
    }
    let is_said = |entry: &String| {
        let pieces = || entry.split('…').map(str::trim).filter(|piece| says_something(piece));
        all.contains(entry)
            || all.iter().any(|line| is_frame(line) && matches(line, entry))
            || pieces().all(|piece| strings.contains(piece))
    };
    let entries = entries("What each log line means");
    assert!(entries.len() > 90, "{}", entries.len());
    let wrong: Vec<_> = entries.iter().filter(|entry| !is_said(entry)).collect();
    assert!(wrong.is_empty(), "nobody says {wrong:#?}");
    assert!(!is_said(&"the moon is full".to_owned()));
}

#[test]
fn strings_are_read_as_the_compiler_reads_them() {
    let read = |code| string(code).map(|(text, rest)| (text, rest.to_owned()));
    assert_eq!(read("x(\"a\\\"b\", c)"), Some(("a\"b".into(), ", c)".into())));
    assert_eq!(read("\"a \\\n     b\" + c"), Some(("a b".into(), " + c".into())));
    assert_eq!(shown("{title}: {}x{:?}"), "…: …x…");
}
