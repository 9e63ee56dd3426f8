//! `sweep`: asks the daemon to move every copy to where it belongs, and waits for it if that is wanted.
//!
//! What is sent is a datagram, which nobody answers; what came of it is seen in the table. A sweep of a few keys can be over
//! between two looks. So "it is over" means: none is under way, every server is steady, and one was seen or would
//! have been by now.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::rules::address::Address;
use crate::rules::view::{Meta, State};
use crate::table::notice::{self, Notice};
use crate::table::{Progress, Snapshot, identity};

use super::known::{self, Known, Seen, called};
use super::progress::Sweep;
use super::report::attendance;
use super::{Answer, Ending, Said, wait};

/// A daemon shows a sweep that it was asked for within this time, unless it was over before anybody looked. (Its loop
/// takes a datagram within a heartbeat, and a daemon that is slower than the bound, 400 ms, is none.)
const BEGINS: Duration = Duration::from_secs(1);

/// Asks for a sweep of the pool, or of what belongs on one server.
pub fn command(path: &Path, server: Option<&str>, waits: bool, timeout: Option<Duration>) -> Said {
    let known = Known::read(path)?;
    let (only, what) = target(&known, server)?;
    let Some(table) = known.file.table.as_deref().filter(|_| known.seen().is_some_and(Seen::has_daemon))
    else {
        let text = format!(
            "{}; copies are moved by memcache-watchd alone: start it for this pool",
            attendance(&known)
        );
        return Err(Answer { ending: Ending::NoDaemon, ..Answer::wrong(text) });
    };
    can_be(&known, server)?;
    if !notice::send(table, &Notice::Sweep(only)) {
        let socket = notice::socket_path(table);
        return Err(Answer::wrong(format!(
            "the daemon cannot be told at {}: nobody listens there, or this user may not write to it",
            socket.display()
        )));
    }
    let asked = format!("the daemon is asked to sweep {what}");
    if !waits {
        let next = "it moves every copy there that is not where it belongs, and its log says when that is done; \
                    `memcachectl status` shows how far it is";
        return Ok(Answer::done(format!("{asked}\n{next}\n")));
    }
    let mut watched = Watched::new(Instant::now() + BEGINS);
    let known = wait::until(path, timeout, |known| watched.missing(known, Instant::now()))?;
    let mut answer = Answer::done(format!("no sweep is under way, and {}\n", wait::all_are_steady(&known)));
    answer.notes.extend(watched.last.and_then(|last| Sweep::new(&last, last.updated).refusals()));
    Ok(answer)
}

/// What is meant: the address for the daemon, and words for a person.
fn target(known: &Known, server: Option<&str>) -> Result<(Option<Address>, String), Answer> {
    let pool = &known.file.pool;
    let Some(text) = server else { return Ok((None, format!("the pool {}", pool.name))) };
    let server = pool.server(known::find(pool, text)?);
    Ok((Some(server.address.clone()), format!("what belongs on {}", called(server))))
}

/// Refuses what would come to nothing.
fn can_be(known: &Known, server: Option<&str>) -> Result<(), Answer> {
    let Some(seen) = known.seen() else { return Ok(()) };
    // A daemon that has only begun does not know its servers yet.
    if !seen.snapshot.swept && known.attended().is_some() {
        return Err(Answer::wrong(unswept(&seen.snapshot)));
    }
    let Some(text) = server else { return Ok(()) };
    let server = known.file.pool.server(known::find(&known.file.pool, text)?);
    match seen.entry(&server.name) {
        Some(entry) if entry.server.address != server.address => Err(unread(seen, &called(server))),
        None => Err(unread(seen, &called(server))),
        Some(entry) if entry.state == State::Down => Err(Answer::wrong(format!(
            "{} is down, so nothing can be moved there; it is swept when it comes back",
            called(server)
        ))),
        Some(_) => Ok(()),
    }
}

fn unread(seen: &Seen, who: &str) -> Answer {
    let why = if seen.snapshot.previous.is_some() {
        "it is followed when the change of the list before it is swept"
    } else {
        "the daemon has not read the pool file; its log says why"
    };
    Answer::wrong(format!("the table does not have {who}: {why}"))
}

/// That nobody sweeps a pool, and why.
pub(super) fn unswept(snapshot: &Snapshot) -> String {
    let without = snapshot.current.servers.iter().filter(|entry| entry.meta == Meta::No);
    let names: Vec<String> = without.map(|entry| called(&entry.server)).collect();
    match names.len() {
        0 => "nobody sweeps this pool: the daemon's log says why".to_owned(),
        1 => format!(
            "nobody sweeps this pool: {} has no meta commands; run memcached 1.6 or newer there",
            names[0]
        ),
        _ => format!(
            "nobody sweeps this pool: {} have no meta commands; run memcached 1.6 or newer there",
            names.join(", ")
        ),
    }
}

/// A sweep that was asked for, as it is seen.
struct Watched {
    /// Until then one that was not seen yet may begin.
    begins: Instant,
    /// What was seen last of one.
    last: Option<Progress>,
}

impl Watched {
    fn new(begins: Instant) -> Watched {
        Watched { begins, last: None }
    }

    /// What there is to wait for still.
    fn missing(&mut self, known: &Known, now: Instant) -> Vec<String> {
        let sweep = known.seen().and_then(|seen| seen.snapshot.sweep);
        let mut missing: Vec<String> = self.sweep(sweep, now).into_iter().collect();
        missing.extend(wait::missing(known));
        missing
    }

    fn sweep(&mut self, sweep: Option<Progress>, now: Instant) -> Option<String> {
        self.last = sweep.or(self.last);
        match sweep {
            Some(progress) => Some(under_way(&progress)),
            None if self.last.is_none() && now < self.begins => Some("the sweep has not begun".to_owned()),
            None => None,
        }
    }
}

/// That a sweep is under way, and how far it is.
pub(super) fn under_way(progress: &Progress) -> String {
    format!("a sweep is under way ({})", Sweep::new(progress, identity::unix_millis()).short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_over_when_it_was_seen_or_would_have_been() {
        let begins = Instant::now() + BEGINS;
        let before = begins - BEGINS / 2;
        let progress = Progress { began: 1, ..Progress::default() };

        let mut watched = Watched::new(begins);
        assert_eq!(watched.sweep(None, before).as_deref(), Some("the sweep has not begun"));
        assert!(
            watched
                .sweep(Some(progress), before)
                .is_some_and(|text| text.starts_with("a sweep is under way ("))
        );
        assert_eq!(watched.sweep(None, before), None, "it was seen");
        assert_eq!(watched.last, Some(progress));

        let mut watched = Watched::new(begins);
        assert!(watched.sweep(None, before).is_some());
        assert_eq!(watched.sweep(None, begins), None, "it would have been seen");
        assert!(watched.sweep(Some(progress), begins).is_some(), "a late one");
    }
}
