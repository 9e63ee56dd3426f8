//! What was asked of one connection and is not answered yet.
//!
//! memcached answers in order. Many classic gets in a row are joined to one `get` line, whose
//! answer names only the keys that were found: the keys between them were missed.

use super::parse::{Limits, Nonsense};
use super::{Command, Reply};

/// The questions of one connection, oldest first. `T` names a question to whoever asked it.
#[derive(Clone, Debug)]
pub struct Pending<T> {
    questions: std::collections::VecDeque<T>,
}

impl<T: Copy> Default for Pending<T> {
    fn default() -> Self {
        Pending { questions: std::collections::VecDeque::new() }
    }
}

impl<T: Copy> Pending<T> {
    /// Appends `command`'s bytes to `out` and remembers that `question` awaits its answer. A
    /// classic get that follows another one in the same unsent buffer is joined to its line: call
    /// [`Pending::close`] before the bytes are sent. False: the command needs meta commands and
    /// the server has none; nothing was written or remembered.
    pub fn ask(&mut self, question: T, command: &Command<'_>, meta: bool, out: &mut Vec<u8>) -> bool {
        let _ = self.questions.len();
        todo!("{command:?} {meta} {out:?} {}", std::mem::size_of_val(&question))
    }

    /// Ends an open `get` line: what is in `out` can be sent.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        todo!("{out:?}")
    }

    /// Reads the next answer from the start of `bytes`. `command` tells what a question asked.
    /// `None`: it is not whole yet. Otherwise the question, its reply, and how many bytes it took,
    /// which may be none (a missed key of a joined line). The key in an answer must be the one
    /// that was asked for. Bytes when nothing was asked are nonsense.
    pub fn next<'b, 'c>(
        &mut self,
        bytes: &'b [u8],
        meta: bool,
        limits: &Limits,
        command: impl Fn(T) -> Command<'c>,
    ) -> Result<Option<(T, Reply<'b>, usize)>, Nonsense> {
        let _ = command;
        todo!("{bytes:?} {meta} {limits:?}")
    }

    /// Whether nothing is awaited.
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    /// Takes out every question that awaits an answer, oldest first: the connection is gone.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.questions.drain(..)
    }
}
