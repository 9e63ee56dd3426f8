//! CAS tokens: a server's CAS value together with the life of the process it came from (rule 10).
//!
//! A restarted server counts from 1 again, and a stand-in counts on its own, so a bare CAS value
//! could be equal by chance. The upper 16 bits of a token are the incarnation's mark, the lower 48
//! the CAS value: at a million stores a second they last nine years.

use crate::rules::pool::ServerId;
use crate::rules::view::View;

const VALUE_BITS: u32 = 48;

/// A CAS value that no item ever has.
pub(super) const NEVER: u64 = u64::MAX;

/// The token that a caller is handed for `cas`, a CAS value that a server gave in `life`, the mark of
/// its incarnation. 0: which life it was is not known, and the token is worth nothing.
pub(super) fn token(life: u16, cas: u64) -> u64 {
    u64::from(life) << VALUE_BITS | cas & ((1 << VALUE_BITS) - 1)
}

/// The CAS value to send to `server` for a token; `None` when the token is from elsewhere, or from
/// an earlier life: what it names has certainly changed.
pub(super) fn value(view: &View, server: ServerId, token: u64) -> Option<u64> {
    let mark = (token >> VALUE_BITS) as u16;
    (mark != 0 && mark == view.server(server).incarnation).then_some(token & ((1 << VALUE_BITS) - 1))
}
