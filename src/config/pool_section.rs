//! The `[pool]` section: what the pool's owner chose.

use std::path::{Path, PathBuf};

use crate::rules::pool::{Distribution, Options, ReadBackup};

use super::duration::Text;
use super::error::{Report, quoted};
use super::limits;
use super::names;
use super::section::{Located, Section};

const KEYS: [&str; 9] = [
    "name",
    "distribution",
    "backup",
    "read_backup",
    "window",
    "max_ttl",
    "connect_timeout",
    "timeout",
    "table",
];

/// What the section says, with the defaults for what it does not say.
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) options: Options,
    pub(super) table: Option<PathBuf>,
    /// The line of `backup = "none"`.
    pub(super) backup_none: Option<usize>,
}

/// Reads the section; a file without one gets the defaults.
pub(super) fn read(report: &mut Report, section: Option<&Section<'_>>) -> Chosen {
    let mut chosen = Chosen {
        name: String::new(),
        // An operator who writes a file wants what the product is for; see DESIGN.md's sample.
        options: Options { backups: true, ..Options::default() },
        table: None,
        backup_none: None,
    };
    let Some(section) = section else {
        chosen.name = stem(report, 1);
        return chosen;
    };
    section.allow_only(report, &KEYS);
    chosen.name = name(report, section);
    chosen.table =
        section.read(report, "table", "\"/run/memcache/sessions.table\"", absolute).map(|table| table.value);
    spread(report, section, &mut chosen);
    times(report, section, &mut chosen.options);
    chosen
}

fn name(report: &mut Report, section: &Section<'_>) -> String {
    let Some(Located { line, value }) = section.text(report, "name", "\"sessions\"") else {
        return stem(report, section.line);
    };
    if let Err(wrong) = names::check(value) {
        report.at(line, format!("name: {wrong}"));
    }
    value.to_owned()
}

/// The name of a pool that has none in its file: the file's, without directory and ending.
fn stem(report: &mut Report, line: usize) -> String {
    let stem = Path::new(report.origin()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if let Err(wrong) = names::check(&stem) {
        report.at(line, format!("the file's name is no name for the pool: {wrong}; give it one in [pool]"));
    }
    stem
}

/// Where keys and their copies go.
fn spread(report: &mut Report, section: &Section<'_>, chosen: &mut Chosen) {
    let options = &mut chosen.options;
    let words = [("modulo", Distribution::Modulo), ("ketama", Distribution::Ketama)];
    if let Some(distribution) = section.choice(report, "distribution", &words) {
        options.distribution = distribution.value;
    }
    if let Some(backup) = section.choice(report, "backup", &[("pairs", true), ("none", false)]) {
        options.backups = backup.value;
        chosen.backup_none = (!backup.value).then_some(backup.line);
    }
    let words = [("recovering", ReadBackup::Recovering), ("always", ReadBackup::Always)];
    if let Some(read_backup) = section.choice(report, "read_backup", &words) {
        options.read_backup = read_backup.value;
        if let (ReadBackup::Always, Some(none)) = (read_backup.value, chosen.backup_none) {
            report.at(
                read_backup.line,
                format!(
                    "read_backup = \"always\" has no backup to read, because line {none} says \
                     backup = \"none\"; remove one of the two"
                ),
            );
        }
    }
}

fn times(report: &mut Report, section: &Section<'_>, options: &mut Options) {
    if let Some(window) = section.duration(report, "window", limits::WINDOW) {
        options.window = window.value;
    }
    options.max_ttl = section.duration(report, "max_ttl", limits::MAX_TTL).map(|max_ttl| max_ttl.value);
    let connect = section.duration(report, "connect_timeout", limits::CONNECT_TIMEOUT);
    let whole = section.duration(report, "timeout", limits::TIMEOUT);
    options.timeout = whole.map_or(options.timeout, |whole| whole.value);
    match connect {
        // A call is over when its time is: what connecting may take beyond that is never used.
        Some(connect) if connect.value > options.timeout => {
            let of = whole.map_or("the default".to_owned(), |whole| format!("line {}", whole.line));
            let text = format!(
                "connect_timeout {} is longer than timeout, which is {} ({of}); a call connects within its \
                 timeout: allowed is at most as long",
                Text(connect.value),
                Text(options.timeout)
            );
            report.at(connect.line, text);
        }
        Some(connect) => options.connect_timeout = connect.value,
        None => options.connect_timeout = options.connect_timeout.min(options.timeout),
    }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if text.contains(char::is_control) {
        Err(format!("{} has a control character; write the path of a file", quoted(text)))
    } else if !path.is_absolute() {
        Err(format!(
            "{} is not absolute; write the path from / on, since every process must find it",
            quoted(text)
        ))
    } else if text.ends_with('/') || path.file_name().is_none() {
        Err(format!("{} is a directory; write the path of a file", quoted(text)))
    } else {
        Ok(path.to_owned())
    }
}
