//! The protocol: two buffers, and a word that says which of them holds the newest whole body.
//!
//! The *generation word* names the generation that is in force; the buffer is its lowest bit. The
//! writer of generation g+1 writes the other buffer:
//!
//! ```text
//! writer                                       reader
//! buffer.sequence = 0        (release)         g = the generation word    ; acquire fence
//! release fence                                buffer(g).sequence == g?   ; acquire fence
//! body, seal                                   copy the seal and the body ; acquire fence
//! buffer.sequence = g+1      (release)         buffer(g).sequence == g still?
//! the generation word = g+1  (release)         the copy has the checksum of its seal?
//! ```
//!
//! A reader that copied anything newer than g from the buffer has by the fences also seen that
//! its sequence is no longer g, and copies again. The first store is a release too, so that a reader
//! that finds a 0 there before it copied will find a newer generation word when it looks again: it can
//! tell a writer at work from a damaged table, and only the latter is refused at once.
//!
//! The generation word carries a check of its own, or one flipped bit could name the other
//! buffer, whose whole and correct body is the one before. Its highest generation bit retires the
//! table: a reader learns of that with the load that it makes anyway.

use super::fault::Fault;
use super::words::{LoadWord, StoreWord};

/// The words of a buffer before its body: sequence, seal, and nothing up to the next cache line.
pub const HEAD_WORDS: usize = 8;
/// The word of a buffer that says which generation it holds; 0 while it is written.
pub const SEQUENCE: usize = 0;
/// The word of a buffer with the body's length in bytes (the upper half) and its CRC-32.
pub const SEAL: usize = 1;

/// How often a reader copies again when the writer overtakes it.
pub const TRIES: usize = 64;

/// Where things are in a slice of words.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The generation word.
    pub generation: usize,
    /// Each buffer's first word.
    pub buffers: [usize; 2],
    /// The most words that a body may have.
    pub most: usize,
}

/// What a generation word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Counts what was published; from 1.
    pub generation: u64,
    /// The table was replaced by another file.
    pub retired: bool,
}

impl Stamp {
    /// The largest generation.
    pub const LAST: u64 = (1 << 47) - 1;

    /// The word that says it: the generation in the lower 47 bits, the retired bit, and a check in
    /// the upper 16.
    pub fn word(self) -> u64 {
        let low = (self.generation & Self::LAST) | (u64::from(self.retired) << 47);
        low | (check(low) << 48)
    }

    /// What a word says.
    ///
    /// # Errors
    /// [`Fault::Empty`] for 0, [`Fault::Damaged`] for a word that is none.
    pub fn of(word: u64) -> Result<Stamp, Fault> {
        if word == 0 {
            return Err(Fault::Empty);
        }
        let low = word & ((1 << 48) - 1);
        let stamp = Stamp { generation: low & Self::LAST, retired: low >> 47 == 1 };
        if word >> 48 != check(low) || stamp.generation == 0 {
            return Err(Fault::Damaged);
        }
        Ok(stamp)
    }
}

/// 16 bits of a CRC-32; never 0, so that no published word is 0.
pub(super) fn check(low: u64) -> u64 {
    let crc = crc32fast::hash(&low.to_ne_bytes());
    u64::from((crc >> 16) ^ (crc & 0xffff)).max(1)
}

/// The CRC-32 of a body under its generation, so that a whole body of another one is no match.
fn checksum(generation: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&generation.to_ne_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Publishes a body as `generation`: the one in force and 1, or any for the first. A body that ends within
/// a word is filled up with zeros. Only one caller at a time, in all processes together.
///
/// # Errors
/// [`Fault::Size`] when the body is larger than the shape allows, or the shape than the slice; then
/// nothing was stored.
pub fn publish<W: StoreWord>(words: &[W], shape: &Shape, generation: u64, body: &[u8]) -> Result<(), Fault> {
    let too_large = Fault::Size(body.len() as u64);
    let length = u32::try_from(body.len()).ok().filter(|_| body.len().div_ceil(8) <= shape.most);
    let length = length.ok_or(too_large)?;
    let buffer = buffer(words, shape, generation)?;
    let generation_word = words.get(shape.generation).ok_or(Fault::Foreign)?;

    buffer[SEQUENCE].set_release(0);
    W::release_fence();
    let (room, mut rest) = (&buffer[HEAD_WORDS..], body);
    for word in room.iter().take(body.len().div_ceil(8)) {
        let (now, later) = rest.split_at(rest.len().min(8));
        let mut bytes = [0; 8];
        bytes[..now.len()].copy_from_slice(now);
        word.set(u64::from_ne_bytes(bytes));
        rest = later;
    }
    buffer[SEAL].set(u64::from(length) << 32 | u64::from(checksum(generation, body)));
    buffer[SEQUENCE].set_release(generation);
    generation_word.set_release(Stamp { generation, retired: false }.word());
    Ok(())
}

/// Copies the newest body into `body` (whose room is used again). What the generation word said.
///
/// # Errors
/// As [`Stamp::of`]; [`Fault::Damaged`] when no whole body is where the word says;
/// [`Fault::Busy`] when the writer overtook the copy `tries` times. `body` is then no good.
pub fn read<W: LoadWord>(
    words: &[W],
    shape: &Shape,
    body: &mut Vec<u8>,
    tries: usize,
) -> Result<Stamp, Fault> {
    for _ in 0..tries {
        let word = words.get(shape.generation).ok_or(Fault::Foreign)?.get();
        W::acquire_fence();
        let stamp = Stamp::of(word)?;
        let buffer = buffer(words, shape, stamp.generation)?;
        if buffer[SEQUENCE].get() != stamp.generation {
            W::acquire_fence();
            if words[shape.generation].get() == word {
                return Err(Fault::Damaged);
            }
            continue;
        }
        W::acquire_fence();
        let seal = copy(buffer, body);
        W::acquire_fence();
        if buffer[SEQUENCE].get() != stamp.generation {
            continue;
        }
        return match seal {
            Some(seal) if seal == checksum(stamp.generation, body) => Ok(stamp),
            _ => Err(Fault::Damaged),
        };
    }
    Err(Fault::Busy)
}

/// Marks the table as replaced, whatever is in it.
pub fn retire<W: StoreWord>(word: &W) {
    let generation = Stamp::of(word.get()).map_or(Stamp::LAST, |stamp| stamp.generation);
    word.set_release(Stamp { generation, retired: true }.word());
}

/// The buffer of a generation: all of it, so that what is within its bounds is within the slice.
fn buffer<'a, W>(words: &'a [W], shape: &Shape, generation: u64) -> Result<&'a [W], Fault> {
    let start = shape.buffers[(generation & 1) as usize];
    words.get(start..).and_then(|from| from.get(..HEAD_WORDS + shape.most)).ok_or(Fault::Foreign)
}

/// Copies a buffer's body; the checksum that it should have. `None` when the length cannot be.
fn copy<W: LoadWord>(buffer: &[W], body: &mut Vec<u8>) -> Option<u32> {
    body.clear();
    let seal = buffer[SEAL].get();
    let length = usize::try_from(seal >> 32).ok()?;
    let room = buffer.get(HEAD_WORDS..HEAD_WORDS.checked_add(length.div_ceil(8))?)?;
    body.reserve(room.len() * 8);
    for word in room {
        body.extend_from_slice(&word.get().to_ne_bytes());
    }
    body.truncate(length);
    Some(seal as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    const SHAPE: Shape = Shape { generation: 0, buffers: [1, 13], most: 4 };

    fn region() -> Vec<AtomicU64> {
        (0..25).map(|_| AtomicU64::new(0)).collect()
    }

    fn read_all(words: &[AtomicU64]) -> Result<(u64, Vec<u8>), Fault> {
        let mut body = Vec::new();
        read(words, &SHAPE, &mut body, TRIES).map(|stamp| (stamp.generation, body))
    }

    #[test]
    fn what_is_published_is_read() {
        let words = region();
        assert_eq!(read_all(&words), Err(Fault::Empty));
        for (generation, body) in
            (5..).zip(["", "a", "12345678", "123456789", "0123456789abcdef0123456789abcdef"])
        {
            publish(&words, &SHAPE, generation, body.as_bytes()).expect("it fits");
            assert_eq!(read_all(&words), Ok((generation, body.into())));
        }
        assert_eq!(publish(&words, &SHAPE, 10, &[0; 33]), Err(Fault::Size(33)));
        assert_eq!(read_all(&words).expect("as before").0, 9);
    }

    #[test]
    fn a_retired_table_still_tells_its_last() {
        let words = region();
        publish(&words, &SHAPE, 7, b"last").expect("it fits");
        retire(&words[0]);
        let mut body = Vec::new();
        let stamp = read(&words, &SHAPE, &mut body, TRIES);
        assert_eq!(stamp, Ok(Stamp { generation: 7, retired: true }));
        assert_eq!(body, b"last");
        for word in [0, u64::MAX, 12345] {
            words[0].set(word);
            retire(&words[0]);
            assert!(Stamp::of(LoadWord::get(&words[0])).expect("a stamp").retired);
        }
    }

    #[test]
    fn a_slice_that_is_too_short_is_refused() {
        for length in 0..25 {
            let words = &region()[..length];
            let done = publish(words, &SHAPE, 2, b"x").and_then(|()| publish(words, &SHAPE, 3, b"x"));
            assert_eq!(done, Err(Fault::Foreign), "{length}");
            assert!(read_all(words).is_err() || length >= 13, "{length}");
        }
    }

    /// Every single bit, and every word replaced by all ones: refused, or not looked at.
    #[test]
    fn no_flipped_bit_is_believed() {
        let words = region();
        publish(&words, &SHAPE, 6, b"the one before").expect("it fits");
        publish(&words, &SHAPE, 7, b"the newest one").expect("it fits");
        let good = read_all(&words);
        for (index, word) in words.iter().enumerate() {
            let kept = LoadWord::get(word);
            for value in (0..64).map(|bit| kept ^ 1 << bit).chain([u64::MAX]) {
                StoreWord::set(word, value);
                let read = read_all(&words);
                assert!(
                    read.is_err() || read == good,
                    "word {index} was {kept:x} and is {value:x}: {read:?}"
                );
            }
            StoreWord::set(word, kept);
        }
        assert_eq!(read_all(&words), good);
    }
}
