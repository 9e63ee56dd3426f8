//! What people read: the log, and the line that systemd shows.

use std::io::Write;
use std::time::Duration;

use log::{Level, LevelFilter};
use sd_notify::NotifyState;

use crate::config::shown::clean;
use crate::rules::view::State;

/// Sends the log to standard error. On a terminal with the time; else with the priorities that systemd's journal
/// understands, which knows the time itself.
pub fn begin(level: LevelFilter, terminal: bool) {
    let mut builder = env_logger::Builder::new();
    builder.filter(Some(env!("CARGO_CRATE_NAME")), level).target(env_logger::Target::Stderr);
    builder.format(move |out, record| {
        // A line is one line, whoever's words are in it: a server's, the pool file's, another daemon's.
        let text = record.args().to_string();
        let text = clean(&text);
        if terminal {
            let (time, level) = (date(crate::table::identity::unix_millis()), record.level());
            writeln!(out, "{time} {level:5} {text}")
        } else {
            writeln!(out, "<{}>{text}", priority(record.level()))
        }
    });
    // Only the first one counts; there is one.
    let _ = builder.try_init();
}

fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// A time as `2026-01-31T23:59:59.123Z`.
fn date(unix_millis: u64) -> String {
    let (seconds, millis) = (unix_millis / 1000, unix_millis % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of the year 0, in cycles of 400 years: leap days are then last in everything.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// A span in its two largest units, or as a decimal of seconds.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{}.{:03} s", seconds, span.subsec_millis()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A state's name.
pub fn word(state: State) -> &'static str {
    match state {
        State::Steady => "steady",
        State::Returned => "returned",
        State::Draining => "draining",
        State::Down => "down",
    }
}

/// How many servers are in which state.
pub fn census(states: impl Iterator<Item = State>) -> String {
    let states: Vec<State> = states.collect();
    let mut text = format!("{} server{}", states.len(), if states.len() == 1 { "" } else { "s" });
    let mut separator = ": ";
    for state in [State::Steady, State::Returned, State::Draining, State::Down] {
        let count = states.iter().filter(|it| **it == state).count();
        if count > 0 {
            text.push_str(&format!("{separator}{count} {}", word(state)));
            separator = ", ";
        }
    }
    text
}

/// Tells systemd, if it wants to know.
pub fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        log::debug!("systemd cannot be told: {error}");
    }
}

/// How often systemd wants to hear of us; `None`: never. (The crate's own question wants a process id in the environment,
/// which sd_watchdog_enabled(3) does without.)
pub fn watchdog() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let micros = number("WATCHDOG_USEC").filter(|micros| *micros > 0)?;
    let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    // Often enough that one of them may come late.
    ours.then(|| (Duration::from_micros(micros) / 3).max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_read_as_people_write_them() {
        assert_eq!(date(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(date(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(date(1_772_323_199_000), "2026-02-28T23:59:59.000Z");
        assert_eq!(date(1_772_323_200_000), "2026-03-01T00:00:00.000Z");
        for (seconds, text) in [(5, "5.000 s"), (61, "1 min 1 s"), (7300, "2 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_census_names_what_there_is() {
        let states = [State::Down, State::Steady, State::Steady];
        assert_eq!(census(states.into_iter()), "3 servers: 2 steady, 1 down");
        assert_eq!(census([State::Returned].into_iter()), "1 server: 1 returned");
    }
}
