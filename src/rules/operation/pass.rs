//! Pass: a meta command of a client's own, with flags that only the server that decides can answer ([`Decided`]).
//!
//! That server is sent what the client wrote, and its answer is the client's. When it changed something, the others get
//! what came of it. Expiry times in it are no later than in any other call ([`expiry`]).
//!
//! CAS values in it are tokens, both ways ([`cas`]).

use super::decided::{Decided, Question, Verdict};
use super::source::Source;
use super::{Outcome, cas, expiry, writable};
use crate::rules::bytes::Bytes;
use crate::rules::pool::ServerId;
use crate::rules::view::{State, View};
use crate::rules::wire::{Command, Reply};

/// With so many flags a server may have no room for one more.
const MOST_WORDS: usize = 16;

/// What is passed on.
#[derive(Clone, Debug)]
pub struct Passed<'a> {
    /// The second letter of the command's name.
    pub letter: u8,
    /// The key's bytes.
    pub key: Bytes<'a>,
    /// The key as it is written in the command: in base64 when the flags say so.
    pub name: Bytes<'a>,
    /// The flags but for `q`, which would leave us without an answer, and `C`.
    pub flags: Bytes<'a>,
    /// The CAS token of `C`.
    pub cas: Option<u64>,
    /// The value of `ms`.
    pub value: Option<Bytes<'a>>,
    /// Whether it changes what it finds.
    pub changes: bool,
}

/// Passes a command to the server that decides. Ends as Done (the answer is [`Pass::reply`]), Refused, Unavailable.
pub type Pass<'a> = Decided<'a, Relay<'a>>;

/// What is passed on, as the server that is asked gets it, and its answer as the client does.
pub struct Relay<'a> {
    passed: Passed<'a>,
    /// The flags as they are sent.
    sent: Vec<u8>,
    reply: Vec<u8>,
}

impl<'a> Pass<'a> {
    /// A command to be passed on.
    pub fn new(passed: Passed<'a>) -> Pass<'a> {
        Decided::of(Relay { passed, sent: Vec::new(), reply: Vec::new() })
    }

    /// The answer, with its line ends.
    pub fn reply(&self) -> &[u8] {
        &self.question.reply
    }
}

impl Relay<'_> {
    /// Whether it is a delete proper, and not a mark.
    fn deletes(&self) -> bool {
        let marks = || self.passed.flags.split(|byte| *byte == b' ').any(|word| word.first() == Some(&b'I'));
        self.passed.letter == b'd' && !marks()
    }

    /// Whether the client asked for the key beside the answer. We do in any case, where it can be told: by it an
    /// answer is known to belong to what was asked.
    fn asks_key(&self) -> bool {
        let mut words = self.passed.flags.split(|byte| *byte == b' ');
        self.passed.letter == b'e' || words.any(|word| word.first() == Some(&b'k'))
    }

    /// The answer as the client gets it.
    fn tell(&mut self, life: u16, line: &[u8], data: Option<&[u8]>) {
        self.reply.clear();
        if self.passed.letter == b'e' {
            // No flags but the key and words about it: the key may look like any flag.
            self.reply.extend_from_slice(line);
        } else {
            self.tell_flags(life, line);
        }
        self.reply.extend_from_slice(b"\r\n");
        if let Some(data) = data {
            self.reply.extend_from_slice(data);
            self.reply.extend_from_slice(b"\r\n");
        }
    }

    /// The answer's line with CAS values as tokens, and without what the client did not ask for: the key, and that it is in
    /// base64.
    fn tell_flags(&mut self, life: u16, line: &[u8]) {
        let asks_key = self.asks_key();
        for word in line.split(|byte| *byte == b' ') {
            if !asks_key && (word.starts_with(b"k") || word == b"b") {
                continue;
            }
            if !self.reply.is_empty() {
                self.reply.push(b' ');
            }
            let value =
                word.strip_prefix(b"c").and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            match value {
                Some(value) => {
                    self.reply.push(b'c');
                    let token = if value == 0 { 0 } else { cas::token(life, value) };
                    self.reply.extend_from_slice(itoa::Buffer::new().format(token).as_bytes());
                }
                None => self.reply.extend_from_slice(word),
            }
        }
    }
}

/// The life that a server answered in. One that nobody had met was steady: to meet it changes nothing.
fn life(view: &View, server: Source) -> u16 {
    let now = view.server(server.server);
    if server.intact(view) && now.state != State::Down { now.incarnation } else { 0 }
}

impl<'a> Question<'a> for Relay<'a> {
    fn key(&self) -> &Bytes<'a> {
        &self.passed.key
    }

    fn address(&mut self, view: &View, server: ServerId) -> Result<(), Outcome> {
        self.sent.clear();
        let Passed { letter, flags, .. } = &self.passed;
        let placement = writable(view, &self.passed.key)?;
        expiry::in_flags(view, &placement, server, (*letter, flags), &mut self.sent);
        if !self.asks_key() && self.sent.split(|byte| *byte == b' ').count() < MOST_WORDS {
            self.sent.extend_from_slice(b" k");
        }
        if let Some(token) = self.passed.cas {
            // One from elsewhere is compared all the same: the server says whether there is anything.
            // And 0 is nobody's, but means something to some commands.
            let value = if token == 0 { 0 } else { cas::value(view, server, token).unwrap_or(cas::NEVER) };
            self.sent.extend_from_slice(b" C");
            self.sent.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        }
        Ok(())
    }

    fn command(&self) -> Command<'_> {
        Command::Meta {
            letter: self.passed.letter,
            key: &self.passed.key,
            name: &self.passed.name,
            flags: &self.sent,
            value: self.passed.value.as_deref(),
        }
    }

    fn may_drop(&self) -> bool {
        self.passed.letter == b's'
    }

    fn judge(&mut self, view: &View, server: Source, overtaken: bool, reply: &Reply<'_>) -> Verdict<'a> {
        let Reply::Meta { line, data } = *reply else { return Verdict::Refused };
        let done = matches!(line.get(..2), Some(b"HD" | b"VA"));
        if !done && overtaken {
            // What did not hold, or was not there, changed nothing: under a newer view it is asked anew.
            return Verdict::Again;
        }
        self.tell(life(view, server), line, data);
        if self.deletes() && (done || (line.starts_with(b"NF") && self.passed.cas.is_none())) {
            let places = writable(view, &self.passed.key).map(|placement| placement.places);
            let alone = done && places.is_ok_and(|places| places.as_slice() == [server.server]);
            return if alone { Verdict::Absent(Outcome::Done) } else { Verdict::Deleted(Outcome::Done) };
        }
        match line.get(..2) {
            _ if done && self.passed.changes => Verdict::Changed(Outcome::Done),
            Some(b"EN" | b"NF") => Verdict::Absent(Outcome::Done),
            _ => Verdict::Unchanged(Outcome::Done),
        }
    }

    fn changes(&self) -> bool {
        self.passed.changes
    }
}
