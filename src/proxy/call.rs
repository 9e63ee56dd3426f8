//! A call: one request of a client as an operation of the rules, and the words in which it is answered.
//!
//! The bytes of a request (its key, its value, its flags) are copied once, into a block that the operation holds shares
//! of. Blocks and texts are used again ([`Supplies`]), so that a loop which is warm allocates nothing for a request.

use std::ops::Range;
use std::sync::Arc;

use super::meta::{self, number, words};
use crate::client::crowd::{About, Member};
use crate::rules::bytes::Bytes;
use crate::rules::hash::KeyHash;
use crate::rules::operation::{
    Batch, Broadcast, Conditional, Counter, Failure, GetAndTouch, Move, Operation, Outcome, Pass, Read,
    Spread, Tag, Write,
};
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply, Value};

/// Memory that is used again.
#[derive(Default)]
pub(super) struct Supplies {
    blocks: Vec<Arc<Vec<u8>>>,
    texts: Vec<Vec<u8>>,
}

/// The longest buffer that is kept for the next request, in bytes, and the most of them.
const KEPT: usize = 4 << 10;
const MOST_KEPT: usize = 4096;

impl Supplies {
    /// A block with these parts, one behind the other.
    pub(super) fn block(&mut self, parts: &[&[u8]]) -> Arc<Vec<u8>> {
        let mut block = self.blocks.pop().unwrap_or_default();
        match Arc::get_mut(&mut block) {
            Some(bytes) => {
                bytes.clear();
                parts.iter().for_each(|part| bytes.extend_from_slice(part));
                block
            }
            None => Arc::new(parts.concat()),
        }
    }

    /// A text with nothing in it.
    pub(super) fn text(&mut self) -> Vec<u8> {
        self.texts.pop().unwrap_or_default()
    }

    /// Nobody needs it any more, but for shares that go with what is dropped soon.
    pub(super) fn take_block(&mut self, mut block: Arc<Vec<u8>>) {
        if self.blocks.len() < MOST_KEPT && block.capacity() <= KEPT && Arc::get_mut(&mut block).is_some() {
            self.blocks.push(block);
        }
    }

    /// Nobody needs it any more.
    pub(super) fn take_text(&mut self, mut text: Vec<u8>) {
        if self.texts.len() < MOST_KEPT && text.capacity() > 0 && text.capacity() <= KEPT {
            text.clear();
            self.texts.push(text);
        }
    }
}

/// Which parts of a call's block are what.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) block: Arc<Vec<u8>>,
    /// The key, as the client wrote it.
    pub(super) name: Range<usize>,
    /// The key's bytes.
    pub(super) key: Range<usize>,
    /// The flags of a meta command, as the client wrote them.
    pub(super) flags: Range<usize>,
}

impl Parts {
    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.block.get(range.clone()).unwrap_or_default()
    }

    pub(super) fn key(&self) -> Bytes<'static> {
        Bytes::of(&self.block, self.key.clone())
    }
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `VALUE`; whether with its CAS value.
    Classic {
        cas: bool,
    },
    Meta,
}

/// The one key of a read, and the text of its value.
pub(super) struct One {
    pub(super) parts: Parts,
    pub(super) form: Form,
    pub(super) text: Vec<u8>,
}

impl Batch for One {
    fn len(&self) -> usize {
        1
    }
    fn key(&self, _: usize) -> &[u8] {
        self.parts.part(&self.parts.key)
    }
    fn settle(&mut self, _: usize, answer: Result<&Value<'_>, Outcome>) {
        let Ok(value) = answer else { return };
        let name = self.parts.block.get(self.parts.name.clone()).unwrap_or_default();
        match self.form {
            Form::Classic { cas } => {
                words(&mut self.text, &[b"VALUE ", name, b" "]);
                number(&mut self.text, value.flags);
                self.text.push(b' ');
                number(&mut self.text, value.data.len());
                if cas {
                    self.text.push(b' ');
                    number(&mut self.text, value.cas);
                }
                words(&mut self.text, &[b"\r\n", value.data, b"\r\n"]);
            }
            Form::Meta => {
                let flags = self.parts.block.get(self.parts.flags.clone()).unwrap_or_default();
                meta::value(flags, name, value, &mut self.text);
            }
        }
    }
}

/// Takes what each server says to a question to all.
pub(super) type Gather = Box<dyn FnMut(ServerId, Result<&[u8], Outcome>) + Send>;

/// The operation behind a call.
pub(super) enum Work {
    Read(Read<'static, One>),
    Write(Write<'static>),
    Spread(Spread<'static>),
    Conditional(Conditional<'static>),
    Counter(Counter<'static>),
    GetAndTouch(Box<GetAndTouch<'static, One>>),
    Pass(Box<Pass<'static>>),
    Move(Box<Move<'static>>),
    Broadcast(Box<Broadcast<'static, Gather>>),
}

impl Work {
    fn operation(&self) -> &dyn Operation {
        match self {
            Work::Read(work) => work,
            Work::Write(work) => work,
            Work::Spread(work) => work,
            Work::Conditional(work) => work,
            Work::Counter(work) => work,
            Work::GetAndTouch(work) => &**work,
            Work::Pass(work) => &**work,
            Work::Move(work) => &**work,
            Work::Broadcast(work) => &**work,
        }
    }

    fn operation_mut(&mut self) -> &mut dyn Operation {
        match self {
            Work::Read(work) => work,
            Work::Write(work) => work,
            Work::Spread(work) => work,
            Work::Conditional(work) => work,
            Work::Counter(work) => work,
            Work::GetAndTouch(work) => &mut **work,
            Work::Pass(work) => &mut **work,
            Work::Move(work) => &mut **work,
            Work::Broadcast(work) => &mut **work,
        }
    }
}

/// How a call is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    /// In the words of classic commands.
    Classic,
    /// As `gats` tells what `mg` found. `shows_stubs`: a stub is an empty value, as [`Read::showing_stubs`] has it.
    Gats { shows_stubs: bool },
    /// In those of meta commands. `quiet`: with `q`; `value`: `ma` tells the number.
    Meta { letter: u8, quiet: bool, value: bool },
    /// With this line, whatever comes of it.
    Fixed(&'static [u8]),
    /// With what was gathered, or why there is nothing.
    Gathered,
}

/// One request at work.
pub(super) struct Call {
    pub(super) about: About,
    pub(super) style: Style,
    pub(super) parts: Parts,
    pub(super) work: Work,
}

/// What an answer is, beside its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// The text is all.
    All,
    /// It is what a get says in place of its end.
    Failed,
}

/// memcached has no such answers: what the rules have to say of servers.
pub(super) const TIMEOUT: &[u8] = b"SERVER_ERROR timeout\r\n";
const UNAVAILABLE: &[u8] = b"SERVER_ERROR unavailable\r\n";

impl Call {
    /// Nobody's: a value is moved to where the rules place it.
    pub(super) fn moving(key: &[u8], found: ServerId, supplies: &mut Supplies) -> Call {
        let (block, all) = (supplies.block(&[key]), 0..key.len());
        let parts = Parts { block, name: all.clone(), key: all.clone(), flags: all.end..all.end };
        let work = Work::Move(Box::new(Move::new(parts.key(), found)));
        let about = About { owner: u32::MAX, life: 0, number: 0 };
        Call { about, style: Style::Fixed(b""), parts, work }
    }

    /// Appends the answer to a call that is over.
    pub(super) fn answer(&mut self, outcome: Outcome, text: &mut Vec<u8>) -> Told {
        match (&mut self.work, self.style) {
            (_, Style::Fixed(line)) => words(text, &[line, b"\r\n"]),
            (_, Style::Gathered) => {
                if outcome != Outcome::Done {
                    self.refuse(outcome, text);
                }
            }
            (Work::Read(read), style) => {
                std::mem::swap(&mut read.batch().text, text);
                return self.answer_read(style, outcome, text);
            }
            (Work::GetAndTouch(read), style) => {
                if outcome == Outcome::Hit {
                    std::mem::swap(&mut read.batch().text, text);
                }
                return self.answer_read(style, outcome, text);
            }
            (Work::Pass(pass), Style::Meta { letter, quiet, .. }) => {
                if outcome == Outcome::Done {
                    let silent: &[&[u8]] = if letter == b'g' { &[b"EN"] } else { &[b"HD", b"VA"] };
                    let reply = pass.reply();
                    if !(quiet && silent.contains(&reply.get(..2).unwrap_or_default())) {
                        text.extend_from_slice(reply);
                    }
                } else {
                    self.answer_meta(quiet, false, outcome, text);
                }
            }
            (Work::Pass(pass), Style::Gats { shows_stubs }) if outcome == Outcome::Done => {
                return gats(pass.reply(), shows_stubs, &self.parts, text);
            }
            (Work::Pass(_), style) => return self.answer_read(style, outcome, text),
            (_, Style::Meta { quiet, value, .. }) => self.answer_meta(quiet, value, outcome, text),
            (_, Style::Classic | Style::Gats { .. }) => self.answer_classic(outcome, text),
        }
        Told::All
    }

    fn answer_read(&self, style: Style, outcome: Outcome, text: &mut Vec<u8>) -> Told {
        match (style, outcome) {
            (_, Outcome::Hit) => Told::All,
            (Style::Meta { quiet, .. }, Outcome::Miss) => {
                if !quiet {
                    self.meta_line(b"EN", text);
                }
                Told::All
            }
            (_, Outcome::Miss) => Told::All,
            _ => {
                text.clear();
                self.refuse(outcome, text);
                Told::Failed
            }
        }
    }

    fn answer_classic(&self, outcome: Outcome, text: &mut Vec<u8>) {
        let line: &[u8] = match outcome {
            Outcome::Stored => b"STORED\r\n",
            Outcome::NotStored => b"NOT_STORED\r\n",
            Outcome::Exists => b"EXISTS\r\n",
            Outcome::NotFound | Outcome::Miss => b"NOT_FOUND\r\n",
            Outcome::Deleted => b"DELETED\r\n",
            Outcome::Touched => b"TOUCHED\r\n",
            Outcome::Done => b"OK\r\n",
            Outcome::Number(value) => {
                number(text, value);
                b"\r\n"
            }
            _ => return self.refuse(outcome, text),
        };
        text.extend_from_slice(line);
    }

    fn answer_meta(&self, quiet: bool, value: bool, outcome: Outcome, text: &mut Vec<u8>) {
        match outcome {
            Outcome::Stored | Outcome::Deleted | Outcome::Number(_) if quiet => {}
            Outcome::Stored | Outcome::Deleted => self.meta_line(b"HD", text),
            Outcome::Number(count) if value => {
                let mut buffer = itoa::Buffer::new();
                let digits = buffer.format(count).as_bytes();
                text.extend_from_slice(b"VA ");
                number(text, digits.len());
                meta::echo(self.parts.part(&self.parts.flags), self.parts.part(&self.parts.name), text);
                words(text, &[b"\r\n", digits, b"\r\n"]);
            }
            Outcome::Number(_) => self.meta_line(b"HD", text),
            Outcome::NotStored => self.meta_line(b"NS", text),
            Outcome::Exists => self.meta_line(b"EX", text),
            Outcome::NotFound | Outcome::Miss => self.meta_line(b"NF", text),
            _ => self.refuse(outcome, text),
        }
    }

    fn meta_line(&self, word: &[u8], text: &mut Vec<u8>) {
        text.extend_from_slice(word);
        meta::echo(self.parts.part(&self.parts.flags), self.parts.part(&self.parts.name), text);
        text.extend_from_slice(b"\r\n");
    }

    /// Why there is no answer: a server's own words, or ours.
    fn refuse(&self, outcome: Outcome, text: &mut Vec<u8>) {
        let refusal = self.work.operation().refusal().filter(|_| outcome == Outcome::Refused);
        match refusal {
            Some(line) => {
                let is_whole =
                    [&b"ERROR"[..], b"CLIENT_ERROR", b"SERVER_ERROR"].iter().any(|it| line.starts_with(it));
                words(text, &[if is_whole { b"" } else { b"SERVER_ERROR " }, line, b"\r\n"]);
            }
            None if outcome == Outcome::Timeout => text.extend_from_slice(TIMEOUT),
            None => text.extend_from_slice(UNAVAILABLE),
        }
    }

    /// Takes it apart.
    pub(super) fn recycle(self, supplies: &mut Supplies) {
        let Call { work, parts, .. } = self;
        match work {
            Work::Read(mut read) => {
                let text = std::mem::take(&mut read.batch().text);
                supplies.take_text(text);
                drop(read);
            }
            work => drop(work),
        }
        supplies.take_block(parts.block);
    }
}

/// `VA <length> f<flags> c<cas>` as `gats` tells it.
fn gats(reply: &[u8], shows_stubs: bool, parts: &Parts, text: &mut Vec<u8>) -> Told {
    let Some(end) = memchr::memchr(b'\n', reply) else { return Told::All };
    let mut line = reply[..end].trim_ascii_end().split(|byte| *byte == b' ');
    if line.next() != Some(b"VA") {
        return Told::All;
    }
    let len = line.next().unwrap_or_default();
    let (mut flags, mut cas): (&[u8], &[u8]) = (b"0", b"0");
    for word in line {
        if len == b"0" && matches!(word, b"W" | b"Z") && !shows_stubs {
            return Told::All;
        }
        match word.split_first() {
            Some((b'f', rest)) => flags = rest,
            Some((b'c', rest)) => cas = rest,
            _ => {}
        }
    }
    words(
        text,
        &[b"VALUE ", parts.part(&parts.name), b" ", flags, b" ", len, b" ", cas, b"\r\n", &reply[end + 1..]],
    );
    Told::All
}

impl Member for Call {
    fn about(&self) -> About {
        self.about
    }

    fn may_go_elsewhere(&self) -> bool {
        matches!(self.work, Work::Read(_))
    }

    fn may_be_followed(&self) -> bool {
        // What becomes of a stale value's turn is known only when it is over.
        !matches!(self.work, Work::Pass(_))
    }

    fn ghost(&self) -> Option<Call> {
        let Work::Read(read) = &self.work else { return None };
        let one = One { parts: self.parts.clone(), form: Form::Classic { cas: false }, text: Vec::new() };
        let (about, style, parts) = (self.about, self.style, self.parts.clone());
        Some(Call { about, style, parts, work: Work::Read(read.ghost(one)) })
    }
}

impl Operation for Call {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        self.work.operation_mut().next(view)
    }
    fn command(&self, tag: Tag) -> Command<'_> {
        self.work.operation().command(tag)
    }
    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        self.work.operation_mut().answer(view, tag, reply);
    }
    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        self.work.operation_mut().fail(view, tag, failure);
    }
    fn outcome(&self) -> Option<Outcome> {
        self.work.operation().outcome()
    }
    fn refusal(&self) -> Option<&[u8]> {
        self.work.operation().refusal()
    }
    fn hashes(&self, tell: &mut dyn FnMut(KeyHash)) {
        if let Work::Read(_) | Work::Broadcast(_) = self.work {
            // A read holds nothing; that it comes behind its client's own changes is the crowd's to know.
            if let Work::Read(_) = self.work {
                tell(KeyHash::of(self.parts.part(&self.parts.key)));
            }
            return;
        }
        self.work.operation().hashes(tell);
    }
    fn keys(&self, tell: &mut dyn FnMut(&[u8])) -> bool {
        self.work.operation().keys(tell)
    }
    fn displaced(&self, tell: &mut dyn FnMut(&[u8], ServerId)) {
        self.work.operation().displaced(tell);
    }
    fn mutates(&self) -> bool {
        self.work.operation().mutates()
    }
}
