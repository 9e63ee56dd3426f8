//! A part of a server's keys: as many as there is room for.
//!
//! A list is to be read as fast as the server can write it ([`dump`](super::dump) says why), and the keys in it are worked
//! through slowly. What lies between is memory, and there must be no more of it than was allowed, however many
//! keys a server has. So the keys are cut by a hash of their own into ranges, and one reading keeps those of one range. How
//! wide it can be needs no guess: it begins as wide as what is left, and is halved, with the keys
//! beyond its middle forgotten, each time that the room is full. The next part begins where it ended.

use crate::rules::hash::KeyHash;

/// One beyond the greatest cut.
pub const END: u64 = 1 << 32;

/// Before every key: its cut, the bytes that the server holds for it, its length.
const HEAD: usize = 4 + 4 + 1;

/// Where a key is in the order of the parts. Mixed, so that it has nothing to do with the key's home.
fn cut(key: &[u8]) -> u32 {
    let mut mixed = KeyHash::of(key).whole();
    mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x7feb_352d);
    mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846c_a68b);
    mixed ^ (mixed >> 16)
}

/// The kept keys of one range, one behind the other in memory that is used again for the next.
#[derive(Debug)]
pub struct Part {
    bytes: Vec<u8>,
    /// The most bytes that `bytes` may have.
    room: usize,
    from: u64,
    until: u64,
    keys: u64,
    size: u64,
}

/// There is no room even for the keys that cannot be told apart.
#[derive(Debug, PartialEq, Eq)]
pub struct TooNarrow;

impl Part {
    /// Empty, with `room` bytes at most. Too small a room is one for a hundred keys.
    pub fn new(room: usize) -> Part {
        let room = room.max(100 * (HEAD + super::line::LONGEST_KEY));
        Part { bytes: Vec::new(), room, from: 0, until: 0, keys: 0, size: 0 }
    }

    /// Forgets everything, and takes keys of the range that begins here.
    pub fn begin(&mut self, from: u64) {
        self.bytes.clear();
        (self.from, self.until, self.keys, self.size) = (from, END, 0, 0);
    }

    /// The range's ends: the first cut that is in it, and the first that is not.
    pub fn range(&self) -> (u64, u64) {
        (self.from, self.until)
    }

    /// How many keys are kept.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// The bytes that the server holds for them.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of memory that it takes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether the key is of this range, and its cut.
    pub fn takes(&self, key: &[u8]) -> Option<u32> {
        let cut = cut(key);
        (self.from..self.until).contains(&u64::from(cut)).then_some(cut)
    }

    /// Keeps a key whose cut [`Part::takes`] told; the range shrinks when there is no room, and the key may be beyond it then.
    pub fn keep(&mut self, cut: u32, key: &[u8], size: u32) -> Result<(), TooNarrow> {
        let Ok(length) = u8::try_from(key.len()) else { return Ok(()) };
        while self.bytes.len() + HEAD + key.len() > self.room {
            self.narrow()?;
            if u64::from(cut) >= self.until {
                return Ok(());
            }
        }
        self.grow(HEAD + key.len());
        self.bytes.extend_from_slice(&cut.to_le_bytes());
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.push(length);
        self.bytes.extend_from_slice(key);
        self.keys += 1;
        self.size += u64::from(size);
        Ok(())
    }

    /// Room for so many more, never beyond what is allowed.
    fn grow(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            let wanted = (self.bytes.capacity() * 2).max(64 << 10).min(self.room);
            self.bytes.reserve_exact(wanted.saturating_sub(self.bytes.len()).max(more));
        }
    }

    /// Halves the range, and forgets what is beyond.
    fn narrow(&mut self) -> Result<(), TooNarrow> {
        if self.until - self.from < 2 {
            return Err(TooNarrow);
        }
        self.until = self.from + (self.until - self.from) / 2;
        let (mut kept, mut at) = (0, 0);
        (self.keys, self.size) = (0, 0);
        while let Some((head, size, end)) = head(&self.bytes, at) {
            if u64::from(head) < self.until {
                self.bytes.copy_within(at..end, kept);
                kept += end - at;
                self.keys += 1;
                self.size += u64::from(size);
            }
            at = end;
        }
        self.bytes.truncate(kept);
        Ok(())
    }

    /// The key that begins at `at` (0 at first), the bytes that the server holds for it, and where the next one begins.
    pub fn read(&self, at: usize) -> Option<(&[u8], u32, usize)> {
        let (_, size, end) = head(&self.bytes, at)?;
        Some((&self.bytes[at + HEAD..end], size, end))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (key, size, end) = self.read(at)?;
            at = end;
            Some((key, size))
        })
    }
}

/// The cut and the size of what begins at `at`, and where it ends.
fn head(bytes: &[u8], at: usize) -> Option<(u32, u32, usize)> {
    let head = bytes.get(at..at + HEAD)?;
    let number = |at: usize| head[at..at + 4].try_into().map(u32::from_le_bytes).ok();
    let end = at + HEAD + usize::from(head[8]);
    (end <= bytes.len()).then_some((number(0)?, number(4)?, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn key(number: u32) -> Vec<u8> {
        format!("key-{number}").into_bytes()
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut part = Part::new(1 << 20);
        part.begin(0);
        for number in 0..100 {
            let key = key(number);
            let cut = part.takes(&key).expect("the whole range");
            assert_eq!(part.keep(cut, &key, number), Ok(()));
        }
        assert_eq!((part.keys(), part.size(), part.range()), (100, 4950, (0, END)));
        let expected: Vec<_> = (0..100).map(|number| (key(number), number)).collect();
        assert_eq!(part.iter().map(|(key, size)| (key.to_vec(), size)).collect::<Vec<_>>(), expected);
        part.begin(0);
        assert_eq!((part.keys(), part.size(), part.iter().count()), (0, 0, 0));
    }

    #[test]
    fn the_parts_together_are_everything_once_and_none_is_larger_than_its_room() {
        let mut part = Part::new(0);
        let (mut seen, mut from, mut parts) = (BTreeSet::new(), 0, 0);
        while from < END {
            part.begin(from);
            for number in 0..20_000 {
                let key = key(number);
                if let Some(cut) = part.takes(&key) {
                    assert_eq!(part.keep(cut, &key, 1), Ok(()));
                }
            }
            assert_eq!(part.iter().count() as u64, part.keys());
            assert!(part.memory() <= part.room, "{} bytes", part.memory());
            for (key, _) in part.iter() {
                assert!(seen.insert(key.to_vec()), "{} twice", key.escape_ascii());
            }
            from = part.range().1;
            parts += 1;
        }
        assert_eq!(seen.len(), 20_000);
        assert!((12..60).contains(&parts), "{parts} parts: each is at least a good half full");
    }

    #[test]
    fn keys_that_cannot_be_told_apart_are_an_error_and_no_endless_loop() {
        let mut part = Part::new(0);
        let same = vec![b'k'; 250];
        part.begin(0);
        let cut = part.takes(&same).expect("the whole range");
        part.begin(cut.into());
        let kept = (0..1000).take_while(|_| part.keep(cut, &same, 1).is_ok()).count();
        assert_eq!(kept, 100);
        assert_eq!(part.range(), (cut.into(), u64::from(cut) + 1));
    }
}
