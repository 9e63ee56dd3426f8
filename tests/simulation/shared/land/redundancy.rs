//! Where the copies are: that none is lost but by a failure, and that a swept pool has two of everything.

use super::*;

impl Land {
    /// Follows the copies of every key: the servers that held its value last, and which of these failed since.
    pub(super) fn look_at_copies(&mut self) {
        if self.seen_executed != self.net.executed {
            self.seen_executed = self.net.executed;
            for key in 0..self.keys.len() {
                let held = self.holders_of(key as Key, |truth, data| truth.is_sure(data), u64::MAX);
                if self.stub_at_home(key as Key) {
                    self.stubbed[key] = self.net.now;
                }
                if held != 0 {
                    self.emptied[key] = 0;
                    self.keys[key].copies = held;
                    self.keys[key].copies_faulted = 0;
                } else if self.emptied[key] == 0 {
                    self.emptied[key] = self.net.now;
                }
            }
        }
        let complete = self.is_complete();
        if complete && !std::mem::replace(&mut self.complete, complete) {
            self.check_redundancy(false);
        }
        self.complete = complete;
    }

    /// A complete home has a stub: somebody was killed over it while the server was returned, and a failure took the
    /// value that it was for. Until its time is over (5 s) it passes for a value there.
    fn stub_at_home(&self, key: Key) -> bool {
        let home = places::home(&self.board.list, key_bytes(key)).map(|home| home.index());
        let complete =
            |home: &usize| self.board.previous.is_none() && self.official(*home) == ServerState::Steady;
        let process = home.filter(complete).and_then(|home| self.net.servers[home].process.as_ref());
        let item = process.and_then(|process| process.item(key_bytes(key), self.net.unix_millis()));
        item.is_some_and(|item| item.is_stub())
    }

    /// Every server is steady, and so is the list.
    pub fn is_complete(&self) -> bool {
        self.board.mode(self.net.now) == Mode::Attended
            && self.board.previous.is_none()
            && (0..self.board.listed()).all(|server| self.official(server) == ServerState::Steady)
    }

    /// A server is the process that the table names.
    fn as_known(&self, server: usize) -> bool {
        let known = self.board.entries[server].incarnation;
        let process = self.net.servers[server].process.as_ref();
        match (known, process) {
            (Some(known), Some(process)) => known.pid == process.pid,
            _ => false,
        }
    }

    /// In a complete pool every key is on its home and its backup, the same on both, and nowhere else. `to_the_end`: also
    /// what calls made of it that were never answered.
    pub fn check_redundancy(&mut self, to_the_end: bool) {
        for key in 0..self.keys.len() {
            let truth = &self.keys[key];
            let certain = !self.doubtful[key] && !self.clashed[key] && truth.possible.len() == 1;
            if self.writers[key] > 0 || self.flushes() || !(certain || to_the_end) {
                continue;
            }
            if let Some(text) = self.misplaced(key as Key, certain && !self.flushed_late) {
                self.complain(text);
            }
        }
    }

    fn flushes(&self) -> bool {
        self.active.iter().flatten().any(|active| active.call == Call::FlushAll)
    }

    fn misplaced(&self, key: Key, certain: bool) -> Option<String> {
        let list = &self.board.list;
        let home = places::home(list, key_bytes(key))?;
        let holders = [Some(home), list.server(home).backup];
        let item = |server: usize| {
            let process = self.net.servers[server].process.as_ref();
            let item = process.and_then(|process| process.item(key_bytes(key), self.net.unix_millis()));
            item.filter(|item| !item.is_stub())
        };
        let belongs = |server: usize| holders.iter().flatten().any(|id| id.index() == server);
        let known = (0..self.board.listed()).filter(|server| self.as_known(*server));
        let (right, wrong): (Vec<_>, Vec<_>) = known.partition(|server| belongs(*server));
        if certain && wrong.iter().any(|server| item(*server).is_some()) {
            return Some(format!(
                "ELSEWHERE: k{key} is on a server that is none of its own. {}",
                self.contents(key)
            ));
        }
        // What may expire, or may have been deleted on one server and be about to be on another, is no matter here.
        let held: Vec<_> = right.iter().map(|server| item(*server)).collect();
        let expires = held.iter().flatten().any(|item| item.expires.is_some());
        let single = held.iter().any(Option::is_none) && held.iter().any(Option::is_some);
        // What a complete home does not have is nowhere: a flush that was cut short left it on the other.
        let left_over = !certain && self.as_known(home.index()) && item(home.index()).is_none();
        if !expires && single && !left_over {
            return Some(format!("SINGLE: k{key} has one copy in a complete pool. {}", self.contents(key)));
        }
        let mut values = held.iter().flatten().map(|item| (&item.data, item.flags, item.expires.is_some()));
        let first = values.next()?;
        if certain
            && values.any(|other| (other.1, other.2) != (first.1, first.2) || !same_value(other.0, first.0))
        {
            return Some(format!("UNEQUAL: k{key} has two copies that differ. {}", self.contents(key)));
        }
        None
    }

    /// Whether the servers that held a key's value last all failed since; or as many as can hold it did while it was being
    /// moved to them, so that its way was cleared for nothing.
    pub(super) fn copies_failed(&self, key: usize) -> bool {
        let truth = &self.keys[key];
        let fatal = if self.pool.options.backups { 2 } else { 1 };
        let moving = self.emptied[key].saturating_sub(self.pool.options.timeout.as_micros() as u64);
        let failed = self.holders_failed[key].iter().filter(|(at, _)| *at >= moving);
        let failed: BTreeSet<usize> = failed.map(|(_, server)| *server).collect();
        truth.copies & !truth.copies_faulted == 0 || failed.len() >= fatal
    }
}
