//! Expiry times: what is sent for a copy, given where it goes.
//!
//! memcached takes 0 as never, up to thirty days as seconds from now, more than that as seconds
//! since 1970, and anything negative as expired.

use crate::rules::places::Placement;
use crate::rules::pool::ServerId;
use crate::rules::view::View;

/// Thirty days in seconds: longer expiry times are absolute (protocol.txt of memcached).
const LONGEST_RELATIVE: i64 = 60 * 60 * 24 * 30;

/// What may be sent as the expiry time of a copy of a key on `server`, where the caller asked for
/// `exptime`: no later than the pool's `max_ttl`; and on a stand-in, where nobody sweeps, no later
/// than the window, so that nothing old is left when the walk stops looking there (rule 6).
pub(super) fn on_server(view: &View, placement: &Placement, server: ServerId, exptime: i64) -> i64 {
    let options = &view.pool.options;
    let backup = view.pool.server(placement.home).backup;
    let stand_in = server != placement.home && Some(server) != backup;
    let window = (stand_in && !view.swept).then_some(options.window);
    match [window, options.max_ttl].into_iter().flatten().min() {
        Some(limit) => no_later(view, exptime, i64::try_from(limit.as_secs()).unwrap_or(i64::MAX).max(1)),
        None => exptime,
    }
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
    i64::try_from(view.unix_millis / 1000).unwrap_or(i64::MAX)
}
