//! Names: what may be one, and which one was probably meant.

use super::error::{listed, quoted};
use super::limits;

/// Whether a text can be the name of a pool or a server.
///
/// # Errors
/// What is wrong and what is allowed, to be put after what the text is the name of.
pub(super) fn check(text: &str) -> Result<(), String> {
    let wrong = if text.is_empty() {
        "is empty".to_owned()
    } else if text.len() > limits::NAME {
        format!("is {} bytes long", text.len())
    } else if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        "has a space or a control character".to_owned()
    } else {
        return Ok(());
    };
    Err(format!(
        "{} {wrong}; a name has 1 to {} bytes, without spaces and control characters",
        quoted(text),
        limits::NAME
    ))
}

/// The candidate that was probably meant: the nearest one, when few letters are different.
pub fn closest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = if text.len() < 4 { 1 } else { 2 };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(text.len()) <= allowed)
        .map(|candidate| (distance(text.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// What one of a few words means.
///
/// # Errors
/// Which words are allowed, and which one was probably meant; to be put after what it is to be.
pub fn choose<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let meant = closest(text, words.iter().map(|(word, _)| *word))
            .map_or(String::new(), |near| format!(" (did you mean {}?)", quoted(near)));
        let quoted_words: Vec<String> = words.iter().map(|(word, _)| quoted(word)).collect();
        format!("{} is not known{meant}; allowed is {}", quoted(text), listed(&quoted_words, "or"))
    })
}

/// What to say of a name that is none of these: which are, and which one was probably meant.
pub fn unknown(what: &str, text: &str, names: &[&str]) -> String {
    let meant =
        closest(text, names.iter().copied()).map_or(String::new(), |near| format!(" (did you mean {near}?)"));
    format!("unknown {what} {}{meant}; allowed are {}", quoted(text), listed(names, "and"))
}

/// How many bytes must be put in, taken out or changed to make one of the other. Both are about as
/// long as each other, and one of them is a name of ours: never long.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_changes() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("timeout", "timeout", 0),
            ("timeot", "timeout", 1),
            ("tiemout", "timeout", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left.as_bytes(), right.as_bytes()), expected, "{left} {right}");
            assert_eq!(distance(right.as_bytes(), left.as_bytes()), expected, "{right} {left}");
        }
    }

    #[test]
    fn only_what_is_near_is_proposed() {
        let keys = ["name", "timeout", "connect_timeout"];
        assert_eq!(closest("timeuot", keys), Some("timeout"));
        assert_eq!(closest("nam", keys), Some("name"));
        assert_eq!(closest("colour", keys), None);
        assert_eq!(closest("", keys), None);
    }
}
