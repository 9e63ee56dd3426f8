//! What memcachectl does: says how a pool is, and changes its file.
//!
//! **The pool file is the truth, the daemon its reader.** A change is an edit of the file's text: it keeps
//! every byte that it is not about, survives a restart, and is there for a person to read. Then the
//! daemon is told, and the table watched until it shows the change. Nothing here writes to the
//! table, or judges a server in the daemon's place: the shared table has one writer.
//!
//! Each command is apart in what it decides and what it touches. Pure, on texts and values: [`edit`]
//! (the file's text), [`harm`] (whom a change would hurt), [`report`], [`progress`], [`render`] and [`place`]
//! (what is said). With files and sockets: [`known`] (file and table as they are), [`store`] (the file's new
//! text, safely), [`ask`] (the servers' own figures), and [`change`], [`sweep`], [`status`], [`check`], [`wait`],
//! which put them together. [`args`] is the command line.
//!
//! Whatever comes from outside (a key, a server's answer, a name) passes [`text::clean`] before it
//! is shown: what a server says must not steer a terminal.

pub mod args;
pub mod ask;
pub mod change;
pub mod check;
pub mod edit;
pub mod harm;
pub mod known;
pub mod place;
pub mod progress;
pub mod render;
pub mod report;
pub mod status;
pub mod store;
pub mod sweep;
pub mod text;
pub mod wait;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::config::VARIABLE;

use args::{Arguments, Command};

/// How a command ends: its exit status. docs/memcachectl.md and the manual page explain each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It did what it was asked, and all is well.
    Done = 0,
    /// Something is wrong, or was refused; nothing was changed.
    Wrong = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// No daemon attends the table. A change is in the file, and nobody acts on it.
    NoDaemon = 3,
    /// The daemon is there, but what was waited for did not come in time. A change is in the file.
    TimeIsUp = 4,
}

/// What a command has to say, and how it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// For the standard output: what was asked for.
    pub out: String,
    /// For the standard error, one line each: what a person should know.
    pub notes: Vec<String>,
    /// The exit status.
    pub ending: Ending,
}

impl Answer {
    /// It is done, and this is what was asked for.
    pub fn done(out: String) -> Answer {
        Answer { out, notes: Vec::new(), ending: Ending::Done }
    }

    /// It could not be done, for this reason.
    pub fn wrong(reason: impl Into<String>) -> Answer {
        Answer { out: String::new(), notes: vec![reason.into()], ending: Ending::Wrong }
    }
}

/// A command's answer, or the answer that ended it early.
pub type Said = Result<Answer, Answer>;

/// Runs memcachectl with these arguments, the first of which is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let answer = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => obey(&arguments).unwrap_or_else(|answer| answer),
        Err(error) => unparsed(&error),
    };
    let mut ending = answer.ending;
    // Nobody reads what comes after a closed pipe, and that is no mistake.
    match std::io::stdout().write_all(answer.out.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            ending = Ending::Wrong;
            let _ = writeln!(std::io::stderr(), "memcachectl: cannot write its output: {error}");
        }
        _ => {}
    }
    for line in answer.notes.iter().flat_map(|note| note.lines()) {
        remark(line);
    }
    ExitCode::from(ending as u8)
}

/// Says a line to the person, beside what the command prints.
fn remark(line: &str) {
    let _ = writeln!(std::io::stderr(), "memcachectl: {}", text::clean(line));
}

fn obey(arguments: &Arguments) -> Said {
    if let Command::Completions { shell } = arguments.command {
        return Ok(Answer::done(args::completions(shell)));
    }
    let named = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = arguments.pool.clone().or_else(named).ok_or_else(|| Answer {
        ending: Ending::Usage,
        ..Answer::wrong("no pool file is named: give --pool FILE, or set MEMCACHE_POOL")
    })?;
    match &arguments.command {
        Command::Status { json, watch } => status::command(&path, *json, *watch),
        Command::Where { key, json } => place::command(&path, key, *json),
        Command::Check => check::command(&path),
        Command::Wait { steady: _, timeout } => wait::command(&path, *timeout),
        Command::Sweep { server, wait, timeout } => sweep::command(&path, server.as_deref(), *wait, *timeout),
        Command::Down { server, how } => change::command(&path, &change::Change::Down(server), how),
        Command::Up { server, how } => change::command(&path, &change::Change::Up(server), how),
        Command::Drain { server, how } => change::command(&path, &change::Change::Drain(server), how),
        Command::Add { address, name, weight, backup, how } => {
            let (name, backup) = (name.as_deref(), backup.as_deref());
            let new = edit::NewServer { address, name, weight: *weight, backup };
            change::command(&path, &change::Change::Add(new), how)
        }
        Command::Remove { server, how } => change::command(&path, &change::Change::Remove(server), how),
        Command::Replace { old, new, how } => {
            change::command(&path, &change::Change::Replace { old, new }, how)
        }
        Command::Completions { .. } => Ok(Answer::done(String::new())),
    }
}

/// What clap has to say: help and version are answers, all else is a mistake. It quotes arguments, which
/// can hold anything.
fn unparsed(error: &clap::Error) -> Answer {
    let said = text::clean_lines(&error.render().to_string());
    if error.use_stderr() {
        let _ = write!(std::io::stderr(), "{said}");
        return Answer { out: String::new(), notes: Vec::new(), ending: Ending::Usage };
    }
    Answer::done(said)
}
