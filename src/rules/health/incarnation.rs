//! Which life of a server's process this is, and when two are one.

/// One life of a server's process, by what `stats` tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Incarnation {
    /// Its process id.
    pub pid: u64,
    /// When it started: `time - uptime`, seconds since 1970 by the server's clock. Jitters by a second.
    pub start: u64,
}

impl Incarnation {
    /// Whether both are the same life: the same process id, and starts no more than a second apart.
    pub fn same_as(self, other: Incarnation) -> bool {
        self.pid == other.pid && self.start.abs_diff(other.start) <= 1
    }

    /// 16 bits of it; never 0.
    pub(super) fn mark(self) -> u16 {
        // Two odd multipliers spread neighbouring pids and starts over all 64 bits.
        let mixed = self.pid.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ self.start.wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(29);
        ((mixed ^ (mixed >> 32)) >> 16) as u16 | 1
    }
}

/// Whether a new connection to a server that was live all along met the life known before. One
/// that never tells is taken at its word as long as it does not begin to tell.
pub(super) fn same_as_met(known: Option<Incarnation>, met: Option<Incarnation>) -> bool {
    match (known, met) {
        (Some(known), Some(met)) => known.same_as(met),
        (None, None) => true,
        _ => false,
    }
}

/// Both lives are known and they are one. After a fall, silence proves nothing.
pub(super) fn surely_same(known: Option<Incarnation>, met: Option<Incarnation>) -> bool {
    matches!((known, met), (Some(known), Some(met)) if known.same_as(met))
}
