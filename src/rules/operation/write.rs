//! Write: a `set`.

use super::put::Put;
use super::{Failure, Operation, Outcome, Tag};
use crate::rules::bytes::Bytes;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

/// Stores a value whatever is there. Ends as Stored, Refused, NotStored, Unavailable.
pub struct Write<'a>(Put<'a>);

impl<'a> Write<'a> {
    /// `exptime` as memcached takes it: 0 never, up to thirty days from now in seconds, above that
    /// seconds since 1970, negative at once.
    #[inline(always)]
    pub fn new(
        key: impl Into<Bytes<'a>>,
        flags: u32,
        exptime: i64,
        value: impl Into<Bytes<'a>>,
    ) -> Write<'a> {
        Write(Put::new(key, flags, exptime, value))
    }
}

impl Operation for Write<'_> {
    #[inline(always)]
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        self.0.next(view)
    }
    #[inline]
    fn command(&self, tag: Tag) -> Command<'_> {
        self.0.command(tag)
    }
    #[inline(always)]
    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        self.0.answer(view, tag, reply);
    }
    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        self.0.fail(view, tag, failure);
    }
    #[inline(always)]
    fn outcome(&self) -> Option<Outcome> {
        self.0.outcome()
    }
    fn refusal(&self) -> Option<&[u8]> {
        Some(self.0.refusal()).filter(|text| !text.is_empty())
    }

    fn key(&self) -> Option<&[u8]> {
        Some(self.0.key())
    }
}
