//! What was asked of one connection and is not answered yet.
//!
//! memcached answers in order. Many classic gets in a row are joined to one `get` line, whose
//! answer names only the keys that were found: the keys between them were missed. So a line of a
//! hundred keys costs the server one command and us one short `END`, and still every question gets
//! one reply of its own.
//!
//! A miss is told only when the line that proves it was read whole and made sense: either `END`, or
//! the header of a value that was asked for later in the same line.

mod placed;

use super::compose::{Form, form, line, write};
use super::parse::{Head, Limits, Nonsense, Parsed, Progress, ends_connection, head, resume};
use super::queue::Queue;
use super::{Command, Reply, everyday};
use crate::rules::key;

pub use placed::Opened;

/// The longest `get` line, in bytes, with its end. memcached 1.6.18 takes lines of megabytes, but
/// from 2048 bytes without a line end on it leaves its fixed buffer, and takes anything but a get
/// for an attack; what else speaks the protocol has limits of its own. A further line costs 11
/// bytes, both ways together.
const LONGEST_LINE: usize = 2048;

/// One question of a connection.
#[derive(Clone, Copy, Debug)]
struct Asked<T> {
    question: T,
    /// How its key was sent.
    form: Form,
    /// The next question stands in the same `get` line.
    joined: bool,
}

/// The questions of one connection, oldest first. `T` names a question to whoever asked it.
#[derive(Clone, Debug)]
pub struct Pending<T> {
    questions: Queue<Asked<T>>,
    /// Length so far of the `get` line that further keys can join; 0: there is none.
    open: usize,
    /// How many of the oldest questions are known to be missed, and need no bytes to say so.
    missed: usize,
    progress: Progress,
    /// Why nothing more can be read from this connection.
    spoiled: Option<Nonsense>,
}

impl<T: Copy> Default for Pending<T> {
    fn default() -> Self {
        Pending {
            questions: Queue::default(),
            open: 0,
            missed: 0,
            progress: Progress::default(),
            spoiled: None,
        }
    }
}

impl<T: Copy> Pending<T> {
    /// Whether one more question can be remembered without an allocation.
    #[inline(always)]
    pub fn has_room(&self) -> bool {
        self.questions.has_room()
    }

    /// Makes room for `command`, with so many bytes of a value, so that [`Pending::ask`] allocates nothing. False: there is
    /// no memory for it.
    #[inline]
    pub fn make_room(&mut self, command: &Command<'_>, value: usize, out: &mut Vec<u8>) -> bool {
        let room = command.room(value);
        let has_room = out.capacity() - out.len() >= room;
        // Twice as much as there was, for the next ones; or what is needed, where there is no more.
        (has_room || out.try_reserve(room).or_else(|_| out.try_reserve_exact(room)).is_ok())
            && self.questions.make_room()
    }

    /// Appends `command`'s bytes to `out` and remembers that `question` awaits its answer. A
    /// classic get that follows another one in the same unsent buffer is joined to its line: call
    /// [`Pending::close`] before the bytes are sent. False: the command, or its key, needs meta
    /// commands and the server has none; nothing was written or remembered.
    #[inline(always)]
    pub fn ask(&mut self, question: T, command: &Command<'_>, meta: bool, out: &mut Vec<u8>) -> bool {
        self.ask_beside(question, command, meta, usize::MAX, out).is_some()
    }

    /// As [`Pending::ask`], but leaves a value of `large` bytes or more out of `out`: the sender has it beside. `None`:
    /// nothing was written or remembered. Otherwise where in `out` such a value belongs, `out`'s own length if there is none.
    #[inline(always)]
    pub fn ask_beside(
        &mut self,
        question: T,
        command: &Command<'_>,
        meta: bool,
        large: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        match *command {
            Command::Get { key, meta: wanted } if !(wanted && meta) && key::is_plain(key) => {
                self.join(key, out);
                self.questions.push(Asked { question, form: Form::Plain, joined: false });
                Some(out.len())
            }
            _ => self.ask_alone(question, command, meta, large, out),
        }
    }

    fn ask_alone(
        &mut self,
        question: T,
        command: &Command<'_>,
        meta: bool,
        large: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let form = form(command, meta).ok()?;
        self.close(out);
        let mut place = usize::MAX;
        if command.value().is_some_and(|value| value.len() >= large) {
            line(command, meta, form, out);
            place = out.len();
            out.extend_from_slice(b"\r\n");
        } else {
            write(command, meta, form, out);
        }
        self.questions.push(Asked { question, form, joined: false });
        Some(place.min(out.len()))
    }

    /// Writes a command that goes alone, and remembers nothing of it: [`Pending::whole`] reads its answer, or
    /// [`Pending::remember`] makes up for it. False: one that goes otherwise, or not at all; nothing was written.
    /// Only while nothing is awaited.
    #[inline(always)]
    pub fn say(&self, command: &Command<'_>, meta: bool, out: &mut Vec<u8>) -> bool {
        debug_assert!(self.is_empty(), "the everyday question is asked alone");
        let is_plain = form(command, meta) == Ok(Form::Plain);
        if is_plain {
            write(command, meta, Form::Plain, out);
        }
        is_plain
    }

    /// The answer to what was said, if it is whole and of those that nearly always come, and how many bytes it took.
    #[inline(always)]
    pub fn whole<'b>(
        &self,
        command: &Command<'_>,
        meta: bool,
        bytes: &'b [u8],
        limits: &Limits,
    ) -> Option<(Reply<'b>, usize)> {
        everyday::answer(command, meta, bytes, limits)
    }

    /// What was said awaits its answer as any question does.
    pub fn remember(&mut self, question: T) {
        self.questions.push(Asked { question, form: Form::Plain, joined: false });
    }

    /// Writes the key of a classic get: into the open line, or into a new one that stays open.
    #[inline(always)]
    fn join(&mut self, key: &[u8], out: &mut Vec<u8>) {
        match self.questions.back_mut() {
            Some(last) if self.open > 0 && self.open + 1 + key.len() + 2 <= LONGEST_LINE => {
                last.joined = true;
                out.push(b' ');
                self.open += 1 + key.len();
            }
            _ => {
                self.close(out);
                out.extend_from_slice(b"get ");
                self.open = 4 + key.len();
            }
        }
        out.extend_from_slice(key);
    }

    /// Ends an open `get` line: what is in `out` can be sent.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if self.open > 0 {
            out.extend_from_slice(b"\r\n");
            self.open = 0;
        }
    }

    /// As [`Pending::next`], if it is one that nearly always comes, and whole. `None`: it is not, and [`Pending::next`] has to
    /// look.
    #[inline(always)]
    pub fn next_everyday<'b, 'c>(
        &mut self,
        bytes: &'b [u8],
        meta: bool,
        limits: &Limits,
        command: impl Fn(T) -> Command<'c>,
    ) -> Option<(T, Reply<'b>, usize)> {
        let &Asked { question, form: Form::Plain, joined } = self.questions.front()? else { return None };
        if self.missed > 0 || self.spoiled.is_some() {
            return None;
        }
        let (reply, taken) = match joined {
            true => everyday::value_in_line(command(question).key(), bytes, limits)?,
            false => everyday::answer(&command(question), meta, bytes, limits)?,
        };
        self.questions.pop();
        self.progress = Progress::default();
        Some((question, reply, taken))
    }

    /// Reads the next answer from the start of `bytes`, which are those that came and were not
    /// taken yet: what was there the last time, and more. `command` tells what a question asked.
    /// `None`: it is not whole yet. Otherwise the question, its reply, and how many bytes it took,
    /// which may be none (a missed key of a joined line). The key in an answer must be the one
    /// that was asked for. Bytes when nothing was asked are nonsense.
    ///
    /// Call it until it gives `None` or an error: behind a refused store whose value the server
    /// takes for commands (see [`ends_connection`]) it gives an error without any further bytes.
    /// After an error it gives that error again, until [`Pending::drain`].
    #[inline]
    pub fn next<'b, 'c>(
        &mut self,
        bytes: &'b [u8],
        meta: bool,
        limits: &Limits,
        command: impl Fn(T) -> Command<'c>,
    ) -> Result<Option<(T, Reply<'b>, usize)>, Nonsense> {
        if let Some(nonsense) = self.spoiled {
            return Err(nonsense);
        }
        let Some(&Asked { question, form, joined }) = self.questions.front() else {
            if bytes.is_empty() {
                return Ok(None);
            }
            return Err(self.spoil("bytes that nobody asked for"));
        };
        let asked = command(question);
        let parsed = if self.missed > 0 {
            self.missed -= 1;
            Ok(Some((Reply::Miss, 0)))
        } else if joined {
            self.in_line(asked.key(), bytes, limits, command)
        } else {
            resume(&mut self.progress, &asked, (form, meta), bytes, limits)
        };
        let (reply, taken) = match parsed {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ok(None),
            Err(Nonsense(why)) => return Err(self.spoil(why)),
        };
        self.questions.pop();
        self.progress = Progress::default();
        if ends_connection(&asked, &reply) {
            self.spoil("a store whose line the server refused: it reads the value as commands");
        }
        Ok(Some((question, reply, taken)))
    }

    /// The reply to a question of a joined line that is not its last. `END` and refusals are about
    /// all the rest of the line: they stay where they are until its last question takes them.
    fn in_line<'b, 'c>(
        &mut self,
        key: &[u8],
        bytes: &'b [u8],
        limits: &Limits,
        command: impl Fn(T) -> Command<'c>,
    ) -> Parsed<'b> {
        match head(bytes, false, limits)? {
            None => Ok(None),
            Some(Head::End(_)) => Ok(Some((Reply::Miss, 0))),
            Some(Head::Refused(text, _)) => Ok(Some((Reply::Refused(text), 0))),
            Some(Head::Value(header)) if header.key == key => {
                Ok(header.value(bytes)?.map(|(value, taken)| (Reply::Value(value), taken)))
            }
            Some(Head::Value(header)) => {
                self.missed = self.missed_before(header.key, command)?;
                Ok(Some((Reply::Miss, 0)))
            }
        }
    }

    /// How many questions behind the oldest stand before the one that asked for `key`, in the
    /// oldest's line. Counted once for a run of missed keys, so that a line costs linear time.
    fn missed_before<'c>(&self, key: &[u8], command: impl Fn(T) -> Command<'c>) -> Result<usize, Nonsense> {
        for (index, asked) in self.questions.iter().enumerate().skip(1) {
            if command(asked.question).key() == key {
                return Ok(index - 1);
            }
            if !asked.joined {
                break;
            }
        }
        Err(Nonsense("a value under a key that its line did not ask for"))
    }

    fn spoil(&mut self, why: &'static str) -> Nonsense {
        self.spoiled = Some(Nonsense(why));
        Nonsense(why)
    }

    /// Whether nothing is awaited and the connection is still good for further questions.
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty() && self.spoiled.is_none()
    }

    /// What awaits an answer, oldest first.
    pub fn questions(&self) -> impl Iterator<Item = T> + '_ {
        self.questions.iter().map(|asked| asked.question)
    }

    /// What awaits the answer after the next.
    pub fn second(&self) -> Option<T> {
        self.questions.iter().nth(1).map(|asked| asked.question)
    }

    /// Takes out every question that awaits an answer, oldest first: the connection is gone. What
    /// is left is as new, and keeps its memory.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.open = 0;
        self.missed = 0;
        self.progress = Progress::default();
        self.spoiled = None;
        self.questions.drain().map(|asked| asked.question)
    }
}

#[cfg(test)]
mod tests;
