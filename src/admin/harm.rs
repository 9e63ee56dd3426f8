//! Whom a change would hurt: the reasons for which it is not made without `--force`. Pure.

use crate::config::{Order, PoolFile};
use crate::rules::pool::{Server, ServerId};
use crate::rules::view::{ServerView, State, View};

use super::known::{called, word};

/// What a change is judged by: the servers of the list in force, as they will be when everything is followed that the file
/// orders by now. A list that waits for the sweep of the one before is one change in the end, whatever it was made of;
/// and a daemon that is not there follows all at once when it begins.
pub struct Outlook {
    view: View,
    /// Still in use, and not for long: an order or the next list takes them away.
    going: Vec<ServerId>,
}

impl Outlook {
    /// `view` is what is so now.
    pub fn new(mut view: View, file: &PoolFile) -> Outlook {
        let then: Vec<ServerView> = view
            .pool
            .ids()
            .map(|id| ServerView {
                state: ordered(file, view.pool.server(id), view.state(id)),
                ..view.server(id)
            })
            .collect();
        let going = view.pool.ids().filter(|&id| then[id.index()].state != view.state(id)).collect();
        view.refresh(view.generation, then.into_iter());
        Outlook { view, going }
    }

    /// The list before this one does not matter: what is to be judged is followed when that is swept.
    pub fn when_swept(mut self) -> Outlook {
        self.view.set_previous(None);
        self
    }

    /// What would go wrong if this server were not used from now on. Nothing, when it is down already.
    pub fn of_taking_away(&self, id: ServerId) -> Vec<String> {
        let mut harm = self.of_no_new_keys(id);
        if !self.view.live(id) || !self.view.pool.options.backups {
            return harm;
        }
        if self.view.previous().is_some() {
            harm.push(
                "a changed list of servers is being swept: what only this server holds so far would be lost"
                    .to_owned(),
            );
        }
        let pool = &self.view.pool;
        if let Some(backup) = pool.server(id).backup.filter(|&backup| backup != id && !self.is_whole(backup))
        {
            harm.push(format!(
                "its backup {} is {}: what only this server holds would be lost",
                called(pool.server(backup)),
                self.word(backup)
            ));
        }
        let covered = |&other: &ServerId| other != id && pool.server(other).backup == Some(id);
        for other in pool.ids().filter(covered).filter(|&other| !self.is_whole(other)) {
            // A pair is told of once.
            if pool.server(id).backup != Some(other) {
                harm.push(format!(
                    "it is the backup of {}, which is {}: what only this server holds would be lost",
                    called(pool.server(other)),
                    self.word(other)
                ));
            }
        }
        harm
    }

    /// What would go wrong if this server got no new keys from now on, and went down in the end.
    pub fn of_no_new_keys(&self, id: ServerId) -> Vec<String> {
        if !self.view.live(id) {
            return Vec::new();
        }
        let others = self.view.pool.ids().filter(|&other| other != id && self.takes_keys(other)).count();
        if others == 0 {
            return vec!["it is the last server in use: every call would fail".to_owned()];
        }
        Vec::new()
    }

    fn takes_keys(&self, id: ServerId) -> bool {
        matches!(self.view.state(id), State::Steady | State::Returned)
    }

    /// Whether everything that belongs on it is there for certain. One that drains has what it had, which was not all if it
    /// was returned before.
    fn is_whole(&self, id: ServerId) -> bool {
        self.view.state(id) == State::Steady
    }

    fn word(&self, id: ServerId) -> &'static str {
        if self.going.contains(&id) {
            "to be taken away by what the file says already"
        } else {
            word(self.view.state(id))
        }
    }
}

/// The state of a server that is in `state`, when the file is followed.
fn ordered(file: &PoolFile, server: &Server, state: State) -> State {
    let listed = file.pool.servers().iter().zip(&file.orders);
    let order =
        listed.into_iter().find(|(listed, _)| listed.name == server.name && listed.address == server.address);
    match order.map(|(_, order)| order) {
        None | Some(Order::Down) => State::Down,
        Some(Order::Draining) if state != State::Down => State::Draining,
        Some(_) => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    use State::{Down, Draining, Returned, Steady};

    /// A pool file; each server by its number, and what more is said of it.
    fn file(options: &str, servers: &[(usize, &str)]) -> PoolFile {
        let section = |(number, more): &(usize, &str)| {
            format!("[[server]]\nname = \"s{number}\"\naddress = \"h:{number}\"\n{more}\n")
        };
        let servers: String = servers.iter().map(section).collect();
        config::parse("p.toml", &format!("[pool]\n{options}\n{servers}")).unwrap()
    }

    /// What is in force is what the file says.
    fn outlook(options: &str, states: &[State]) -> Outlook {
        let servers: Vec<(usize, &str)> = (1..=states.len()).map(|number| (number, "")).collect();
        let file = file(options, &servers);
        Outlook::new(view(&file, states), &file)
    }

    fn view(file: &PoolFile, states: &[State]) -> View {
        let mut view = View::new(file.pool.clone().into());
        view.refresh(1, states.iter().map(|&state| ServerView { state, ..ServerView::default() }));
        view
    }

    #[test]
    fn the_last_one_and_the_backup_of_one_that_is_gone_are_needed() {
        let harm = |states: &[State], id| outlook("", states).of_taking_away(ServerId(id));
        assert_eq!(harm(&[Steady; 4], 0), [""; 0]);
        assert_eq!(harm(&[Down, Steady, Steady, Steady], 0), [""; 0], "nothing is taken away");
        assert_eq!(harm(&[Steady], 0), ["it is the last server in use: every call would fail"]);
        let lost = "what only this server holds would be lost";
        assert_eq!(
            harm(&[Down, Steady, Steady, Steady], 1),
            [format!("its backup s1 (h:1) is down: {lost}")]
        );
        assert_eq!(
            harm(&[Steady, Steady, Steady, Returned], 2),
            [format!("its backup s4 (h:4) is returned: {lost}")]
        );
        // The odd last one is backed up by the first.
        assert_eq!(
            harm(&[Steady, Steady, Steady, Steady, Down], 0),
            [format!("it is the backup of s5 (h:5), which is down: {lost}")]
        );
        assert_eq!(harm(&[Steady, Draining], 0)[0], "it is the last server in use: every call would fail");
        assert_eq!(
            harm(&[Steady, Steady, Draining, Steady], 3),
            [format!("its backup s3 (h:3) is draining: {lost}")]
        );
        assert_eq!(
            harm(&[Steady, Steady, Down, Down, Steady], 4),
            [""; 0],
            "who is out by order is not missed"
        );
    }

    #[test]
    fn while_a_changed_list_is_swept_nobody_is_taken_away() {
        let file = file("", &[(1, ""), (2, ""), (3, ""), (4, "")]);
        let mut view = view(&file, &[Steady; 4]);
        let pool = config::parse("p.toml", "[[server]]\naddress = \"h:1\"\n").unwrap().pool;
        view.set_previous(Some(pool.into()));
        let outlook = Outlook::new(view, &file);
        let lost =
            "a changed list of servers is being swept: what only this server holds so far would be lost";
        assert_eq!(outlook.of_taking_away(ServerId(0)), [lost]);
        assert_eq!(outlook.of_no_new_keys(ServerId(0)), [""; 0]);
        assert_eq!(outlook.when_swept().of_taking_away(ServerId(0)), [""; 0]);
    }

    /// Several changes that wait are followed as one.
    #[test]
    fn of_a_pair_one_stays_also_when_the_other_only_waits_to_go() {
        let in_force = file("", &[(1, ""), (2, ""), (3, ""), (4, "")]);
        let harm = |servers: &[(usize, &str)]| {
            Outlook::new(view(&in_force, &[Steady; 4]), &file("", servers)).of_taking_away(ServerId(0))
        };
        let lost =
            ["its backup s2 (h:2) is to be taken away by what the file says already: what only this server \
                     holds would be lost"];
        assert_eq!(harm(&[(1, ""), (3, ""), (4, "")]), lost, "removed");
        assert_eq!(harm(&[(1, ""), (2, "state = \"down\""), (3, ""), (4, "")]), lost);
        assert_eq!(harm(&[(1, ""), (2, "state = \"draining\""), (3, ""), (4, "")]), lost);
        assert_eq!(harm(&[(1, ""), (3, ""), (4, ""), (2, "weight = 2")]), [""; 0], "elsewhere in the list");
        assert_eq!(harm(&[(1, ""), (2, ""), (4, "")]), [""; 0], "of another pair");
        assert_eq!(harm(&[(2, ""), (3, ""), (4, "")]), [""; 0], "it goes already");
        let last = "it is the last server in use: every call would fail";
        assert_eq!(harm(&[(1, "")])[0], last);
    }

    #[test]
    fn without_second_copies_none_are_missed() {
        let outlook = outlook("backup = \"none\"", &[Down, Steady, Steady, Steady]);
        assert_eq!(outlook.of_taking_away(ServerId(1)), [""; 0]);
    }

    #[test]
    fn one_that_drains_is_still_read() {
        let outlook = outlook("", &[Down, Steady, Steady, Steady]);
        assert_eq!(outlook.of_no_new_keys(ServerId(1)), [""; 0]);
    }
}
