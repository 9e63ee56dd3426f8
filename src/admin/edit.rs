//! Edits of a pool file's text: pure, and every byte that an edit is not about stays as it was.
//!
//! The text is patched at the places where the parser found sections, keys and values, rather than
//! written anew from a tree: so comments, order, spacing and line ends need no care, and two people's
//! habits in one file survive. The text was accepted by [`config::parse`](crate::config::parse) before,
//! which knows no nested sections and no inline ones: a server is a header and lines of keys.
//! What comes out is parsed again before it is written.

use std::ops::Range;

use toml_edit::{Document, Item, Table};

use crate::config::Order;
use crate::rules::address::Address;

/// A server to be added.
#[derive(Clone, Copy, Debug)]
pub struct NewServer<'a> {
    /// Where it listens.
    pub address: &'a str,
    /// Its name, when it gets one.
    pub name: Option<&'a str>,
    /// Its weight, when it gets one.
    pub weight: Option<u32>,
    /// Its backup, when it gets one.
    pub backup: Option<&'a str>,
}

/// Orders something for the server with this index.
pub fn order(text: &str, index: usize, order: Order) -> Option<String> {
    let word = match order {
        Order::Up => None,
        Order::Draining => Some("draining"),
        Order::Down => Some("down"),
    };
    let mut edit = Edit::of(text)?;
    match word {
        Some(word) => edit.set(index, "state", word)?,
        None => edit.unset(index, "state")?,
    }
    Some(edit.done())
}

/// Adds a server behind the last one.
pub fn add(text: &str, new: &NewServer<'_>) -> Option<String> {
    let mut edit = Edit::of(text)?;
    let end = edit.end;
    let mut section = format!("{end}[[server]]{end}");
    let mut line = |key: &str, value: &str| section.push_str(&format!("{key} = {value}{end}"));
    if let Some(name) = new.name {
        line("name", &quoted(name));
    }
    line("address", &quoted(new.address));
    if let Some(weight) = new.weight {
        line("weight", &weight.to_string());
    }
    if let Some(backup) = new.backup {
        line("backup", &quoted(backup));
    }
    let at = edit.servers.last()?.range.end;
    edit.insert(at, section);
    Some(edit.done())
}

/// Removes the server with this index, and what names it as a backup.
pub fn remove(text: &str, index: usize) -> Option<String> {
    let mut edit = Edit::of(text)?;
    let mut range = edit.servers.get(index)?.range.clone();
    // The blank lines that kept it apart go with it: those behind it, or at the end those before.
    let behind = blank_lines(&text[range.end..]);
    range.end += behind;
    if range.end == text.len() {
        while let Some(before) = text[..range.start].strip_suffix(edit.end) {
            if !before.ends_with('\n') {
                break;
            }
            range.start = before.len();
        }
    }
    edit.patch(range, String::new());
    for other in edit.backed_up_by(index)? {
        edit.unset(other, "backup")?;
    }
    Some(edit.done())
}

/// Which servers name the one with this index as their backup in the file.
pub fn backed_up_by(text: &str, index: usize) -> Option<Vec<usize>> {
    Edit::of(text)?.backed_up_by(index)
}

/// Gives the server with this index another address. One that went by its address keeps that as its
/// name, and who named it as a backup names that.
pub fn replace(text: &str, index: usize, address: &str) -> Option<String> {
    let mut edit = Edit::of(text)?;
    let server = edit.servers.get(index)?;
    if server.text("name").is_none() {
        let name = server.address()?.to_string();
        let at = server.key("address")?.line.start;
        let indent = server.key("address")?.indent(text).to_owned();
        for other in edit.backed_up_by(index)? {
            edit.set(other, "backup", &name)?;
        }
        edit.insert(at, format!("{indent}name = {}{}", quoted(&name), edit.end));
    }
    edit.set(index, "address", address)?;
    Some(edit.done())
}

/// A text, and what is to be changed in it.
struct Edit<'a> {
    text: &'a str,
    /// How its lines end.
    end: &'static str,
    servers: Vec<Section>,
    patches: Vec<(Range<usize>, String)>,
}

/// A `[[server]]` section.
struct Section {
    /// From the comment right above its header to the line end of its last key, and the comment right below it.
    range: Range<usize>,
    /// Where its last key's line, or its header, ends.
    last: usize,
    keys: Vec<Key>,
}

/// A key of a section.
struct Key {
    name: String,
    /// The whole lines that it is on.
    line: Range<usize>,
    /// What stands behind the equals sign.
    value: Range<usize>,
    /// That, when it is a text.
    text: Option<String>,
}

impl Key {
    /// What stands before it on its line.
    fn indent<'a>(&self, text: &'a str) -> &'a str {
        let line = &text[self.line.start..];
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }
}

impl Section {
    fn of(text: &str, table: &Table) -> Option<Section> {
        let header = line_of(text, &table.span()?);
        let key = |(name, item): (&str, &Item)| {
            let (value, start) = (item.span()?, table.key(name)?.span()?.start);
            let line = line_of(text, &(start..value.end));
            Some(Key { name: name.to_owned(), line, value, text: item.as_str().map(str::to_owned) })
        };
        let keys: Vec<Key> = table.iter().map(key).collect::<Option<_>>()?;
        let last = keys.iter().map(|key| key.line.end).fold(header.end, usize::max);
        let start = header.start - comments_before(&text[..header.start]);
        Some(Section { range: start..last + comments_behind(&text[last..]), last, keys })
    }

    fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.key(name)?.text.as_deref()
    }

    fn address(&self) -> Option<Address> {
        self.text("address")?.parse().ok()
    }

    /// Whether a text means this server: its name, or the address of one that has none.
    fn is_meant_by(&self, text: &str) -> bool {
        match self.text("name") {
            Some(name) => name == text,
            None => text.parse().is_ok_and(|address: Address| Some(address) == self.address()),
        }
    }
}

impl<'a> Edit<'a> {
    fn of(text: &'a str) -> Option<Edit<'a>> {
        let document = Document::parse(text).ok()?;
        let servers = document.get("server")?.as_array_of_tables()?;
        let servers = servers.iter().map(|table| Section::of(text, table)).collect::<Option<_>>()?;
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Some(Edit { text, end, servers, patches: Vec::new() })
    }

    /// Makes a key say this.
    fn set(&mut self, index: usize, name: &str, value: &str) -> Option<()> {
        let server = self.servers.get(index)?;
        if let Some(key) = server.key(name) {
            let range = key.value.clone();
            self.patch(range, quoted(value));
        } else {
            let at = server.last;
            let indent = server.keys.last().map_or("", |key| key.indent(self.text));
            let line = format!("{indent}{name} = {}{}", quoted(value), self.end);
            self.insert(at, line);
        }
        Some(())
    }

    /// Removes the line of a key, if it is there.
    fn unset(&mut self, index: usize, name: &str) -> Option<()> {
        if let Some(key) = self.servers.get(index)?.key(name) {
            let range = key.line.clone();
            self.patch(range, String::new());
        }
        Some(())
    }

    fn backed_up_by(&self, index: usize) -> Option<Vec<usize>> {
        let server = self.servers.get(index)?;
        let names_it = |other: &Section| other.text("backup").is_some_and(|text| server.is_meant_by(text));
        let others = self.servers.iter().enumerate();
        Some(
            others
                .filter(|(other, section)| *other != index && names_it(section))
                .map(|(it, _)| it)
                .collect(),
        )
    }

    /// Inserts whole lines. Where the file's last line has no end, it gets one.
    fn insert(&mut self, at: usize, lines: String) {
        let needs_end = at > 0 && !self.text[..at].ends_with('\n');
        let lines = if needs_end { format!("{}{lines}", self.end) } else { lines };
        self.patch(at..at, lines);
    }

    fn patch(&mut self, range: Range<usize>, by: String) {
        self.patches.push((range, by));
    }

    /// The changed text.
    fn done(mut self) -> String {
        self.patches.sort_by_key(|(range, _)| (range.start, range.end));
        let mut text = String::with_capacity(self.text.len() + 256);
        let mut from = 0;
        for (range, by) in &self.patches {
            // What lies within a part that was removed is gone with it.
            if range.start < from {
                continue;
            }
            text.push_str(&self.text[from..range.start]);
            text.push_str(by);
            from = range.end;
        }
        text.push_str(&self.text[from..]);
        text
    }
}

/// The whole lines on which a piece of the text is.
fn line_of(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |end| span.end + end + 1);
    start..end
}

/// The length of the comment that ends where a header begins. One at the very start of the file is about
/// the file.
fn comments_before(text: &str) -> usize {
    let comment = |line: &&str| line.trim_start().starts_with('#');
    let lines = text.split_inclusive('\n').rev().take_while(comment);
    let length = lines.map(str::len).sum();
    if length == text.len() { 0 } else { length }
}

/// The length of the comment that follows a section's last key at once, unless it belongs to the header of the next
/// section.
fn comments_behind(text: &str) -> usize {
    let comment = |line: &&str| line.trim_start().starts_with('#');
    let length: usize = text.split_inclusive('\n').take_while(comment).map(str::len).sum();
    if text[length..].trim_start_matches([' ', '\t']).starts_with('[') { 0 } else { length }
}

/// The length of the blank lines at a text's start.
fn blank_lines(text: &str) -> usize {
    text.split_inclusive('\n').take_while(|line| line.trim().is_empty()).map(str::len).sum()
}

/// A text in TOML. Names and addresses have no control characters; whatever had is refused when the
/// edited file is read.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
