//! A file that is not TOML: the parser's message in one line, and for a duplicate also where the
//! first one stands, which the parser knows but does not tell.

use toml_edit::{Document, Key, Table, TomlError};

use super::error::{Report, quoted};

/// Adds the parser's problem to the report.
pub(super) fn explain(report: &mut Report, text: &str, error: &TomlError) {
    let line = report.line_of(error.span());
    let message = duplicate(report, text, error).unwrap_or_else(|| format!("not TOML: {}", error.message()));
    report.at(line, message);
}

/// The message for a duplicate, when that is the problem and the first one can be found.
fn duplicate(report: &Report, text: &str, error: &TomlError) -> Option<String> {
    if error.message() != "duplicate key" {
        return None;
    }
    let span = error.span()?;
    let written = text.get(span.clone())?;
    let key = Key::parse(written).ok()?.pop()?;
    let start = text.get(..span.start)?.rfind('\n').map_or(0, |end| end + 1);
    // The parser stopped at the first problem, so all lines before this one are sound.
    let before = Document::parse(text.get(..start)?).ok()?;
    let is_header = text.get(start..span.start)?.trim_start().starts_with('[');
    let table = if is_header { before.as_table() } else { last_section(before.as_table()) };
    let first = report.line_of(Some(table.key(key.get())?.span()?));
    let what = if is_header { "section" } else { "key" };
    Some(format!("the {what} {} is already on line {first}; it may be written once", quoted(key.get())))
}

/// The section the text before a key belongs to: the one that begins last.
fn last_section(document: &Table) -> &Table {
    let tables = document.iter().flat_map(|(_, item)| {
        let many = item.as_array_of_tables().into_iter().flat_map(|tables| tables.iter());
        item.as_table().into_iter().chain(many)
    });
    tables
        .filter(|table| !table.is_implicit())
        .max_by_key(|table| table.span().map_or(0, |span| span.start))
        .unwrap_or(document)
}
