//! Durations as text: `250us`, `100ms`, `1.5s`, `5m`, `24h`, `7d`.
//!
//! Exact arithmetic on whole microseconds, which is the rules' resolution: no floating point, so
//! what is written is what is meant, and what is shown can be written again.

use std::fmt;
use std::time::Duration;

use super::error::quoted;

/// The units with their microseconds, largest first.
const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// The longest duration that can be written: a hundred years of 365 days.
pub const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

/// Reads a duration: a decimal number and, directly after it, one of the units `us`, `ms`, `s`, `m`,
/// `h`, `d`.
///
/// # Errors
/// What is wrong and what is allowed, as a sentence without a full stop: no number, no unit or an
/// unknown one, finer than a microsecond, or longer than [`LONGEST`].
pub fn parse(text: &str) -> Result<Duration, String> {
    let malformed = || {
        format!(
            "{} is not a duration; write a number and its unit (us, ms, s, m, h or d), \
             such as \"500ms\" or \"1.5s\"",
            quoted(text)
        )
    };
    let too_long = || format!("{} is too long; allowed is at most {}", quoted(text), Text(LONGEST));
    let too_fine = || format!("{} is finer than a microsecond; write whole microseconds", quoted(text));

    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !fraction.is_none_or(is_number) {
        return Err(malformed());
    }

    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    let micros = whole.checked_mul(size).ok_or_else(too_long)?;
    let rest = match fraction {
        Some(digits) => fraction_of(size, digits).ok_or_else(too_fine)?,
        None => 0,
    };
    let duration = micros.checked_add(rest).map(Duration::from_micros).ok_or_else(too_long)?;
    if duration > LONGEST { Err(too_long()) } else { Ok(duration) }
}

/// The microseconds of `0.digits` of a unit; `None` when they are not whole.
fn fraction_of(size: u64, digits: &str) -> Option<u64> {
    let digits = digits.trim_end_matches('0');
    // A day is 2^13 * 3^3 * 5^8 microseconds: more than 13 digits never come out whole.
    let count = u32::try_from(digits.len()).ok().filter(|&count| count <= 13)?;
    if count == 0 {
        return Some(0);
    }
    let parts = u128::from(size) * digits.parse::<u128>().ok()?;
    let scale = 10u128.pow(count);
    if parts % scale == 0 { u64::try_from(parts / scale).ok() } else { None }
}

/// Shows a duration as [`parse`] reads it: in the largest unit in which it is a whole number. What
/// is finer than a microsecond is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(pub Duration);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        if micros == 0 {
            return f.write_str("0s");
        }
        let fitting = UNITS.into_iter().find(|&(_, size)| micros.is_multiple_of(u128::from(size)));
        let (unit, size) = fitting.unwrap_or(("us", 1));
        write!(f, "{}{unit}", micros / u128::from(size))
    }
}

/// The durations an option may have, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Range {
    /// Reads a duration that must lie in the range.
    ///
    /// # Errors
    /// As [`parse`], and for one that lies outside: what is allowed.
    pub fn parse(self, text: &str) -> Result<Duration, String> {
        let duration = parse(text)?;
        if (self.least..=self.most).contains(&duration) {
            return Ok(duration);
        }
        let side = if duration < self.least { "too short" } else { "too long" };
        Err(format!("{} is {side}; allowed is {self}", quoted(text)))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", Text(self.least), Text(self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_is_read_exactly() {
        for (text, micros) in [
            ("0s", 0),
            ("250us", 250),
            ("100ms", 100_000),
            ("1.5s", 1_500_000),
            ("0.000001s", 1),
            ("1.50000000000000000000s", 1_500_000),
            ("5m", 300_000_000),
            ("24h", 86_400_000_000),
            ("7d", 604_800_000_000),
            ("0.00390625d", 337_500_000),
            ("36500d", 3_153_600_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_what_is_allowed() {
        for text in [
            "",
            "5",
            "s",
            "5 m",
            " 5m",
            "5m ",
            "-5s",
            "+5s",
            ".5s",
            "5.s",
            "1.2.3s",
            "1e3s",
            "5S",
            "5min",
            "5ns",
            "1h30m",
            "\u{0665}s",
        ] {
            let expected = format!(
                "{} is not a duration; write a number and its unit (us, ms, s, m, h or d), \
                 such as \"500ms\" or \"1.5s\"",
                quoted(text)
            );
            assert_eq!(parse(text).unwrap_err(), expected);
        }
        for text in ["1.5us", "0.0001ms", "0.00000000000000000000001d"] {
            assert!(
                parse(text).unwrap_err().ends_with("is finer than a microsecond; write whole microseconds")
            );
        }
        for text in ["36501d", "36500.5d", "99999999999999999999us", "18446744073709551615d"] {
            assert!(parse(text).unwrap_err().ends_with("is too long; allowed is at most 36500d"), "{text}");
        }
    }

    #[test]
    fn shown_in_the_largest_unit_that_is_exact() {
        for (micros, text) in [
            (0, "0s"),
            (1, "1us"),
            (1_500_000, "1500ms"),
            (90_000_000, "90s"),
            (86_400_000_000, "1d"),
            (90_000_000_000, "25h"),
        ] {
            assert_eq!(Text(Duration::from_micros(micros)).to_string(), text);
        }
    }

    #[test]
    fn a_range_includes_both_its_ends() {
        let range = Range { least: Duration::from_millis(1), most: Duration::from_secs(60) };
        assert_eq!(range.parse("1ms"), Ok(range.least));
        assert_eq!(range.parse("60s"), Ok(range.most));
        assert_eq!(range.parse("999us").unwrap_err(), "\"999us\" is too short; allowed is 1ms to 1m");
        assert_eq!(range.parse("60.001s").unwrap_err(), "\"60.001s\" is too long; allowed is 1ms to 1m");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(micros in 0..=3_153_600_000_000_000u64) {
            let duration = Duration::from_micros(micros);
            prop_assert_eq!(parse(&Text(duration).to_string()), Ok(duration));
        }

        #[test]
        fn no_text_is_too_strange(text in "[0-9.]{0,30}[a-z]{0,3}|\\PC{0,20}") {
            if let Ok(duration) = parse(&text) {
                prop_assert!(duration <= LONGEST);
            }
        }
    }
}
