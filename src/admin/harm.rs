//! Whom a change would hurt: the reasons for which it is not made without `--force`. Pure.

use crate::rules::pool::ServerId;
use crate::rules::view::{State, View};

use super::known::{called, word};

/// What would go wrong if this server were not used from now on, while the others are as in `view`. Nothing,
/// when it is down already.
pub fn of_taking_away(view: &View, id: ServerId) -> Vec<String> {
    let mut harm = of_no_new_keys(view, id);
    if !view.live(id) || !view.pool.options.backups {
        return harm;
    }
    if view.previous().is_some() {
        harm.push(
            "a changed list of servers is being swept: what only this server holds so far would be lost"
                .to_owned(),
        );
    }
    let pool = &view.pool;
    if let Some(backup) = pool.server(id).backup.filter(|&backup| backup != id && !is_whole(view, backup)) {
        harm.push(format!(
            "its backup {} is {}: what only this server holds would be lost",
            called(pool.server(backup)),
            word(view.state(backup))
        ));
    }
    let covered = |&other: &ServerId| other != id && pool.server(other).backup == Some(id);
    for other in pool.ids().filter(covered).filter(|&other| !is_whole(view, other)) {
        // A pair is told of once.
        if pool.server(id).backup != Some(other) {
            harm.push(format!(
                "it is the backup of {}, which is {}: what only this server holds would be lost",
                called(pool.server(other)),
                word(view.state(other))
            ));
        }
    }
    harm
}

/// What would go wrong if this server got no new keys from now on, and went down in the end.
pub fn of_no_new_keys(view: &View, id: ServerId) -> Vec<String> {
    if !view.live(id) {
        return Vec::new();
    }
    let others = view.pool.ids().filter(|&other| other != id && takes_keys(view, other)).count();
    if others == 0 {
        return vec!["it is the last server in use: every call would fail".to_owned()];
    }
    Vec::new()
}

fn takes_keys(view: &View, id: ServerId) -> bool {
    matches!(view.state(id), State::Steady | State::Returned)
}

/// Whether everything that belongs on it is there for certain. One that drains has what it had, which was not all if it
/// was returned before.
fn is_whole(view: &View, id: ServerId) -> bool {
    view.state(id) == State::Steady
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::rules::view::ServerView;

    use State::{Down, Draining, Returned, Steady};

    fn view(options: &str, states: &[State]) -> View {
        let servers: String = (1..=states.len())
            .map(|number| format!("[[server]]\nname = \"s{number}\"\naddress = \"h:{number}\"\n"))
            .collect();
        let pool = config::parse("p.toml", &format!("[pool]\n{options}\n{servers}")).unwrap().pool;
        let mut view = View::new(pool.into());
        let views = states.iter().map(|&state| ServerView { state, ..ServerView::default() });
        view.refresh(1, views);
        view
    }

    #[test]
    fn the_last_one_and_the_backup_of_one_that_is_gone_are_needed() {
        let harm = |states: &[State], id| of_taking_away(&view("", states), ServerId(id));
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
        let mut view = view("", &[Steady; 4]);
        let pool = config::parse("p.toml", "[[server]]\naddress = \"h:1\"\n").unwrap().pool;
        view.set_previous(Some(pool.into()));
        let lost =
            "a changed list of servers is being swept: what only this server holds so far would be lost";
        assert_eq!(of_taking_away(&view, ServerId(0)), [lost]);
        assert_eq!(of_no_new_keys(&view, ServerId(0)), [""; 0]);
    }

    #[test]
    fn without_second_copies_none_are_missed() {
        let view = view("backup = \"none\"", &[Down, Steady, Steady, Steady]);
        assert_eq!(of_taking_away(&view, ServerId(1)), [""; 0]);
    }

    #[test]
    fn one_that_drains_is_still_read() {
        let view = view("", &[Down, Steady, Steady, Steady]);
        assert_eq!(of_no_new_keys(&view, ServerId(1)), [""; 0]);
    }
}
