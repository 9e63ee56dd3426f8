//! `wait --steady`: until the table calls every server steady that is to be used.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::Order;
use crate::rules::view::State;
use crate::table::identity;

use super::known::{Known, Seen, Table, word};
use super::report::attendance;
use super::{Answer, Ending, Said};

/// From one look to the next. A look is one load while nothing changed.
const PAUSE: Duration = Duration::from_millis(20);

/// The pool file is read anew after so many looks: what is ordered can change while we wait.
const LOOKS: u32 = 25;

/// Waits.
pub fn command(path: &Path, timeout: Option<Duration>) -> Said {
    // A time that has no end on this machine's clock is none.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let mut known = Known::read(path)?;
        if !known.seen().is_some_and(Seen::has_daemon) {
            let text = attendance(&known);
            return Ok(Answer { ending: Ending::NoDaemon, ..Answer::wrong(text) });
        }
        for _ in 0..LOOKS {
            let missing = missing(&known);
            if missing.is_empty() {
                let servers = known.file.orders.iter().filter(|&&order| order == Order::Up).count();
                let all = if servers == 1 {
                    "the server is".to_owned()
                } else {
                    format!("all {servers} servers are")
                };
                return Ok(Answer::done(format!("{all} steady\n")));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let text = format!("not yet: {}", missing.join(", "));
                let mut answer = Answer { ending: Ending::TimeIsUp, ..Answer::wrong(text) };
                answer.notes.extend(unswept(&known));
                return Ok(answer);
            }
            std::thread::sleep(PAUSE);
            let Table::Read(seen) = &mut known.table else { break };
            if seen.look().is_err() || !seen.has_daemon() {
                break;
            }
        }
    }
}

/// What is not as it should be yet.
fn missing(known: &Known) -> Vec<String> {
    if known.attended().is_none() {
        return vec!["the daemon has only begun".to_owned()];
    }
    if !known.lists_agree() {
        return vec!["the table has other servers than the pool file".to_owned()];
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

/// Why a returned server is not steady soon, where that is so, and what can be done.
fn unswept(known: &Known) -> Option<String> {
    let snapshot = &known.seen()?.snapshot;
    let returned = snapshot.current.servers.iter().filter(|entry| entry.state == State::Returned);
    let since = returned.map(|entry| entry.since).max().filter(|_| !snapshot.swept)?;
    let window = u64::try_from(snapshot.current.options.window.as_millis()).unwrap_or(u64::MAX);
    let left = since.saturating_add(window).saturating_sub(identity::unix_millis());
    Some(format!(
        "a returned server is in use, and nothing has to be done: as nobody sweeps this pool, it is called steady when \
         the pool's window is over, in {}; wait for so long (--timeout); a shorter `window` in the pool file makes \
         it less, and is long enough if no value that is still needed was stored longer ago",
        span(left)
    ))
}

/// A time in whole units, rounded up.
fn span(millis: u64) -> String {
    let seconds = millis.div_ceil(1_000);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3_600)),
    }
}
