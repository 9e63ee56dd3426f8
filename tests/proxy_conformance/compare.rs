//! Whether two sides gave the same answers: byte for byte, but for what two servers cannot have in common.
//!
//! CAS numbers are taken out and compared by what a client can do with them: two that are equal on one
//! side are equal on the other. That two are different is demanded where the sequence has one key only:
//! those of two keys may come from two servers, which count each by itself. Figures of `stats` and the
//! number after `VERSION` are taken out and not compared.
//!
//! Times to live are compared as they are, but where a sequence names a second since 1970: memcached counts
//! from its own start, and where its seconds begin it knows no better than to a second or two. The time to
//! live of what has expired already goes below zero, which is a large number, and says how old the server is.

use crate::corpus::Sequence;
use crate::play::{End, Reply};

/// A time to live beyond this is one below zero.
const PAST: u64 = 1 << 31;

/// An answer without what cannot be compared.
#[derive(Default)]
struct Plain {
    text: Vec<u8>,
    cas: Vec<u64>,
    times: Vec<u64>,
}

/// What of a word is taken out.
#[derive(Clone, Copy)]
enum Number {
    Cas,
    Time,
}

/// The CAS number that an answer names last.
pub fn last_cas(answer: &[u8]) -> Option<i64> {
    plain(answer).cas.last().map(|cas| *cas as i64)
}

fn plain(answer: &[u8]) -> Plain {
    let mut plain = Plain::default();
    let mut rest = answer;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").map_or(rest.len(), |at| at + 2);
        let (line, after) = rest.split_at(end);
        let block = line_of(line, &mut plain);
        let (block, after) = after.split_at(block.min(after.len()));
        plain.text.extend(block);
        rest = after;
    }
    plain
}

/// Adds a line; how long the block of data after it is.
fn line_of(line: &[u8], plain: &mut Plain) -> usize {
    let words: Vec<&[u8]> = line.trim_ascii_end().split(|byte| *byte == b' ').collect();
    let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<u64>().ok();
    let length = |index: usize| words.get(index).and_then(|word| number(word)).map_or(0, |n| n as usize + 2);
    // The words with such numbers, and how many letters stand before them.
    let mut found: Vec<(usize, usize, Number)> = Vec::new();
    let mut block = 0;
    match words[0] {
        b"VALUE" => {
            found.extend((words.len() == 5).then_some((4, 0, Number::Cas)));
            block = length(3);
        }
        b"VA" | b"HD" | b"NS" | b"EX" | b"NF" => {
            found.extend((1..).zip(&words[1..]).filter_map(|(index, word)| match word.first()? {
                b'c' => Some((index, 1, Number::Cas)),
                b't' => Some((index, 1, Number::Time)),
                _ => None,
            }));
            block = if words[0] == b"VA" { length(1) } else { 0 };
        }
        b"ME" => {
            let cas = (1..).zip(&words[1..]).filter(|(_, word)| word.starts_with(b"cas="));
            found.extend(cas.map(|(index, _)| (index, 4, Number::Cas)));
        }
        b"STAT" => return 0,
        b"VERSION" => {
            plain.text.extend(b"VERSION ...\r\n");
            return 0;
        }
        _ => {}
    }
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            plain.text.push(b' ');
        }
        let found = found.iter().find(|(at, ..)| *at == index);
        let found = found.and_then(|(_, skip, what)| Some((&word[..*skip], number(&word[*skip..])?, what)));
        match found {
            // 0 stands for no CAS number.
            Some((letters, cas, Number::Cas)) if cas > 0 => {
                plain.text.extend([letters, b"<cas>"].concat());
                plain.cas.push(cas);
            }
            Some((letters, time, Number::Time)) => {
                plain.text.extend([letters, b"<time>"].concat());
                plain.times.push(time);
            }
            _ => plain.text.extend(*word),
        }
    }
    plain.text.extend(&line[line.trim_ascii_end().len()..]);
    block
}

/// What is different, or `None`.
pub fn difference(sequence: &Sequence, ours: &[Reply], theirs: &[Reply]) -> Option<String> {
    let (mut our_cas, mut their_cas) = (Vec::new(), Vec::new());
    for (number, (our, their)) in (1..).zip(ours.iter().zip(theirs)) {
        if their.end == End::Silent {
            return Some(format!("step {number}: memcached itself waits for more"));
        }
        let (our_plain, their_plain) = (plain(&our.bytes), plain(&their.bytes));
        if our_plain.text != their_plain.text || our.end != their.end {
            return Some(format!(
                "step {number}:\n    subject   {}\n    memcached {}",
                shown(our, &our_plain.text),
                shown(their, &their_plain.text)
            ));
        }
        let apart = if sequence.names_seconds { 2 } else { 0 };
        let same = |(our, their): (&u64, &u64)| our.abs_diff(*their) <= apart || *our.min(their) > PAST;
        if !our_plain.times.iter().zip(&their_plain.times).all(same) {
            return Some(format!(
                "step {number}: times to live: the subject's are {:?}, memcached's {:?}",
                our_plain.times, their_plain.times
            ));
        }
        our_cas.extend(our_plain.cas);
        their_cas.extend(their_plain.cas);
    }
    let pairs = (0..our_cas.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
    for (a, b) in pairs {
        let (our, their) = (our_cas[a] == our_cas[b], their_cas[a] == their_cas[b]);
        if their && !our || sequence.one_key && our && !their {
            return Some(format!("CAS numbers: the subject's are {our_cas:?}, memcached's {their_cas:?}"));
        }
    }
    None
}

fn shown(reply: &Reply, text: &[u8]) -> String {
    let end = match reply.end {
        End::Answered => "",
        End::Closed => " and closed",
        End::Silent => " and no answer to the rest",
    };
    match text.len() {
        0..=1200 => format!("{:?}{end}", text.escape_ascii().to_string()),
        length => {
            let (start, last) = (text[..300].escape_ascii(), text[length - 300..].escape_ascii());
            format!("{:?}...{:?} ({length} bytes){end}", start.to_string(), last.to_string())
        }
    }
}
