//! `wait --steady`: until the table calls every server steady that is to be used, and each is the process that the table means.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::Order;
use crate::rules::view::State;
use crate::table::identity;

use super::known::{Known, Seen, Table, word};
use super::report::attendance;
use super::text::span;
use super::{Answer, Ending, Said, ask, remark, sweep};

/// From one look to the next. A look is one load while nothing changed.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a server is given at least to say which life of its process this is.
const PATIENCE: Duration = Duration::from_secs(1);

/// For so long nothing is said of what is waited for.
const SILENT: Duration = Duration::from_secs(5);

/// The pool file is read anew after so many looks: what is ordered can change while we wait.
const LOOKS: u32 = 25;

/// Waits until all are steady.
pub fn command(path: &Path, timeout: Option<Duration>) -> Said {
    let missing = |known: &Known| {
        let mut missing = missing(known);
        if missing.is_empty() {
            missing = strangers(known);
        }
        let sweep = known.seen().and_then(|seen| seen.snapshot.sweep).filter(|_| !missing.is_empty());
        missing.extend(sweep.as_ref().map(sweep::under_way));
        missing
    };
    let known = until(path, timeout, missing)?;
    Ok(Answer::done(all_are_steady(&known) + "\n"))
}

/// Looks again and again until nothing is `missing`, and returns what is known then.
///
/// # Errors
/// The answer of a command that waited in vain: no daemon is there, or the time is up; it names what is missing.
pub(super) fn until(
    path: &Path,
    timeout: Option<Duration>,
    mut missing: impl FnMut(&Known) -> Vec<String>,
) -> Result<Known, Answer> {
    // A time that has no end on this machine's clock is none.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let (mut said, mut say_at) = (Vec::new(), Instant::now() + SILENT);
    loop {
        let mut known = Known::read(path)?;
        if !known.seen().is_some_and(Seen::has_daemon) {
            let text = attendance(&known);
            return Err(Answer { ending: Ending::NoDaemon, ..Answer::wrong(text) });
        }
        for _ in 0..LOOKS {
            let missing = missing(&known);
            if missing.is_empty() {
                return Ok(known);
            }
            if missing != said && Instant::now() >= say_at {
                remark(&format!("waiting: {}", missing.join(", ")));
                (said, say_at) = (missing.clone(), Instant::now() + SILENT);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let text = format!("not yet: {}", missing.join(", "));
                let mut answer = Answer { ending: Ending::TimeIsUp, ..Answer::wrong(text) };
                answer.notes.extend(unswept(&known));
                return Err(answer);
            }
            std::thread::sleep(PAUSE);
            let Table::Read(seen) = &mut known.table else { break };
            if seen.look().is_err() || !seen.has_daemon() {
                break;
            }
        }
    }
}

/// That all servers are steady that are to be used.
pub(super) fn all_are_steady(known: &Known) -> String {
    match known.file.orders.iter().filter(|&&order| order == Order::Up).count() {
        1 => "the server is steady".to_owned(),
        servers => format!("all {servers} servers are steady"),
    }
}

/// What is not as it should be yet.
pub(super) fn missing(known: &Known) -> Vec<String> {
    if known.attended().is_none() {
        return vec!["the daemon has only begun".to_owned()];
    }
    if !known.lists_agree() {
        return vec!["the table has other servers than the pool file".to_owned()];
    }
    if known.seen().is_some_and(|seen| seen.snapshot.previous.is_some()) {
        return vec![
            "a changed list of servers is being swept, and values have one copy until it is".to_owned(),
        ];
    }
    let servers = known.file.pool.servers().iter().zip(&known.file.orders);
    servers
        .filter(|(_, order)| **order == Order::Up)
        .filter_map(|(server, _)| {
            let state = known.seen()?.entry(&server.name)?.state;
            (state != State::Steady).then(|| format!("{} is {}", server.name, word(state)))
        })
        .collect()
}

/// Servers that are steady by the table and not the processes that it names: who restarts one and then waits must not be
/// told of the time before.
fn strangers(known: &Known) -> Vec<String> {
    let Some(seen) = known.seen() else { return Vec::new() };
    let pool = &known.file.pool;
    // A pool's own time limit may be shorter than what a busy server takes for its statistics.
    let answers = ask::all(pool, pool.options.timeout.max(PATIENCE));
    let asked = pool.servers().iter().zip(&known.file.orders).zip(answers);
    asked
        .filter(|((_, order), _)| **order == Order::Up)
        .filter_map(|((server, _), answer)| {
            let told = seen.entry(&server.name)?.incarnation?;
            match answer.map(|figures| figures.life) {
                Ok(Some(life)) if told.same_as(life) => None,
                Ok(_) => Some(format!("{} was restarted, and the daemon has yet to see that", server.name)),
                Err(why) => Some(format!(
                    "{} does not answer, and the daemon has yet to see that: {why}",
                    server.name
                )),
            }
        })
        .collect()
}

/// Why a returned server is not steady soon, where that is so, and what can be done.
fn unswept(known: &Known) -> Option<String> {
    let snapshot = &known.seen()?.snapshot;
    let returned = snapshot.current.servers.iter().filter(|entry| entry.state == State::Returned);
    let since = returned.map(|entry| entry.since.unix_millis).max().filter(|_| !snapshot.swept)?;
    let window = u64::try_from(snapshot.current.options.window.as_millis()).unwrap_or(u64::MAX);
    let left = since.saturating_add(window).saturating_sub(identity::unix_millis());
    Some(format!(
        "a returned server is in use, and nothing has to be done: as nobody sweeps this pool, it is called steady when \
         the pool's window is over, in {}; wait for so long (--timeout); a shorter `window` in the pool file makes \
         it less, and is long enough if no value that is still needed was stored longer ago",
        span(left)
    ))
}
