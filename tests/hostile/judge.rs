//! What is demanded of a cell: of what was said, of what the next calls say, of what is there afterwards.

use std::result::Result;

use crate::behaviours::FLOOD;
use crate::cell::{Asked, Cell, Role, filled};
use crate::front::{Flood, Stage};
use crate::operations::{Case, Door, Effect, Span};
use crate::outcomes::{Said, What};
use crate::support::wait;

/// Why a cell is not as it must be.
pub enum Fault {
    /// It never may be: a value that nobody stored, what is no answer, a process that ended.
    Wrong(String),
    /// It may be, once, while an honest server is slow: it has to be tried again.
    Odd(String),
    /// An honest server could not be asked before anything was tried: nothing came of it that could be excused.
    Before,
}

impl Fault {
    pub fn disturbed(why: &str) -> Fault {
        Fault::Odd(why.to_owned())
    }
}

/// What a memcached of the tests may use for items: `-m 64`.
const MEMORY: u64 = 64 << 20;

impl Cell<'_> {
    /// How much memory a call may take, or all of a proxy.
    pub fn bound(&self) -> usize {
        bound(self.behaviour.flood, self.operation.is_large(), self.operation.door)
    }

    pub fn judge(
        &mut self,
        asked: &mut Asked,
        case: &Case,
        said: &[Said],
        second: &Said,
        third: Option<&Said>,
    ) -> Result<(), Fault> {
        let odd = |why: &str, said: &Said| Err(Fault::Odd(format!("{why}: {said:?}")));
        let other = filled("other ", 30);
        // What is never excused comes first.
        for (said, known) in said.iter().map(|said| (said, self.before(&said.key))) {
            self.was_stored(said, known.as_deref())?;
        }
        for said in std::iter::once(second).chain(third) {
            self.was_stored(said, Some(&other))?;
        }
        for said in said {
            if !self.may_say(said, self.operation.says, self.operation.takes_token() && case.token == 0) {
                return odd("it said", said);
            }
        }
        let flushed = self.operation.is_flush();
        let flushed_all = flushed && self.operation.span == Span::Everything;
        let done = said[0].what == What::Done;
        let gone = flushed && matches!(second.what, What::Miss | What::Failed);
        if !gone && !self.may_say(second, What::Hit, false) {
            return odd("the next call said", second);
        }
        let all_gone = flushed && self.behaviour.honest && (flushed_all || self.role == Role::Alone);
        if all_gone && second.what != What::Miss {
            return odd("the next call after a flush said", second);
        }
        // Where nothing is wrong, all is as always. (A flush that failed may have flushed.)
        let right = |what| match what {
            What::Miss => flushed_all,
            What::Hit => !(flushed_all && done),
            _ => false,
        };
        if let Some(third) = third.filter(|third| !right(third.what)) {
            return odd("of an honest server the call after it said", third);
        }
        for said in said {
            self.is_as_told(asked, case, said, second.what != What::Failed)?;
        }
        Ok(())
    }

    /// Nothing is told that was neither true nor said by the hostile server.
    fn was_stored(&self, said: &Said, known: Option<&[u8]>) -> Result<(), Fault> {
        let wrong = |why: &str| Err(Fault::Wrong(format!("{why}: {said:?}")));
        if matches!(said.what, What::Broken | What::NoMore) {
            return wrong("it is no answer");
        }
        // An empty value that is the server's own word for it cannot be known from another one; and who has not got
        // the turn to store a value is told an empty one.
        let nothing = said.value.is_empty()
            && !self.behaviour.honest
            && (self.behaviour.means.contains(&What::Hit) || self.operation.leases());
        if said.what == What::Hit && !nothing && Some(&said.value[..]) != known {
            return wrong("it gave what was never stored there");
        }
        Ok(())
    }

    /// Whether that may be said, where `well` is what an honest server says.
    fn may_say(&self, said: &Said, well: What, stale_token: bool) -> bool {
        if self.behaviour.honest {
            return said.what == well;
        }
        let diverted = matches!(said.what, What::Miss | What::NotFound | What::NotStored | What::Exists);
        said.what == What::Failed
            || (said.what == well && (self.behaviour.truthful || self.role != Role::Alone))
            || (said.what == well && self.behaviour.stage == Stage::Unasked)
            // Of many answers some are whole.
            || (said.what == well && self.behaviour.cuts && self.operation.span == Span::Many)
            // Of what a server said to it, whatever is no value is none, as if that had said EN.
            || (said.what == What::Miss && self.operation.name == "proxy: gats" && !self.behaviour.means.is_empty())
            // A delete that was not answered is sent again, and finds nothing.
            || (said.what == What::NotFound && self.operation.effect == Effect::Delete)
            || self.behaviour.means.contains(&said.what)
            // What a stand-in that never had it says. A token is of one server's life.
            || (diverted && self.role != Role::Alone && !self.role.has_backups())
            || (said.what == What::Exists && (self.role != Role::Alone || stale_token))
            // An add of what a stand-in has not.
            || (self.operation.says == What::Miss && said.what == What::Hit && well == What::Hit)
            || (stale_token && said.what == What::NotFound)
            // Whose turn it was the first time, and the answer was lost.
            || (self.operation.leases() && matches!(said.what, What::Hit | What::Miss))
            // Of what a stand-in has not, there is a turn to be had.
            || (self.operation.leases() && said.what == What::Done && self.role == Role::Plain)
            // What no server is asked, or none has to answer.
            || (said.what == well && matches!(self.operation.name, "proxy: version" | "server_activate"))
            || (said.what == well && (self.operation.is_silent() || self.operation.name == "proxy: stats settings"))
    }

    /// Whether what is asked of whole servers is so on each of them, by its own word.
    pub fn is_so_everywhere(&self, case: &Case, said: &[Said], seeds: &[Vec<u8>]) -> Result<(), Fault> {
        let (servers, said) = (self.role.servers(), &said[0]);
        let honest = self.behaviour.honest;
        if said.what != What::Done {
            return Ok(());
        }
        if self.operation.is_flush() {
            // It was asked as well, whatever became of its answer.
            let asked = self.behaviour.truthful && self.behaviour.stage == Stage::Answer;
            let first = usize::from(!asked);
            let last = if self.operation.span == Span::OneServer { 1 } else { servers };
            let kept = (first..last).flat_map(|server| seeds.iter().map(move |key| (server, key)));
            for (server, key) in kept {
                if self.bench.holds(server, key) {
                    return Err(Fault::Odd(format!(
                        "flushed, and server {server} has {} yet",
                        key.escape_ascii()
                    )));
                }
            }
        }
        if honest && self.operation.tells_statistics() {
            let servers = if self.operation.span == Span::OneServer { 1 } else { servers };
            let true_one = format!("{} {}", MEMORY * servers as u64, self.bench.sum("cmd_set", servers));
            if said.value != true_one.as_bytes() {
                return Err(Fault::Odd(format!("{said:?}, where the servers say {true_one}")));
            }
        }
        if honest && self.operation.name.ends_with("stats reset") && self.bench.sum("cmd_set", servers) != 0 {
            return Err(Fault::Odd(format!(
                "{said:?}, and the servers' counts of {} go on",
                case.keys.len()
            )));
        }
        Ok(())
    }

    /// Whether what is read afterwards, when all servers are honest, is what was told.
    fn is_as_told(
        &mut self,
        asked: &mut Asked,
        case: &Case,
        said: &Said,
        answered: bool,
    ) -> Result<(), Fault> {
        let found = wait::within(wait::PATIENCE, || {
            let found = self.fetch(asked, &said.key);
            (found.what != What::Failed).then_some(found)
        });
        let Some(found) = found else {
            return Err(Fault::Odd(format!("{said:?}, and afterwards no answer for {:?}", wait::PATIENCE)));
        };
        let found_value = match found.what {
            What::Hit => Some(&found.value[..]),
            What::Miss => None,
            _ => return Err(Fault::Wrong(format!("{said:?}, and afterwards {found:?}"))),
        };
        let before = self.before(&said.key);
        let (before, after) = (before.as_deref(), self.operation.effect.on(before.as_deref(), &case.value));
        let after = after.as_deref();
        let empty = self.operation.leases() && found_value == Some(b"");
        if found_value != before && found_value != after && found_value.is_some() && !empty {
            return Err(Fault::Wrong(format!("{said:?}, and afterwards what never was: {found:?}")));
        }
        let is_read = self.operation.effect == Effect::None;
        let done = is_read || (said.what == self.operation.says && !self.operation.is_silent());
        let flushed_one = self.operation.is_flush() && self.operation.span == Span::OneServer;
        let right = if flushed_one {
            // Its backup has it yet.
            found_value.is_none() || self.role != Role::Alone || !self.behaviour.honest
        } else if self.behaviour.honest {
            found_value == after || (empty && self.operation.effect == Effect::Lease)
        } else if done && self.operation.is_flush() {
            // A lie of one server is that one's.
            found_value.is_none() || !self.behaviour.truthful
        } else if done {
            // Without backups it went with its server, or with the stand-in's turn; and so did what was marked.
            // A server that nobody stands in for, and that answered what was asked next too, never went.
            let stays = self.role == Role::Alone && self.behaviour.truthful && answered && !is_read;
            let lost = !(self.role.has_backups() || stays) || self.operation.effect == Effect::Stale;
            found_value == after || empty || (found_value.is_none() && lost)
        } else {
            true
        };
        if right { Ok(()) } else { Err(Fault::Odd(format!("{said:?}, and afterwards {found:?}"))) }
    }
}

/// Far less than such a flood has bytes: code that takes in all of it is seen.
pub fn bound(flood: Flood, large: bool, door: Door) -> usize {
    // Of the operation itself: its value, the values before, and room that grows.
    let own = if large { 4 << 20 } else { 2 << 20 };
    let taken = match flood {
        // As much memory as a flood has bytes, and twice that while its room grows.
        Flood::Value => FLOOD * 3 + (8 << 20),
        Flood::Line => 0,
        Flood::Statistics => 4 << 20,
    };
    match door {
        Door::Library(_) => own + taken,
        // What a process is made of.
        Door::Proxy(_) => own + taken + (10 << 20),
    }
}
