//! What the daemon does about sweeps, and about changed lists of servers.

use super::*;
use memcache::rules::sweep::Goal;

impl Daemon {
    /// The sweeper sees what was published.
    pub(super) fn show_sweeper(&mut self, net: &Net) {
        self.look(net);
        let epochs: Vec<u64> = self.watchers.iter().map(Watcher::epoch).collect();
        if let Some(sweeper) = &mut self.sweeper {
            sweeper.sweep.see(&self.view, epochs.into_iter(), |_| false);
        }
    }

    /// Goes on with sweeps, and publishes what is complete.
    pub(super) fn sweep(&mut self, net: &mut Net, board: &mut Board) {
        let isolated = self.view.isolated();
        let Some(sweeper) = self.sweeper.as_mut().filter(|_| !self.dead) else { return };
        sweeper.drive(net, board, isolated);
        while let Some(goal) = self.sweeper.as_mut().and_then(|sweeper| sweeper.sweep.reached()) {
            net.note(|| format!("SWEPT: {goal:?}"));
            match goal {
                Goal::Server(server) => {
                    board.sweeps += 1;
                    if self.watchers[server.index()].swept(moment(net)) {
                        self.publish(net, board, server.index());
                    }
                }
                Goal::List => {
                    board.lists_swept += 1;
                    board.previous = None;
                    board.generation += 1;
                    self.view.set_previous(None);
                    self.show_sweeper(net);
                }
            }
            if self.dead {
                return;
            }
        }
    }

    /// The pool file names other servers than the table: that is followed, if the change before is swept.
    pub fn follow(&mut self, net: &mut Net, board: &mut Board, file: &Arc<Pool>) {
        if self.stage != Stage::Attended || board.previous.is_some() || Arc::ptr_eq(file, &board.list) {
            return;
        }
        let (now, before, count) = (moment(net), board.listed(), file.servers().len());
        net.note(|| format!("DAEMON goes by a list of {count} servers"));
        self.drop_errands(net, board);
        self.errands.resize_with(count, || None);
        self.watchers.truncate(count);
        for server in before..count {
            let epoch = board.epoch(server);
            let (settings, due) = (settings(file, board), Instant(net.now));
            let watcher = Watcher::joining(settings, Order::Up, now, due, epoch);
            board.epochs[server] = watcher.epoch();
            board.entries[server] = Entry {
                view: watcher.view(),
                incarnation: watcher.incarnation(),
                since: watcher.since(),
                epoch: watcher.epoch(),
            };
            self.watchers.push(watcher);
        }
        if std::mem::take(&mut self.dies_halfway) {
            return self.dead = true;
        }
        board.previous = Some(std::mem::replace(&mut board.list, Arc::clone(file)));
        board.lineup += 1;
        board.generation += 1;
        self.pool = Arc::clone(file);
        let generation = self.view.generation;
        self.view = View::new(Arc::clone(file));
        self.view.generation = generation;
        self.view.set_previous(board.previous.clone());
        if let Some(sweeper) = &mut self.sweeper {
            sweeper.sweep.relist();
        }
        self.show_sweeper(net);
    }
}
