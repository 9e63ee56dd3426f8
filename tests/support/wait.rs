//! Waiting for something to become true: asked again and again until a deadline that is far beyond
//! what it takes, so that a slow machine makes a test slow and not wrong.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Whether the programs are much slower than they are built to be (scripts/tsan): that is said when they are compiled. Then
/// everything that waits or rests does so for longer.
pub const SLOW: bool = option_env!("SLOW_PROGRAMS").is_some();

/// How long [`until`] waits before it calls the wait a failure.
pub const PATIENCE: Duration = Duration::from_secs(if SLOW { 300 } else { 20 });

/// Asks until `check` gives something.
///
/// # Panics
/// With `what` when it gave nothing within [`PATIENCE`].
pub fn until<T>(what: &str, check: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, check).unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain: {what}"))
}

/// Asks until `check` gives something, at most for `patience`.
pub fn within<T>(patience: Duration, mut check: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(found) = check() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
