//! What the daemon takes from the system: signals, the clock, its priority, and things to wait for.

use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::UnixDatagram;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::rules::time::Instant;
use crate::rules::watcher::Moment;
use crate::table::identity;

/// The daemon's latency is everybody's: it comes before ordinary programs, if it may.
const NICE: i32 = -10;

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    End,
    Reload,
}

/// The signals that mean something.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// A file may not grow that far: taken so that it ends nobody. The write fails then, which is told.
    _too_large: Signal,
}

impl Signals {
    /// Takes them.
    pub fn new() -> Result<Signals, String> {
        let take = |kind| signal(kind).map_err(|error| format!("cannot take signals: {error}"));
        Ok(Signals {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hangup: take(SignalKind::hangup())?,
            _too_large: take(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

/// This thread is one like those of ordinary programs: what it does nobody waits for.
pub fn step_back() {
    // One that was not put before them cannot be put there by this either.
    let _ = setpriority_process(None, 0);
}

/// What it takes from the system, as far as it gives.
pub fn prepare() {
    if let Err(error) = setpriority_process(None, NICE) {
        log::debug!("its scheduling priority stays as it is: {error}");
    }
    // Two connections for each server.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// This moment.
pub fn moment() -> Moment {
    let time = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    let clock = Instant(seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000));
    Moment { clock, stamp: identity::stamp() }
}

/// Returns when a datagram is there.
pub async fn readable(listener: Option<&UnixDatagram>) {
    match listener {
        Some(listener) => drop(listener.readable().await),
        None => std::future::pending().await,
    }
}

/// Returns when it is time to tell systemd's watchdog, if it wants to know.
pub async fn tick(dog: Option<&mut tokio::time::Interval>) {
    match dog {
        Some(dog) => drop(dog.tick().await),
        None => std::future::pending().await,
    }
}
