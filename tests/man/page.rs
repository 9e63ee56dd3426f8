//! One page, made from the declarations it tells of.

use std::collections::BTreeSet;

use super::header::{Item, Kind};
use super::pages::{PAGES, Page, SECOND_NAMES};
use super::roff::{Places, element, paragraphs, prototype};

/// Whether `name` is what `pattern` names, or begins as it does when it ends with an asterisk.
pub fn fits(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

/// The name of the function that is meant when `mc_x` and `mcm_x` are the same but for the context.
fn common(name: &str) -> &str {
    name.strip_prefix("mcm_").or(name.strip_prefix("mc_")).unwrap_or(name)
}

/// Whether a page's table names this function, itself or as the twin of one.
pub fn names(page: &Page, name: &str) -> bool {
    page.functions.iter().any(|pattern| {
        fits(name, pattern) || name.starts_with("mcm_") && fits(&format!("mc_{}", common(name)), pattern)
    })
}

/// A page's functions in the header's order.
pub fn functions<'a>(page: &Page, items: &'a [Item]) -> Vec<&'a Item> {
    items.iter().filter(|item| item.kind == Kind::Function && names(page, &item.name)).collect()
}

/// The pages of which the headers have something.
pub fn made(items: &[Item]) -> Vec<&'static Page> {
    PAGES.iter().filter(|page| !functions(page, items).is_empty()).collect()
}

/// The page's text.
pub fn text(page: &Page, items: &[Item], places: &Places, date: &str) -> String {
    let functions = functions(page, items);
    let (with_context, without): (Vec<&Item>, Vec<&Item>) =
        functions.iter().partition(|item| item.name.starts_with("mcm_"));
    let mut names: Vec<&str> = without.iter().chain(&with_context).map(|item| item.name.as_str()).collect();
    if !names.contains(&page.name) {
        names.insert(0, page.name);
    }
    let mut text = format!(
        ".\\\" Made from the headers' comments by tests/man. Do not edit: run `make man`.\n\
         .TH {} 3 {date} libmemcache \"libmemcache manual\"\n.SH NAME\n{} \\- {}\n\
         .SH LIBRARY\nmemcached client library (libmemcache, \\-lmemcache)\n",
        page.name,
        names.join(", "),
        page.about
    );
    text.push_str(&synopsis(page, &without, &with_context));
    text.push_str(".SH DESCRIPTION\n");
    text.push_str(&paragraphs(page.text, page.name, places));
    text.push_str(&descriptions(page, &functions, places));
    text.push_str(&types(page, items, places));
    text.push_str(&constants(page, items, places));
    text.push_str(&macros(page, items, places));
    text.push_str(&see_also(page, items));
    text
}

fn synopsis(page: &Page, without: &[&Item], with_context: &[&Item]) -> String {
    let mut text = ".SH SYNOPSIS\n.nf\n\\fB#include <memcache.h>\\fP\n".to_owned();
    if let Some(header) = page.header {
        text.push_str(&format!("\\fB#include <{header}>\\fP\n"));
    }
    for group in [without, with_context].into_iter().filter(|group| !group.is_empty()) {
        text.push_str(".sp\n");
        for item in group {
            text.push_str(&prototype(&item.text));
        }
    }
    text.push_str(".fi\n");
    text
}

/// Each function with its twin, and what the comments of both say.
fn descriptions(page: &Page, functions: &[&Item], places: &Places) -> String {
    let mut text = String::new();
    let mut told = BTreeSet::new();
    for item in functions {
        if !told.insert(common(&item.name)) {
            continue;
        }
        let mut twins: Vec<_> =
            functions.iter().filter(|other| common(&other.name) == common(&item.name)).collect();
        twins.sort_by_key(|twin| twin.name.starts_with("mcm_"));
        let title: Vec<_> = twins.iter().map(|twin| format!("{}()", twin.name)).collect();
        text.push_str(&format!(".SS {}\n", title.join(", ")));
        let docs: BTreeSet<_> = twins
            .iter()
            .map(|twin| twin.doc.as_str())
            .filter(|doc| !doc.starts_with("See mc") || doc.contains('\n'))
            .collect();
        let docs: Vec<_> = docs.into_iter().collect();
        text.push_str(&paragraphs(&docs.join("\n\n"), page.name, places));
    }
    text
}

/// Whether a field is the program's business.
fn is_public(doc: &str) -> bool {
    !doc.starts_with("Private") && !doc.starts_with("Not used")
}

fn types(page: &Page, items: &[Item], places: &Places) -> String {
    let mut text = String::new();
    for name in page.types {
        for item in items.iter().filter(|item| item.kind == Kind::Type && item.name == *name) {
            if text.is_empty() {
                text.push_str(".SH TYPES\n");
            }
            text.push_str(&format!(".SS {name}\n"));
            if item.fields.is_empty() {
                text.push_str(&format!(".nf\n{}.fi\n.PP\n", prototype(&item.text)));
            }
            text.push_str(&paragraphs(&item.doc, page.name, places));
            for (field, doc) in item.fields.iter().filter(|(_, doc)| is_public(doc)) {
                text.push_str(&element(
                    field.trim_end_matches([';', ',']),
                    &paragraphs(doc, page.name, places),
                ));
            }
        }
    }
    text
}

/// The items of a kind that begin as one of the patterns does.
fn beginning<'a>(items: &'a [Item], kind: Kind, starts: &[&str]) -> Vec<&'a Item> {
    let wanted = |item: &&Item| {
        item.kind == kind
            && starts.iter().any(|start| item.name.starts_with(start))
            && !SECOND_NAMES.iter().any(|start| item.name.starts_with(start))
    };
    items.iter().filter(wanted).collect()
}

fn constants(page: &Page, items: &[Item], places: &Places) -> String {
    let found = beginning(items, Kind::Constant, page.constants);
    let mut text = if found.is_empty() { String::new() } else { ".SH CONSTANTS\n".to_owned() };
    for item in found {
        let head = format!("{} ({})", item.name, item.text);
        text.push_str(&element(&head, &paragraphs(&item.doc, page.name, places)));
    }
    text
}

/// Macros; those that share a comment stand under it together.
fn macros(page: &Page, items: &[Item], places: &Places) -> String {
    let mut text = String::new();
    let mut last = None;
    for item in beginning(items, Kind::Macro, page.macros) {
        if text.is_empty() {
            text.push_str(".SH MACROS\n");
        }
        if last != Some(&item.doc) {
            if last.is_some() {
                text.push_str(".PP\n");
            }
            text.push_str(&paragraphs(&item.doc.replacen("\n    ", "\n\n    ", 1), page.name, places));
            last = Some(&item.doc);
        }
        text.push_str(&format!(".br\n{}", prototype(&item.text)));
    }
    text
}

fn see_also(page: &Page, items: &[Item]) -> String {
    let made = made(items);
    let mut pages = vec![("libmemcache", 3)];
    for name in page.see {
        if *name == "libmemcache-pool" {
            pages.push((name, 5));
        } else if made.iter().any(|other| other.name == *name) {
            pages.push((name, 3));
        }
    }
    let lines: Vec<_> =
        pages.iter().map(|(name, section)| format!(".BR {} ({section})", name.replace('-', "\\-"))).collect();
    format!(".SH SEE ALSO\n{}\n", lines.join(",\n"))
}
