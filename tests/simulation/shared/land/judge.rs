//! The judge: whether an answer fits what every key may hold.

use super::*;

impl Land {
    pub(super) fn judge(&mut self, id: usize, outcome: Outcome) {
        let Some(active) = self.active[id].take() else { return };
        let settled = self.processes[id].carrier.task.as_mut().map(Task::take_settled).unwrap_or_default();
        let took = self.net.now - active.began;
        let began = ((EPOCH_MILLIS + active.began / 1000) / 1000) as i64;
        let span = (began, self.second());
        let value = settled.first().and_then(|s| s.answer.as_ref().ok()).cloned();
        self.net.note(|| {
            let value = value.as_ref().map(|seen| show(&seen.data)).unwrap_or_default();
            format!("p{id} ends {}: {outcome:?} {value}", active.call)
        });
        let timeout = self.pool.options.timeout.as_micros() as u64;
        if took > timeout && !active.stopped {
            self.complain(format!("{} took {took} us of {timeout}", active.call));
        }
        let c = &mut self.counts;
        *match outcome {
            Outcome::Hit => &mut c.hits,
            Outcome::Miss => &mut c.misses,
            Outcome::Timeout => &mut c.timeouts,
            Outcome::Unavailable => &mut c.unavailable,
            _ => &mut c.acknowledged,
        } += 1;
        if let Call::Get { .. } = active.call {
            for found in &settled {
                let (key, found) = (found.key, &found.answer);
                let found = match found {
                    Ok(seen) => {
                        self.tokens[id] = Some((key, seen.token()));
                        Some(seen.clone())
                    }
                    Err(Outcome::Miss) => None,
                    Err(_) => continue,
                };
                self.judge_read(&active, key, found, span);
            }
        } else if active.call == Call::FlushAll {
            self.judge_flush(&active, outcome);
        } else if active.entered && !active.overtaken {
            self.judge_change(&active, outcome, value.as_ref(), span);
        }
    }

    pub(super) fn judge_read(&mut self, active: &Active, key: Key, found: Option<Seen>, span: (i64, i64)) {
        if self.wild[usize::from(key)] {
            return;
        }
        let readable = &active.readable[&key];
        if may_find(readable, &found, span) {
            return;
        }
        if found.is_none() && self.lost(key, active.began) {
            self.keys[usize::from(key)].possible.insert(None);
            return;
        }
        let kind = if found.is_none() { "LOST" } else { "STALE" };
        let found = found.map(|seen| show(&seen.data));
        let text = format!(
            "{kind}: k{key} read as {found:?}; it holds {}. {}",
            describe(readable),
            self.contents(key)
        );
        self.complain(text);
    }

    /// A flush that was answered leaves nothing of what nobody wrote meanwhile, nor may still write.
    pub(super) fn judge_flush(&mut self, active: &Active, outcome: Outcome) {
        for key in (0..self.keys.len()).filter(|key| active.written & (1 << key) == 0) {
            if outcome == Outcome::Done && !self.doubtful[key] {
                self.keys[key].possible = BTreeSet::from([None]);
            }
        }
    }

    pub(super) fn judge_change(
        &mut self,
        active: &Active,
        outcome: Outcome,
        value: Option<&Seen>,
        span: (i64, i64),
    ) {
        let Some(key) = active.call.changes() else { return };
        let index = usize::from(key);
        self.writers[index] -= 1;
        self.judge_answer(key, active, outcome, value, span);
        if active.flushed {
            // A flush takes no turns: it may have come before, after, or on one server before and on another after.
            self.keys[index].possible.insert(None);
            self.doubtful[index] = true;
        }
    }

    fn judge_answer(
        &mut self,
        key: Key,
        active: &Active,
        outcome: Outcome,
        value: Option<&Seen>,
        span: (i64, i64),
    ) {
        let index = usize::from(key);
        let spoils = !matches!(active.call, Call::Store { verb: Verb::Set, .. } | Call::Delete { .. });
        if spoils && self.stubbed[index] > active.began {
            self.counts.stubbed += 1;
            self.wild[index] = true;
        }
        if self.wild[index] {
            self.doubtful[index] = true;
        }
        for reader in 0..self.active.len() {
            let began =
                self.active[reader].as_ref().filter(|a| a.readable.contains_key(&key)).map(|a| a.began);
            if began.is_some_and(|began| self.lost(key, began)) {
                let states = self.active[reader].as_mut().and_then(|a| a.readable.get_mut(&key));
                states.into_iter().for_each(|states| _ = states.insert(None));
            }
        }
        if matches!(outcome, Outcome::Timeout | Outcome::Unavailable) || self.clashed[index] {
            self.doubtful[index] = true;
            self.keys[index].unanswered();
            return;
        }
        let before = self.keys[index].possible.clone();
        let mut fits = self.keys[index].end(&active.call, outcome, value, span);
        if !fits && self.lost(key, active.began) {
            self.keys[index].possible.insert(None);
            fits = self.keys[index].end(&active.call, outcome, value, span);
        }
        let means = match (&active.call, outcome) {
            // Deleted by a command whose answer was lost; the next one found nothing.
            (Call::Delete { .. }, Outcome::NotFound) => Some(Outcome::Deleted),
            // What was deleted or touched was a stub that its owner left behind.
            (Call::Delete { .. } | Call::Touch { .. }, Outcome::Deleted | Outcome::Touched)
                if self.net.leases > 0 =>
            {
                Some(Outcome::NotFound)
            }
            _ => None,
        };
        if let (false, Some(means)) = (fits, means) {
            fits = self.keys[index].end(&active.call, means, value, span);
        }
        if !fits && self.wild[index] {
            return self.keys[index].unanswered();
        }
        if !fits {
            let text = format!(
                "IMPOSSIBLE: {} ended as {outcome:?}; k{key} held {}. {}",
                active.call,
                describe(&before),
                self.contents(key)
            );
            self.complain(text);
            return self.keys[index].unanswered();
        }
        if outcome == Outcome::Touched && self.net.leases > 0 && before.contains(&None) {
            // What was touched may have been a stub: nothing is there still.
            self.keys[index].possible.insert(None);
        }
        // A touch copies nothing: what was single stays single.
        if !merely_seen(&active.call, outcome) && !matches!(outcome, Outcome::Touched | Outcome::Hit) {
            let holders = self.holders(key);
            self.keys[index].acknowledged(&active.call, holders, active.began);
            if matches!(active.call, Call::Store { verb: Verb::Set, .. } | Call::Delete { .. }) {
                (self.doubtful[index], self.wild[index]) = (false, false);
                self.check_draining(key, active);
            }
        } else {
            let holders = self.holders(key);
            self.keys[index].moved(outcome, holders);
        }
    }

    /// A draining server gets no new key as long as two others can.
    pub(super) fn check_draining(&mut self, key: Key, active: &Active) {
        let servers = 0..self.board.listed();
        let others = servers
            .clone()
            .filter(|s| !matches!(self.official(*s), ServerState::Down | ServerState::Draining))
            .filter(|s| self.used_since[*s].is_some_and(|since| since < active.began))
            .count();
        let holders = self.holders(key);
        for server in servers.filter(|s| holders & (1 << s) != 0) {
            let drains = self.draining_since[server].is_some_and(|since| since < active.began);
            if drains && others >= 2 && self.board.mode(self.net.now) == Mode::Attended {
                self.complain(format!("DRAINING: {} was stored on s{server}", active.call));
            }
        }
    }

    pub(super) fn holders(&self, key: Key) -> u64 {
        self.holders_of(key, |truth, data| truth.is_newest(data), u64::MAX)
    }

    pub(super) fn holders_of(&self, key: Key, wanted: impl Fn(&Truth, &[u8]) -> bool, until: u64) -> u64 {
        let truth = &self.keys[usize::from(key)];
        let used = |server: usize| self.used_since[server].is_some();
        self.net.holders(key_bytes(key), |server, item| {
            used(server) && item.stored <= until && wanted(truth, &item.data)
        })
    }

    /// Whether a key may be missed because its last copy is truly gone.
    pub(super) fn lost(&mut self, key: Key, began: u64) -> bool {
        let truth = &self.keys[usize::from(key)];
        if truth.possible.contains(&None) || self.flushed_late {
            return true;
        }
        let every_holder_failed = if self.board.swept {
            self.copies_failed(usize::from(key))
        } else {
            truth.holders & !truth.faulted == 0
        };
        let swept = self.board.swept;
        let wanted =
            |truth: &Truth, data: &[u8]| if swept { truth.is_sure(data) } else { truth.is_settled(data) };
        let held = self.holders_of(key, wanted, EPOCH_MILLIS + began / 1000);
        let readable = (0..self.used_since.len())
            .filter(|server| held & (1 << server) != 0)
            .filter(|s| {
                self.net.servers[*s].healthy() && self.used_since[*s].is_some_and(|since| since < began)
            })
            .count();
        let fatal = if self.pool.options.backups { 2 } else { 1 };
        let between = truth.busy && truth.faulted_meanwhile.count_ones() >= fatal;
        // A call whose answer nobody heard was executed all the same: where its new copies are all there can
        // be, it has cleared the old ones. As many servers must have failed since as held the new ones.
        let unheard = self.doubtful[usize::from(key)] && truth.faulted.count_ones() >= fatal;
        let lost = readable == 0 && (every_holder_failed || between || unheard);
        self.counts.lost += u64::from(lost);
        lost
    }

    pub(super) fn contents(&self, key: Key) -> String {
        self.net.contents(key_bytes(key), |server| self.official(server))
    }

    /// When nothing is at work: the copies of a key that everybody agreed on are one value.
    pub fn check_copies(&mut self) {
        for key in 0..self.keys.len() {
            if self.doubtful[key] && !self.clashed[key] {
                continue;
            }
            let held: BTreeSet<_> = (self.net.servers.iter().enumerate())
                .filter(|(index, _)| self.used_since[*index].is_some())
                .filter_map(|(_, server)| {
                    let item =
                        server.process.as_ref()?.item(key_bytes(key as Key), self.net.unix_millis())?;
                    (!item.is_stub()).then(|| item.data.clone())
                })
                .collect();
            if held.len() > 1 {
                let text = format!("DIFFERENT COPIES of k{key}. {}", self.contents(key as Key));
                self.complain(text);
            }
        }
    }
}
