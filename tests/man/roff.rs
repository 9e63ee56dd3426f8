//! Text as man(7) wants it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// In which page each function is explained.
pub type Places<'a> = BTreeMap<&'a str, &'a str>;

/// A text in which nothing is an instruction to the formatter.
pub fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// Running text: function names are bold, with the section when another page explains them.
pub fn prose(text: &str, page: &str, places: &Places) -> String {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut made = String::new();
    for line in text.lines() {
        let mut rest = line;
        let mut out = String::new();
        while !rest.is_empty() {
            let start = rest.find(is_word).unwrap_or(rest.len());
            out.push_str(&plain(&rest[..start]));
            rest = &rest[start..];
            let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            let place = places.get(word).copied().or(places.values().find(|place| **place == word).copied());
            match place {
                // As `mc_new`'s result: `struct mc_where` is no function.
                Some(_) if out.ends_with("struct ") || behind.starts_with(".h") => out.push_str(word),
                Some(other) if other != page && !behind.starts_with('(') => {
                    let _ = write!(out, "\\fB{word}\\fP(3)");
                }
                Some(_) => {
                    let _ = write!(out, "\\fB{word}\\fP");
                }
                None => out.push_str(word),
            }
            rest = behind;
        }
        if out.starts_with(['.', '\'']) {
            out.insert_str(0, "\\&");
        }
        made.push_str(&out);
        made.push('\n');
    }
    made
}

/// As [`escaped`], with hyphens that stay hyphens.
fn plain(text: &str) -> String {
    text.replace('\\', "\\e")
}

/// The paragraphs of a comment. Lines that are indented stay as they are.
pub fn paragraphs(text: &str, page: &str, places: &Places) -> String {
    let made: Vec<_> = text
        .split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
        .map(|paragraph| {
            if paragraph.starts_with("    ") {
                let lines: Vec<_> = paragraph
                    .lines()
                    .map(|line| escaped(line.strip_prefix("    ").unwrap_or(line)))
                    .collect();
                format!(".nf\n{}\n.fi\n", lines.join("\n"))
            } else {
                prose(paragraph, page, places)
            }
        })
        .collect();
    made.join(".PP\n")
}

/// A list's element: what it is about, and what is said of it.
pub fn element(head: &str, text: &str) -> String {
    let text = if text.is_empty() { "" } else { text.trim_end() };
    format!(".TP\n\\fB{}\\fP\n{text}\n", escaped(head))
}

/// A prototype in lines of a terminal's width, broken between parameters.
pub fn prototype(text: &str) -> String {
    const WIDTH: usize = 68;
    let mut lines = Vec::new();
    let mut line = String::new();
    let (start, parameters) = text.split_at(text.find('(').map_or(0, |at| at + 1));
    let first = parameters.find(',').unwrap_or(parameters.len());
    // The first parameter stays on the function's line where it fits.
    let words: Vec<&str> = if start.len() + first < WIDTH {
        text.split_inclusive(", ").map(str::trim_end).collect()
    } else {
        [start].into_iter().chain(parameters.split_inclusive(", ").map(str::trim_end)).collect()
    };
    for word in words {
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
            lines.push(std::mem::replace(&mut line, format!("        {word}")));
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.push(line);
    lines.iter().map(|line| format!("\\fB{}\\fP\n", escaped(line))).collect()
}

#[test]
fn text_is_never_an_instruction() {
    assert_eq!(escaped(".TH a\\b-c"), "\\&.TH a\\eb\\-c");
    let places = Places::from([("mc_get", "mc_get"), ("mc_set", "mc_set")]);
    assert_eq!(
        prose(".so mc_get\n'mc_get of \\ mc_set", "mc_set", &places),
        "\\&.so \\fBmc_get\\fP(3)\n\\&'\\fBmc_get\\fP(3) of \\e \\fBmc_set\\fP\n"
    );
}
