//! Questions to every server, whose one answer is made of all of theirs when the last has come.

use super::begin::Gathered;
use super::report;
use super::service::Shared;

/// Such a question, and where its answer goes.
pub(super) struct Pending {
    pub(super) owner: u32,
    pub(super) life: u32,
    pub(super) number: u32,
    pub(super) gathered: Gathered,
    /// Whether the answers are added up, or the first server's stands for all.
    pub(super) sum: bool,
}

impl Pending {
    /// Whether it is this one.
    pub(super) fn is(&self, owner: u32, life: u32, number: u32) -> bool {
        (self.owner, self.life, self.number) == (owner, life, number)
    }

    /// Makes the answer, when a question that is over is among these, from what was gathered.
    pub(super) fn answer(
        all: &mut Vec<Pending>,
        owner: u32,
        life: u32,
        number: u32,
        shared: &Shared,
        text: &mut Vec<u8>,
    ) {
        let Some(at) = all.iter().position(|it| it.is(owner, life, number)) else { return };
        let Pending { gathered, sum, .. } = all.swap_remove(at);
        let mut said = gathered.lock().map(|mut said| std::mem::take(&mut *said)).unwrap_or_default();
        said.sort_by_key(|(server, _)| *server);
        let Some((_, first)) = said.first() else { return };
        text.clear();
        if sum {
            report::sum(&said, shared, text);
        } else {
            text.extend_from_slice(b"VERSION ");
            text.extend_from_slice(first);
            text.extend_from_slice(b"\r\n");
        }
    }
}
