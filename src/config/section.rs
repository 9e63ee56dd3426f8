//! Typed access to the sections of a pool file: every unknown section and key, and every value of
//! another type than expected, becomes a problem that says what is allowed.

use std::time::Duration;

use toml_edit::{Item, Key, Table};

use super::duration::Range;
use super::error::{Report, listed, quoted};
use super::names::{choose, closest};

/// The sections as they are written.
const SECTIONS: [(&str, &str); 4] =
    [("pool", "[pool]"), ("server", "[[server]]"), ("watch", "[watch]"), ("proxy", "[proxy]")];

/// A value and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Located<T> {
    pub(super) line: usize,
    pub(super) value: T,
}

/// One section of the file.
pub(super) struct Section<'a> {
    /// How it is written, such as `[pool]`.
    title: &'static str,
    table: &'a Table,
    /// The line of its header.
    pub(super) line: usize,
}

/// The sections of a file, as far as they are there.
#[derive(Default)]
pub(super) struct Sections<'a> {
    pub(super) pool: Option<Section<'a>>,
    pub(super) servers: Vec<Section<'a>>,
    pub(super) watch: Option<Section<'a>>,
    pub(super) proxy: Option<Section<'a>>,
}

/// Sorts a document into its sections.
pub(super) fn sections<'a>(report: &mut Report, document: &'a Table) -> Sections<'a> {
    let mut found = Sections::default();
    for (name, item) in document.iter() {
        let line = report.line_of(document.key(name).and_then(Key::span));
        let title = SECTIONS.iter().find(|(known, _)| *known == name).map_or("", |(_, title)| *title);
        match (name, item) {
            ("pool", Item::Table(table)) => found.pool = Some(section(report, title, table)),
            ("watch", Item::Table(table)) => found.watch = Some(section(report, title, table)),
            ("proxy", Item::Table(table)) => found.proxy = Some(section(report, title, table)),
            ("server", Item::ArrayOfTables(tables)) => {
                found.servers = tables.iter().map(|table| section(report, title, table)).collect();
            }
            ("server", _) => {
                report
                    .at(line, "a server must be written as a section of its own: [[server]], once for each");
            }
            ("pool" | "watch" | "proxy", _) => {
                report.at(line, format!("{name} must be written as a section of its own: {title}, once"));
            }
            _ => report.at(line, unknown_section(name, item)),
        }
    }
    found
}

fn section<'a>(report: &Report, title: &'static str, table: &'a Table) -> Section<'a> {
    Section { title, table, line: report.line_of(table.span()) }
}

/// The message for something at the top of the file that is none of the sections.
fn unknown_section(name: &str, item: &Item) -> String {
    let what = if item.is_value() {
        format!("the key {} stands outside of any section", quoted(name))
    } else {
        format!("unknown section {}", quoted(name))
    };
    let meant = closest(name, SECTIONS.iter().map(|(known, _)| *known))
        .and_then(|near| SECTIONS.iter().find(|(known, _)| *known == near))
        .map_or(String::new(), |(_, title)| format!(" (did you mean {title}?)"));
    let titles = SECTIONS.map(|(_, title)| title);
    format!("{what}{meant}; allowed are the sections {}", listed(&titles, "and"))
}

impl<'a> Section<'a> {
    /// Makes a problem of every key that is not one of these.
    pub(super) fn allow_only(&self, report: &mut Report, keys: &[&str]) {
        for (name, _) in self.table.iter() {
            if keys.contains(&name) {
                continue;
            }
            let line = report.line_of(self.table.key(name).and_then(Key::span));
            let meant = closest(name, keys.iter().copied())
                .map_or(String::new(), |near| format!(" (did you mean {near}?)"));
            let text = format!(
                "unknown key {} in {}{meant}; allowed {} {}",
                quoted(name),
                self.title,
                if keys.len() == 1 { "is" } else { "are" },
                listed(keys, "and")
            );
            report.at(line, text);
        }
    }

    fn find(&self, report: &Report, key: &str) -> Option<Located<&'a Item>> {
        let (key, value) = self.table.get_key_value(key)?;
        Some(Located { line: report.line_of(key.span()), value })
    }

    /// A text; `example` shows how one is written.
    pub(super) fn text(&self, report: &mut Report, key: &str, example: &str) -> Option<Located<&'a str>> {
        let Located { line, value: item } = self.find(report, key)?;
        match item.as_str() {
            Some(value) => Some(Located { line, value }),
            None => {
                let text = format!("{key} is {}; it must be text in quotes, such as {example}", kind(item));
                report.at(line, text);
                None
            }
        }
    }

    /// A text that means something: what `meaning` makes of it, or its message.
    pub(super) fn read<T>(
        &self,
        report: &mut Report,
        key: &str,
        example: &str,
        meaning: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Located<T>> {
        let Located { line, value } = self.text(report, key, example)?;
        match meaning(value) {
            Ok(value) => Some(Located { line, value }),
            Err(wrong) => {
                report.at(line, format!("{key}: {wrong}"));
                None
            }
        }
    }

    /// A duration within a range.
    pub(super) fn duration(&self, report: &mut Report, key: &str, range: Range) -> Option<Located<Duration>> {
        self.read(report, key, "\"500ms\"", |text| range.parse(text))
    }

    /// One of a few words, each with what it means.
    pub(super) fn choice<T: Copy>(
        &self,
        report: &mut Report,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<Located<T>> {
        let quoted_words: Vec<String> = words.iter().map(|(word, _)| quoted(word)).collect();
        let allowed = listed(&quoted_words, "or");
        self.read(report, key, &allowed, |text| choose(text, words))
    }

    /// A whole number from 1 to `most`.
    pub(super) fn count(&self, report: &mut Report, key: &str, most: u32) -> Option<Located<u32>> {
        let Located { line, value: item } = self.find(report, key)?;
        let Some(number) = item.as_integer() else {
            let text = format!("{key} is {}; it must be a whole number from 1 to {most}", kind(item));
            report.at(line, text);
            return None;
        };
        match u32::try_from(number) {
            Ok(value) if (1..=most).contains(&value) => Some(Located { line, value }),
            _ => {
                report.at(line, format!("{key} is {number}; allowed is 1 to {most}"));
                None
            }
        }
    }

    /// A list of texts, each with its own line; and the line of the key.
    pub(super) fn texts(
        &self,
        report: &mut Report,
        key: &str,
        example: &str,
    ) -> Option<Located<Vec<Located<&'a str>>>> {
        let Located { line, value: item } = self.find(report, key)?;
        let Some(array) = item.as_array() else {
            let text = format!("{key} is {}; it must be a list of texts, such as {example}", kind(item));
            report.at(line, text);
            return None;
        };
        let mut texts = Vec::with_capacity(array.len());
        for element in array {
            let line = report.line_of(element.span());
            match element.as_str() {
                Some(value) => texts.push(Located { line, value }),
                None => {
                    let found = with_article(element.type_name());
                    report.at(
                        line,
                        format!("{key} has {found} in its list; only texts may be in it, such as {example}"),
                    );
                }
            }
        }
        Some(Located { line, value: texts })
    }
}

/// What a value is, in words.
fn kind(item: &Item) -> String {
    match item {
        Item::Table(_) | Item::ArrayOfTables(_) => "a section".to_owned(),
        _ => with_article(item.type_name()),
    }
}

fn with_article(name: &str) -> String {
    let name = if name == "string" { "text" } else { name };
    match name.as_bytes().first() {
        _ if name == "text" => name.to_owned(),
        Some(b'a' | b'e' | b'i' | b'o' | b'u') => format!("an {name}"),
        _ => format!("a {name}"),
    }
}
