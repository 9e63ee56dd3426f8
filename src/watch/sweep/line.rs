//! One line of `lru_crawler metadump`:
//!
//! ```text
//! key=user%20name exp=1795838953 la=1795838853 cas=2 fetch=yes cls=1 size=69
//! ```
//!
//! The key comes first, with everything that is no letter, digit or one of `-._~` as `%XX`; so a key of any bytes (one that
//! was stored in base64 too: what is listed is what it stands for) is one word. The fields behind it may come in any order,
//! and ones that are not known here are skipped. `exp` is seconds since 1970, -1: never. `size` is what the item takes
//! on the server, its header and key included. A lease's stub looks like any other item with an empty value.

use crate::rules::wire::parse::decimal;

/// The longest key of a server, in bytes, decoded.
pub const LONGEST_KEY: usize = 250;

/// What is told of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When it ends, in seconds since 1970. `None`: never.
    pub exp: Option<u64>,
    /// The bytes that the server holds for it.
    pub size: u32,
}

/// A decoded key's place. Reused for every line: nothing is allocated.
pub type Room = [u8; LONGEST_KEY];

/// Reads one line, without its end: the key and what is told of it. `None`: this is no such line.
/// The key lies in the line or, where something was to be decoded, in `room`.
pub fn read<'a>(line: &'a [u8], room: &'a mut Room) -> Option<(&'a [u8], Entry)> {
    let rest = line.strip_prefix(b"key=")?;
    let space = memchr::memchr(b' ', rest)?;
    let (key, fields) = (&rest[..space], &rest[space + 1..]);
    let entry = read_fields(fields)?;
    Some((decode(key, room)?, entry))
}

/// The fields behind the key. Those that matter must be there, once is enough.
fn read_fields(mut fields: &[u8]) -> Option<Entry> {
    let (mut exp, mut size) = (None, None);
    while !fields.is_empty() {
        let end = memchr::memchr(b' ', fields).unwrap_or(fields.len());
        let field = &fields[..end];
        fields = fields.get(end + 1..).unwrap_or_default();
        if let Some(value) = field.strip_prefix(b"exp=") {
            exp = Some(if value == b"-1" { None } else { Some(decimal(value)?) });
        } else if let Some(value) = field.strip_prefix(b"size=") {
            size = Some(u32::try_from(decimal(value)?).ok()?);
        }
    }
    Some(Entry { exp: exp?, size: size? })
}

/// The key without its `%XX`. `None`: it is empty, too long, or was written by no such server.
fn decode<'a>(key: &'a [u8], room: &'a mut Room) -> Option<&'a [u8]> {
    let plain = |bytes: &[u8]| bytes.iter().all(|byte| byte.is_ascii_graphic());
    let Some(first) = memchr::memchr(b'%', key) else {
        let fits = (1..=LONGEST_KEY).contains(&key.len());
        return (fits && plain(key)).then_some(key);
    };
    let mut length = 0;
    let mut rest = key;
    let mut at = Some(first);
    while let Some(percent) = at {
        let byte = (digit(*rest.get(percent + 1)?)? << 4) | digit(*rest.get(percent + 2)?)?;
        length = append(room, length, &rest[..percent])?;
        length = append(room, length, &[byte])?;
        rest = &rest[percent + 3..];
        at = memchr::memchr(b'%', rest);
    }
    length = append(room, length, rest)?;
    // What stands there as it is must be printable; what was decoded is anything.
    plain(key).then_some(&room[..length])
}

fn append(room: &mut Room, length: usize, bytes: &[u8]) -> Option<usize> {
    let end = length + bytes.len();
    room.get_mut(length..end)?.copy_from_slice(bytes);
    Some(end)
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owned(line: &[u8]) -> Option<(Vec<u8>, Entry)> {
        let mut room = [0; LONGEST_KEY];
        read(line, &mut room).map(|(key, entry)| (key.to_vec(), entry))
    }

    fn encoded(key: &[u8]) -> String {
        let write = |byte: &u8| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        key.iter().map(write).collect()
    }

    #[test]
    fn lines_of_a_real_server() {
        for (line, key, exp, size) in [
            ("key=a%25b exp=-1 la=1795838853 cas=1 fetch=no cls=1 size=69", &b"a%b"[..], None, 69),
            (
                "key=exp exp=1795838953 la=1795838853 cas=2 fetch=yes cls=1 size=69",
                b"exp",
                Some(1_795_838_953),
                69,
            ),
            ("key=u%FF%C3%26%3Dx exp=-1 la=1 cas=3 fetch=no cls=1 size=66", b"u\xff\xc3&=x", None, 66),
            ("key=%00%FF%20%0D%0Ax exp=-1 la=1 cas=5 fetch=no cls=1 size=67", b"\0\xff \r\nx", None, 67),
            (
                "key=lease exp=1795838883 la=1 cas=4 fetch=yes cls=1 size=64",
                b"lease",
                Some(1_795_838_883),
                64,
            ),
        ] {
            assert_eq!(owned(line.as_bytes()), Some((key.to_vec(), Entry { exp, size })), "{line}");
        }
    }

    #[test]
    fn what_is_not_known_is_skipped_and_what_is_needed_must_be_there() {
        let entry = Entry { exp: None, size: 7 };
        for good in ["key=k size=7 exp=-1", "key=k new=%zz exp=-1 flag size=7 ", "key=k exp=-1  size=7"] {
            assert_eq!(owned(good.as_bytes()), Some((b"k".to_vec(), entry)), "{good}");
        }
        for bad in [
            "",
            "END",
            "key=",
            "key=k",
            "key= exp=-1 size=7",
            "key=k exp=-1",
            "key=k size=7",
            "exp=-1 key=k size=7",
            "key=k exp=-2 size=7",
            "key=k exp= size=7",
            "key=k exp=-1 size=4294967296",
            "key=k exp=-1 size=-7",
            "key=k exp=99999999999999999999 size=7",
            "key=% exp=-1 size=7",
            "key=%4 exp=-1 size=7",
            "key=%4g exp=-1 size=7",
            "key=a\tb exp=-1 size=7",
            "key=%41\u{7f} exp=-1 size=7",
            "KEY=k exp=-1 size=7",
        ] {
            assert_eq!(owned(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_longest_key_and_one_more() {
        for byte in [b'k', 0xff] {
            for (length, reads) in [(250, true), (251, false)] {
                let key = vec![byte; length];
                let line = format!("key={} exp=-1 size=300", encoded(&key));
                assert_eq!(owned(line.as_bytes()).map(|(key, _)| key), reads.then_some(key), "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_key_comes_back(key in prop::collection::vec(any::<u8>(), 1..=250), exp: Option<u32>, size: u32) {
            let exp = exp.map(u64::from);
            let shown = exp.map_or("-1".to_owned(), |exp| exp.to_string());
            let line = format!("key={} exp={shown} la=1 cas=2 fetch=no cls=9 size={size}", encoded(&key));
            prop_assert_eq!(owned(line.as_bytes()), Some((key, Entry { exp, size })));
        }

        #[test]
        fn nothing_that_comes_harms(line: Vec<u8>) {
            let _ = owned(&line);
            let _ = owned(&[b"key=", &line[..]].concat());
            let _ = owned(&[b"key=k ", &line[..]].concat());
        }

        #[test]
        fn nothing_alike_harms(line in "key=[%a-f0-9A ]{0,900} (exp|size|=|-1|[0-9 ]){0,40}") {
            if let Some((key, _)) = owned(line.as_bytes()) {
                prop_assert!((1..=LONGEST_KEY).contains(&key.len()));
            }
        }
    }
}
