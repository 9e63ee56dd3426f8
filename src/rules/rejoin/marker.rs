//! The marker of rule 4: an expiring value on another server by which a hundred clients agree on
//! who flushes a server that came back.
//!
//! Its key names the server and its process id. The start time is left out: it jitters by a second
//! between observers, and two keys would mean two flushes. Nothing is lost by that: the value carries
//! a time, and a flush that came after the server went down emptied it whichever process it was.

use std::fmt::Write;

use crate::rules::health::Incarnation;

/// What a marker says. Times are milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Marker {
    /// A client took it upon itself to flush, then.
    Flushing(u64),
    /// It was flushed, after probes that began then.
    Flushed(u64),
}

/// The longest server name that goes into a key as it is.
const LONGEST_NAME: usize = 100;

impl Marker {
    /// Reads a marker's value; `None`: it is not one of ours.
    pub fn parse(data: &[u8]) -> Option<Marker> {
        let text = std::str::from_utf8(data).ok()?;
        let (word, time) = text.split_once(' ')?;
        if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let time = time.parse().ok()?;
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
        let _ = write!(text, "{word} {time}"); // writing to a String cannot fail
    }
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
        for marker in [Marker::Flushing(0), Marker::Flushed(1_764_000_000_123), Marker::Flushed(u64::MAX)] {
            marker.write(&mut text);
            assert_eq!(Marker::parse(text.as_bytes()), Some(marker));
        }
        assert_eq!(text, "flushed 18446744073709551615");
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
