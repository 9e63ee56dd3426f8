//! Questions to every server, whose one answer is made of all of theirs when the last has come.

use super::begin::Gathered;
use super::report;
use super::service::Shared;

/// How the one answer is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Made {
    /// `stats`: they are added up.
    Sum,
    /// `version`: the first server's stands for all.
    First,
    /// `stats reset`: every server that was asked has done it.
    Reset,
}

/// Such a question of a session's.
pub(super) struct Pending {
    /// Which one of its requests.
    pub(super) number: u32,
    pub(super) gathered: Gathered,
    pub(super) made: Made,
}

impl Pending {
    /// Makes the answer from what was gathered. `text`: what is said without it.
    pub(super) fn answer(self, shared: &Shared, text: &mut Vec<u8>) {
        let Pending { gathered, made, .. } = self;
        let mut said = gathered.lock().map(|mut said| std::mem::take(&mut *said)).unwrap_or_default();
        said.sort_by_key(|(server, _)| *server);
        match (made, said.first()) {
            // A text that is there says which server did not do it.
            (Made::Reset, _) if text.is_empty() => text.extend_from_slice(b"RESET\r\n"),
            (Made::Sum, Some(_)) => {
                text.clear();
                report::sum(&said, shared, text);
            }
            (Made::First, Some((_, first))) => {
                text.clear();
                text.extend_from_slice(b"VERSION ");
                text.extend_from_slice(first);
                text.extend_from_slice(b"\r\n");
            }
            (Made::Reset, _) | (_, None) => {}
        }
    }
}
