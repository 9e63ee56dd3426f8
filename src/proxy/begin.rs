//! What is begun for each request: its calls, and the places of their answers.

use std::sync::{Arc, Mutex};

use super::call::{Call, Form, Gather, One, Parts, Style, Supplies, Work};
use super::counters::{self, Counters};
use super::everyone::Made;
use super::meta::{Flags, Wrong};
use super::request::{BAD_LINE, ERROR, Limits, Meta, Parsed, Request, SHORT_LINE, TOO_LARGE, Words, parse};
use super::session::{Place, Session, Unbegun};
use super::statistics::Group;
use crate::client::crowd::{About, Crowd};
use crate::rules::bytes::Bytes;
use crate::rules::key::{MAX_BINARY_KEY_LEN, MAX_KEY_LEN, is_plain};
use crate::rules::operation::{
    Broadcast, Conditional, Counter, Everywhere, GetAndTouch, Pass, Passed, Read, Spread, Write,
};
use crate::rules::wire::Verb;

/// Whose requests are begun, and with what.
pub(super) struct Begin<'a> {
    pub(super) owner: u32,
    pub(super) session: &'a mut Session,
    pub(super) crowd: &'a mut Crowd<Call>,
    pub(super) supplies: &'a mut Supplies,
    pub(super) limits: &'a Limits,
    pub(super) counters: &'a Counters,
    /// The most bytes that the session may have under way.
    pub(super) most: usize,
    /// All clients together have too much under way.
    pub(super) full: bool,
}

/// Whether a server can be asked for it, if need be in base64.
fn is_sendable(key: &[u8]) -> bool {
    is_plain(key) || key.len() <= MAX_BINARY_KEY_LEN
}

/// There is no memory for a value, in memcached's words.
const STORING: &[u8] = b"SERVER_ERROR out of memory storing object";
/// There is none for a line that has no end yet.
const READING: &[u8] = b"SERVER_ERROR out of memory reading request";
/// There is no memory for what is found, in memcached's words.
const NO_MEMORY: &[u8] = b"SERVER_ERROR out of memory writing get response";

/// The value stands last in a call's block.
fn value_of(parts: &Parts, len: usize) -> Bytes<'static> {
    let start = parts.flags.end;
    Bytes::of(&parts.block, start..start + len)
}

/// What is asked of all servers at once.
pub(super) type Gathered = Arc<Mutex<Vec<(u16, Vec<u8>)>>>;

/// What is to be done beside.
pub(super) enum Next {
    /// Nothing.
    Go,
    /// This one waits until everything before it is over, and is begun then.
    Wait,
    /// Nothing behind it is begun until it is over.
    Barrier,
    /// Nothing behind it is begun until it is over; then its answer is made of what was gathered.
    Gather(u32, Gathered, Made),
    /// `stats proxy`.
    Report,
    /// The connection is closed when everything before is answered.
    Leave,
}

impl Begin<'_> {
    pub(super) fn request(&mut self, request: &Request<'_>) -> Next {
        if self.full
            && let Some(next) = self.out_of_memory(request)
        {
            return next;
        }
        match *request {
            Request::Get { keys, cas, touch } => self.get(keys.trimmed(), cas, touch),
            Request::Store { verb, key, flags, exptime, value, noreply } => {
                let parts = self.parts(key, key, b"", value);
                let value = value_of(&parts, value.len());
                let work = match verb {
                    Verb::Set => Work::Write(Write::new(parts.key(), flags, exptime, value)),
                    verb => Work::Conditional(
                        Conditional::new(verb, parts.key(), flags, exptime, value).comparing(),
                    ),
                };
                self.one(counters::STORE, noreply, Style::Classic, parts, work);
                Next::Go
            }
            Request::Delete { key, noreply } => {
                let parts = self.parts(key, key, b"", b"");
                let work = Work::Spread(Spread::delete(parts.key()));
                self.one(counters::DELETE, noreply, Style::Classic, parts, work);
                Next::Go
            }
            Request::Touch { key, exptime, noreply } => {
                let parts = self.parts(key, key, b"", b"");
                let work = Work::Spread(Spread::touch(parts.key(), exptime));
                self.one(counters::TOUCH, noreply, Style::Classic, parts, work);
                Next::Go
            }
            Request::Arithmetic { direction, key, delta, noreply } => {
                let parts = self.parts(key, key, b"", b"");
                let work = Work::Counter(Counter::new(direction, parts.key(), delta));
                self.one(counters::COUNT, noreply, Style::Classic, parts, work);
                Next::Go
            }
            Request::Meta(meta) => self.meta(&meta),
            Request::TooLarge { key, flags, skip, noreply } => {
                self.session.skip = skip;
                self.not_stored(TOO_LARGE, key, flags, noreply)
            }
            Request::Say { text, noreply } => self.say(text, noreply),
            Request::Skip { text, skip } => {
                self.session.skip = skip;
                self.say(text, false)
            }
            Request::FlushAll { delay, noreply } => self.flush_all(delay, noreply),
            Request::Version => self.everywhere(Everywhere::Version, Made::First),
            Request::Stats { group } => match Group::of(group) {
                Group::General => self.everywhere(Everywhere::Stats { group: b"" }, Made::Sum),
                Group::Reset => self.everywhere(Everywhere::Stats { group: b"reset" }, Made::Reset),
                Group::Proxy => Next::Report,
                Group::Say(text) => self.say(text, false),
            },
            Request::Quit => Next::Leave,
            Request::Close { text } => {
                self.session.say(text, false);
                Next::Leave
            }
        }
    }

    fn say(&mut self, text: &[u8], noreply: bool) -> Next {
        if !noreply && ![&b"OK"[..], b"MN", b"END"].contains(&text) {
            self.counters.refused();
        }
        self.session.say(text, noreply);
        Next::Go
    }

    fn parts(&mut self, name: &[u8], key: &[u8], flags: &[u8], value: &[u8]) -> Parts {
        let coded = name != key;
        let block = self.supplies.block(&[name, if coded { key } else { b"" }, flags, value]);
        let name = 0..name.len();
        let key = if coded { name.end..name.end + key.len() } else { name.clone() };
        let flags = key.end..key.end + flags.len();
        Parts { block, name, key, flags }
    }

    /// Begins a call with an answer of its own.
    fn one(&mut self, command: u8, silent: bool, style: Style, parts: Parts, work: Work) -> u32 {
        self.put(command, silent, Place::Alone, style, parts, work)
    }

    fn put(
        &mut self,
        command: u8,
        silent: bool,
        place: Place,
        style: Style,
        parts: Parts,
        work: Work,
    ) -> u32 {
        let held = parts.block.len() - parts.flags.end;
        let number = self.session.expect(silent, place, command, held, self.crowd.now());
        let about = About { owner: self.owner, life: self.session.life, number };
        self.counters.begun(command);
        self.crowd.begin(Call { about, style, parts, work });
        number
    }

    /// A get of any kind. One bad key, and nothing of it is answered.
    fn get(&mut self, keys: Words<'_>, cas: bool, touch: Option<i64>) -> Next {
        if { keys }.any(|key| key.len() > self.limits.key) {
            return self.say(BAD_LINE, false);
        }
        if keys.rest().is_empty() {
            return self.say(b"END", false);
        }
        let left = self.keys(keys, cas, touch);
        if !left.is_empty() {
            self.session.unbegun = Some(Unbegun { keys: left.to_vec(), at: 0, cas, touch });
        }
        Next::Go
    }

    /// Goes on with a get.
    pub(super) fn go_on(&mut self, mut unbegun: Unbegun) -> Next {
        if self.full {
            self.counters.refused();
            self.session.break_off(NO_MEMORY);
            return Next::Go;
        }
        let left = self.keys(Words::of(&unbegun.keys[unbegun.at..]), unbegun.cas, unbegun.touch).len();
        if left > 0 {
            unbegun.at = unbegun.keys.len() - left;
            self.session.unbegun = Some(unbegun);
        }
        Next::Go
    }

    /// Begins keys of a get as long as there is room: each can cost as much as a request. The keys that are left.
    fn keys<'b>(&mut self, mut keys: Words<'b>, cas: bool, touch: Option<i64>) -> &'b [u8] {
        while !self.session.is_full(self.most)
            && self.crowd.has_room()
            && let Some(key) = keys.next()
        {
            let place = if keys.rest().is_empty() { Place::Last } else { Place::Within };
            match touch {
                None => self.read(key, place, cas),
                Some(exptime) if cas => self.read_and_touch_with_cas(key, place, exptime),
                Some(exptime) => self.read_and_touch(key, place, exptime),
            }
        }
        keys.rest()
    }

    fn read(&mut self, key: &[u8], place: Place, cas: bool) {
        let parts = self.parts(key, key, b"", b"");
        let one = One { parts: parts.clone(), form: Form::Classic { cas }, text: self.supplies.text() };
        let work = Work::Read(Read::of(one, cas).showing_stubs());
        self.put(counters::GET, false, place, Style::Classic, parts, work);
    }

    fn read_and_touch(&mut self, key: &[u8], place: Place, exptime: i64) {
        let parts = self.parts(key, key, b"", b"");
        let form = Form::Classic { cas: false };
        let one = One { parts: parts.clone(), form, text: self.supplies.text() };
        let work = Work::GetAndTouch(Box::new(GetAndTouch::into(parts.key(), exptime, one).showing_stubs()));
        self.put(counters::TOUCH, false, place, Style::Classic, parts, work);
    }

    fn read_and_touch_with_cas(&mut self, key: &[u8], place: Place, exptime: i64) {
        let mut buffer = itoa::Buffer::new();
        let flags = [b"v f c T", buffer.format(exptime.clamp(-1, i64::from(i32::MAX))).as_bytes()].concat();
        let parts = self.parts(key, key, &flags, b"");
        let passed = Passed {
            letter: b'g',
            key: parts.key(),
            name: parts.key(),
            flags: Bytes::of(&parts.block, parts.flags.clone()),
            cas: None,
            value: None,
            changes: true,
        };
        let work = Work::Pass(Box::new(Pass::new(passed)));
        let style = Style::Gats { shows_stubs: !self.crowd.pool().options.backups };
        self.put(counters::TOUCH, false, place, style, parts, work);
    }

    /// A value is not stored, and `text` says why. What is under the key goes, as memcached has it: a store that failed must
    /// not leave the old value. `name`: as the client wrote it; empty: nothing goes. `flags`: those of `ms`.
    fn not_stored(&mut self, text: &'static [u8], name: &[u8], flags: &[u8], noreply: bool) -> Next {
        self.counters.refused();
        let mut raw = [0; MAX_KEY_LEN];
        let flags = Flags::read(b's', name, flags).unwrap_or_default();
        let key = flags.key(name, &mut raw).filter(|key| is_sendable(key)).unwrap_or_default();
        if key.is_empty() {
            self.session.say(text, noreply);
            return Next::Go;
        }
        let parts = self.parts(name, key, b"", b"");
        let work = Work::Spread(Spread::delete(parts.key()));
        self.one(counters::DELETE, noreply, Style::Fixed(text), parts, work);
        Next::Go
    }

    /// These bytes are no whole request yet. Where there is no memory for what is whole, there is none for it either: it is not
    /// kept until it is. What to do beside, and how many of the bytes were taken; `None`: the rest is waited for.
    pub(super) fn unfinished(&mut self, bytes: &[u8]) -> Option<(Next, usize)> {
        if !self.full {
            return None;
        }
        // A value, as if it were too large.
        match parse(bytes, &Limits { value: 0, ..*self.limits }) {
            Parsed::Whole(Request::TooLarge { key, flags, skip, noreply }, count) => {
                self.session.skip = skip;
                Some((self.not_stored(STORING, key, flags, noreply), count))
            }
            // As memcached does: where such a line ends nobody knows.
            Parsed::More(_) if bytes.len() > SHORT_LINE => {
                self.counters.refused();
                self.session.say(READING, false);
                Some((Next::Leave, bytes.len()))
            }
            _ => None,
        }
    }

    /// What is said to a request that would cost memory, when there is none left, in memcached's words.
    fn out_of_memory(&mut self, request: &Request<'_>) -> Option<Next> {
        match *request {
            Request::Store { verb: Verb::Set, key, noreply, .. } => {
                Some(self.not_stored(STORING, key, b"", noreply))
            }
            Request::Store { noreply, .. } => Some(self.say(STORING, noreply)),
            Request::Meta(Meta { letter: b's', key, flags, .. }) => {
                let stores_anyway = Flags::read(b's', key, flags).is_ok_and(|flags| flags.stores_anyway());
                Some(self.not_stored(STORING, if stores_anyway { key } else { b"" }, flags, false))
            }
            Request::Get { .. } | Request::Meta(Meta { letter: b'g', .. }) => {
                Some(self.say(NO_MEMORY, false))
            }
            _ => None,
        }
    }

    fn flush_all(&mut self, delay: i64, noreply: bool) -> Next {
        if !self.session.is_quiet() {
            return Next::Wait;
        }
        let delay = u32::try_from(delay.clamp(0, i64::from(i32::MAX))).unwrap_or(0);
        let parts = self.parts(b"", b"", b"", b"");
        let sink: Gather = Box::new(|_, _| {});
        let work = Broadcast::into(Everywhere::FlushAll { delay }, None, sink);
        self.one(counters::OTHER, noreply, Style::Classic, parts, Work::Broadcast(Box::new(work)));
        Next::Barrier
    }

    /// A question to every server. What they say is gathered by the server's number.
    fn everywhere(&mut self, what: Everywhere<'static>, made: Made) -> Next {
        if !self.session.is_quiet() {
            return Next::Wait;
        }
        let gathered = Gathered::default();
        let into = Arc::clone(&gathered);
        let sink: Gather = Box::new(move |server, text| {
            if let (Ok(text), Ok(mut all)) = (text, into.lock()) {
                all.push((server.0, text.to_vec()));
            }
        });
        let parts = self.parts(b"", b"", b"", b"");
        let work = Work::Broadcast(Box::new(Broadcast::into(what, None, sink)));
        let number = self.one(counters::OTHER, false, Style::Gathered, parts, work);
        Next::Gather(number, gathered, made)
    }

    fn meta(&mut self, meta: &Meta<'_>) -> Next {
        let Meta { letter, key: name, flags: text, value } = *meta;
        if name.len() > self.limits.key {
            return self.say(BAD_LINE, false);
        }
        if letter == b'e' {
            return self.debug(name, text);
        }
        let flags = match Flags::read(letter, name, text) {
            Ok(flags) => flags,
            Err(Wrong(text)) => return self.say(text, false),
        };
        let mut raw = [0; MAX_KEY_LEN];
        let key = flags.key(name, &mut raw).unwrap_or_default();
        if !is_sendable(key) {
            return self.say(ERROR, false);
        }
        let command = match letter {
            b'g' => counters::GET,
            b's' => counters::STORE,
            b'd' => counters::DELETE,
            _ => counters::COUNT,
        };
        let style = Style::Meta { letter, quiet: flags.quiet, value: flags.value };
        if flags.special || (letter == b's' && flags.mixes()) || (letter == b'g' && flags.changes) {
            return self.pass(command, style, name, key, &flags, (letter == b's').then_some(value));
        }
        let parts = self.parts(name, key, text, value);
        let work = match letter {
            b'g' => {
                let one = One { parts: parts.clone(), form: Form::Meta, text: self.supplies.text() };
                Work::Read(Read::of(one, true).showing_stubs())
            }
            b's' => {
                let value = value_of(&parts, value.len());
                let (client_flags, exptime) = (flags.client_flags, flags.exptime.unwrap_or(0));
                match flags.verb() {
                    Verb::Set => Work::Write(Write::new(parts.key(), client_flags, exptime, value)),
                    verb => Work::Conditional(
                        Conditional::new(verb, parts.key(), client_flags, exptime, value).comparing(),
                    ),
                }
            }
            b'd' => Work::Spread(Spread::delete(parts.key())),
            _ => Work::Counter(Counter::new(flags.direction(), parts.key(), flags.delta)),
        };
        self.one(command, false, style, parts, work);
        Next::Go
    }

    /// What only the server that decides can answer.
    fn pass(
        &mut self,
        command: u8,
        style: Style,
        name: &[u8],
        key: &[u8],
        flags: &Flags<'_>,
        value: Option<&[u8]>,
    ) -> Next {
        let mut text = self.supplies.text();
        flags.passed_on(&mut text);
        let parts = self.parts(name, key, &text, value.unwrap_or_default());
        self.supplies.take_text(text);
        let Style::Meta { letter, .. } = style else { return Next::Go };
        let passed = Passed {
            letter,
            key: parts.key(),
            name: Bytes::of(&parts.block, parts.name.clone()),
            flags: Bytes::of(&parts.block, parts.flags.clone()),
            cas: flags.cas,
            value: value.map(|value| value_of(&parts, value.len())),
            changes: letter != b'g' || flags.changes,
        };
        self.one(command, false, style, parts, Work::Pass(Box::new(Pass::new(passed))));
        Next::Go
    }

    fn debug(&mut self, name: &[u8], text: &[u8]) -> Next {
        let coded = Words::of(text).any(|word| word == b"b");
        let flags = if coded { Flags::read(b'e', name, b"b") } else { Ok(Flags::default()) };
        let Ok(flags) = flags else { return self.say(BAD_LINE, false) };
        let style = Style::Meta { letter: b'e', quiet: false, value: false };
        let mut raw = [0; MAX_KEY_LEN];
        let key = flags.key(name, &mut raw).unwrap_or_default();
        self.pass(counters::GET, style, name, key, &flags, None)
    }
}
