//! memcache-watchd under the test's control.

use std::path::{Path, PathBuf};

use memcache::table::identity::boot_millis;
use memcache::table::{Reader, Trust};

use super::service::Service;

/// A daemon that watches a pool.
pub struct Watchd {
    table: PathBuf,
    service: Service,
}

impl Watchd {
    /// Starts one and waits until the table is attended by it. What it says goes to `watchd.log` beside
    /// the pool file.
    pub fn start(program: &Path, pool_file: &Path, table: &Path) -> Watchd {
        let service = Service::new(program, pool_file, &[], pool_file.with_file_name("watchd.log"));
        let mut watchd = Watchd { table: table.to_owned(), service };
        watchd.restart();
        watchd
    }

    /// `kill -9`, and waits for its end.
    pub fn kill(&mut self) {
        self.service.kill();
    }

    /// Runs again; waits until it attends the table: not the process before, which may have died just now.
    pub fn restart(&mut self) {
        let by = |pid: u32| {
            Reader::open(&self.table, Trust::default())
                .is_ok_and(|reader| reader.header().writer.pid == pid && reader.attended(boot_millis()))
        };
        self.service.restart(|pid| by(pid).then_some(()));
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: libc::c_int) {
        self.service.signal(signal);
    }

    /// Its process id; 0 when it does not run.
    pub fn pid(&self) -> u32 {
        self.service.pid()
    }

    /// Everything it has said.
    pub fn said(&self) -> String {
        self.service.said()
    }
}
