//! Texts for a person: without control characters, with times and sizes that can be read.

use std::fmt::Write;

pub use crate::config::shown::clean;
use crate::config::shown::steers;

/// The same for a text of several lines, which stay lines.
pub fn clean_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        lines.push_str(&clean(line));
        lines.push_str(end);
    }
    lines
}

/// The same for a JSON document: in its strings, and nowhere else, such characters can be. JSON's own
/// writer escapes only the first 32 of them.
pub fn clean_json(document: &str) -> String {
    let mut clean = String::with_capacity(document.len());
    for letter in document.chars() {
        if steers(letter) && letter != '\n' {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                let _ = write!(clean, "\\u{unit:04x}");
            }
        } else {
            clean.push(letter);
        }
    }
    clean
}

/// How long ago something was, roughly: `now`, `12 s ago`, `3 m ago`, `5 h ago`, `2 d ago`.
pub fn ago(millis: u64, now: u64) -> String {
    let seconds = now.saturating_sub(millis) / 1_000;
    match seconds {
        0 => "now".to_owned(),
        1..=119 => format!("{seconds} s ago"),
        120..=7_199 => format!("{} m ago", seconds / 60),
        7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A time in whole units, rounded up: `12 s`, `3 minutes`, `5 hours`.
pub fn span(millis: u64) -> String {
    let seconds = millis.div_ceil(1_000);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3_600)),
    }
}

/// A size of memory in the largest unit of which there is at least one, with one decimal below a hundred.
pub fn size(bytes: u64) -> String {
    let mut unit = 0;
    let mut scale = 1u64;
    while unit < 4 && bytes / scale >= 1_024 {
        unit += 1;
        scale *= 1_024;
    }
    let name = ["B", "KiB", "MiB", "GiB", "TiB"][unit];
    let tenths = u128::from(bytes) * 10 / u128::from(scale);
    if unit == 0 || tenths >= 1_000 || tenths.is_multiple_of(10) {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// A number with its thousands apart: `12,345`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut apart = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// A moment (milliseconds since 1970) in RFC 3339, in UTC and whole seconds: `2026-11-24T22:27:55Z`. Every
/// JSON program and every person can read it, and it sorts as text. `None` beyond the year 9999.
pub fn rfc3339(millis: u64) -> Option<String> {
    let seconds = millis / 1_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have their odd day at their end; 1 March of the year 0 is 719,468 days
    // before 1970, and 400 years are 146,097 days.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    (year <= 9_999).then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(clean("s1 (127.0.0.1:11211)"), "s1 (127.0.0.1:11211)");
        assert_eq!(clean("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(clean("a\u{9b}m\u{202e}b\u{7f}"), "a\\u{9b}m\\u{202e}b\\u{7f}");
        assert_eq!(clean_lines("a\r\nb\n\tc"), "a\\u{d}\nb\n\\u{9}c");
        assert_eq!(clean_json("{\"a\": \"\u{9b}\u{e0001}\"}\n"), "{\"a\": \"\\u009b\\udb40\\udc01\"}\n");
    }

    #[test]
    fn times_and_sizes() {
        for (seconds, text) in [
            (0, "now"),
            (1, "1 s ago"),
            (119, "119 s ago"),
            (120, "2 m ago"),
            (7_199, "119 m ago"),
            (7_200, "2 h ago"),
            (172_799, "47 h ago"),
            (172_800, "2 d ago"),
        ] {
            assert_eq!(ago(5_000, 5_000 + seconds * 1_000), text);
        }
        assert_eq!(ago(9_000, 1_000), "now", "a clock that was set back");
        for (millis, text) in [
            (0, "0 s"),
            (1, "1 s"),
            (119_000, "119 s"),
            (119_001, "2 minutes"),
            (7_199_000, "120 minutes"),
            (7_200_001, "3 hours"),
        ] {
            assert_eq!(span(millis), text);
        }
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1 KiB"),
            (1_536, "1.5 KiB"),
            (64 << 20, "64 MiB"),
            (10_342_400, "9.8 MiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_559_275, "2026-11-24T22:27:55Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds * 1_000 + 999).as_deref(), Some(text));
        }
        assert_eq!(rfc3339(253_402_300_800_000), None);
        assert_eq!(rfc3339(u64::MAX), None);
    }

    proptest! {
        #[test]
        fn no_text_steers(text: String) {
            prop_assert!(!clean(&text).chars().any(steers));
            let document = format!("[{}]\n", serde_json::to_string(&text).unwrap());
            let clean = clean_json(&document);
            prop_assert!(!clean.trim_end().chars().any(steers));
            let back: Vec<String> = serde_json::from_str(&clean).unwrap();
            prop_assert_eq!(back, vec![text]);
        }
    }
}
