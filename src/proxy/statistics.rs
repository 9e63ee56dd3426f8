//! `stats` and its groups: what is asked of the servers, and what is answered here.
//!
//! Figures of one server, which have no sum that means anything (its settings, its slab classes, its connections), are
//! answered as by a server that has nothing to tell: programs that ask for them go on, and find nothing. What is malformed is
//! refused in the words of memcached 1.6.18.

use super::numbers::unsigned;
use super::request::{ERROR, Words};

/// What a group of statistics is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Group {
    /// The general ones, summed over the servers.
    General,
    /// The proxy's own.
    Proxy,
    /// Every server begins to count anew.
    Reset,
    /// It is answered with this text.
    Say(&'static [u8]),
}

const END: &[u8] = b"END";
const BAD_DETAIL: &[u8] = b"CLIENT_ERROR usage: stats detail on|off|dump";
const BAD_DUMP: &[u8] = b"CLIENT_ERROR bad command line";
const BAD_NUMBER: &[u8] = b"CLIENT_ERROR bad command line format";
const BAD_CLASS: &[u8] = b"CLIENT_ERROR Illegal slab id";
/// How many slab classes a server can have.
const CLASSES: u32 = 64;

impl Group {
    /// `text`: what stands behind `stats`.
    pub(super) fn of(text: &[u8]) -> Group {
        let mut words = Words::of(text);
        match words.next().unwrap_or_default() {
            b"" => Group::General,
            b"proxy" => Group::Proxy,
            b"reset" => Group::Reset,
            b"settings" | b"items" | b"slabs" | b"sizes" | b"conns" | b"extstore" => Group::Say(END),
            b"cachedump" => Group::Say(dump(words)),
            b"detail" => Group::Say(match words.next().unwrap_or_default() {
                b"dump" => END,
                // To count by prefixes costs a server; who wants that of one tells that one.
                b"on" | b"off" => ERROR,
                _ => BAD_DETAIL,
            }),
            _ => Group::Say(ERROR),
        }
    }
}

/// `stats cachedump CLASS LIMIT`. memcached keeps the lower 32 bits of both.
fn dump(mut words: Words<'_>) -> &'static [u8] {
    let (Some(class), Some(limit)) = (words.next(), words.next()) else { return BAD_DUMP };
    match (unsigned(class), unsigned(limit)) {
        (Some(class), Some(_)) if (class as u32) < CLASSES => END,
        (Some(_), Some(_)) => BAD_CLASS,
        _ => BAD_NUMBER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> &'static str {
        match Group::of(text.as_bytes()) {
            Group::Say(text) => std::str::from_utf8(text).unwrap_or_default(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn groups_are_told_apart_by_their_first_word() {
        assert_eq!(Group::of(b""), Group::General);
        assert_eq!(Group::of(b"proxy"), Group::Proxy);
        assert_eq!((Group::of(b"reset"), Group::of(b"reset now")), (Group::Reset, Group::Reset));
        assert_eq!((said("items"), said("settings and more"), said("conns")), ("END", "END", "END"));
        assert_eq!((said("item"), said("ITEMS"), said("noreply")), ("ERROR", "ERROR", "ERROR"));
        assert_eq!((said("detail dump"), said("detail on"), said("detail off")), ("END", "ERROR", "ERROR"));
        assert_eq!(said("detail"), "CLIENT_ERROR usage: stats detail on|off|dump");
    }

    #[test]
    fn a_dump_names_a_class_and_a_limit() {
        assert_eq!(
            (said("cachedump 1 1"), said("cachedump 63 0"), said("cachedump 0 0 x")),
            ("END", "END", "END")
        );
        assert_eq!(
            (said("cachedump"), said("cachedump 1")),
            ("CLIENT_ERROR bad command line", "CLIENT_ERROR bad command line")
        );
        assert_eq!(said("cachedump x 1"), "CLIENT_ERROR bad command line format");
        assert_eq!(said("cachedump 1 -1"), "CLIENT_ERROR bad command line format");
        assert_eq!(
            (said("cachedump 64 0"), said("cachedump 4294967297 0")),
            ("CLIENT_ERROR Illegal slab id", "END")
        );
    }
}
