//! `where`: where a key lives, and where it is read and written at this moment; by the same placement that
//! clients use.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use crate::rules::key;
use crate::rules::places::{self, Placement};
use crate::rules::pool::ServerId;
use crate::rules::view::View;

use super::known::{Known, called, word};
use super::report::source;
use super::text::{clean, clean_json};
use super::{Answer, Said};

/// A key's places, as a document. docs/memcachectl.md describes every field.
#[derive(Serialize, Clone, Debug)]
pub struct Places {
    /// The key.
    pub key: String,
    /// The pool's name.
    pub pool: String,
    /// Whether a daemon attends the table.
    pub attended: bool,
    /// Where the states come from.
    pub states: &'static str,
    /// Where it lives while all is well.
    pub home: String,
    /// Who holds home's second copies while all is well.
    pub backup: Option<String>,
    /// Where writes go and reads begin.
    pub acting: Option<String>,
    /// Where the second copy of a write goes.
    pub mirror: Option<String>,
    /// Who may hold a copy, in reading order.
    pub places: Vec<Place>,
}

/// A server that may hold a copy.
#[derive(Serialize, Clone, Debug)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its state.
    pub state: &'static str,
}

/// Shows where a key lives.
pub fn command(path: &Path, key: &OsStr, json: bool) -> Said {
    let bytes = key.as_bytes();
    key::check_binary(bytes).map_err(|wrong| Answer::wrong(wrong.to_string()))?;
    let known = Known::read(path)?;
    let view = known.view();
    let home = places::home(&view.pool, bytes).ok_or_else(|| Answer::wrong("the pool has no servers"))?;
    let placement = Placement::of(&view, bytes);
    if json {
        let document = document(&key.to_string_lossy(), &known, &view, home, placement.as_ref());
        let document = serde_json::to_string_pretty(&document)
            .map_err(|error| Answer::wrong(format!("cannot make the document: {error}")))?;
        return Ok(Answer::done(clean_json(&document) + "\n"));
    }
    let mut text = picture(&key.to_string_lossy(), &view, home, placement.as_ref());
    text.push_str(match source(&known) {
        "table" => "by the states of the table, which is attended\n",
        "last" => {
            "by the last states of the table, which is unattended: each process goes on from them by itself\n"
        }
        _ => "the states are assumed: there is no table, and only orders are taken into account\n",
    });
    Ok(Answer::done(text))
}

fn document(key: &str, known: &Known, view: &View, home: ServerId, placement: Option<&Placement>) -> Places {
    let name = |id: ServerId| view.pool.server(id).name.clone();
    let place = |&id: &ServerId| Place {
        name: name(id),
        address: view.pool.server(id).address.to_string(),
        state: word(view.state(id)),
    };
    Places {
        key: key.to_owned(),
        pool: view.pool.name.clone(),
        attended: known.attended().is_some(),
        states: source(known),
        home: name(home),
        backup: view.pool.server(home).backup.map(name),
        acting: placement.and_then(Placement::acting).map(name),
        mirror: placement.and_then(|placement| placement.mirror).map(name),
        places: placement.map(|placement| placement.places.iter().map(place).collect()).unwrap_or_default(),
    }
}

/// The same for a person.
fn picture(key: &str, view: &View, home: ServerId, placement: Option<&Placement>) -> String {
    let server = |id: ServerId| format!("{}, {}", called(view.pool.server(id)), word(view.state(id)));
    let mut text = format!("key {}\n", clean(key));
    let mut line = |what: &str, says: &str| text.push_str(&format!("  {what:<8} {}\n", clean(says)));
    line("home", &server(home));
    let Some((placement, acting)) = placement.and_then(|it| Some((it, it.acting()?))) else {
        line("acting", "none: no server of the pool is live, and every call fails at once");
        return text;
    };
    let role = if acting == home {
        "reads and writes begin here"
    } else {
        "stands in for home: reads and writes begin here"
    };
    line("acting", &format!("{}; {role}", server(acting)));
    match placement.mirror {
        Some(mirror) => line("mirror", &format!("{}; takes the second copy of a write", server(mirror))),
        None if view.pool.options.backups => line("mirror", "none: no other server is live"),
        None => line("mirror", "none: the pool has no backups"),
    }
    let names: Vec<&str> = placement.places.iter().map(|&id| view.pool.server(id).name.as_str()).collect();
    line("places", &format!("{}; a read asks them in this order", names.join(", ")));
    if view.keeps_changes_from(home) {
        line(
            "but",
            "most servers are down: clients take it for a fault of this machine's network, and store nothing",
        );
    }
    text
}

#[cfg(test)]
mod tests;
