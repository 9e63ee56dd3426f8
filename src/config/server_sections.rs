//! The `[[server]]` sections: the ordered list of servers, and who backs up whom.

use std::collections::HashMap;

use crate::rules::address::Address;
use crate::rules::pool::{Server, ServerId};

use super::Order;
use super::error::{Report, listed, quoted};
use super::limits;
use super::names::{self, closest};
use super::section::{Located, Section};

const KEYS: [&str; 5] = ["name", "address", "weight", "backup", "state"];

/// The words of `state`. There is none for a server that is used: it has no `state`.
const STATES: [(&str, Order); 2] = [("draining", Order::Draining), ("down", Order::Down)];

/// In a pool of more servers a message does not look for the name that was meant, or list them all.
const FEW: usize = 32;

/// A server as the file describes it: what is `None` is missing or was refused.
pub(super) struct Draft<'a> {
    name: Option<Located<String>>,
    /// Whether the name was written, rather than taken from the address.
    named: bool,
    pub(super) address: Option<Located<Address>>,
    weight: Located<u32>,
    backup: Option<Located<&'a str>>,
    order: Order,
}

/// Reads every section by itself.
pub(super) fn read<'a>(report: &mut Report, sections: &[Section<'a>]) -> Vec<Draft<'a>> {
    if sections.is_empty() {
        let text = "no servers; a pool needs at least one [[server]] section with its address";
        report.at(report.last_line(), text);
    }
    sections.iter().map(|section| draft(report, section)).collect()
}

fn draft<'a>(report: &mut Report, section: &Section<'a>) -> Draft<'a> {
    let line = section.line;
    section.allow_only(report, &KEYS);
    let example = "\"127.0.0.1:11211\"";
    let before = report.count();
    let address = section.read(report, "address", example, str::parse::<Address>);
    if address.is_none() && report.count() == before {
        report.at(line, format!("this server has no address; add one, such as address = {example}"));
    }
    let before = report.count();
    let written = section.read(report, "name", "\"s1\"", |text| names::check(text).map(|()| text.to_owned()));
    let named = written.is_some() || report.count() > before;
    let name = if named { written } else { address.as_ref().and_then(|address| own_name(report, address)) };
    Draft {
        name,
        named,
        address,
        weight: section.count(report, "weight", limits::SLOTS).unwrap_or(Located { line, value: 1 }),
        backup: section.text(report, "backup", "\"s2\", the name of another server"),
        order: section.choice(report, "state", &STATES).map_or(Order::Up, |order| order.value),
    }
}

/// The name of a server that was given none.
fn own_name(report: &mut Report, address: &Located<Address>) -> Option<Located<String>> {
    let Located { line, value } = address;
    let name = value.to_string();
    match names::check(&name) {
        Ok(()) => Some(Located { line: *line, value: name }),
        Err(wrong) => {
            report
                .at(*line, format!("the address is no name for the server: {wrong}; give it one with name"));
            None
        }
    }
}

/// Checks the list as a whole: repeats, slots, backups. Returns the backups that are named in it,
/// one entry for each server; `backup_none` is the line of `backup = "none"`.
pub(super) fn check(
    report: &mut Report,
    drafts: &[Draft<'_>],
    backup_none: Option<usize>,
) -> Vec<Option<ServerId>> {
    check_repeats(report, drafts);
    check_slots(report, drafts);
    let directory = Directory::new(drafts);
    let resolve = |(index, draft): (usize, &Draft<'_>)| {
        let Located { line, value } = draft.backup?;
        let found = directory.find(value);
        if let Some(wrong) = directory.backup_problem(index, value, found, backup_none) {
            report.at(line, wrong);
        }
        found.and_then(|found| u16::try_from(found).ok()).map(ServerId)
    };
    drafts.iter().enumerate().map(resolve).collect()
}

/// What the servers go by.
struct Directory<'a> {
    names: Vec<&'a str>,
    by_name: HashMap<&'a str, usize>,
    /// Only of servers without a name.
    by_address: HashMap<&'a Address, usize>,
    /// Whether every server's name is known; one that was refused is not.
    is_complete: bool,
}

impl<'a> Directory<'a> {
    fn new(drafts: &'a [Draft<'_>]) -> Directory<'a> {
        let mut directory = Directory {
            names: Vec::with_capacity(drafts.len()),
            by_name: HashMap::new(),
            by_address: HashMap::new(),
            is_complete: true,
        };
        for (index, draft) in drafts.iter().enumerate() {
            match &draft.name {
                Some(name) => {
                    directory.names.push(&name.value);
                    directory.by_name.entry(&name.value).or_insert(index);
                }
                None => directory.is_complete = false,
            }
            if let (false, Some(address)) = (draft.named, &draft.address) {
                directory.by_address.entry(&address.value).or_insert(index);
            }
        }
        directory
    }

    /// The server that a text means: one without a name goes by its address, however that is written.
    fn find(&self, text: &str) -> Option<usize> {
        let by_address = || self.by_address.get(&text.parse::<Address>().ok()?);
        self.by_name.get(text).or_else(by_address).copied()
    }

    /// What is wrong with the backup of one server, if anything.
    fn backup_problem(
        &self,
        index: usize,
        backup: &str,
        found: Option<usize>,
        backup_none: Option<usize>,
    ) -> Option<String> {
        if let Some(line) = backup_none {
            return Some(format!(
                "backup = {} is given, but line {line} says backup = \"none\" for the whole pool; \
                 remove this one, or write backup = \"pairs\" there",
                quoted(backup)
            ));
        }
        match found {
            Some(found) if found == index => {
                let text =
                    "the server would be its own backup; name another server, or leave backup out for pairs";
                Some(text.to_owned())
            }
            Some(_) => None,
            None if self.is_complete => Some(self.nobody(backup)),
            // The name it means may be the one that was refused: one message is enough.
            None => None,
        }
    }

    /// The message for a backup that names no server.
    fn nobody(&self, backup: &str) -> String {
        let backup_text = quoted(backup);
        if self.names.len() > FEW {
            return format!(
                "backup: no server is named {backup_text}; allowed is the name of another server"
            );
        }
        let meant = closest(backup, self.names.iter().copied())
            .map_or(String::new(), |near| format!(" (did you mean {}?)", quoted(near)));
        let names: Vec<String> = self.names.iter().map(|name| quoted(name)).collect();
        let verb = if names.len() == 1 { "the only server is" } else { "the servers are" };
        format!("backup: no server is named {backup_text}{meant}; {verb} {}", listed(&names, "and"))
    }
}

fn check_repeats(report: &mut Report, drafts: &[Draft<'_>]) {
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut addresses: HashMap<&Address, usize> = HashMap::new();
    for draft in drafts {
        let mut told = false;
        if let Some(Located { line, value }) = &draft.address {
            let first = *addresses.entry(value).or_insert(*line);
            if first != *line {
                told = true;
                let text = format!(
                    "address {} is already the one on line {first}; a server is listed once, \
                     with a larger weight if it is to hold more",
                    quoted(&value.to_string())
                );
                report.at(*line, text);
            }
        }
        if let Some(Located { line, value }) = &draft.name {
            let first = *names.entry(value).or_insert(*line);
            // Two servers without names and with one address have been told of the address.
            if first != *line && (draft.named || !told) {
                let text = format!(
                    "the name {} is already that of the server on line {first}; every server needs its own",
                    quoted(value)
                );
                report.at(*line, text);
            }
        }
    }
}

fn check_slots(report: &mut Report, drafts: &[Draft<'_>]) {
    let mut slots: u64 = 0;
    for draft in drafts {
        slots += u64::from(draft.weight.value);
        if slots > u64::from(limits::SLOTS) {
            let all: u64 = drafts.iter().map(|draft| u64::from(draft.weight.value)).sum();
            let text = format!(
                "with this server the pool has more than {} slots (the weights add up to {all}); \
                 make the weights smaller",
                limits::SLOTS
            );
            report.at(draft.weight.line, text);
            return;
        }
    }
}

/// The servers of a list without problems, and what is ordered for each.
pub(super) fn finish(drafts: Vec<Draft<'_>>, backups: Vec<Option<ServerId>>) -> (Vec<Server>, Vec<Order>) {
    drafts
        .into_iter()
        .zip(backups)
        .filter_map(|(draft, backup)| {
            let (name, address) = (draft.name?.value, draft.address?.value);
            Some((Server { name, address, weight: draft.weight.value, backup }, draft.order))
        })
        .unzip()
}
