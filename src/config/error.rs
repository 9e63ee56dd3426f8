//! Problems of a pool file: collected while it is read, shown one per line.
//!
//! A message quotes what the file says, and a file can say anything; so a message loses its control
//! characters here, and what is too long to read. One problem is one line, whatever the file holds.

use std::fmt;
use std::ops::Range;

/// A message longer than this is cut: it quotes something that nobody wants to read whole.
const LONGEST_MESSAGE: usize = 600;

/// A quotation longer than this is cut.
const LONGEST_QUOTE: usize = 80;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    /// Counted from 1; `None` when the file could not be read at all.
    line: Option<usize>,
    text: String,
}

/// Why a pool file was refused: every problem found, one per line, as `file:line: what is wrong,
/// and what is allowed`. A file that could not be read has one problem and no line: `file: what`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    origin: String,
    /// In the order of the lines; never empty.
    problems: Vec<Problem>,
}

impl ConfigError {
    /// The one problem of a file that could not be read.
    pub(super) fn unreadable(origin: &str, text: &str) -> ConfigError {
        ConfigError::one(origin, None, text)
    }

    /// The one problem of a file that is no text from this line on.
    pub(super) fn at(origin: &str, line: usize, text: &str) -> ConfigError {
        ConfigError::one(origin, Some(line), text)
    }

    fn one(origin: &str, line: Option<usize>, text: &str) -> ConfigError {
        ConfigError { origin: one_line(origin), problems: vec![Problem { line, text: one_line(text) }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { line, text }) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:", self.origin)?;
            if let Some(line) = line {
                write!(f, "{line}:")?;
            }
            write!(f, " {text}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Collects the problems of one text.
pub(super) struct Report {
    origin: String,
    problems: Vec<Problem>,
    /// The offset of every line feed.
    ends: Vec<usize>,
    last_line: usize,
}

impl Report {
    /// A report without problems on this text.
    pub(super) fn new(origin: &str, text: &str) -> Report {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
        let last_line = text.lines().count().max(1);
        Report { origin: origin.to_owned(), problems: Vec::new(), ends, last_line }
    }

    /// The file's name.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The line a piece of the text begins on; the last line for what has no place of its own.
    pub(super) fn line_of(&self, span: Option<Range<usize>>) -> usize {
        let line = span.map_or(usize::MAX, |span| 1 + self.ends.partition_point(|&end| end < span.start));
        line.min(self.last_line)
    }

    /// The last line, counted from 1: where something that is missing would have to be added.
    pub(super) fn last_line(&self) -> usize {
        self.last_line
    }

    /// Adds a problem.
    pub(super) fn at(&mut self, line: usize, text: impl AsRef<str>) {
        self.problems.push(Problem { line: Some(line), text: one_line(text.as_ref()) });
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.problems.len()
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems in the order of their lines; those of one line as they were found.
    pub(super) fn into_error(mut self) -> ConfigError {
        self.problems.sort_by_key(|problem| problem.line);
        ConfigError { origin: one_line(&self.origin), problems: self.problems }
    }
}

/// What the file says, in quotation marks.
pub(super) fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(LONGEST_QUOTE).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(LONGEST_QUOTE).is_some() { "..." } else { "" };
    format!("\"{cut}{more}\"")
}

/// `a, b and c`, or with another last word.
pub(super) fn listed(words: &[impl AsRef<str>], last: &str) -> String {
    let mut list = String::new();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            list.push_str(&if index + 1 == words.len() { format!(" {last} ") } else { ", ".to_owned() });
        }
        list.push_str(word.as_ref());
    }
    list
}

/// The same without line ends and other control characters, and not endless.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST_MESSAGE));
    for (index, letter) in text.chars().enumerate() {
        if index == LONGEST_MESSAGE {
            line.push_str("...");
            break;
        }
        if super::shown::steers(letter) {
            line.extend(letter.escape_debug());
        } else {
            line.push(letter);
        }
    }
    line
}
