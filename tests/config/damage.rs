//! Damaged files: whatever the bytes, a pool or messages with lines, and never a panic.

use memcache::config;
use proptest::prelude::*;

use super::*;

/// One change to a file's bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Remove(usize, usize),
    Copy(usize, usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(b"[]{}=\"'.,#\n\\0".to_vec())];
    prop_oneof![
        (any::<usize>(), byte).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<usize>(), 1..40usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<usize>(), any::<usize>(), 1..60usize)
            .prop_map(|(from, to, count)| Change::Copy(from, to, count)),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes {
        let length = bytes.len().max(1);
        match *change {
            Change::Set(at, byte) => {
                if let Some(place) = bytes.get_mut(at % length) {
                    *place = byte;
                }
            }
            Change::Remove(at, count) => {
                let start = (at % length).min(bytes.len());
                let end = (start + count).min(bytes.len());
                bytes.drain(start..end);
            }
            Change::Copy(from, to, count) => {
                let start = (from % length).min(bytes.len());
                let end = (start + count).min(bytes.len());
                let piece = bytes[start..end].to_vec();
                let to = (to % length).min(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether every line is `pool.toml:line: what`, with lines that exist, in their order.
fn is_well_formed(message: &str, text: &str) -> bool {
    let mut last = 1;
    message.lines().all(|problem| {
        let Some((line, what)) = problem.strip_prefix("pool.toml:").and_then(|rest| rest.split_once(": "))
        else {
            return false;
        };
        let Ok(line) = line.parse::<usize>() else { return false };
        let in_order = last <= line && line <= text.lines().count().max(1);
        last = line;
        in_order && !what.is_empty() && !what.contains(char::is_control)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_damage_to_a_file_is_too_much(
        sample in proptest::sample::select(vec![SESSIONS, MINIMAL, EVERYTHING]),
        changes in proptest::collection::vec(change(), 1..8),
    ) {
        let text = changed(sample, &changes);
        match config::parse("pool.toml", &text) {
            Ok(file) => prop_assert!(!file.pool.servers().is_empty()),
            Err(error) => prop_assert!(is_well_formed(&error.to_string(), &text), "{}", error),
        }
    }
}
