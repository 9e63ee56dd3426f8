//! The marker of rule 4: an expiring value on another server by which a hundred clients agree on
//! who flushes a server that came back.
//!
//! Its key names the server and its process id. The start time is left out: it jitters by a second
//! between observers, and two keys would mean two flushes. Nothing is lost by that: the value carries
//! a time, and a flush that came after the server went down emptied it whichever process it was.

use std::fmt::Write;

use crate::rules::health::Incarnation;
use crate::rules::time::Stamp;

/// What a marker says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Marker {
    /// A client took it upon itself to flush, then.
    Flushing(Stamp),
    /// It was flushed, after probes that began then.
    Flushed(Stamp),
}

/// The longest server name that goes into a key as it is.
const LONGEST_NAME: usize = 100;

impl Marker {
    /// Reads a marker's value; `None`: it is not one of ours.
    pub fn parse(data: &[u8]) -> Option<Marker> {
        let text = std::str::from_utf8(data).ok()?;
        let mut words = text.split(' ');
        let (word, unix_millis) = (words.next()?, number(words.next()?)?);
        let time = match (words.next(), words.next(), words.next()) {
            (None, ..) => Stamp::of_wall_clock(unix_millis),
            (Some(clock), Some(millis), None) => {
                Stamp { unix_millis, clock: number(clock)?, boot_millis: number(millis)? }
            }
            _ => return None,
        };
        match word {
            "flushing" => Some(Marker::Flushing(time)),
            "flushed" => Some(Marker::Flushed(time)),
            _ => None,
        }
    }

    /// Writes a marker's value into `text`, in place of what was there.
    pub fn write(self, text: &mut String) {
        let (word, time) = match self {
            Marker::Flushing(time) => ("flushing", time),
            Marker::Flushed(time) => ("flushed", time),
        };
        text.clear();
        let Stamp { unix_millis, clock, boot_millis } = time;
        // Writing to a String cannot fail.
        let _ = match clock {
            0 => write!(text, "{word} {unix_millis}"),
            _ => write!(text, "{word} {unix_millis} {clock} {boot_millis}"),
        };
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The marker's key for a server in one life: always a valid key, whatever the server's name is.
pub fn key(name: &str, life: Option<Incarnation>) -> String {
    let mut key = String::from("libmemcache:flush:");
    if name.len() <= LONGEST_NAME && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        key.push_str(name);
    } else {
        let _ = write!(key, "{:016x}", fnv1a(name.as_bytes()));
    }
    let _ = match life {
        Some(life) => write!(key, ":{}", life.pid),
        None => write!(key, ":-"),
    };
    key
}

/// FNV-1a with 64 bits: names that differ must not share a marker, and 32 bits are few for that.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut text = String::from("something longer than any marker of ours");
        let local = Stamp { unix_millis: 1_764_000_000_123, clock: u64::MAX, boot_millis: 0 };
        for (marker, written) in [
            (Marker::Flushing(Stamp::default()), "flushing 0"),
            (Marker::Flushed(Stamp::of_wall_clock(u64::MAX)), "flushed 18446744073709551615"),
            (Marker::Flushed(local), "flushed 1764000000123 18446744073709551615 0"),
        ] {
            marker.write(&mut text);
            assert_eq!((text.as_str(), Marker::parse(text.as_bytes())), (written, Some(marker)));
        }
    }

    #[test]
    fn what_is_not_ours_is_no_marker() {
        for foreign in [
            "",
            "flushed",
            "flushed ",
            "flushed  1",
            "flushed +1",
            "flushed 1 ",
            "Flushed 1",
            "flushed 18446744073709551616",
            "flushed -1",
            "flushed 1 2",
            "flushed 1 2 ",
            "flushed 1  3",
            "flushed 1 2 +3",
            "flushed 1 2 3 4",
        ] {
            assert_eq!(Marker::parse(foreign.as_bytes()), None, "{foreign:?}");
        }
        assert_eq!(Marker::parse(b"flushed \xff"), None);
    }

    #[test]
    fn keys_are_valid_and_tell_servers_and_processes_apart() {
        let life = |pid| Some(Incarnation { pid, start: 1 });
        assert_eq!(key("127.0.0.1:11211", life(7)), "libmemcache:flush:127.0.0.1:11211:7");
        assert_eq!(key("s1", None), "libmemcache:flush:s1:-");
        let long = "s".repeat(5000);
        let names = ["s1", "s2", "two words", "two\nlines", "s\u{e9}", "", long.as_str(), &long[1..]];
        let mut keys: Vec<String> =
            names.iter().flat_map(|name| [key(name, life(u64::MAX)), key(name, life(8))]).collect();
        assert!(keys.iter().all(|key| key.len() <= 250 && key.bytes().all(|byte| byte.is_ascii_graphic())));
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 2 * names.len());
    }
}
