//! The corpus as it stands in `corpus/*.txt`: a sequence of requests a line.
//!
//! ```text
//! # comment
//! [whole] set {k} 5 0 3 | abc | (get/gets) {k}
//! ```
//!
//! ` | ` parts the lines that are sent, each of which ends in CR LF. What stands in parentheses with
//! slashes between is expanded: the line above is two sequences. In braces stands what is known only when
//! a sequence is sent, or too long to be written out:
//!
//! | | |
//! |---|---|
//! | `{k}` `{k2}` `{k:250}` | a fresh key, a second one, one of 250 bytes |
//! | `{b}` `{b2}` | the same key in base64 |
//! | `{x*1000}` | a thousand times `x` |
//! | `{cas}` `{cas+1}` | the CAS number that was seen last; what stands before is sent and answered first |
//! | `{now+100}` | a hundred seconds from now, since 1970 |
//! | `{hangup}` | as a line: the client hangs up, reads to the end, and comes back |
//!
//! A backslash: `\r`, `\n`, `\t`, `\s` (a space), `\x00`; `\-` at the end of a line: without CR LF; before
//! anything else: that itself. In brackets before the requests:
//!
//! | | |
//! |---|---|
//! | `[whole]` | not sent in fragments: memcached's own answer depends on what arrives together |
//! | `[alone]` | concerns every key of the server: nothing else runs meanwhile |
//! | `[differs WHY]` | the proxy answers otherwise, and may |
//! | `[backups WHY]` | the proxy of a pool with backups may answer otherwise |

use std::fmt;
use std::path::Path;

/// A part of a line that is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// As it stands.
    Text(Vec<u8>),
    /// A fresh key: its number in the sequence, and its length when one is asked for.
    Key(u8, Option<usize>),
    /// The same in base64.
    Base64(u8),
    /// The CAS number seen last, and so much.
    Cas(i64),
    /// Seconds since 1970.
    Now(i64),
}

/// What is sent before answers are waited for.
#[derive(Clone, Default, Debug)]
pub struct Step {
    /// Its bytes.
    pub pieces: Vec<Piece>,
    /// Whether the client hangs up after it.
    pub hangs_up: bool,
}

/// A sequence of requests.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// The file and line that it stands in.
    pub place: String,
    /// As it stands there, expanded.
    pub text: String,
    /// Step by step.
    pub steps: Vec<Step>,
    /// Not to be sent in fragments.
    pub whole: bool,
    /// Nothing else may run meanwhile.
    pub alone: bool,
    /// Why the proxy may answer otherwise.
    pub differs: Option<String>,
    /// Why the proxy of a pool with backups may.
    pub with_backups: Option<String>,
    /// Whether it uses one key only.
    pub one_key: bool,
    /// Whether it names a second since 1970.
    pub names_seconds: bool,
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// All that there are.
///
/// # Panics
/// When a line cannot be understood; the message names it.
pub fn read() -> Vec<Sequence> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxy_conformance/corpus");
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).expect("the corpus").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a readable file of the corpus");
        for (number, line) in (1..).zip(text.lines()) {
            all.extend(sequences(line, &format!("{name}:{number}")));
        }
    }
    all
}

/// The sequences of a line.
pub fn sequences(line: &str, place: &str) -> Vec<Sequence> {
    if line.trim().is_empty() || line.starts_with('#') {
        return Vec::new();
    }
    let mut rest = line;
    let (mut whole, mut alone, mut differs, mut with_backups) = (false, false, None, None);
    while let Some((word, after)) = rest.strip_prefix('[').and_then(|text| text.split_once("] ")) {
        rest = after;
        match word.split_once(' ') {
            Some(("differs", why)) => differs = Some(why.to_owned()),
            Some(("backups", why)) => with_backups = Some(why.to_owned()),
            _ if word == "whole" => whole = true,
            _ if word == "alone" => alone = true,
            _ => panic!("{place}: [{word}] means nothing"),
        }
    }
    let one = |text: String| {
        let steps = steps(&text).unwrap_or_else(|fault| panic!("{place}: {fault} in: {text}"));
        let mut keys: Vec<u8> = steps.iter().flat_map(|step| &step.pieces).filter_map(key_of).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut pieces = steps.iter().flat_map(|step| &step.pieces);
        let names_seconds = pieces.any(|piece| matches!(piece, Piece::Now(_)));
        let (place, one_key) = (place.to_owned(), keys.len() == 1);
        let (differs, with_backups) = (differs.clone(), with_backups.clone());
        Sequence { place, text, steps, whole, alone, differs, with_backups, one_key, names_seconds }
    };
    expanded(rest.trim()).into_iter().map(one).collect()
}

fn key_of(piece: &Piece) -> Option<u8> {
    match piece {
        Piece::Key(number, _) | Piece::Base64(number) => Some(*number),
        _ => None,
    }
}

/// Where `wanted` stands first without a backslash before it.
fn find(text: &str, wanted: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, char)| {
        let found = !escaped && char == wanted;
        escaped = !escaped && char == '\\';
        found.then_some(at)
    })
}

/// With every `(a/b)` replaced by each of what it offers.
fn expanded(text: &str) -> Vec<String> {
    let Some(open) = find(text, '(') else { return vec![text.to_owned()] };
    let Some(close) = find(&text[open..], ')').map(|at| open + at) else { return vec![text.to_owned()] };
    let mut offers = &text[open + 1..close];
    let tails = expanded(&text[close + 1..]);
    let mut all = Vec::new();
    loop {
        let end = find(offers, '/').unwrap_or(offers.len());
        all.extend(tails.iter().map(|tail| format!("{}{}{tail}", &text[..open], &offers[..end])));
        match offers.get(end + 1..) {
            Some(more) => offers = more,
            None => return all,
        }
    }
}

fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut all = vec![Step::default()];
    for line in text.split(" | ") {
        if line == "{hangup}" {
            all.last_mut().expect("at least one").hangs_up = true;
            all.push(Step::default());
            continue;
        }
        let pieces = pieces(line)?;
        let needs_answers = pieces.iter().any(|piece| matches!(piece, Piece::Cas(_)));
        if needs_answers && !all.last().expect("at least one").pieces.is_empty() {
            all.push(Step::default());
        }
        all.last_mut().expect("at least one").pieces.extend(pieces);
    }
    Ok(all)
}

/// The pieces of a line, with its end.
fn pieces(line: &str) -> Result<Vec<Piece>, String> {
    let (mut rest, end) = line.strip_suffix("\\-").map_or((line, &b"\r\n"[..]), |line| (line, b""));
    let mut all = Vec::new();
    let mut literal = Vec::new();
    while let Some(char) = rest.chars().next() {
        rest = &rest[char.len_utf8()..];
        match char {
            '\\' => {
                let (byte, after) = escape(rest)?;
                literal.push(byte);
                rest = after;
            }
            '{' => {
                let close = rest.find('}').ok_or("a brace is not closed")?;
                match braced(&rest[..close])? {
                    Piece::Text(bytes) => literal.extend(bytes),
                    piece => {
                        all.extend([Piece::Text(std::mem::take(&mut literal)), piece]);
                    }
                }
                rest = &rest[close + 1..];
            }
            _ => literal.extend(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    literal.extend(end);
    all.push(Piece::Text(literal));
    all.retain(|piece| !matches!(piece, Piece::Text(bytes) if bytes.is_empty()));
    Ok(all)
}

/// What a backslash and the start of `text` mean, and what follows.
fn escape(text: &str) -> Result<(u8, &str), String> {
    let char = text.chars().next().ok_or("a backslash at the end")?;
    let after = &text[char.len_utf8()..];
    match char {
        'r' => Ok((b'\r', after)),
        'n' => Ok((b'\n', after)),
        's' => Ok((b' ', after)),
        't' => Ok((b'\t', after)),
        'x' => {
            let digits = after.get(..2).ok_or("\\x needs two digits")?;
            let byte = u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} is no byte"))?;
            Ok((byte, &after[2..]))
        }
        char if char.is_ascii_punctuation() => Ok((char as u8, after)),
        char => Err(format!("\\{char} means nothing")),
    }
}

fn braced(word: &str) -> Result<Piece, String> {
    let fault = || format!("{{{word}}} means nothing");
    if let Some((unit, times)) = word.rsplit_once('*') {
        let times: usize = times.parse().map_err(|_| fault())?;
        let unit = match unit.strip_prefix('\\') {
            Some(escaped) => vec![escape(escaped)?.0],
            None => unit.as_bytes().to_vec(),
        };
        return Ok(Piece::Text(unit.repeat(times)));
    }
    let offset = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<i64>().map_err(|_| fault()) };
    if let Some(more) = word.strip_prefix("cas") {
        return Ok(Piece::Cas(offset(more)?));
    }
    if let Some(more) = word.strip_prefix("now") {
        return Ok(Piece::Now(offset(more)?));
    }
    let number = |text: &str| if text.is_empty() { Ok(1) } else { text.parse::<u8>().map_err(|_| fault()) };
    if let Some(which) = word.strip_prefix('b') {
        return Ok(Piece::Base64(number(which)?));
    }
    let which = word.strip_prefix('k').ok_or_else(fault)?;
    match which.split_once(':') {
        Some((which, length)) => Ok(Piece::Key(number(which)?, Some(length.parse().map_err(|_| fault())?))),
        None => Ok(Piece::Key(number(which)?, None)),
    }
}
