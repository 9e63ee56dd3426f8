//! A server that comes back with what it held, and may keep what was not changed meanwhile (docs/one-view.md).
//!
//! Its driver can know what was changed only if that is noted from before its fall is published. So it is told of a fall that
//! makes this possible: one that our own probes found, of a server that was met.

use super::{Moment, Order, Watcher};
use crate::rules::health::{Event, KEPT};
use crate::rules::rejoin::Rejoin;
use crate::rules::view::{Meta, State};

/// What is known of that.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Keeping {
    /// It fell by our own probes, after it was met, and that was not asked for yet.
    pub(super) fell: bool,
    /// It came back with what it held, but for so many keys.
    pub(super) kept: Option<usize>,
}

impl Watcher {
    /// Our own probes find that it fell.
    pub(super) fn falls(&mut self, now: Moment, event: Event) -> bool {
        let met = self.incarnation().is_some() && self.view().meta == Meta::Yes;
        let changed = self.on(now, event);
        self.keeping.fell = met && self.order == Order::Up && self.state() == State::Down;
        changed
    }

    /// Whether it fell by our own probes, after it was met, since this was asked last: from now on it can be known which keys are
    /// changed without it.
    pub fn take_fall(&mut self) -> bool {
        std::mem::take(&mut self.keeping.fell) && self.state() == State::Down
    }

    /// Whether what it holds is from before its last fall. (Then it may hold what is no longer where it belongs.)
    pub fn kept(&self) -> bool {
        self.keeping.kept.is_some()
    }

    pub(super) fn why_kept(&self, reason: &str) -> Option<String> {
        let keys = match self.keeping.kept.filter(|_| reason == KEPT)? {
            1 => "1 key".to_owned(),
            keys => format!("{keys} keys"),
        };
        Some(format!("back, with what it held but {keys} changed meanwhile"))
    }
}

/// What the good end of a trial means.
pub(super) fn back(rejoin: &Rejoin) -> Event {
    let (incarnation, meta) = (rejoin.incarnation(), rejoin.meta());
    match rejoin.kept() {
        Some(_) => Event::Kept { incarnation, meta },
        None => Event::Rejoined { incarnation, meta },
    }
}
