//! A changed list of servers: a process goes over to it when a call begins, as src/client/lineup.rs does, and a read also in
//! mid-call, before it takes a miss for one.

use super::*;

impl Process {
    /// Takes in what the board says of lists. Whether it is news.
    pub(super) fn look_at_lists(&mut self, board: &Board) -> bool {
        self.view.swept = board.swept;
        self.view.outdated = self.lineup != board.lineup && self.planted != Planted::OldMiss;
        let previous = board.previous.as_ref().filter(|_| self.lineup == board.lineup);
        let same = match (previous, self.view.previous()) {
            (Some(told), Some(known)) => Arc::ptr_eq(told, known),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.view.set_previous(previous.cloned());
        }
        !same
    }

    /// The beginning of a call, or of what a read does after it missed under another list.
    pub(super) fn follow_list(&mut self, net: &mut Net, board: &mut Board) {
        if self.lineup == board.lineup {
            return;
        }
        let id = self.id;
        net.note(|| format!("p{id} goes by the list of {} servers", board.listed()));
        if let Some((server, _, mut trial)) = self.errand.take() {
            trial.close(net);
            board.tried_server(server, id);
        }
        self.lineup = board.lineup;
        let generation = self.view.generation + 1;
        self.view = View::new(Arc::clone(&board.list));
        self.view.generation = generation;
        for server in board.listed()..self.own.len() {
            self.take_link(net, server, &mut Vec::new());
        }
    }

    /// Looks, between two calls.
    pub fn look_anew(&mut self, net: &mut Net, board: &mut Board) {
        self.follow_list(net, board);
        self.look(net, board);
    }

    /// A call without a turn (a read, a flush) has nothing more to ask under its list, and the pool has another one by now.
    pub(super) fn waits_for_the_list(&self, board: &Board) -> bool {
        let idle = self.held.is_empty() && !self.carrier.links.iter().flatten().any(Link::owes);
        let waits = |task: &Task| task.outcome().is_none();
        self.lineup != board.lineup
            && idle
            && self.stripe.is_none()
            && self.carrier.task.as_ref().is_some_and(waits)
    }
}
