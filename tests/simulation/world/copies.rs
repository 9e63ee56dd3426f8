//! What the servers hold: whether it lives on as long as it should, no longer, and twice.

use super::*;

impl World {
    /// What was stored lives no longer than the pool lets anything live.
    pub(super) fn check_lives(&mut self, key: Key, active: &Active) {
        let Some(most) = self.driver.view.pool.options.max_ttl else { return };
        let latest = self.second() + most.as_secs() as i64 + 1;
        let too_long = |_, item: &Item| item.expires.is_none_or(|at| at > latest);
        if self.driver.net.holders(key_bytes(key), too_long) != 0 {
            let where_ = self.contents(key);
            self.complain(format!("TOO LONG: {} left what outlives everything. {where_}", active.call));
        }
    }

    /// With nothing amiss an acknowledged value has two copies.
    pub(super) fn check_copies(&mut self, key: Key, active: &Active, holders: u64) {
        let view = &self.driver.view;
        let live = view.pool.ids().filter(|id| view.live(*id)).count();
        let possible = &self.keys[usize::from(key)].possible;
        let nothing = possible.iter().any(|state| state.as_ref().is_none_or(|held| held.mark != Mark::Fresh));
        let forever =
            self.keys[usize::from(key)].possible.iter().flatten().all(|held| held.expires.is_none());
        let meta = self.driver.net.servers.iter().all(|server| server.meta);
        let wanted = if view.pool.options.backups { live.min(2) } else { 1 };
        if active.quiet && meta && !nothing && forever && (holders.count_ones() as usize) < wanted {
            let where_ = self.contents(key);
            self.complain(format!("SINGLE: {} left {} copies. {where_}", active.call, holders.count_ones()));
        }
    }

    /// The servers that hold a newest value of a key and are not known to be down.
    pub(super) fn holders(&self, key: Key) -> u64 {
        self.holders_of(key, |truth, item| truth.is_newest(&item.data))
    }

    pub(super) fn holders_of(&self, key: Key, wanted: impl Fn(&Truth, &Item) -> bool) -> u64 {
        let truth = &self.keys[usize::from(key)];
        let live = |index: usize| self.driver.health[index].state() != ServerState::Down;
        self.driver.net.holders(key_bytes(key), |index, item| live(index) && wanted(truth, item))
    }
}
