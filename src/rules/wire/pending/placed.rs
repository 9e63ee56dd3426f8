//! A large value that is received where it belongs: of the bytes that came here only its first line is among those that are
//! read, and then what stands behind its data.

use super::super::compose::Form;
use super::super::meta::{self, Proof};
use super::super::parse::{Head, Limits, Nonsense, data, head};
use super::super::{Command, Reply, Value};
use super::{Pending, Progress};

/// A value of which no more than its first line and a part of its data came.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// What the line says of it.
    value: Value<'static>,
    /// Where its data begins among the bytes that came.
    pub start: usize,
    /// How long it is.
    pub len: usize,
}

impl<T: Copy> Pending<T> {
    /// The value that answers the oldest question, if `bytes` begin with its first line and end before its data does. To
    /// be asked where [`Pending::next`] gave `None` for the same bytes. Not for a key that was sent in base64.
    pub fn opened<'c>(
        &self,
        bytes: &[u8],
        meta: bool,
        limits: &Limits,
        command: impl Fn(T) -> Command<'c>,
    ) -> Option<(T, Opened)> {
        let asked = self.questions.front()?;
        let asked_so = (self.missed == 0 && asked.form == Form::Plain).then(|| command(asked.question));
        let (value, start, len) = match asked_so? {
            Command::Get { key, meta: true } if meta => meta::opened(Proof::key(key), false, bytes, limits),
            Command::Fetch { key } if meta => meta::opened(Proof::key(key), true, bytes, limits),
            Command::Get { key, .. } => classic(key, false, bytes, limits),
            Command::Fetch { key } => classic(key, true, bytes, limits),
            _ => None,
        }?;
        let partly = bytes.len() - start < len;
        partly.then_some((asked.question, Opened { value: Value { placed: len, ..value }, start, len }))
    }

    /// As [`Pending::next`] for that question, when its value's data was received elsewhere, to the last byte: `bytes` are
    /// those behind it.
    pub fn next_behind<'b, 'c>(
        &mut self,
        opened: &Opened,
        bytes: &'b [u8],
        meta: bool,
        limits: &Limits,
        command: impl Fn(T) -> Command<'c>,
    ) -> Result<Option<(T, Reply<'b>, usize)>, Nonsense> {
        let Some(asked) = self.questions.front() else { return Ok(None) };
        let question = asked.question;
        // Only a classic get that stands alone in its line, or last, has an `END` line of its own.
        let (ends, cas) = match command(question) {
            Command::Get { meta: wanted, .. } => (!(asked.joined || wanted && meta), false),
            _ => (!meta, true),
        };
        match end(opened.value, ends, cas, bytes, limits) {
            Ok(Some((reply, taken))) => {
                self.questions.pop();
                self.progress = Progress::default();
                Ok(Some((question, reply, taken)))
            }
            Ok(None) => Ok(None),
            Err(Nonsense(why)) => Err(self.spoil(why)),
        }
    }
}

fn classic(key: &[u8], cas: bool, bytes: &[u8], limits: &Limits) -> Option<(Value<'static>, usize, usize)> {
    match head(bytes, cas, limits) {
        Ok(Some(Head::Value(header))) if header.key == key => {
            let value = Value { flags: header.flags, cas: header.cas, ..Value::default() };
            Some((value, header.start, header.len))
        }
        _ => None,
    }
}

/// What stands behind a value's data: its line end and, where the answer `ends` with it, the `END` line.
fn end<'b>(
    value: Value<'static>,
    ends: bool,
    cas: bool,
    bytes: &'b [u8],
    limits: &Limits,
) -> Result<Option<(Reply<'b>, usize)>, Nonsense> {
    let Some((_, line_end)) = data(bytes, 0, 0)? else { return Ok(None) };
    if !ends {
        return Ok(Some((Reply::Value(value), line_end)));
    }
    match head(bytes.get(line_end..).unwrap_or_default(), cas, limits)? {
        None => Ok(None),
        Some(Head::End(taken)) => Ok(Some((Reply::Value(value), line_end + taken))),
        // The server ran out of memory half way.
        Some(Head::Refused(text, taken)) => Ok(Some((Reply::Refused(text), line_end + taken))),
        Some(Head::Value(_)) => Err(Nonsense("more values than keys that were asked for")),
    }
}
