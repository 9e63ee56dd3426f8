//! Whether two sides gave the same answers: byte for byte, but for what two servers cannot have in common.
//!
//! CAS numbers are taken out and compared by what a client can do with them: two that are equal on one
//! side are equal on the other. That two are different is demanded where the sequence has one key only:
//! those of two keys may come from two servers, which count each by itself. Figures of `stats` and the
//! number after `VERSION` are taken out and not compared.

use crate::play::{End, Reply};

/// An answer without what cannot be compared.
struct Plain {
    text: Vec<u8>,
    cas: Vec<u64>,
}

/// The CAS number that an answer names last.
pub fn last_cas(answer: &[u8]) -> Option<i64> {
    plain(answer).cas.last().map(|cas| *cas as i64)
}

fn plain(answer: &[u8]) -> Plain {
    let mut plain = Plain { text: Vec::new(), cas: Vec::new() };
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
    // The words that are CAS numbers, and how many letters stand before each.
    let (cas, block): (Vec<(usize, usize)>, usize) = match words[0] {
        b"VALUE" => ((words.len() == 5).then_some((4, 0)).into_iter().collect(), length(3)),
        b"VA" | b"HD" | b"NS" | b"EX" | b"NF" => {
            let flags = (1..).zip(&words[1..]).filter(|(_, word)| word.starts_with(b"c"));
            (flags.map(|(index, _)| (index, 1)).collect(), if words[0] == b"VA" { length(1) } else { 0 })
        }
        b"ME" => {
            let all = (1..).zip(&words[1..]).filter(|(_, word)| word.starts_with(b"cas="));
            (all.map(|(index, _)| (index, 4)).collect(), 0)
        }
        b"STAT" | b"VERSION" => {
            let kept = if words[0] == b"STAT" { &b""[..] } else { b"VERSION ...\r\n" };
            plain.text.extend(kept);
            return 0;
        }
        _ => (Vec::new(), 0),
    };
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            plain.text.push(b' ');
        }
        let found = cas
            .iter()
            .find(|(at, _)| *at == index)
            .and_then(|(_, skip)| number(&word[*skip..]).map(|number| (&word[..*skip], number)));
        match found {
            // 0 stands for no CAS number.
            Some((letters, cas)) if cas > 0 => {
                plain.text.extend(letters);
                plain.text.extend(b"<cas>");
                plain.cas.push(cas);
            }
            _ => plain.text.extend(*word),
        }
    }
    plain.text.extend(&line[line.trim_ascii_end().len()..]);
    block
}

/// What is different, or `None`.
pub fn difference(ours: &[Reply], theirs: &[Reply], one_key: bool) -> Option<String> {
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
        our_cas.extend(our_plain.cas);
        their_cas.extend(their_plain.cas);
    }
    let pairs = (0..our_cas.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
    for (a, b) in pairs {
        let (our, their) = (our_cas[a] == our_cas[b], their_cas[a] == their_cas[b]);
        if their && !our || one_key && our && !their {
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
