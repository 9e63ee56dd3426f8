//! `status`: how every server is, once or again each second.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use crate::table::identity;

use super::known::Known;
use super::report::Report;
use super::text::clean_json;
use super::{Answer, Said, ask, render};

/// From one picture to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// To the upper left corner, and nothing from there on.
const FRESH: &str = "\x1b[H\x1b[J";

/// Shows the pool.
pub fn command(path: &Path, json: bool, watch: bool) -> Said {
    if !watch {
        return Ok(Answer::done(picture(path, json, false)?));
    }
    let mut out = std::io::stdout();
    let fresh = if out.is_terminal() && !json { FRESH } else { "" };
    loop {
        // What is wrong with the file now may be right in a second: it is part of the picture.
        let shown = match picture(path, json, true) {
            Ok(shown) => shown,
            Err(answer) if json => return Err(answer),
            Err(answer) => answer.notes.iter().map(|note| super::text::clean_lines(note) + "\n").collect(),
        };
        let apart = if fresh.is_empty() && !json { "\n" } else { "" };
        if write!(out, "{fresh}{shown}{apart}").and_then(|()| out.flush()).is_err() {
            return Ok(Answer::done(String::new()));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The pool as it is now; a document on one line when there will be more of them.
fn picture(path: &Path, json: bool, one_line: bool) -> Result<String, Answer> {
    let known = Known::read(path)?;
    let view = known.view();
    let answers = ask::all(&view.pool, view.pool.options.timeout);
    let now = identity::unix_millis();
    let report = Report::new(&path.to_string_lossy(), &known, &answers, now);
    if !json {
        return Ok(render::report(&report, now));
    }
    let document =
        if one_line { serde_json::to_string(&report) } else { serde_json::to_string_pretty(&report) };
    let document = document.map_err(|error| Answer::wrong(format!("cannot make the document: {error}")))?;
    Ok(clean_json(&document) + "\n")
}
