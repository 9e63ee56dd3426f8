//! Expiry times: what is sent for a copy, given where it goes.
//!
//! memcached takes 0 as never, up to thirty days as seconds from now, more than that as seconds
//! since 1970, and anything negative as expired.

use std::time::Duration;

use crate::rules::places::Placement;
use crate::rules::pool::ServerId;
use crate::rules::time::Instant;
use crate::rules::view::{State, View};

/// Thirty days in seconds: longer expiry times are absolute (protocol.txt of memcached).
const LONGEST_RELATIVE: i64 = 60 * 60 * 24 * 30;

/// What may be sent as the expiry time of a copy of a key on `server`, where the caller asked for
/// `exptime`: no later than the pool's `max_ttl`; and on a stand-in, where nobody sweeps, no later
/// than the window, so that nothing old is left when the walk stops looking there (rule 6). It may stop there when a window
/// from now is over, if the stand-in acts or mirrors; what is only left over there from such a time, when the window of the
/// first one is over that has returned since.
pub(super) fn on_server(view: &View, placement: &Placement, server: ServerId, exptime: i64) -> i64 {
    let options = &view.pool.options;
    let backup = view.pool.server(placement.home).backup;
    let stand_in = server != placement.home && Some(server) != backup;
    let window = (stand_in && !view.swept).then(|| {
        let at_work = placement.holders().any(|holder| holder == server);
        if at_work { options.window } else { left_of_window(view, placement, server) }
    });
    match [window, options.max_ttl].into_iter().flatten().min() {
        Some(limit) => within(view, limit, exptime),
        None => exptime,
    }
}

/// How long the first of the places but `stand_in` that have returned is returned yet, where nobody sweeps.
fn left_of_window(view: &View, placement: &Placement, stand_in: ServerId) -> Duration {
    let window = view.pool.options.window;
    let now = Instant(view.now.boot_millis.saturating_mul(1_000));
    let others = placement.places.iter().filter(|&&place| place != stand_in).map(|&place| view.server(place));
    let returned = others.filter(|server| server.state == State::Returned);
    returned.map(|server| window.saturating_sub(now.since(server.since))).min().unwrap_or(window)
}

/// As [`on_server`], on the key's home and its backup.
#[inline]
pub(super) fn of_owner(view: &View, exptime: i64) -> i64 {
    match view.pool.options.max_ttl {
        None => exptime,
        Some(limit) => within(view, limit, exptime),
    }
}

fn within(view: &View, limit: Duration, exptime: i64) -> i64 {
    no_later(view, exptime, i64::try_from(limit.as_secs()).unwrap_or(i64::MAX).max(1))
}

/// Appends the flags of a meta command of a client's own for `server`, with the expiry times in them as [`on_server`] has
/// them: `T`, the time of what is stored or found, and `N`, that of what is made when nothing is there. An `ms` without `T`
/// stores for ever. `letter`: the second one of its name.
pub(super) fn in_flags(
    view: &View,
    placement: &Placement,
    server: ServerId,
    (letter, flags): (u8, &[u8]),
    out: &mut Vec<u8>,
) {
    let words = || flags.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let capped = |exptime| on_server(view, placement, server, exptime);
    let time = |out: &mut Vec<u8>, letter: u8, exptime: i64| {
        out.extend_from_slice(&[b' ', letter]);
        out.extend_from_slice(itoa::Buffer::new().format(exptime).as_bytes());
    };
    let adds = letter == b's' && capped(0) != 0 && !words().any(|word| word[0] == b'T');
    for word in words() {
        match (word[0], exptime(&word[1..])) {
            (letter @ (b'T' | b'N'), Some(exptime)) if capped(exptime) != exptime => {
                time(out, letter, capped(exptime));
            }
            // Of no use to a server, and there may be no room for another flag beside them.
            (b'L' | b'P', _) if adds => {}
            _ => {
                out.push(b' ');
                out.extend_from_slice(word);
            }
        }
    }
    if adds {
        time(out, b'T', capped(0));
    }
}

/// An expiry time as a server reads it, which keeps 32 bits of it.
fn exptime(digits: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(i64::from(number as i32))
}

/// The expiry time of a moved copy that has `ttl` seconds left (`None`: it never expires).
pub(super) fn remaining(view: &View, ttl: Option<u32>) -> i64 {
    match ttl {
        None => 0,
        Some(seconds) => from_now(view, i64::from(seconds).max(1)),
    }
}

fn no_later(view: &View, exptime: i64, limit: i64) -> i64 {
    let left = match exptime {
        0 => i64::MAX,
        relative if relative <= LONGEST_RELATIVE => relative,
        absolute => absolute - now(view),
    };
    if left <= limit { exptime } else { from_now(view, limit) }
}

fn from_now(view: &View, seconds: i64) -> i64 {
    if seconds <= LONGEST_RELATIVE { seconds } else { now(view).saturating_add(seconds) }
}

fn now(view: &View) -> i64 {
    i64::try_from(view.now.unix_millis / 1000).unwrap_or(i64::MAX)
}
