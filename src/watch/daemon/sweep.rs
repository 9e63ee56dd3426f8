//! Sweeps, as far as the loop has to do with them: what is asked for is begun here.

use super::Daemon;

impl Daemon {
    /// Somebody asks for a sweep: of the whole pool, or of what belongs on `only`.
    pub(super) fn sweep(&mut self, only: Option<usize>) {
        let what = match only.and_then(|index| self.servers.get(index)) {
            Some(watched) => format!("what belongs on {}", watched.title()),
            None => format!("the pool {}", self.plan.file.pool.name),
        };
        log::info!("a program asks for a sweep of {what}");
    }
}
