//! A step of the corpus as bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::corpus::{Piece, Step};

/// A key of the sequence `id` in its variant `variant`.
fn key(id: usize, variant: u32, number: u8, length: Option<usize>) -> Vec<u8> {
    let mut key = format!("k{number}-{id:04}-{variant:06}").into_bytes();
    if let Some(length) = length {
        key.resize(length, b'x');
    }
    key
}

fn base64(key: &[u8]) -> Vec<u8> {
    let mut room = vec![0; key.len() * 2 + 4];
    let length = STANDARD.encode_slice(key, &mut room).expect("room for base64");
    room.truncate(length);
    room
}

/// What is sent of a step when keys, CAS number and time are known.
pub fn rendered(step: &Step, id: usize, variant: u32, cas: i64, now: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in &step.pieces {
        match piece {
            Piece::Text(text) => bytes.extend(text),
            Piece::Key(number, length) => bytes.extend(key(id, variant, *number, *length)),
            Piece::Base64(number) => bytes.extend(base64(&key(id, variant, *number, None))),
            Piece::Cas(more) => bytes.extend((cas + more).to_string().bytes()),
            Piece::Now(more) => bytes.extend((now + more).to_string().bytes()),
        }
    }
    bytes
}
