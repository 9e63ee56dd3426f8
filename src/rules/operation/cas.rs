//! CAS tokens: a server's CAS value together with the life of the process it came from (rule 10).
//!
//! A restarted server counts from 1 again, and a stand-in counts on its own, so a bare CAS value
//! could be equal by chance. The lower 48 bits of a token are the CAS value: at a million stores a second they last nine
//! years. The 15 bits above them are the incarnation's mark but for its first; the highest is 0, because there are clients
//! that read a CAS value as a number with a sign.

use crate::rules::pool::ServerId;
use crate::rules::view::View;

const VALUE_BITS: u32 = 48;

/// A CAS value that no item ever has.
pub(super) const NEVER: u64 = u64::MAX;

/// The token that a caller is handed for `cas`, a CAS value that a server gave in `life`, the mark of
/// its incarnation. 0: which life it was is not known, and the token is worth nothing.
pub(super) fn token(life: u16, cas: u64) -> u64 {
    short(life) << VALUE_BITS | cas & ((1 << VALUE_BITS) - 1)
}

/// As much of a mark as a token has room for. Never 0 unless the mark is.
fn short(life: u16) -> u64 {
    let short = u64::from(life & 0x7fff);
    if short == 0 { u64::from(life != 0) } else { short }
}

/// The CAS value to send to `server` for a token; `None` when the token is from elsewhere, or from
/// an earlier life: what it names has certainly changed.
pub(super) fn value(view: &View, server: ServerId, token: u64) -> Option<u64> {
    let mark = token >> VALUE_BITS;
    (mark != 0 && mark == short(view.server(server).incarnation)).then_some(token & ((1 << VALUE_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_number_that_a_sign_does_no_harm_to() {
        for life in [1, 2, 0x7fff, 0x8000, 0x8001, 0xffff] {
            let token = token(life, (1 << VALUE_BITS) - 1);
            assert!(i64::try_from(token).is_ok() && token >> VALUE_BITS != 0, "{life:#x}");
        }
        assert_eq!(token(0, 7), 7);
        assert_eq!(token(3, u64::MAX) & ((1 << VALUE_BITS) - 1), (1 << VALUE_BITS) - 1);
    }
}
