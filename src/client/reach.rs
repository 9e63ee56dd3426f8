//! Reaching a server from a thread that has nothing else to do, as a program's threads do that are no clients of a pool.

use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::net::SocketAddrAny;

use super::clock;
use super::connection::Loss;
use super::dial::Dial;

/// Who waits looks so often whether he is still to.
const LOOK: Duration = Duration::from_millis(50);

/// A connection to the first of the addresses that takes one, in blocking mode, for a thread that has nothing else
/// to do; why there is none, in words. Waits at most for `limit`, and only while `may`. What is sent over it may be
/// on its way for `limit` too.
pub(crate) fn reach(
    sites: &Arc<[SocketAddrAny]>,
    limit: Duration,
    may: &dyn Fn() -> bool,
) -> Result<OwnedFd, &'static str> {
    let mut dial = Dial::new(Arc::clone(sites), clock::now(), limit, limit);
    loop {
        let now = clock::now();
        match dial.step(now) {
            Ok(Some(socket)) => return Ok(socket),
            Ok(None) if !may() => return Err("it is not to be connected to any longer"),
            Ok(None) => {}
            Err(Loss::Local) => {
                return Err("this machine has no descriptor, port or memory for a connection to it");
            }
            Err(Loss::Silent) => return Err("it does not answer"),
            Err(_) => return Err("it cannot be connected to"),
        }
        let pause = dial.due().since(now).min(LOOK);
        match dial.socket() {
            None => std::thread::sleep(pause),
            // An error, and a wait that a signal ended: the next step tells.
            Some(socket) => {
                let _ = poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&clock::timespec(pause)));
            }
        }
    }
}
